"""What was seen in a run: plain lists in the order of events, which the rules compare at the end.

The actors, the service, the receiver and the world add to it, and `spies.watching` notes what the product itself does:
which requests it noted, which answers are on disk, which transactions ended. Times are seconds of the virtual clock. A
process is called by its name and number (`called`), so that each of its lives is told apart.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from db.history import GameRow
from livegame.reports.game import GameReport
from livegame.scoring.open_requests import ShotId
from tests.simulation.scheduler import Killed
from xgserve.client import ModelDescription

NOWHERE: Final = "outside"  # the process of what no simulated thread does
Inputs = Mapping[str, Any]
Rated = tuple[int, int, str]  # game id, event id, model id


class ProcessLike(Protocol):
    """A simulated process, as far as it is named."""

    @property
    def name(self) -> str: ...
    @property
    def number(self) -> int: ...


def called(process: ProcessLike) -> str:
    """Return what one life of a process is called."""
    return f"{process.name}#{process.number}"


@dataclass(frozen=True, slots=True)
class Noted:
    """A request that a client has noted, before it is sent; repeated ones are here each time."""

    at_s: float
    process: str
    key: str
    model: str
    rows: Mapping[ShotId, Inputs]


@dataclass(frozen=True, slots=True)
class Scoring:
    """Rows that the service has scored, by its own count."""

    at_s: float
    process: str
    incarnation: int  # of the service: one for each start
    model: str
    key: str  # the Idempotency-Key; "" without one
    rows: int


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer that is on disk in serving.db, by the service's word."""

    at_s: float
    process: str
    key: str
    model: str


@dataclass(frozen=True, slots=True)
class Forgotten:
    """That the service has lost sight of answers: it has trimmed them, or could not read them when it started."""

    at_s: float
    process: str
    is_trim: bool


@dataclass(frozen=True, slots=True)
class Stored:
    """A transaction of a history that has ended: what it stored is on disk."""

    at_s: float
    process: str
    game_id: int
    predictions: Mapping[tuple[int, str], tuple[float, Inputs]]  # by event and model: the first answer is kept
    game: GameRow | None = None  # None if only predictions were added
    digest: str | None = None  # of the feed's answer
    shots: Mapping[int, Inputs] = field(default_factory=dict)  # their features by event id
    blocked: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class Waited:
    """How long a call of the product took, and how long it may take by its own constants."""

    at_s: float
    process: str
    what: str
    took_s: float  # without the time that its process was stopped, or the disk slow
    allowed_s: float


@dataclass(slots=True)
class Act:
    """What an actor did, from its begin to its end; `end_s` stays None if its process died meanwhile."""

    begin_s: float
    process: str
    actor: str
    what: str
    about: Any = None
    end_s: float | None = None
    held_up_s: float = 0.0  # of that, the process was stopped or the disk was slow
    result: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """A game as a reader saw it in one report."""

    at_s: float
    process: str
    game_id: int
    state: str
    period: int
    seconds_left: int
    score: tuple[int, int]  # away, home: the scoreboard's
    model: str | None
    models: tuple[str, ...]
    shots: tuple[int, ...]  # the present ones
    retracted: tuple[int, ...]
    probabilities: Mapping[int, float]  # of the present and retracted ones that are rated
    counted: tuple[int, int, int]  # shots, goals and pending ones by the sums
    xg: float  # by the sums
    row_sums: tuple[int, int, int]  # the same by the rows of the report
    row_xg: float

    @classmethod
    def of(cls, report: GameReport, at_s: float, process: str) -> "Seen":
        """Return what a report says."""
        sides = (report.away.counted, report.home.counted)
        present, shots = report.present, report.shots
        rated = shots[shots["probability"].notna()]
        return cls(
            at_s,
            process,
            report.game_id,
            report.state.value,
            report.row["period"],
            report.row["seconds_left"],
            (report.away.score, report.home.score),
            report.model,
            report.models,
            tuple(map(int, present["event_id"])),
            tuple(map(int, shots.loc[shots["status"] == "retracted", "event_id"])),
            dict(zip(map(int, rated["event_id"]), map(float, rated["probability"]), strict=True)),
            (sum(s.shots for s in sides), sum(s.goals for s in sides), sum(s.pending for s in sides)),
            sum(s.xg for s in sides),
            (len(present), int((present["outcome"] == "goal").sum()), int((present["status"] == "pending").sum())),
            float(present["probability"].sum()),
        )


@dataclass(frozen=True, slots=True)
class Delivery:
    """A message that a receiver has read; its answer may have been lost."""

    at_s: float
    address: str
    title: str
    body: str


@dataclass(frozen=True, slots=True)
class AcceptedNotice:
    """A notice that is noted as accepted by an address (its digest)."""

    at_s: float
    process: str
    notice_id: int
    address: str


