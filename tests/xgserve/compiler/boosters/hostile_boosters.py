"""Files of XGBoost and LightGBM that are damaged on purpose, and the words of their refusal."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any

from tests.xgserve.compiler.boosters.boosted import fitted, lgbm, xgb

Change = Callable[[Any], None]


@cache
def xgboost_text() -> str:
    """Return a good model of XGBoost with categories."""
    booster = fitted(xgb(enable_categorical=True, n_estimators=3, max_cat_to_onehot=1)).get_booster()
    return bytes(booster.save_raw("json")).decode()


@cache
def ubjson() -> bytes:
    """Return the same model as XGBoost writes it to `.ubj`."""
    booster = fitted(xgb(enable_categorical=True, n_estimators=3, max_cat_to_onehot=1)).get_booster()
    return bytes(booster.save_raw("ubj"))


@cache
def lightgbm_text() -> str:
    """Return a good model of LightGBM with categories."""
    return str(fitted(lgbm(n_estimators=3)).booster_.model_to_string())


def forest(document: Any) -> Any:
    return document["learner"]["gradient_booster"]["model"]


def in_first_tree(name: str, place: int, value: Any) -> Change:
    """Return the change of one number of the first tree; a place of -1 is a leaf's."""

    def change(document: Any) -> None:
        tree = forest(document)["trees"][0]
        at = tree["left_children"].index(-1) if place < 0 else place
        tree[name][at] = value

    return change


def chain(document: Any) -> None:
    """Let the first tree be a chain of 2,000 nodes."""
    tree = forest(document)["trees"][0]
    count = 4001
    filled: dict[str, Any] = dict.fromkeys(("split_indices", "default_left", "split_type", "parents"), 0)
    filled |= dict.fromkeys(("split_conditions", "base_weights", "loss_changes", "sum_hessian"), 1.0)
    for name, value in filled.items():
        tree[name] = [value] * count
    tree["left_children"] = [node + 1 if node % 2 == 0 and node + 2 < count else -1 for node in range(count)]
    tree["right_children"] = [node + 2 if node % 2 == 0 and node + 2 < count else -1 for node in range(count)]
    for name in ("categories", "categories_nodes", "categories_segments", "categories_sizes"):
        tree[name] = []
    tree["tree_param"]["num_nodes"] = str(count)


def setting(*path: str | int, to: Any) -> Change:
    """Return the change of what is at this path below the learner."""

    def change(document: Any) -> None:
        part = document["learner"]
        for key in path[:-1]:
            part = part[key]
        part[path[-1]] = to

    return change


