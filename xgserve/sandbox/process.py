"""One worker process, and the pipes to it. Nothing it sends, or does not send, can harm or hold up the service."""

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any, cast

from xgserve.sandbox.child import bounds_of, command, environment_of, first_message, how_it_ended
from xgserve.sandbox.wire import LENGTH, MAX_OTHER_BYTES, Answer, Ready, Unreadable, read_answer


@dataclass(frozen=True, kw_only=True)
class WorkerTask:
    """What a worker opens, and within which bounds; `module` has the `serve` that runs in it.

    `start_timeout_s` bounds the time until the artifact is open, `timeout_s` the time for each chunk of rows.
    """

    model: str
    artifact: Path
    request: Mapping[str, Any]
    start_timeout_s: float
    timeout_s: float
    module: str = "xgserve.compiler.worker"
    readable: tuple[Path, ...] = ()


class Died(Exception):
    """The worker is gone; the message says how."""


class Late(Exception):
    """The worker did not answer in time."""


class WorkerProcess:
    """One worker process and the pipes to it."""

    def __init__(self, task: WorkerTask) -> None:
        """Start it, and have it open the artifact.

        Raises:
            OSError: it cannot be started.
        """
        self._task = task
        self._started = time.monotonic()
        self.is_ready = False
        bounds = bounds_of(seconds=None, file_bytes=0, readable=[task.artifact.parent, *task.readable])
        # a child is killed at the end of the thread that started it, so that is not the thread of a request
        self._popen = _starter(os.getpid()).submit(_spawn, task.module).result()
        self._pipes = cast("IO[bytes]", self._popen.stdin), cast("IO[bytes]", self._popen.stdout)
        self._to, self._from = (pipe.fileno() for pipe in self._pipes)
        os.set_blocking(self._to, False)
        os.set_blocking(self._from, False)
        with suppress(Died):  # `wait_until_ready` will say so
            self._send(first_message(bounds, task.request), self._started + task.start_timeout_s)

    @property
    def age_s(self) -> float:
        """The seconds since its start."""
        return time.monotonic() - self._started

    def wait_until_ready(self) -> Answer:
        """Return its answer about the artifact.

        Raises:
            Died, Late, Unreadable: it gives none.
        """
        limit = self._task.start_timeout_s
        try:
            answer = self._receive(MAX_OTHER_BYTES, self._started + limit)
        except Late as error:
            raise Late(f"was not ready within {limit:g} s") from error
        self.is_ready = isinstance(answer, Ready)
        return answer

    def ask(self, message: bytes, max_bytes: int, deadline: float) -> Answer:
        """Return its answer to a message.

        Raises:
            Died, Late, Unreadable: it gives none.
        """
        try:
            self._send(message, deadline)
            return self._receive(max_bytes, deadline)
        except Late as error:
            raise Late(f"did not answer within {self._task.timeout_s:g} s (XG_WORKER_TIMEOUT_S)") from error

    def kill(self) -> None:
        """Kill it, and what it may have started where it is not confined."""
        if self._popen.poll() is None:
            os.killpg(self._popen.pid, signal.SIGKILL)

    def end(self) -> None:
        """Kill it and leave nothing of it behind."""
        self.kill()
        self._popen.wait()
        for pipe in self._pipes:
            pipe.close()

    def _send(self, message: bytes, deadline: float) -> None:
        view = memoryview(message)
        while view:
            _wait_for(self._to, select.POLLOUT, deadline)
            try:
                view = view[os.write(self._to, view) :]
            except BlockingIOError:
                continue
            except BrokenPipeError as error:
                raise self._died() from error

    def _receive(self, max_bytes: int, deadline: float) -> Answer:
        (length,) = LENGTH.unpack(self._read(LENGTH.size, deadline))
        if length > max_bytes:
            raise Unreadable(f"gave an answer of {length:,} bytes, which cannot be right")
        return read_answer(self._read(length, deadline))

    def _read(self, length: int, deadline: float) -> bytes:
        received = bytearray()
        while len(received) < length:
            _wait_for(self._from, select.POLLIN, deadline)
            try:
                part = os.read(self._from, length - len(received))
            except BlockingIOError:
                continue
            if not part:
                raise self._died()
            received += part
        return bytes(received)

    def _died(self) -> Died:
        try:
            return Died(how_it_ended(self._popen.wait(1)))
        except subprocess.TimeoutExpired:
            return Died("closed its output")


@cache
def _starter(_process: int) -> ThreadPoolExecutor:
    """Return the one thread of this process that starts workers, and lives as long as the process."""
    return ThreadPoolExecutor(1, thread_name_prefix="worker-starter")


def _spawn(module: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(  # noqa: S603 - our own module
        command(module, "serve"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        bufsize=0,
        cwd="/",
        env=environment_of(Path("/")),
        start_new_session=True,
    )


def _wait_for(pipe: int, event: int, deadline: float) -> None:
    """Wait until something can be read from a pipe, or written to it.

    Raises:
        Late: nothing can at the deadline.
    """
    poll = select.poll()
    poll.register(pipe, event)
    if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        raise Late
