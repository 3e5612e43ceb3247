"""serving.db: the prediction service's log, which model was active when, and the answers to requests with a key."""

import logging
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from db.connection import BUSY_TIMEOUT_S, Connection, open_writer, reading, transaction
from db.times import now

FILE_NAME: Final = "serving.db"

MIGRATIONS: Final = (
    """
    CREATE TABLE logs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,  -- pages of /logs are cut by id, so an id is never given out twice
        at TEXT NOT NULL,
        level INTEGER NOT NULL,
        logger TEXT NOT NULL,
        message TEXT NOT NULL,
        request_id TEXT,
        exception TEXT
    ) STRICT;

    CREATE INDEX logs_by_request ON logs (request_id) WHERE request_id IS NOT NULL;

    CREATE TABLE activations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        workspace TEXT NOT NULL,
        model TEXT NOT NULL,
        version TEXT NOT NULL,
        digest TEXT NOT NULL,
        source TEXT NOT NULL CHECK (source IN ('bundled', 'cache', 'registry')),
        request_id TEXT  -- of the request that asked for it; its log rows have the same
    ) STRICT;
    """,
    """
    CREATE INDEX logs_by_time ON logs (at);
    CREATE INDEX logs_of_trouble ON logs (id) WHERE level >= 30;  -- warnings are few, and what is looked for
    """,
    """
    CREATE TABLE answers (
        question BLOB PRIMARY KEY,  -- SHA-256 of Idempotency-Key, model and body
        at TEXT NOT NULL,
        answer BLOB NOT NULL
    ) STRICT;

    CREATE INDEX answers_by_time ON answers (at);
    """,
)

DELETE_BATCH: Final = 1000
READ_TIMEOUT_S: Final = 2.0  # for a lock, when somebody waits for the answer
ROW_BYTES: Final = 500  # what an answer takes on disk and in memory beside itself


class LogRow(NamedTuple):
    """One row of the log; `at` is UTC as `timestamp` writes it, `level` a number of the logging module."""

    at: str
    level: int
    logger: str
    message: str
    request_id: str | None
    exception: str | None


@dataclass(frozen=True)
class LogQuery:
    """Which rows of the log are wanted; None means no limit of that kind.

    `since` and `before` are an id of a row or a `timestamp`. `since` is inclusive for times and exclusive for ids,
    `before` is exclusive.
    """

    limit: int = 100
    min_level: int = 0
    since: int | str | None = None
    before: int | str | None = None
    request_id: str | None = None
    text: str | None = None


@dataclass(frozen=True)
class StoredActivation:
    """A model that was made active, and when."""

    at: str
    workspace: str
    model: str
    version: str
    digest: str
    source: str
    request_id: str | None


def open_serving(path: Path) -> Connection:
    """Open serving.db for writing and create it if need be. One connection a thread.

    Raises:
        DatabaseError: the file or its folder cannot be written, or is not a database.
    """
    return open_writer(path, MIGRATIONS)


def insert_logs(connection: Connection, rows: Sequence[LogRow]) -> None:
    """Append rows to the log, all or none.

    Raises:
        DatabaseError: SQLite could not write.
    """
    with transaction(connection):
        connection.executemany(
            "INSERT INTO logs (at, level, logger, message, request_id, exception) VALUES (?, ?, ?, ?, ?, ?)", rows
        )


def trim_logs(connection: Connection, *, max_rows: int, oldest: str) -> int:
    """Delete up to `DELETE_BATCH` of the oldest rows beyond `max_rows` or from before `oldest`; return how many.

    Small batches keep the write lock short: call it again for as long as it returns `DELETE_BATCH`.

    Raises:
        DatabaseError: SQLite could not write.
    """
    with transaction(connection):
        return connection.execute(
            """
            DELETE FROM logs WHERE id IN (
                SELECT id FROM (SELECT id, at FROM logs ORDER BY id LIMIT :batch)
                WHERE at < :oldest OR id <= (SELECT max(id) FROM logs) - :max_rows)
            """,
            {"batch": DELETE_BATCH, "oldest": oldest, "max_rows": max_rows},
        ).rowcount


def read_logs(path: Path, query: LogQuery, timeout_s: float = READ_TIMEOUT_S) -> list[dict[str, Any]]:
    """Return the rows that match, newest first, each a dict of the table's columns; wait `timeout_s` for a lock.

    Raises:
        DatabaseError: there is no such file, or it cannot be read.
    """
    conditions: list[str] = []
    values: dict[str, Any] = {"limit": query.limit}

    def only(condition: str, **value: int | str | None) -> None:
        if None not in value.values():
            conditions.append(condition)
            values.update(value)

    if query.min_level > 0:
        only("level >= :level", level=query.min_level)
    if query.min_level >= logging.WARNING:
        only("level >= 30")  # as the index has it
    # "+" keeps SQLite from sorting what the index on times gives: along the ids the page is full long before
    only("id > :since" if isinstance(query.since, int) else "+at >= :since", since=query.since)
    only("id < :before" if isinstance(query.before, int) else "+at < :before", before=query.before)
    only("request_id = :request_id", request_id=query.request_id)
    only("instr(lower(message || coalesce(exception, '')), lower(:text)) > 0", text=query.text)
    # the conditions are the literals above; what callers send only ever goes into `values`
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    with reading(path, MIGRATIONS, timeout_s) as connection:
        logs = "logs"
        if isinstance(query.since, str) and _are_few(connection, query.since, query.limit):
            # the page cannot be full, and only the index on times knows where to stop
            logs, where = "logs INDEXED BY logs_by_time", where.replace("+at >= ", "at >= ")
        found = connection.execute(f"SELECT * FROM {logs} {where} ORDER BY id DESC LIMIT :limit", values)  # noqa: S608
        return [dict(row) for row in found]


