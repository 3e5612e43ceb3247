"""The network: sockets below urllib3 that reach WSGI apps of simulated processes, and lose, delay and repeat.

The real http.client, urllib3 and requests run on them. A request is answered by a thread of its own in the server's
process, so that it goes on when the client dies or stops waiting. Each answer ends its connection.
"""

import errno
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack, contextmanager, nullcontext
from random import Random
from typing import Any, Final
from unittest.mock import patch

import apprise.apprise
import requests.sessions
import urllib3._collections
import urllib3.connectionpool
import urllib3.util.connection

from tests.simulation.events import Fault
from tests.simulation.scheduler import Process, Scheduler, current
from tests.simulation.sockets import Connection, Socket, environ_of, first_line, may_be_repeated

LATENCY_S: Final = (0.000_2, 0.002)  # of each way
LOST_REQUEST: Final = "lost request"  # it never arrives
LOST_ANSWER: Final = "lost answer"  # the server works for nothing
LATE_REQUEST: Final = "late request"
LATE_ANSWER: Final = "late answer"
REPEATED_REQUEST: Final = "repeated request"  # a proxy sends it again after some seconds, if it may
RESET_BEFORE_ANSWER: Final = "reset before the answer"
RESET_IN_ANSWER: Final = "reset in the answer"
CUT_ANSWER: Final = "cut answer"  # fewer bytes than it promises, then its end
REFUSED: Final = "refused connection"  # all of them for some seconds
NETWORK_FAULTS: Final = (
    *(LOST_REQUEST, LOST_ANSWER, LATE_REQUEST, LATE_ANSWER, REPEATED_REQUEST),
    *(RESET_BEFORE_ANSWER, RESET_IN_ANSWER, CUT_ANSWER, REFUSED),
)

_WITHOUT_BODY: Final = ("204", "304")
Note = Callable[[str, str, float], None]


