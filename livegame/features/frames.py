"""Features as frames of pandas, for training and for whoever looks at them. Pings need no frame, and load none."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pandas as pd

from livegame.features.features import FEATURES, feature_rows
from livegame.plays import Game

_LABELS: Final = ("game_id", "season", "event_id", "kind", "is_goal")


def shot_features(game: Game) -> pd.DataFrame:
    """Features of every unblocked attempt in regulation and overtime.

    Returns:
        One row a shot in the feed's order, indexed by `event_id`; the columns are `FEATURE_NAMES`. A number that the
        feed does not tell is NaN, a category None.
    """
    rows = feature_rows(game)
    return _frame(
        [values for _, values in rows],
        pd.Index([shot.event_id for shot, _ in rows], name="event_id", dtype="int64"),
    )


def training_frame(games: Iterable[Game]) -> pd.DataFrame:
    """`shot_features` of many games below each other, and what is needed to train on them.

    Returns:
        One row a shot, indexed by a plain range: `game_id`, `season`, `event_id`, `kind` and `is_goal` (0/1), then
        the feature columns.
    """
    labels: list[tuple[int, int, int, str, int]] = []
    rows: list[tuple[Any, ...]] = []
    for game in games:
        for shot, values in feature_rows(game):
            labels.append((game.game_id, game.season, shot.event_id, shot.kind, int(shot.is_goal)))
            rows.append(values)
    front = pd.DataFrame.from_records(labels, columns=_LABELS)
    return pd.concat([front, _frame(rows, front.index)], axis=1)


def _frame(rows: list[tuple[Any, ...]], index: pd.Index) -> pd.DataFrame:
    columns = zip(*rows, strict=True) if rows else [()] * len(FEATURES)
    types: dict[str, Any] = {"number": np.float64, "category": object}
    data = {
        # as a Series of its own, since a DataFrame would turn text into another type, and None into NaN with it
        f.name: pd.Series(np.array(values, dtype=types[f.kind]), index, dtype=types[f.kind])
        for f, values in zip(FEATURES, columns, strict=True)
    }
    return pd.DataFrame(data, index=index)
