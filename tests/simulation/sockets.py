"""What a client and a server have of a connection: bytes, and their end.

A socket has as much of a socket as http.client and urllib3 use.
"""

import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import unquote_to_bytes

from tests.simulation.scheduler import Scheduler, Thread, current

Send = Callable[["Connection", bytes], None]


class Connection:
    """What a client gets of an answer."""

    def __init__(self) -> None:
        self.unread = bytearray()
        self.is_ended = self.is_reset = False
        self.reader: Thread | None = None

    def deliver(self, more: bytes) -> None:
        """Add bytes, unless the connection has ended."""
        if not self.is_ended:
            self.unread += more
            self._wake()

    def end(self, *, is_reset: bool) -> None:
        """End it; after a reset, what was not read is lost."""
        if not self.is_ended:
            self.is_ended, self.is_reset = True, is_reset
            if is_reset:
                self.unread.clear()
            self._wake()

    def _wake(self) -> None:
        if self.reader is not None:
            self.reader.scheduler.unpark(self.reader)


class Socket:
    """A client's end of a connection; `send` is called with each whole request."""

    def __init__(self, scheduler: Scheduler, send: Send, timeout: float | None) -> None:
        self._scheduler = scheduler
        self._send = send
        self._connection = Connection()
        self._request = b""
        self.timeout = timeout

    def settimeout(self, timeout: float | None) -> None:
        self.timeout = timeout

    def setsockopt(self, *_: object) -> None:
        pass

    def shutdown(self, _how: int) -> None:
        pass

    def close(self) -> None:
        pass

    def sendall(self, data: bytes) -> None:
        """Gather the request; it is sent once it is whole."""
        self._request += data
        head, end, body = self._request.partition(b"\r\n\r\n")
        if end and len(body) >= _content_length(head):
            request, self._request = self._request, b""
            self._send(self._connection, request)

    def makefile(self, mode: str) -> io.BufferedReader:
        assert mode == "rb", mode
        return io.BufferedReader(_Reader(self._scheduler, self._connection, lambda: self.timeout))


class _Reader(io.RawIOBase):
    def __init__(self, scheduler: Scheduler, connection: Connection, timeout: Callable[[], float | None]) -> None:
        self._scheduler = scheduler
        self._connection = connection
        self._timeout = timeout

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what there is, or wait for it.

        Raises:
            TimeoutError: nothing came in time.
            ConnectionResetError: the server's machine ended the connection.
        """
        self._scheduler.step("")
        connection, timeout = self._connection, self._timeout()
        connection.reader = current()
        if not connection.unread and not connection.is_ended:
            self._scheduler.park(timeout)
        connection.reader = None
        if connection.is_reset:
            raise ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
        if not connection.unread and not connection.is_ended:
            raise TimeoutError("timed out")
        count = min(len(buffer), len(connection.unread))
        buffer[:count] = connection.unread[:count]
        del connection.unread[:count]
        return count


def first_line(request: bytes) -> str:
    """Return method and path of a request."""
    return request[: request.index(b" HTTP/")].decode("latin-1")


def may_be_repeated(request: bytes) -> bool:
    """Return whether a request that is sent once more changes nothing: it only reads, or has a key."""
    head = request.partition(b"\r\n\r\n")[0]
    return head.startswith(b"GET ") or any(name.lower() == "idempotency-key" for name, _ in _headers(head))


def _headers(head: bytes) -> Iterator[tuple[str, str]]:
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        yield name.decode("latin-1").strip(), value.decode("latin-1").strip()


def _content_length(head: bytes) -> int:
    return next((int(value) for name, value in _headers(head) if name.lower() == "content-length"), 0)


def environ_of(request: bytes, host: str, number: int) -> dict[str, Any]:
    """Return what a WSGI server makes of a request, with its number as the id that a proxy would give it."""
    head, _, body = request.partition(b"\r\n\r\n")
    method, _, target = first_line(request).partition(" ")
    path, _, query = target.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
        "QUERY_STRING": query,
        "SERVER_NAME": host,
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "127.0.0.1",
        "HTTP_X_REQUEST_ID": f"request-{number}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
    }
    for name, value in _headers(head):
        key = name.upper().replace("-", "_")
        environ[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"] = value
    return environ
