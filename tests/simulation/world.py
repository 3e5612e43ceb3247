"""The world of a run: one machine with its disk, clock and processes, the network, the league, and the night's end."""

import gc
import itertools
import logging
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Final

from db.connection import open_writer
from db.history.schema import MIGRATIONS as HISTORY
from db.serving import MIGRATIONS as SERVING
from tests.simulation import machine, rules, spies, truth
from tests.simulation.actors import Cast
from tests.simulation.actors.notices import RUDE
from tests.simulation.disk import Disk
from tests.simulation.evidence import Evidence, called
from tests.simulation.league import FAULTS as FEED_FAULTS
from tests.simulation.league import League
from tests.simulation.network import NETWORK_FAULTS, Network
from tests.simulation.plan import Act, Fault, Plan
from tests.simulation.rules import Violation
from tests.simulation.scheduler import Process, Scheduler, Stuck, Thread, current
from tests.simulation.service import Service
from tests.simulation.states import States

RESTART_S: Final = (0.5, 5.0)  # in which the container engine starts the service again
SLOW_S: Final = 0.02  # that each operation of a slow disk takes longer
COLLECTS_EVERY: Final = 20  # runs: a world is 4 MB of cycles, which Python collects ever more seldom
_runs: Final = itertools.count(1)
ENDS_WITHIN_S: Final = 900.0  # all acts, once the faults are over
LOADS_WITHIN_S: Final = 15.0  # all challengers after a start, compiled again if need be
_OUTSIDE: Final = ("league", "receiver", "nature")  # processes of other machines, which never die


