"""Opening shared SQLite files: migrations under several processes, roll-back, and errors in words."""

import multiprocessing
import os
import signal
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from db.connection import Connection, DatabaseError, is_there, open_reader, open_writer, transaction, wal_is_safe

MIGRATIONS = {
    1: "CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT; INSERT INTO numbers VALUES (1);",
    2: "INSERT INTO numbers SELECT max(n) + 1 FROM numbers;",
}


def _open(path: Path) -> int:
    with closing(open_writer(path, MIGRATIONS)) as connection:
        return int(connection.execute("SELECT count(*) FROM numbers").fetchone()[0])


def test_processes_starting_together_migrate_once(tmp_path: Path) -> None:
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert pool.map(_open, [tmp_path / "new.db"] * 8) == [2] * 8


def test_writer_waits_while_another_process_creates_the_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("db.connection.wal_is_safe", lambda _version: True)  # as it is with a newer SQLite
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        timer = threading.Timer(0.3, other.execute, ["COMMIT"])
        timer.start()
        assert _open(tmp_path / "a.db") == 2
        timer.join()


def test_failed_migration_leaves_nothing_behind(tmp_path: Path) -> None:
    broken = {1: MIGRATIONS[1], 2: "INSERT INTO numbers VALUES (7); INSERT INTO nowhere VALUES (1);"}
    with pytest.raises(DatabaseError, match="nowhere"):
        open_writer(tmp_path / "a.db", broken)
    assert _open(tmp_path / "a.db") == 2  # 1 and its successor, no 7


@pytest.mark.parametrize("open_it", [open_writer, open_reader])
def test_file_of_an_unreleased_version_is_refused_and_unchanged(
    tmp_path: Path, open_it: Callable[[Path, dict[int, str]], Connection]
) -> None:
    path = tmp_path / "a.db"
    open_writer(path, MIGRATIONS).close()
    content = path.read_bytes()
    with pytest.raises(DatabaseError, match=r"a\.db .* never released \(schema 2\): move it away"):
        open_it(path, {1: MIGRATIONS[1], 3: MIGRATIONS[2]})
    assert path.read_bytes() == content


def test_failed_transaction_is_rolled_back(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path / "a.db", MIGRATIONS)) as connection:
        with pytest.raises(KeyError), transaction(connection):
            connection.execute("INSERT INTO numbers VALUES (9)")
            raise KeyError("something else went wrong")
        with pytest.raises(DatabaseError, match="UNIQUE"), transaction(connection):
            connection.execute("INSERT INTO numbers VALUES (8), (1)")
    assert _open(tmp_path / "a.db") == 2


def test_reader_cannot_write(tmp_path: Path) -> None:
    _open(tmp_path / "a.db")
    with (
        closing(open_reader(tmp_path / "a.db")) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM numbers")


def _die_while_writing(path: Path) -> None:
    connection = open_writer(path, MIGRATIONS)
    connection.execute("PRAGMA cache_size = 1")  # so that the file itself is written before the commit
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("DELETE FROM numbers")
    connection.executemany("INSERT INTO numbers VALUES (?)", [(n,) for n in range(100, 20_000)])
    os.kill(os.getpid(), signal.SIGKILL)


def test_killed_writers_work_is_undone_by_the_next_reader(tmp_path: Path) -> None:
    _open(tmp_path / "a.db")
    process = multiprocessing.get_context("spawn").Process(target=_die_while_writing, args=(tmp_path / "a.db",))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    with closing(open_reader(tmp_path / "a.db")) as connection:
        assert connection.execute("SELECT count(*) FROM numbers").fetchone()[0] == 2


def test_unusable_files_are_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this is no database, whatever its name says " * 50)
    with pytest.raises(DatabaseError, match=r"text\.db"):
        open_writer(tmp_path / "text.db", MIGRATIONS)
    with pytest.raises(DatabaseError, match=r"none\.db"):
        open_reader(tmp_path / "none.db")
    with pytest.raises(DatabaseError, match="folder"):
        open_writer(tmp_path / "text.db" / "below.db", MIGRATIONS)


@pytest.mark.parametrize(
    ("version", "safe"),
    [
        ((3, 40, 1), False),
        ((3, 44, 5), False),
        ((3, 44, 6), True),
        ((3, 46, 1), False),
        ((3, 50, 7), True),
        ((3, 51, 2), False),
        ((3, 51, 3), True),
        ((3, 52, 0), True),
        ((3, 53, 1), True),
    ],
)
def test_wal_is_used_only_where_its_reset_bug_is_fixed(
    version: tuple[int, int, int], safe: bool, tmp_path: Path
) -> None:
    assert wal_is_safe(version) is safe
    for _ in range(2):  # the second connection finds the file as the first left it
        with closing(open_writer(tmp_path / "a.db", MIGRATIONS)) as connection:
            mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
        assert mode == ("wal" if wal_is_safe(sqlite3.sqlite_version_info) else "truncate")


def test_file_in_wal_mode_keeps_it(tmp_path: Path) -> None:
    with closing(open_writer(tmp_path / "a.db", MIGRATIONS)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
    with closing(open_writer(tmp_path / "a.db", MIGRATIONS)) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_a_database_whose_folder_is_a_file_is_not_taken_for_a_missing_one(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    with pytest.raises(DatabaseError, match="data"):
        is_there(tmp_path / "data" / "serving.db")
    assert not is_there(tmp_path / "other" / "serving.db")
