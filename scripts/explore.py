"""Serve the history to browsers and programs, read-only: Datasette, with descriptions and queries with names.

    python -m scripts.explore

Every table, view and query is a page, JSON and CSV (docs/explore.md). It listens on the port that XG_EXPLORE_PORT
names, on loopback unless --host says otherwise, and answers only under this machine's own names and those of
XG_ALLOWED_HOSTS.

Exit codes: 0 stopped, 2 usage or setting, 3 it cannot listen or Datasette is not installed, 5 database,
130 interrupted.
"""

import asyncio
import socket
import sqlite3
import time
from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from db.connection import DatabaseError, is_there
from db.environment import SettingsError
from db.explore.queries import is_old, metadata
from livegame.settings import ClientSettings
from scripts.arguments import command_parser
from scripts.command import FILES, INTERRUPTED, fail, print_line, run

WAIT_S: Final = 2.0
OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
# Without WAL, a ping that has something to store waits for the query that is running, at most this long.
TIME_LIMIT_MS: Final = 2_000
SETTINGS: Final = {
    "sql_time_limit_ms": TIME_LIMIT_MS,
    # Two threads could read by turns for ever: a process that holds SQLite's shared lock does not see that others wait.
    "num_sql_threads": 1,
    "suggest_facets": False,  # counts every column of a page, and readers wait for it
    "allow_download": False,  # a file that is being written is no copy: scripts/backup.py makes one
    "max_returned_rows": 5_000,
}
# SQLite looks at the clock between steps, not within a function: randomblob(900000000) takes half a minute.
LONGEST_VALUE: Final = 1_000_000  # bytes

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


def main(arguments: list[str] | None = None) -> int:
    """Run the server until it is stopped; return the exit code."""
    parser = command_parser("explore", __doc__)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--wait", action="store_true", help="wait for others to make the history, or to bring an old one up to date"
    )
    options = parser.parse_args(arguments)
    try:
        settings = ClientSettings.from_env()
        path = settings.history_db
        if options.wait:
            _wait_for(path)
        described = metadata(path)  # an older history is brought up to date
        listening = socket.create_server((options.host, settings.explore_port))
    except SettingsError as error:
        parser.error(str(error))
    except DatabaseError as error:
        return fail(error, 5)
    except OSError as error:
        return fail(f"cannot listen on {options.host}:{settings.explore_port}: {error.strerror}", FILES)
    try:
        asyncio.run(_serve(path, described, listening, settings.allowed_hosts))
    except ModuleNotFoundError as error:
        return fail(f"{error.name} is not installed: pip install -c requirements.txt -e '.[explore]'", FILES)
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0


def _wait_for(path: Path) -> None:
    said = ""
    while (
        missing := "the first ping makes it" if not is_there(path) else is_old(path) and "a ping brings it up to date"
    ):
        if missing != said:
            print_line(f"waiting for {path}: {missing}")
            said = missing
        time.sleep(WAIT_S)


async def _serve(
    path: Path, described: dict[str, Any], listening: socket.socket, allowed_hosts: frozenset[str]
) -> None:
    """Serve the history, opened read-only, until SIGINT or SIGTERM."""
    import uvicorn  # both are the extra `explore`
    from datasette import app as datasette_app
    from datasette import handle_exception, hookimpl  # after app, which registers it
    from datasette.plugins import pm

    class Bounds:
        """A plugin that bounds the length of values."""

        @staticmethod
        @hookimpl
        def prepare_connection(conn: sqlite3.Connection) -> None:
            conn.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)

    pm.register(Bounds)
    handle_exception.rich = None  # where it is installed, each query that takes too long would fill the log

    titles = {name: described[name] for name in ("title", "description")}
    explored = datasette_app.Datasette(
        [str(path)], metadata=titles | {"databases": {path.stem: described}}, settings=SETTINGS
    )
    await explored.invoke_startup()
    app = only_under(explored.app(), OWN_NAMES | allowed_hosts)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False, server_header=False))
    host, port = listening.getsockname()[:2]
    print_line(f"the history on http://{'localhost' if host == '127.0.0.1' else host}:{port}, Ctrl-C stops it")
    await server.serve([listening])


def only_under(app: App, names: frozenset[str]) -> App:
    """Return the app so that it answers only under these host names, and 421 under others.

    A web page can point its own host name to this machine once it is loaded (DNS rebinding), and read what is answered.
    """

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _is_own(dict(scope["headers"]).get(b"host", b""), names):
            await app(scope, receive, send)
            return
        headers = [(b"content-type", b"text/plain; charset=utf-8")]
        await send({"type": "http.response.start", "status": 421, "headers": headers})
        body = b"not a name of this server; if it is, add it to XG_ALLOWED_HOSTS\n"
        await send({"type": "http.response.body", "body": body})

    return guarded


def _is_own(host: bytes, names: frozenset[str]) -> bool:
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
    except ValueError:
        return False
    return name in names or name.endswith(".localhost")


if __name__ == "__main__":
    run(main)
