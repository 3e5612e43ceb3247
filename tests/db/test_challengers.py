"""The record of the challengers, and what an activation does to it."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

from db.connection import open_writer
from db.serving import MIGRATIONS, Activations, Challengers, StoredChallenger

A, B, C = (StoredChallenger("w", name, "1.0.0", "d") for name in "abc")


def test_record_of_the_version_before_gains_challengers(tmp_path: Path) -> None:
    path = tmp_path / "serving.db"
    assert Challengers(path).all() == []
    assert not path.exists()
    before = {version: script for version, script in MIGRATIONS.items() if version < 5}
    with closing(open_writer(path, before)) as connection:
        connection.execute("INSERT INTO answers VALUES (x'00', '2026-11-28T18:00:00.000Z', x'01')")
    assert Challengers(path).all() == []
    Challengers(path).add(A)
    assert Challengers(path).all() == [A]
    with closing(open_writer(path, MIGRATIONS)) as connection:
        assert connection.execute("SELECT count(*) FROM answers").fetchone()[0] == 1


def test_challengers_are_recorded_once_by_name_in_their_order(tmp_path: Path) -> None:
    record = Challengers(tmp_path / "serving.db")
    for challenger in (B, A, C, replace(B, digest="e", request_id="r")):
        record.add(challenger)
    assert record.all() == [replace(B, digest="e", request_id="r"), A, C]
    record.remove("w", "a", "1.0.0")
    record.remove("w", "a", "2.0.0")
    assert [challenger.model for challenger in record.all()] == ["b", "c"]


def test_activated_model_is_no_challenger_any_more_and_the_former_one_may_be(tmp_path: Path) -> None:
    path = tmp_path / "serving.db"
    record, activations = Challengers(path), Activations(path)
    for challenger in (A, B):
        record.add(challenger)
    activations.record(workspace="w", model="a", version="1.0.0", digest="d", source="cache")
    assert record.all() == [B]
    activations.record(workspace="w", model="b", version="1.0.0", digest="d", source="cache", keep=A)
    assert record.all() == [A]