class WallClock:
    """What the machine's clock shows; it can be set to another time."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self.is_wrong_by_s = 0.0

    def utc_now(self) -> datetime:
        """Return the time that it shows."""
        return truth.BEGAN + timedelta(seconds=self._scheduler.now + self.is_wrong_by_s)


class Log:
    """What happened, in order. What the disk does only matters to somebody who looks closely."""

    def __init__(self) -> None:
        self.entries: list[tuple[float, str | Process, str]] = []
        self.add = self.entries.append  # thousands of times in each run

    def lines(self, *, all_steps: bool = False) -> list[str]:
        """Return the lines: virtual seconds, process, what happened."""
        return [
            f"{now:12.6f}  {who!s:<12}  {what}"
            for now, who, what in self.entries
            if all_steps or not what.startswith("disk ")
        ]


@dataclass(frozen=True)
class Result:
    """What came of a run."""

    violations: list[Violation]
    counts: Counter[str]  # faults that took effect, and exceptions that the documentation admits
    states: set[int]
    virtual_s: float
    steps: int


@dataclass
class World:
    """Everything that a run consists of. A world is run once."""

    plan: Plan
    counts: Counter[str] = field(default_factory=Counter)
    log: Log = field(default_factory=Log)

    def __post_init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="xg-simulation-", dir=_fast_disk()))
        self.root, copies = self._folder / "machine", self._folder / "copies"
        copies.mkdir()
        self.data_dir = self.root / "data"
        self.data_dir.mkdir(parents=True)
        for name in ("history.db", "serving.db"):
            (self.data_dir / name).write_bytes(_new_file(name, self.plan.journal))
        self.scheduler = Scheduler(self.random("scheduler"), self.plan.handover, self._note_step)
        self.clock = WallClock(self.scheduler)
        self.evidence = Evidence(lambda: self.scheduler.now, _who, _held_up)
        self.disk = Disk(self, self.root)
        self.network = Network(self.scheduler, self.random("network"), self.took_effect)
        self.league = League(self.random("league"), self.plan.games, lambda: self.scheduler.now, self.took_effect)
        self.service = Service(self.scheduler, self.network, self.evidence, self.data_dir, self.random("service"))
        self.states = States(self.data_dir, copies)
        self.cast = Cast(self, self.random("cast"))
        self.scheduler.at_end = self._note_state
        self.nature = self.scheduler.process("nature")
        self._is_night_over = False
        self._has_died = False
        self._broken: list[Violation] = []  # files that a power cut has damaged

    def random(self, stream: str) -> Random:
        """Return chance of its own for a part of the world."""
        return Random(f"{self.plan.seed} {stream}")

    def took_effect(self, kind: str, target: str = "", seconds: float = 0.0) -> None:
        """Note a fault that took effect."""
        self.counts[kind] += 1
        self.evidence.fault(kind, target, seconds)
        self.log.add((self.scheduler.now, "fault", f"{kind} {target} {seconds:g} s".replace(" 0 s", "")))

    def note(self, what: str) -> None:
        """Add a line to the log in the name of the calling process."""
        self.log.add((self.scheduler.now, _who() or "world", what))

    def run(self) -> Result:
        """Play the plan, end all faults, ping each game once, and judge what was seen."""
        stuck: list[Violation] = []
        if not next(_runs) % COLLECTS_EVERY:
            gc.collect()
        gc.freeze()
        gc.disable()  # what it closes, and when, would depend on the rest of the program
        try:
            with ExitStack() as stack:
                stack.enter_context(machine.installed(self.scheduler, self.clock, self.random("machine")))
                stack.enter_context(self.disk.installed())
                stack.enter_context(self.network.installed())
                stack.enter_context(self.service.installed())
                stack.enter_context(self.cast.installed())
                stack.enter_context(self._logged())
                stack.enter_context(spies.watching(self.evidence))
                try:
                    self.scheduler.run(self._direct)
                except Stuck as error:
                    stuck.append(Violation("bounded", str(error)))
                found = self._broken + (stuck or rules.check(self))
                gc.collect()  # while its files are still those of the simulated disk
        finally:
            gc.enable()
            gc.unfreeze()
            shutil.rmtree(self._folder, ignore_errors=True)
        return Result(found, self.counts, self.states.found, self.scheduler.now, self.scheduler.steps)

    @contextmanager
    def _logged(self) -> Iterator[None]:
        """Have warnings of the product in the log of this world, and nowhere else; take its handlers away again."""
        ours = logging.getLogger("livegame")  # each command gives it a handler
        before = list(ours.handlers)
        handler = _Warnings(self)
        logging.getLogger().addHandler(handler)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(handler)
            ours.handlers[:] = before

    # -- the night -----------------------------------------------------------------------------------------------------

    def _direct(self) -> None:
        self.network.serve("feed.sim", self.league.app, self.scheduler.process("league"))
        self.cast.receiver.start()
        self._start_service()
        events: list[Act | Fault] = [*self.plan.acts, *self.plan.faults]
        for event in sorted(events, key=lambda event: event.at_s):
            self.scheduler.sleep(max(0.0, event.at_s - self.scheduler.now))
            if isinstance(event, Act):
                self.cast.begin(event)
            else:
                self._inflict(event)
        self._end_the_night()

    def _end_the_night(self) -> None:
        """End all faults, let everybody finish, and do once what makes everything complete."""
        self._is_night_over = True
        self.scheduler.disarm()
        self.network.disarm()
        self.cast.receiver.end()
        self.disk.end_faults()
        for process in self.scheduler.processes:  # those that were stopped go on
            process.stopped_until = min(process.stopped_until, self.scheduler.now)
        give_up = self.scheduler.now + ENDS_WITHIN_S
        while self.cast.are_at_work and self.scheduler.now < give_up:
            self.scheduler.sleep(1.0)
        self.league.end()
        self.scheduler.sleep(31.0)  # answers may be fresh for 30 s
        if not self.service.is_running:
            self.service.start()
        self.service.wait_until(lambda: self.service.is_listening, 60.0)
        self.scheduler.sleep(LOADS_WITHIN_S)
        self.cast.finish()
        self.service.stop()
        self.service.wait_until(lambda: not self.service.is_running, 60.0)

    def _start_service(self) -> None:
        process = self.service.start()
        process.at_death.append(self._restart_service)

    def _restart_service(self) -> None:
        """Start the service again a little later, as a container engine does."""

        def restart() -> None:
            self.scheduler.sleep(self.random(f"restart {self.scheduler.steps}").uniform(*RESTART_S))
            if not self.service.is_running and not self._is_night_over:
                self._start_service()

        self.scheduler.spawn(self.nature, restart, "restart")

    # -- faults --------------------------------------------------------------------------------------------------------

    def _inflict(self, fault: Fault) -> None:
        if fault.kind in NETWORK_FAULTS:
            self.network.arm(fault)
        elif fault.kind in FEED_FAULTS:
            self.league.arm(fault)
        elif fault.kind in RUDE:
            self.cast.receiver.arm(fault)
        elif fault.kind == "kill":
            self.scheduler.arm(fault.target, fault.steps, self._kill)
        elif fault.kind == "stop":
            self.scheduler.arm(fault.target, fault.steps, lambda process: self._stop(process, fault.seconds))
        elif fault.kind == "power cut":
            self.scheduler.arm(None, fault.steps, lambda _: self._cut_power())
        elif fault.kind == "clock":
            self.clock.is_wrong_by_s += fault.seconds
            self.took_effect("clock", "", fault.seconds)
        else:
            self.scheduler.arm(None, fault.steps, lambda _: self._spoil_disk(fault.kind, fault.seconds))

    def _spoil_disk(self, kind: str, seconds: float) -> None:
        """Have the disk be full, read-only or slow for some seconds, or let one of its operations fail in them."""
        self.evidence.fault(kind, "", seconds)
        self.log.add((self.scheduler.now, "fault", f"{kind} {seconds:g} s"))
        self.disk.is_full |= kind == "disk full"
        self.disk.is_read_only |= kind == "disk read-only"
        self.disk.slow_s += SLOW_S if kind == "disk slow" else 0.0
        if kind == "disk error":
            random = self.random(f"disk error {self.scheduler.steps}")
            self.disk.fail(random.choice(("read", "write", "sync")), skipping=random.choice((0, 0, 1, 3, 10, 30)))

        def heal() -> None:
            self.scheduler.sleep(seconds)
            self.disk.end_faults()

        self.scheduler.spawn(self.nature, heal, "heal")

    def _kill(self, process: Process) -> None:
        self.took_effect("kill", process.name)
        self.evidence.died(process, "killed")
        self.scheduler.kill(process, then=self._note_death)

    def _stop(self, process: Process, seconds: float) -> None:
        self.took_effect("stop", process.name, seconds)
        self.scheduler.stop(process, seconds)

    def _cut_power(self) -> None:
        """Kill every process of the machine at once; its disk keeps what was synced, and chance decides on the rest."""
        self.evidence.fault("power cut")
        self.log.add((self.scheduler.now, "fault", "power cut"))
        dying = [p for p in self.scheduler.processes if p.name not in _OUTSIDE and not p.is_dead and p.is_running]
        for process in dying:
            self.evidence.died(process, "power cut")

        def lose() -> None:
            self.disk.power_cut(self.random(f"power {self.scheduler.steps}"))
            self._note_death()

        self.scheduler.kill(*dying, then=lose)

    def _note_death(self) -> None:
        self._has_died = True

    def _note_state(self, thread: Thread) -> None:
        if self._has_died:
            self._has_died = False
            self._broken += rules.check_files(self)
        if thread.name == "main" and thread.process.name != "nature":
            self.states.note(service_is_up=self.service.is_listening)

    def _note_step(self, thread: Thread, what: str) -> None:
        self.log.add((self.scheduler.now, thread.process, what))


class _Warnings(logging.Handler):
    """Puts warnings of simulated threads into the log of their world."""

    def __init__(self, world: World) -> None:
        super().__init__(logging.WARNING)
        self._world = world

    def handle(self, record: logging.LogRecord) -> bool:
        """Note a warning, without the lock of handlers, which simulated threads may not wait for."""
        if record.levelno >= self.level and current() is not None:
            self._world.note(f"warns: {record.getMessage()}")
        return True


def _who() -> str | None:
    thread = current()
    return called(thread.process) if thread is not None else None


def _held_up() -> float:
    thread = current()
    return thread.process.stopped_s if thread is not None else 0.0


@cache
def _new_file(name: str, journal: str) -> bytes:
    """Return a database as it is before anything happens."""
    with tempfile.TemporaryDirectory(dir=_fast_disk()) as folder:
        path = Path(folder) / name
        with closing(open_writer(path, HISTORY if name == "history.db" else SERVING)) as connection:
            connection.execute(f"PRAGMA journal_mode = {journal}")
        return path.read_bytes()


def _fast_disk() -> str | None:
    """Return a folder in memory; None where there is none."""
    memory = Path("/dev/shm")
    return str(memory) if memory.is_dir() else None
