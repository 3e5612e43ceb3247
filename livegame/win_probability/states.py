"""Moments of a game, and P(home win) at each: the chain, with the penalties under way in front of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from livegame.features.situations import situation_of
from livegame.plays import OVERTIME_SECONDS
from livegame.win_probability.chain import (
    END,
    LEADS,
    LEVELS,
    MOST,
    STRENGTHS,
    Numbers,
    Rates,
    overtime,
    overtime_rates,
    rates,
    step_back,
    table,
)
from livegame.win_probability.parameters import Parameters, bundled

PULLED_LAST_S: Final = 600  # earlier, a goalie is out because the other team is about to be penalised
_STEPS: Final = 24  # from now to the end of the last penalty under way
_MINOR_S: Final = 120
_UNKNOWN_S: Final = 60  # left of a penalty whose end is not known: half a minor
_FULL: Final = 5


@dataclass(frozen=True, slots=True)
class State:
    """One moment of a game."""

    second: int  # of the game
    lead: int  # of the home team
    situation: str | None = None  # the league's code: away goalie, away skaters, home skaters, home goalie
    away_until: tuple[int, ...] = ()  # game seconds at which each team's running penalties end
    home_until: tuple[int, ...] = ()
    strength: float = 0.0  # log ratio of the teams' scoring rates, home to away, home ice apart
    level: float = 0.0  # log ratio of the season's scoring to that of the seasons of the fit


@dataclass(frozen=True, slots=True)
class Manpower:
    """The skaters of both teams without extra attackers, and when the penalties end that explain them."""

    home: int
    away: int
    home_until: tuple[int, ...]  # game seconds, the earliest first
    away_until: tuple[int, ...]
    is_pulled: bool  # whether the trailing team has pulled its goalie

    def at(self, second: float) -> tuple[int, int]:
        """Return the home and the away team's skaters at a later second if nobody scores."""
        return (
            self.home + sum(end <= second for end in self.home_until),
            self.away + sum(end <= second for end in self.away_until),
        )

    def after_goal(self, second: int) -> "Manpower":
        """Return what remains once the team with more skaters scores: it ends the other's first minor (Rule 16.2)."""
        if self.home > self.away and self.away_until and self.away_until[0] - second <= _MINOR_S:
            return Manpower(self.home, self.away + 1, self.home_until, self.away_until[1:], self.is_pulled)
        if self.away > self.home and self.home_until and self.home_until[0] - second <= _MINOR_S:
            return Manpower(self.home + 1, self.away, self.home_until[1:], self.away_until, self.is_pulled)
        return self


