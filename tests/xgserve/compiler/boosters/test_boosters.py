"""Models of XGBoost and LightGBM answer as their library does, from their own files and from pickles."""

import json
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
import xgboost
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import VotingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from tests.xgserve.compiler.boosters.boosted import (
    ASKED,
    CATEGORIES,
    FRAME,
    GOALS,
    NATIVE,
    NUMBERS,
    TYPES,
    ZONES,
    answers,
    category,
    difference,
    fitted,
    lgbm,
    loaded,
    native,
    saved,
    stopped_early,
    values,
    xgb,
)
from tests.xgserve.helpers import load_model
from xgserve.compiler.boosters import lightgbm_file, xgboost_file
from xgserve.errors import ModelError

SINGLE, DOUBLE = 1e-6, 1e-12
NUMBERS_ONLY = {"frame": FRAME[NUMBERS]}

XGBOOST: dict[str, Callable[[], Any]] = {
    "numbers": lambda: fitted(xgb(), FRAME[NUMBERS]),
    "categories, partitions": lambda: fitted(xgb(enable_categorical=True, max_cat_to_onehot=1)),
    "categories, one at a time": lambda: fitted(xgb(enable_categorical=True, max_cat_to_onehot=99)),
    "early stopping": lambda: stopped_early(xgb(n_estimators=300, early_stopping_rounds=10), FRAME[NUMBERS]),
    "early stopping, categories": lambda: stopped_early(
        xgb(n_estimators=300, early_stopping_rounds=10, enable_categorical=True)
    ),
    "boosted forests, early stopping": lambda: stopped_early(
        xgb(n_estimators=100, early_stopping_rounds=5, num_parallel_tree=3, subsample=0.6), FRAME[NUMBERS]
    ),
    "forest": lambda: fitted(xgboost.XGBRFClassifier(n_estimators=20, n_jobs=1), FRAME[NUMBERS]),
    "dart": lambda: fitted(xgb(booster="dart", rate_drop=0.3, one_drop=1, n_estimators=15), FRAME[NUMBERS]),
    "weights and base score": lambda: fitted(
        xgb(scale_pos_weight=5, base_score=0.03, min_child_weight=5, n_estimators=15), FRAME[NUMBERS]
    ),
    "pruned": lambda: fitted(xgb(gamma=0.5, tree_method="exact"), FRAME[NUMBERS]),
    "leaf by leaf": lambda: fitted(xgb(grow_policy="lossguide", max_leaves=60, max_depth=0), FRAME[NUMBERS]),
}
LIGHTGBM: dict[str, Callable[[], Any]] = {
    "categories": lambda: fitted(lgbm()),
    "numbers": lambda: fitted(lgbm(), FRAME[NUMBERS]),
    "early stopping": lambda: stopped_early(lgbm(n_estimators=300)),
    "missing like zero": lambda: fitted(lgbm(use_missing=False)),
    "zero like missing": lambda: fitted(lgbm(zero_as_missing=True)),
    "nothing missing": lambda: fitted(lgbm(), NATIVE.fillna(dict.fromkeys(NUMBERS, 0.0))),
    "dart": lambda: fitted(lgbm(boosting_type="dart")),
    "forest": lambda: fitted(lgbm(boosting_type="rf", bagging_freq=1, bagging_fraction=0.5)),
    "cross entropy": lambda: fitted(lgbm(objective="cross_entropy")),
    "steeper": lambda: fitted(lgbm(sigmoid=2.5)),
    "categories one at a time": lambda: fitted(lgbm(max_cat_to_onehot=99)),
    "ordered categories": lambda: fitted(
        lgbm(), NATIVE.assign(zone=NATIVE["zone"].cat.as_ordered(), shot_type=NATIVE["shot_type"].cat.as_ordered())
    ),
}


@cache
def boosted(kind: str, library: str = "xgboost") -> Any:
    """Return a fitted classifier of this kind."""
    return (XGBOOST if library == "xgboost" else LIGHTGBM)[kind]()


CARD: dict[str, list[dict[str, Any]]] = {
    "features": [
        *({"name": name, "kind": "number"} for name in NUMBERS),
        {"name": "shot_type", "kind": "category", "categories": TYPES},
        {"name": "zone", "kind": "category", "categories": ZONES},
    ]
}


