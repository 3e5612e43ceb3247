"""The tables of the History page: the teams over their games, and the list of games."""

from html import escape
from typing import Final

from db.history import SEASON
from livegame.reports.game_list import GameLine
from livegame.reports.teams import TeamLine
from ui.address import link_to_game
from ui.parts.html_table import Column, Html, Row, draw_table
from ui.words import COMPETITIONS, count, decimals, model_name, status_words

TEAMS_SHOWN: Final = 11  # more of them scroll
_TEAMS: Final = (
    Column("Team", is_number=False),
    Column("Games"),
    Column("xG"),
    Column("Goals"),
    Column("xG against"),
    Column("Goals against"),
    Column("xG share", help="The team's share of both teams' expected goals"),
)
_GAMES: Final = (
    Column("Date", is_number=False),
    Column("Game", is_number=False),
    Column("Score", help="Away, home"),
    Column("xG", help="Away, home; without empty-net attempts, as on the Game page"),
    Column("Status", is_number=False, is_wide=True, begins_group=True),
    Column("Rated by", is_number=False, is_wide=True),
    Column("ID", is_wide=True),
)


def draw_teams(lines: list[TeamLine]) -> None:
    """Draw a row per team, as they come."""
    rows = [
        Row(
            (
                line.team,
                f"{line.games:,}",
                decimals(line.xg),
                decimals(line.goals),
                decimals(line.xg_against),
                decimals(line.goals_against),
                "" if line.xg_share is None else f"{line.xg_share:.1f}%",
            )
        )
        for line in lines
    ]
    name = "Each team's expected and actual goals per game, for and against"
    draw_table(name, _TEAMS, rows, is_tall=len(rows) > TEAMS_SHOWN)


def draw_games(lines: list[GameLine]) -> None:
    """Draw a row per game; its name is a link to it."""
    draw_table("Games with scores and expected goals", _GAMES, [_game(line) for line in lines])


def _game(line: GameLine) -> Row:
    row = line.row
    notes = [] if row["competition"] == SEASON else [COMPETITIONS[row["competition"]]]
    notes += [f"{count(line.pending, 'attempt')} pending"] if line.pending else []
    xg = (decimals(side) or "\N{EN DASH}" for side in (line.away_xg, line.home_xg))
    return Row(
        (
            row["game_date"],
            _link(line),
            f"{row['away_score']}\N{EN DASH}{row['home_score']}",
            "\N{NO-BREAK SPACE}: ".join(xg),
            ", ".join([status_words(line.status), *notes]),
            model_name(row["model"]) if row["model"] else "not rated",
            str(row["game_id"]),
        )
    )


def _link(line: GameLine) -> Html:
    """Return a link with the teams' names, or their abbreviations where there is no room."""
    row = line.row
    address = escape(link_to_game(row["game_id"]))
    names, abbrevs = (escape(f"{row[f'away_{kind}']} at {row[f'home_{kind}']}") for kind in ("name", "abbrev"))
    return Html(
        f'<a href="{address}" aria-label="{names}"><span class="xg-wide">{names}</span>'
        f'<span class="xg-narrow">{abbrevs}</span></a>'
    )
