"""Copying the history while it is in use."""

from contextlib import closing
from pathlib import Path

import pytest

from db.connection import DatabaseError, backup, open_reader, open_writer, transaction
from scripts import backup as command

MIGRATIONS = ("CREATE TABLE numbers (n INTEGER PRIMARY KEY) STRICT; INSERT INTO numbers VALUES (1);",)


def test_a_copy_holds_what_was_committed_and_no_more(tmp_path: Path) -> None:
    source, target = tmp_path / "a.db", tmp_path / "copy.db"
    with closing(open_writer(source, MIGRATIONS)) as connection, transaction(connection):
        connection.execute("INSERT INTO numbers VALUES (2)")
        backup(source, target)
    with closing(open_reader(target)) as copy:
        assert copy.execute("SELECT count(*) FROM numbers").fetchone()[0] == 1
    with pytest.raises(DatabaseError, match="copy"):
        backup(source, target)  # never over something that is there


def test_the_command_says_what_it_did_or_why_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XG_DATA_DIR", str(tmp_path))
    assert command.main([str(tmp_path / "copy.db")]) == 5
    assert "history.db" in capsys.readouterr().err
    open_writer(tmp_path / "history.db", MIGRATIONS).close()
    assert command.main([str(tmp_path / "copy.db")]) == 0
    assert "bytes" in capsys.readouterr().out