def asked(estimator: Any) -> pd.DataFrame:
    """Return rows with the columns of an estimator."""
    names = list(estimator.feature_names_in_)
    return ASKED[[name for name in ASKED if name in names]]


def own(estimator: Any) -> Any:
    """Return the library's answers to the rows, in a frame with pandas categories."""
    return answers(estimator, native(ASKED)[list(estimator.feature_names_in_)])


@pytest.mark.parametrize("suffix", [".json", ".ubj", ".joblib"])
@pytest.mark.parametrize("kind", XGBOOST)
def test_xgboost_classifier_answers_as_xgboost_does(kind: str, suffix: str, tmp_path: Path) -> None:
    estimator = boosted(kind)
    model = loaded(estimator, tmp_path, f"model{suffix}")
    assert model.served_by == "graph", model.not_compiled
    assert difference(model, asked(estimator), own(estimator)) <= SINGLE


@pytest.mark.parametrize("suffix", [".txt", ".joblib"])
@pytest.mark.parametrize("kind", LIGHTGBM)
def test_lightgbm_classifier_answers_as_lightgbm_does(kind: str, suffix: str, tmp_path: Path) -> None:
    estimator = boosted(kind, "lightgbm")
    model = loaded(estimator, tmp_path, f"model{suffix}", CARD if "ordered" in kind else None)
    assert model.served_by == "graph", model.not_compiled
    assert difference(model, asked(estimator), own(estimator)) <= DOUBLE


@pytest.mark.parametrize(("reader", "kinds"), [(xgboost_file, XGBOOST), (lightgbm_file, LIGHTGBM)])
def test_files_are_read_without_the_library_that_wrote_them(
    reader: Any, kinds: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "find_spec", lambda _: None)
    name = "model.ubj" if reader is xgboost_file else "model.txt"
    for number, kind in enumerate(kinds):
        estimator = boosted(kind, "xgboost" if reader is xgboost_file else "lightgbm")
        folder = tmp_path / str(number)
        folder.mkdir()
        model = loaded(estimator, folder, name, CARD if "ordered" in kind else None)
        assert model.library.name == "treelite"
        assert difference(model, asked(estimator), own(estimator)) <= SINGLE


def test_early_stopping_leaves_trees_after_the_best_round_in_the_file() -> None:
    early = boosted("early stopping")
    assert early.get_booster().num_boosted_rounds() > early.best_iteration + 1


@pytest.mark.parametrize("suffix", [".json", ".ubj", ".joblib"])
def test_xgboost_booster_answers_with_all_its_rounds(suffix: str, tmp_path: Path) -> None:
    """Only XGBoost's scikit-learn classes leave out the rounds after the best one."""
    data = xgboost.DMatrix(FRAME[NUMBERS], GOALS)
    booster = xgboost.train(
        {"objective": "binary:logistic", "max_depth": 5},
        data,
        60,
        evals=[(xgboost.DMatrix(FRAME[NUMBERS][:300], 1 - GOALS[:300]), "others")],
        early_stopping_rounds=5,
        verbose_eval=False,
    )
    assert booster.num_boosted_rounds() > booster.best_iteration + 1
    expected = booster.predict(xgboost.DMatrix(ASKED[NUMBERS]))
    assert difference(loaded(booster, tmp_path, f"model{suffix}"), ASKED[NUMBERS], expected) <= SINGLE


def test_lightgbm_booster_in_a_pickle_answers_with_its_best_round(tmp_path: Path) -> None:
    booster = boosted("early stopping", "lightgbm").booster_
    expected = booster.predict(native(ASKED)[booster.feature_name()])
    assert difference(loaded(booster, tmp_path, "model.joblib"), ASKED, expected) <= DOUBLE


