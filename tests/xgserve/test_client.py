"""ServingClient with the real service, and with servers that are not the service."""

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.games import hanging_server
from tests.helpers import ROOT
from tests.xgserve.helpers import Running, bundle, bundled_models, mixed_model, running, shots
from xgserve.client import ModelChanged, ModelEntry, ServiceUnavailable, ServingClient, ServingError

ESTIMATOR = mixed_model()
FRAME = shots(5, seed=9)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("client")
    bundle(folder / "models", ESTIMATOR)
    bundle(folder / "models", ESTIMATOR, version="2.0.0", metrics={"auc": 0.7})
    with (
        bundled_models(folder / "models"),
        running(folder / "data", admin_token="token", max_body_bytes=100_000) as service,
    ):
        yield service


@pytest.fixture
def client(service: Running) -> ServingClient:
    return ServingClient(service.url + "/", timeout=10, token="token")


@pytest.mark.parametrize(
    "index",
    [
        pd.Index([5, 3, 3, 1, 0]),
        pd.Index(list("abcba")),
        pd.date_range("2024-01-01", periods=5),
        pd.MultiIndex.from_product([[2021020329], range(5)]),
    ],
)
def test_predict_returns_probabilities_under_the_frames_index(client: ServingClient, index: Any) -> None:
    prediction = client.predict(FRAME.set_index(index))
    pd.testing.assert_index_equal(prediction.probabilities.index, index)
    np.testing.assert_allclose(prediction.probabilities, ESTIMATOR.predict_proba(FRAME)[:, 1], rtol=1e-12)
    assert prediction.model_id == client.model().id


def test_missing_values_of_any_kind_are_sent_as_null(client: ServingClient) -> None:
    kinds: list[Any] = [None, np.nan, pd.NA]
    for missing in kinds:
        frame = FRAME.astype({"shot_type": object})
        frame.loc[2, "shot_type"] = missing
        expected = ESTIMATOR.predict_proba(FRAME.assign(shot_type=pd.Series([np.nan] * 5, dtype=object)))[2, 1]
        assert client.predict(frame).probabilities[2] == pytest.approx(expected, rel=1e-12)


def test_columns_of_any_dtype_are_sent_exactly(client: ServingClient) -> None:
    frame = FRAME.assign(distance=[10, 20, 30, 40, 50], angle=[0.1 + 0.2, 1e-17, 1 / 3, 2.0, 3.0])
    expected = ESTIMATOR.predict_proba(frame)[:, 1]
    for variant in (
        frame,
        frame.astype({"shot_type": "category", "rebound": "boolean", "distance": "Int64"}),
        frame.astype(object),
        frame.assign(rebound=np.array(frame["rebound"], dtype=object)),
    ):
        np.testing.assert_allclose(client.predict(variant).probabilities, expected, rtol=1e-12)


def test_empty_frame_has_an_empty_prediction(client: ServingClient) -> None:
    prediction = client.predict(FRAME.iloc[:0])
    assert (len(prediction.probabilities), prediction.model.version) == (0, client.model().version)


def test_errors_carry_the_services_message_and_code(client: ServingClient) -> None:
    with pytest.raises(ServingError, match=r"1 missing column \(angle\)") as refused:
        client.predict(FRAME.drop(columns="angle"))
    assert (refused.value.status, refused.value.code) == (422, "invalid_frame")
    assert refused.value.details["missing"] == ["angle"]
    with pytest.raises(ServingError, match="XG_MAX_BODY_MB") as refused:
        client.predict(pd.concat([FRAME] * 1000))
    assert (refused.value.status, refused.value.code) == (413, "too_large")


def test_value_without_json_form_is_not_sent(client: ServingClient, service: Running) -> None:
    before = service.rows_scored()
    values: list[Any] = [np.inf, pd.Timestamp("2024-01-01"), {1, 2}]
    for value in values:
        with pytest.raises(ServingError, match="cannot be sent"):
            client.predict(FRAME.assign(distance=[value] * 5))
    assert service.rows_scored() == before


