"""The fast path returns what scikit-learn returns for any input, or it is not used."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    StandardScaler,
    TargetEncoder,
)

from tests.xgserve.helpers import bundle, goals, shots
from xgserve.compiler import fast_path, tree_ensemble
from xgserve.compiler.build import load_model
from xgserve.compiler.fast_path import FastPath
from xgserve.model.model import Model
from xgserve.names import ModelName

NAME = ModelName("someone", "xg", "1.0.0")
TEXT, NUMBERS = ["shot_type"], ["distance", "angle"]
TRAINED = shots(800)[[*NUMBERS, *TEXT]]
TRAINED_WITH_NULLS = TRAINED.mask(np.random.default_rng(3).random(TRAINED.shape) < 0.1).astype({"shot_type": object})
GOALS = goals(TRAINED)


def columns(encoder: Any, numbers: Any = "passthrough") -> Any:
    return make_column_transformer((encoder, TEXT), (numbers, NUMBERS))


def ordinal() -> OrdinalEncoder:
    return OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan)


def one_hot(**options: Any) -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore", **options)


def filled() -> Any:
    return make_pipeline(SimpleImputer(strategy="median"), StandardScaler())


FAST = {
    "ordinal, hist boosting": make_pipeline(columns(ordinal()), HistGradientBoostingClassifier(max_iter=40)),
    "one-hot, hist boosting": make_pipeline(columns(one_hot()), HistGradientBoostingClassifier(max_iter=40)),
    "target encoder, forest": make_pipeline(
        columns(TargetEncoder(random_state=0), SimpleImputer()), RandomForestClassifier(20)
    ),
    "forest that takes nulls": make_pipeline(columns(ordinal()), RandomForestClassifier(20, min_samples_leaf=3)),
    "extra trees": make_pipeline(columns(one_hot(sparse_output=False), filled()), ExtraTreesClassifier(20)),
    "gradient boosting": make_pipeline(
        columns(one_hot(), SimpleImputer()), GradientBoostingClassifier(n_estimators=20, learning_rate=0.3)
    ),
    "logistic": make_pipeline(columns(one_hot(drop="if_binary"), filled()), LogisticRegression()),
    "one-hot with rare categories": make_pipeline(columns(one_hot(min_frequency=0.35), filled()), LogisticRegression()),
    "products of columns": make_pipeline(
        columns(one_hot(), make_pipeline(SimpleImputer(), PolynomialFeatures())), LogisticRegression(max_iter=500)
    ),
    "the rest passes through": make_pipeline(
        make_column_transformer((one_hot(), TEXT), remainder="passthrough"), HistGradientBoostingClassifier(max_iter=9)
    ),
    "a column dropped": make_pipeline(
        make_column_transformer((one_hot(), TEXT), ("drop", ["angle"]), ("passthrough", ["distance"])),
        HistGradientBoostingClassifier(max_iter=9),
    ),
    "any classifier": make_pipeline(columns(one_hot(sparse_output=False), filled()), GaussianNB()),
    "a search": GridSearchCV(
        make_pipeline(columns(ordinal()), HistGradientBoostingClassifier()),
        {"histgradientboostingclassifier__max_iter": [5, 9]},
        cv=2,
    ),
}


def load(tmp_path: Path, estimator: Any) -> Model:
    return load_model(bundle(tmp_path, estimator), NAME)


def odd_rows(model: Model, rows: int = 1500) -> pd.DataFrame:
    """Return rows near and far from the training rows, with nulls and unknown categories where they are taken."""
    random = np.random.default_rng(7)
    takes = {feature.name: feature for feature in model.columns}
    frame = pd.DataFrame(
        {name: random.normal(40, 10.0 ** random.integers(0, 4, rows)).round(random.integers(0, 9)) for name in NUMBERS}
    )
    # thresholds are nearest to the very numbers that were trained on
    frame.loc[: rows // 3, NUMBERS] = TRAINED[NUMBERS].sample(rows // 3 + 1, replace=True, random_state=1).to_numpy()
    texts: list[str | None] = ["slap", "tip", "wrist"]
    texts += ["lacrosse", ""] if takes["shot_type"].takes_unknown else []
    texts += [None] if takes["shot_type"].nullable else []
    frame["shot_type"] = np.array(texts, dtype=object)[random.integers(len(texts), size=rows)]
    for name in NUMBERS:
        if takes[name].nullable:
            frame.loc[random.random(rows) < 0.1, name] = np.nan
    return frame


def sent(frame: pd.DataFrame) -> dict[str, list[Any]]:
    return {
        str(name): [None if value is None or value != value else value for value in column.tolist()]
        for name, column in frame.items()
    }


@pytest.mark.parametrize("kind", FAST)
def test_fast_path_gives_what_scikit_learn_gives(tmp_path: Path, kind: str) -> None:
    data = TRAINED_WITH_NULLS if "null" in kind or "hist" in kind else TRAINED
    estimator = FAST[kind].fit(data, GOALS)
    model = load(tmp_path, estimator)
    assert isinstance(model.scorer, FastPath)
    frame = odd_rows(model)
    null = next(feature.null for feature in model.columns if feature.name == "shot_type")
    texts = [null if text is None else text for text in frame["shot_type"]]  # scikit-learn tells None and NaN apart
    given = frame.assign(shot_type=pd.Series(texts, dtype=object))[list(data.columns)]
    expected = estimator.predict_proba(given)[:, 1]
    at_once = model.predict(sent(frame), range(len(frame)))
    np.testing.assert_allclose(at_once, expected, rtol=0, atol=1e-12)
    for start, rows in ((0, 1), (5, 2), (100, 30)):
        part = frame.iloc[start : start + rows]
        predicted = model.predict(sent(part), range(rows))
        np.testing.assert_allclose(predicted, expected[start : start + rows], rtol=0, atol=1e-12)


@pytest.mark.parametrize("ensemble", [RandomForestClassifier(20), GradientBoostingClassifier(n_estimators=20)])
def test_numbers_next_to_a_threshold_go_to_the_same_side(tmp_path: Path, ensemble: Any) -> None:
    estimator = ensemble.fit(TRAINED[NUMBERS], GOALS)
    model = load(tmp_path, estimator)
    assert isinstance(model.scorer, FastPath)
    nodes = [member.tree_ for member in np.ravel(estimator.estimators_)]
    at = np.concatenate([tree.threshold[tree.feature == 0] for tree in nodes])
    near = np.concatenate([at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf), at + 1e-9])
    frame = pd.DataFrame({"distance": near, "angle": 30.0})
    np.testing.assert_allclose(
        model.predict(sent(frame), range(len(frame))), estimator.predict_proba(frame)[:, 1], rtol=0, atol=1e-12
    )


SLOW = {
    "calibrated": CalibratedClassifierCV(FAST["logistic"], cv=2),
    "weighted columns": make_pipeline(
        make_column_transformer((one_hot(), TEXT), (filled(), NUMBERS)).set_params(
            transformer_weights={"pipeline": 0.5}
        ),
        LogisticRegression(),
    ),
    "sets of categories": HistGradientBoostingClassifier(max_iter=20, categorical_features=[2]),
    "pandas between the steps": make_pipeline(
        columns(one_hot(sparse_output=False), filled()), LogisticRegression()
    ).set_output(transform="pandas"),
}


@pytest.mark.parametrize("kind", SLOW)
def test_model_without_a_fast_path_is_scored_by_scikit_learn(tmp_path: Path, kind: str) -> None:
    estimator = SLOW[kind].fit(TRAINED, GOALS)
    model = load(tmp_path, estimator)
    assert not isinstance(model.scorer, FastPath)
    frame = TRAINED.head(200)
    np.testing.assert_allclose(
        model.predict(sent(frame), range(200)), estimator.predict_proba(frame)[:, 1], rtol=0, atol=1e-12
    )


def test_step_without_a_short_form_stays_scikit_learns_own(tmp_path: Path) -> None:
    estimator = make_pipeline(PowerTransformer(), LogisticRegression()).fit(TRAINED[NUMBERS], GOALS)
    model = load(tmp_path, estimator)
    assert isinstance(model.scorer, FastPath)
    frame = TRAINED[NUMBERS]
    np.testing.assert_allclose(
        model.predict(sent(frame), range(len(frame))), estimator.predict_proba(frame)[:, 1], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("wrong", [1e-9, 0.1, np.nan])
def test_fast_path_that_differs_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, wrong: float
) -> None:
    right = tree_ensemble.sum_of_trees

    def slightly_wrong(*arguments: Any) -> Any:
        total = right(*arguments)
        # in one row of many, as with a threshold that is slightly off
        return lambda rows: total(rows) + np.where(rows[:, 0] > 90, wrong, 0.0)

    monkeypatch.setattr(fast_path, "sum_of_trees", slightly_wrong)
    estimator = HistGradientBoostingClassifier(max_iter=9).fit(TRAINED[NUMBERS], GOALS)
    with caplog.at_level("INFO", "xgserve.compiler"):
        model = load(tmp_path, estimator)
    assert not isinstance(model.scorer, FastPath)
    assert "differs from scikit-learn by" in caplog.text
    frame = TRAINED[NUMBERS] + 50
    expected = estimator.predict_proba(frame)[:, 1]  # the wrong path is off by 1e-9 or more before the sigmoid
    np.testing.assert_allclose(model.predict(sent(frame), range(len(frame))), expected, rtol=0, atol=1e-12)


def test_model_with_functions_of_its_own_is_given_a_dataframe(tmp_path: Path) -> None:
    estimator = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(TRAINED[NUMBERS], GOALS)
    joblib.dump(estimator, tmp_path / "model.joblib")
    model = load_model(tmp_path / "model.joblib", NAME, allow_pickle=True)
    assert not isinstance(model.scorer, FastPath)
    frame = TRAINED[NUMBERS].head(50)
    np.testing.assert_allclose(
        model.predict(sent(frame), range(50)), estimator.predict_proba(frame)[:, 1], rtol=0, atol=1e-12
    )


def test_bundled_models_have_a_fast_path_and_load_no_pandas() -> None:
    code = """
import sys
from pathlib import Path
from xgserve.compiler.build import load_model
from xgserve.compiler.fast_path import FastPath
from xgserve.names import ModelName
for artifact in Path("xgserve/bundled").glob("*/*/model.skops"):
    model = load_model(artifact, ModelName("bundled", artifact.parents[1].name, artifact.parent.name))
    assert isinstance(model.scorer, FastPath), model.id
    model.predict({name: [value] for name, value in model.golden_row.items()}, [0])
print("pandas" in sys.modules)
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ran.stdout == "False\n"
