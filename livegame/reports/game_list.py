"""The list of stored games, each with its expected goals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from db.history import History, Moment
from livegame.reports.game import stored_status


@dataclass(frozen=True, slots=True)
class GameLine:
    """A stored game in a list of many."""

    row: Mapping[str, Any]  # of the game in the history
    status: str
    away_xg: float | None  # without shots at an empty net; None if no shot of the team is on record
    home_xg: float | None
    pending: int  # shots known but not rated yet, of both teams


def game_lines(
    history: History, search: str = "", *, limit: int, offset: int = 0, moment: Moment | None = None
) -> list[GameLine]:
    """Return the games that `History.games` finds, the latest first, as of a moment.

    Raises:
        DatabaseError: the history cannot be read.
    """
    lines = []
    for row in history.games(search, limit=limit, offset=offset, moment=moment):
        xg = {total["team"]: total["xg"] - total["xg_empty_net"] for total in row["totals"]}
        pending = sum(total["pending"] for total in row["totals"])
        sides = xg.get(row["away_abbrev"]), xg.get(row["home_abbrev"])
        lines.append(GameLine(row, stored_status(row), *sides, pending))
    return lines
