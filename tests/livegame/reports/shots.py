"""Simulated games, rated by two models."""

import numpy as np
import pandas as pd

ONE, OTHER = "us/champion:1.0.0@sha256:000000000001", "us/challenger:2.0.0@sha256:000000000002"


def simulated(games: int, random: np.random.Generator | None = None, shots: int = 40) -> pd.DataFrame:
    """Return games in which the shots of a game are alike: both models are off by the same side in all of them."""
    random = random or np.random.default_rng(0)
    form = np.repeat(random.normal(0, 0.8, games), shots)
    known = random.normal(-2.5, 1.0, games * shots)
    chance = 1 / (1 + np.exp(-(known + form)))
    guess = known + random.normal(0, 0.7, games * shots)  # what the challenger knows of it
    xg = [1 / (1 + np.exp(-logit)) for logit in (known + 0.2, 0.8 * guess - 0.3)]
    return pd.DataFrame(
        {
            "game_id": np.repeat(np.arange(games), shots),
            "is_goal": random.random(games * shots) < chance,
            "one": xg[0],
            "other": xg[1],
        }
    )
