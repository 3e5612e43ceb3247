"""Models as people save them with skops: each loads, and predicts what it predicted where it was made."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io
from scipy.stats import loguniform
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.experimental import enable_halving_search_cv  # noqa: F401 - for HalvingGridSearchCV
from sklearn.feature_selection import (
    RFECV,
    SelectFromModel,
    SelectKBest,
    SelectPercentile,
    f_classif,
    mutual_info_classif,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV, SGDClassifier
from sklearn.metrics import log_loss, make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    RepeatedStratifiedKFold,
    StratifiedKFold,
    TimeSeriesSplit,
    TunedThresholdClassifierCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    PowerTransformer,
    QuantileTransformer,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC, LinearSVC

from tests.xgserve.helpers import goals, load_model, shots
from xgserve.errors import ModelError
from xgserve.names import ModelName

SHOTS = shots(240)
GOALS = goals(SHOTS)
NUMBERS = ["distance", "angle"]
LR = LogisticRegression


def search(**options: Any) -> GridSearchCV:
    return GridSearchCV(LR(), {"C": [0.1, 1]}, **({"cv": 3} | options))


def network(**options: Any) -> Pipeline:
    return make_pipeline(StandardScaler(), MLPClassifier((4,), max_iter=20, **options))


def encoded(encoder: Any) -> Any:
    return make_column_transformer((encoder, ["shot_type"]), remainder="passthrough")


ON_NUMBERS: dict[str, Callable[[], Any]] = {
    **{
        f"search by {name}": partial(search, scoring=name)
        for name in ("neg_log_loss", "roc_auc", "neg_brier_score", "average_precision", "d2_log_loss_score")
    },
    **{
        f"search over {type(folds).__name__}": partial(search, cv=folds)
        for folds in (
            KFold(3),
            StratifiedKFold(3),
            TimeSeriesSplit(3),
            RepeatedStratifiedKFold(n_splits=2, n_repeats=2),
        )
    },
    "search by two": lambda: search(scoring=["roc_auc", "neg_log_loss"], refit="neg_log_loss"),
    "search by a scorer of one's own": lambda: search(
        scoring=make_scorer(log_loss, greater_is_better=False, response_method="predict_proba")
    ),
    "random search": lambda: RandomizedSearchCV(LR(), {"C": loguniform(1e-3, 10)}, n_iter=2, cv=3),
    "halving search": lambda: HalvingGridSearchCV(LR(), {"C": [0.1, 1]}, cv=3),
    "calibrated search": lambda: CalibratedClassifierCV(search(scoring="neg_log_loss"), cv=KFold(2)),
    "splines": lambda: make_pipeline(SplineTransformer(), StandardScaler(), LR()),
    "splines beyond their ends": lambda: make_pipeline(
        SplineTransformer(extrapolation="linear", include_bias=False), StandardScaler(), LR()
    ),
    "neighbours": lambda: KNeighborsClassifier(10, weights="distance"),
    "neighbours in balls": lambda: KNeighborsClassifier(10, algorithm="ball_tree", p=3),
    "neighbours one by one": lambda: KNeighborsClassifier(10, algorithm="brute", metric="manhattan"),
    **{
        f"network by {solver}": partial(network, solver=solver, early_stopping=solver != "lbfgs")
        for solver in ("adam", "sgd", "lbfgs")
    },
    "best columns": lambda: make_pipeline(SelectKBest(f_classif, k=1), LR()),
    "best share of columns": lambda: make_pipeline(SelectPercentile(mutual_info_classif, percentile=50), LR()),
    "columns of a model": lambda: make_pipeline(SelectFromModel(RandomForestClassifier(3)), LR()),
    "columns left over": lambda: make_pipeline(RFECV(LR(), scoring="roc_auc", cv=KFold(2)), LR()),
    "calibrated": lambda: CalibratedClassifierCV(LinearSVC(), cv=KFold(2), method="isotonic"),
    "calibrated afterwards": lambda: CalibratedClassifierCV(FrozenEstimator(LR().fit(SHOTS[NUMBERS], GOALS))),
    "threshold": lambda: TunedThresholdClassifierCV(LR(), scoring="f1"),
    "stack": lambda: StackingClassifier([("a", LR()), ("b", GaussianNB())], cv=KFold(2), passthrough=True),
    "vote": lambda: VotingClassifier([("a", LR()), ("b", RandomForestClassifier(3))], voting="soft"),
    "bag": lambda: BaggingClassifier(LR(), n_estimators=3, random_state=1),
    "steps": lambda: AdaBoostClassifier(n_estimators=3),
    "extra trees": lambda: ExtraTreesClassifier(3, random_state=np.random.RandomState(3)),
    "boosting on a model": lambda: GradientBoostingClassifier(n_estimators=3, init=LR()),
    "gradient descent": lambda: make_pipeline(StandardScaler(), SGDClassifier(loss="modified_huber")),
    "logistic by folds": lambda: LogisticRegressionCV(cv=KFold(3), scoring="neg_log_loss", use_legacy_attributes=False),
    "support vectors": lambda: SVC(probability=True),
    "products": lambda: make_pipeline(StandardScaler(), PolynomialFeatures((2, 3), interaction_only=True), LR()),
    "bins": lambda: make_pipeline(KBinsDiscretizer(quantile_method="averaged_inverted_cdf"), LR()),
    "quantiles": lambda: make_pipeline(QuantileTransformer(n_quantiles=20), PowerTransformer(), PCA(1), LR()),
    "kernel": lambda: make_pipeline(StandardScaler(), Nystroem(n_components=10), LR()),
    "filled in": lambda: make_pipeline(SimpleImputer(add_indicator=True), KNNImputer(), LR()),
    "logarithms": lambda: make_pipeline(FunctionTransformer(np.log1p, np.expm1), LR()),
}

ON_ALL: dict[str, Callable[[], Any]] = {
    "encoded": lambda: make_pipeline(encoded(OneHotEncoder(min_frequency=0.1)), StandardScaler(with_mean=False), LR()),
    "encoded, dense": lambda: make_pipeline(
        encoded(OneHotEncoder(sparse_output=False, drop="first", dtype=np.float32)), LR(max_iter=1000)
    ),
    "numbered": lambda: make_pipeline(
        encoded(OrdinalEncoder()), HistGradientBoostingClassifier(max_iter=3, categorical_features=[0])
    ),
    "by goals": lambda: make_pipeline(encoded(TargetEncoder(cv=2)), LR(max_iter=1000)),
    "selected by type": lambda: make_pipeline(
        make_column_transformer(
            (OneHotEncoder(), make_column_selector(dtype_exclude="number")),
            (StandardScaler(), make_column_selector(dtype_include="number")),
        ),
        LR(),
    ),
    "all in one": lambda: GridSearchCV(
        Pipeline(
            [
                (
                    "columns",
                    ColumnTransformer(
                        [
                            (
                                "type",
                                make_pipeline(SimpleImputer(strategy="most_frequent"), OneHotEncoder()),
                                ["shot_type"],
                            ),
                            ("numbers", make_pipeline(SimpleImputer(), SplineTransformer()), NUMBERS),
                            ("rest", "drop", ["rebound"]),
                        ]
                    ),
                ),
                ("forest", CalibratedClassifierCV(RandomForestClassifier(3, max_depth=3), cv=StratifiedKFold(2))),
            ]
        ),
        {"forest__method": ["sigmoid", "isotonic"]},
        scoring="neg_brier_score",
        cv=GroupKFold(2),
    ),
}


@pytest.mark.filterwarnings("ignore")  # of fits on few rows
@pytest.mark.parametrize("kind", [*ON_NUMBERS, *ON_ALL])
def test_saved_model_when_loaded_gives_what_it_gave(kind: str, tmp_path: Path) -> None:
    frame = SHOTS[NUMBERS] if kind in ON_NUMBERS else SHOTS
    groups = {"groups": np.arange(len(frame)) % 4} if kind == "all in one" else {}
    if kind == "filled in":
        frame = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.1)
    estimator = (ON_NUMBERS | ON_ALL)[kind]().fit(frame, GOALS, **groups)
    skops.io.dump(estimator, tmp_path / "model.skops")
    model = load_model(tmp_path / "model.skops", ModelName("someone", "xg", "1.0.0"))
    assert [feature.name for feature in model.columns] == list(frame.columns)
    predicted = model.predict(_columns(frame), range(len(frame)))
    np.testing.assert_allclose(predicted, estimator.predict_proba(frame)[:, 1], rtol=1e-9, atol=1e-12)


def test_cache_on_disk_that_a_model_names_is_left_alone(tmp_path: Path) -> None:
    estimator = Pipeline([("scale", StandardScaler()), ("classify", LR())]).fit(SHOTS[NUMBERS], GOALS)
    skops.io.dump(estimator.set_params(memory=str(tmp_path / "cache")), tmp_path / "model.skops")
    model = load_model(tmp_path / "model.skops", ModelName("someone", "xg", "1.0.0"))
    assert 0 < model.check() < 1
    assert not (tmp_path / "cache").exists()


@pytest.mark.filterwarnings("ignore")
def test_search_without_a_fitted_model_is_refused_with_advice(tmp_path: Path) -> None:
    skops.io.dump(search(refit=False).fit(SHOTS[NUMBERS], GOALS), tmp_path / "model.skops")
    with pytest.raises(ModelError, match="refit=True"):
        load_model(tmp_path / "model.skops", ModelName("someone", "xg", "1.0.0"))


def _columns(frame: pd.DataFrame) -> dict[str, list[Any]]:
    parsed: dict[str, list[Any]] = json.loads(frame.to_json(orient="split", double_precision=15))
    return {name: [row[place] for row in parsed["data"]] for place, name in enumerate(frame.columns)}
