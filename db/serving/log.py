"""The service's log."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from db.connection import Connection, reading, transaction
from db.serving.schema import DELETE_BATCH, MIGRATIONS, READ_TIMEOUT_S


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
    """Which rows of the log to return; None means no limit of that kind.

    `since` and `before` are an id of a row or a `timestamp`. `since` is inclusive for times and exclusive for ids,
    `before` is exclusive.
    """

    limit: int = 100
    min_level: int = 0
    since: int | str | None = None
    before: int | str | None = None
    request_id: str | None = None
    text: str | None = None
    with_reads: bool = True  # whether to return requests that only read, GET, and succeeded


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

    Call it again for as long as it returns `DELETE_BATCH`.

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
    conditions, values = _conditions(query)
    # the conditions are literals; what callers send only ever goes into `values`
    where = f"WHERE {' AND '.join(conditions)}" if conditions else ""
    with reading(path, MIGRATIONS, timeout_s) as connection:
        logs = "logs"
        if isinstance(query.since, str) and _are_few(connection, query.since, query.limit):
            # the page will not be full, so reading by id would scan the whole table
            logs, where = "logs INDEXED BY logs_by_time", where.replace("+at >= ", "at >= ")
        found = connection.execute(f"SELECT * FROM {logs} {where} ORDER BY id DESC LIMIT :limit", values)  # noqa: S608
        return [dict(row) for row in found]


def _conditions(query: LogQuery) -> tuple[list[str], dict[str, Any]]:
    """Return the conditions of a query in SQL, and the values of their parameters and of the limit."""
    # "+" hides the index on times from SQLite: reading by id fills the page sooner, without sorting
    wanted = {
        "since": "id > :since" if isinstance(query.since, int) else "+at >= :since",
        "before": "id < :before" if isinstance(query.before, int) else "+at < :before",
        "request_id": "request_id = :request_id",
        "text": "instr(lower(message || coalesce(exception, '')), lower(:text)) > 0",
    }
    values = {name: getattr(query, name) for name in wanted if getattr(query, name) is not None}
    conditions = [wanted[name] for name in values]
    if query.min_level > 0:
        conditions.append("level >= :level")
    if not query.with_reads:
        conditions.append("NOT (level < 30 AND message LIKE 'GET /%')")
    if query.min_level >= logging.WARNING:
        conditions.append("level >= 30")  # the index has this very condition
    return conditions, values | {"level": query.min_level, "limit": query.limit}


def _are_few(connection: Connection, since: str, limit: int) -> bool:
    young = "SELECT count(*) FROM (SELECT 1 FROM logs WHERE at >= ? LIMIT ?)"
    return int(connection.execute(young, (since, limit)).fetchone()[0]) < limit


def check(path: Path, timeout_s: float) -> None:
    """Check that the database answers within `timeout_s`.

    Raises:
        DatabaseError: there is no such file, or it cannot be read.
    """
    read_logs(path, LogQuery(limit=1), timeout_s)
