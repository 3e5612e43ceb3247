"""The .sql files of both databases run in sqlite3, and existing files stay valid."""

import hashlib
import re
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from db import history, serving
from db.connection import DatabaseError, Migrations, open_writer
from db.history import History
from db.history.schema import MIGRATIONS


def schema(path: Path) -> list[tuple[str, str, str]]:
    """Return all tables, views, indexes and triggers of a file, without comments and spaces."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT type, name, coalesce(sql, '') FROM sqlite_schema ORDER BY 1, 2").fetchall()
    return [(kind, name, re.sub(r"--.*|\s", "", sql)) for kind, name, sql in rows]


@pytest.mark.skipif(shutil.which("sqlite3") is None, reason="needs the command sqlite3")
@pytest.mark.parametrize(
    ("package", "migrations"), [(history, MIGRATIONS), (serving, serving.MIGRATIONS)], ids=["history", "serving"]
)
def test_sql_files_can_be_piped_into_sqlite3(package: object, migrations: Migrations, tmp_path: Path) -> None:
    files = sorted(Path(str(getattr(package, "__file__", ""))).parent.glob("*.sql"), key=lambda file: int(file.stem))
    assert [int(file.stem) for file in files] == list(migrations)
    script = "".join(file.read_text("utf-8") for file in files)
    subprocess.run(["sqlite3", "-bail", tmp_path / "piped.db"], input=script, text=True, timeout=60, check=True)
    open_writer(tmp_path / "opened.db", migrations).close()
    assert schema(tmp_path / "piped.db") == schema(tmp_path / "opened.db")


def test_history_version_6_has_the_schema_of_existing_files(tmp_path: Path) -> None:
    """Five migrations made them; one makes the same schema now, and does not touch such a file."""
    open_writer(tmp_path / "history.db", {version: MIGRATIONS[version] for version in (1, 6)}).close()
    digest = hashlib.sha256(repr(schema(tmp_path / "history.db")).encode()).hexdigest()
    assert digest == "b8f98860026456592bb28a95fae77cad0473563903441278097cb588ff40367a"


@pytest.mark.parametrize("version", [2, 3, 4, 5])
def test_history_of_an_unreleased_version_is_refused_with_advice(version: int, tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    open_writer(path, MIGRATIONS).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(DatabaseError, match=rf"schema {version}\): move it away; the next ping"):
        History(path).games()


def test_power_plays_of_version_7_are_kept_as_manpower_of_unknown_situation(tmp_path: Path) -> None:
    path = tmp_path / "history.db"
    open_writer(path, {version: script for version, script in MIGRATIONS.items() if version <= 7}).close()
    stored = [(2021020329, 100, 220, 1), (2021020329, 220, 300, 0)]
    game = "VALUES (2021020329, 20212022, 2, '', 12, '', '', 0, 15, '', '', 0, 'live', 1, 'REG', 0, 0, '', NULL)"
    with closing(sqlite3.connect(path)) as connection, connection:
        columns = [row[1] for row in connection.execute("PRAGMA table_info(games)")][:19]
        connection.execute(f"INSERT INTO games ({', '.join(columns)}) {game}")
        connection.executemany("INSERT INTO power_plays VALUES (?, ?, ?, ?)", stored)
    open_writer(path, MIGRATIONS).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM power_plays ORDER BY start_s").fetchall() == stored
        assert connection.execute("SELECT * FROM manpower ORDER BY start_s").fetchall() == [
            (2021020329, 100, 220, None, "[]", "[]", "home", 100, ""),  # nobody knows when they were seen
            (2021020329, 220, 300, None, "[]", "[]", "away", 220, ""),
        ]
