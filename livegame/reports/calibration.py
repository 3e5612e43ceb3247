"""How far a model can be trusted, by all stored shots that it has rated, seen in training or not."""

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import pandas as pd

from db.history import SEASON, History

Z_95: Final = 1.959963985  # two-sided quantile of the normal distribution
Z_99: Final = 2.575829304
GOALS_FOR_A_VERDICT: Final = 300  # fewer say little, however far off the level is


@dataclass(frozen=True, slots=True)
class Level:
    """Expected goals beside actual ones, and how much of the difference luck explains."""

    shots: int
    xg: float
    goals: int
    log_loss: float  # mean over the shots, natural logarithm
    z: float  # xG minus goals in standard deviations, if each shot scored independently with its xG
    excess: float | None  # share of goals expected in excess: xG / goals - 1; None without goals
    excess_from: float | None  # its 95 % interval; None if it is unbounded
    excess_to: float | None

    @property
    def xg_per_goal(self) -> tuple[float | None, float | None, float | None]:
        """Expected goals per goal and the two ends of its 95 % interval; None as in `excess`."""
        ratio, low, high = (
            None if excess is None else 1 + excess for excess in (self.excess, self.excess_from, self.excess_to)
        )
        return ratio, low, high

    @property
    def is_off(self) -> bool:
        """Whether the level is further off than luck explains in 99 of 100 cases."""
        return self.goals >= GOALS_FOR_A_VERDICT and abs(self.z) > Z_99


@dataclass(frozen=True, slots=True)
class SeasonLevel:
    """The level in one season."""

    season: int
    is_learned: bool | None  # whether the model was trained on it; None if its card does not say
    level: Level


@dataclass(frozen=True, slots=True)
class Calibration:
    """A model's predictions beside the outcomes."""

    level: Level
    base_log_loss: float  # of predicting the overall goal rate for every shot
    is_learned: bool | None  # whether the model was trained on the seasons of level and steps; None: unknown
    seasons: tuple[SeasonLevel, ...]  # newest first, including those of its training data
    # shots, goals, `predicted` and `observed` goal rate with its 95 % interval `low` to `high`, and the same three in
    # units of the predicted rate: `ratio`, `ratio_low`, `ratio_high`
    steps: pd.DataFrame

    @property
    def steps_explained(self) -> int:
        """The number of steps whose predicted rate is in the interval of the observed one."""
        return int(self.steps["predicted"].between(self.steps["low"], self.steps["high"]).sum())


def calibration(
    history: History,
    model: str,
    trained_on: Collection[int] | None = None,
    season: int | None = None,
    competition: str = SEASON,
) -> Calibration | None:
    """Read a model's calibration from the history; None if it has rated none of these shots.

    Args:
        history: where the rated shots are.
        model: its full id.
        trained_on: the seasons of its training data; None if unknown. If some shots are of other seasons, level and
            steps cover only those.
        season: the one to cover; all if None.
        competition: the one to cover; see `History.calibration`.

    Raises:
        DatabaseError: the history cannot be read.
    """
    rows = pd.DataFrame(history.calibration(model, competition))
    if season is not None and not rows.empty:
        rows = rows[rows["season"] == season]
    if rows.empty:
        return None
    seasons = tuple(
        SeasonLevel(int(str(number)), None if trained_on is None else number in trained_on, _level(of_season))
        for number, of_season in rows.groupby("season")
    )[::-1]
    unseen = rows if trained_on is None else rows[~rows["season"].isin(list(trained_on))]
    shown = rows if unseen.empty else unseen
    level = _level(shown)
    return Calibration(
        level=level,
        base_log_loss=_entropy(level.goals / level.shots),
        is_learned=None if trained_on is None else unseen.empty,
        seasons=seasons,
        steps=reliability_steps(shown),
    )


def _level(rows: pd.DataFrame) -> Level:
    shots, goals, xg = int(rows["shots"].sum()), int(rows["goals"].sum()), float(rows["xg"].sum())
    deviation = math.sqrt(float(rows["variance"].sum()))
    low, high = goals - Z_95 * deviation, goals + Z_95 * deviation
    return Level(
        shots=shots,
        xg=xg,
        goals=goals,
        log_loss=float(rows["log_loss"].sum()) / shots,
        z=(xg - goals) / deviation if deviation else 0.0,
        excess=xg / goals - 1 if goals else None,
        excess_from=xg / high - 1 if low > 0 else None,
        excess_to=xg / low - 1 if low > 0 else None,
    )


def reliability_steps(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows of `step`, `shots`, `xg` and `goals` as `Calibration.steps`, one row per step."""
    steps = rows.groupby("step", as_index=False)[["shots", "xg", "goals"]].sum()
    intervals = [wilson(g, n) for g, n in zip(steps["goals"], steps["shots"], strict=True)]
    steps = steps.assign(
        predicted=steps["xg"] / steps["shots"],
        observed=steps["goals"] / steps["shots"],
        low=[low for low, _ in intervals],
        high=[high for _, high in intervals],
    )
    rates = {"ratio": "observed", "ratio_low": "low", "ratio_high": "high"}
    return steps.assign(**{ratio: steps[rate] / steps["predicted"] for ratio, rate in rates.items()})


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """Return the 95 % interval of a rate (E. B. Wilson, JASA 22, 1927), valid for few trials and rates near 0."""
    rate, z2 = successes / trials, Z_95**2
    centre = (rate + z2 / (2 * trials)) / (1 + z2 / trials)
    half = Z_95 / (1 + z2 / trials) * math.sqrt(rate * (1 - rate) / trials + z2 / (4 * trials**2))
    # at the ends, rounding must not put the rate outside its interval
    return (centre - half if successes else 0.0), (centre + half if successes < trials else 1.0)


def _entropy(rate: float) -> float:
    return 0.0 - sum(p * math.log(p) for p in (rate, 1 - rate) if p > 0)  # never -0.0
