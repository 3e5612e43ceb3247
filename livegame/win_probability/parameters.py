"""The chain's parameters, bundled with a card; `scripts.fit_win_probability` fits them on recorded seasons."""

from functools import cache
from pathlib import Path
from typing import Any, Final

import msgspec

CARD: Final = Path(__file__).parent / "card.json"
PULL_STEP_S: Final = 10  # width of the steps of `Parameters.pull`


class Parameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Scoring rates and what changes them. Rates are per second; effects are added to the logarithm of a rate."""

    rate: float  # of a team's goals in the first period of a tied game, over all manpower with both goalies in
    home: float  # log ratio of the home team's rate to the away team's, if they are equally strong
    playoffs: float
    second_period: float
    third_period: float
    ahead_by_two: float  # or more
    behind_by_two: float
    ahead_by_one_late: float  # in the third period
    behind_by_one_late: float
    tied_last_ten: float  # minutes of regulation; both apply in the last five
    tied_last_five: float
    # Strength: the log ratio of the home team's rate to the away team's, home ice apart, is the sum of these weights,
    # each times a log ratio that is shrunk by pseudo-counts.
    season_xg: float
    season_goals: float
    game_xg: float  # of 5v5 attempts so far
    season_games: float  # pseudo-games of an average team in the season's sums
    game_pseudo_xg: float  # pseudo-xG of each team in this game's sums
    # How much is scored: the goals of a usual game, and the pseudo-games of it that shrink the season's mean
    usual_goals: float
    level_games: float
    # A team's rate by own and opposing skaters, relative to its mean rate: "5v4", "4v5" ...
    manpower: dict[str, float]
    overtime_manpower: dict[str, float]  # relative to `overtime_rate`
    # With its goalie pulled, by goals behind (1, 2, 3, more): the rates of its goals and of those against it, of
    # pulling, and of the goalie's return without a goal
    pulled_for: tuple[float, float, float, float]
    pulled_against: tuple[float, float, float, float]
    # Relative to these two, by "1", "0", "-1": the scoring team's skaters less the other's, extra attackers left out
    pulled_for_manpower: dict[str, float]
    pulled_against_manpower: dict[str, float]
    pull: tuple[tuple[float, ...], ...]  # by goals behind, then by steps of PULL_STEP_S of the seconds left
    pull_return: tuple[float, float, float, float]
    overtime_rate: float  # at three against three, of one team
    overtime_strength: float  # what of the strength is left there


def card() -> dict[str, Any]:
    """Return the bundled card: what the model is, what it was fitted on, its measured figures, its parameters."""
    return dict(msgspec.json.decode(CARD.read_bytes()))


@cache
def bundled() -> Parameters:
    """Return the bundled parameters."""
    return msgspec.convert(card()["parameters"], Parameters)
