"""A loaded model: what is reported of it, which frames it takes, and that it predicts as trained."""

import json
import math
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec import to_builtins
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder
from sklearn.tree import DecisionTreeClassifier

from tests.xgserve.helpers import bundle, goals, load_model, mixed_model, numeric_model, shots
from xgserve.errors import InvalidFrame
from xgserve.model.model import Model
from xgserve.names import ModelName

NAME = ModelName("someone", "xg", "1.0.0")
SHOTS = shots()
GOALS = goals(SHOTS)
NUMBERS = SHOTS[["distance", "angle"]]


def load(tmp_path: Path, estimator: Any, **card: Any) -> Model:
    return load_model(bundle(tmp_path, estimator, **card), NAME)


def encoder(**options: Any) -> Any:
    return make_column_transformer((OneHotEncoder(**options), ["shot_type"]), ("passthrough", ["distance", "angle"]))


def columns_of(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the frame's columns as JSON gives them."""
    parsed: dict[str, list[Any]] = json.loads(frame.to_json(orient="split", double_precision=15))
    return {name: [row[i] for row in parsed["data"]] for i, name in enumerate(frame.columns)}


KINDS = {
    "tree": lambda: DecisionTreeClassifier(max_depth=3).fit(NUMBERS, GOALS),
    "forest": lambda: RandomForestClassifier(5, n_jobs=2).fit(NUMBERS, GOALS),
    "boosting": lambda: GradientBoostingClassifier(n_estimators=5).fit(NUMBERS, GOALS),
    "hist boosting": lambda: HistGradientBoostingClassifier(max_iter=5).fit(NUMBERS, GOALS),
    "hist boosting, categories": lambda: HistGradientBoostingClassifier(
        max_iter=5, categorical_features="from_dtype"
    ).fit(SHOTS.astype({"shot_type": "category"}), GOALS),
    "calibrated": lambda: CalibratedClassifierCV(
        make_pipeline(encoder(), HistGradientBoostingClassifier(max_iter=5)), method="isotonic", cv=2
    ).fit(SHOTS, GOALS),
    "search": lambda: GridSearchCV(LogisticRegression(), {"C": [0.1, 1]}, cv=2).fit(NUMBERS, GOALS),
    "vote": lambda: VotingClassifier([("a", LogisticRegression())], voting="soft").fit(NUMBERS, GOALS),
    "stack": lambda: StackingClassifier([("a", LogisticRegression())], cv=2).fit(NUMBERS, GOALS),
    "encoded": lambda: make_pipeline(encoder(), LogisticRegression()).fit(SHOTS, GOALS),
    "true/false classes": lambda: LogisticRegression().fit(NUMBERS, GOALS == 1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_model_once_loaded_predicts_as_the_saved_estimator(tmp_path: Path, kind: str) -> None:
    estimator = KINDS[kind]()
    model = load(tmp_path, estimator)
    expected = SHOTS.astype({"shot_type": "category"}) if "categories" in kind else SHOTS
    names = [feature.name for feature in model.columns]

    predicted = model.predict(columns_of(SHOTS[names]), range(len(SHOTS)))

    np.testing.assert_allclose(predicted, estimator.predict_proba(expected[names])[:, 1], rtol=1e-12)
    assert model.predict({name: [] for name in names}, []).shape == (0,)


def test_identity_is_the_name_and_the_content(tmp_path: Path) -> None:
    artifact = bundle(tmp_path / "a", numeric_model())
    first = load_model(artifact, NAME)
    same = load_model(Path(shutil.copy(artifact, tmp_path / "b.skops")), NAME)
    other = load(tmp_path / "c", numeric_model(strength=0.01))
    assert first.id == f"someone/xg:1.0.0@sha256:{first.digest[:12]}"
    assert (first.digest == same.digest, first.digest == other.digest) == (True, False)


@pytest.mark.parametrize("estimator", [numeric_model, lambda: KINDS["hist boosting"]()], ids=["short", "trees"])
def test_many_rows_are_scored_in_batches_and_refused_as_a_whole(
    tmp_path: Path, estimator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load(tmp_path, estimator())
    frame = shots(250, seed=3)[[feature.name for feature in model.columns]]
    sent = columns_of(frame)
    whole = model.predict(sent, range(250))
    monkeypatch.setattr("xgserve.model.model.ROWS_AT_ONCE", 100)
    np.testing.assert_allclose(model.predict(sent, range(250)), whole, rtol=1e-12)
    sent["distance"][0] = sent["angle"][240] = "far"
    with pytest.raises(InvalidFrame) as error:
        model.predict(sent, [f"row {number}" for number in range(250)])
    assert "2 rows cannot be scored" in str(error.value), "of all rows, not of one turn"


def test_columns_in_another_order_are_scored_in_the_order_of_the_model(tmp_path: Path) -> None:
    estimator = numeric_model(("angle", "distance"))
    predicted = load(tmp_path, estimator).predict({"distance": [1, 2], "angle": [3, 4]}, ["x", "y"])
    expected = estimator.predict_proba(pd.DataFrame({"angle": [3, 4], "distance": [1, 2]}))[:, 1]
    np.testing.assert_allclose(predicted, expected, rtol=1e-12)


def test_description_names_what_each_column_takes(tmp_path: Path) -> None:
    estimator = make_pipeline(
        make_column_transformer(
            (OneHotEncoder(handle_unknown="ignore"), ["shot_type"]),
            (OrdinalEncoder(), ["rebound"]),
            (SimpleImputer(), ["distance"]),
            ("passthrough", ["angle"]),
        ),
        LogisticRegression(),
    ).fit(SHOTS, GOALS)
    described = {feature["name"]: feature for feature in to_builtins(load(tmp_path, estimator).describe())["features"]}
    assert described == {
        "distance": {"name": "distance", "kind": "number", "nullable": True},
        "angle": {"name": "angle", "kind": "number", "nullable": False},
        "shot_type": {
            "name": "shot_type",
            "kind": "category",
            "nullable": True,
            "categories": ["slap", "tip", "wrist"],
            "takes_unknown": True,
        },
        "rebound": {
            "name": "rebound",
            "kind": "category",
            "nullable": False,
            "categories": [False, True],
            "takes_unknown": False,
        },
    }


@pytest.mark.parametrize("dtype", ["str", "object"])
def test_null_that_was_trained_on_is_scored_as_in_training(tmp_path: Path, dtype: str) -> None:
    frame = SHOTS.astype({"shot_type": dtype})
    frame.loc[::3, "shot_type"] = None
    estimator = make_pipeline(encoder(), LogisticRegression()).fit(frame, GOALS)
    model = load(tmp_path, estimator)
    sent = columns_of(frame[[feature.name for feature in model.columns]])
    expected = estimator.predict_proba(frame)[:, 1]  # a sum that BLAS may round otherwise, by processor and by layout
    np.testing.assert_allclose(model.predict(sent, range(len(frame))), expected, rtol=0, atol=1e-12)


# -- frames that are refused ------------------------------------------------------------------------------------------

GOOD: dict[str, list[Any]] = {"distance": [10.0], "angle": [5.0], "shot_type": ["wrist"], "rebound": [False]}


@pytest.mark.parametrize(
    ("change", "column", "problem"),
    [
        ({"distance": ["10"]}, "distance", "must be a number"),
        ({"distance": [[1]]}, "distance", "must be a number"),
        ({"distance": [{}]}, "distance", "must be a number"),
        ({"distance": [math.inf]}, "distance", "must be a finite number"),
        ({"distance": [-(10**400)]}, "distance", "must be a finite number"),
        ({"distance": [None]}, "distance", "must not be null"),
        ({"distance": [math.nan]}, "distance", "must not be null"),
        ({"shot_type": [3]}, "shot_type", "must be text"),
        ({"shot_type": [["wrist"]]}, "shot_type", "must be text"),
    ],
)
def test_value_that_cannot_be_scored_is_named_by_row_and_column(
    tmp_path: Path, change: Any, column: str, problem: str
) -> None:
    model = load(tmp_path, mixed_model())
    with pytest.raises(InvalidFrame) as refused:
        model.predict(GOOD | change, ["shot 7"])
    (row,) = refused.value.details["rows"]
    assert (row["row"], row["column"], row["problem"]) == ("shot 7", column, problem)
    json.dumps(refused.value.details, allow_nan=False)


def test_missing_and_unknown_columns_are_named(tmp_path: Path) -> None:
    model = load(tmp_path, mixed_model())
    with pytest.raises(InvalidFrame, match=r"1 missing column \(angle\) and 1 unknown column \(angel\)") as refused:
        model.predict({"angel" if name == "angle" else name: values for name, values in GOOD.items()}, [0])
    assert (refused.value.details["missing"], refused.value.details["unknown"]) == (["angle"], ["angel"])


def test_offending_rows_are_all_counted_and_ten_listed(tmp_path: Path) -> None:
    model = load(tmp_path, numeric_model())
    with pytest.raises(InvalidFrame) as refused:
        model.predict({"distance": [None] * 25, "angle": ["x"] * 25}, range(25))
    details = refused.value.details
    assert (len(details["rows"]), details["row_count"], details["problem_count"]) == (10, 25, 50)


def test_unknown_category_is_refused_only_if_the_model_refuses_it(tmp_path: Path) -> None:
    sent: dict[str, list[Any]] = {"shot_type": ["lacrosse"], "distance": [1], "angle": [1]}
    strict = load(tmp_path / "strict", make_pipeline(encoder(), LogisticRegression()).fit(SHOTS.iloc[:, :3], GOALS))
    lenient = load(
        tmp_path / "lenient",
        make_pipeline(encoder(handle_unknown="ignore"), LogisticRegression()).fit(SHOTS.iloc[:, :3], GOALS),
    )
    with pytest.raises(InvalidFrame, match="not a category that the model knows"):
        strict.predict(sent, [0])
    assert 0 <= lenient.predict(sent, [0])[0] <= 1


def test_numbers_that_overflow_the_model_are_an_invalid_frame(tmp_path: Path) -> None:
    model = load(tmp_path, DecisionTreeClassifier(max_depth=2).fit(NUMBERS, GOALS))
    with pytest.raises(InvalidFrame, match="no probability"):
        model.predict({"distance": [1e300], "angle": [1]}, [0])


def test_model_used_by_many_threads_predicts_the_same(tmp_path: Path) -> None:
    model = load(tmp_path, mixed_model())
    names = [feature.name for feature in model.columns]
    expected = model.predict(columns_of(SHOTS[names]), range(len(SHOTS)))
    wrong: list[int] = []

    def score(part: int) -> None:
        for row in range(part, len(SHOTS), 30):
            predicted = model.predict(columns_of(SHOTS.iloc[[row]][names]), [row])
            if not math.isclose(predicted[0], expected[row], rel_tol=1e-12):
                wrong.append(row)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(score, range(4)))
    assert wrong == []
