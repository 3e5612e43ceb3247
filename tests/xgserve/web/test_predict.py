"""POST /predict: the forms of a frame, the order of the answer, the model that made it, and refusals."""

import http.client
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from tests.xgserve.helpers import Running, bundle, bundled_models, mixed_model, running, shots

ESTIMATOR = mixed_model()
COLUMNS = ["shot_type", "distance", "angle", "rebound"]
FRAME = shots(6, seed=5)[COLUMNS].set_index(pd.Index([40, 7, 102, 3, 9, 5]))
ROW = {"shot_type": "wrist", "distance": 20.5, "angle": 12, "rebound": False}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("serving")
    bundle(folder / "models", ESTIMATOR)
    with (
        bundled_models(folder / "models"),
        running(folder / "data", max_body_bytes=1 << 20, log_max_rows=10_000) as service,
    ):
        yield service


def as_default(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {name: {str(i): row[name] for i, row in enumerate(rows)} for name in rows[0]}


def written(orient: Any = "columns", **more: Any) -> str:
    return str(FRAME.to_json(orient=orient, double_precision=15, **more))


LABELS, NUMBERED = FRAME.index.tolist(), list(range(len(FRAME)))
# what clients send, and the labels in it
FORMS: dict[str, tuple[str, list[int]]] = {
    "columns": (written(), LABELS),
    "records": (written("records"), NUMBERED),
    "split": (written("split"), LABELS),
    "split without index": (written("split", index=False), NUMBERED),
    "index": (written("index"), LABELS),
    "table": (written("table"), LABELS),
    "table without index": (written("table", index=False), NUMBERED),
    "to_dict": (json.dumps(FRAME.to_dict()), LABELS),
    **{
        f"to_dict {orient}": (json.dumps(FRAME.to_dict(orient)), labels)  # type: ignore[call-overload]
        for orient, labels in {
            "list": NUMBERED, "records": NUMBERED, "split": LABELS, "tight": LABELS, "index": LABELS,
        }.items()
    },
    "text": (json.dumps(written()), LABELS),
    "text of a list": (json.dumps(json.dumps(FRAME.to_dict("list"))), NUMBERED),
    "text of a text": (json.dumps(json.dumps(written("split"))), LABELS),
    "spaced": (json.dumps(json.loads(written()), indent=1, separators=(" , ", " : ")), LABELS),
    "dataframe_split": (f'{{"dataframe_split": {written("split")}}}', LABELS),
    "dataframe_records": (f'{{"dataframe_records": {written("records")}, "params": {{}}}}', NUMBERED),
    "dataframe_split as text": (json.dumps({"dataframe_split": written("split")}), LABELS),
    "instances": (f'{{"instances": {written("records")}}}', NUMBERED),
    "inputs": (json.dumps({"inputs": FRAME.to_dict("list")}), NUMBERED),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_frame_form_is_scored_in_the_frames_order(service: Running, form: str) -> None:
    body, labels = FORMS[form]
    answer = service.post("/predict", body).json()

    np.testing.assert_allclose(answer["predictions"], ESTIMATOR.predict_proba(FRAME)[:, 1], rtol=1e-12)
    assert answer["index"] == labels
    assert answer["model"]["id"] == service.get("/model").json()["id"]


def test_single_row_without_a_list_is_scored(service: Running) -> None:
    body = FRAME.iloc[0].to_json(double_precision=15)
    answer = service.post("/predict", body).json()
    assert (answer["predictions"], answer["index"]) == (
        [pytest.approx(ESTIMATOR.predict_proba(FRAME)[0, 1], rel=1e-12)], [0],
    )  # fmt: skip


ODD_LABELS = {
    "levels": pd.MultiIndex.from_tuples([(2022020001, n) for n in range(6)]),
    "missing": pd.Index([1, None, 2, 3, 4, 5]),
    "intervals": pd.interval_range(0, 6),
    "intervals in levels": pd.MultiIndex.from_arrays([pd.interval_range(0, 6), ["a"] * 6]),
    "times": pd.date_range("2021-11-28T18:00", periods=6, freq="min"),
}


@pytest.mark.parametrize(
    ("labels", "orient"),
    [
        (labels, orient)
        for labels in ODD_LABELS
        for orient in ("columns", "index", "split", "table")
        if (orient, labels)
        not in (("table", "intervals"), ("table", "intervals in levels"))  # pandas cannot write these
    ],
)
def test_any_pandas_index_is_accepted(service: Running, labels: str, orient: Any) -> None:
    frame = FRAME.set_index(ODD_LABELS[labels])
    answer = service.post("/predict", frame.to_json(orient=orient, double_precision=15, date_format="iso")).json()
    np.testing.assert_allclose(answer["predictions"], ESTIMATOR.predict_proba(FRAME)[:, 1], rtol=1e-12)
    assert len({json.dumps(label) for label in answer["index"]}) == 6
    wrong = frame.assign(distance="far").to_json(orient=orient, date_format="iso")
    assert service.post("/predict", wrong).json()["error"]["row_count"] == 6


def test_level_that_names_the_columns_is_taken_as_columns(service: Running) -> None:
    by_row = {"distance": ROW, "angle": ROW}  # rows named like some of the columns
    assert service.post("/predict", by_row).json()["index"] == ["distance", "angle"]
    refused = service.post("/predict", dict.fromkeys(COLUMNS, ROW)).json()["error"]
    assert "this can be read in two ways" in refused["message"]
    error = service.post("/predict", {"7": {name: ROW[name] for name in COLUMNS[1:]}}).json()["error"]
    assert (error["missing"], error["unknown"]) == (COLUMNS[:1], [])


@pytest.mark.parametrize(
    "body",
    [3, "frame", [[1, 2, 3, 4]], {"instances": [[1, 2, 3, 4]]}, {"distance": {"0": 1}, "angle": [2]},
     {"dataframe_split": 3}, json.dumps(json.dumps(written()))],
)  # fmt: skip
def test_refused_frame_lists_the_accepted_forms(service: Running, body: Any) -> None:
    error = service.post("/predict", json.dumps(body)).json()["error"]
    assert error["code"] == "invalid_frame"
    for key in ("records", "split", "index", "list", "dataframe_split", "dataframe_records", "instances", "inputs"):
        assert key in error["message"]
    assert len(error["accepted"]) > 5


@pytest.mark.parametrize(
    "body",
    [
        '{"shot_type": {"0": "tip"}, "distance": {"0": 1}, "angle": {}, "rebound": {"0": true}, "angle": {"0": 2}}',
        '{"shot_type": {"0": "a:b"}, "distance": {"0": 1, "0": 2}, "angle": {"0": 1}, "rebound": {"0": true}}',
        '{"shot_type" : {"0": "tip"}, "distance": {"0": 1, "0" :2}, "angle": {"0": 1}, "rebound": {"0": true}}',
        '[{"shot_type": "tip", "distance": 1, "angle": 1, "rebound": true, "distance": 2}]',
        '{"shot_type": ["tip"], "distance": [1], "angle": [1], "rebound": [true], "\\u0061ngle": [2]}',
        '{"dataframe_records": [{"shot_type": "tip", "distance": 1, "angle": 1, "rebound": true, "angle": 2}]}',
    ],
)
def test_duplicate_key_is_refused(service: Running, body: str) -> None:
    for sent in (body, body.replace(": ", ":")):
        answer = service.post("/predict", sent)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "invalid_json")
        assert "comes twice in one object" in answer.json()["error"]["message"]


def test_colon_in_a_text_is_not_a_key(service: Running) -> None:
    row = ROW | {"shot_type": 'a ":b" : c'}
    assert service.post("/predict", {"a:b": 1}).json()["error"]["unknown"] == ["a:b"]
    assert service.post("/predict", [row, ROW]).status_code == 200
    assert service.post("/predict", json.dumps([row, ROW], separators=(",", ":"))).status_code == 200


def test_columns_and_rows_are_accepted_in_any_order(service: Running) -> None:
    body = json.loads(FRAME.to_json(double_precision=15))
    shuffled = {name: dict(reversed(list(body[name].items()))) for name in reversed(COLUMNS)}
    shuffled["shot_type"] = body["shot_type"]
    straight, mixed = service.post("/predict", body).json(), service.post("/predict", shuffled).json()
    as_pairs = [dict(zip(answer["index"], answer["predictions"], strict=True)) for answer in (straight, mixed)]
    assert as_pairs[0] == as_pairs[1]


@pytest.mark.parametrize(
    ("labels", "index"),
    [
        (["0", "-3", "12"], [0, -3, 12]),
        (["a", "1", "2"], ["a", "1", "2"]),
        (["01", "1", "2"], ["01", "1", "2"]),
        (["1.5", "", "\ud800"], ["1.5", "", "\ud800"]),
    ],
)
def test_labels_are_integers_only_if_all_are(service: Running, labels: list[str], index: list[Any]) -> None:
    answer = service.post("/predict", {name: dict.fromkeys(labels, ROW[name]) for name in COLUMNS})
    assert answer.json()["index"] == index


@pytest.mark.parametrize(
    "body",
    [
        [],
        {name: {} for name in COLUMNS},
        {"columns": COLUMNS, "index": [], "data": []},
    ],
)
def test_empty_frame_has_an_empty_answer(service: Running, body: Any) -> None:
    answer = service.post("/predict", body)
    assert (answer.status_code, answer.json()["predictions"], answer.json()["index"]) == (200, [], [])


def test_columns_named_like_an_orient_are_columns(service: Running) -> None:
    answer = service.post("/predict", {"columns": {"0": 1}, "index": {"0": 2}, "data": {"0": 3}})
    assert answer.json()["error"]["unknown"] == ["columns", "index", "data"]


BAD_REQUESTS: list[tuple[str, Any, int, str]] = [
    ("nothing", b"", 400, "invalid_json"),
    ("not JSON", b"distance=1", 400, "invalid_json"),
    ("cut off", b'{"distance": {"0": 1', 400, "invalid_json"),
    ("two values", b"{} {}", 400, "invalid_json"),
    ("not UTF-8", b'{"distance\xff": 1}', 400, "invalid_json"),
    ("a NaN token", b'[{"distance": NaN}]', 400, "invalid_json"),
    ("an Infinity token", b'[{"distance": -Infinity}]', 400, "invalid_json"),
    ("nested too deeply", b"[" * 100_000, 400, "invalid_json"),
    ("an integer of 5000 digits", b"[" + b"9" * 5000 + b"]", 400, "invalid_json"),
    ("a number", b"3", 422, "invalid_frame"),
    ("null", b"null", 422, "invalid_frame"),
    ("text", b'"frame"', 422, "invalid_frame"),
    ("no columns", {}, 422, "invalid_frame"),
    ("rows that are no objects", [1, 2], 422, "invalid_frame"),
    ("rows with different columns", [ROW, {"distance": 1}], 422, "invalid_frame"),
    ("columns that are lists of values and lists", {name: [ROW[name], []] for name in COLUMNS}, 422, "invalid_frame"),
    ("columns of different length", {name: [ROW[name]] for name in COLUMNS} | {"angle": []}, 422, "invalid_frame"),
    ("table: no key", {"schema": {"primaryKey": ["index"]}, "data": [ROW]}, 422, "invalid_frame"),
    ("table: a key that is no text", {"schema": {"primaryKey": [3]}, "data": [ROW]}, 422, "invalid_frame"),
    ("columns with different rows", as_default([ROW]) | {"angle": {"1": 3}}, 422, "invalid_frame"),
    ("a missing column", [{k: v for k, v in ROW.items() if k != "angle"}], 422, "invalid_frame"),
    ("an unknown column", [ROW | {"angel": 1}], 422, "invalid_frame"),
    ("a thousand unknown columns", [ROW | {f"c{i}": i for i in range(1000)}], 422, "invalid_frame"),
    ("text for a number", [ROW, ROW | {"distance": "far"}], 422, "invalid_frame"),
    ("digits in text", [ROW | {"distance": "12"}], 422, "invalid_frame"),
    (
        "an overflowing number",
        b'[{"shot_type":"tip","distance":1e999,"angle":1,"rebound":false}]',
        422,
        "invalid_frame",
    ),
    ("a huge integer", [ROW | {"distance": 10**400}], 422, "invalid_frame"),
    ("null where none was trained on", [ROW | {"distance": None}], 422, "invalid_frame"),
    ("a number for text", [ROW | {"shot_type": 3}], 422, "invalid_frame"),
    ("a list in a cell", [ROW | {"shot_type": ["tip"]}], 422, "invalid_frame"),
    ("an object in a cell", [ROW | {"angle": {"x": 1}}], 422, "invalid_frame"),
    ("split: too few labels", {"columns": COLUMNS, "index": [], "data": [list(ROW.values())]}, 422, "invalid_frame"),
    ("split: a short row", {"columns": COLUMNS, "index": [0], "data": [[1]]}, 422, "invalid_frame"),
    ("split: a row that is no list", {"columns": COLUMNS, "index": [0], "data": [{}]}, 422, "invalid_frame"),
    ("split: a column twice", {"columns": ["a", "a"], "index": [0], "data": [[1, 2]]}, 422, "invalid_frame"),
    ("split: a column that is no text", {"columns": [["a"]], "index": [0], "data": [[1]]}, 422, "invalid_frame"),
    ("split: a label that is too deep", {"columns": ["a"], "index": [[[[]]]], "data": [[1]]}, 422, "invalid_frame"),
    ("too large", b" " * (1 << 20) + b"[]", 413, "too_large"),
    ("far too large", b" " * (5 << 20) + b"[]", 413, "too_large"),
]


@pytest.mark.parametrize(("body", "status", "code"), [b[1:] for b in BAD_REQUESTS], ids=[b[0] for b in BAD_REQUESTS])
def test_bad_request_is_answered_in_json_and_scores_nothing(
    service: Running, body: Any, status: int, code: str
) -> None:
    before = service.rows_scored()
    answer = service.post("/predict", body)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (status, code)
    assert error["message"]
    assert "Traceback" not in answer.text
    assert answer.headers["X-Request-ID"] == error["request_id"]
    assert service.rows_scored() == before


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "deep"}], ids=["no key", "key"])
def test_deep_nesting_is_refused(service: Running, headers: dict[str, str]) -> None:
    bodies = [json.dumps([ROW | {"distance": None}]).replace("null", "[" * n + "]" * n) for n in range(940, 1000)]
    assert {service.post("/predict", body, **headers).status_code for body in bodies} == {400, 422}


