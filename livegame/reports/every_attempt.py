"""Every attempt of a game as one list, blocked ones among them."""

from typing import Final

import pandas as pd

from livegame.plays import PERIOD_SECONDS
from livegame.reports.attempts import BLOCKED
from livegame.reports.counting import strength_of
from livegame.reports.game import GameReport
from livegame.reports.splits.misses import miss_words

_COLUMNS: Final = (
    *("event_id", "game_seconds", "period", "time", "team", "shooter", "outcome", "probability", "strength"),
    *("shot_type", "distance", "goalie", "status", "why"),
)


def every_attempt(report: GameReport) -> pd.DataFrame:
    """Return all attempts in play order, counted or not.

    Returns:
        One row per attempt. `why` is the reason of a miss in plain words, or who blocked the attempt. A blocked attempt
        has no probability, type, distance, goalie and status.
    """
    shots = report.shots
    why = shots["reason"].map(miss_words).astype(object).where(shots["reason"].notna(), None)
    blocked = report.blocked
    rows = blocked[["event_id", "period", "time", "team", "shooter"]].assign(
        game_seconds=(blocked["period"] - 1) * PERIOD_SECONDS + blocked["seconds"],
        outcome=BLOCKED,
        strength=[
            strength_of(situation, skaters)
            for situation, skaters in zip(blocked["situation"], blocked["strength"], strict=True)
        ],
        why=[
            "team-mate" if own else blocker
            for own, blocker in zip(blocked["by_teammate"], blocked["blocker"], strict=True)
        ],
    )
    both = [frame.reindex(columns=_COLUMNS).astype(object) for frame in (shots.assign(why=why), rows)]
    merged = pd.concat([frame for frame in both if len(frame)] or both[:1], ignore_index=True)
    in_order = merged.sort_values("game_seconds", kind="stable", ignore_index=True)
    return in_order.where(in_order.notna(), None)