class WinModel:
    """The chain under some parameters; its tables are made when they are first needed, in some 0.1 s each."""

    def __init__(self, parameters: Parameters) -> None:
        self.parameters = parameters
        self._tables: dict[bool, tuple[Rates, npt.NDArray[np.float32]]] = {}
        self._factors_by_skaters: dict[tuple[int, int], Numbers] = {}

    def home_wins(self, states: Sequence[State], *, is_playoffs: bool) -> Numbers:
        """Return P(home win) at each state of games in progress, shape (states,).

        Overtime is sudden death: in playoffs without end, else five minutes at three against three and then an even
        shootout.
        """
        chances = np.array([self._in_overtime(state, is_playoffs) if state.second >= END else 0.0 for state in states])
        playing = [i for i, state in enumerate(states) if state.second < END]
        if playing:
            chances[playing] = self._in_regulation([states[i] for i in playing], is_playoffs)
        return chances

    def _in_regulation(self, states: Sequence[State], is_playoffs: bool) -> Numbers:
        manpower = [manpower_of(state) for state in states]
        pulled = np.array([int(now.is_pulled) for now in manpower])
        lead = np.array([min(max(state.lead, -MOST), MOST) for state in states]) + MOST
        second = np.array([state.second for state in states])
        ends = np.array([max((*now.home_until, *now.away_until, 0)) for now in manpower])
        until = np.minimum(np.maximum(ends, second), END)
        strength = np.array([state.strength for state in states])
        level = np.array([state.level for state in states])
        values = self._look_up(until, level, strength, is_playoffs)
        special = np.flatnonzero(until > second)
        if special.size:
            remaining = values[special]
            for i in np.flatnonzero(ends > END).tolist():  # the advantage goes on in overtime
                values[i, :, MOST] = self._in_overtime(_into_overtime(states[i], manpower[i], is_playoffs), is_playoffs)
            values[special] = self._through_penalties(
                values[special],
                remaining,
                second[special],
                until[special],
                (level[special], strength[special]),
                [manpower[i] for i in special],
                is_playoffs,
            )
        return np.asarray(values[np.arange(len(states)), pulled, lead])

    def _look_up(self, second: npt.NDArray[np.int_], level: Numbers, strength: Numbers, is_playoffs: bool) -> Numbers:
        """Return P(home win) at even manpower by goalie pulled and lead, shape (states, 2, leads), interpolated."""
        _, values = self._table(is_playoffs)
        (level_at, level_share), (at, share) = _between(level, LEVELS), _between(strength, STRENGTHS)
        low, high = (
            (1 - share) * values[second, i, at] + share * values[second, i, at + 1] for i in (level_at, level_at + 1)
        )
        return np.asarray((1 - level_share) * low + level_share * high)

    def _through_penalties(
        self,
        values: Numbers,
        remaining: Numbers,
        second: npt.NDArray[np.int_],
        until: npt.NDArray[np.int_],
        scoring: tuple[Numbers, Numbers],
        manpower: Sequence[Manpower],
        is_playoffs: bool,
    ) -> Numbers:
        """Return P(home win) now from that at the end of the penalties under way, shape (states, 2, leads).

        The recursion runs twice: from `values` with all penalties, and from `remaining` with those that remain after a
        power-play goal. `scoring` is the level and the strength of each state.
        """
        by_second, _ = self._table(is_playoffs)
        width = (until - second) / _STEPS
        more, less = (np.exp(scoring[0] + sign * scoring[1] / 2)[:, None, None] for sign in (1, -1))
        broken = [now.after_goal(state) for now, state in zip(manpower, second.tolist(), strict=True)]
        middles = second[:, None] + (np.arange(_STEPS) + 0.5) * width[:, None]
        factors, ahead = self._factors(manpower, middles)
        factors_after, _ = self._factors(broken, middles)
        for step in range(_STEPS - 1, -1, -1):
            at = np.minimum(middles[:, step].astype(int), END - 1)
            home, away, switch = by_second.home[at] * more, by_second.away[at] * less, by_second.switch[at]
            seconds = width[:, None, None]
            ends_it = ahead[:, step, None, None]
            goals = np.where(ends_it > 0, remaining, values), np.where(ends_it < 0, remaining, values)
            now, after = factors[:, step], factors_after[:, step]
            values = step_back(values, home * now[:, 0], away * now[:, 1], switch, seconds, goals)
            remaining = step_back(remaining, home * after[:, 0], away * after[:, 1], switch, seconds)
        return values

    def _factors(self, manpower: Sequence[Manpower], middles: Numbers) -> tuple[Numbers, npt.NDArray[np.int_]]:
        """Return what the manpower does to the rates, shape (states, steps, team, 2, leads), and who has more skaters.

        The latter is 1 for the home team, -1 for the away team, 0 for neither, shape (states, steps).
        """
        found = np.empty((*middles.shape, 2, 2, len(LEADS)))
        ahead = np.empty(middles.shape, int)
        for i, now in enumerate(manpower):
            changes = sorted({*now.home_until, *now.away_until})
            starts = np.searchsorted(middles[i], [-np.inf, *changes, np.inf])
            for begin, end in pairwise(starts):
                if end > begin:
                    home, away = now.at(float(middles[i, begin]))
                    found[i, begin:end] = self._factor(home, away)
                    ahead[i, begin:end] = np.sign(home - away)
        return found, ahead

    def _factor(self, home: int, away: int) -> Numbers:
        """Return what this manpower does to the rates, shape (team, 2, leads), the home team first."""
        if (home, away) in self._factors_by_skaters:
            return self._factors_by_skaters[home, away]
        p = self.parameters
        mine = str(min(max(home - away, -1), 1))
        other = str(min(max(away - home, -1), 1))
        both_in = [np.full(len(LEADS), p.manpower.get(key, 1.0)) for key in (f"{home}v{away}", f"{away}v{home}")]
        one_out = (
            np.where(LEADS < 0, p.pulled_for_manpower[mine], p.pulled_against_manpower[mine]),
            np.where(LEADS > 0, p.pulled_for_manpower[other], p.pulled_against_manpower[other]),
        )
        found = np.stack([np.stack([a, b]) for a, b in zip(both_in, one_out, strict=True)])
        self._factors_by_skaters[home, away] = found
        return found

    def _in_overtime(self, state: State, is_playoffs: bool) -> float:
        if state.lead:
            return float(state.lead > 0)
        scoring = np.asarray(state.strength), np.asarray(state.level)
        home, away = overtime_rates(self.parameters, *scoring, is_playoffs=is_playoffs)
        left = np.inf if is_playoffs else max(END + OVERTIME_SECONDS - state.second, 0)
        skaters = _skaters(state.situation)
        own, other = skaters or (_FULL, _FULL)
        factors = self.parameters.manpower if is_playoffs else self.parameters.overtime_manpower
        ends = [end for end in (*state.home_until, *state.away_until) if end > state.second]
        special = min(min(ends) - state.second if ends else _UNKNOWN_S, left) if own != other else 0
        evenly = overtime(home, away, left - special)
        more = home * factors.get(f"{own}v{other}", 1.0), away * factors.get(f"{other}v{own}", 1.0)
        return float(overtime(*more, special, evenly))

    def _table(self, is_playoffs: bool) -> tuple[Rates, npt.NDArray[np.float32]]:
        if is_playoffs not in self._tables:
            by_second = rates(self.parameters, is_playoffs=is_playoffs)
            self._tables[is_playoffs] = by_second, table(self.parameters, by_second, is_playoffs=is_playoffs)
        return self._tables[is_playoffs]


