"""Splits work by game over all cores of this machine or a Dask cluster."""

import gc
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import BrokenExecutor, CancelledError, Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from typing import Final, TypeVar

from livegame.errors import WorkersUnavailable
from livegame.features.fingerprint import code_fingerprint

CONNECT_TIMEOUT_S: Final = 10
_AHEAD: Final = 2  # items per worker, in progress or waiting, so that none is idle while results are taken

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Workers:
    """An `Executor`, and how many items it works on at a time."""

    executor: Executor
    count: int

    def map(self, function: Callable[[Item], Result], items: Iterable[Item]) -> Generator[Result, None, None]:
        """Yield `function` of each item, in order; items are consumed only as fast as results.

        A single item is not worth a process and is computed here.
        """
        iterator = iter(items)
        first = list(islice(iterator, 2))
        if len(first) < 2:
            yield from map(function, first)
            return
        waiting: deque[Future[Result]] = deque()
        try:
            for item in chain(first, iterator):
                with _sigint_blocked():
                    waiting.append(self.executor.submit(function, item))
                if len(waiting) > _AHEAD * self.count:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def open_workers(cluster: str | None = None) -> Iterator[Workers]:
    """Open processes on all cores of this machine, or the workers of a Dask cluster, say at tcp://host:8786.

    Raises:
        WorkersUnavailable: the cluster cannot be reached, or its workers run different code.
    """
    if cluster is not None:
        with _dask(cluster) as workers:
            yield workers
        return
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")  # a fork would copy the threads' locks, held or not
    try:
        with ProcessPoolExecutor(count, mp_context=context, initializer=_begin_worker) as executor:
            yield Workers(executor, count)
    except BrokenExecutor as error:
        raise WorkersUnavailable("a worker process was ended from outside; is there enough memory?") from error


def collect_rarely() -> None:
    """Run the garbage collector less often: games are many objects without reference cycles."""
    gc.set_threshold(100_000)


@contextmanager
def _sigint_blocked() -> Iterator[None]:
    """Block SIGINT while processes start, so that only the parent handles Ctrl-C."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin_worker() -> None:
    collect_rarely()
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # the parent was killed: nothing else would end this process


@contextmanager
def _dask(address: str) -> Iterator[Workers]:
    try:
        from distributed import Client, KilledWorker
    except ImportError as error:
        raise WorkersUnavailable("a cluster needs Dask: pip install -e '.[dask]'") from error
    try:
        client = Client(address, timeout=CONNECT_TIMEOUT_S)
    except (OSError, ValueError) as error:
        raise WorkersUnavailable(f"no Dask cluster at {address}: {error}") from error
    with client:
        _check_code(client.run(code_fingerprint, on_error="return"), address)
        try:
            # not pure: otherwise Dask would hash every recording
            yield Workers(client.get_executor(pure=False), sum(client.nthreads().values()))
        except (KilledWorker, CancelledError) as error:
            raise WorkersUnavailable(f"the Dask cluster at {address} lost the work it was given: {error}") from error


def _check_code(answers: dict[str, object], address: str) -> None:
    if not answers:
        raise WorkersUnavailable(
            f"the Dask cluster at {address} has no workers; start some with: dask worker {address}"
        )
    for worker, answer in answers.items():
        if answer != code_fingerprint():
            reason = answer if isinstance(answer, Exception) else "it runs another version"
            raise WorkersUnavailable(
                f"the worker {worker} cannot run this code ({reason}); install the same code there"
            )
