"""waitress, made to answer in JSON, to refuse ambiguous requests, and to finish what it began when told to stop."""

import logging
import secrets
import threading
import time
from http import HTTPStatus
from typing import Any, cast

from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser, ParsingError
from waitress.server import BaseWSGIServer, create_server
from waitress.task import ErrorTask
from waitress.wasyncore import loop

from xgserve.errors import error_body
from xgserve.settings import Settings

logger = logging.getLogger("xgserve.server")

DRAIN_S = 5.0
# Bodies up to this many times the limit are still read, so that the client gets to see the answer 413.
READ_FACTOR = 4


class _Parser(HTTPRequestParser):
    """Refuses a request whose length can be read in two ways: what follows it could be taken for another request."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if "TRANSFER_ENCODING" in self.headers or (self.chunked and "CONTENT_LENGTH" in self.headers):
            raise ParsingError("Content-Length and Transfer-Encoding must not come together")


class _JsonErrorTask(ErrorTask):
    """Answers what is not even a request, or too large to be read."""

    def execute(self) -> None:
        error: Any = cast("Any", self.request).error  # the stubs name the wrong type of request
        status = HTTPStatus(error.code)
        request_id = secrets.token_hex(8)
        code = status.phrase.lower().replace(" ", "_")
        body = error_body(code, f"{status.phrase.lower()}: {error.body}", {"request_id": request_id})
        logger.warning("refused a request before reading it: %d %s (%s)", error.code, error.body, request_id)
        self.status = f"{status.value} {status.phrase}"
        self.response_headers = [
            *self.response_headers,
            ("Content-Type", "application/json"),
            ("X-Request-ID", request_id),
        ]
        self.set_close_on_finish()
        self.content_length = len(body)
        self.write(body)


class _Channel(HTTPChannel):
    parser_class = _Parser
    error_task_class = _JsonErrorTask


def make_server(app: Any, settings: Settings) -> BaseWSGIServer:
    """Return a server that listens already; port 0 takes a free one.

    Raises:
        OSError: the address cannot be used.
    """
    # one warning for each request that waits for a thread is no news under load
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    server = create_server(
        app,
        host=settings.host,
        port=settings.port,
        threads=settings.threads,
        ident=None,
        max_request_body_size=READ_FACTOR * settings.max_body_bytes,
        channel_timeout=30,
        cleanup_interval=10,
        connection_limit=500,
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
    while not stop.is_set():
        loop(timeout=1.0, map=waitress._map, count=1)
    logger.info("stopping")
    waitress.del_channel()
    waitress.socket.close()
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline and any(
        channel.request or channel.requests or channel.total_outbufs_len
        for channel in waitress.active_channels.values()
    ):
        loop(timeout=0.05, map=waitress._map, count=1)
    waitress.task_dispatcher.shutdown()