def _are_few(connection: Connection, since: str, limit: int) -> bool:
    young = "SELECT count(*) FROM (SELECT 1 FROM logs WHERE at >= ? LIMIT ?)"
    return int(connection.execute(young, (since, limit)).fetchone()[0]) < limit


def check(path: Path, timeout_s: float) -> None:
    """Read from the database, to know that it answers within `timeout_s`.

    Raises:
        DatabaseError: there is no such file, or it cannot be read.
    """
    read_logs(path, LogQuery(limit=1), timeout_s)


class StoredAnswers:
    """The answers to requests with an Idempotency-Key, by question. Waits no longer than `timeout_s` for a lock."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def find(self, question: bytes) -> bytes | None:
        """Return the answer to a question; None if there is none.

        Raises:
            DatabaseError: the file cannot be used.
        """
        with reading(self._path, MIGRATIONS, self._timeout_s) as connection:
            found = connection.execute("SELECT answer FROM answers WHERE question = ?", (question,)).fetchone()
        return bytes(found["answer"]) if found else None

    def keep(self, answers: Mapping[bytes, bytes]) -> None:
        """Store answers by question; they are on disk when this returns.

        Raises:
            DatabaseError: SQLite could not write; none was stored.
        """
        at = now()
        with closing(self._open()) as connection, transaction(connection):
            connection.executemany(
                "INSERT OR REPLACE INTO answers (question, at, answer) VALUES (?, ?, ?)",
                [(question, at, answer) for question, answer in answers.items()],
            )

    def questions(self) -> set[bytes]:
        """Return all questions that have an answer.

        Raises:
            DatabaseError: the file cannot be used.
        """
        self._open().close()  # so that there is one from the service's start
        with reading(self._path, MIGRATIONS, self._timeout_s) as connection:
            return {bytes(row["question"]) for row in connection.execute("SELECT question FROM answers")}

    def size(self) -> int:
        """Return how many bytes the answers take.

        Raises:
            DatabaseError: the file cannot be used.
        """
        with reading(self._path, MIGRATIONS, self._timeout_s) as connection:
            found = connection.execute("SELECT count(*) AS rows, total(length(answer)) AS bytes FROM answers")
            row = found.fetchone()
            return int(row["bytes"]) + ROW_BYTES * int(row["rows"])

    def trim(self, oldest: str, max_bytes: int) -> int:
        """Delete up to `DELETE_BATCH` answers from before `oldest`, or the oldest beyond `max_bytes`; return how many.

        Raises:
            DatabaseError: SQLite could not write.
        """
        excess = self.size() - max_bytes
        with closing(self._open()) as connection, transaction(connection):
            return connection.execute(
                """
                DELETE FROM answers WHERE question IN (
                    SELECT question FROM (
                        SELECT question, at, sum(length(answer) + :row) OVER (ORDER BY at, question) AS so_far,
                            length(answer) + :row AS own
                        FROM (SELECT question, at, answer FROM answers ORDER BY at, question LIMIT :batch))
                    WHERE at < :oldest OR so_far - own < :excess)
                """,
                {"batch": DELETE_BATCH, "oldest": oldest, "excess": excess, "row": ROW_BYTES},
            ).rowcount

    def _open(self) -> Connection:
        return open_writer(self._path, MIGRATIONS, self._timeout_s)


class Activations:
    """The record of which model was made active when, newest last."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(
        self,
        *,
        workspace: str,
        model: str,
        version: str,
        digest: str,
        source: str,
        request_id: str | None = None,
    ) -> None:
        """Append an activation; it is on disk when this returns.

        Raises:
            DatabaseError: SQLite could not write.
        """
        with closing(open_serving(self._path)) as connection, transaction(connection):
            connection.execute(
                """
                INSERT INTO activations (at, workspace, model, version, digest, source, request_id)
                VALUES (?, ?, ?, ?, ?, ?, ?)
                """,
                (now(), workspace, model, version, digest, source, request_id),
            )

    def latest(self) -> StoredActivation | None:
        """Return the newest activation; None if there never was one.

        Raises:
            DatabaseError: the file cannot be used.
        """
        return next(iter(self.newest(1)), None)

    def previous(self) -> StoredActivation | None:
        """Return the newest activation of another model than the latest one; None if there is none.

        Raises:
            DatabaseError: the file cannot be used.
        """
        found = self._all(
            """
            SELECT * FROM activations
            WHERE (workspace, model, version) IS NOT (
                SELECT workspace, model, version FROM activations ORDER BY id DESC LIMIT 1)
            ORDER BY id DESC LIMIT 1
            """
        )
        return next(iter(found), None)

    def newest(self, limit: int, timeout_s: float = BUSY_TIMEOUT_S) -> list[StoredActivation]:
        """Return up to `limit` activations, newest first; wait `timeout_s` for a lock.

        Raises:
            DatabaseError: the file cannot be used.
        """
        return self._all("SELECT * FROM activations ORDER BY id DESC LIMIT ?", limit, timeout_s=timeout_s)

    def _all(self, select: str, *values: int, timeout_s: float = BUSY_TIMEOUT_S) -> list[StoredActivation]:
        open_writer(self._path, MIGRATIONS, timeout_s).close()  # so that there is one from the service's start
        with reading(self._path, MIGRATIONS, timeout_s) as connection:
            rows = [dict(row) for row in connection.execute(select, values)]
        return [StoredActivation(**{key: value for key, value in row.items() if key != "id"}) for row in rows]