MODEL = ("gradient_booster", "model")
XGBOOST: dict[str, tuple[Change, str]] = {
    "child before its parent": (in_first_tree("left_children", 1, 0), "two ways lead to a node"),
    "child that is its own parent": (in_first_tree("right_children", 2, 2), "two ways lead to a node"),
    "one child twice": (in_first_tree("left_children", 0, 2), "two ways lead to a node"),
    "child out of range": (in_first_tree("left_children", 0, 10**6), "a node that does not exist"),
    "child far out of range": (in_first_tree("left_children", 0, 10**30), "a node that does not exist"),
    "negative child": (in_first_tree("right_children", 0, -7), "a node that does not exist"),
    "column out of range": (in_first_tree("split_indices", 0, 99), "a column that does not exist"),
    "negative column": (in_first_tree("split_indices", 0, -3), "a column that does not exist"),
    "threshold NaN": (in_first_tree("split_conditions", 0, float("nan")), "a threshold is NaN"),
    "leaf NaN": (in_first_tree("split_conditions", -1, float("nan")), "a leaf holds no finite number"),
    "leaf infinite": (in_first_tree("split_conditions", -1, float("inf")), "a leaf holds no finite number"),
    "leaf beyond single precision": (in_first_tree("split_conditions", -1, 1e300), "a leaf holds no finite number"),
    "chain of nodes": (chain, "deeper than 1,000 nodes"),
    "text in place of a child": (in_first_tree("left_children", 0, "1"), "Expected `int`"),
    "billions of trees": (setting(*MODEL, "gbtree_model_param", "num_trees", to="5000000000"), "number of trees than"),
    "tree of a class that does not exist": (setting(*MODEL, "tree_info", 0, to=4294967295), "a class that does not"),
    "round before the first tree": (setting(*MODEL, "iteration_indptr", 0, to=-1), "a round begins with a tree that"),
    "round after the last tree": (setting(*MODEL, "iteration_indptr", 3, to=10**9), "a round begins with a tree that"),
    "billions of nodes": (
        setting(*MODEL, "trees", 0, "tree_param", "num_nodes", to="5000000000"),
        "its trees cannot be read",
    ),
    "billions of columns": (setting("learner_model_param", "num_feature", to="2000000000"), "takes 2,000,000,000"),
    "no columns": (setting("learner_model_param", "num_feature", to="0"), "takes 0 columns"),
    "fewer names": (setting("feature_names", to=["a"]), "another number of columns than it names"),
    "same names": (setting("feature_names", to=["a"] * 5), "two columns of the same name"),
    "huge name": (setting("feature_names", to=["a" * 5_000_000, "b", "c", "d", "e"]), "more than 1,000 characters"),
    "no trees": (setting(*MODEL, "trees", to={}), "Expected `array`"),
    "no forest": (setting("gradient_booster", "model", to=None), "Expected `object`"),
    "no booster": (setting("gradient_booster", to=7), "Expected `object`"),
    "number as the name of an objective": (setting("objective", "name", to=1), "Expected `str`"),
    "base score NaN": (setting("learner_model_param", "base_score", to="NaN"), "is not finite"),
    "base score beyond 1": (setting("learner_model_param", "base_score", to="[3E0]"), "is not finite"),
    "base score that is a text": (setting("learner_model_param", "base_score", to="goal"), "its trees cannot be read"),
    "best round that is a text": (setting("attributes", to={"best_iteration": "x", "scikit_learn": "{}"}), "no number"),
    "negative best round": (setting("attributes", to={"best_iteration": "-5", "scikit_learn": "{}"}), "no number"),
    "set of categories out of range": (in_first_tree("categories_segments", 0, 10**9), "a set of categories that does"),
    "negative set of categories": (in_first_tree("categories_sizes", 0, -1), "a set of categories that does"),
    "set of categories of a missing node": (in_first_tree("categories_nodes", 0, 10**9), "a set of categories that"),
    "category that the file does not name": (in_first_tree("categories", 0, 10**9), "ask for number 1000000000"),
    "names of categories out of range": (
        setting(*MODEL, "cats", "enc", 3, to={"offsets": [0, 10**9], "values": [97]}),
        "begins where there is none",
    ),
    "names of categories in a circle": (
        setting(*MODEL, "cats", "enc", 3, to={"offsets": [0, 1, 0, 1], "values": [97]}),
        "begins where there is none",
    ),
    "a category twice": (
        setting(*MODEL, "cats", "enc", 3, to={"offsets": [0, 1, 2, 3, 4, 5], "values": [97] * 5}),
        "has a category twice",
    ),
}


def changed(change: Change) -> bytes:
    """Return XGBoost's model with this change."""
    document = json.loads(xgboost_text())
    change(document)
    return json.dumps(document).encode()


def line(name: str, value: str) -> Callable[[str], str]:
    """Return the change of the first line of this name."""
    return lambda text: re.sub(rf"^{name}=.*$", f"{name}={value}", text, count=1, flags=re.MULTILINE)


def first_number(name: str, value: str) -> Callable[[str], str]:
    """Return the change of the first number in the first line of this name."""
    return lambda text: re.sub(rf"^{name}=[^ \n]+", f"{name}={value}", text, count=1, flags=re.MULTILINE)


