"""waitress with our connections and threads, and a graceful stop."""

import logging
import threading
import time
from typing import Any, Final, cast

from waitress.server import BaseWSGIServer, create_server
from waitress.wasyncore import loop

from xgserve.settings import ServiceSettings
from xgserve.web.connection import Connection
from xgserve.web.memory import give_back_memory
from xgserve.web.threads import Dispatcher

logger = logging.getLogger("xgserve.server")

DRAIN_S: Final = 5.0  # for requests under way at a stop; container engines kill after ten
MAX_CONNECTIONS = 500  # beyond this, connections that keep the service waiting are closed
CHECK_EVERY_S = 1.0


def make_server(app: Any, settings: ServiceSettings) -> BaseWSGIServer:
    """Return a listening server; port 0 picks a free port.

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
            connection_limit=MAX_CONNECTIONS + 100,
            recv_bytes=1 << 16,
            clear_untrusted_proxy_headers=True,
            ipv4=":" not in settings.host,
            ipv6=":" in settings.host,
        )
    except ValueError as error:  # not a valid name, or one without an address
        raise OSError(f"{settings.host!r} is no address of this machine; see XG_SERVING_HOST") from error
    if not isinstance(server, BaseWSGIServer):
        server.close()
        raise OSError(f"{settings.host} stands for several addresses; name one of them")
    own = {
        "secrets": settings.secrets,
        "held_much_memory": threading.Event(),
        "may_wait": staticmethod(getattr(app, "may_wait", Connection.may_wait)),
    }
    server.channel_class = type("Connection", (Connection,), own)
    return server


def serve(server: BaseWSGIServer, stop: threading.Event) -> None:
    """Serve until `stop` is set; then take no new connections, but answer the requests that have begun to arrive.

    After setting `stop`, call `server.pull_trigger()`.
    """
    waitress: Any = server  # its stubs lack most of what is used here
    logger.info("serving on http://%s:%s", waitress.effective_host, waitress.effective_port)
    dispatcher: Dispatcher = waitress.task_dispatcher
    check_at, dropped = time.monotonic() + CHECK_EVERY_S, 0
    while not stop.is_set():
        late = dispatcher.late_in_s
        loop(timeout=CHECK_EVERY_S if late is None else late, map=waitress._map, count=1)
        dispatcher.relieve()
        if time.monotonic() >= check_at:
            check_at = time.monotonic() + CHECK_EVERY_S
            _check(waitress)
            if dropped:  # one row for all of them: they may be many
                logger.warning("closed %d connections that kept the service waiting, to make room for others", dropped)
                dropped = 0
        if len(waitress.active_channels) > MAX_CONNECTIONS:
            dropped += _drop_one(waitress)
    logger.info("stopping")
    _drain(waitress)


def _check(waitress: Any) -> None:
    """Enforce the time limits of all connections, and return memory to the system if much was in use."""
    now = time.monotonic()
    for connection in list(waitress.active_channels.values()):
        connection.refuse_if_late(now)
        connection.close_if_not_taken(now)
    held_much_memory = waitress.channel_class.held_much_memory
    if held_much_memory.is_set():  # not after each large request: the next one may need it again
        held_much_memory.clear()
        give_back_memory()


def _drop_one(waitress: Any) -> int:
    """Close the connection that has kept the service waiting the longest; return how many were closed."""
    connections: list[Connection] = list(waitress.active_channels.values())
    ranked = [(rank, connection) for connection in connections if (rank := connection.drop_rank()) is not None]
    if ranked:
        min(ranked, key=lambda entry: entry[0])[1].drop()
    return min(len(ranked), 1)


def _drain(waitress: Any) -> None:
    """Stop listening, answer the requests that have begun to arrive, and stop the threads."""
    dispatcher: Dispatcher = waitress.task_dispatcher
    waitress.del_channel()
    waitress.socket.close()
    deadline = time.monotonic() + DRAIN_S
    while time.monotonic() < deadline and any(
        connection.request or connection.requests or connection.total_outbufs_len
        for connection in waitress.active_channels.values()
    ):
        loop(timeout=0.05, map=waitress._map, count=1)
        dispatcher.relieve()
    dispatcher.shutdown(timeout=max(0.0, deadline - time.monotonic()))
