"""A wrong clock that is corrected: times may look odd, but what is stored, scored and shown is right."""

import re
import sqlite3
from contextlib import closing
from pathlib import Path

from db.serving import FILE_NAME
from tests.conftest import Service, running_service
from tests.helpers import Clock, make_client, reported
from tests.promises.helpers import LENGTH_S, contents, copies_of_the_sample, replayed, stored_predictions, undisturbed

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")


def move_times_ahead(database: Path) -> int:
    """Move all stored times 60 years ahead, and return how many there are."""
    changed = 0
    with closing(sqlite3.connect(database)) as connection:
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        for table in tables:
            for column in [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]:
                if column == "at" or column.endswith("_at"):
                    future = f"UPDATE {table} SET {column} = '2086' || substr({column}, 5) WHERE {column} IS NOT NULL"
                    changed += connection.execute(future).rowcount
        connection.commit()
    return changed


def test_pings_after_the_clock_was_set_back_complete_the_game(tmp_path: Path, service: Service) -> None:
    clock, database = Clock(), tmp_path / "data" / "history.db"
    games = copies_of_the_sample(tmp_path / "games", 1)
    with replayed(tmp_path / "games", clock) as feed_url:
        client = make_client(tmp_path / "data", feed_url, service.url)
        for clock.seconds in (0.0, LENGTH_S / 3, LENGTH_S / 2):
            client.ping(games[0])
        assert move_times_ahead(database) > 50
        assert not client.ping(games[0]).changed
        clock.seconds = 2.0 * LENGTH_S
        report = reported(client, client.ping(games[0]))
    assert report.pending == 0
    assert report.pinged_at < "2086"
    assert service.rows_scored() == stored_predictions(database)
    assert contents(database) == undisturbed(tmp_path / "games", tmp_path / "calm", games, service.url)


def test_service_after_the_clock_was_set_back_keeps_its_order(tmp_path: Path) -> None:
    with running_service(tmp_path) as service:
        service.client.download_registry_model("bundled", "xg-distance")
        assert len(service.client.logs(q="xg-distance"))
    assert move_times_ahead(tmp_path / FILE_NAME) > 2
    with running_service(tmp_path) as service:
        assert service.client.model().model == "xg-distance"
        service.client.download_registry_model("bundled", "xg-distance-angle")
        shown = service.client.logs(limit=1000)
        assert shown["id"].is_monotonic_decreasing
        assert shown.iloc[0]["at"] < shown.iloc[-1]["at"], "newest first, whatever the clock said"
    with running_service(tmp_path) as service:
        assert service.client.model().model == "xg-distance-angle"
        assert service.client.rollback().model.model == "xg-distance"
