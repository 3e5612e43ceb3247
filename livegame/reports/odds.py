"""What a game's chances deserved: the exact odds of each result if every shot were a coin with its xG."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from livegame.reports.game import GameReport

Distribution = npt.NDArray[np.float64]  # probability of 0, 1, 2 ... goals


@dataclass(frozen=True, slots=True)
class Odds:
    """Chances of each result, which add up to 1, and how many goals each team would score."""

    away_win: float
    tie: float
    home_win: float
    away_goals: Distribution
    home_goals: Distribution


def goal_distribution(probabilities: Iterable[float]) -> Distribution:
    """The distribution of the number of goals of independent shots: the Poisson binomial, by convolution.

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
    """Odds of a game whose shots have these probabilities, shots taken as independent of each other."""
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
    """Return a game's odds by the shots that count; None while one of its goals, or every shot, is not rated.

    A goal that is left out would count against its team.
    """
    teams = (report.away, report.home)
    rated = report.counted.dropna(subset=["probability"])
    if rated.empty or any(team.counted.pending_goals for team in teams):
        return None
    return odds(*(rated.loc[rated["team"] == team.abbrev, "probability"] for team in teams))
