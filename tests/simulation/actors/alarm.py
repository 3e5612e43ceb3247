"""The alarm clock of `scripts/ping_game.py`, in virtual time.

Python calls the handler of a signal between two of its own instructions, so never inside SQLite: there it waits.
"""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final
from unittest.mock import patch

from tests.simulation.scheduler import Scheduler, Thread, current

_SET: Final = "alarm"  # how often the thread has set its alarm
_HANDLER: Final = "alarm handler"
_RINGS: Final = "alarm rings"
_INSIDE_SQLITE: Final = "tests.simulation.vfs"


class Alarm:
    """What the module `signal` is to a simulated process; the alarm interrupts the thread that has set it."""

    SIGALRM = signal.SIGALRM

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def signal(self, _number: int, handler: Callable[[int, object], object]) -> None:
        """Set what the alarm calls."""
        _caller().local[_HANDLER] = handler

    def alarm(self, seconds: int) -> None:
        """Set the alarm; 0 ends it."""
        thread = _caller()
        number = thread.local[_SET] = thread.local.get(_SET, 0) + 1
        if not seconds:
            thread.local.pop(_RINGS, None)
            return

        def ring() -> None:
            self._scheduler.sleep(seconds)
            if thread.local[_SET] == number and not thread.is_done:
                thread.local[_RINGS] = True
                self._scheduler.unpark(thread)

        self._scheduler.spawn(thread.process, ring, "alarm")

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Have alarms interrupt threads that wait for their turn."""
        real = self._scheduler._switch

        def switch(thread: Thread) -> None:
            real(thread)
            if thread.local.get(_RINGS) and not _is_inside_sqlite():
                del thread.local[_RINGS]
                thread.local[_HANDLER](self.SIGALRM, None)

        with patch.object(self._scheduler, "_switch", switch):
            yield


def _caller() -> Thread:
    thread = current()
    assert thread is not None
    return thread


def _is_inside_sqlite() -> bool:
    frame = sys._getframe()
    while (caller := frame.f_back) is not None:
        if caller.f_globals.get("__name__") == _INSIDE_SQLITE:
            return True
        frame = caller
    return False
