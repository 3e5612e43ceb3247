"""The OpenAPI document, compared with the code and with the answers of a running service."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
import schemathesis

from tests.xgserve.helpers import FIRST, ROW, Running, bundle, bundled_models, mixed_model, numeric_model, running
from xgserve.errors import BY_CODE, ERRORS
from xgserve.web.incoming import LOG_PARAMETERS
from xgserve.web.openapi import DOCUMENT


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("models")
    bundle(folder, numeric_model(), population="unblocked", metrics={"auc": 0.8})
    bundle(folder, mixed_model(), name="mixed")
    with bundled_models(folder), running(tmp_path_factory.mktemp("data"), max_body_bytes=10_000) as service:
        yield service


def operation(method: str, path: str) -> dict[str, Any]:
    described: dict[str, Any] = DOCUMENT["paths"][path][method.lower()]
    return described


def check_answer(answer: requests.Response, path: str) -> None:
    """Compare an answer with its description."""
    responses = operation(str(answer.request.method), path)["responses"]
    assert str(answer.status_code) in responses, f"{answer.status_code} is not described: {answer.text}"
    content = responses[str(answer.status_code)]["content"]
    media = answer.headers["Content-Type"].partition(";")[0]
    assert media in content
    assert answer.headers["X-Request-ID"]
    body = answer.json() if media == "application/json" else answer.text
    jsonschema.validate(body, {**content[media]["schema"], "components": DOCUMENT["components"]})


def test_routes_and_descriptions_match(service: Running) -> None:
    described = {(method.upper(), path) for path, methods in DOCUMENT["paths"].items() for method in methods}
    rules = {(route.method, re.sub(r"<(\w+)(:\w+)?>", r"{\1}", route.rule)) for route in service.app.routes}
    assert described == rules


def test_document_is_served_and_is_valid_openapi(service: Running) -> None:
    served = service.get("/openapi.json").json()
    assert served == json.loads(json.dumps(DOCUMENT))
    schemathesis.openapi.from_dict(served).validate()


def test_swap_errors_are_described_under_their_status() -> None:
    swaps = operation("POST", "/download_registry_model")["responses"] | operation("POST", "/rollback")["responses"]
    for code, error in BY_CODE.items():
        assert f"`{code}`" in swaps[str(error.status)]["description"]


def test_every_error_code_is_described() -> None:
    text = json.dumps(DOCUMENT)
    codes = {error.code for error in ERRORS}
    general = {"internal", "method_not_allowed"}  # of no route in particular
    assert len(codes) > 30
    assert {code for code in codes - general if f"`{code}`" not in text} == set()


def test_log_parameters_are_all_described() -> None:
    assert {entry["name"] for entry in operation("GET", "/logs")["parameters"]} == {*LOG_PARAMETERS}


def test_examples_match_their_schemas() -> None:
    for methods in DOCUMENT["paths"].values():
        for described in methods.values():
            content = described.get("requestBody", {}).get("content", {}).get("application/json")
            if content:
                jsonschema.validate(content["example"], {**content["schema"], "components": DOCUMENT["components"]})


@pytest.mark.parametrize(
    "path",
    [
        *(
            "/model",
            "/models",
            "/health",
            "/ready",
            "/metrics",
            "/openapi.json",
            "/activations",
            "/activations?limit=1",
        ),
        *(
            "/activations?limit=x",
            "/activations?colour=red",
            "/logs",
            "/logs?limit=1&level=warning&q=a",
            "/logs?limit=0",
        ),
        "/logs?since=2020-01-01&before=99999",
    ],
)
def test_get_route_answers_as_described(service: Running, path: str) -> None:
    check_answer(service.get(path), path.partition("?")[0])


def test_log_page_is_described(service: Running) -> None:
    check_answer(service.get("/logs", Accept="text/html"), "/logs")


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, {"distance": {"7": 1.0}, "angle": {"7": 2}}, {}),
        (200, [ROW, ROW], {}),
        (200, {"columns": ["distance", "angle"], "index": ["a"], "data": [[1, 2]]}, {}),
        (200, [], {}),
        (400, b"{", {}),
        (412, [ROW], {"If_Match": '"another"'}),
        (413, b" " * 10_001, {}),
        (415, [ROW], {"Content_Type": "text/plain"}),
        (421, [ROW], {"Host": "rebound.example.org"}),
        (422, [{"distance": None}], {}),
        (422, {"distance": {"7": "far"}, "angle": {"7": 2}}, {}),
        (422, 3, {}),
    ],
)
def test_predict_answers_as_described(service: Running, status: int, body: Any, headers: dict[str, str]) -> None:
    service.post("/download_registry_model", FIRST)
    answer = service.post("/predict", body, **headers)
    assert answer.status_code == status
    check_answer(answer, "/predict")


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, FIRST, {}),
        (200, FIRST | {"model": "mixed", "version": None}, {}),
        (400, b"{", {}),
        (403, FIRST, {"Origin": "http://elsewhere.example.org"}),
        (404, FIRST | {"version": "9"}, {}),
        (413, b" " * 10_001, {}),
        (415, FIRST, {"Content_Type": "text/plain"}),
        (422, FIRST | {"model": "../x"}, {}),
        (422, {}, {}),
        (424, FIRST | {"workspace": "somebody"}, {}),
    ],
)
def test_swap_answers_as_described(service: Running, status: int, body: Any, headers: dict[str, str]) -> None:
    answer = service.post("/download_registry_model", body, **headers)
    assert answer.status_code == status
    check_answer(answer, "/download_registry_model")
    for path in ("/model", "/models", "/activations"):
        check_answer(service.get(path), path)


def test_rollback_answers_as_described(service: Running) -> None:
    service.post("/download_registry_model", FIRST | {"model": "mixed"})
    check_answer(service.post("/rollback", b""), "/rollback")


def test_broken_service_answers_as_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xgserve.log.handler.CLOSE_WITHIN_S", 0.1)  # for rows that cannot be written
    (tmp_path / "data").write_text("a file where the folder should be")
    with bundled_models(tmp_path / "none"), running(tmp_path / "data", admin_token="let-me-in") as service:
        for path in ("/model", "/models", "/activations", "/logs", "/ready", "/health", "/metrics"):
            check_answer(service.get(path), path)
        assert service.get("/model").status_code == 503
        for path, body in (("/predict", [ROW]), ("/rollback", {}), ("/download_registry_model", FIRST)):
            check_answer(service.post(path, body), path)
        check_answer(service.post("/rollback", {}, Authorization="Bearer let-me-in"), "/rollback")
