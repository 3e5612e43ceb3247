"""Which thread answers a request: one for all while requests are short, more as soon as one takes long.

Python runs one thread at a time, and passing that right around between busy threads takes longer than a prediction. So
another thread is woken only when all that work have been at their requests for a while, and always the one that worked
last, whose data is still near the processor.
"""

import logging
import threading
import time
from collections import deque
from typing import Any

logger = logging.getLogger("xgserve.server")

PATIENCE_S = 0.005  # ten short requests fit into this; nobody notices it beside a long one


class Dispatcher:
    """Hands out requests in place of waitress's own dispatcher; call `relieve` whenever `late_in_s` is over."""

    def __init__(self, threads: int) -> None:
        self._lock = threading.Lock()
        self._tasks: deque[Any] = deque()
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
        with self._lock:
            self._tasks.append(task)
            if not self._busy_since:
                self._wake()

    @property
    def late_in_s(self) -> float | None:
        """In how many seconds another thread is needed, if none gets done by then; None if no request waits for one."""
        with self._lock:
            if not self._tasks or not self._idle:
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
            tasks = list(self._tasks) if cancel_pending else []
            self._tasks.clear()
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
            # nobody looks after a task for which no thread was idle, so this one must not be the first to become so
            others_can_do_it = bool(self._idle) and any(now - since < PATIENCE_S for since in self._busy_since.values())
            if self._stopping or not self._tasks or others_can_do_it:
                self._idle.append(gate)
                return None
            self._busy_since[gate] = now
            return self._tasks.popleft()
