"""The record of which model was active when."""

from pathlib import Path

import pytest

from db.serving import Activations


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