class Network:
    """Connects processes with hosts. `note` is called with kind, host and seconds of each fault that takes effect."""

    def __init__(self, scheduler: Scheduler, chance: Random, note: Note = lambda *_: None) -> None:
        self.scheduler = scheduler
        self.chance = chance
        self._note = note
        self._listeners: dict[str, Listener] = {}
        self._armed: list[Fault] = []
        self._refused_until: dict[str, tuple[float, float]] = {}  # from when, until when
        self._sent = 0

    def serve(self, host: str, app: Any, process: Process) -> "Listener":
        """Have a process answer the requests to a host, until it dies or closes the listener."""
        listener = Listener(self, host, app, process)
        self._listeners[host] = listener
        process.at_death.append(listener.die)
        return listener

    def listener(self, host: str) -> "Listener | None":
        """Return what serves a host, or served it last; None if nothing ever did."""
        return self._listeners.get(host)

    def arm(self, fault: Fault) -> None:
        """Have a fault hit the next request to its target, a host, that no other fault hits."""
        assert fault.kind in NETWORK_FAULTS, fault.kind
        if fault.kind == REFUSED:
            self._refused_until[fault.target] = (fault.seconds, self.scheduler.now + fault.seconds)
        else:
            self._armed.append(fault)

    def disarm(self) -> None:
        """Forget the faults that have hit nothing: from now on everything arrives."""
        self._armed.clear()
        self._refused_until.clear()

    def latency(self) -> float:
        """Return how many seconds something takes to arrive."""
        return self.chance.uniform(*LATENCY_S)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Give simulated threads this network; others get what they always get."""
        connect, executor = urllib3.util.connection.create_connection, apprise.apprise.get_shared_executor

        def create_connection(address: tuple[str, int], timeout: Any = None, *args: Any, **named: Any) -> Any:
            if current() is None:
                return connect(address, timeout, *args, **named)
            return self._connect(address[0], timeout)

        with ExitStack() as patches:
            for module, name, value in (
                (urllib3.util.connection, "create_connection", create_connection),
                (requests.sessions, "get_environ_proxies", lambda *_, **__: {}),  # it reads the whole environment
                (requests.sessions, "get_netrc_auth", lambda *_, **__: None),
                (urllib3.connectionpool.ConnectionPool, "QueueCls", _Pool),
                (urllib3._collections, "RLock", lambda: threading.RLock()),  # it holds on to the one of its import
                (apprise.apprise, "get_shared_executor", lambda: executor() if current() is None else _Threads()),
                (apprise.apprise, "_abandoned_futures_lock", nullcontext()),  # one thread at a time has the token
            ):
                patches.enter_context(patch.object(module, name, value))
            yield

    def _connect(self, host: str, timeout: Any) -> Socket:
        """Return a socket.

        Raises:
            ConnectionRefusedError: nothing listens there.
        """
        self.scheduler.step(f"connects to {host}", self.latency())
        listener = self._listeners.get(host)
        if listener is None or not listener.is_open:
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))
        seconds, until = self._refused_until.get(host, (0.0, 0.0))
        if self.scheduler.now < until:
            self._note(REFUSED, host, seconds)
            raise ConnectionRefusedError(errno.ECONNREFUSED, os.strerror(errno.ECONNREFUSED))

        def send(connection: Connection, request: bytes) -> None:
            self._send(listener, connection, request)

        return Socket(self.scheduler, send, timeout if isinstance(timeout, int | float) else None)

    def _send(self, listener: "Listener", connection: Connection, request: bytes) -> None:
        """Have a whole request arrive at its server, unless a fault hits it."""
        self.scheduler.step(f"sends {first_line(request)} to {listener.host}")
        if not listener.is_alive:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        fitting = (armed for armed in self._armed if armed.target == listener.host)
        fault = next((armed for armed in fitting if armed.kind != REPEATED_REQUEST or may_be_repeated(request)), None)
        kind, seconds = "", 0.0
        if fault is not None:
            self._armed.remove(fault)
            kind, seconds = fault.kind, fault.seconds
            self._note(kind, listener.host, seconds)
        if kind == LOST_REQUEST:
            return
        self._sent += 1
        listener.answer(connection, request, self._sent, kind, seconds)
        if kind == REPEATED_REQUEST:
            self._sent += 1
            listener.answer(Connection(), request, self._sent, LATE_REQUEST, seconds)


class Listener:
    """What a process serves at a host."""

    def __init__(self, network: Network, host: str, app: Any, process: Process) -> None:
        self.host = host
        self._network = network
        self._app = app
        self._process = process
        self._is_closed = False
        self._connections: dict[Connection, None] = {}  # under way

    @property
    def is_alive(self) -> bool:
        """Whether its process is."""
        return not self._process.is_dead

    @property
    def is_open(self) -> bool:
        """Whether it takes new connections."""
        return self.is_alive and not self._is_closed

    @property
    def is_busy(self) -> bool:
        """Whether requests are under way."""
        return bool(self._connections)

    def close(self) -> None:
        """Take no more connections; those that there are go on."""
        self._is_closed = True

    def die(self) -> None:
        """End all connections, as the kernel does for a process that has died."""
        for connection in self._connections:
            connection.end(is_reset=self._network.chance.random() < 0.5)
        self._connections.clear()

    def answer(self, connection: Connection, request: bytes, number: int, kind: str, seconds: float) -> None:
        """Start a thread of the process that answers a request, with a fault of this kind."""
        self._connections[connection] = None

        def run() -> None:
            late = seconds if kind == LATE_REQUEST else 0.0
            self._network.scheduler.step("", self._network.latency() + late)
            self._send(connection, self._answer(request, number), kind, seconds)
            del self._connections[connection]

        self._network.scheduler.spawn(self._process, run, f"request {number}")

    def _answer(self, request: bytes, number: int) -> bytes:
        """Return the app's answer as it is sent."""
        environ = environ_of(request, self.host, number)
        self._network.scheduler.step(f"receives {first_line(request)}, request {number}")
        started: list[tuple[str, list[tuple[str, str]]]] = []
        written: list[bytes] = []

        def start_response(status: str, headers: list[tuple[str, str]], _exc_info: Any = None) -> Any:
            started.append((status, headers))
            return written.append

        body = self._app(environ, start_response)
        content = b"".join([*written, *body])
        if hasattr(body, "close"):
            body.close()
        status, headers = started[-1]
        names = {name.lower() for name, _ in headers}
        has_length = "content-length" in names or status.startswith(_WITHOUT_BODY)
        length = [] if has_length else [("Content-Length", str(len(content)))]
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in [*headers, *length])]
        head = "\r\n".join([*lines, "Connection: close", "", ""]).encode("latin-1")
        self._network.scheduler.step(f"answers request {number} with {status[:3]}, {len(content)} bytes")
        return head if environ["REQUEST_METHOD"] == "HEAD" or status.startswith(_WITHOUT_BODY) else head + content

    def _send(self, connection: Connection, answer: bytes, kind: str, seconds: float) -> None:
        scheduler, chance = self._network.scheduler, self._network.chance
        if kind == LOST_ANSWER:
            return
        scheduler.step("", self._network.latency() + (seconds if kind == LATE_ANSWER else 0.0))
        if kind == RESET_BEFORE_ANSWER:
            connection.end(is_reset=True)
            return
        middle = chance.randrange(1, len(answer))
        connection.deliver(answer[:middle])
        scheduler.step("")
        if kind in (RESET_IN_ANSWER, CUT_ANSWER):
            connection.end(is_reset=kind == RESET_IN_ANSWER)
            return
        connection.deliver(answer[middle:])
        connection.end(is_reset=False)


class _Pool:
    """A pool of connections without locks: it is emptied when Python finds that nothing needs it, in any thread."""

    def __init__(self, maxsize: int) -> None:
        self._maxsize = maxsize
        self._items: list[Any] = []

    def get(self, block: bool = False, timeout: float | None = None) -> Any:
        assert not block, timeout
        if not self._items:
            raise queue.Empty
        return self._items.pop()

    def put(self, item: Any, block: bool = False) -> None:
        assert not block
        if len(self._items) >= self._maxsize:
            raise queue.Full
        self._items.append(item)


class _Threads(Executor):
    """Apprise's executor is one for all simulated processes, and its threads would outlive them."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **named: Any) -> "Future[Any]":
        future: Future[Any] = Future()

        def run() -> None:
            if not future.set_running_or_notify_cancel():  # nobody waits for it any more
                return
            try:
                future.set_result(call(*args, **named))
            except Exception as error:  # noqa: BLE001 - raised in the thread that waits
                future.set_exception(error)

        threading.Thread(target=run, name="sends", daemon=True).start()
        return future
