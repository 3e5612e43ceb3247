"""A bounded number of places: the caller that finds none is refused."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Semaphore


@contextmanager
def place(places: Semaphore, refusal: Callable[[], Exception], wait_s: float = 0.0) -> Iterator[None]:
    """Hold one of the places, for which the caller waits `wait_s` seconds at most.

    Raises:
        Exception: what `refusal` returns, if none gets free.
    """
    if not places.acquire(timeout=wait_s):
        raise refusal()  # made here: held by a variable, it would keep its callers' frames, and their model, alive
    try:
        yield
    finally:
        places.release()
