"""Each team's expected and real goals per game, over its games on record."""

from dataclasses import dataclass

from db.history import SEASON, History
from livegame.reports.game import GameReport


@dataclass(frozen=True, slots=True)
class TeamLine:
    """A team's games on record under one model; all but `games` and `xg_share` are means per game."""

    team: str
    games: int
    xg: float
    goals: float
    xg_against: float
    goals_against: float
    xg_share: float | None  # percent of both teams' expected goals; None if there are none


def team_lines(
    history: History, model: str, season: int | None = None, competition: str = SEASON, *, without: int | None = None
) -> list[TeamLine]:
    """Return a line per team that has games on record, the largest share of expected goals first.

    The game `without` is left out.

    Raises:
        DatabaseError: the history cannot be read.
    """
    lines = []
    for row in history.teams(model, season, competition, without=without):
        games, total = row["games"], row["xg"] + row["xg_against"]
        means = {name: row[name] / games for name in ("xg", "goals", "xg_against", "goals_against")}
        lines.append(TeamLine(row["team"], games, **means, xg_share=100 * row["xg"] / total if total else None))
    return sorted(lines, key=lambda line: line.xg_share or 0.0, reverse=True)


def season_lines(history: History, report: GameReport) -> dict[str, TeamLine]:
    """Return the lines of the game's two teams in its season without this game, by abbreviation.

    A team without games is left out.

    Raises:
        DatabaseError: the history cannot be read.
    """
    if report.model is None:
        return {}
    lines = team_lines(history, report.model, report.row["season"], without=report.game_id)
    return {line.team: line for line in lines if line.team in (report.away.abbrev, report.home.abbrev)}
