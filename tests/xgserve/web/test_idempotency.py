"""Idempotency-Key: a repeated request gets the same answer, and is scored once."""

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from db.connection import transaction
from db.serving import ROW_BYTES, open_serving
from tests.xgserve.helpers import Running, bundle, bundled_models, numeric_model, running, shots
from xgserve.client import ModelChanged, ServingClient
from xgserve.web import idempotency

ROWS: list[dict[Any, Any]] = shots(3)[["distance", "angle"]].to_dict("records")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    bundle(tmp_path / "models", numeric_model())
    bundle(tmp_path / "models", numeric_model(strength=0.01), "other")
    with bundled_models(tmp_path / "models"), running(tmp_path / "data") as service:
        yield service


def ask(service: Running, key: str, rows: list[dict[Any, Any]] = ROWS) -> requests.Response:
    return service.post("/predict", rows, Idempotency_Key=key)


def test_repeated_request_is_scored_once_and_answered_twice(service: Running) -> None:
    first, second = ask(service, '"a1"'), ask(service, '"a1"')
    assert (first.status_code, first.content, first.headers["Content-Type"]) == (
        200, second.content, second.headers["Content-Type"],
    )  # fmt: skip
    assert service.rows_scored() == 3
    notes = [row["message"] for row in service.get("/logs?q=/predict").json()["logs"]]
    assert [("answered before" in note, "3 rows by" in note) for note in notes] == [(True, False), (False, True)]


def test_request_without_key_or_with_other_key_or_body_is_scored_again(service: Running) -> None:
    ask(service, "a1")
    service.post("/predict", ROWS)
    service.post("/predict", ROWS)
    ask(service, "a2")
    other = ask(service, "a1", ROWS[:1])
    assert len(other.json()["predictions"]) == 1
    assert service.rows_scored() == 13


def test_repeated_request_after_a_swap_is_scored_by_the_new_model(service: Running) -> None:
    frame = shots(3)[["distance", "angle"]]
    client = ServingClient(service.url)
    first = client.predict(frame, idempotency_key="a1")
    client.download_registry_model("bundled", "other")
    with pytest.raises(ModelChanged):
        client.predict(frame, if_match=first.model_id, idempotency_key="a1")
    second = client.predict(frame, idempotency_key="a1")
    assert (second.model.model, service.rows_scored()) == ("other", 6)
    client.rollback()
    assert client.predict(frame, if_match=first.model_id, idempotency_key="a1").probabilities.equals(
        first.probabilities
    )
    assert service.rows_scored() == 6


def test_failed_request_is_not_remembered(service: Running) -> None:
    assert [ask(service, "a1", [{"distance": "far"}]).status_code for _ in range(2)] == [422, 422]
    assert ask(service, "a1").status_code == 200


def test_simultaneous_requests_with_one_key_are_scored_once(service: Running) -> None:
    barrier = threading.Barrier(8)

    def together(_: int) -> bytes:
        barrier.wait()
        return ask(service, "a1").content

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(together, range(8)))) == 1
    assert service.rows_scored() == 3


def test_answers_survive_a_restart_and_a_thousand_others(service: Running, tmp_path: Path) -> None:
    first = ask(service, "a1")
    for number in range(1001):
        service.app.answers.once(f"other {number}", "a model", b"[]", lambda: b"{}")
    assert (ask(service, "a1").content, service.rows_scored()) == (first.content, 3)
    with running(tmp_path / "data") as killed:  # the first is still open, as if it had been killed
        assert (ask(killed, "a1").content, killed.rows_scored()) == (first.content, 0)
        assert (ask(killed, "a1", ROWS[:1]).status_code, killed.rows_scored()) == (200, 1)


def test_old_answers_are_deleted(service: Running, tmp_path: Path) -> None:
    for key in ("old", "young"):
        ask(service, key)
    database = tmp_path / "data" / "serving.db"
    with closing(open_serving(database)) as connection, transaction(connection):
        (oldest,) = connection.execute("SELECT min(rowid) FROM answers").fetchone()
        connection.execute("UPDATE answers SET at = '2020-01-01T00:00:00.000Z' WHERE rowid = ?", (oldest,))
    with running(tmp_path / "data") as later:
        ask(later, "another")  # the first write after a start deletes old answers
        before = later.rows_scored()
        ask(later, "young")
        assert later.rows_scored() == before
        ask(later, "old")
        assert later.rows_scored() == before + 3


def test_flood_of_keys_stays_below_the_disk_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anybody may send keys, and long labels make long answers."""
    monkeypatch.setattr(idempotency, "MAX_KEPT_BYTES", 1_000_000)
    database = tmp_path / "serving.db"
    answers = idempotency.Answers(database)
    for number in range(50):
        answers.once(f"a{number}", "a model", b"[]", lambda: bytes(100_000))
    assert database.stat().st_size < 2_500_000
    assert answers.once("a49", "a model", b"[]", lambda: b"other") == bytes(100_000)
    assert answers.once("a0", "a model", b"[]", lambda: b"other") == b"other", "the oldest go first"


def test_flood_of_keys_does_not_grow_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MAX_KEPT_BYTES", 20 * ROW_BYTES)
    answers = idempotency.Answers(tmp_path / "serving.db")
    for number in range(100):
        answers.once(f"a{number}", "a model", b"[]", lambda: b"{}")
    assert 10 < len(answers._written) <= 20


def test_locked_database_keeps_new_answers_in_memory_until_it_is_free(service: Running, tmp_path: Path) -> None:
    ask(service, "before")
    database = tmp_path / "data" / "serving.db"
    with closing(sqlite3.connect(database, isolation_level=None)) as shell:
        shell.execute("BEGIN EXCLUSIVE")
        answers = [ask(service, key) for key in ("new", "new", "newer")]
        refused = ask(service, "before")
        plain = service.post("/predict", ROWS)
        shell.execute("ROLLBACK")
    assert [answer.status_code for answer in (*answers, plain)] == [200, 200, 200, 200]
    assert service.rows_scored() == 4 * 3  # "new" once
    if refused.status_code != 200:  # with a journal mode that blocks readers
        assert (refused.status_code, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json()["error"]["code"] == "database_unavailable"
        assert "nothing was scored" in refused.json()["error"]["message"]
    time.sleep(idempotency.RETRY_S)
    assert ask(service, "before").status_code == 200
    ask(service, "newest")
    with running(tmp_path / "data") as restarted:
        for key in ("new", "newer", "newest"):
            assert ask(restarted, key).status_code == 200
        assert restarted.rows_scored() == 0


def test_stopping_service_writes_the_answers_still_in_memory(tmp_path: Path) -> None:
    database = tmp_path / "serving.db"
    answers = idempotency.Answers(database)
    with closing(sqlite3.connect(database, isolation_level=None)) as shell:
        shell.execute("BEGIN EXCLUSIVE")
        assert answers.once("a1", "a model", b"[]", lambda: b"{}") == b"{}"
        shell.execute("ROLLBACK")
    answers.close()
    assert idempotency.Answers(database).once("a1", "a model", b"[]", lambda: b"other") == b"{}"


def test_answers_in_memory_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "serving.db").mkdir()  # can never be opened
    answers, made = idempotency.Answers(tmp_path / "serving.db"), []

    def answer() -> bytes:
        made.append(1)
        return b"12345678"

    monkeypatch.setattr(idempotency, "MAX_UNWRITTEN_BYTES", 20)
    for key in ("a1", "a2", "a3", "a3", "a2", "a1"):  # a1 was dropped to make room for a3
        assert answers.once(key, "a model", b"[]", answer) == b"12345678"
    assert len(made) == 4
