"""Skaters and goalies on the ice, derived from penalties and goals: the legacy feed does not give them.

Rule numbers refer to the NHL rule book. An overtime shorter than a period, as in the regular season, is played at
3v3 (since 2015-16).
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from livegame.plays import PERIOD_SECONDS, UNBLOCKED_ATTEMPTS

_MINOR, _MAJOR = 120, 300  # seconds
_MOST_SHORT: Final = 2  # Rule 26: a third penalty starts when one of the two has ended


class Fact(Struct, frozen=True):
    """What one play of the legacy feed says about manpower."""

    kind: str
    period: int
    period_type: str
    seconds: int  # since the period began
    team_id: int | None  # of a penalty: the team of the penalised player
    player_id: int | None = None  # of a penalty: who committed it
    penalty_minutes: int = 0
    severity: str = ""
    at_empty_net: bool = False
    names_goalie: bool = False  # whether the play names the goalie in the attacked net

    @property
    def game_seconds(self) -> int:
        """Seconds of play since the game began."""
        return (self.period - 1) * PERIOD_SECONDS + self.seconds


class _Term(Struct, frozen=True):
    """A penalty that leaves the team a player short while it is served."""

    player_id: int | None
    seconds: int
    coincident: bool = False  # one of the two minors that make it 4v4


class _Box:
    """One team's penalty box."""

    def __init__(self) -> None:
        self._running: list[tuple[int, _Term]] = []  # with the game second at which each ends
        self._waiting: list[_Term] = []

    def short(self, *, threes: bool = False) -> int:
        """Return how many players the team is short; at 3v3 coincident minors cost no player."""
        return sum(not (threes and term.coincident) for _, term in self._running)

    def send(self, terms: Iterable[_Term], now: int) -> None:
        """Add the penalties of one stoppage; a player serves his major before his minors (Rule 20)."""
        self._waiting += sorted(terms, key=lambda term: -term.seconds)
        self._fill(now)

    def advance(self, now: int) -> None:
        """End the penalties that are served by the game second `now`, in turn."""
        while self._running and (first := min(self._running, key=lambda entry: entry[0]))[0] <= now:
            self._running.remove(first)
            self._fill(first[0])

    def goal_against(self, now: int) -> None:
        """End the earliest minor that makes the team short-handed (Rule 16.2); coincident minors do not."""
        minors = [entry for entry in self._running if entry[1].seconds == _MINOR and not entry[1].coincident]
        if minors:
            self._running.remove(min(minors, key=lambda entry: entry[0]))
            self._fill(now)

    def _fill(self, now: int) -> None:
        for term in tuple(self._waiting):
            serving = {other.player_id for _, other in self._running if other.player_id is not None}
            if len(self._running) < _MOST_SHORT and term.player_id not in serving:
                self._waiting.remove(term)
                self._running.append((now + term.seconds, term))


def situations(facts: Sequence[Fact], *, home_id: int, away_id: int, is_long_overtime: bool) -> list[str | None]:
    """Return each play's situation code (away goalie, away skaters, home skaters, home goalie), from the plays so far.

    Penalties count from the next face-off: only then is it known which of a stoppage's penalties cancel out. A pulled
    goalie shows only in a goal or a miss at the empty net. In a shootout only attempts have a code.
    """
    boxes = {away_id: _Box(), home_id: _Box()}
    called: list[Fact] = []
    full = 5
    alone: int | None = None  # the team awarded a penalty shot
    misses_name_goalies = False  # none does in 2019-20, all do in 2021-22
    codes: list[str | None] = []
    for fact in facts:
        now, threes = fact.game_seconds, fact.period_type == "OT" and not is_long_overtime
        for box in boxes.values():
            box.advance(now)
        if fact.kind == "penalty":
            called.append(fact)
            if fact.severity == "Penalty Shot":
                alone = home_id if fact.team_id == away_id else away_id
        elif fact.kind == "faceoff" and called:
            _assess(called, boxes)
            called = []
        if fact.kind in ("faceoff", "period-start"):
            alone = None
            # At 3v3 the other team gains a player instead (Rule 84), and a served player stays on until a stoppage.
            full = 3 + max(box.short(threes=True) for box in boxes.values()) if threes else 5
        skaters = {team: full - box.short(threes=threes) for team, box in boxes.items()}
        goalies = {away_id: 1, home_id: 1}
        if fact.kind in UNBLOCKED_ATTEMPTS and fact.team_id in boxes:
            shooters, others = fact.team_id, home_id if fact.team_id == away_id else away_id
            is_miss = fact.kind == "missed-shot"
            if fact.period_type == "SO" or alone == shooters:
                skaters, goalies[shooters] = {shooters: 1, others: 0}, 0
                alone = None
            elif fact.at_empty_net or (is_miss and misses_name_goalies and not fact.names_goalie):
                skaters[others] += 1
                goalies[others] = 0
            if fact.kind == "goal" and skaters[others] and boxes[others].short() > boxes[shooters].short():
                boxes[others].goal_against(now)
            misses_name_goalies |= is_miss and fact.names_goalie
        code = f"{goalies[away_id]}{skaters[away_id]}{skaters[home_id]}{goalies[home_id]}"
        codes.append(None if fact.period_type == "SO" and fact.kind not in UNBLOCKED_ATTEMPTS else code)
    return codes


def _assess(called: Sequence[Fact], boxes: Mapping[int, _Box]) -> None:
    """Send one stoppage's penalties to the boxes, except those that cancel out (Rule 19)."""
    terms = {team: [term for fact in called if fact.team_id == team for term in _terms(fact)] for team in boxes}
    one_minor_each = all([term.seconds for term in side] == [_MINOR] for side in terms.values())
    if one_minor_each and not any(box.short() for box in boxes.values()):
        terms = {team: [replace(term, coincident=True) for term in side] for team, side in terms.items()}
    else:
        for seconds in (_MAJOR, _MINOR):
            equal = [[term for term in side if term.seconds == seconds] for side in terms.values()]
            for pair in zip(*equal, strict=False):
                for side, term in zip(terms.values(), pair, strict=True):
                    side.remove(term)
    for team, box in boxes.items():
        box.send(terms[team], called[-1].game_seconds)


def _terms(penalty: Fact) -> list[_Term]:
    if penalty.severity in ("Major", "Match"):  # Rules 20, 21
        return [_Term(penalty.player_id, _MAJOR)]
    if penalty.severity in ("Minor", "Bench Minor"):  # Rules 16, 17; a double minor (Rule 18) is two in a row
        return [_Term(penalty.player_id, _MINOR)] * (penalty.penalty_minutes // 2)
    return []  # misconducts (Rules 22, 23) and penalty shots (Rule 24) cost the team no player