LIGHTGBM: dict[str, tuple[Callable[[str], str], str]] = {
    "child in a circle": (first_number("left_child", "0"), "two ways lead to a node"),
    "child out of range": (first_number("left_child", "1000000"), "a node that does not exist"),
    "child far out of range": (first_number("left_child", "9" * 30), "does not hold whole numbers"),
    "leaf out of range": (first_number("right_child", "-1000000"), "a node that does not exist"),
    "column out of range": (first_number("split_feature", "99"), "a column that does not exist"),
    "threshold NaN": (first_number("threshold", "nan"), "a threshold is NaN"),
    "leaf NaN": (first_number("leaf_value", "nan"), "a leaf holds no finite number"),
    "leaf infinite": (first_number("leaf_value", "inf"), "a leaf holds no finite number"),
    "threshold that is a text": (first_number("threshold", "far"), "a threshold is no number"),
    "billions of leaves": (line("num_leaves", "5000000000"), "another number of leaves than it says"),
    "fewer leaves": (line("num_leaves", "2"), "another number of leaves than it says"),
    "billions of columns": (line("max_feature_idx", "999999999"), "takes 1,000,000,000 columns"),
    "columns that are a text": (line("max_feature_idx", "many"), "no whole number"),
    "fewer children": (line("left_child", "1"), "more of one thing than of another"),
    "trees at other places": (lambda text: text.replace("\nshrinkage=", "\n\nshrinkage=", 1), "the model is damaged"),
    "longer tree than it says": (first_number("leaf_value", "0." + "1" * 99), "begins elsewhere than it says"),
    "fewer trees than it says": (line("tree_sizes", "1"), "another number of trees than it says"),
    "set of categories out of range": (line("cat_boundaries", "0 1000000000"), "a set of categories that does not"),
    "no sets of categories": (line("cat_boundaries", "0"), "a set of categories that does not exist"),
    "sigmoid of 0": (line("objective", "binary sigmoid:0"), "no positive number"),
    "sigmoid NaN": (line("objective", "binary sigmoid:nan"), "no positive number"),
    "sigmoid that is a text": (line("objective", "binary sigmoid:steep"), "is no number"),
    "huge name": (line("feature_names", "a" * 5_000_000 + " b c d e"), "more than 1,000 characters"),
    "categories of other columns": (
        lambda t: re.sub("(?<=pandas_categorical:).*", '[["a"]]', t),
        "write card.json with",
    ),
    "categories in lists in lists": (
        lambda text: re.sub("(?<=pandas_categorical:).*", "[" * 100_000, text),
        "the names of its categories cannot be read",
    ),
    "categories that are objects": (
        lambda text: re.sub("(?<=pandas_categorical:).*", '[[{}],["D","N","O"]]', text),
        "the names of its categories cannot be read",
    ),
    "another format": (lambda text: text.replace("tree\n", "forest\n", 1), "its first line is not tree"),
    "a zero that is missing in one tree only": (
        lambda text: re.sub("(?<=decision_type=)(8|10)", "4", text, count=1),
        "a zero is missing in some of its trees only",
    ),
}

# What a reader of UBJSON may be given.
UBJSON: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "cut off"),
    "list of 2**60 numbers": (b"{U\x01a[$D#L\x10" + bytes(7), "cut off"),
    "list of 2**62 nulls": (b"[#L\x40" + bytes(7), "cut off"),
    "negative length": (b"{l\xff\xff\xff\xff", "no length"),
    "text in place of a length": (b"[#SU\x01a", "no length"),
    "lists in lists": (b"[" * 100_000, "nested more than 32 deep"),
    "list of lists": (b"[$[#U\x05", "not of numbers"),
    "unknown marker": (b"?", "no marker"),
    "more after its end": (b"ZZ", "1 bytes follow its end"),
    "text that is none": (b"SU\x01\xff", "decode"),
    "number": (b"U\x01", "no model of XGBoost"),
}