@pytest.mark.parametrize(
    "headers",
    [
        {"Content_Type": "text/plain"},
        {"Content_Type": "application/x-www-form-urlencoded"},
        {"Content_Type": ""},
        {"Content_Type": "application/jsonp"},
        {"Content_Type": b"\xff\xfe"},
        {"Content_Encoding": "gzip"},
    ],
)
def test_other_content_types_are_refused(service: Running, headers: dict[str, Any]) -> None:
    answer = service.post("/predict", [ROW], **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


def test_offending_row_is_named_by_its_label(service: Running) -> None:
    body = json.loads(FRAME.to_json())
    body["distance"]["102"] = "far"
    error = service.post("/predict", body).json()["error"]
    assert error["rows"] == [{"row": 102, "column": "distance", "value": "far", "problem": "must be a number"}]
    assert "row 102, column distance: must be a number" in error["message"]


def test_if_match_of_another_model_scores_nothing(service: Running) -> None:
    before = service.rows_scored()
    active = service.get("/model").json()["id"]
    refused = service.post("/predict", [ROW], If_Match='"bundled/xg-default:0.9@sha256:000000000000"')
    assert (refused.status_code, refused.json()["error"]["code"]) == (412, "model_changed")
    assert refused.json()["error"]["active"]["id"] == active
    assert service.rows_scored() == before

    for accepted in (f'"{active}"', active, f'"other", "{active}"', "*"):
        assert service.post("/predict", [ROW], If_Match=accepted).status_code == 200
    assert service.rows_scored() == before + 4


def test_odd_text_is_scored_or_refused_without_a_failure(service: Running) -> None:
    for text in ("\ud800", "\x00", "", "a" * 100_000, "\U0001f3d2"):
        answer = service.post("/predict", [ROW | {"shot_type": text}])
        assert answer.status_code in (200, 422)
        assert service.post("/predict", [ROW], If_Match=b"\xff").status_code == 412


def test_answer_is_json_under_any_labels(service: Running) -> None:
    body = json.dumps({"columns": list(ROW), "index": [0, "\ud800"], "data": [list(ROW.values())] * 2})
    answer = service.post("/predict", body.replace("[0, ", "[1e999, "))

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    assert json.loads(answer.text, parse_constant=refuse)["index"] == [None, "\ud800"]


def test_chunked_body_is_scored(service: Running) -> None:
    host = service.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=10)
    parts = iter([b"[", json.dumps(ROW).encode(), b"]"])
    connection.request("POST", "/predict", parts, {"Content-Type": "application/json"}, encode_chunked=True)
    answer = connection.getresponse()
    assert (answer.status, len(json.loads(answer.read())["predictions"])) == (200, 1)


