"""Virtual time and one token: of all simulated threads exactly one runs, and a seed decides which.

Every contact of a simulated thread with the world is a `step`. There the token may be handed on, the process may be
stopped or killed, and virtual time passes. So a schedule, however entangled, runs the same way each time.
"""

import _thread
import heapq
import threading
from collections.abc import Callable
from random import Random
from typing import Any, Final, NoReturn

STEP_S: Final = 0.000_05  # virtual time that a step takes
SLICE_S: Final = 0.02  # after which a thread hands the token on if another is ready
MAX_STEPS: Final = 3_000_000  # of one run; more is a loop without end

_local = threading.local()


class Killed(BaseException):
    """The process of this thread is dead; raised where the thread is, and at each further step."""


class Stuck(Exception):
    """No thread can ever go on, though not all have ended."""


class Process:
    """A simulated process: what is killed or stopped as one."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number  # 1 for the first process of this name
        self.threads: list[Thread] = []
        self.is_dead = False
        self.stopped_until = 0.0
        self.stopped_s = 0.0  # in all
        self.at_death: list[Callable[[], None]] = []

    def __str__(self) -> str:
        return f"{self.name}#{self.number}"

    @property
    def is_running(self) -> bool:
        """Whether a thread of it has not ended."""
        return any(not thread.is_done for thread in self.threads)


class Thread:
    """A simulated thread: a real one that runs only while it has the token."""

    def __init__(self, scheduler: "Scheduler", process: Process, target: Callable[[], object], name: str) -> None:
        self.scheduler = scheduler
        self.process = process
        self.name = name
        self.is_done = False
        self.is_parked = False
        self.is_woken = False
        self.wake_at: float | None = None
        self.joining: list[Thread] = []
        self.local: dict[str, Any] = {}  # whatever others attach to it
        self._target = target
        self.baton = _thread.allocate_lock()
        self.baton.acquire()
        process.threads.append(self)
        _thread.start_new_thread(self._run, ())

    def _run(self) -> None:
        self.baton.acquire()
        _local.thread = self
        try:
            if not self.process.is_dead:
                self._target()
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 - whatever a thread dies of is what the simulation looks for
            if not self.process.is_dead:  # while it unwinds, one error may take the place of another
                self.scheduler.note_crash(self, error)
        finally:
            _local.thread = None
            self.scheduler.at_end(self)
            self.scheduler.leave(self)


def current() -> Thread | None:
    """Return the simulated thread that calls; None in an ordinary one."""
    found: Thread | None = getattr(_local, "thread", None)
    return found


class Scheduler:
    """Hands the token from thread to thread."""

    def __init__(self, random: Random, handover: float, log: Callable[[Thread, str], None]) -> None:
        """`handover` is the share of steps at which the token is handed to another thread."""
        self.now = 0.0  # virtual seconds
        self.steps = 0
        self.at_end: Callable[[Thread], None] = lambda _thread: None  # is called for each thread that has ended
        self.crashes: list[tuple[Thread, BaseException]] = []  # threads that ended with an exception
        self.processes: list[Process] = []
        self._random = random.random
        self._choice = random.randrange
        self._handover = handover
        self._log = log
        self._ready: list[Thread] = []
        self._timers: list[tuple[float, int, Thread]] = []
        self._order = 0
        self._slice_end = SLICE_S
        self._armed: list[_Armed] = []
        self._reapers: list[Any] = []  # the batons of those who wait until a dead thread has unwound
        self._director: Thread | None = None
        self._ended = _thread.allocate_lock()
        self._ended.acquire()
        self._failure: Exception | None = None  # of the run itself

    # -- processes and threads -----------------------------------------------------------------------------------------

    def process(self, name: str) -> Process:
        """Make a process."""
        number = 1 + sum(other.name == name for other in self.processes)
        made = Process(name, number)
        self.processes.append(made)
        return made

    def alive(self, name: str) -> list[Process]:
        """Return the processes of this name that have neither died nor ended."""
        return [p for p in self.processes if p.name == name and not p.is_dead and p.is_running]

    def spawn(self, process: Process, target: Callable[[], object], name: str) -> Thread:
        """Start a thread; it runs once it is handed the token."""
        thread = Thread(self, process, target, name)
        self._ready.append(thread)
        return thread

    def run(self, director: Callable[[], None]) -> None:
        """Run a thread that is never killed until it ends, and all others meanwhile; then kill what is left.

        Raises:
            Stuck: no thread could go on.
            Exception: what the director raised.
        """
        world = Process("world", 0)
        thread = self.spawn(world, lambda: self._direct(director, world), "director")
        self._director = thread
        self._ready.remove(thread)
        thread.baton.release()
        self._ended.acquire()
        if self._failure is not None:
            raise self._failure

    def _direct(self, director: Callable[[], None], world: Process) -> None:
        try:
            director()
        except Exception as error:  # noqa: BLE001 - raised again by `run`, in the thread of its caller
            self._failure = error
        finally:
            self._armed.clear()
            self.kill(*(process for process in self.processes if process is not world))

    def note_crash(self, thread: Thread, error: BaseException) -> None:
        """Remember what a thread ended with."""
        self.crashes.append((thread, error))

    def leave(self, thread: Thread) -> None:
        """Hand the token on for the last time."""
        thread.is_done = True
        for other in thread.joining:
            self.unpark(other)
        if self._reapers and thread.process.is_dead:
            self._reapers.pop().release()
            return
        if thread is self._director:  # everything else has been killed
            self._ended.release()
            return
        self._next().baton.release()

    # -- steps ---------------------------------------------------------------------------------------------------------

    def step(self, what: str, seconds: float = 0.0) -> None:
        """Let virtual time pass, and perhaps another thread go first; `what` is what the caller is about to do.

        Raises:
            Killed: the caller's process is dead, or dies here.
        """
        thread: Thread = _local.thread
        process = thread.process
        if process.is_dead:
            raise Killed
        self.steps += 1
        if self.steps > MAX_STEPS:
            self._give_up(f"{thread.process}, {thread.name}: still at work after {MAX_STEPS} steps")
        self.now += STEP_S
        if what:  # a lock or a pause is no contact with the world
            self._log(thread, what)
            if self._armed:
                self._count_down(process)
        if seconds > 0:
            self.park(seconds)
        elif (
            process.stopped_until > self.now
            or self.now >= self._slice_end
            or (self._handover and self._random() < self._handover)
        ):
            self._slice_end = self.now + SLICE_S
            self._ready.append(thread)
            self._switch(thread)

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass. Raises `Killed` as `step`."""
        self.step("", max(seconds, STEP_S))

    def park(self, timeout: float | None = None) -> bool:
        """Wait until somebody unparks this thread; return False if `timeout` seconds passed first.

        Raises:
            Killed: as `step`.
        """
        thread: Thread = _local.thread
        if thread.process.is_dead:
            raise Killed
        thread.is_parked, thread.is_woken = True, False
        if timeout is not None:
            self._order += 1
            thread.wake_at = self.now + max(timeout, 0.0)
            heapq.heappush(self._timers, (thread.wake_at, self._order, thread))
        self._switch(thread)
        return thread.is_woken

    def unpark(self, thread: Thread) -> None:
        """Let a parked thread go on when it is handed the token."""
        if thread.is_parked and not thread.is_done and not thread.process.is_dead:
            thread.is_parked, thread.is_woken, thread.wake_at = False, True, None
            self._ready.append(thread)

    def join(self, thread: Thread, timeout: float | None = None) -> bool:
        """Wait for a thread to end; return whether it has."""
        if not thread.is_done:
            me: Thread = _local.thread
            thread.joining.append(me)
            self.park(timeout)
            if me in thread.joining:
                thread.joining.remove(me)
        return thread.is_done

    def _switch(self, thread: Thread) -> None:
        """Hand the token to a thread that is ready, perhaps to this one; come back when it is this one's turn."""
        following = self._next()
        if following is not thread:
            following.baton.release()
            thread.baton.acquire()
        if thread.process.is_dead:
            raise Killed

    def _next(self) -> Thread:
        """Return a thread that can go on, moving time on if none can now."""
        while True:
            self._wake()
            ready = [thread for thread in self._ready if thread.process.stopped_until <= self.now]
            if ready:
                chosen = ready[self._choice(len(ready))] if len(ready) > 1 else ready[0]
                self._ready.remove(chosen)
                self._slice_end = self.now + SLICE_S
                return chosen
            times = [self._timers[0][0]] if self._timers else []
            times += [thread.process.stopped_until for thread in self._ready]
            if not times:
                self._give_up("no thread can go on")
            self.now = max(self.now, min(times))

    def _give_up(self, why: str) -> NoReturn:
        """End the run; its threads wait for ever, which costs nothing."""
        self._failure = Stuck(why)
        self._ended.release()
        never = _thread.allocate_lock()
        never.acquire()
        never.acquire()
        raise AssertionError

    def _wake(self) -> None:
        """Make those ready whose time has come."""
        while self._timers and (self._timers[0][0] <= self.now or self._timers[0][2].wake_at != self._timers[0][0]):
            at, _, thread = heapq.heappop(self._timers)
            if thread.is_parked and thread.wake_at == at and not thread.process.is_dead:
                thread.is_parked, thread.wake_at = False, None
                self._ready.append(thread)

    # -- faults --------------------------------------------------------------------------------------------------------

    def arm(self, name: str | None, steps: int, fire: Callable[[Process], None]) -> None:
        """Have something happen after so many steps of the processes of this name (None: of all processes)."""
        self._armed.append(_Armed(name, steps, fire))

    def disarm(self) -> None:
        """Forget what has not happened."""
        self._armed.clear()

    def stop(self, process: Process, seconds: float) -> None:
        """Stop a process for some time, as SIGSTOP and SIGCONT do."""
        process.stopped_s += max(0.0, self.now + seconds - max(process.stopped_until, self.now))
        process.stopped_until = max(process.stopped_until, self.now + seconds)

    def kill(self, *processes: Process, then: Callable[[], None] = lambda: None) -> None:
        """Kill processes: unwind their threads one after another, call `then`, and end the caller if it is one of them.

        Raises:
            Killed: the caller's own process was killed.
        """
        me = current()
        dying = [process for process in processes if not process.is_dead]
        for process in dying:
            process.is_dead = True
        for process in dying:
            for thread in process.threads:
                if thread is not me and not thread.is_done:
                    self._unwind(thread, me)
            for call in process.at_death:
                call()
        then()
        if me is not None and me.process in dying:
            raise Killed

    def _unwind(self, thread: Thread, me: Thread | None) -> None:
        """Let a dead thread run until it has ended. It takes no further step."""
        if thread in self._ready:
            self._ready.remove(thread)
        thread.wake_at = None
        waiting = _thread.allocate_lock() if me is None else me.baton
        if me is None:
            waiting.acquire()
        self._reapers.append(waiting)
        thread.baton.release()
        waiting.acquire()

    def _count_down(self, process: Process) -> None:
        if process.number == 0:
            return
        for armed in self._armed:
            if armed.name is None or armed.name == process.name:
                armed.steps -= 1
        due = [armed for armed in self._armed if armed.steps <= 0]
        if due:
            self._armed = [armed for armed in self._armed if armed.steps > 0]
            for armed in due:
                armed.fire(process)


class _Armed:
    def __init__(self, name: str | None, steps: int, fire: Callable[[Process], None]) -> None:
        self.name, self.steps, self.fire = name, steps, fire
