"""The record of which model was active when."""

from contextlib import closing
from pathlib import Path

import pytest

from db.connection import open_writer
from db.serving import MIGRATIONS, Activations, LastFollowed


def test_reading_activations_opens_no_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "serving.db"
    record = Activations(path)
    assert (record.latest(), record.previous(), record.newest(5)) == (None, None, [])
    assert not path.exists()
    for model in ("a", "b"):
        record.record(workspace="w", model=model, version="1", digest="d", source="registry")

    def refuse(*_: object) -> None:
        raise AssertionError("a writer was opened")

    monkeypatch.setattr("db.connection.open_writer", refuse)
    monkeypatch.setattr("db.serving.schema.open_writer", refuse)
    latest, previous = record.latest(), record.previous()
    assert latest is not None
    assert previous is not None
    assert (latest.model, previous.model, len(record.newest(5))) == ("b", "a", 2)
    assert [row.model for row in record.newest(1)] == ["b"]


def test_record_of_the_version_before_keeps_its_rows_and_learns_to_follow(tmp_path: Path) -> None:
    path = tmp_path / "serving.db"
    with closing(open_writer(path, {version: MIGRATIONS[version] for version in (1, 2, 3)})) as connection:
        connection.execute(
            "INSERT INTO activations (at, workspace, model, version, digest, source)"
            " VALUES ('2026-11-28T10:00:00.000Z', 'w', 'm', '1.0.0', 'd', 'registry')"
        )
    record = Activations(path)
    assert record.last_followed("w/m:Production") is None
    record.record(workspace="w", model="m", version="2.0.0", digest="d", source="registry", followed="w/m:Production")
    assert [(row.version, row.followed) for row in record.newest(5)] == [("2.0.0", "w/m:Production"), ("1.0.0", None)]


def test_last_followed_is_overruled_by_a_choice_and_forgotten_for_another_stage(tmp_path: Path) -> None:
    record = Activations(tmp_path / "serving.db")

    def activate(version: str, followed: str | None) -> None:
        record.record(workspace="w", model="m", version=version, digest="d", source="cache", followed=followed)

    activate("2.0.0", "w/m:Production")
    assert record.last_followed("w/m:Production") == LastFollowed("2.0.0", is_overruled=False)
    activate("1.0.0", None)
    assert record.last_followed("w/m:Production") == LastFollowed("2.0.0", is_overruled=True)
    activate("3.0.0", "w/m:Staging")
    assert record.last_followed("w/m:Production") is None
    assert record.last_followed("w/m:Staging") == LastFollowed("3.0.0", is_overruled=False)
