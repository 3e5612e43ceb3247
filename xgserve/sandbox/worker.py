"""A worker: a process of its own that scores with one model that could not be compiled, and its service side.

The artifact is opened there and never here. The service survives whatever the worker sends, or does not send: a chunk
of rows that gets no answer in time costs the worker its life, and the caller an error that says so.
"""

import logging
import math
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from typing import Any, Final

import numpy as np

from xgserve.errors import InvalidFrame, ModelError, WorkerBusy, WorkerFailed
from xgserve.model.model import Probabilities, Values
from xgserve.model.validation import FrameReader
from xgserve.places import place
from xgserve.sandbox.process import Died, Late, WorkerProcess, WorkerTask
from xgserve.sandbox.wire import MAX_OTHER_BYTES, Array, Failed, Ready, Scores, Unreadable, pack_columns
from xgserve.text import clipped

logger = logging.getLogger("xgserve.sandbox")

# A long batch is sent in chunks, so that others get their turn in between. Calling a model costs some time whatever the
# number of rows, so chunks grow as long as they are quick.
CHUNK_ROWS: Final = 500
QUICK_S: Final = 0.05

# A worker that dies younger than this counts as dying at once.
YOUNG_S: Final = 60.0
# So many deaths in a row cost no pause; then it is 2 s, and twice as long each time, up to the longest.
FREE_DEATHS: Final = 2
LONGEST_PAUSE_S: Final = 60.0


class WorkerScorer:
    """Scores with a worker; see `Scorer`. Any number of threads may use it, as many at a time as `places` lets in.

    The worker ends with this object.
    """

    def __init__(self, reader: FrameReader, task: WorkerTask, places: threading.Semaphore) -> None:
        """Start the worker, and wait until it has opened the artifact.

        Raises:
            ModelError: it could not.
        """
        self._reader = reader
        self._places = places
        self._is_in_use = False
        self._worker = _Worker(task)
        self.close = weakref.finalize(self, self._worker.close)
        try:
            self._worker.open()
        except ModelError:
            self.close()
            raise

    def read(self, values: Values, index: Sequence[Any]) -> list[Array]:
        """Return the columns as arrays, checked; see `Scorer`."""
        return self._reader.arrays(values, index)

    def score(self, rows: Sequence[Array]) -> Probabilities:
        """Return P(goal) of each row of the columns.

        Raises:
            InvalidFrame: the model refuses these rows.
            ModelError: the model's answer has another shape.
            WorkerBusy: as many requests as may are waiting for workers.
            WorkerFailed: the worker died or did not answer in time; it is started again.
        """
        with place(self._places, _busy) if self._is_in_use else nullcontext():
            self._is_in_use = True  # the first rows, which check it before its model is used, need no place
            return np.concatenate(list(self._chunks(rows)))

    def _chunks(self, rows: Sequence[Array]) -> Iterator[Probabilities]:
        start, size = 0, CHUNK_ROWS
        while start < len(rows[0]):
            began = time.monotonic()
            yield self._worker.score([column[start : start + size] for column in rows])
            start += size
            if time.monotonic() - began < QUICK_S:
                size *= 2


def _busy() -> WorkerBusy:
    return WorkerBusy(
        "other requests are waiting for the process that scores with this model; try again in a second",
        headers={"Retry-After": "1"},
    )