PIPELINES: dict[str, Any] = {
    "one-hot, XGBoost": make_pipeline(
        make_column_transformer((OneHotEncoder(handle_unknown="ignore"), CATEGORIES), ("passthrough", NUMBERS)), xgb()
    ),
    "ordinal, XGBoost": make_pipeline(
        make_column_transformer(
            (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), CATEGORIES),
            (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        ),
        xgb(),
    ),
    "ordinal, LightGBM": make_pipeline(
        make_column_transformer(
            (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), CATEGORIES), ("passthrough", NUMBERS)
        ),
        lgbm(),
    ),
    "search, LightGBM": GridSearchCV(
        make_pipeline(
            make_column_transformer((OneHotEncoder(handle_unknown="ignore"), CATEGORIES), remainder="passthrough"),
            lgbm(n_estimators=10),
        ),
        {"lgbmclassifier__num_leaves": [5, 10]},
        cv=2,
    ),
}
AROUND: dict[str, Any] = {
    "calibrated XGBoost": CalibratedClassifierCV(xgb(enable_categorical=True, n_estimators=10), cv=2),
    "calibrated LightGBM": CalibratedClassifierCV(lgbm(n_estimators=10), cv=2),
    "searched XGBoost": GridSearchCV(xgb(enable_categorical=True, n_estimators=5), {"max_depth": [2, 3]}, cv=2),
    "pipeline of one step": make_pipeline("passthrough", xgb(enable_categorical=True)),
    "vote of both": VotingClassifier(
        [("x", xgb(enable_categorical=True, n_estimators=10)), ("l", lgbm(n_estimators=10))], voting="soft"
    ),
}


@pytest.mark.parametrize("kind", PIPELINES)
def test_booster_behind_an_encoder_answers_as_scikit_learn_does(kind: str, tmp_path: Path) -> None:
    pipeline = fitted(PIPELINES[kind], FRAME)
    model = loaded(pipeline, tmp_path, "model.joblib")
    assert model.served_by == "graph", model.not_compiled
    assert difference(model, ASKED, answers(pipeline, ASKED)) <= SINGLE


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
@pytest.mark.parametrize("unknown", [-1, 77, np.nan])
def test_booster_splits_by_sets_of_what_an_encoder_made(unknown: float, library: str, tmp_path: Path) -> None:
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=unknown)
    columns = make_column_transformer((encoder, CATEGORIES), ("passthrough", NUMBERS))
    if library == "xgboost":
        booster: Any = xgb(enable_categorical=True, feature_types=["c", "c", "q", "q", "q"], max_cat_to_onehot=1)
        pipeline = fitted(make_pipeline(columns, booster), FRAME)
    else:
        pipeline = fitted(make_pipeline(columns, lgbm()), FRAME, lgbmclassifier__categorical_feature=[0, 1])
    model = loaded(pipeline, tmp_path, "model.joblib")
    assert model.served_by == "graph", model.not_compiled
    assert difference(model, ASKED, answers(pipeline, ASKED)) <= SINGLE


