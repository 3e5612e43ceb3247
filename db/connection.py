"""Opening SQLite files that several processes share, and bringing their schema up to date."""

import math
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

BUSY_TIMEOUT_S = 10.0


class DatabaseError(Exception):
    """The database file cannot be read or written; the message says which file and what to do."""


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Whether this SQLite has the fix of the WAL-reset bug (https://sqlite.org/wal.html#walresetbug)."""
    fixed_in_branch = {(3, 44): 6, (3, 50): 7, (3, 51): 3}
    major_minor, patch = version[:2], version[2]
    return version >= (3, 52, 0) or patch >= fixed_in_branch.get(major_minor, 1_000)


def open_writer(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    """Open (and create) a database for reading and writing, with `migrations` applied.

    The connection is in autocommit mode: write inside `transaction`. Use one connection a thread.

    Raises:
        DatabaseError: the file or its folder cannot be written, or is not a database.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists() or path.stat().st_size == 0
        connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"cannot open {path}: {error}; check that the folder exists and is writable") from error
    try:
        connection.row_factory = sqlite3.Row
        if is_new:  # an existing file keeps the mode it was created with: others may have it open
            mode = "WAL" if wal_is_safe(sqlite3.sqlite_version_info) else "TRUNCATE"
            connection.execute(f"PRAGMA journal_mode = {mode}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function("ln", 1, math.log, deterministic=True)  # not every SQLite is built with it
        _migrate(connection, migrations)
    except sqlite3.Error as error:
        connection.close()
        raise DatabaseError(f"cannot use {path}: {error}") from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """Open an existing database for reading; a statement that writes fails.

    The file itself is opened for writing where that is allowed, because whoever reads after a killed writer has to
    undo what the writer left half done.

    Raises:
        DatabaseError: there is no such file, or it cannot be read.
    """
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode=rw", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
        )
        connection.execute("PRAGMA query_only = ON")
        connection.execute("SELECT 1 FROM sqlite_master LIMIT 1")
    except sqlite3.Error as error:
        raise DatabaseError(f"cannot read {path}: {error}") from error
    connection.row_factory = sqlite3.Row
    return connection


def backup(source: Path, target: Path) -> None:
    """Copy a database that others may be using into a new file, as of one moment.

    Raises:
        DatabaseError: there is no such database, the target exists already, or it cannot be written.
    """
    if target.exists():
        raise DatabaseError(f"{target} exists already; name a new file for the copy")
    with closing(open_reader(source)) as connection:
        try:
            with closing(sqlite3.connect(target)) as copy:
                connection.backup(copy)
        except sqlite3.Error as error:
            target.unlink(missing_ok=True)
            raise DatabaseError(f"cannot copy {source} to {target}: {error}") from error


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Take the write lock at once, commit at the end, roll back on any exception.

    `BEGIN IMMEDIATE`, because a read that turns into a write fails without waiting when somebody else wrote.

    Raises:
        DatabaseError: SQLite could not write (locked for too long, disk full, damaged file).
    """
    try:
        connection.execute("BEGIN IMMEDIATE")
        try:
            yield connection
        except BaseException:
            connection.execute("ROLLBACK") if connection.in_transaction else None
            raise
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise DatabaseError(f"the database could not be written: {error}") from error


def _migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    if _schema_version(connection) == len(migrations):
        return
    for number in range(1, len(migrations) + 1):
        with transaction(connection):
            # read again under the lock: several processes may start together
            if _schema_version(connection) >= number:
                continue
            for statement in _statements(migrations[number - 1]):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {number}")


def _schema_version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _statements(script: str) -> Iterator[str]:
    # executescript() would commit the transaction that must hold the whole migration
    statement = ""
    for piece in script.split(";")[:-1]:
        statement += piece + ";"
        if sqlite3.complete_statement(statement):  # not inside a trigger or a text
            yield statement
            statement = ""
