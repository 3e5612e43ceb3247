"""Work that several threads ask for at the same time, done once."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Flights(Generic[Result]):
    """Lets all who ask for the same thing share one answer. Nothing is remembered once it is given."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[Result]] = {}

    def share(self, asked: Hashable, answer: Callable[[], Result]) -> Result:
        """Return what `answer` returns, or wait for another thread that is at it; both raise what it raises."""
        mine: Future[Result] = Future()
        with self._lock:
            flight = self._under_way.setdefault(asked, mine)
        if flight is not mine:
            return flight.result()
        try:
            mine.set_result(answer())
        except BaseException as error:
            mine.set_exception(error)
            raise
        finally:
            with self._lock:
                del self._under_way[asked]
        return mine.result()
