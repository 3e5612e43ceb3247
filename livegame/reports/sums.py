"""Sums over shots, expected goals beside actual ones: for teams, periods, situations, players and goalies alike."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Any, Final

Rows = Iterable[Mapping[str, Any]]  # shots, each a row of the history's `shot_probabilities`
RETRACTED: Final = "retracted"
PENDING: Final = "pending"
GOAL: Final = "goal"
_MISS: Final = "missed-shot"


@dataclass(frozen=True, slots=True)
class Sums:
    """Some shots added up."""

    shots: int = 0  # unblocked attempts
    on_goal: int = 0
    pending: int = 0  # shots that are not rated yet, so not in `xg`
    pending_goals: int = 0  # goals among them
    xg: float = 0.0
    goals: int = 0
    difference: float = 0.0  # xG - goals, over the shots that have been rated
    variance: float = 0.0  # of the goals, if each shot scored independently with its xG

    @property
    def rated(self) -> int:
        """The number of rated shots."""
        return self.shots - self.pending


def sum_up(shots: Rows) -> Sums:
    """Return the sums of shots, none of them retracted."""
    rows = list(shots)
    rated = [row for row in rows if row["status"] != PENDING]
    waiting = [row for row in rows if row["status"] == PENDING]
    chances = [row["probability"] for row in rated]
    return Sums(
        shots=len(rows),
        on_goal=sum(row["outcome"] != _MISS for row in rows),
        pending=len(waiting),
        pending_goals=sum(row["is_goal"] for row in waiting),
        xg=fsum(chances),
        goals=sum(row["is_goal"] for row in rows),
        difference=fsum(row["probability"] - row["is_goal"] for row in rated),
        variance=fsum(p * (1 - p) for p in chances),
    )


def grouped(shots: Rows, *columns: str) -> dict[tuple[Hashable, ...], list[Mapping[str, Any]]]:
    """Return the shots by their values in these columns, in the order of first appearance."""
    groups: dict[tuple[Hashable, ...], list[Mapping[str, Any]]] = {}
    for row in shots:
        groups.setdefault(tuple(row[column] for column in columns), []).append(row)
    return groups


def by_shooter(shots: Rows) -> list[dict[str, Any]]:
    """Return sums by shooter, the most xG first; the league's id tells shooters apart, as two may share a name."""
    found = []
    for (team, who), rows in grouped(_identified(shots, "shooter"), "team", "who").items():
        sums = sum_up(rows)
        about = {"team": team, "is_home": rows[0]["is_home"], "shooter_id": rows[-1]["shooter_id"]}
        name = {"shooter": rows[-1]["shooter"]}
        found.append((str(who), about | name | _columns(sums) | {"goals_above_expected": 0.0 - sums.difference}))
    return [row for _, row in sorted(found, key=lambda entry: (-entry[1]["xg"], entry[1]["shooter"] or "", entry[0]))]


def by_goalie(shots: Rows) -> list[dict[str, Any]]:
    """Return sums by the goalie that the league names, the away team's first, without shots at an empty net."""
    faced = [
        row
        for row in _identified(shots, "goalie")
        if not row["empty_net"] and (row["goalie"] is not None or row["goalie_id"] is not None)
    ]
    found = []
    for (team, _), rows in grouped(faced, "opponent", "who").items():
        sums = sum_up(rows)
        about = {"team": team, "is_home": not rows[0]["is_home"], "goalie_id": rows[-1]["goalie_id"]}
        name = {"goalie": rows[-1]["goalie"] or f"Player {rows[-1]['goalie_id']}"}
        luck = {"saved_above_expected": sums.difference, "deviation": sqrt(sums.variance)}  # one standard deviation
        found.append(about | name | _columns(sums) | luck)
    return sorted(found, key=lambda row: (row["is_home"], -row["xg"]))


def _identified(shots: Rows, player: str) -> Iterable[dict[str, Any]]:
    return ({**row, "who": row[player] if row[f"{player}_id"] is None else row[f"{player}_id"]} for row in shots)


def _columns(sums: Sums) -> dict[str, Any]:
    return {name: getattr(sums, name) for name in ("shots", "on_goal", "pending", "xg", "goals", "variance")}
