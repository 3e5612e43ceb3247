"""What a game's chances deserved: the exact odds of each result if shots scored independently with their xG."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livegame.reports.game import GameReport

Distribution = npt.NDArray[np.float64]  # probability of 0, 1, 2 ... goals


@dataclass(frozen=True, slots=True)
class Odds:
    """The probability of each result, which add up to 1, and of each number of goals of a team."""

    away_win: float
    tie: float
    home_win: float
    away_goals: Distribution
    home_goals: Distribution


def goal_distribution(probabilities: Iterable[float]) -> Distribution:
    """Return the distribution of the goals of independent shots: the Poisson binomial, by convolution.

    Args:
        probabilities: P(goal) of each shot, within [0, 1].

    Returns:
        Shape (shots + 1,); element k is the probability of exactly k goals. Their mean is the sum of xG.
    """
    distribution: Distribution = np.ones(1)
    for p in probabilities:
        distribution = np.convolve(distribution, (1 - p, p))
    return distribution


def odds(away: Iterable[float], home: Iterable[float]) -> Odds:
    """Return the odds of a game whose independent shots have these probabilities."""
    away_goals, home_goals = goal_distribution(away), goal_distribution(home)
    joint = np.outer(away_goals, home_goals)  # rows: goals of the away team
    return Odds(
        away_win=float(np.tril(joint, -1).sum()),
        tie=float(np.trace(joint)),
        home_win=float(np.triu(joint, 1).sum()),
        away_goals=away_goals,
        home_goals=home_goals,
    )


def odds_of(report: GameReport) -> Odds | None:
    """Return a game's odds by the shots that count; None while a goal, or every shot, is unrated.

    A goal that is left out would count against its team.
    """
    teams = (report.away, report.home)
    rated = report.counted.dropna(subset=["probability"])
    if rated.empty or any(team.counted.pending_goals for team in teams):
        return None
    return odds(*(rated.loc[rated["team"] == team.abbrev, "probability"] for team in teams))
