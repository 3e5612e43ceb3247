"""P(home win) of every second, score and strength: a backward recursion over the goals to come.

Goals of each side come as Poisson processes whose rates depend on the second and the score; the trailing team pulls its
goalie at a rate that depends on the seconds left, and then both rates change. So (score difference, goalie pulled) is a
Markov chain in time, and its backward equation, in steps of one second from the end, gives the probability of winning
from each state without any simulation (W. Feller, An Introduction to Probability Theory, 1968, chapter XVII).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from livegame.plays import OVERTIME_SECONDS, PERIOD_SECONDS, REGULATION_PERIODS
from livegame.win_probability.parameters import PULL_STEP_S, Parameters

Numbers = npt.NDArray[np.float64]

END: Final = REGULATION_PERIODS * PERIOD_SECONDS  # of regulation, in game seconds
MOST: Final = 6  # goals of lead; a larger one counts as this
LEADS: Final = np.arange(-MOST, MOST + 1)  # of the home team
STRENGTHS: Final = np.linspace(-1.2, 1.2, 13)  # log ratios of the teams' scoring rates, home ice apart
LEVELS: Final = np.array([-0.15, 0.0, 0.15])  # log ratios of the season's scoring to that of the seasons of the fit
_BEHIND: Final = np.minimum(np.abs(LEADS), 4) - 1  # index of `Parameters.pulled_for` and the like


@dataclass(frozen=True, slots=True)
class Rates:
    """Goals per second in both nets' usual state and with the trailing team's goalie pulled.

    Shapes: (seconds, 2, leads), the second axis being 0 with both goalies in, 1 with one pulled. `switch` is how often
    per second the goalie is pulled, or returns. Strength is not in them.
    """

    home: Numbers
    away: Numbers
    switch: Numbers


def rates(parameters: Parameters, *, is_playoffs: bool) -> Rates:
    """Return the rates of each second of regulation for two equally strong teams."""
    p, seconds = parameters, np.arange(END)[:, None]
    late = seconds >= 2 * PERIOD_SECONDS
    by_period = np.where(late, p.third_period, p.second_period * (seconds >= PERIOD_SECONDS))
    clock = np.log(p.rate) + p.playoffs * is_playoffs + by_period
    tied = p.tied_last_ten * (seconds >= END - 600) + p.tied_last_five * (seconds >= END - 300)

    def of_team(lead: npt.NDArray[np.int_], edge: float) -> Numbers:
        by_score = p.ahead_by_two * (lead >= 2) + p.behind_by_two * (lead <= -2)
        by_score = by_score + late * (p.ahead_by_one_late * (lead == 1) + p.behind_by_one_late * (lead == -1))
        both_in = np.exp(clock + by_score + tied * (lead == 0) + edge)
        behind, ahead = np.array(p.pulled_for)[_BEHIND], np.array(p.pulled_against)[_BEHIND]
        one_out = np.where(lead < 0, behind, ahead)
        return np.stack([both_in, np.broadcast_to(one_out, both_in.shape)], axis=1)

    steps = np.array(
        [(0.0,) * len(p.pull[0]) if lead == 0 else p.pull[min(abs(lead), 4) - 1] for lead in LEADS.tolist()]
    )
    left = (END - 1 - np.arange(END)) // PULL_STEP_S
    pull = np.where(left[:, None] < steps.shape[1], steps.T[np.minimum(left, steps.shape[1] - 1)], 0.0)
    back = np.where(LEADS == 0, 0.0, np.array(p.pull_return)[_BEHIND])
    switch = np.stack([pull, np.broadcast_to(back, pull.shape)], axis=1)
    return Rates(of_team(LEADS, p.home / 2), of_team(-LEADS, -p.home / 2), switch)


def step_back(
    after: Numbers,
    home: Numbers,
    away: Numbers,
    switch: Numbers,
    seconds: Numbers | float,
    goals: tuple[Numbers, Numbers] | None = None,
) -> Numbers:
    """Return P(home win) `seconds` before `after`, under rates that are constant between.

    Args:
        after: if nothing happens, shape (..., 2, leads), the second axis being that of `Rates`.
        home: its goals per second, likewise.
        away: its goals per second, likewise.
        switch: how often per second a goalie is pulled or returns, likewise.
        seconds: so few that two events within them can be ignored; shape (..., 1, 1).
        goals: what to read instead of `after` if the home or the away team scores, without the goal.
    """
    after_home, after_away = goals or (after, after)
    up = np.concatenate([after_home[..., :1, 1:], after_home[..., :1, -1:]], axis=-1)  # both goalies are back in
    down = np.concatenate([after_away[..., :1, :1], after_away[..., :1, :-1]], axis=-1)
    total = home + away + switch
    value = (home * up + away * down + switch * after[..., ::-1, :]) / total
    return np.asarray(after - np.expm1(-total * seconds) * (value - after))


def overtime(home: Numbers, away: Numbers, seconds: Numbers | float, after: Numbers | float = 0.5) -> Numbers:
    """Return P(home win) in sudden death at constant rates; `after` is that of what follows after `seconds`."""
    decided = -np.expm1(-(home + away) * seconds)
    return np.asarray(after + decided * (home / (home + away) - after))


def overtime_rates(
    parameters: Parameters, strength: Numbers, level: Numbers, *, is_playoffs: bool
) -> tuple[Numbers, Numbers]:
    """Return both teams' goals per second in overtime, home first: at full strength in playoffs, else at 3v3."""
    if is_playoffs:
        edge = (strength + parameters.home) / 2
        rate = parameters.rate * np.exp(parameters.playoffs + level)
    else:
        edge, rate = parameters.overtime_strength * strength / 2, parameters.overtime_rate * np.exp(level)
    return np.asarray(rate * np.exp(edge)), np.asarray(rate * np.exp(-edge))


def table(parameters: Parameters, by_second: Rates, *, is_playoffs: bool) -> npt.NDArray[np.float32]:
    """Return P(home win) at every second of regulation, at even manpower.

    Returns:
        Shape (END + 1, levels, strengths, 2, leads); the last axes are those of `Rates`.
    """
    found = np.empty((END + 1, len(LEVELS), len(STRENGTHS), 2, len(LEADS)), np.float32)
    home, away = overtime_rates(parameters, STRENGTHS, LEVELS[:, None], is_playoffs=is_playoffs)
    tied = overtime(home, away, np.inf if is_playoffs else OVERTIME_SECONDS)[..., None, None]
    values = np.where(LEADS == 0, tied, LEADS > 0) + np.zeros((2, 1))
    found[END] = values
    edge, level = np.exp(STRENGTHS / 2)[:, None, None], np.exp(LEVELS)[:, None, None, None]
    more, less = level * edge, level / edge
    for second in range(END - 1, -1, -1):
        home, away = by_second.home[second] * more, by_second.away[second] * less
        values = step_back(values, home, away, by_second.switch[second], 1.0)
        found[second] = values
    return found
