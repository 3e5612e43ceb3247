"""The teams' strength and the season's level of scoring, as log ratios of scoring rates."""

import math
from dataclasses import dataclass
from typing import Final

from livegame.win_probability.parameters import Parameters

USUAL: Final = 3.0  # goals, and xG, of a team per game


@dataclass(frozen=True, slots=True)
class SeasonSums:
    """A team's sums over its earlier games of a season, empty nets included."""

    games: int = 0
    xg: float = 0.0
    xg_against: float = 0.0
    goals: int = 0
    goals_against: int = 0


def season_strength(parameters: Parameters, home: SeasonSums, away: SeasonSums) -> float:
    """Return how much stronger the home team was so far; 0 if neither team has played."""
    xg, goals = season_ratios(parameters.season_games, home, away)
    return parameters.season_xg * xg + parameters.season_goals * goals


def season_ratios(pseudo_games: float, home: SeasonSums, away: SeasonSums) -> tuple[float, float]:
    """Return the log ratios of xG and of goals, for to against, of the home team less those of the away team.

    They are shrunk to 0 by adding games in which both sides have the usual number: the fewer games, the more.
    """
    usual = pseudo_games * USUAL
    xg = [math.log((sums.xg + usual) / (sums.xg_against + usual)) for sums in (home, away)]
    goals = [math.log((sums.goals + usual) / (sums.goals_against + usual)) for sums in (home, away)]
    return xg[0] - xg[1], goals[0] - goals[1]


def season_level(parameters: Parameters, games: int, goals: int) -> float:
    """Return the log ratio of a season's scoring so far to the usual, by its games and their goals; 0 without games."""
    usual = parameters.level_games * parameters.usual_goals
    return math.log((goals + usual) / (games * parameters.usual_goals + usual))


def game_strength(parameters: Parameters, home_xg: float, away_xg: float) -> float:
    """Return how much stronger the home team was in this game, by the xG of 5v5 attempts so far."""
    usual = parameters.game_pseudo_xg
    return parameters.game_xg * math.log((home_xg + usual) / (away_xg + usual))
