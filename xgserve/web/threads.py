"""Runs requests on one thread while they are short, adds threads when one is slow, and keeps one for the quick.

Python runs one thread at a time, and passing that right around between busy threads takes longer than a prediction. So
another thread is woken only when all that work have been at their requests for a while, and always the one that worked
last, whose data is still near the processor.

A request that may wait for a lock, a disk or the registry (`Lane.SLOW`), or has much to read (`Lane.LARGE`), never gets
the last thread, and large ones take few threads at a time: quick requests pass them.
"""

import logging
import threading
import time
from collections import deque
from enum import Enum
from typing import Any

logger = logging.getLogger("xgserve.server")

PATIENCE_S = 0.005  # ten short requests fit into this; nobody notices it beside a long one


class Lane(Enum):
    """What kind of request a task is; each lane is first come, first served."""

    QUICK = "quick"
    SLOW = "slow"
    LARGE = "large"


class Dispatcher:
    """Hands out requests in place of waitress's own dispatcher; call `relieve` whenever `late_in_s` is over.

    A task may have a `lane`; without one it is quick.
    """

    def __init__(self, threads: int) -> None:
        self._lock = threading.Lock()
        self._tasks: dict[Lane, deque[tuple[int, Any]]] = {lane: deque() for lane in Lane}
        self._added = 0
        self._places = {Lane.SLOW: max(1, threads - 1), Lane.LARGE: max(1, threads // 4)}
        self._lane_of: dict[threading.Lock, Lane] = {}  # of the threads that are at a slow or large task
        # a thread is known by the lock that it waits for; the one that worked last is at the end
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
            if not self._busy_since:
                self._wake()

    @property
    def late_in_s(self) -> float | None:
        """In how many seconds another thread is needed, if none gets done by then; None if no request waits for one."""
        with self._lock:
            if not self._idle or self._next_lane() is None:
                return None
            last_began = max(self._busy_since.values(), default=0.0)
            return max(0.0, last_began + PATIENCE_S - time.monotonic())

    def relieve(self) -> None:
        """Wake another thread if one is needed."""
        if self.late_in_s == 0.0:
            with self._lock:
                self._wake()

    def shutdown(self, cancel_pending: bool = True, timeout: float = 5) -> bool:
        """Stop the threads, as soon as they have done what they are at; return whether requests were cancelled."""
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
            except BaseException:  # the thread must live on
                logger.exception("the server failed on a request")

    def _next_task(self, gate: threading.Lock) -> Any | None:
        """Return the task that the thread of this gate is to do now; None if it is idle from now on."""
        with self._lock:
            now = time.monotonic()
            self._busy_since.pop(gate, None)
            made_room = self._lane_of.pop(gate, None) is not None
            lane = self._next_lane()
            # nobody looks after a task for which no thread was idle, or no room in its lane, so this one must not be
            # the first to become so
            others_can_do_it = (
                bool(self._idle)
                and not made_room
                and any(now - since < PATIENCE_S for since in self._busy_since.values())
            )
            if self._stopping or lane is None or others_can_do_it:
                self._idle.append(gate)
                return None
            self._busy_since[gate] = now
            if lane is not Lane.QUICK:
                self._lane_of[gate] = lane
            task = self._tasks[lane].popleft()[1]
            if made_room and self._next_lane() is not None:
                self._wake()
            return task

    def _next_lane(self) -> Lane | None:
        """Return the lane of the oldest task for which there is room; None if there is none."""
        taken = list(self._lane_of.values())
        waiting = [
            (queue[0][0], lane)
            for lane, queue in self._tasks.items()
            if queue
            and (
                lane is Lane.QUICK or (taken.count(lane) < self._places[lane] and len(taken) < self._places[Lane.SLOW])
            )
        ]
        return min(waiting)[1] if waiting else None
