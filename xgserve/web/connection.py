"""One client's connection, with stricter limits than waitress's own.

waitress calls a connection a channel. The service's few threads must never wait for a client, many clients must not
fill its memory, and each answer is JSON, even to a request that is not HTTP.
"""

import logging
import socket
import threading
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.task import ErrorTask

from xgserve.errors import BadRequest, RequestTimeout, ServiceError, TooLarge, TooManyLargeBodies
from xgserve.request_id import choose_id, request_id
from xgserve.web.answers import common_headers, error_answer
from xgserve.web.threads import Lane

logger = logging.getLogger("xgserve.server")

HEAD_S = 10.0  # from the first byte of a request to the end of its headers
BODY_S = 20.0  # from there to the end of its body; each received byte extends it
READ_S = 30.0  # for a client to read its answer; each byte that it has read extends it
MIN_BYTES_PER_S = 50_000  # the slowest transfer; 50,000 bytes extend a limit by a second

LARGE_BYTES: Final = 1 << 20  # of a body; smaller requests overtake it
MAX_LARGE = 16  # large bodies at a time: received, waiting, or worked on
FAST_LARGE_S = 5.0  # beyond `MAX_LARGE`, a new body replaces one that has been arriving for longer

# A client that is still sending when its connection is closed does not see the answer. So the rest of a refused body is
# read and thrown away, up to this many times the size limit and for this long.
LINGER_FACTOR: Final = 4
LINGER_S: Final = 10.0

# requests that may wait for a lock, the disk or the registry
SLOW_PATHS: Final = frozenset({"/logs", "/activations", "/models", "/download_registry_model", "/promote", "/rollback"})
SLOW_BELOW: Final = "/challengers/"


