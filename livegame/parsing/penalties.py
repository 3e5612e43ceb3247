"""Penalties as they are served: who is short of players, and until when by the clock.

Rule numbers refer to the NHL rule book.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from msgspec import Struct
from msgspec.structs import replace

_MINOR, _MAJOR = 120, 300  # seconds
_MOST_SHORT: Final = 2  # Rule 26: a third penalty starts when one of the two has ended


class Called(Protocol):
    """What a penalty's play says."""

    @property
    def team_id(self) -> int | None:
        """The team of the penalised player."""

    @property
    def player_id(self) -> int | None:
        """Who committed it; None of a bench minor."""

    @property
    def severity(self) -> str:
        """The gamecenter feed's code: MIN, MAJ, BEN, MAT, MIS, GAM or PS."""

    @property
    def minutes(self) -> int:
        """How long it is; a double minor has 4 minutes."""

    @property
    def game_seconds(self) -> int:
        """When it was called."""


class _Term(Struct, frozen=True):
    """A penalty that leaves the team a player short while it is served."""

    player_id: int | None
    seconds: int
    coincident: bool = False  # one of the two minors that make it 4v4


_Running = tuple[int, _Term]  # with the game second at which it ends


class PenaltyBox:
    """One team's penalty box."""

    def __init__(self) -> None:
        self._running: list[_Running] = []
        self._waiting: list[_Term] = []

    def short(self, *, threes: bool = False) -> int:
        """Return how many players the team is short; at 3v3 coincident minors cost no player."""
        return sum(not (threes and term.coincident) for _, term in self._running)

    @property
    def next_end(self) -> float:
        """The game second at which the next penalty ends; infinite if none is running."""
        return _first(self._running)[0] if self._running else math.inf

    def until(self, *, threes: bool = False) -> tuple[int, ...]:
        """Return the game seconds at which the team gets its players back, one after the other, without a goal.

        A double minor is one of them, and so is a penalty with the one that waits for its end.
        """
        ends: list[int] = []
        running, waiting = [entry for entry in self._running if not (threes and entry[1].coincident)], self._waiting
        while running:
            first = _first(running)
            running.remove(first)
            started, waiting = _started(running, waiting, first[0])
            running += started
            if not started:
                ends.append(first[0])
        return tuple(ends)

    def send(self, terms: Iterable[_Term], now: int) -> None:
        """Add the penalties of one stoppage; a player serves his major before his minors (Rule 20)."""
        self._waiting += sorted(terms, key=lambda term: -term.seconds)
        self._fill(now)

    def advance(self, now: int) -> None:
        """End the penalties that are served by the game second `now`, in turn."""
        while self._running and (first := _first(self._running))[0] <= now:
            self._running.remove(first)
            self._fill(first[0])

    def goal_against(self, now: int) -> None:
        """End the earliest minor that makes the team short-handed (Rule 16.2); coincident minors do not."""
        minors = [entry for entry in self._running if entry[1].seconds == _MINOR and not entry[1].coincident]
        if minors:
            self._running.remove(_first(minors))
            self._fill(now)

    def _fill(self, now: int) -> None:
        started, self._waiting = _started(self._running, self._waiting, now)
        self._running += started


class PenaltyBoxes:
    """Both teams' boxes. Penalties count from the next face-off: only then is it known which of them cancel out."""

    def __init__(self, *, away_id: int, home_id: int) -> None:
        self.of: Final = {away_id: PenaltyBox(), home_id: PenaltyBox()}
        self._called: list[Called] = []

    @property
    def next_end(self) -> float:
        """The game second at which the next penalty ends; infinite if none is running."""
        return min(box.next_end for box in self.of.values())

    def advance(self, now: int) -> None:
        """End the penalties that are served by the game second `now`."""
        for box in self.of.values():
            box.advance(now)

    def call(self, penalty: Called) -> None:
        """Add a penalty of the present stoppage."""
        self._called.append(penalty)

    def face_off(self, now: int) -> None:
        """Begin the penalties of the stoppage that ends.

        One that is served by the game second `now` is over: the feed may lack the face-off that followed it.
        """
        called, self._called = self._called, []
        if called:
            self._assess(called)
            self.advance(now)

    def goal(self, scorers: int | None, now: int) -> dict[int, int]:
        """End a minor of the team that the goal was scored against, if it was short-handed.

        Return how many players came back, by team; none if another penalty had waited for the end of that one.
        """
        if scorers not in self.of:
            return {}
        (others,) = self.of.keys() - {scorers}
        short = self.of[others].short()
        if short > self.of[scorers].short():
            self.of[others].goal_against(now)
        return {others: short - self.of[others].short()}

    def _assess(self, called: Sequence[Called]) -> None:
        """Send one stoppage's penalties to the boxes, except those that cancel out (Rule 19)."""
        terms = {team: [term for call in called if call.team_id == team for term in _terms(call)] for team in self.of}
        one_minor_each = all([term.seconds for term in side] == [_MINOR] for side in terms.values())
        if one_minor_each and not any(box.short() for box in self.of.values()):
            terms = {team: [replace(term, coincident=True) for term in side] for team, side in terms.items()}
        else:
            for seconds in (_MAJOR, _MINOR):
                equal = [[term for term in side if term.seconds == seconds] for side in terms.values()]
                for pair in zip(*equal, strict=False):
                    for side, term in zip(terms.values(), pair, strict=True):
                        side.remove(term)
        for team, box in self.of.items():
            box.send(terms[team], called[-1].game_seconds)


def _first(running: Iterable[_Running]) -> _Running:
    return min(running, key=lambda entry: entry[0])


def _started(running: Sequence[_Running], waiting: Sequence[_Term], now: int) -> tuple[list[_Running], list[_Term]]:
    """Return which waiting penalties start now, and which go on waiting."""
    started: list[_Running] = []
    left: list[_Term] = []
    for term in waiting:
        serving = {other.player_id for _, other in (*running, *started) if other.player_id is not None}
        if len(running) + len(started) < _MOST_SHORT and term.player_id not in serving:
            started.append((now + term.seconds, term))
        else:
            left.append(term)
    return started, left


def _terms(penalty: Called) -> list[_Term]:
    if penalty.severity in ("MAJ", "MAT"):  # Rules 20, 21
        return [_Term(penalty.player_id, _MAJOR)]
    if penalty.severity in ("MIN", "BEN"):  # Rules 16, 17; a double minor (Rule 18) is two in a row
        return [_Term(penalty.player_id, _MINOR)] * (penalty.minutes // 2)
    return []  # misconducts (Rules 22, 23) and penalty shots (Rule 24) cost the team no player
