"""Idempotency-Key: whoever sends the same request again gets the same answer, and nothing is scored twice."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.serving_helpers import Running, bundle, bundled_models, numeric_model, running, shots
from xgserve import idempotency
from xgserve.client import ModelChanged, ServingClient

ROWS: list[dict[Any, Any]] = shots(3)[["distance", "angle"]].to_dict("records")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    bundle(tmp_path / "models", numeric_model())
    bundle(tmp_path / "models", numeric_model(strength=0.01), "other")
    with bundled_models(tmp_path / "models"), running(tmp_path / "data") as service:
        yield service


def ask(service: Running, key: str, rows: list[dict[Any, Any]] = ROWS) -> requests.Response:
    return service.post("/predict", rows, Idempotency_Key=key)


def test_the_same_request_is_scored_once_and_answered_twice(service: Running) -> None:
    first, second = ask(service, '"a1"'), ask(service, '"a1"')
    assert (first.status_code, first.content, first.headers["Content-Type"]) == (
        200, second.content, second.headers["Content-Type"],
    )  # fmt: skip
    assert service.rows_scored() == 3
    notes = [row["message"] for row in service.get("/logs?q=/predict").json()["logs"]]
    assert [("answered before" in note, "3 rows by" in note) for note in notes] == [(True, False), (False, True)]


def test_without_a_key_with_another_and_with_another_body_it_is_a_new_request(service: Running) -> None:
    ask(service, "a1")
    service.post("/predict", ROWS)
    service.post("/predict", ROWS)
    ask(service, "a2")
    other = ask(service, "a1", ROWS[:1])
    assert len(other.json()["predictions"]) == 1
    assert service.rows_scored() == 13


def test_another_model_answers_for_itself_and_if_match_comes_first(service: Running) -> None:
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


def test_what_failed_is_tried_again(service: Running) -> None:
    assert [ask(service, "a1", [{"distance": "far"}]).status_code for _ in range(2)] == [422, 422]
    assert ask(service, "a1").status_code == 200


def test_requests_that_come_together_are_scored_once(service: Running) -> None:
    barrier = threading.Barrier(8)

    def together(_: int) -> bytes:
        barrier.wait()
        return ask(service, "a1").content

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(together, range(8)))) == 1
    assert service.rows_scored() == 3


def test_its_memory_is_bounded(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idempotency, "MAX_ANSWERS", 2)
    for key in ("a1", "a2", "a3", "a3", "a2", "a1"):  # a1 has made room for a3
        ask(service, key)
    assert service.rows_scored() == 4 * 3
    monkeypatch.setattr(idempotency, "MAX_BYTES", 10)
    for _ in range(2):
        ask(service, "large")
    assert service.rows_scored() == 6 * 3
