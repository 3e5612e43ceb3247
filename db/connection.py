"""Open SQLite files that several processes share, and bring their schema up to date."""

import math
import os
import sqlite3
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, Literal
from urllib.parse import quote

import msgspec

from db.files import may_be_written, why

BUSY_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.01

DAMAGED: Final = (
    "the file is damaged, or not of this program: stop everything that uses it, move it and its -journal, -wal and -shm"
    " away, and put the last copy that scripts/backup.py made in its place"
)
_ADVICE: Final = {
    sqlite3.SQLITE_BUSY: "another process holds it; try again",
    sqlite3.SQLITE_CORRUPT: DAMAGED,
    sqlite3.SQLITE_ERROR: DAMAGED,  # our statements are right, so the tables or their contents are wrong
    sqlite3.SQLITE_FULL: "this was not stored, everything before it is; make room and try again",
    sqlite3.SQLITE_IOERR: "this was not stored, everything before it is; check the disk and its space, and try again",
    sqlite3.SQLITE_NOTADB: DAMAGED,
}

# SQL scripts by the version that they bring a file to (its `user_version`), ascending
Migrations = Mapping[int, str]


class DatabaseError(Exception):
    """The database file cannot be read or written; the message says which file and what to do."""


class Connection(sqlite3.Connection):
    """An open database that knows its file, and the versions that it may have (None: any)."""

    path: Path
    versions: Collection[int] | None


def wal_is_safe(version: tuple[int, int, int]) -> bool:
    """Return whether this SQLite has the fix of the WAL-reset bug (https://sqlite.org/wal.html#walresetbug)."""
    fixed_in_branch = {(3, 44): 6, (3, 50): 7, (3, 51): 3}
    major_minor, patch = version[:2], version[2]
    return version >= (3, 52, 0) or patch >= fixed_in_branch.get(major_minor, 1_000)


