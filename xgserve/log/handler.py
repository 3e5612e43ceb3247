"""The log: rows go to a bounded queue, one thread writes them to SQLite in batches, and /logs reads them back.

A request never waits for the disk. A disk that fails costs log rows, counted and reported on stderr, but no answers.
"""

import logging
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, TextIO

from db import times
from db.connection import Connection, DatabaseError
from db.serving import DELETE_BATCH, LogQuery, LogRow, insert_logs, open_serving, read_logs, trim_logs
from xgserve.contract import LEVELS
from xgserve.request_id import request_id
from xgserve.settings import ServiceSettings

QUEUE_ROWS = 10_000
BATCH_WAIT_S = 0.2
TRIM_EVERY_S = 60.0
TRIM_EVERY_ROWS = 1000
RETRY_S = 1.0
CLOSE_WITHIN_S = 4.0
MAX_TEXT = 20_000

REDACTED = "[redacted]"
CUT_LENGTH = 8  # a secret is recognized by its first characters, since texts are cut before they are logged


def _pattern(secrets: Iterable[str]) -> re.Pattern[str] | None:
    """Return a pattern that matches each secret, even if it is cut off; None without secrets."""
    parts = {secret[:length] for secret in secrets for length in range(min(len(secret), CUT_LENGTH), len(secret) + 1)}
    longest_first = sorted(parts, key=len, reverse=True)  # one may contain another
    return re.compile("|".join(map(re.escape, longest_first))) if parts else None


class _Logged(NamedTuple):
    """A record, with what must be read in the thread that logged it."""

    record: logging.LogRecord
    message: str
    request_id: str | None


