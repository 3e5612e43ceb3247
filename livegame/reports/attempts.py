"""All attempts of a game, blocked ones too: what no model rates is counted here as well."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from livegame.reports.counting import Count
from livegame.reports.frames import frame_of

SHORT: Final = "short"  # the reason of a miss that did not reach the net: half of the public sites leave such out
BLOCKED: Final = "blocked-shot"
_GROUP: Final = ["team", "is_home", "period"]
_COUNTS: Final = ["goals", "on_goal", "unblocked", "unblocked_without_short", "blocked", "attempts"]
_BLOCKED_COLUMNS: Final = (
    *("event_id", "period", "seconds", "time", "team", "is_home", "shooter", "shooter_id", "blocker", "blocker_id"),
    *("by_teammate", "x", "y", "code", "strength", "situation", "counts"),
)
_BLOCKED_TYPES: Final = {
    **dict.fromkeys(("shooter_id", "blocker_id"), "Int64"),
    **dict.fromkeys(("is_home", "by_teammate", "counts"), "bool"),
}
Counted = Mapping[tuple[str, bool, int], Sequence[int]]  # by team, whether it is the home team, and period: `_COUNTS`


@dataclass(frozen=True, slots=True)
class AttemptCounts:
    """How often a team shot."""

    on_goal: int  # as the league counts shots on goal
    unblocked: int
    blocked: int
    attempts: int  # blocked or not


def counted_attempts(attempts: Iterable[Mapping[str, Any]], count: Count) -> Counted:
    """Count the attempts that `count` takes; `attempts` are rows of the view of that name."""
    sums: dict[tuple[str, bool, int], list[int]] = {}
    for row in attempts:
        if count.takes(row["situation"]):
            outcome, is_blocked = row["outcome"], row["outcome"] == BLOCKED
            found = (
                *(outcome == "goal", bool(row["on_goal"]), not is_blocked),
                *(not is_blocked and row["reason"] != SHORT, is_blocked, True),
            )
            key = (row["team"], bool(row["is_home"]), row["period"])
            sums[key] = [total + one for total, one in zip(sums.get(key, [0] * len(_COUNTS)), found, strict=True)]
    return sums


def attempts_frame(counted: Counted) -> pd.DataFrame:
    """Return the counts as a frame.

    Returns:
        One row per period and team that has any, the away team first: team, is_home, period, goals, on_goal (as the
        league counts shots on goal: goals are among them, own goals are not), unblocked, unblocked_without_short
        (misses that fell short left out; the league names them since 2023-24), blocked, attempts.
    """
    rows = [(*key, *counts) for key, counts in sorted(counted.items(), key=lambda entry: (entry[0][2], entry[0][1]))]
    return frame_of(rows, [*_GROUP, *_COUNTS])


def attempts_of(counted: Counted, *, is_home: bool) -> AttemptCounts:
    """Return one team's attempts of the whole game."""
    own = [
        dict(zip(_COUNTS, counts, strict=True))
        for (_, is_of_home, _), counts in counted.items()
        if is_of_home is is_home
    ]
    return AttemptCounts(*(sum(of[name] for of in own) for name in ("on_goal", "unblocked", "blocked", "attempts")))


def blocked_frame(
    blocked: Iterable[Mapping[str, Any]], attempts: Iterable[Mapping[str, Any]], count: Count
) -> pd.DataFrame:
    """Return one row per blocked attempt in play order, with its team, its situation and whether it `counts`."""
    found = {row["event_id"]: row for row in attempts if row["outcome"] == BLOCKED}
    records = []
    for row in blocked:
        attempt = found[row["event_id"]]
        values = {
            **row,
            "time": f"{row['seconds'] // 60:02d}:{row['seconds'] % 60:02d}",
            "team": attempt["team"],
            "situation": attempt["situation"],
            "counts": count.takes(attempt["situation"]),
        }
        records.append(tuple(values[column] for column in _BLOCKED_COLUMNS))
    return frame_of(records, _BLOCKED_COLUMNS, _BLOCKED_TYPES)
