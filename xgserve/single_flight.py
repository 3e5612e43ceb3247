"""Work that several threads ask for at the same time, done once."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Result = TypeVar("Result")


class SingleFlight(Generic[Result]):
    """Lets all threads that ask for the same key share one result. Nothing is kept once it is returned."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[Hashable, Future[Result]] = {}

    def run(self, key: Hashable, make: Callable[[], Result]) -> Result:
        """Return the result of `make`, or wait for the thread that is computing it; all raise its exception."""
        mine: Future[Result] = Future()
        with self._lock:
            running = self._running.setdefault(key, mine)
        if running is not mine:
            return running.result()
        try:
            mine.set_result(make())
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._running[key]
        return mine.result()