def test_categories_beyond_one_mask_of_onnxruntime(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    teams = [f"team {number}" for number in range(150)]
    chosen = pd.Series(random.choice(teams, len(FRAME)))
    better = set(teams[::3])
    scored = np.where(random.random(len(FRAME)) < np.where(chosen.isin(better), 0.8, 0.2), 1, 0)
    frame = pd.DataFrame({"distance": FRAME["distance"], "team": pd.Categorical(chosen, teams)})
    rows = pd.DataFrame(
        {"distance": ASKED["distance"], "team": random.choice(np.array([*teams, None], object), len(ASKED))}
    )
    for name, estimator in (
        ("model.json", xgb(enable_categorical=True, n_estimators=20)),
        ("model.txt", lgbm(min_data_per_group=5, cat_smooth=1)),
    ):
        model = loaded(estimator.fit(frame, scored), tmp_path, name)
        assert model.served_by == "graph", model.not_compiled
        expected = answers(estimator, rows.assign(team=category(rows["team"], teams)))
        assert difference(model, rows, expected) <= SINGLE


@pytest.mark.parametrize("kind", AROUND)
def test_booster_inside_another_estimator_answers_with_pandas_categories(kind: str, tmp_path: Path) -> None:
    estimator = fitted(AROUND[kind])
    model = loaded(estimator, tmp_path, "model.joblib")
    assert difference(model, ASKED, answers(estimator, native(ASKED))) <= SINGLE
    assert model.served_by == "graph", model.not_compiled


def test_number_that_means_missing_is_left_to_the_library(tmp_path: Path) -> None:
    estimator = fitted(xgb(missing=-1.0, n_estimators=5), FRAME[NUMBERS].fillna(-1.0))
    model = loaded(estimator, tmp_path, "model.joblib")
    assert model.served_by == "worker"
    assert "it takes -1.0 for a missing value" in str(model.not_compiled)
    asked = ASKED[NUMBERS].fillna(-1.0)
    assert difference(model, asked, answers(estimator, asked)) <= SINGLE


# -- columns, categories, classes ------------------------------------------------------------------------------------


def test_file_says_its_columns_kinds_and_categories(tmp_path: Path) -> None:
    for name, estimator in (
        ("model.json", boosted("categories, partitions")),
        ("model.txt", boosted("categories", "lightgbm")),
    ):
        model = loaded(estimator, tmp_path, name)
        assert [(column.name, column.kind, column.categories) for column in model.columns] == [
            *((name, "number", None) for name in NUMBERS),
            ("shot_type", "category", tuple(TYPES)),
            ("zone", "category", tuple(ZONES)),
        ]
        assert all(column.nullable for column in model.columns)
        assert [column.name for column in model.columns if column.takes_unknown] == CATEGORIES


@pytest.mark.parametrize("name", ["model.json", "model.txt"])
def test_unknown_category_is_a_missing_one(name: str, tmp_path: Path) -> None:
    model = loaded(
        boosted("categories, partitions") if name == "model.json" else boosted("categories", "lightgbm"), tmp_path, name
    )
    rows = ASKED.assign(shot_type="between the legs")
    unknown, missing = (model.predict(values(rows.assign(shot_type=kind)), range(len(rows))) for kind in ("poke", None))
    np.testing.assert_array_equal(unknown, missing)


def test_fit_on_an_array_takes_its_columns_from_the_card(tmp_path: Path) -> None:
    estimator = fitted(xgb(), FRAME[NUMBERS].to_numpy())
    expected = answers(estimator, ASKED[NUMBERS].to_numpy())
    with pytest.raises(
        ModelError, match=r'takes 3 columns.*card\.json with \{"features": \[\{"name": "\.\.\.", "kind"'
    ):
        loaded(estimator, tmp_path, "model.json")
    model = loaded(estimator, tmp_path, "model.json", {"features": CARD["features"][:3]})
    assert difference(model, ASKED[NUMBERS], expected) <= SINGLE


@pytest.mark.parametrize("suffix", [".txt", ".joblib"])
def test_made_up_names_of_lightgbm_are_none(suffix: str, tmp_path: Path) -> None:
    estimator = fitted(lgbm(), FRAME[NUMBERS].to_numpy())
    with pytest.raises(ModelError, match=r"takes 3 columns and does not name them"):
        loaded(estimator, tmp_path, f"model{suffix}")
    model = loaded(estimator, tmp_path, f"model{suffix}", {"features": CARD["features"][:3]})
    assert difference(model, ASKED[NUMBERS], answers(estimator, ASKED[NUMBERS].to_numpy())) <= DOUBLE


@pytest.mark.parametrize("names", [True, False])
@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_whole_numbers_as_categories(library: str, names: bool, tmp_path: Path) -> None:
    """Codes that the author made are categories as they are, or those that the card lists in their order."""
    codes = native(ASKED).assign(
        **{name: native(ASKED)[name].cat.codes.astype(float).replace(-1.0, np.nan) for name in CATEGORIES}
    )
    trained = NATIVE.assign(**{name: NATIVE[name].cat.codes.astype(float).replace(-1.0, np.nan) for name in CATEGORIES})
    if library == "xgboost":
        types = ["float", "float", "float", "c", "c"]
        booster = xgboost.train(
            {"objective": "binary:logistic", "max_cat_to_onehot": 1},
            xgboost.DMatrix(trained.to_numpy(float), GOALS, feature_types=types),
            30,
        )
        booster.save_model(tmp_path / "model.ubj")
        expected = booster.predict(xgboost.DMatrix(codes.to_numpy(float), feature_types=types))
    else:
        data = lightgbm.Dataset(trained.to_numpy(float), GOALS, categorical_feature=[3, 4])
        trained_booster = lightgbm.train({"objective": "binary", "verbose": -1}, data, 30)
        trained_booster.save_model(tmp_path / "model.txt")
        expected = np.asarray(trained_booster.predict(codes.to_numpy(float)))
    unnamed = [{key: value for key, value in entry.items() if key != "categories"} for entry in CARD["features"]]
    (tmp_path / "card.json").write_text(json.dumps(CARD if names else {"features": unnamed}))
    model = load_model(tmp_path / ("model.ubj" if library == "xgboost" else "model.txt"))
    assert difference(model, ASKED if names else codes, expected) <= SINGLE


def test_categories_that_xgboost_stores_incompletely_come_from_the_card(tmp_path: Path) -> None:
    """XGBoost 3.2 stores as many bytes of a text as it has characters."""
    names = dict(zip(TYPES, ["revés", "été", "ête", "décalé", "poignet"], strict=True))
    french, rows = FRAME.replace({"shot_type": names}), ASKED.replace({"shot_type": names})
    types = list(names.values())
    estimator = fitted(
        xgb(enable_categorical=True),
        french.assign(shot_type=category(french["shot_type"], types))[["distance", "shot_type"]],
    )
    with pytest.raises(ModelError, match=r"the 5 categories of shot_type incompletely.*card\.json"):
        loaded(estimator, tmp_path, "model.json")
    card = {
        "features": [
            {"name": "distance", "kind": "number"},
            {"name": "shot_type", "kind": "category", "categories": types},
        ]
    }
    model = loaded(estimator, tmp_path, "model.json", card)
    rows = rows[["distance", "shot_type"]]
    expected = answers(estimator, rows.assign(shot_type=category(rows["shot_type"], types)))
    assert difference(model, rows, expected) <= SINGLE


def test_card_that_calls_a_number_a_category_is_refused(tmp_path: Path) -> None:
    card = {"features": [{"name": name, "kind": "category", "categories": ["a"]} for name in NUMBERS]}
    with pytest.raises(ModelError, match=r"takes numbers in distance.*save a scikit-learn Pipeline with the encoder"):
        loaded(boosted("numbers"), tmp_path, "model.json", card)


def test_card_with_other_columns_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"card\.json and the model disagree about the columns \['Angle', 'angle'\]"):
        card = {"features": [{"name": name, "kind": "number"} for name in ("distance", "Angle", "rebound")]}
        loaded(boosted("numbers", "lightgbm"), tmp_path, "model.txt", card)


