"""Copying the history while it is in use."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from db.backup import backup
from db.connection import DatabaseError, open_reader, open_writer, transaction
from db.serving import open_serving
from scripts import backup as command

MIGRATIONS = {1: "CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT; INSERT INTO numbers VALUES (1);"}


def test_copy_holds_committed_rows_only(tmp_path: Path) -> None:
    source, target = tmp_path / "a.db", tmp_path / "copy.db"
    with closing(open_writer(source, MIGRATIONS)) as connection, transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (2)")
        backup(source, target)
    with closing(open_reader(target)) as copy:
        assert copy.execute("SELECT count(*) FROM numbers").fetchone()[0] == 1
    with pytest.raises(DatabaseError, match="copy"):
        backup(source, target)  # never over an existing file


def test_damaged_database_is_reported_and_not_copied(tmp_path: Path) -> None:
    source, target = tmp_path / "a.db", tmp_path / "copy.db"
    with closing(open_writer(source, MIGRATIONS)) as connection, transaction(connection):
        connection.execute("CREATE TABLE parents (p INTEGER PRIMARY KEY) STRICT")
        connection.execute("CREATE TABLE children (p INTEGER REFERENCES parents (p)) STRICT")
    with closing(sqlite3.connect(source)) as other:  # SQLite does not enforce foreign keys by default
        other.execute("INSERT INTO children VALUES (7)")
        other.commit()
    with pytest.raises(DatabaseError, match=r"a row of children without its row of parents.*damaged"):
        backup(source, target)
    content = bytearray(source.read_bytes())
    content[4096 : 4096 + 100] = bytes(100)
    source.write_bytes(content)
    with pytest.raises(DatabaseError, match=r"a\.db.*damaged"):
        backup(source, target)
    assert [path.name for path in tmp_path.glob("copy*")] == []


def test_only_abandoned_parts_of_copies_are_removed(tmp_path: Path) -> None:
    open_writer(tmp_path / "a.db", MIGRATIONS).close()
    left, at_work = tmp_path / "copy.db.1.part", tmp_path / "copy.db.2.part"
    for part in (left, at_work):
        part.write_bytes(b"half of it")
    os.utime(left, (0, 0))
    backup(tmp_path / "a.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").read_bytes() == (tmp_path / "a.db").read_bytes()
    assert [path.name for path in tmp_path.glob("*.part")] == [at_work.name]


def test_backup_command_reports_its_copies_and_refusals(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XG_DATA_DIR", str(tmp_path))
    copies = tmp_path / "copies" / "monday"
    assert command.main([str(copies)]) == 5
    assert "history.db" in capsys.readouterr().err
    open_writer(tmp_path / "history.db", MIGRATIONS).close()
    assert command.main([str(copies)]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{copies / 'history.db'}: 8,192 bytes, checked"]
    assert command.main([str(copies)]) == 5
    assert "exists already" in capsys.readouterr().err
    open_serving(tmp_path / "serving.db").close()
    assert command.main([str(tmp_path / "copies" / "tuesday")]) == 0
    assert capsys.readouterr().out.count("checked") == 2
    assert command.main([str(tmp_path / "history.db")]) == 5
    assert "history.db" in capsys.readouterr().err