def open_writer(path: Path, migrations: Migrations, timeout_s: float = BUSY_TIMEOUT_S) -> Connection:
    """Open (and create) a database for reading and writing, with `migrations` applied.

    The connection is in autocommit mode: write inside `transaction`. Use one connection per thread. `timeout_s` is how
    long to wait for another process's lock, here and later on.

    Raises:
        DatabaseError: the file or its folder cannot be written, is not a database, or has an unknown version.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        is_new = not path.exists() or path.stat().st_size == 0
    except OSError as error:
        raise _cannot_open(path, error) from error
    connection = connect(path, "rwc", migrations, timeout_s)
    try:
        with explained(f"cannot use {path}", path):
            _choose_journal(connection, is_new=is_new)
            connection.execute("PRAGMA foreign_keys = ON")
            connection.create_function("ln", 1, math.log, deterministic=True)  # not every SQLite is built with it
            _migrate(connection, migrations)
    except DatabaseError:
        connection.close()
        raise
    return connection


def open_reader(path: Path, migrations: Migrations | None = None, timeout_s: float = BUSY_TIMEOUT_S) -> Connection:
    """Open an existing database for reading; a statement that writes fails.

    With `migrations`, a database of an older version is first brought up to date. The file itself is opened for
    writing where that is allowed, because the first reader after a killed writer has to undo its unfinished work.

    Raises:
        DatabaseError: there is no such file, it cannot be read, or it has an unknown version.
    """
    connection = connect(path, "rw", migrations, timeout_s)
    try:
        with explained(f"cannot read {path}", path):
            connection.execute("PRAGMA query_only = ON")
            version = _known_version(connection)
        if migrations is not None and version < max(migrations):
            open_writer(path, migrations, timeout_s).close()
    except DatabaseError:
        connection.close()
        raise
    return connection


def is_there(path: Path) -> bool:
    """Return whether the database exists.

    Raises:
        DatabaseError: its folder is a file, or may not be read by this user.
    """
    try:
        path.stat()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise _cannot_open(path, error) from error
    return True


@contextmanager
def reading(
    path: Path, migrations: Migrations | None = None, timeout_s: float = BUSY_TIMEOUT_S
) -> Iterator[Connection]:
    """Open a database as `open_reader` does, show it as of one moment, and close it.

    Raises:
        DatabaseError: as `open_reader`, or a query cannot be answered.
    """
    with closing(open_reader(path, migrations, timeout_s)) as connection, explained(f"cannot read {path}", path):
        connection.execute("BEGIN")
        yield connection


@contextmanager
def transaction(connection: Connection) -> Iterator[Connection]:
    """Take the write lock at once, commit at the end, roll back on any exception.

    `BEGIN IMMEDIATE`, because a read that turns into a write fails without waiting if another process wrote meanwhile.

    Raises:
        DatabaseError: SQLite could not write (locked for too long, disk full, damaged file), or a newer version has
            migrated the database since it was opened.
    """
    with explained(f"cannot write {connection.path}", connection.path):
        try:
            connection.execute("BEGIN IMMEDIATE")
            _known_version(connection)
            yield connection
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:  # SQLite itself rolls back on some errors
                connection.execute("ROLLBACK")
            raise


def connect(
    path: Path, mode: Literal["rw", "rwc"], migrations: Migrations | None, timeout_s: float = BUSY_TIMEOUT_S
) -> Connection:
    """Open the file, whatever its version is.

    Raises:
        DatabaseError: it cannot be opened.
    """
    with explained(f"cannot open {path}", path):
        connection = sqlite3.connect(
            f"file:{quote(bytes(path))}?mode={mode}",
            uri=True,
            timeout=timeout_s,
            isolation_level=None,
            factory=Connection,
        )
    connection.row_factory = sqlite3.Row
    connection.path = path
    connection.versions = None if migrations is None else migrations.keys()
    return connection


def _cannot_open(path: Path, error: OSError) -> DatabaseError:
    return DatabaseError(f"cannot open {path}: {why(path, error)}")


@contextmanager
def explained(what: str, path: Path) -> Iterator[None]:
    """Turn an error of SQLite, or of damaged text, into a `DatabaseError` that says `what` failed and what to do."""
    try:
        yield
    except (sqlite3.Error, UnicodeDecodeError, msgspec.DecodeError) as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        if code == sqlite3.SQLITE_READONLY_DBMOVED:  # SQLite calls it read-only
            raise DatabaseError(
                f"{what}: the file was moved or removed while it was in use; put it back where it was (XG_DATA_DIR), or"
                " start again without it"
            ) from error
        is_ours = isinstance(error, sqlite3.InterfaceError | sqlite3.ProgrammingError)  # such as a value it cannot hold
        advice = "" if is_ours else _advice(code & 0xFF, path)
        said = "".join(character for character in str(error)[:200] if character.isprintable())
        raise DatabaseError(f"{what}: {said}{advice and '; '}{advice}") from error


def _advice(primary: int, path: Path) -> str:
    """Return advice on an error of SQLite with this file; "" if there is none."""
    if primary == sqlite3.SQLITE_CANTOPEN and not os.path.isdir(path.parent):  # noqa: PTH112 - raises nothing
        return "check that its folder exists (XG_DATA_DIR)"
    if primary == sqlite3.SQLITE_CANTOPEN and not os.path.exists(path) and os.access(path.parent, os.W_OK):  # noqa: PTH110
        return "there is no such file; check XG_DATA_DIR"
    if primary in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM, sqlite3.SQLITE_READONLY):
        return may_be_written(path)
    return _ADVICE.get(primary, "")


def _choose_journal(connection: Connection, *, is_new: bool) -> None:
    if is_new and wal_is_safe(sqlite3.sqlite_version_info):
        _begin_wal(connection)
    # WAL is the only mode stored in the file; it stays, since others may have the file open
    elif connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        connection.execute("PRAGMA journal_mode = TRUNCATE")


def _begin_wal(connection: Connection) -> None:
    give_up = time.monotonic() + BUSY_TIMEOUT_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # the only lock that SQLite does not wait for; processes that start together all want it
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() >= give_up:
                raise
            time.sleep(_POLL_S)
        else:
            return


def _migrate(connection: Connection, migrations: Migrations) -> None:
    if _known_version(connection) == max(migrations):
        return
    for version, script in migrations.items():
        with transaction(connection):
            # read again under the lock: several processes may start together
            if _known_version(connection) >= version:
                continue
            for statement in _statements(script):
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version}")


def _known_version(connection: Connection) -> int:
    """Return the version that the file has, 0 for a new one.

    Raises:
        DatabaseError: this program does not know that version.
    """
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if connection.versions is None or version in (0, *connection.versions):
        return version
    newest = max(connection.versions)
    if version > newest:
        raise DatabaseError(
            f"{connection.path} was made by a newer version of this program (schema {version}, this one knows"
            f" {newest}); update this one, or name another folder in XG_DATA_DIR"
        )
    raise DatabaseError(
        f"{connection.path} was made by a version of this program that was never released (schema {version}): move it"
        " away; the next ping or backfill makes a new one"
    )


def _statements(script: str) -> Iterator[str]:
    # executescript() would commit the transaction that must hold the whole migration
    statement = ""
    for piece in script.split(";")[:-1]:
        statement += piece + ";"
        if sqlite3.complete_statement(statement):  # not inside a trigger or a text
            yield statement
            statement = ""
