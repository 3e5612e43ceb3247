"""Times of tasks that take turns, so that whatever else the machine does falls on all of them."""

import statistics
import time
from collections.abc import Callable
from typing import Final

ROUNDS: Final = 15


def medians(*tasks: Callable[[], object]) -> list[float]:
    """Seconds that each task takes: medians over rounds in which they take turns."""
    times: list[list[float]] = [[] for _ in tasks]
    for task in tasks:
        task()
    for _ in range(ROUNDS):
        for task, taken in zip(tasks, times, strict=True):
            start = time.perf_counter()
            task()
            taken.append(time.perf_counter() - start)
    return [statistics.median(taken) for taken in times]
