"""waitress with JSON errors, early refusal of large bodies, deadlines for slow clients, and a graceful stop."""

import logging
import socket
import threading
import time
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, cast

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask
from waitress.wasyncore import loop

from xgserve.errors import BadRequest, RequestTimeout, ServiceError, TooLarge, TooManyLargeBodies
from xgserve.request_id import choose_id, request_id
from xgserve.settings import ServiceSettings
from xgserve.web.answers import common_headers, error_answer
from xgserve.web.memory import give_back_memory
from xgserve.web.threads import Dispatcher, Lane

logger = logging.getLogger("xgserve.server")

DRAIN_S = 5.0
# How much of a refused body is read on, and thrown away, and for how long: a client that is still sending when the
# connection is closed does not get to see the answer.
LINGER_FACTOR = 4
LINGER_S = 10.0

CONNECTIONS = 500  # beyond these, those go first that keep the service waiting
HEAD_S = 10.0  # from the first byte of a request to the end of its headers
BODY_S = 20.0  # and to the end of its body, to which each received byte adds
READ_S = 30.0  # for a client to take its answer, to which each byte that it has taken adds
MIN_BYTES_PER_S = 50_000
LOOK_EVERY_S = 1.0
LARGE_BYTES = 1 << 20  # of a body; smaller ones pass it
MAX_LARGE = 16  # bodies of which so much has come: they are received still, wait, or are worked on
FAST_LARGE_S = 5.0  # beyond `MAX_LARGE`, one that takes longer to come than this makes room for a new one

# those that may wait for a lock, the disk or the registry
SLOW_PATHS = frozenset({"/logs", "/activations", "/models", "/download_registry_model", "/rollback"})


