"""A bounded number of places: the caller that finds none is refused."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Semaphore


@contextmanager
def place(places: Semaphore, refusal: Exception, wait_s: float = 0.0) -> Iterator[None]:
    """Hold one of the places, for which the caller waits `wait_s` seconds at most.

    Raises:
        Exception: `refusal`, if none gets free.
    """
    if not places.acquire(timeout=wait_s):
        raise refusal
    try:
        yield
    finally:
        places.release()