@dataclass(frozen=True, slots=True)
class Attempt:
    """The begin of an attempt to send a notice to an address (its digest)."""

    at_s: float
    process: str
    notice_id: int
    address: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """The models that the service has loaded, as it answers to a client."""

    at_s: float
    process: str
    active: ModelDescription
    challengers: tuple[str, ...]  # their ids


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """A change of models that an operator was told of with HTTP 200: what is loaded from then on."""

    at_s: float
    what: str  # swap, load, promote, promote and keep, drop, roll back
    active: str | None  # the id of the active model after it; None if the answer does not say
    challengers: tuple[str, ...] | None  # their ids after it; None if the answer does not say
    begin_s: float = 0.0
    about: str | None = None  # the model that was asked for


@dataclass(frozen=True, slots=True)
class Death:
    """The end of a process: killed, power cut, or ended by itself or by SIGTERM."""

    at_s: float
    process: str
    how: str  # killed, power cut, ended


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of the world that took effect, for some seconds (0: at one moment)."""

    at_s: float
    kind: str
    target: str
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Complaint:
    """A record of the log with level ERROR or more, or with a traceback."""

    at_s: float
    process: str
    logger: str
    level: int
    message: str
    traceback: str | None


@dataclass(frozen=True, slots=True)
class BadAnswer:
    """An answer of the service with status 500 or more."""

    at_s: float
    process: str
    path: str
    status: int
    code: str


def _never_held_up() -> float:
    return 0.0


@dataclass
class Evidence:
    """Everything that was seen in a run. `now` and `who` are those of the calling simulated thread."""

    now: Callable[[], float]
    who: Callable[[], str | None]  # `called` of the caller's process; None for ordinary threads
    held_up: Callable[[], float] = _never_held_up  # seconds that the caller was stopped, or waited for a slow disk
    requests: list[Noted] = field(default_factory=list)
    scorings: list[Scoring] = field(default_factory=list)
    kept: list[KeptAnswer] = field(default_factory=list)
    forgotten: list[Forgotten] = field(default_factory=list)
    stored: list[Stored] = field(default_factory=list)
    waits: list[Waited] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)
    deliveries: list[Delivery] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    refused: list[Attempt] = field(default_factory=list)  # when they were noted as not accepted
    accepted: list[AcceptedNotice] = field(default_factory=list)
    loaded: list[Loaded] = field(default_factory=list)
    described: dict[str, ModelDescription] = field(default_factory=dict)  # all models that the service described, by id
    acknowledged: list[Acknowledged] = field(default_factory=list)
    deaths: list[Death] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    complaints: list[Complaint] = field(default_factory=list)
    bad_answers: list[BadAnswer] = field(default_factory=list)

    # -- added by the others ------------------------------------------------------------------------------------------

    @contextmanager
    def act(self, actor: str, what: str, about: Any = None) -> Iterator[Act]:
        """Note an act of the caller; it may set its `result`. Exceptions are noted and raised again."""
        act = Act(self.now(), self.who() or NOWHERE, actor, what, about)
        held_up = self.held_up()
        self.acts.append(act)
        try:
            yield act
        except Exception as error:
            act.error = error
            act.end_s, act.held_up_s = self.now(), self.held_up() - held_up
            raise
        else:
            act.end_s, act.held_up_s = self.now(), self.held_up() - held_up

    def scored(self, incarnation: int, model: str, key: str, rows: int) -> None:
        """Note rows that the caller, a service, has scored."""
        self.scorings.append(Scoring(self.now(), self.who() or NOWHERE, incarnation, model, key, rows))

    @contextmanager
    def waiting(self, what: str, allowed_s: float) -> Iterator[None]:
        """Note how long the caller waits inside, however that ends, unless its process dies."""
        if (process := self.who()) is None:
            yield
            return
        begin_s, held_up = self.now(), self.held_up()
        try:
            yield
        except Killed:
            raise
        except BaseException:  # the alarm of a command may end it
            self._waited(process, what, begin_s, held_up, allowed_s)
            raise
        else:
            self._waited(process, what, begin_s, held_up, allowed_s)

    def _waited(self, process: str, what: str, begin_s: float, held_up: float, allowed_s: float) -> None:
        took_s = self.now() - begin_s - (self.held_up() - held_up)
        self.waits.append(Waited(begin_s, process, what, took_s, allowed_s))

    def saw(self, report: GameReport) -> None:
        """Note what the caller, a reader, saw of a game."""
        self.seen.append(Seen.of(report, self.now(), self.who() or NOWHERE))

    def delivered(self, address: str, title: str, body: str) -> None:
        """Note a message that the caller, a receiver, has read."""
        self.deliveries.append(Delivery(self.now(), address, title, body))

    def died(self, process: ProcessLike, how: str) -> None:
        """Note the end of a process: killed, power cut or ended."""
        self.deaths.append(Death(self.now(), called(process), how))

    def fault(self, kind: str, target: str = "", seconds: float = 0.0) -> None:
        """Note a fault of the world that took effect."""
        self.faults.append(Fault(self.now(), kind, target, seconds))
