"""The log: rows go to a bounded queue, one thread writes them to serving.db in batches, and /logs reads them back.

A request never waits for the disk. A disk that fails costs log rows, counted and reported on stderr, never an answer.
"""

import logging
import queue
import sqlite3
import sys
import threading
import time
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from logging.handlers import QueueHandler
from pathlib import Path
from typing import Any, TextIO

from db.connection import DatabaseError
from db.serving import DELETE_BATCH, LogQuery, LogRow, insert_logs, open_serving, read_logs, timestamp, trim_logs
from xgserve.settings import Settings

QUEUE_ROWS = 10_000
BATCH_ROWS = 500
BATCH_WAIT_S = 0.2
TRIM_EVERY_S = 60.0
TRIM_EVERY_ROWS = 1000
RETRY_S = 1.0
CLOSE_WITHIN_S = 4.0
MAX_TEXT = 20_000

REDACTED = "[redacted]"

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)


class RequestIdFilter(logging.Filter):
    """Gives every record the id of the request that it was logged in, as `record.request_id`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Set the id; let every record pass."""
        record.request_id = request_id.get() or "-"
        return True


class Redactor:
    """Takes the service's secrets out of text."""

    def __init__(self, secrets: tuple[str, ...]) -> None:
        self._secrets = sorted(secrets, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Return the text with each secret replaced."""
        for secret in self._secrets:
            text = text.replace(secret, REDACTED)
        return text


class RedactingFormatter(logging.Formatter):
    """Formats as `logging.Formatter` does, tracebacks included, without the secrets."""

    def __init__(self, pattern: str, redact: Redactor) -> None:
        super().__init__(pattern)
        self._redact = redact

    def format(self, record: logging.LogRecord) -> str:
        """Return the record's text."""
        return self._redact(super().format(record))


def stream_handler(settings: Settings, stream: TextIO | None = None) -> logging.Handler:
    """Return a handler that writes the log as text (to stderr), for terminals and container engines."""
    handler = logging.StreamHandler(stream)
    handler.addFilter(RequestIdFilter())
    pattern = "%(asctime)s %(levelname)s %(name)s [%(request_id)s] %(message)s"
    handler.setFormatter(RedactingFormatter(pattern, Redactor(settings.secrets)))
    return handler


class Journal(QueueHandler):
    """A logging handler that keeps its records in the `logs` table, capped by age and by number of rows.

    Counts in `dropped` the rows that had to be given up, and says in `problem` why rows cannot be written right now.
    """

    def __init__(self, settings: Settings) -> None:
        self._rows: queue.Queue[LogRow | threading.Event] = queue.Queue(QUEUE_ROWS)
        super().__init__(self._rows)
        self._settings = settings
        self._redact = Redactor(settings.secrets)
        self._closing = threading.Event()
        self._give_up_at = float("inf")
        self._drop_lock = threading.Lock()
        self.dropped = 0
        self.problem: str | None = None
        self._writer = threading.Thread(target=self._write, name="journal", daemon=True)
        self._writer.start()

    @property
    def database(self) -> Path:
        """The file that the rows are in."""
        return self._settings.database

    def prepare(self, record: logging.LogRecord) -> LogRow:
        """Turn a record into a row, in the thread that logged it."""
        exception = None
        if record.exc_info and record.exc_info[0] is not None:
            exception = self._clean(logging.Formatter().formatException(record.exc_info))
        return LogRow(
            at=timestamp(datetime.fromtimestamp(record.created, UTC)),
            level=record.levelno,
            logger=record.name,
            message=self._clean(record.getMessage()),
            request_id=request_id.get(),
            exception=exception,
        )

    def enqueue(self, record: Any) -> None:
        """Queue a row; drop it if the queue is full or closed, since a request must not wait."""
        if self._closing.is_set():
            self._drop(1)
            return
        try:
            self._rows.put_nowait(record)
        except queue.Full:
            self._drop(1)

    def flush(self) -> None:
        """Wait until the rows logged so far are on disk; give up after a moment if the disk does not take them."""
        self._wait_for_writer(2.0)

    def close(self) -> None:
        """Write what is queued and stop. Rows that the disk does not take within some seconds are counted as lost."""
        if self._closing.is_set():
            return
        self._give_up_at = time.monotonic() + CLOSE_WITHIN_S
        self._closing.set()
        self._wait_for_writer(0)
        self._writer.join(CLOSE_WITHIN_S + 5)
        super().close()

    def read(self, query: LogQuery) -> list[dict[str, Any]]:
        """Return the rows that match, newest first, those logged just now included.

        Raises:
            DatabaseError: the database cannot be read.
        """
        self.flush()
        return read_logs(self.database, query)

    def _clean(self, text: str) -> str:
        text = self._redact(text).encode("utf-8", "replace").decode()  # SQLite takes no lone surrogates
        return text if len(text) <= MAX_TEXT else text[:MAX_TEXT] + "..."

    def _wait_for_writer(self, seconds: float) -> None:
        reached = threading.Event()
        try:
            self._rows.put(reached, timeout=0.1)
        except queue.Full:
            return  # the writer is busy, or retries; either way it is awake
        reached.wait(seconds)

    # -- the writer thread --------------------------------------------------------------------------------------------

    def _write(self) -> None:
        connection: sqlite3.Connection | None = None
        written_since_trim, trim_at = TRIM_EVERY_ROWS, 0.0
        stop = False
        while not stop:
            rows, waiting = self._next_batch()
            stop = self._closing.is_set() and self._rows.empty()
            connection = self._store(connection, rows)
            written_since_trim += len(rows)
            if connection and (written_since_trim >= TRIM_EVERY_ROWS or time.monotonic() >= trim_at):
                connection = self._trim(connection)
                written_since_trim, trim_at = 0, time.monotonic() + TRIM_EVERY_S
            for event in waiting:
                event.set()
        if connection:
            connection.close()

    def _next_batch(self) -> tuple[list[LogRow], list[threading.Event]]:
        """Wait for a row, then a little longer for others, unless somebody waits for it to be written."""
        rows: list[LogRow] = []
        waiting: list[threading.Event] = []
        wait = TRIM_EVERY_S
        until: float | None = None
        while len(rows) < BATCH_ROWS:
            try:
                item = self._rows.get(timeout=max(0.0, wait)) if wait > 0 else self._rows.get_nowait()
            except queue.Empty:
                break
            if isinstance(item, threading.Event):
                waiting.append(item)
            else:
                rows.append(item)
            until = until or time.monotonic() + BATCH_WAIT_S
            wait = 0 if waiting or self._closing.is_set() else until - time.monotonic()
        return rows, waiting

    def _store(self, connection: sqlite3.Connection | None, rows: list[LogRow]) -> sqlite3.Connection | None:
        """Write the rows, trying again for as long as the disk fails and the service runs."""
        while True:
            try:
                connection = connection or open_serving(self.database)
                if rows:
                    insert_logs(connection, rows)
            except (DatabaseError, sqlite3.Error) as error:
                self._report(f"the log cannot be written: {error}")
                if connection:
                    connection.close()
                    connection = None
                if not rows:
                    return None
                if time.monotonic() >= self._give_up_at:
                    self._drop(len(rows))
                    _tell(f"{len(rows)} log rows are lost")
                    return None
                self._closing.wait(RETRY_S) if not self._closing.is_set() else time.sleep(0.2)
            else:
                self._recovered()
                return connection

    def _trim(self, connection: sqlite3.Connection) -> sqlite3.Connection | None:
        oldest = timestamp(datetime.now(UTC) - timedelta(days=self._settings.log_max_days))
        try:
            while trim_logs(connection, max_rows=self._settings.log_max_rows, oldest=oldest) == DELETE_BATCH:
                if not self._rows.empty():
                    break  # new rows first; the rest goes with the next ones
        except (DatabaseError, sqlite3.Error) as error:
            self._report(f"old log rows cannot be deleted: {error}")
            connection.close()
            return None
        return connection

    def _report(self, problem: str) -> None:
        if self.problem is None:  # once, not every second
            _tell(f"{self._redact(problem)}; the service goes on")
        self.problem = problem

    def _recovered(self) -> None:
        if self.problem is not None:
            _tell(f"the log can be written again; {self.dropped} rows were lost since the start")
        self.problem = None

    def _drop(self, count: int) -> None:
        with self._drop_lock:
            self.dropped += count


def _tell(text: str) -> None:
    # stderr may be on the disk that fails; the writer must live on all the same
    with suppress(OSError):
        sys.stderr.write(text + "\n")
