"""What a simulated thread gets from its machine: the time, other threads, locks, and chance.

The standard library's own Condition, Event, Semaphore, Queue and Future are made of locks, so they need no replacement.
Ordinary threads get what they always get.
"""

import queue
import random
import secrets
import sys
import threading
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from random import Random
from typing import Any, Final, Protocol
from unittest.mock import patch

import livegame.watch
import xgserve.registry.follow
import xgserve.request_id
from db import times
from tests.simulation.scheduler import Killed, Scheduler, Thread, current

_REAL_LOCK: Final = threading.Lock
_REAL_RLOCK: Final = threading.RLock


class Clock(Protocol):
    """The wall clock of the simulated machine."""

    def utc_now(self) -> datetime:
        """Return the time that it shows."""


class Lock:
    """A lock among simulated threads."""

    def __init__(self) -> None:
        self._is_locked = False
        self._waiting: deque[Thread] = deque()

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, as `threading.Lock.acquire`."""
        thread = current()
        if thread is not None and not thread.process.is_dead:  # what a dead process cleans up may take free locks
            thread.scheduler.step("")
        if not self._is_locked:
            self._is_locked = True
            return True
        if not blocking:
            return False
        if thread is None:
            raise RuntimeError("an ordinary thread waits for a lock of the simulation")
        scheduler = thread.scheduler
        give_up = scheduler.now + timeout if timeout >= 0 else None
        while self._is_locked:
            left = None if give_up is None else give_up - scheduler.now
            if left is not None and left <= 0:
                return False
            self._waiting.append(thread)
            scheduler.park(left)
            if thread in self._waiting:
                self._waiting.remove(thread)
        self._is_locked = True
        return True

    def release(self) -> None:
        """Give the lock back, as `threading.Lock.release`."""
        if not self._is_locked and not _is_unwinding():
            raise RuntimeError("release unlocked lock")
        self._is_locked = False
        if self._waiting:
            thread = self._waiting.popleft()
            thread.scheduler.unpark(thread)

    def locked(self) -> bool:
        """Return whether somebody has it."""
        return self._is_locked

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


def _is_unwinding() -> bool:
    """Return whether the caller's process is dead: a thread that died in `Condition.wait` has no lock any more."""
    thread = current()
    return thread is not None and thread.process.is_dead


class RLock:
    """A lock that its holder may take again."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._owner: object = None
        self._count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """Take the lock, as `threading.RLock.acquire`."""
        me = current() or threading.get_ident()
        if self._owner == me:
            self._count += 1
            return True
        if not self._lock.acquire(blocking, timeout):
            return False
        self._owner, self._count = me, 1
        return True

    def release(self) -> None:
        """Give it back, as `threading.RLock.release`."""
        if not self._is_owned():
            if _is_unwinding():
                return
            raise RuntimeError("cannot release un-acquired lock")
        self._count -= 1
        if not self._count:
            self._owner = None
            self._lock.release()

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()

    # what threading.Condition uses of a lock

    def _is_owned(self) -> bool:
        return self._owner == (current() or threading.get_ident())

    def _release_save(self) -> int:
        count, self._count, self._owner = self._count, 0, None
        self._lock.release()
        return count

    def _acquire_restore(self, count: int) -> None:
        self._lock.acquire()
        self._owner, self._count = current() or threading.get_ident(), count


class ThreadHandle:
    """What code in a simulated thread gets for `threading.Thread(...)`."""

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        assert group is None
        assert target is not None
        self.name = name or target.__name__
        self.daemon = daemon
        self._call = lambda: target(*args, **(kwargs or {}))
        self._thread: Thread | None = None

    def start(self) -> None:
        """Start it in the process of the caller."""
        me = current()
        assert me is not None
        me.scheduler.step(f"starts the thread {self.name}")
        self._thread = me.scheduler.spawn(me.process, self._call, self.name)

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended."""
        assert self._thread is not None
        self._thread.scheduler.join(self._thread, timeout)

    def is_alive(self) -> bool:
        """Return whether it has begun and not ended."""
        return self._thread is not None and not self._thread.is_done


class _ThreadClass(threading.Thread):
    def __new__(cls, *arguments: Any, **named: Any) -> Any:
        if cls is _ThreadClass and current() is not None:
            return ThreadHandle(*arguments, **named)
        return super().__new__(cls)


def _lock() -> Any:
    return Lock() if current() is not None else _REAL_LOCK()


def _rlock() -> Any:
    return RLock() if current() is not None else _REAL_RLOCK()


def _simple_queue() -> Any:
    # the fast one waits outside Python; the slow one, inside the standard library, is made of locks
    return queue._PySimpleQueue() if current() is not None else _REAL_QUEUE()  # type: ignore[attr-defined]


_REAL_QUEUE: Final = queue.SimpleQueue


@contextmanager
def installed(scheduler: Scheduler, clock: Clock, chance: Random) -> Iterator[None]:
    """Give simulated threads this scheduler's time, locks and threads, this wall clock, and chance from a seed."""

    def instead(real: Callable[..., Any], simulated: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **named: (real if current() is None else simulated)(*args, **named)

    def monotonic() -> float:
        return scheduler.now

    def wall() -> float:
        return clock.utc_now().timestamp()

    replaced: list[tuple[Any, str, Callable[..., Any]]] = [
        (time, "monotonic", monotonic),
        (time, "monotonic_ns", lambda: int(scheduler.now * 1e9)),
        (time, "perf_counter", monotonic),
        (time, "time", wall),
        (time, "time_ns", lambda: int(wall() * 1e9)),
        (time, "sleep", scheduler.sleep),
        (threading, "_time", monotonic),
        (queue, "time", monotonic),
        (times, "utc_now", clock.utc_now),
        (secrets, "token_hex", lambda n=32: chance.randbytes(n).hex()),
        (secrets, "token_bytes", lambda n=32: chance.randbytes(n)),
        (uuid, "uuid4", lambda: uuid.UUID(bytes=chance.randbytes(16), version=4)),
        (random, "random", chance.random),
        (xgserve.request_id, "getrandbits", chance.getrandbits),
        (xgserve.registry.follow, "token_hex", lambda n=32: chance.randbytes(n).hex()),
    ]

    def unraisable(error: Any) -> None:
        if error.exc_type is not Killed:  # a finalizer may be where a thread dies
            sys.__unraisablehook__(error)

    with ExitStack() as patches:
        patches.enter_context(patch.object(sys, "unraisablehook", unraisable))
        for module, name, simulated in replaced:
            patches.enter_context(patch.object(module, name, instead(getattr(module, name), simulated)))
        for module, name, either in (
            (threading, "Lock", _lock),
            (threading, "_allocate_lock", _lock),
            (threading, "RLock", _rlock),
            (threading, "Thread", _ThreadClass),
            (queue, "SimpleQueue", _simple_queue),
            (livegame.watch, "SimpleQueue", _simple_queue),
        ):
            patches.enter_context(patch.object(module, name, either))
        yield
