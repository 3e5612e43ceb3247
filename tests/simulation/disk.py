"""A simulated disk: each use of a file below its root is a step, may fail, and is safe from a power cut once synced."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any, Protocol
from unittest.mock import patch

import db.connection
from tests.simulation import vfs
from tests.simulation.durability import Tree
from tests.simulation.files import Files
from tests.simulation.scheduler import Killed, Process, Scheduler, current


class World(Protocol):
    """What a disk needs of the world that it is in."""

    @property
    def scheduler(self) -> Scheduler:
        """Whose steps its operations are."""

    @property
    def counts(self) -> Counter[str]:
        """Where it counts the faults that took effect, by kind."""


class Disk:
    """The files below `root`, for all processes of a world.

    Faults are set as attributes: `is_full`, `is_read_only`, `slow_s` (what each operation takes longer); `fail` lets
    single operations fail.
    """

    def __init__(self, world: World, root: Path) -> None:
        self.root = os.path.realpath(root)
        self.tree = Tree(self.root)
        self.is_full = False
        self.is_read_only = False
        self.slow_s = 0.0
        self.errors: list[BaseException] = []  # of our own, where none could be raised
        self._scheduler = world.scheduler
        self._counts = world.counts
        self._inside = self.root + "/"
        self._failing: list[list[Any]] = []  # operation, part of the file's name, how many go well before it
        self._files = Files(self)
        self._watched: set[Process] = set()

    # -- for the world -------------------------------------------------------------------------------------------------

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Let it see all that is done below its root, by any thread; only in simulated threads that takes a step."""
        vfs.use(self)
        try:
            with self._files.installed(), patch("db.connection._advice", _unless_dead(db.connection._advice)):
                yield
        finally:
            vfs.use(None)

    def fail(self, operation: str, name: str = "", skipping: int = 0) -> None:
        """Let one operation ("read", "write" or "sync") on a file with `name` in its name fail with EIO, after some."""
        self._failing.append([operation, name, skipping])

    def end_faults(self) -> None:
        """Be a good disk from now on."""
        self.is_full = self.is_read_only = False
        self.slow_s = 0.0
        self._failing.clear()

    def power_cut(self, random: Random) -> None:
        """Lose what was not synced, as far as chance will have it. All processes must be dead."""
        self._counts["power cut"] += 1
        self._counts["unsynced change lost"] += self.tree.power_cut(random)

    # -- for the files below the root ----------------------------------------------------------------------------------

    def has(self, path: str) -> bool:
        """Return whether a path is below the root."""
        return path.startswith(self._inside)

    def name(self, path: str) -> str:
        """Return a path from the root on."""
        return path[len(self._inside) :] or "."

    def step(self, what: str) -> None:
        """Take a step if the caller is simulated. Raises `Killed` if it is dead."""
        if current() is not None:
            self._scheduler.step(what, self.slow_s)

    def sleep(self, seconds: float) -> None:
        """Let virtual time pass."""
        self._scheduler.sleep(seconds)

    def watch(self) -> None:
        """Free what the caller's process holds once it dies."""
        thread = current()
        if thread is not None and thread.process not in self._watched:
            process = thread.process
            self._watched.add(process)
            process.at_death.append(lambda: self._release(process))

    def fails(self, operation: str, name: str) -> bool:
        """Return whether this operation is to fail."""
        if self._failing and current() is not None:
            for failing in self._failing:
                if failing[0] == operation and failing[1] in name:
                    failing[2] -= 1
                    if failing[2] < 0:
                        self._failing.remove(failing)
                        self._counts[f"disk {operation} failed"] += 1
                        return True
        return False

    def has_no_room(self, path: str, length: int) -> bool:
        """Return whether a file cannot grow to this length."""
        if not self.is_full or current() is None:
            return False
        is_more = not os.path.exists(path) or os.path.getsize(path) < length
        self._counts["disk full"] += is_more
        return is_more

    def forbids_writing(self) -> bool:
        """Return whether a file cannot be changed, made or deleted."""
        if not self.is_read_only or current() is None:
            return False
        self._counts["disk read-only"] += 1
        return True

    def _release(self, process: Process) -> None:
        vfs.release(process)
        self._files.release(process)


def _unless_dead(advice: Callable[..., str]) -> Callable[..., str]:
    """Return what ends a dead process at an error of SQLite, through which `Killed` could not pass."""

    def advice_or_end(*arguments: Any) -> str:
        thread = current()
        if thread is not None and thread.process.is_dead:
            raise Killed
        return advice(*arguments)

    return advice_or_end
