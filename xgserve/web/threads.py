"""The threads that answer requests: one while requests are short, more when one is slow, one kept for the quick ones.

They replace waitress's own dispatcher, for two reasons:

- waitress wakes any idle thread for a request. Python runs one thread at a time, and passing that right around between
  busy threads takes longer than a prediction. Here another thread is woken only after all busy ones have been running
  for `RUNNING_LONG_S`, or work on what is slow anyway, and always the thread that worked last, whose data is still in
  the processor's cache. Measured with wrk on two cores, seven alternating rounds, requests per second of the median
  round compared with waitress's own dispatcher: 8 clients with 100 rows 1.22 times as many (the ranges do not overlap),
  with 1 row 1.07, 1 client 1.03.
- waitress has one queue. Here a request that may wait for a lock, a disk or the registry (`Lane.SLOW`), or has much to
  read (`Lane.LARGE`), never gets the last thread, and large ones get few threads at a time: quick requests overtake
  them.
"""

import logging
import threading
import time
from collections import deque
from enum import Enum
from typing import Any

logger = logging.getLogger("xgserve.server")

RUNNING_LONG_S = 0.005  # long enough for ten short requests, too short to be noticed


class Lane(Enum):
    """The kind of a task's request; each lane is first come, first served."""

    QUICK = "quick"
    SLOW = "slow"
    LARGE = "large"


class Dispatcher:
    """Replaces waitress's dispatcher. Call `relieve` after `late_in_s` seconds.

    A task may have a `lane`; without one it is quick.
    """

    def __init__(self, threads: int) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[Lane, deque[tuple[int, Any]]] = {lane: deque() for lane in Lane}
        self._added = 0
        self._room = {Lane.SLOW: max(1, threads - 1), Lane.LARGE: max(1, threads // 4)}
        self._lane_of: dict[threading.Lock, Lane] = {}  # of the threads that run a slow or large task
        # a thread is known by the lock that it waits on; the one that worked last is at the end
        self._idle: list[threading.Lock] = []
        self._busy_since: dict[threading.Lock, float] = {}
        self._stopping = False
        self._threads = [
            threading.Thread(target=self._work, name=f"waitress-{number}", daemon=True) for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    def add_task(self, task: Any) -> None:
        """Have a thread call `task.service()`."""
        lane = getattr(task, "lane", Lane.QUICK)
        with self._lock:
            self._added += 1
            self._tasks[lane].append((self._added, task))
            if len(self._busy_since) == len(self._lane_of):  # no thread is busy, or with slow and large tasks alone
                self._wake()

    @property
    def late_in_s(self) -> float | None:
        """The seconds until another thread is needed, unless one gets free; None if no request is waiting."""
        with self._lock:
            if not self._idle or self._next_lane() is None:
                return None
            last_began = max(self._busy_since.values(), default=0.0)
            return max(0.0, last_began + RUNNING_LONG_S - time.monotonic())

    def relieve(self) -> None:
        """Wake another thread if one is needed."""
        if self.late_in_s == 0.0:
            with self._lock:
                self._wake()

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """Stop each thread after its current task; return whether waiting tasks were cancelled."""
        with self._lock:
            self._stopping = True
            tasks = [task for queue in self._tasks.values() for _, task in queue] if cancel_pending else []
            for queue in self._tasks.values():
                queue.clear()
            for gate in self._idle:
                gate.release()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        for task in tasks:
            task.cancel()
        return bool(tasks)

    def _wake(self) -> None:
        if self._idle:
            gate = self._idle.pop()
            self._busy_since[gate] = time.monotonic()
            gate.release()

    def _work(self) -> None:
        gate = threading.Lock()
        gate.acquire()
        while not self._stopping:
            task = self._next_task(gate)
            if task is None:
                gate.acquire()
                continue
            try:
                task.service()
            except BaseException:  # the thread goes on with the next task
                logger.exception("the server failed on a request")

    def _next_task(self, gate: threading.Lock) -> Any | None:
        """Return the next task for the thread of this gate; None if the thread is idle from now on."""
        with self._lock:
            now = time.monotonic()
            self._busy_since.pop(gate, None)
            left_lane = self._lane_of.pop(gate, None) is not None
            lane = self._next_lane()
            # a task that came when no thread was idle, or its lane was full, is not watched by `late_in_s`: the first
            # thread to get free must take it
            another_will_take_it = (
                bool(self._idle)
                and not left_lane
                and any(now - since < RUNNING_LONG_S for since in self._busy_since.values())
            )
            if self._stopping or lane is None or another_will_take_it:
                self._idle.append(gate)
                return None
            self._busy_since[gate] = now
            if lane is not Lane.QUICK:
                self._lane_of[gate] = lane
            task = self._tasks[lane].popleft()[1]
            if left_lane and self._next_lane() is not None:
                self._wake()
            return task

    def _next_lane(self) -> Lane | None:
        """Return the lane of the oldest task that may run now; None if no task may."""
        taken = list(self._lane_of.values())
        waiting = [
            (queue[0][0], lane)
            for lane, queue in self._tasks.items()
            if queue
            and (lane is Lane.QUICK or (taken.count(lane) < self._room[lane] and len(taken) < self._room[Lane.SLOW]))
        ]
        return min(waiting)[1] if waiting else None