def test_names_with_spaces_are_the_card_s(tmp_path: Path) -> None:
    """LightGBM stores them with underscores."""
    named = FRAME[NUMBERS].rename(columns={"distance": "shot distance"})
    estimator = fitted(lgbm(), named)
    card = {"features": [{"name": name, "kind": "number"} for name in named]}
    model = loaded(estimator, tmp_path, "model.txt", card)
    asked = ASKED[NUMBERS].rename(columns={"distance": "shot distance"})
    assert difference(model, asked, answers(estimator, asked)) <= DOUBLE


@pytest.mark.parametrize(
    ("labels", "card"),
    [((False, True), {}), (("0", "1"), {}), (("goal", "save"), {"positive_class": "goal"})],
)
def test_positive_class_of_lightgbm_is_known_or_named(
    labels: tuple[Any, Any], card: dict[str, Any], tmp_path: Path
) -> None:
    is_goal = GOALS == 1
    goal, other = (labels[0], labels[1]) if "goal" in labels else (labels[1], labels[0])
    estimator = lgbm().fit(FRAME[NUMBERS], np.where(is_goal, goal, other))
    model = loaded(estimator, tmp_path, "model.joblib", card)
    place = list(estimator.classes_).index(goal)
    expected = np.asarray(estimator.predict_proba(ASKED[NUMBERS]))[:, place]
    assert difference(model, ASKED[NUMBERS], expected) <= DOUBLE


# -- what is refused, and how it is said -----------------------------------------------------------------------------


