"""The graph returns what scikit-learn returns for any input, or it is not used."""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier

from tests.helpers import ROOT
from tests.xgserve.helpers import bundle, goals, load_model, shots
from xgserve.compiler import build, graph, tree_ensemble
from xgserve.compiler.build import compile_model
from xgserve.compiler.graph import Graph
from xgserve.compiler.scikit import probabilities
from xgserve.model.compiled import GRAPH_FILE, environment, read_description
from xgserve.model.graph import GraphScorer
from xgserve.model.model import Model
from xgserve.names import COMPILED

BUNDLED = ROOT / "xgserve" / "bundled"
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
    "one tree": make_pipeline(columns(one_hot(), SimpleImputer()), DecisionTreeClassifier(max_depth=5)),
    "network": make_pipeline(columns(one_hot(), filled()), MLPClassifier((8, 4), max_iter=30, random_state=0)),
    "discriminants": make_pipeline(columns(one_hot(sparse_output=False), filled()), LinearDiscriminantAnalysis()),
    "sets of categories, hist boosting": HistGradientBoostingClassifier(
        max_iter=40, categorical_features=["shot_type"]
    ),
    "calibrated by sigmoids": CalibratedClassifierCV(
        make_pipeline(columns(one_hot(), filled()), LogisticRegression()), cv=2
    ),
    "calibrated by steps": CalibratedClassifierCV(
        make_pipeline(columns(ordinal()), RandomForestClassifier(20)), cv=2, method="isotonic"
    ),
    "voting": VotingClassifier(
        [
            ("one", make_pipeline(columns(one_hot(), filled()), LogisticRegression())),
            ("other", make_pipeline(columns(ordinal()), HistGradientBoostingClassifier(max_iter=9))),
        ],
        voting="soft",
        weights=[1, 2],
    ),
    "stacked": StackingClassifier(
        [
            ("one", make_pipeline(columns(one_hot(), filled()), LogisticRegression())),
            ("other", make_pipeline(columns(ordinal()), HistGradientBoostingClassifier(max_iter=9))),
        ],
        stack_method="predict_proba",
        cv=2,
    ),
    "other scales": make_pipeline(
        columns(one_hot(sparse_output=False), make_pipeline(SimpleImputer(), RobustScaler(), MinMaxScaler(), PCA(2))),
        LogisticRegression(),
    ),
    "pandas between the steps": make_pipeline(
        columns(one_hot(sparse_output=False), filled()), LogisticRegression()
    ).set_output(transform="pandas"),
    "a search": GridSearchCV(
        make_pipeline(columns(ordinal()), HistGradientBoostingClassifier()),
        {"histgradientboostingclassifier__max_iter": [5, 9]},
        cv=2,
    ),
}


def load(tmp_path: Path, estimator: Any) -> Model:
    return load_model(bundle(tmp_path, estimator))


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
def test_graph_gives_what_scikit_learn_gives(tmp_path: Path, kind: str) -> None:
    data = TRAINED_WITH_NULLS if "null" in kind or "hist" in kind else TRAINED
    estimator = FAST[kind].fit(data, GOALS)
    model = load(tmp_path, estimator)
    assert isinstance(model.scorer, GraphScorer)
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
    assert isinstance(model.scorer, GraphScorer)
    nodes = [member.tree_ for member in np.ravel(estimator.estimators_)]
    at = np.concatenate([tree.threshold[tree.feature == 0] for tree in nodes])
    near = np.concatenate([at, np.nextafter(at, np.inf), np.nextafter(at, -np.inf), at + 1e-9])
    frame = pd.DataFrame({"distance": near, "angle": 30.0})
    np.testing.assert_allclose(
        model.predict(sent(frame), range(len(frame))), estimator.predict_proba(frame)[:, 1], rtol=0, atol=1e-12
    )


SLOW = {
    "any classifier": make_pipeline(columns(one_hot(sparse_output=False), filled()), GaussianNB()),
    "any step": make_pipeline(
        columns(one_hot(), make_pipeline(SimpleImputer(), PowerTransformer())), LogisticRegression()
    ),
    "weighted columns": make_pipeline(
        make_column_transformer((one_hot(), TEXT), (filled(), NUMBERS)).set_params(
            transformer_weights={"pipeline": 0.5}
        ),
        LogisticRegression(),
    ),
}


