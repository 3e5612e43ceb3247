"""Intervals by resampling whole games, because the shots of one game are not independent."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

Numbers = npt.NDArray[np.float64]

ROUNDS: Final = 2000
RUNS: Final = 1500  # of more games than this, runs of consecutive ones are drawn together: a bound of the cost
_Z_95: Final = 1.959963985  # two-sided quantile of the normal distribution
_Z_80: Final = 0.841621234  # one-sided


@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its 95 % interval; the ends are None if some resamples leave the figure undefined."""

    value: float
    low: float | None
    high: float | None

    @property
    def differs_from_zero(self) -> bool:
        """Whether 0 is outside the interval."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def drawn_sums(by_game: pd.DataFrame, *, rounds: int = ROUNDS, seed: int = 0) -> pd.DataFrame:
    """Return the sums over resampled games, one row per round, under the columns of `by_game`.

    Each round draws as many games as there are, with replacement: the cluster bootstrap (A. C. Davison and D. V.
    Hinkley, Bootstrap Methods and their Application, 1997, section 3.8). How often each game is drawn is multinomial,
    so that all rounds are one product of matrices.

    Args:
        by_game: sums over each game's shots, one row per game, in the order of play or the reverse.
        rounds: how many times to draw.
        seed: of the random numbers; the same seed and sums give the same result.
    """
    if len(by_game) > RUNS:
        by_game = by_game.groupby(np.arange(len(by_game)) * RUNS // len(by_game)).sum()
    games = len(by_game)
    draws = np.random.default_rng(seed).multinomial(games, np.full(games, 1 / games), size=rounds)
    return pd.DataFrame(draws.astype(np.float64) @ by_game.to_numpy(np.float64), columns=by_game.columns)


def estimate(value: float, drawn: pd.Series) -> Estimate:
    """Return a figure with the percentile interval of its resamples, NaN or infinite where it is undefined."""
    if not np.isfinite(drawn).all():
        return Estimate(float(value), None, None)
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Estimate(float(value), float(low), float(high))


def placements(is_goal: npt.NDArray[np.bool_], xg: Numbers) -> Numbers:
    """Return how well each shot is placed, shape (shots,); there must be goals and other shots.

    A goal's placement is the share of the other shots with a lower xG, another shot's the share of goals with a higher
    one; equal xG counts one half. Their mean over the goals is the AUC, and so is their mean over the other shots. The
    AUC of resampled games is, up to terms of order 1 / games, the mean over their goals plus the mean over their other
    shots minus the AUC of all games: E. R. DeLong et al., Biometrics 44, 1988; for clusters N. A. Obuchowski,
    Biometrics 53, 1997.
    """
    placed = np.empty(len(xg))
    placed[is_goal] = _share_below(np.sort(xg[~is_goal]), xg[is_goal])
    placed[~is_goal] = 1 - _share_below(np.sort(xg[is_goal]), xg[~is_goal])
    return placed


def games_to_tell(difference: pd.Series, shots: pd.Series) -> float:
    """Return how many games it takes to distinguish a difference of this size from 0; infinite if there is none.

    If the true mean difference per shot is the observed one, then of 100 histories of so many games the 95 % interval
    leaves 0 in 80. With D the observed mean per shot, n the mean number of shots per game, and s the standard
    deviation between games of d - D k (d: a game's sum of differences, k: its shots), the standard error of D over G
    games is s / (n sqrt(G)) (the ratio estimator: W. G. Cochran, Sampling Techniques, 1977, section 6.3). The sample
    size for a two-sided test at 5 % with power 80 % is then G = ((1.960 + 0.842) s / (n D))^2 (J. Cohen, Statistical
    Power Analysis, 1988, section 12.3).

    Args:
        difference: the sum of the differences over each game's shots, one per game.
        shots: the number of each game's shots.
    """
    mean = float(difference.sum() / shots.sum())
    if len(shots) < 2 or mean == 0:
        return math.inf
    deviation = float((difference - mean * shots).std(ddof=1))
    return ((_Z_95 + _Z_80) * deviation / (float(shots.mean()) * mean)) ** 2


def _share_below(ordered: Numbers, values: Numbers) -> Numbers:
    below, up_to = (np.searchsorted(ordered, values, side) for side in ("left", "right"))
    shares: Numbers = (below + up_to) / (2 * len(ordered))
    return shares
