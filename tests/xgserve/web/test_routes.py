"""The other routes: logs, models, readiness, metrics, who may change the model; and the one form of all errors."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from tests.xgserve.helpers import (
    FIRST,
    ROW,
    Running,
    bundle,
    bundled_models,
    connect,
    numeric_model,
    read_to_the_end,
    running,
)

SECOND = FIRST | {"version": "2.0.0"}


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    bundle(folder, numeric_model())
    bundle(folder, numeric_model(strength=0.001), version="2.0.0")
    return folder


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Iterator[Running]:
    with bundled_models(models), running(tmp_path_factory.mktemp("data")) as service:
        yield service


def error_of(answer: requests.Response) -> dict[str, Any]:
    """Return the error of an answer, after checking what all errors have in common."""
    assert answer.headers["Content-Type"] == "application/json"
    body = answer.json()
    assert body.keys() == {"error"}
    assert {"code", "message", "request_id"} <= body["error"].keys()
    assert answer.headers["X-Request-ID"] == body["error"]["request_id"]
    assert "Traceback" not in answer.text
    return dict(body["error"])


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/", "/predict/", "/favicon.ico", "/%ff%00", "/logs/../x", "/" + "a" * 5000, "/%0aFAKE%20LOG"]
)
def test_unknown_path_is_404(service: Running, path: str) -> None:
    answer = service.get(path)
    assert (answer.status_code, error_of(answer)["code"]) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [("GET", "/predict", "POST"), ("DELETE", "/model", "GET"), ("POST", "/logs", "GET"), ("BREW", "/ready", "GET")],
)
def test_wrong_method_is_405(service: Running, method: str, path: str, allowed: str) -> None:
    answer = requests.request(method, service.url + path, timeout=10)
    assert (answer.status_code, error_of(answer)["code"]) == (405, "method_not_allowed")
    assert allowed in answer.headers["Allow"]


def test_unexpected_exception_is_a_500_with_its_traceback_in_the_log_alone(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise ZeroDivisionError("a secret of the inside")

    monkeypatch.setattr(service.app.registry, "available", fail)
    answer = service.get("/models", **{"X-Request-ID": "unforeseen"})
    assert (answer.status_code, error_of(answer)["code"]) == (500, "internal")
    assert "secret" not in answer.text
    rows = service.get("/logs?request_id=unforeseen&level=error").json()["logs"]
    assert any("a secret of the inside" in (row["exception"] or "") for row in rows)


@pytest.mark.parametrize(
    "head",
    [
        b"GARBAGE\r\n\r\n",
        b"GET /health HTTP/1.1\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : x\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n[]",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x",
        b"POST /predict HTTP/1.0\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 300_000 + b"\r\n\r\n",
    ],
)
def test_malformed_request_is_refused_and_disconnected(service: Running, head: bytes) -> None:
    with connect(service.url) as connection:
        connection.sendall(head)
        headers, body = read_to_the_end(connection)
    assert headers.split(b" ")[1] in (b"400", b"431", b"501")
    assert (headers + body).count(b"HTTP/1.") == 1
    assert {"code", "message", "request_id"} == json.loads(body)["error"].keys()


# -- request ids ------------------------------------------------------------------------------------------------------


def test_answer_carries_the_callers_request_id(service: Running) -> None:
    for path in ("/health", "/model", "/nope", "/logs?limit=x"):
        assert service.get(path, **{"X-Request-ID": "abc-1"}).headers["X-Request-ID"] == "abc-1"


def test_refusal_of_an_unread_body_carries_the_request_id(service: Running) -> None:
    answer = service.post("/predict", b" " * (17 << 20), X_Request_ID="too-large")
    (row,) = service.get("/logs?request_id=too-large").json()["logs"]
    assert (answer.status_code, answer.headers["X-Request-ID"], row["level"]) == (413, "too-large", "WARNING")


@pytest.mark.parametrize("sent", ["", "a" * 129, "with blank", "caf\xe9"])
def test_unusable_request_id_is_replaced(service: Running, sent: str) -> None:
    given = service.get("/health", **{"X-Request-ID": sent}).headers["X-Request-ID"]
    assert given != sent
    assert len(given) == 16


# -- logs -------------------------------------------------------------------------------------------------------------


def test_log_pages_are_disjoint_and_newest_first(service: Running) -> None:
    for _ in range(7):
        service.get("/model")
    first = service.get("/logs?limit=3").json()
    second = service.get(f"/logs?limit=3&before={first['next_before']}").json()
    ids = [row["id"] for row in first["logs"] + second["logs"]]
    assert len(ids) == 6
    assert ids == sorted(set(ids), reverse=True)


def test_log_is_filtered_by_level_text_and_time(service: Running) -> None:
    begun = (datetime.now(UTC) - timedelta(milliseconds=2)).isoformat()
    service.get("/no-such-path-100%25")
    service.get("/model")

    def paths(query: str) -> list[str]:
        return [row["message"].split(" ")[1] for row in service.get(f"/logs?{query}").json()["logs"]]

    assert paths(f"since={quote(begun)}") == ["/model", "/no-such-path-100%"]
    assert paths(f"since={begun}&level=warning") == ["/no-such-path-100%"]
    assert paths(f"since={quote(begun)}&reads=no") == ["/no-such-path-100%"]
    assert paths(f"since={quote(begun)}&reads=yes") == ["/model", "/no-such-path-100%"]
    assert paths("q=PATH-100%25%20404")[:1] == ["/no-such-path-100%"]
    assert paths("q=path_100") == []
    assert paths("since=2100-01-01") == []
    assert paths("before=2000-01-01T00:00:00Z") == []
    newest = service.get("/logs?limit=1").json()["logs"][0]["id"]
    service.get("/model")
    assert paths(f"since={newest}") == ["/model"]


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("limit=0", "limit"),
        ("limit=-1", "limit"),
        ("limit=1001", "limit"),
        ("limit=ten", "limit"),
        ("limit=1e2", "limit"),
        ("limit=5&limit=6", "limit"),
        ("limit=%D9%A3", "limit"),
        ("reads=maybe", "reads"),
        ("level=loud", "level"),
        ("level=10", "level"),
        ("since=yesterday", "since"),
        ("since=-1", "since"),
        ("since=2024-13-01", "since"),
        ("since=0001-01-01T00:00:00%2B14:00", "since"),
        ("since=99999999999999999999", "since"),
        ("before=2024-01-01T25:00", "before"),
        ("before=1.5", "before"),
        ("before=%00", "before"),
        ("q=" + "a" * 201, "q"),
        ("colour=red", "colour"),
        ("offset=10", "offset"),
        ("%ff=1", "\ufffd"),
    ],
)
def test_bad_log_parameter_is_named(service: Running, query: str, parameter: str) -> None:
    answer = service.get(f"/logs?{query}")
    error = error_of(answer)
    assert (answer.status_code, error["code"], error["parameter"]) == (400, "invalid_parameter", parameter)


@pytest.mark.parametrize(
    "query", ["q=' OR 1=1 --", "q=%25", "q=%00", "request_id=%ff", "level=&since=&limit=", "limit"]
)
def test_odd_log_queries_are_answered(service: Running, query: str) -> None:
    assert service.get(f"/logs?{query}").status_code == 200


def test_log_page_escapes_markup(service: Running) -> None:
    service.get("/<script>alert(1)</script>", **{"X-Request-ID": "<b>id</b>"})
    page = service.get("/logs?q=script&request_id=<b>id</b>&limit=1", Accept="text/html,application/xhtml+xml")
    assert page.headers["Content-Type"] == "text/html; charset=utf-8"
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "<script" not in page.text
    assert "<b>" not in page.text
    assert "Older rows" in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]


def test_log_lines_cannot_be_forged(service: Running) -> None:
    service.get("/%0a2024-01-01 INFO all is well", **{"X-Request-ID": "forger"})
    (row,) = service.get("/logs?request_id=forger").json()["logs"]
    assert "\n" not in row["message"]


# -- models and readiness ---------------------------------------------------------------------------------------------


def test_swap_is_seen_by_the_next_request_and_can_be_rolled_back(service: Running) -> None:
    def scored_by() -> str:
        return str(service.post("/predict", [ROW]).json()["model"]["version"])

    service.post("/download_registry_model", FIRST)
    for wanted, version in ((SECOND, "2.0.0"), (FIRST, "1.0.0"), (FIRST | {"version": None}, "2.0.0")):
        answer = service.post("/download_registry_model", wanted)
        assert (answer.status_code, answer.json()["source"]) == (200, "bundled")
        assert answer.json()["model"]["version"] == version == scored_by()
    for number, version in ((1, "1.0.0"), (2, "2.0.0"), (1.0, "1.0.0"), (2.0, "2.0.0")):
        answer = service.post("/download_registry_model", FIRST | {"version": number})
        assert answer.json()["model"]["version"] == version == scored_by()
    rolled_back = service.post("/rollback", {}, X_Request_ID="back")
    assert rolled_back.json()["model"]["version"] == "1.0.0" == scored_by()
    swaps = service.get("/activations?limit=3").json()["activations"]
    assert [swap["version"] for swap in swaps] == ["1.0.0", "2.0.0", "1.0.0"]
    assert (swaps[0]["source"], swaps[0]["request_id"]) == ("bundled", "back")
    assert swaps[0]["digest"] == rolled_back.json()["model"]["digest"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        ([], 422),
        (b'"text"', 422),
        (None, 422),
        (3, 422),
        ({}, 422),
        ({"workspace": "bundled"}, 422),
        ({"model": "xg-default"}, 422),
        (FIRST | {"model": ""}, 422),
        (FIRST | {"model": "  "}, 422),
        (FIRST | {"model": None}, 422),
        (FIRST | {"model": ["xg-default"]}, 422),
        (FIRST | {"workspace": 3}, 422),
        (FIRST | {"version": 1.1}, 422),
        (FIRST | {"version": -1}, 422),
        (FIRST | {"version": 1e300}, 422),
        (FIRST | {"version": True}, 422),
        (FIRST | {"version": 9}, 404),
        (FIRST | {"version": {"a": 1}}, 422),
        (FIRST | {"colour": "red"}, 422),
        (FIRST | {"workspace": "../bundled"}, 422),
        (FIRST | {"model": "../../etc/passwd"}, 422),
        (FIRST | {"model": "a" * 10_000}, 422),
        (FIRST | {"model": "no-such-model"}, 404),
        (FIRST | {"version": "9.9.9"}, 404),
        (FIRST | {"version": "\ud800"}, 422),
        (FIRST | {"workspace": "somebody"}, 424),
    ],
)
def test_bad_model_request_is_refused_and_the_active_model_stays(service: Running, body: Any, status: int) -> None:
    before = service.get("/model").json()
    answer = service.post("/download_registry_model", body)
    assert (answer.status_code, bool(error_of(answer)["message"])) == (status, True)
    assert service.get("/model").json() == before


def test_failed_swap_names_the_active_model(service: Running) -> None:
    error = error_of(service.post("/download_registry_model", FIRST | {"version": "9.9.9"}))
    assert error["active"]["id"] == service.get("/model").json()["id"]


def test_models_lists_loadable_models_and_the_active_one(service: Running) -> None:
    answer = service.get("/models").json()
    assert [entry["version"] for entry in answer["models"]] == ["2.0.0", "1.0.0"]
    (active,) = [entry for entry in answer["models"] if entry["active"]]
    assert active["version"] == answer["active"]["version"]


def test_ready_lists_each_dependency(service: Running) -> None:
    answer = service.get("/ready")
    checks = answer.json()["checks"]
    assert (answer.status_code, answer.json()["ready"]) == (200, True)
    assert {name: state["ok"] for name, state in checks.items()} == {
        "model": True,
        "database": True,
        "stored_model": True,
    }
    assert checks["model"]["golden_probability"] == pytest.approx(
        service.get("/model").json()["golden_row"]["probability"]
    )


def test_ready_without_a_database_is_503(models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xgserve.log.handler.CLOSE_WITHIN_S", 0.1)  # for rows that cannot be written
    (tmp_path / "data").write_text("a file where the folder should be")
    with bundled_models(models), running(tmp_path / "data") as service:
        ready, logs, predicted = service.get("/ready"), service.get("/logs"), service.post("/predict", [ROW])
    assert (ready.status_code, ready.json()["checks"]["database"]["ok"]) == (503, False)
    assert (logs.status_code, error_of(logs)["code"]) == (503, "database_unavailable")
    assert predicted.status_code == 200


def test_ready_reports_a_stored_model_that_was_not_loaded(tmp_path: Path) -> None:
    own = tmp_path / "models"
    bundle(own, numeric_model())
    gone = bundle(own, numeric_model(strength=0.01), version="3.0.0")
    with bundled_models(own):
        with running(tmp_path / "data") as service:
            assert service.post("/download_registry_model", FIRST | {"version": "3.0.0"}).status_code == 200
        gone.unlink()
        with running(tmp_path / "data") as service:
            ready = service.get("/ready").json()
            assert service.get("/model").json()["version"] == "1.0.0"
    assert (ready["ready"], ready["checks"]["stored_model"]["ok"]) == (True, False)
    assert "3.0.0" in ready["checks"]["stored_model"]["problem"]


def test_metrics_count_requests_and_swaps_and_name_the_model(models: Path, tmp_path: Path) -> None:
    with bundled_models(models), running(tmp_path) as service:
        service.post("/predict", [ROW, ROW])
        service.post("/predict", b"{")
        service.get("/nope")
        service.post("/download_registry_model", SECOND)
        service.post("/download_registry_model", FIRST | {"version": "9.9.9"})
        model = service.get("/model").json()
        answer = service.get("/metrics")
    lines = answer.text.splitlines()
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for expected in (
        'xg_requests_total{code="200",method="POST",route="/predict"} 1.0',
        'xg_requests_total{code="400",method="POST",route="/predict"} 1.0',
        'xg_requests_total{code="404",method="GET",route="unmatched"} 1.0',
        'xg_request_duration_seconds_count{route="/predict"} 2.0',
        'xg_swaps_total{result="ok",role="champion"} 1.0',
        'xg_swaps_total{result="unknown_model",role="champion"} 1.0',
        "xg_log_rows_dropped_total 0.0",
    ):
        assert expected in lines
    (info,) = [line for line in lines if line.startswith("xg_active_model_info{")]
    assert f'id="{model["id"]}"' in info


# -- who may change the model -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/download_registry_model", "/rollback"])
def test_swap_without_the_token_is_unauthorized(models: Path, tmp_path: Path, path: str) -> None:
    with bundled_models(models), running(tmp_path, admin_token="let-me-in-\u00e9") as service:
        refused = [
            service.post(path, FIRST),
            service.post(path, FIRST, Authorization="Bearer wrong"),
            service.post(path, FIRST, Authorization="Basic let-me-in"),
            service.post(path, FIRST, Authorization="let-me-in"),
        ]
        allowed = requests.post(
            service.url + path, json=SECOND, headers={"Authorization": "Bearer let-me-in-\u00e9".encode()}, timeout=10
        )
        assert service.post("/predict", [ROW]).status_code == 200
    assert [error_of(answer)["code"] for answer in refused] == ["unauthorized"] * 4
    assert all(answer.headers["WWW-Authenticate"] == "Bearer" for answer in refused)
    assert allowed.status_code in (200, 409)


def test_swap_from_another_site_is_refused(service: Running) -> None:
    answer = service.post("/rollback", b"", Origin="https://example.org")
    assert (answer.status_code, error_of(answer)["code"]) == (403, "cross_origin")


def test_swap_to_a_workspace_not_allowed_is_refused(models: Path, tmp_path: Path) -> None:
    with bundled_models(models), running(tmp_path, workspaces=frozenset({"ours"})) as service:
        answer = service.post("/download_registry_model", FIRST | {"workspace": "theirs"})
    assert (answer.status_code, error_of(answer)["code"]) == (403, "workspace_not_allowed")


@pytest.mark.parametrize("path", ["/logs", "/model", "/health", "/metrics", "/openapi.json", "/nothing"])
def test_every_answer_forbids_framing(service: Running, path: str) -> None:
    for accept in ("text/html", "application/json"):
        headers = service.get(path, Accept=accept).headers
        assert headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    refused = service.post("/predict", b" " * (service.app.settings.max_body_bytes + 1))
    assert (refused.status_code, refused.headers["X-Frame-Options"]) == (413, "DENY")
