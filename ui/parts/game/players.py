"""The players and goalies of a game."""

from operator import itemgetter
from typing import Any, Final

import streamlit as st

from livegame.reports.game import GameReport
from ui.colours import TeamColours
from ui.parts.html_table import Column, Row, draw_table, joined, swatch
from ui.words import COUNTED, decimals, plain, signed

FEW_ATTEMPTS: Final = 25
_SORTS: Final = {
    "xG": "xg",
    "Goals": "goals",
    "Goals above expected": "goals_above_expected",
    "Attempts": "shots",
}
_PENDING: Final = Column("Pending", is_wide=True, help="Attempts that are not rated yet")
_PLAYERS: Final = (
    Column("Player", is_number=False),
    Column("Unblocked attempts", is_wide=True),
    Column("SOG", help="Shots on goal"),
    Column("xG"),
    Column("Goals"),
    Column("Goals above expected", help="Goals minus xG: plus means more goals than expected"),
)
_GOALIES: Final = (
    Column("Goalie", is_number=False),
    Column("Unblocked attempts faced", is_wide=True),
    Column("SOG", help="Shots on goal"),
    Column("xG faced"),
    Column("Goals against"),
    Column(
        "Goals saved above expected",
        help="xG faced minus goals against: plus means fewer goals than expected",
    ),
    Column(
        "Luck (1 SD)",
        help="One standard deviation of goals against, if each attempt goes in by chance as often as its xG says",
    ),
)


def draw_players(report: GameReport, colours: TeamColours) -> None:
    """Draw the table of players, by what the reader chooses."""
    players = report.by_shooter
    if players.empty:
        st.caption("No attempts to add up here.")
        return
    by = st.segmented_control("Sort by", list(_SORTS), default="xG", required=True, key=f"sort_{report.game_id}")
    rows = sorted(players.to_dict("records"), key=itemgetter(_SORTS[str(by)]), reverse=True)
    columns, pending = _with_pending(_PLAYERS, rows)
    cells = [
        Row(
            (
                _named(report, row, row["shooter"] or "unknown", colours),
                str(row["shots"]),
                str(row["on_goal"]),
                decimals(row["xg"]),
                str(row["goals"]),
                signed(row["goals_above_expected"]),
                *pending(row),
            )
        )
        for row in rows
    ]
    draw_table("Players", columns, cells, is_tall=True)
    st.caption(f"{COUNTED[report.count]}.")


def draw_goalies(report: GameReport, colours: TeamColours) -> None:
    """Draw the table of goalies, and how little one game says about them."""
    goalies = report.by_goalie
    if goalies.empty:
        st.caption("No goalie named by the league has faced an attempt that counts.")
        return
    rows = goalies.to_dict("records")
    columns, pending = _with_pending(_GOALIES, rows)
    cells = [
        Row(
            (
                _named(report, row, row["goalie"], colours),
                str(row["shots"]),
                str(row["on_goal"]),
                decimals(row["xg"]),
                str(row["goals"]),
                signed(row["saved_above_expected"]),
                decimals(row["deviation"]),
                *pending(row),
            )
        )
        for row in rows
    ]
    draw_table("Goalies", columns, cells)
    few = goalies[goalies["shots"] < FEW_ATTEMPTS]["goalie"]
    text = f"Small sample: {', '.join(few)} faced fewer than {FEW_ATTEMPTS} attempts. " if len(few) else ""
    st.caption(
        plain(
            f"Includes misses; before 2019 the league did not record the goalie on misses. {text}One game says little"
            " about a goalie: compare the goals saved with the Luck column."
        )
    )


def _named(report: GameReport, row: dict[Any, Any], name: str, colours: TeamColours) -> str:
    colour = colours.home if row["team"] == report.home.abbrev else colours.away
    return joined(swatch(colour), f"{name} ({row['team']})")


def _with_pending(columns: tuple[Column, ...], rows: list[dict[Any, Any]]) -> Any:
    """Return the columns, with one of attempts that are not rated yet if there are any, and how to fill it."""
    if not any(row["pending"] for row in rows):
        return columns, lambda row: ()  # noqa: ARG005
    return (*columns, _PENDING), lambda row: (str(row["pending"]),)