@pytest.mark.parametrize("kind", SLOW)
def test_model_without_a_translation_is_scored_by_scikit_learn(tmp_path: Path, kind: str) -> None:
    estimator = SLOW[kind].fit(TRAINED, GOALS)
    model = load(tmp_path, estimator)
    assert not isinstance(model.scorer, GraphScorer)
    frame = TRAINED.head(200)
    np.testing.assert_allclose(
        model.predict(sent(frame), range(200)), estimator.predict_proba(frame)[:, 1], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("wrong", [1e-9, 0.1, np.nan])
def test_graph_that_differs_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: float) -> None:
    right = tree_ensemble.sum_of_trees

    def slightly_wrong(graph: Graph, rows: str, *arguments: Any) -> str:
        # in one row of many, as with a threshold that is slightly off
        first = graph.add("Gather", rows, graph.constant([0], np.int64), axis=1)
        is_odd = graph.add("Greater", first, graph.constant(90.0))
        total = right(graph, rows, *arguments)
        return graph.add("Where", is_odd, graph.add("Add", total, graph.constant(wrong)), total)

    monkeypatch.setattr(probabilities, "sum_of_trees", slightly_wrong)
    estimator = HistGradientBoostingClassifier(max_iter=9).fit(TRAINED[NUMBERS], GOALS)
    model = load(tmp_path, estimator)
    assert not isinstance(model.scorer, GraphScorer)
    assert "differs from scikit-learn by" in (model.not_compiled or "")
    frame = TRAINED[NUMBERS] + 50
    expected = estimator.predict_proba(frame)[:, 1]  # the wrong graph is off by 1e-9 or more before the sigmoid
    np.testing.assert_allclose(model.predict(sent(frame), range(len(frame))), expected, rtol=0, atol=1e-12)


def test_model_with_functions_of_its_own_is_given_a_dataframe(tmp_path: Path) -> None:
    estimator = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(TRAINED[NUMBERS], GOALS)
    joblib.dump(estimator, tmp_path / "model.joblib")
    model = load_model(tmp_path / "model.joblib", allow_pickle=True)
    assert not isinstance(model.scorer, GraphScorer)
    frame = TRAINED[NUMBERS].head(50)
    np.testing.assert_allclose(
        model.predict(sent(frame), range(50)), estimator.predict_proba(frame)[:, 1], rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("artifact", sorted(BUNDLED.glob("*/*/model.skops")), ids=lambda path: path.parents[1].name)
def test_bundled_models_ship_as_they_are_compiled_now(artifact: Path, tmp_path: Path) -> None:
    shipped = artifact.parent / COMPILED
    now = compile_model(artifact, tmp_path, environment(allow_pickle=False), workspace="bundled", allow_pickle=False)
    assert now.agreement is not None
    kept, made = read_description(shipped), read_description(tmp_path)
    assert kept is not None and made is not None
    assert (kept.digest, kept.columns, kept.codecs) == (made.digest, made.columns, made.codecs)
    assert (tmp_path / GRAPH_FILE).read_bytes() == (shipped / GRAPH_FILE).read_bytes()


def test_graph_that_would_keep_threads_for_long_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forest = RandomForestClassifier(3, max_depth=4, random_state=0).fit(TRAINED[NUMBERS], GOALS)
    artifact = bundle(tmp_path, forest)

    def not_compiled() -> str | None:
        return compile_model(artifact, artifact.parent, "", workspace="acme", allow_pickle=False).not_compiled

    assert not_compiled() is None
    monkeypatch.setattr(graph, "MAX_WALK", 11)  # 3 trees of 4 levels
    assert not_compiled() == "a row may walk through more than 11 nodes of its trees"
    monkeypatch.setattr(graph, "MAX_WALK", 12)
    monkeypatch.setattr(build, "MAX_SCORING_S", 0)
    assert "10,000 rows take" in (not_compiled() or "")
