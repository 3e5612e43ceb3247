"""How far a model can be trusted, by all the shots on record that it has scored."""

import math
from dataclasses import dataclass
from typing import Final

import pandas as pd

from db.history import History

Z_95: Final = 1.959963985  # of the normal distribution, both sides


@dataclass(frozen=True, slots=True)
class Calibration:
    """A model's predictions beside what came of them."""

    shots: int
    xg: float
    goals: int
    log_loss: float  # mean over the shots, natural logarithm
    base_log_loss: float  # of giving every shot the overall goal rate
    steps: pd.DataFrame  # shots, goals, `predicted` and `observed` goal rate with its 95 % interval `low` to `high`


def calibration(history: History, model: str) -> Calibration | None:
    """Read a model's calibration from the history; None if it has scored nothing.

    Raises:
        DatabaseError: the history cannot be read.
    """
    steps = pd.DataFrame(history.calibration(model))
    if steps.empty:
        return None
    shots, goals = int(steps["shots"].sum()), int(steps["goals"].sum())
    intervals = [wilson(g, n) for g, n in zip(steps["goals"], steps["shots"], strict=True)]
    return Calibration(
        shots=shots,
        xg=float(steps["xg"].sum()),
        goals=goals,
        log_loss=float(steps["log_loss"].sum()) / shots,
        base_log_loss=_entropy(goals / shots),
        steps=steps.assign(
            predicted=steps["xg"] / steps["shots"],
            observed=steps["goals"] / steps["shots"],
            low=[low for low, _ in intervals],
            high=[high for _, high in intervals],
        ),
    )


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The 95 % interval of a rate (E. B. Wilson, JASA 22, 1927), which holds for few trials and for rates near 0."""
    rate, z2 = successes / trials, Z_95**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z_95 / (1 + z2 / trials) * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    # at the ends rounding must not leave the rate outside of its interval
    return (centre - half if successes else 0.0), (centre + half if successes < trials else 1.0)


def _entropy(rate: float) -> float:
    return 0.0 - sum(p * math.log(p) for p in (rate, 1 - rate) if p > 0)  # never -0.0