def test_scored_rows_are_counted_once(service: Running) -> None:
    before = service.rows_scored()
    failed: list[int] = []

    def send(size: int) -> None:
        for _ in range(5):
            answer = service.post("/predict", [ROW] * size)
            if len(answer.json().get("predictions", [])) != size:
                failed.append(size)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(send, (1, 2, 3, 50)))
    assert failed == []
    assert service.rows_scored() == before + 5 * (1 + 2 + 3 + 50)


def test_log_row_of_a_prediction_names_rows_and_model(service: Running) -> None:
    answer = service.post("/predict", [ROW] * 3, X_Request_ID="three-rows")
    (row,) = service.get("/logs?request_id=three-rows").json()["logs"]
    assert f"3 rows by {answer.json()['model']['id']}" in row["message"]
    assert row["level"] == "INFO"


def test_predict_without_a_model_is_503(tmp_path: Path) -> None:
    with bundled_models(tmp_path / "none"), running(tmp_path / "data") as service:
        answers = {path: service.get(path).status_code for path in ("/model", "/ready", "/health", "/models")}
        predicted = service.post("/predict", [ROW])
    assert answers == {"/model": 503, "/ready": 503, "/health": 200, "/models": 200}
    assert (predicted.status_code, predicted.json()["error"]["code"]) == (503, "no_model")
