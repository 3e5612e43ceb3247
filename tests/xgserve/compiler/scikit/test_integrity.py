"""Trees and encoders whose indices lead out of their arrays are refused when loaded, so no row ever follows them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
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
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree

from tests.xgserve.helpers import bundle, goals, load_model, shots
from xgserve.errors import ModelError
from xgserve.names import ModelName

SHOTS = shots()
GOALS = goals(SHOTS)
NUMBERS = SHOTS[["distance", "angle"]]
WITH_CATEGORIES = SHOTS.astype({"shot_type": "category"})[["shot_type", "distance", "angle"]]


def stump() -> DecisionTreeClassifier:
    return DecisionTreeClassifier(max_depth=2)


def histogram() -> HistGradientBoostingClassifier:
    return HistGradientBoostingClassifier(max_iter=2, categorical_features="from_dtype")


def one_tree() -> DecisionTreeClassifier:
    return stump().fit(NUMBERS, GOALS)


def boosting() -> GradientBoostingClassifier:
    return GradientBoostingClassifier(n_estimators=3).fit(NUMBERS, GOALS)


def with_categories() -> HistGradientBoostingClassifier:
    return histogram().fit(WITH_CATEGORIES, GOALS)


def load(tmp_path: Path, estimator: Any) -> None:
    load_model(bundle(tmp_path, estimator), ModelName("someone", "xg", "1.0.0"))


HOLDERS: dict[str, tuple[Any, Callable[[Any], Any]]] = {
    "tree": (stump(), lambda e: e),
    "forest": (RandomForestClassifier(3), lambda e: e.estimators_[1]),
    "extra trees": (ExtraTreesClassifier(3), lambda e: e.estimators_[2]),
    "boosting": (GradientBoostingClassifier(n_estimators=3), lambda e: e.estimators_[2, 0]),
    "ada boost": (AdaBoostClassifier(stump(), n_estimators=2), lambda e: e.estimators_[0]),
    "bagging": (BaggingClassifier(stump(), 2), lambda e: e.estimators_[1]),
    "pipeline": (make_pipeline(StandardScaler(), stump()), lambda e: e[-1]),
    "calibrated": (CalibratedClassifierCV(stump(), cv=2), lambda e: e.calibrated_classifiers_[1].estimator),
    "search": (GridSearchCV(stump(), {"max_depth": [1, 2]}, cv=2), lambda e: e.best_estimator_),
    "vote": (
        VotingClassifier([("a", LogisticRegression()), ("b", make_pipeline(stump()))], voting="soft"),
        lambda e: e.estimators_[1][-1],
    ),
    "stack": (StackingClassifier([("a", stump())], RandomForestClassifier(2), cv=2), lambda e: e.final_estimator_[1]),
}


def alter(tree: Tree, field: str, value: int) -> None:
    """Write a value into the field of the root."""
    state = tree.__getstate__()
    nodes = state["nodes"].copy()
    nodes[field][0] = value
    tree.__setstate__(state | {"nodes": nodes})


@pytest.mark.parametrize("holder", HOLDERS)
def test_damaged_tree_is_refused_wherever_it_is(tmp_path: Path, holder: str) -> None:
    unfitted, find = HOLDERS[holder]
    estimator = unfitted.fit(NUMBERS, GOALS)
    load(tmp_path / "sound", estimator)

    alter(find(estimator).tree_, "left_child", 2**40)
    with pytest.raises(ModelError, match="points to a node that does not exist"):
        load(tmp_path / "damaged", estimator)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("right_child", 7, "a node that does not exist"),  # seven nodes: 0 to 6
        ("left_child", -2, "a node that does not exist"),
        ("left_child", 0, "a node before"),
        ("feature", 2, "a column that does not exist"),
        ("feature", -1, "a column that does not exist"),
    ],
)
def test_tree_with_an_index_out_of_range_is_refused(tmp_path: Path, field: str, value: int, message: str) -> None:
    estimator = one_tree()
    assert estimator.tree_.node_count == 7
    alter(estimator.tree_, field, value)
    with pytest.raises(ModelError, match=message):
        load(tmp_path, estimator)


def wider(tree: Tree, columns: int) -> Tree:
    """The same tree, made for more columns, of which it reads the last."""
    state = tree.__getstate__()
    made = Tree(columns, np.array([tree.max_n_classes]), tree.n_outputs)
    made.__setstate__(state)
    alter(made, "feature", columns - 1)
    return made


def empty(tree: Tree) -> Tree:
    state = tree.__getstate__()
    made = Tree(tree.n_features, np.array([tree.max_n_classes]), tree.n_outputs)
    made.__setstate__(state | {"nodes": state["nodes"][:0], "values": state["values"][:0], "node_count": 0})
    return made


def tree_that_takes_more_columns() -> Any:
    estimator = one_tree()
    estimator.tree_ = wider(estimator.tree_, 1000)
    return estimator


def member_that_takes_more_columns() -> Any:
    estimator = boosting()
    member = estimator.estimators_[1, 0]
    member.tree_, member.n_features_in_ = wider(member.tree_, 1000), 1000
    return estimator


def members_side_by_side() -> Any:
    estimator = boosting()
    estimator.estimators_ = estimator.estimators_.reshape(1, 3)
    return estimator


def tree_without_nodes() -> Any:
    estimator = one_tree()
    estimator.tree_ = empty(estimator.tree_)
    return estimator


def columns_that_are_not_counted() -> Any:
    estimator = one_tree()
    del estimator.n_features_in_
    return make_pipeline(StandardScaler().fit(NUMBERS), estimator)


def method_replaced() -> Any:
    estimator = one_tree()
    estimator._validate_X_predict = np.add
    return estimator


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (tree_that_takes_more_columns, "takes other columns"),
        (member_that_takes_more_columns, "takes other columns"),
        (members_side_by_side, "not the only one of its round"),
        (tree_without_nodes, "no nodes"),
        (columns_that_are_not_counted, "n_features_in_"),
        (method_replaced, "in place of its _validate_X_predict"),
    ],
)
def test_tree_that_does_not_fit_its_estimator_is_refused(tmp_path: Path, make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(tmp_path, make())


# -- histogram boosting -----------------------------------------------------------------------------------------------


def predictors(estimator: HistGradientBoostingClassifier) -> Iterator[Any]:
    return (predictor for trees in estimator._predictors for predictor in trees)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("left", 2**31, "a node that does not exist"),
        ("right", 2**31, "a node that does not exist"),
        ("left", 0, "a node before"),
        ("feature_idx", 3, "a column that does not exist"),
        ("feature_idx", -1, "a column that does not exist"),
        ("bitset_idx", 1000, "a set of categories that does not exist"),
        ("is_categorical", 1, "categories in a column of numbers"),
    ],
)
def test_histogram_boosting_with_an_index_out_of_range_is_refused(
    tmp_path: Path, field: str, value: int, message: str
) -> None:
    estimator = with_categories()
    load(tmp_path / "sound", estimator)
    for predictor in predictors(estimator):
        nodes = predictor.nodes
        nodes[field][(nodes["is_leaf"] == 0) & (nodes["is_categorical"] == (field == "bitset_idx"))] = value
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "damaged", make_pipeline(FunctionTransformer(), estimator))


def no_nodes(estimator: Any) -> None:
    for predictor in predictors(estimator):
        predictor.nodes = predictor.nodes[:0]


def small_sets(estimator: Any) -> None:
    for predictor in predictors(estimator):
        predictor.raw_left_cat_bitsets = predictor.raw_left_cat_bitsets[:, :4].copy()


def few_columns(estimator: Any) -> None:
    estimator._bin_mapper.is_categorical_ = estimator._bin_mapper.is_categorical_[:1]


def other_columns(estimator: Any) -> None:
    estimator._preprocessor.n_features_in_ = 2


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (no_nodes, "no nodes"),
        (small_sets, "of another size"),
        (few_columns, "takes other columns"),
        (other_columns, "takes other columns"),
    ],
)
def test_histogram_boosting_whose_parts_do_not_fit_is_refused(
    tmp_path: Path, damage: Callable[[Any], None], message: str
) -> None:
    estimator = with_categories()
    damage(estimator)
    with pytest.raises(ModelError, match=message):
        load(tmp_path, estimator)


# -- one-hot encoders -------------------------------------------------------------------------------------------------


def far_columns(encoder: Any) -> None:
    first, second = encoder._n_features_outs
    encoder._n_features_outs = [2**28, first + second - 2**28]


def far_groups(encoder: Any) -> None:
    encoder._default_to_infrequent_mappings[0] = np.array([0, 2**28, 1])


def far_drop(encoder: Any) -> None:
    encoder._drop_idx_after_grouping[1] = 2


def disordered(encoder: Any) -> None:
    encoder.categories_[1] = encoder.categories_[1][::-1].copy()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (far_columns, "other columns than it has categories"),
        (far_groups, "a category that does not exist"),
        (far_drop, "a category that does not exist"),
        (disordered, "not in order"),
    ],
)
def test_encoder_with_an_index_out_of_range_is_refused(
    tmp_path: Path, damage: Callable[[Any], None], message: str
) -> None:
    columns = SHOTS[["shot_type", "rebound"]]
    encoder = OneHotEncoder(handle_unknown="ignore", min_frequency=0.35, drop="if_binary")
    estimator = make_pipeline(encoder, LogisticRegression()).fit(columns, GOALS)
    load(tmp_path / "sound", estimator)
    damage(encoder)
    with pytest.raises(ModelError, match=message):
        load(tmp_path / "damaged", estimator)
