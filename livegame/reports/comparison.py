"""Two models on one game, shot by shot."""

import pandas as pd

from livegame.reports.game import GameReport

_SHARED = ("event_id", "period", "time", "team", "shooter", "outcome", "shot_type", "distance", "strength_state")


def compare(one: GameReport, other: GameReport) -> pd.DataFrame:
    """Return the shots that count and that both reports' models have scored, the largest disagreement first.

    Returns:
        One row per shot: what it was, `one` and `other` (P(goal) by the two models) and `difference` (one - other).
    """
    scored = one.counted.dropna(subset=["probability"])
    theirs = other.counted.dropna(subset=["probability"]).set_index("event_id")["probability"]
    both = scored[scored["event_id"].isin(theirs.index)]
    frame = both[list(_SHARED)].assign(one=both["probability"], other=both["event_id"].map(theirs))
    frame = frame.assign(difference=frame["one"] - frame["other"])
    return frame.sort_values("difference", key=abs, ascending=False, ignore_index=True)