class _Parser(HTTPRequestParser):
    """Refuses request smuggling: a length or a host that two programs may read differently."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Content-Length and Transfer-Encoding must not come together")
        host = self.headers.get("HOST")
        if (host is None and self.version == "1.1") or "," in (host or ""):
            raise ParsingError("a request must have one Host header")
        if self.content_length >= self.adj.max_request_body_size:
            self.expect_continue = False  # do not ask for a body that will be refused


class _ErrorTask(ErrorTask):
    """Answers requests that never reach the app: not HTTP, too large, or too slow to arrive."""

    request: Any  # the stubs name the wrong type
    channel: "Connection"

    def execute(self) -> None:
        error = self.channel.refusal(self.request)
        if isinstance(error, TooLarge | TooManyLargeBodies):
            self.channel.linger_bytes = LINGER_FACTOR * self.channel.max_body_bytes
        identity = choose_id(self.request.headers.get("X_REQUEST_ID", ""), self.channel.secrets)
        token = request_id.set(identity)
        logger.warning("refused a request before reading it: %d %s", error.status, error)
        request_id.reset(token)
        self.status, headers, body = error_answer(error, identity)
        self.response_headers = [*self.response_headers, *headers, *common_headers(identity)]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class Connection(HTTPChannel):
    """A connection that takes one request at a time, within a time limit.

    A client that sends several requests without reading the answers would block the thread that answers. It gets the
    answers up to the current request; then the connection is closed.
    """

    # waitress's attributes, missing or wrong in its stubs
    request: Any
    requests: Any
    requests_lock: Any
    server: Any
    socket: Any
    total_outbufs_len: Any
    last_activity: Any

    parser_class = _Parser
    error_task_class = _ErrorTask
    secrets: tuple[str, ...] = ()
    may_wait: Callable[[str], bool] = staticmethod(lambda _query: False)  # whether a prediction waits for a worker
    held_much_memory = threading.Event()  # set after a large request; shared by all connections

    linger_bytes = 0
    _lingers_until: float | None = None
    _closes_after_reply = False
    _has_served = False
    _arriving_since: float | None = None  # None: no request is incomplete
    _untaken: tuple[float, int] | None = None  # when the client stopped reading, and the bytes then left

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._opened_at = time.monotonic()
        super().__init__(*arguments, **named)

    @property
    def max_body_bytes(self) -> int:
        """The largest body that is accepted."""
        return int(self.adj.max_request_body_size) - 1

    @property
    def lane(self) -> Lane:
        """The lane of the request to answer now."""
        request = self.requests[0]
        if request.error:
            return Lane.QUICK
        if _is_large(request):
            return Lane.LARGE
        path = request.path
        if path in SLOW_PATHS or path.startswith(SLOW_BELOW) or (path == "/predict" and self.may_wait(request.query)):
            return Lane.SLOW
        return Lane.QUICK

    # -- what the server checks now and then --------------------------------------------------------------------------

    def refuse_if_late(self, now: float) -> None:
        """Refuse the request that is arriving if it takes too long (slowloris)."""
        if self.request is None or self._arriving_since is None or self.requests:
            return
        limit = HEAD_S
        if self.request.headers_finished:
            limit += BODY_S + self.request.body_bytes_received / MIN_BYTES_PER_S
        if now - self._arriving_since > limit:
            if not self.request.headers_finished:
                self.request.parse_header(b"GET / HTTP/1.0\r\n")  # waitress answers complete requests only
            self._refuse(RequestTimeout("the request did not arrive in time"))

    def close_if_not_taken(self, now: float) -> None:
        """Close the connection if its client does not read the answer.

        waitress closes such a connection only once it is writable, which never happens.
        """
        left = self.total_outbufs_len
        if not left or self.requests:
            self._untaken = None
            return
        if self._untaken is None or left > self._untaken[1]:
            self._untaken = now, left
        since, whole = self._untaken
        if now - since > READ_S + (whole - left) / MIN_BYTES_PER_S:
            logger.warning("closed a connection whose client did not take its answer")
            self.drop()

    def drop_rank(self) -> tuple[int, float] | None:
        """Return a sort key: of too many connections, the lowest is dropped; None while a request is running."""
        if self.requests:
            return None
        if self._arriving_since is not None or not self._has_served:
            return 0, self._arriving_since if self._arriving_since is not None else self._opened_at
        return (2 if self.total_outbufs_len else 1), self.last_activity

    def drop(self) -> None:
        """Close the connection immediately."""
        self.linger_bytes = 0
        self.handle_close()

    # -- refusing -----------------------------------------------------------------------------------------------------

    def refusal(self, request: Any) -> ServiceError:
        """Return why a request is refused: our own error, or a translation of waitress's."""
        found = request.error
        if isinstance(found, ServiceError):
            return found
        status = HTTPStatus(found.code)
        if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            return TooLarge(max(request.content_length, request.body_bytes_received), self.max_body_bytes)
        error = BadRequest(f"{status.phrase.lower()}: {found.body}")
        error.status, error.code = status.value, status.phrase.lower().replace(" ", "_")
        return error

    def _refuse(self, error: ServiceError) -> None:
        """Answer the arriving request with an error immediately."""
        with self.requests_lock:
            request = self.request
            request.error, request.completed, request.expect_continue = error, True, False
            self.request = self._arriving_since = None
            self.requests.append(request)
            if len(self.requests) == 1:
                self.server.add_task(self)

    def _limit_large(self) -> None:
        """Refuse a large request if there are too many: the slowest to arrive, else this one."""
        others = [other for other in self.server.active_channels.values() if other is not self and other._is_large()]
        if len(others) < MAX_LARGE:
            return
        since = {other: other._arriving_since for other in others if other._arriving_since is not None}
        slowest = min(since, key=since.__getitem__, default=self)
        is_slow = slowest is not self and time.monotonic() - since[slowest] > FAST_LARGE_S
        why = f"{MAX_LARGE} large requests are under way already; send it again later"
        (slowest if is_slow else self)._refuse(TooManyLargeBodies(why))

    def _is_large(self) -> bool:
        return any(_is_large(request) for request in (*self.requests, self.request) if request)

    # -- waitress's own methods, in the order in which it calls them ---------------------------------------------------

    def readable(self) -> bool:
        """Return whether the loop should receive, including what a refused client still sends."""
        return self._lingers_until is not None or bool(super().readable())

    def handle_read(self) -> None:
        """Receive; throw away what a refused client still sends, up to a limit."""
        if self._lingers_until is None:
            super().handle_read()
            return
        self.linger_bytes -= len(self.recv(self.adj.recv_bytes))  # closes at the end of what the client sends
        if self.connected and (self.linger_bytes < 0 or time.monotonic() > self._lingers_until):
            self.handle_close()

    def received(self, data: bytes) -> bool:
        """Receive bytes: note when a request began to arrive, limit large requests, and drop all but the first."""
        if self.request is None:
            self._arriving_since = time.monotonic()
        was_large = self.request is not None and _is_large(self.request)
        taken = super().received(data)
        if self.request is None:
            self._arriving_since, self._has_served = None, True
        elif not was_large and _is_large(self.request):
            self._limit_large()
        with self.requests_lock:
            for request in self.requests[1:]:
                request.close()
                self._closes_after_reply = True
            del self.requests[1:]
        return taken

    def service(self) -> None:
        """Answer the request, in one of the threads."""
        is_large = self.lane is Lane.LARGE
        super().service()
        if is_large:
            self.held_much_memory.set()
        if self._closes_after_reply:
            self.close_when_flushed = True
            self.server.pull_trigger()

    def writable(self) -> bool:
        """Return whether the loop should send; not while a thread does, since the two would fight over the GIL."""
        answers = self.requests and self.total_outbufs_len <= self.adj.outbuf_high_watermark
        return bool(self.will_close or (not answers and super().writable()))

    def handle_close(self) -> None:
        """Close, but first let a client that is still sending see why it was refused."""
        if self.linger_bytes <= 0 or self._lingers_until is not None or not self.connected:
            super().handle_close()
            return
        self._lingers_until = time.monotonic() + LINGER_S
        self.will_close = False
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            super().handle_close()


def _is_large(request: Any) -> bool:
    return bool(request.body_bytes_received > LARGE_BYTES)