class LogHandler(logging.Handler):
    """A logging handler that keeps its records in the `logs` table, capped by age and by number of rows.

    It also writes them to `stream`, for terminals and container engines. `dropped` counts lost rows; `problem` is the
    current write error, if any.
    """

    def __init__(self, settings: ServiceSettings, stream: TextIO | None = None) -> None:
        super().__init__()
        self._settings = settings
        self._stream = stream
        self._secret = _pattern(settings.secrets)
        self._logged: deque[_Logged | threading.Event] = deque()
        self._wake = threading.Event()
        self._hurry = threading.Event()
        self._closing = threading.Event()
        self._close_by = float("inf")
        self._drop_lock = threading.Lock()
        self.dropped = 0
        self.problem: str | None = None
        self._writer = threading.Thread(target=self._write, name="log writer", daemon=True)
        self._writer.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Queue a row; drop it if the queue is full or closed, since a request must not wait."""
        if self._closing.is_set() or len(self._logged) >= QUEUE_ROWS:
            self._drop(1)
            return
        try:
            message = record.getMessage()
        except Exception:  # noqa: BLE001 - a library's mistake must not fail the request
            message = f"{record.msg!r} cannot be formatted with {record.args!r}"
        self._logged.append(_Logged(record, message, request_id.get()))
        if not self._wake.is_set():  # once per batch: waking a thread costs more than a row
            self._wake.set()

    def flush(self) -> None:
        """Wait until the rows logged so far are on disk, for two seconds at most."""
        if not self._closing.is_set():
            self._wait_for_writer(2.0)

    def close(self) -> None:
        """Write what is queued and stop. Rows not written within `CLOSE_WITHIN_S` are counted as lost."""
        if self._closing.is_set():
            return
        self._close_by = time.monotonic() + CLOSE_WITHIN_S
        self._closing.set()
        self._wait_for_writer(0)
        self._writer.join(CLOSE_WITHIN_S + 5)
        super().close()

    def read(self, query: LogQuery) -> list[dict[str, Any]]:
        """Return the rows that match, newest first, including those logged just before.

        Raises:
            DatabaseError: the database cannot be read.
        """
        self.flush()
        return read_logs(self._settings.database, query)

    def _wait_for_writer(self, seconds: float) -> None:
        reached = threading.Event()
        self._logged.append(reached)
        self._hurry.set()
        self._wake.set()
        reached.wait(seconds)

    # -- the writer thread --------------------------------------------------------------------------------------------

    def _write(self) -> None:
        connection: Connection | None = None
        written_since_trim, trim_at = TRIM_EVERY_ROWS, 0.0
        rows: list[LogRow] = []
        waiting: list[threading.Event] = []
        while rows or self._logged or not self._closing.is_set():
            self._wait(retrying=bool(rows))
            new = [self._logged.popleft() for _ in range(len(self._logged))]
            waiting += [item for item in new if isinstance(item, threading.Event)]
            new_rows = [self._row(item) for item in new if isinstance(item, _Logged)]
            self._show(new_rows)
            rows += new_rows
            self._drop(len(rows[QUEUE_ROWS:]))
            del rows[QUEUE_ROWS:]
            connection = self._store(connection, rows)
            if connection is None:
                if time.monotonic() >= self._close_by:
                    self._drop(len(rows))
                    _print(f"{len(rows)} log rows are lost\n")
                    return
                continue
            written_since_trim += len(rows)
            if written_since_trim >= TRIM_EVERY_ROWS or time.monotonic() >= trim_at:
                connection, is_interrupted = self._trim(connection)
                if not is_interrupted:
                    written_since_trim, trim_at = 0, time.monotonic() + TRIM_EVERY_S
            for event in waiting:
                event.set()
            rows, waiting = [], []
        if connection:
            connection.close()

    def _wait(self, *, retrying: bool) -> None:
        """Wait for a row, then briefly for more, unless a thread is waiting for the write."""
        if self._closing.is_set():
            time.sleep(0.2 if retrying else 0)
            return
        if retrying:
            self._hurry.wait(RETRY_S)
        elif self._wake.wait(TRIM_EVERY_S):
            self._hurry.wait(BATCH_WAIT_S)
        self._wake.clear()
        self._hurry.clear()

    def _row(self, logged: _Logged) -> LogRow:
        record, exception = logged.record, None
        if record.exc_info and record.exc_info[0] is not None:
            exception = self._clean(logging.Formatter().formatException(record.exc_info))
        at = times.timestamp(datetime.fromtimestamp(record.created, UTC))
        return LogRow(at, record.levelno, record.name, self._clean(logged.message), logged.request_id, exception)

    def _redact(self, text: str) -> str:
        return self._secret.sub(REDACTED, text) if self._secret else text

    def _clean(self, text: str) -> str:
        text = self._redact(text).encode("utf-8", "replace").decode()  # SQLite takes no lone surrogates
        return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."

    def _show(self, rows: list[LogRow]) -> None:
        if self._stream is None or not rows:
            return
        lines = []
        for row in rows:
            lines.append(
                f"{row.at} {logging.getLevelName(row.level)} {row.logger} [{row.request_id or '-'}] {row.message}\n"
            )
            lines += [f"{row.exception}\n"] if row.exception else []
        _print("".join(lines), self._stream)

    def _store(self, connection: Connection | None, rows: list[LogRow]) -> Connection | None:
        """Write the rows; return the connection for the next ones, or None if they could not be written."""
        try:
            connection = connection or open_serving(self._settings.database)
            if rows:
                insert_logs(connection, rows)
        except DatabaseError as error:
            self._report(f"the log cannot be written: {error}")
            if connection:
                connection.close()
            return None
        self._recovered()
        return connection

    def _trim(self, connection: Connection) -> tuple[Connection | None, bool]:
        """Delete old rows; return the connection (None on failure), and whether new rows interrupted the deletion."""
        oldest = times.timestamp(times.utc_now() - timedelta(days=self._settings.log_max_days))
        try:
            while trim_logs(connection, max_rows=self._settings.log_max_rows, oldest=oldest) == DELETE_BATCH:
                if self._logged:
                    return connection, True
        except DatabaseError as error:
            self._report(f"old log rows cannot be deleted: {error}")
            connection.close()
            return None, False
        return connection, False

    def _report(self, problem: str) -> None:
        if self.problem is None:  # report it once, not every second
            _print(f"{self._redact(problem)}; the service goes on\n")
        self.problem = problem

    def _recovered(self) -> None:
        if self.problem is not None:
            _print(f"the log can be written again; {self.dropped} rows were lost since the start\n")
        self.problem = None

    def _drop(self, count: int) -> None:
        with self._drop_lock:
            self.dropped += count


def level_name(level: int) -> str:
    """Return the name of the highest standard level that does not exceed this one."""
    return [LEVELS[0], *(name for name in LEVELS if getattr(logging, name) <= level)][-1]


def _print(text: str, stream: TextIO | None = None) -> None:
    # stderr may be on the failing disk, and the writer must continue
    with suppress(OSError):
        stream = stream or sys.stderr
        stream.write(text)
        stream.flush()
