"""Two versions of this program on one database: the older one stops with a message, and nothing is lost."""

import multiprocessing
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from db import serving
from db.backup import backup
from db.connection import DatabaseError, open_reader, open_writer
from db.history import History
from db.history.schema import MIGRATIONS
from tests.conftest import Service
from tests.helpers import ROOT, Clock, environment, make_client
from tests.promises.helpers import LENGTH_S, copies_of_the_sample, is_sound, replayed, write_as_the_old_version
from tests.xgserve.helpers import running

NEWER = MIGRATIONS | {max(MIGRATIONS) + 1: "CREATE TABLE of_the_future (n INTEGER PRIMARY KEY) STRICT;"}


def test_history_of_a_newer_version_is_refused_and_unchanged(tmp_path: Path, service: Service) -> None:
    (game_id,) = copies_of_the_sample(tmp_path / "games", 1)
    database = tmp_path / "data" / "history.db"
    with replayed(tmp_path / "games", Clock(LENGTH_S / 2)) as feed_url:
        client = make_client(tmp_path / "data", feed_url, service.url)
        client.ping(game_id)
        open_writer(database, NEWER).close()
        content = database.read_bytes()
        command = [sys.executable, "scripts/ping_game.py", str(game_id)]
        env = environment(tmp_path / "data", feed_url, service.url)
        ran = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
    words = f"newer version of this program (schema {max(NEWER)}, this one knows {max(MIGRATIONS)}); update"
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (5, "", 1)
    assert words in ran.stderr
    with pytest.raises(DatabaseError, match="newer version"):
        client.report(game_id)
    assert database.read_bytes() == content
    backup(database, tmp_path / "copy.db")  # a copy needs no knowledge of the tables


def test_service_on_a_newer_log_predicts_and_reports_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("xgserve.log.handler.CLOSE_WITHIN_S", 0.1)  # for rows that cannot be written
    path = tmp_path / "serving.db"
    open_writer(path, serving.MIGRATIONS | {99: "CREATE TABLE of_the_future (n INTEGER) STRICT;"}).close()
    content = path.read_bytes()
    with running(tmp_path) as service:
        ready = service.get("/ready")
        assert ready.status_code == 503
        assert "newer version" in ready.json()["checks"]["database"]["problem"]
        row = service.get("/model").json()["golden_row"]["values"]
        assert service.post("/predict", [row]).status_code == 200
    assert path.read_bytes() == content
    assert "newer version" in capfd.readouterr().err


@pytest.mark.parametrize("version", sorted(MIGRATIONS)[:-1])
def test_reader_migrates_an_older_history(tmp_path: Path, version: int) -> None:
    """The page of a new version may be opened before the first ping of it."""
    database = tmp_path / "history.db"
    open_writer(database, {v: script for v, script in MIGRATIONS.items() if v <= version}).close()
    assert History(database).games() == []
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (max(MIGRATIONS),)


@pytest.mark.parametrize("journal", ["truncate", "wal"])
def test_old_writers_are_refused_after_a_migration_and_lose_nothing(tmp_path: Path, journal: str) -> None:
    database = tmp_path / "history.db"
    with closing(open_writer(database, {1: MIGRATIONS[1]})) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    flags = [tmp_path / f"writer{number}" for number in range(3)]
    with multiprocessing.get_context("spawn").Pool(len(flags)) as pool:
        writers = pool.starmap_async(write_as_the_old_version, [(database, flag) for flag in flags])
        while not all(flag.exists() for flag in flags):
            time.sleep(0.01)
        time.sleep(0.2)
        open_writer(database, MIGRATIONS).close()
        found = writers.get(60)
    assert {said.partition(" was made by a ")[2][:13] for _, said in found} == {"newer version"}
    with closing(open_reader(database, MIGRATIONS)) as connection:
        stored = connection.execute("SELECT count(*) FROM models").fetchone()[0]
    assert stored == sum(written for written, _ in found) > 0
    assert is_sound(database)