def boosted_by_xgboost(**parameters: Any) -> Any:
    labels = np.arange(len(FRAME)) % 3 if "num_class" in parameters else GOALS
    return xgboost.train({"nthread": 1, **parameters}, xgboost.DMatrix(FRAME[NUMBERS], labels), 3)


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        (
            {"objective": "multi:softprob", "num_class": 3},
            "tells 3 classes apart (multi:softprob): fit with binary:",
        ),
        (
            {"objective": "rank:pairwise"},
            "its objective is rank:pairwise, which gives no probability: fit with binary:",
        ),
        ({"objective": "reg:squarederror"}, "its objective is reg:squarederror, which gives no probability"),
        ({"objective": "binary:logitraw"}, "its objective is binary:logitraw, which gives no probability"),
        ({"objective": "binary:hinge"}, "its objective is binary:hinge, which gives no probability"),
        ({"objective": "binary:logistic", "booster": "gblinear"}, "its booster is gblinear, which holds no trees"),
    ],
)
@pytest.mark.parametrize("name", ["model.json", "model.joblib"])
def test_xgboost_of_another_kind_is_refused_by_name(
    parameters: dict[str, Any], why: str, name: str, tmp_path: Path
) -> None:
    with pytest.raises(ModelError) as refusal:
        loaded(boosted_by_xgboost(**parameters), tmp_path, name)
    assert why in str(refusal.value)


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"objective": "multiclass", "num_class": 3}, "tells 3 classes apart (multiclass): fit with binary"),
        ({"objective": "regression"}, "its objective is regression, which gives no probability: fit with binary"),
        ({"objective": "cross_entropy_lambda"}, "its objective is cross_entropy_lambda, which gives no probability"),
        ({"objective": "binary", "linear_tree": True}, "its leaves hold linear models: fit with linear_tree=False"),
    ],
)
def test_lightgbm_of_another_kind_is_refused_by_name(parameters: dict[str, Any], why: str, tmp_path: Path) -> None:
    labels = np.arange(len(FRAME)) % 3 if "num_class" in parameters else GOALS
    booster = lightgbm.train({"verbose": -1, **parameters}, lightgbm.Dataset(FRAME[NUMBERS], labels), 3)
    booster.save_model(tmp_path / "model.txt")
    with pytest.raises(ModelError) as refusal:
        load_model(tmp_path / "model.txt")
    assert why in str(refusal.value)


def test_linear_booster_in_a_pickle_is_scored_by_a_worker(tmp_path: Path) -> None:
    estimator = fitted(xgb(booster="gblinear", n_estimators=5), FRAME[NUMBERS].fillna(0))
    model = loaded(estimator, tmp_path, "model.joblib")
    assert (model.served_by, model.not_compiled) == (
        "worker",
        "its booster is gblinear, which holds no trees: fit with gbtree or dart, or save a scikit-learn Pipeline with "
        "LogisticRegression",
    )
    assert difference(model, ASKED[NUMBERS], answers(estimator, ASKED[NUMBERS])) == 0


@pytest.mark.parametrize("library", ["xgboost", "lightgbm"])
def test_pickle_of_a_library_that_is_missing_says_how_to_install_it(
    library: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(boosted("numbers", library), tmp_path, "model.joblib")
    monkeypatch.setitem(sys.modules, f"{library}.sklearn", None)
    words = rf"needs {library}, which is not installed here: pip install '\.\[boosters\]'"
    with pytest.raises(ModelError, match=words):
        load_model(path, allow_pickle=True)


def test_model_that_always_answers_the_same_is_scored_by_a_worker(tmp_path: Path) -> None:
    for name, estimator in (
        ("model.json", xgb(gamma=1e9, max_depth=1, n_estimators=2)),
        ("model.txt", lgbm(min_child_samples=10**6)),
    ):
        model = loaded(fitted(estimator, FRAME[NUMBERS]), tmp_path, name)
        assert (model.served_by, model.not_compiled) == ("worker", "no tree has more than a leaf")
        assert difference(model, ASKED[NUMBERS], answers(estimator, ASKED[NUMBERS])) <= SINGLE


def test_logistic_regression_beside_boosters_is_still_compared_in_double_precision(tmp_path: Path) -> None:
    estimator = fitted(make_pipeline(SimpleImputer(), LogisticRegression()), FRAME[NUMBERS])
    assert loaded(estimator, tmp_path, "model.joblib").agreement == pytest.approx(0, abs=DOUBLE)