def test_predict_after_a_swap_scores_nothing_under_if_match(client: ServingClient, service: Running) -> None:
    first = client.download_registry_model("bundled", "xg-default", "1.0.0").model.id
    second = client.download_registry_model("bundled", "xg-default").model.id
    before = service.rows_scored()
    with pytest.raises(ModelChanged) as changed:
        client.predict(FRAME, if_match=first)
    assert (changed.value.active.id, service.rows_scored()) == (second, before)
    assert client.predict(FRAME, if_match=second).model_id == second
    assert client.rollback().model.id == first
    listed = [entry for entry in client.models() if isinstance(entry, ModelEntry)]
    assert {entry.version: entry.active for entry in listed} == {"1.0.0": True, "2.0.0": False}


def test_swap_without_the_token_is_401(service: Running) -> None:
    with pytest.raises(ServingError, match="XG_ADMIN_TOKEN") as refused:
        ServingClient(service.url).download_registry_model("bundled", "xg-default")
    assert refused.value.status == 401


def test_logs_are_returned_as_a_frame(client: ServingClient) -> None:
    client.model()
    rows = client.logs(limit=2, q="/model")
    assert list(rows["level"]) == ["INFO", "INFO"]
    assert str(rows["at"].dt.tz) == "UTC"
    assert rows["id"].is_monotonic_decreasing
    assert client.logs(q="no row has this").empty
    with pytest.raises(ServingError, match="limit"):
        client.logs(limit=0)


def test_not_ready_is_an_answer(client: ServingClient, tmp_path: Path) -> None:
    assert client.ready().ready is True
    with bundled_models(tmp_path / "none"), running(tmp_path / "data") as empty:
        without = ServingClient(empty.url)
        assert without.ready().ready is False
        with pytest.raises(ServingError, match="no model is loaded") as refused:
            without.predict(FRAME)
        assert refused.value.code == "no_model"


# -- other servers ----------------------------------------------------------------------------------------------------


@contextmanager
def answering(*answers: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Run a server that gives each connection the next of these answers, then closes it."""
    got: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            for answer in answers:
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(5)
                    got.append(connection.recv(65536).split(b"\r\n")[0])
                    connection.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", got


def http(status: int, body: bytes) -> bytes:
    return b"HTTP/1.1 %d X\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s" % (status, len(body), body)


@pytest.mark.parametrize(
    "answer",
    [
        http(200, b"<html>hello</html>"),
        http(502, b"<html>Bad Gateway</html>"),
        http(500, b""),
        http(200, b"[]"),
        http(200, b"{}"),
        http(200, b'{"predictions": [0.1], "index": [0], "model": {}}'),
        http(404, b'{"detail": "Not Found"}'),
        http(302, b""),
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"no http at all",
        b"",
    ],
)
def test_answer_of_another_program_is_service_unavailable(answer: bytes) -> None:
    with answering(answer) as (url, got):
        with pytest.raises(ServiceUnavailable) as raised:
            ServingClient(url, timeout=5).predict(FRAME)
        assert url in raised.value.message
    assert got == [b"POST /predict HTTP/1.1"]  # once: a retry could score the rows twice


def test_get_is_retried_after_a_connection_error() -> None:
    with answering(b"", http(200, b'{"activations": []}')) as (url, got):
        assert ServingClient(url, timeout=5).activations(3) == []
    assert got == [b"GET /activations?limit=3 HTTP/1.1"] * 2


def test_unreachable_service_is_service_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    for base_url in (url, "http://no.such.host.invalid", "http://[", "nonsense", "http://\udc80"):
        with pytest.raises(ServiceUnavailable):
            ServingClient(base_url).predict(FRAME)


@pytest.mark.parametrize("path", ["/predict", "/model"])
def test_hanging_service_is_asked_once(path: str) -> None:
    with hanging_server() as hanging:
        client = ServingClient(hanging.url, timeout=0.2)
        with pytest.raises(ServiceUnavailable, match="in time") as raised:
            client.predict(FRAME) if path == "/predict" else client.model()
        assert hanging.requests == [path]
    assert raised.value.code == "timeout"


def test_importing_the_client_imports_none_of_the_service() -> None:
    heavy = {"sklearn", "skops", "bottle", "waitress", "db"}
    code = f"import sys, xgserve.client; print(sorted({heavy!r} & sys.modules.keys()))"
    shown = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
