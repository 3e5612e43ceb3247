"""waitress, made to answer in JSON, to refuse what it need not read, and to finish what it began when told to stop."""

import logging
import socket
import threading
import time
from http import HTTPStatus
from typing import Any, cast

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask
from waitress.wasyncore import loop

from xgserve.dispatcher import Dispatcher
from xgserve.errors import error_body, too_large
from xgserve.journal import identity_of, request_id
from xgserve.settings import Settings

logger = logging.getLogger("xgserve.server")

DRAIN_S = 5.0
# How much of a refused body is read on, and thrown away, and for how long: a client that is still sending when the
# connection is closed does not get to see the answer.
LINGER_FACTOR = 4
LINGER_S = 10.0


class _Parser(HTTPRequestParser):
    """Refuses a request whose length can be read in two ways: what follows it could be taken for another request."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Content-Length and Transfer-Encoding must not come together")
        if self.content_length >= self.adj.max_request_body_size:
            self.expect_continue = False  # nobody is to send what will be refused


class _JsonErrorTask(ErrorTask):
    """Answers what is not even a request, or too large to be read."""

    def execute(self) -> None:
        request: Any = self.request  # the stubs name the wrong type of request
        channel = cast("_Channel", self.channel)
        status, identity = HTTPStatus(request.error.code), identity_of(request.headers.get("X_REQUEST_ID", ""))
        if status is HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
            refusal = too_large(max(request.content_length, request.body_bytes_received), channel.max_body_bytes)
            code, message = refusal.code, str(refusal)
            channel.linger_bytes = LINGER_FACTOR * channel.max_body_bytes
        else:
            code = status.phrase.lower().replace(" ", "_")
            message = f"{status.phrase.lower()}: {request.error.body}"
        body = error_body(code, message, {"request_id": identity})
        token = request_id.set(identity)
        logger.warning("refused a request before reading it: %d %s", status, message)
        request_id.reset(token)
        self.status = f"{status.value} {status.phrase}"
        self.response_headers = [
            *self.response_headers,
            ("Content-Type", "application/json"),
            ("X-Request-ID", identity),
        ]
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
    linger_bytes = 0
    _lingers_until: float | None = None
    _is_at_its_last = False

    @property
    def max_body_bytes(self) -> int:
        return int(self.adj.max_request_body_size) - 1

    def received(self, data: bytes) -> bool:
        taken = super().received(data)
        channel: Any = self  # the stubs lack what is used here
        with channel.requests_lock:
            for request in channel.requests[1:]:
                request.close()
                self._is_at_its_last = True
            del channel.requests[1:]
        return taken

    def service(self) -> None:
        super().service()
        if self._is_at_its_last:
            self.close_when_flushed = True
            cast("Any", self.server).pull_trigger()

    def writable(self) -> bool:
        channel: Any = self  # the stubs lack what is used here
        # the thread that answers sends by itself; to the loop the socket would seem free again and again meanwhile,
        # and Python's lock would go to and fro between the two
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


def make_server(app: Any, settings: Settings) -> BaseWSGIServer:
    """Return a server that listens already; port 0 takes a free one.

    Raises:
        OSError: the address cannot be used.
    """
    server = create_server(
        app,
        _dispatcher=cast("Any", Dispatcher(settings.threads)),
        host=settings.host,
        port=settings.port,
        ident=None,
        max_request_body_size=settings.max_body_bytes + 1,
        channel_timeout=30,
        cleanup_interval=10,
        connection_limit=500,
        recv_bytes=1 << 16,
        clear_untrusted_proxy_headers=True,
        ipv4=":" not in settings.host,
        ipv6=":" in settings.host,
    )
    if not isinstance(server, BaseWSGIServer):
        server.close()
        raise OSError(f"{settings.host} stands for several addresses; name one of them")
    server.channel_class = _Channel
    return server


def serve(server: BaseWSGIServer, stop: threading.Event) -> None:
    """Serve until `stop` is set, then take no new connections, but answer the requests that have begun to arrive.

    Whoever sets `stop` must call `server.pull_trigger()` after it.
    """
    waitress: Any = server  # the stubs lack what is used here
    logger.info("serving on http://%s:%s", waitress.effective_host, waitress.effective_port)
    dispatcher: Dispatcher = waitress.task_dispatcher
    while not stop.is_set():
        late = dispatcher.late_in_s
        loop(timeout=1.0 if late is None else late, map=waitress._map, count=1)
        dispatcher.relieve()
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