class _Parser(HTTPRequestParser):
    """Refuses a request whose length can be read in two ways: what follows it could be taken for another request."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Content-Length and Transfer-Encoding must not come together")
        host = self.headers.get("HOST")
        if (host is None and self.version == "1.1") or "," in (host or ""):
            raise ParsingError("a request must have one Host header")
        if self.content_length >= self.adj.max_request_body_size:
            self.expect_continue = False  # nobody is to send what will be refused


class _JsonErrorTask(ErrorTask):
    """Answers in JSON what never reaches the app: what is not HTTP, too large, or too slow to arrive."""

    def execute(self) -> None:
        request: Any = self.request  # the stubs name the wrong type of request
        channel = cast("_Channel", self.channel)
        error = channel.refusal(request)
        if isinstance(error, TooLarge | TooManyLargeBodies):
            channel.linger_bytes = LINGER_FACTOR * channel.max_body_bytes
        identity = choose_id(request.headers.get("X_REQUEST_ID", ""), channel.secrets)
        token = request_id.set(identity)
        logger.warning("refused a request before reading it: %d %s", error.status, error)
        request_id.reset(token)
        self.status, headers, body = error_answer(error, identity)
        self.response_headers = [*self.response_headers, *headers, *common_headers(identity)]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    """One connection, which no client can use to hold one of the few threads: it takes one request at a time.

    A client that sends several at once, and reads no answer, would block the thread that writes them. It gets the
    answers up to the one under way, and the connection is closed.
    """

    parser_class = _Parser
    error_task_class = _JsonErrorTask
    secrets: tuple[str, ...] = ()
    has_held_much = threading.Event()  # of the server: a large request is done, and its memory can go back
    linger_bytes = 0
    _lingers_until: float | None = None
    _is_at_its_last = False
    _began: float | None = None  # when the first byte of the request came that is not complete yet
    _has_served = False
    _left: tuple[float, int] | None = None  # since when an answer waits for its client, and how many bytes it had then

    def __init__(self, *arguments: Any, **named: Any) -> None:
        self._opened = time.monotonic()
        super().__init__(*arguments, **named)

    @property
    def lane(self) -> Lane:
        """The lane of the request that is to be answered now."""
        request: Any = cast("Any", self).requests[0]
        if request.error:
            return Lane.QUICK
        if _is_large(request):
            return Lane.LARGE
        return Lane.SLOW if request.path in SLOW_PATHS else Lane.QUICK

    def is_large(self) -> bool:
        """Whether a large body waits, is worked on, or has come in part."""
        channel: Any = self
        return any(_is_large(request) for request in (*channel.requests, channel.request) if request)

    def hurry(self, now: float) -> bool:
        """Refuse a request whose client takes too long to send it; return whether it was."""
        request: Any = self.request
        if request is None or self._began is None or cast("Any", self).requests:
            return False
        limit = HEAD_S
        if request.headers_finished:
            limit += BODY_S + request.body_bytes_received / MIN_BYTES_PER_S
        if now - self._began <= limit:
            return False
        if not request.headers_finished:
            request.parse_header(b"GET / HTTP/1.0\r\n")  # what an error is an answer to
        self._refuse(RequestTimeout("the request did not arrive in time"))
        return True

    def give_up(self, now: float) -> None:
        """Close the connection of a client that does not take its answer, which would be kept for it for good.

        waitress marks such connections as to be closed, and closes them when something can be sent: never.
        """
        channel: Any = self
        left = channel.total_outbufs_len
        if not left or channel.requests:
            self._left = None
            return
        if self._left is None or left > self._left[1]:
            self._left = now, left
        since, whole = self._left
        if now - since > READ_S + (whole - left) / MIN_BYTES_PER_S:
            logger.warning("closed a connection whose client did not take its answer")
            self.linger_bytes = 0
            self.handle_close()

    def patience_with(self) -> tuple[int, float] | None:
        """Return a rank by which a connection is dropped, the lowest first; None while its request is worked on."""
        channel: Any = self
        if channel.requests:
            return None
        if self._began is not None or not self._has_served:
            return 0, self._began if self._began is not None else self._opened
        return (2 if channel.total_outbufs_len else 1), channel.last_activity

    def _make_room_for_large(self) -> None:
        """Refuse one of the large requests if there are too many: the one that comes the slowest, else this one."""
        channels = cast("Any", self.server).active_channels.values()
        large = [channel for channel in channels if channel is not self and channel.is_large()]
        if len(large) >= MAX_LARGE:
            began = {channel: channel._began for channel in large if channel._began is not None}
            slowest = min(began, key=began.__getitem__, default=self)
            is_slow = slowest is not self and time.monotonic() - began[slowest] > FAST_LARGE_S
            why = f"{MAX_LARGE} large requests are under way already; send it again later"
            (slowest if is_slow else self)._refuse(TooManyLargeBodies(why))

    def refusal(self, request: Any) -> ServiceError:
        """Return why a request is not read: our own error, or what waitress makes of one that it cannot parse."""
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
        """Answer the request that is being received with an error, at once."""
        channel: Any = self
        with channel.requests_lock:
            request = channel.request
            request.error, request.completed, request.expect_continue = error, True, False
            channel.request = self._began = None
            channel.requests.append(request)
            if len(channel.requests) == 1:
                channel.server.add_task(self)

    @property
    def max_body_bytes(self) -> int:
        return int(self.adj.max_request_body_size) - 1

    def received(self, data: bytes) -> bool:
        channel: Any = self  # the stubs lack what is used here
        if channel.request is None:
            self._began = time.monotonic()
        was_large = channel.request is not None and _is_large(channel.request)
        taken = super().received(data)
        if channel.request is None:
            self._began, self._has_served = None, True
        elif not was_large and _is_large(channel.request):
            self._make_room_for_large()
        with channel.requests_lock:
            for request in channel.requests[1:]:
                request.close()
                self._is_at_its_last = True
            del channel.requests[1:]
        return taken

    def service(self) -> None:
        is_large = self.lane is Lane.LARGE
        super().service()
        if is_large:
            self.has_held_much.set()
        if self._is_at_its_last:
            self.close_when_flushed = True
            cast("Any", self.server).pull_trigger()

    def writable(self) -> bool:
        channel: Any = self  # the stubs lack what is used here
        # the thread that answers sends by itself; to the loop the socket would seem free again and again meanwhile,
        # and the two threads would fight over the GIL
        answers = channel.requests and channel.total_outbufs_len <= channel.adj.outbuf_high_watermark
        return bool(channel.will_close or (not answers and super().writable()))

    def readable(self) -> bool:
        return self._lingers_until is not None or bool(super().readable())

    def handle_read(self) -> None:
        if self._lingers_until is None:
            super().handle_read()
            return
        self.linger_bytes -= len(self.recv(self.adj.recv_bytes))  # closes at the end of what the client sends
        if self.connected and (self.linger_bytes < 0 or time.monotonic() > self._lingers_until):
            self.handle_close()

    def handle_close(self) -> None:
        if self.linger_bytes <= 0 or self._lingers_until is not None or not self.connected:
            super().handle_close()
            return
        self._lingers_until = time.monotonic() + LINGER_S
        self.will_close = False
        try:
            cast("socket.socket", self.socket).shutdown(socket.SHUT_WR)
        except OSError:  # the client is gone
            super().handle_close()


def _is_large(request: Any) -> bool:
    return bool(request.body_bytes_received > LARGE_BYTES)


def make_server(app: Any, settings: ServiceSettings) -> BaseWSGIServer:
    """Return a server that listens already; port 0 takes a free one.

    Raises:
        OSError: the address cannot be used.
    """
    try:
        server = create_server(
            app,
            _dispatcher=cast("Any", Dispatcher(settings.threads)),
            host=settings.host,
            port=settings.port,
            ident=None,
            max_request_body_size=settings.max_body_bytes + 1,
            channel_timeout=30,
            cleanup_interval=10,
            connection_limit=CONNECTIONS + 100,
            recv_bytes=1 << 16,
            clear_untrusted_proxy_headers=True,
            ipv4=":" not in settings.host,
            ipv6=":" in settings.host,
        )
    except ValueError as error:  # a name that cannot be one, or stands for no address
        raise OSError(f"{settings.host!r} is no address of this machine; see XG_SERVING_HOST") from error
    if not isinstance(server, BaseWSGIServer):
        server.close()
        raise OSError(f"{settings.host} stands for several addresses; name one of them")
    server.channel_class = type(
        "_Channel", (_Channel,), {"secrets": settings.secrets, "has_held_much": threading.Event()}
    )
    return server


def _drop_one(channels: Iterable[_Channel]) -> int:
    """Close the connection that has kept the service waiting the longest; return how many were closed."""
    ranked = [(rank, channel) for channel in channels if (rank := channel.patience_with()) is not None]
    if not ranked:
        return 0
    _, channel = min(ranked, key=lambda entry: entry[0])
    channel.linger_bytes = 0
    channel.handle_close()
    return 1


def serve(server: BaseWSGIServer, stop: threading.Event) -> None:
    """Serve until `stop` is set, then take no new connections, but answer the requests that have begun to arrive.

    Whoever sets `stop` must call `server.pull_trigger()` after it.
    """
    waitress: Any = server  # the stubs lack what is used here
    logger.info("serving on http://%s:%s", waitress.effective_host, waitress.effective_port)
    dispatcher: Dispatcher = waitress.task_dispatcher
    look_at, dropped = time.monotonic() + LOOK_EVERY_S, 0
    while not stop.is_set():
        late = dispatcher.late_in_s
        loop(timeout=LOOK_EVERY_S if late is None else late, map=waitress._map, count=1)
        dispatcher.relieve()
        if (now := time.monotonic()) >= look_at:
            look_at = now + LOOK_EVERY_S
            for channel in list(waitress.active_channels.values()):
                channel.hurry(now)
                channel.give_up(now)
            if waitress.channel_class.has_held_much.is_set():  # not after each: the next one may want it again
                waitress.channel_class.has_held_much.clear()
                give_back_memory()
            if dropped:  # one row, not one for each: they may be many
                logger.warning("closed %d connections that kept the service waiting, to make room for others", dropped)
                dropped = 0
        if len(waitress.active_channels) > CONNECTIONS:
            dropped += _drop_one(waitress.active_channels.values())
    logger.info("stopping")
    waitress.del_channel()
    waitress.socket.close()
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline and any(
        channel.request or channel.requests or channel.total_outbufs_len
        for channel in waitress.active_channels.values()
    ):
        loop(timeout=0.05, map=waitress._map, count=1)
        dispatcher.relieve()
    # container engines kill after ten seconds, and the log is still to be written
    dispatcher.shutdown(timeout=max(0.0, deadline - time.monotonic()))