class _Worker:
    """The process of one model, started again when it dies. One thread at a time has its turn."""

    def __init__(self, task: WorkerTask) -> None:
        self._task = task
        self._turns = _Turns()
        self._process: WorkerProcess | None = None
        self._is_closed = False
        self._deaths = 0  # in a row
        self._not_before = 0.0

    def open(self) -> None:
        """Start the process and wait until it is ready.

        Raises:
            WorkerFailed: it did not get ready.
        """
        with self._turns:
            self._ready_process()

    def score(self, columns: Sequence[Array]) -> Probabilities:
        """Return P(goal) of each row of a chunk; see `WorkerScorer.score`.

        If the process dies, another one gets the chunk once: the kernel may have killed it for its memory.
        """
        message, rows = pack_columns(columns), len(columns[0])
        with self._turns:
            try:
                answer = self._ask(message, rows)
            except Died as first:
                how = str(first)  # not the exception, which holds its frames, and they this worker
                logger.warning("the process that scores with %s %s; it is started again", self._task.model, how)
                try:
                    answer = self._ask(message, rows)
                except Died as second:
                    raise self._failed(f"{first}, and the one started in its place {second}") from second
        if isinstance(answer, Failed):
            raise (InvalidFrame if answer.why == "rows" else ModelError)(clipped(answer.message, 1_000))
        return np.frombuffer(answer.probabilities, dtype=np.float64)

    def close(self) -> None:
        """End the process for good."""
        self._is_closed = True
        if (process := self._process) is not None:
            process.kill()  # whoever waits for it stops waiting
        with self._turns:
            self._drop()

    def _ask(self, message: bytes, rows: int) -> Scores | Failed:
        """Return the process's answer about a chunk.

        Raises:
            Died: it died, or its memory did not suffice; another one is started.
            WorkerFailed: it did not answer in time, or gave an answer that cannot be one; another one is started.
        """
        process = self._ready_process()
        try:
            answer = process.ask(message, 8 * rows + MAX_OTHER_BYTES, time.monotonic() + self._task.timeout_s)
        except (Died, Late, Unreadable) as error:
            self._replace()
            if isinstance(error, Died):
                raise
            raise self._failed(str(error)) from error
        match answer:
            case Failed(why="memory"):
                self._replace()
                raise Died(f"ran out of memory ({clipped(answer.message, 300)})")
            case Scores() if len(answer.probabilities) == 8 * rows:
                return answer
            case Failed():
                return answer
        self._replace()
        raise self._failed(f"gave an answer that is not one probability for each of {rows} rows")

    def _ready_process(self) -> WorkerProcess:
        """Return the process, with its artifact open; start it if it is missing.

        Raises:
            WorkerFailed: it may not be started yet, or did not open the artifact.
        """
        if self._is_closed:
            raise self._failed("was ended, because its model is not used any more")
        if self._process is None and self._pause > 0:
            raise self._failed(f"died {self._deaths} times in a row")
        process = self._process or self._start()
        if process.is_ready:
            return process
        try:
            answer = process.wait_until_ready()
            if isinstance(answer, Ready):
                return process
            problem = clipped(answer.message, 1_000) if isinstance(answer, Failed) else "it gave no reason"
        except (Died, Late, Unreadable) as error:
            problem = f"it {error}"
        self._replace()
        raise self._failed(f"did not open it: {problem}")

    def _start(self) -> WorkerProcess:
        try:
            process = self._process = WorkerProcess(self._task)
        except OSError as error:
            raise self._failed(f"could not be started ({error.strerror})") from error
        if self._is_closed:
            process.kill()
        return process

    def _drop(self) -> None:
        if (process := self._process) is not None:
            self._process = None
            process.end()

    def _replace(self) -> None:
        """End the process. If it was in use, start the next one now, unless too many died in a row."""
        process = self._process
        self._drop()
        if process is None or self._is_closed:
            return
        self._deaths = 1 + (self._deaths if process.age_s < YOUNG_S else 0)
        pause = min(2.0 ** (self._deaths - FREE_DEATHS), LONGEST_PAUSE_S) if self._deaths > FREE_DEATHS else 0.0
        self._not_before = time.monotonic() + pause
        if process.is_ready and not pause:
            self._start()

    @property
    def _pause(self) -> float:
        """The seconds until the next start."""
        return self._not_before - time.monotonic()

    def _failed(self, what: str) -> WorkerFailed:
        words = f"the process that scores with {self._task.model} {what}"
        if self._is_closed:
            return WorkerFailed(words)
        pause = max(1, math.ceil(self._pause))
        when = f"in {pause} s" if self._process is None and pause > 1 else "now"
        return WorkerFailed(f"{words}; it is started again {when}, so try again", headers={"Retry-After": str(pause)})


class _Turns:
    """A lock that threads get in the order in which they ask: a long batch lets others in between its chunks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._is_taken = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._is_taken:
                self._is_taken = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._waiting.append(gate)
        gate.acquire()

    def __exit__(self, *_exception: object) -> None:
        with self._lock:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._is_taken = False
