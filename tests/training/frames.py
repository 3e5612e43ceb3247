"""A made-up training frame in which nothing but the distance matters."""

import numpy as np
import pandas as pd

from livegame.features.features import FEATURES
from livegame.rink import BLUE_LINE_X

TYPES = ("wrist", "snap", "slap", "backhand")
PLAYS = ("own faceoff", "opposing hit", "own shot-on-goal", "opposing giveaway")


def training_rows(shots: int = 4000, *, seasons: tuple[int, ...] = (20182019, 20192020), seed: int = 1) -> pd.DataFrame:
    """Return a frame such as `training_frame` makes, with 40 shots per game."""
    random = np.random.default_rng(seed)
    game = np.arange(shots) // 40
    season = np.array(seasons)[np.arange(shots) * len(seasons) // shots]
    x, y = random.uniform(BLUE_LINE_X, 88, shots), random.uniform(-30, 30, shots)
    distance = np.hypot(89 - x, y)
    is_goal = (random.random(shots) < np.exp(-distance / 12)).astype(int)
    columns = {
        "game_id": season // 10_000 * 1_000_000 + 20_000 + game,
        "season": season,
        "event_id": np.arange(shots),
        "kind": np.where(is_goal == 1, "goal", random.choice(["shot-on-goal", "missed-shot"], shots)),
        "is_goal": is_goal,
    }
    values: dict[str, object] = {feature.name: random.uniform(0, 5, shots) for feature in FEATURES}
    values |= {"x": x, "y": y, "offset": abs(y), "distance": distance, "angle": np.degrees(np.arctan2(abs(y), 89 - x))}
    values |= {"period": 1.0, "period_seconds": np.arange(shots) % 40 * 30.0}
    values |= {"shot_type": random.choice(TYPES, shots), "prev_play": random.choice(PLAYS, shots)}
    values |= {"prev_type": "hit", "strength_state": "5v5", "friendly_skaters": 5.0, "opposing_skaters": 5.0}
    values |= {"empty_net": 0.0, "extra_attacker": 0.0}
    frame = pd.DataFrame(columns | values)
    for feature in FEATURES:
        frame[feature.name] = frame[feature.name].astype("float64" if feature.kind == "number" else object)
    return frame