@cache
def win_model() -> WinModel:
    """Return the bundled model."""
    return WinModel(bundled())


def _between(values: Numbers, grid: Numbers) -> tuple[npt.NDArray[np.int_], Numbers]:
    """Return the index of the grid point below each value, and how far it is to the next, shape (values, 1, 1)."""
    place = np.interp(values, grid, np.arange(len(grid)))
    below = np.minimum(place.astype(int), len(grid) - 2)
    return below, (place - below)[:, None, None]


def manpower_of(state: State) -> Manpower:
    """Return the manpower in regulation.

    Outside the last minutes, or for a team that does not trail, an empty net means that the other team is about to be
    penalised: a minor that begins now.
    """
    now, home, away, home_until, away_until = state.second, _FULL, _FULL, state.home_until, state.away_until
    seen = situation_of(state.situation, is_home=True)
    if seen is None or _skaters(state.situation) is None:
        return Manpower(home, away, (), (), False)
    home, away = seen.friendly_skaters - seen.extra_attacker, seen.opposing_skaters - seen.empty_net
    is_late = END - now <= PULLED_LAST_S
    is_pulled = is_late and ((seen.extra_attacker and state.lead < 0) or (seen.empty_net and state.lead > 0))
    if not is_pulled and seen.extra_attacker != seen.empty_net:
        minor = (now + _MINOR_S,)
        if seen.extra_attacker and away > 3:
            away, away_until = away - 1, away_until + minor
        elif seen.empty_net and home > 3:
            home, home_until = home - 1, home_until + minor
    return Manpower(
        min(home, _FULL),
        min(away, _FULL),
        _explained(home, home_until, now),
        _explained(away, away_until, now),
        bool(is_pulled),
    )


def _into_overtime(state: State, now: Manpower, is_playoffs: bool) -> State:
    """Return the start of overtime if nobody scores; at 3v3, the team with more skaters has four or five.

    Penalties go on in overtime (Rule 84).
    """
    home, away = now.at(END)
    if not is_playoffs:
        home, away = 3 + max(home - away, 0), 3 + max(away - home, 0)
    return replace(
        state, second=END, lead=0, situation=f"1{away}{home}1", home_until=now.home_until, away_until=now.away_until
    )


def _explained(skaters: int, until: Sequence[int], now: int) -> tuple[int, ...]:
    """Return when the penalties end that leave a team with so few skaters."""
    short = max(_FULL - skaters, 0)
    known = sorted(end for end in until if end > now)
    return tuple(sorted([*[now + _UNKNOWN_S] * (short - len(known)), *known[max(len(known) - short, 0) :]]))


def _skaters(code: str | None) -> tuple[int, int] | None:
    """Return the home and the away team's skaters without extra attackers; None if unknown, or in a penalty shot."""
    seen = situation_of(code, is_home=True)
    if seen is None or min(seen.friendly_skaters, seen.opposing_skaters) < 3:
        return None
    return seen.friendly_skaters - seen.extra_attacker, seen.opposing_skaters - seen.empty_net
