"""Features as pandas frames, for training and inspection. Pings need no frame, and load no pandas."""

from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import pandas as pd

from livegame.features.features import FEATURES, feature_rows
from livegame.plays import Game

_LABELS: Final = ("game_id", "season", "event_id", "kind", "is_goal")


def shot_features(game: Game) -> pd.DataFrame:
    """Return the features of every unblocked attempt in regulation and overtime.

    Returns:
        One row per shot in play order, indexed by `event_id`; the columns are `FEATURE_NAMES`. An unknown number is
        NaN, an unknown category None.
    """
    rows = feature_rows(game)
    return _frame(
        [values for _, values in rows],
        pd.Index([shot.event_id for shot, _ in rows], name="event_id", dtype="int64"),
    )


def training_frame(games: Iterable[Game]) -> pd.DataFrame:
    """Return the features of many games, with labels to train on.

    Returns:
        One row per shot, indexed by a plain range: `game_id`, `season`, `event_id`, `kind` and `is_goal` (0/1), then
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
        # one Series each: a DataFrame would change the type of text, and turn None into NaN
        f.name: pd.Series(np.array(values, dtype=types[f.kind]), index, dtype=types[f.kind])
        for f, values in zip(FEATURES, columns, strict=True)
    }
    return pd.DataFrame(data, index=index)
