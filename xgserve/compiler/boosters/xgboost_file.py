"""Read XGBoost's model files, `.json` and `.ubj` (https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html).

treelite reads the trees. The names, the categories and the best round, which it leaves out, come from the file.
"""

import json
from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Final

import msgspec
import numpy as np
import treelite
from msgspec import Struct, field

from xgserve.compiler.boosters.columns import Described, category_of, check_count, names_of
from xgserve.compiler.boosters.ensemble import (
    Ensemble,
    Load,
    not_loaded,
    predict_with_treelite,
    reason,
    treelite_versions,
)
from xgserve.compiler.boosters.trees import Codes, codes_in_sets, reachable, start_of, trees_of
from xgserve.compiler.boosters.ubjson import read_ubjson
from xgserve.compiler.graph import NotCompilable
from xgserve.compiler.versions import Versions
from xgserve.contract import Scalar
from xgserve.errors import ModelError
from xgserve.model.schema import Column
from xgserve.model.validation import Matrix
from xgserve.text import clipped

XGBOOST: Final = "xgboost"

OBJECTIVES: Final = frozenset({"binary:logistic", "reg:logistic"})
MAX_DIGITS: Final = 9  # of the number of a round

# What treelite wants of each node and scoring does not; without their numbers, a file takes half the memory.
_NOT_USED: Final = {"base_weights": 0.0, "loss_changes": 0.0, "sum_hessian": 0.0, "parents": 0}
_NO_CATEGORIES: Final[dict[str, list[Any]]] = {"enc": [], "feature_segments": [], "sorted_idx": []}


class _Categories(Struct):
    """The categories of one column: numbers, or the bytes of all texts and where each starts."""

    values: list[int]
    offsets: list[int] | None = None


class _CategoriesOfAll(Struct):
    enc: list[_Categories] = field(default_factory=list)


class _Tree(Struct):
    left_children: list[int]
    right_children: list[int]
    categories_nodes: list[int] = field(default_factory=list)
    categories_segments: list[int] = field(default_factory=list)
    categories_sizes: list[int] = field(default_factory=list)
    categories: list[int] = field(default_factory=list)


class _ForestParameters(Struct):
    num_trees: str
    num_parallel_tree: str = "1"


class _Forest(Struct):
    trees: list[_Tree]
    tree_info: list[int]
    gbtree_model_param: _ForestParameters
    iteration_indptr: list[int] | None = None
    cats: _CategoriesOfAll = field(default_factory=_CategoriesOfAll)


class _GradientBooster(Struct):
    name: str


class _Objective(Struct):
    name: str


class _Learner(Struct):
    gradient_booster: _GradientBooster
    learner_model_param: dict[str, str]
    objective: _Objective
    attributes: dict[str, str] = field(default_factory=dict)
    feature_names: list[str] = field(default_factory=list)
    feature_types: list[str] = field(default_factory=list)


class _File(Struct):
    learner: _Learner
    version: list[int] = field(default_factory=list)


def read_document(suffix: str, content: bytes) -> Any:
    """Return the JSON value that a file holds.

    Raises:
        ModelError: it holds something else.
    """
    try:
        return json.loads(content) if suffix == ".json" else read_ubjson(content)
    except (ValueError, RecursionError) as error:
        raise ModelError(f"it is damaged or no {suffix} file: {clipped(error)}") from error


def read_xgboost(
    document: Any, described: Described | None, load: Load = not_loaded, *, best_rounds: bool | None = None
) -> Ensemble:
    """Return the ensemble of a model's document, which is changed.

    `described` are the columns in the card; with None, columns need no names. `load` reads the same model with XGBoost
    itself, once its trees are checked. Of a model fitted with early stopping, only XGBoost's scikit-learn classes leave
    out the trees after its best round: `best_rounds` says whether to do the same, None that it depends on what wrote
    the file.

    Raises:
        ModelError: it is no model of XGBoost, or a damaged one.
        NotCompilable: it does not give the probability of an outcome by trees.
    """
    try:
        file = msgspec.convert(document, _File)
        learner = file.learner
        _check_kind(learner)
        booster_part = document["learner"]["gradient_booster"]
        forest = _forest(booster_part)
        stored = msgspec.convert(forest, _Forest)
    except msgspec.ValidationError as error:
        raise ModelError(f"it is no model of XGBoost: {clipped(error)}") from error
    if stored.gbtree_model_param.num_trees != str(len(stored.trees)) or len(stored.tree_info) != len(stored.trees):
        raise ModelError("the model is damaged: it has another number of trees than it says")
    _check_rounds(stored)
    for tree, read in zip(stored.trees, forest["trees"], strict=True):
        _check_tree(tree)
        read |= {name: [nothing] * len(tree.left_children) for name, nothing in _NOT_USED.items()}
    if best_rounds is None:
        best_rounds = "scikit_learn" in learner.attributes
    rounds = _best_rounds(learner) if best_rounds else 0
    if rounds:
        _keep(rounds, booster_part, forest, stored)
    forest["cats"] = dict(_NO_CATEGORIES)  # treelite 4.8 refuses a file with the names of categories
    try:
        model = treelite.frontend.from_xgboost_json(json.dumps(document).encode(), allow_unknown_field=True)
    except treelite.TreeliteError as error:
        raise ModelError(f"its trees cannot be read: {reason(error)}") from error
    columns, codes = _columns(learner, stored.cats.enc, model, described)
    trees = trees_of(model, codes)
    booster = load()
    return Ensemble(
        versions=_versions(file) if booster else treelite_versions(),
        columns=columns,
        codes=codes,
        trees=trees,
        start=start_of(model),
        single=True,
        predict=partial(_predict, booster, rounds) if booster else partial(predict_with_treelite, model, np.float32),
    )


def _versions(file: _File) -> Versions:
    import xgboost

    return Versions(XGBOOST, ".".join(map(str, file.version)) or None, xgboost.__version__)


def _check_kind(learner: _Learner) -> None:
    """Check that the model gives the probability of an outcome by trees.

    Raises:
        NotCompilable: it does not.
    """
    booster, objective = learner.gradient_booster, learner.objective.name
    if booster.name not in ("gbtree", "dart"):
        raise NotCompilable(
            f"its booster is {clipped(booster.name)}, which holds no trees: fit with gbtree or dart, or save a "
            "scikit-learn Pipeline with LogisticRegression"
        )
    for parameter, what in (("num_class", "classes"), ("num_target", "outcomes")):
        if learner.learner_model_param.get(parameter, "0") not in ("0", "1"):
            count = clipped(learner.learner_model_param[parameter])
            raise NotCompilable(f"it tells {count} {what} apart ({clipped(objective)}): fit with binary:logistic")
    if objective not in OBJECTIVES:
        given = clipped(objective)
        raise NotCompilable(f"its objective is {given}, which gives no probability: fit with binary:logistic")


def _forest(booster: Any) -> Any:
    """Return the part of a document that holds the trees; dart has it inside another."""
    outer = booster["gbtree"] if booster["name"] == "dart" and isinstance(booster.get("gbtree"), dict) else booster
    return outer.get("model")


def _check_rounds(stored: _Forest) -> None:
    """Check what XGBoost itself follows without a check.

    Raises:
        ModelError: a tree is of another class than the first, or a round holds trees that do not exist.
    """
    if any(stored.tree_info):
        raise ModelError("the model is damaged: a tree is of a class that does not exist")
    starts = stored.iteration_indptr
    if starts and (starts[0] != 0 or starts[-1] != len(stored.trees) or sorted(starts) != starts):
        raise ModelError("the model is damaged: a round begins with a tree that does not exist")


def _check_tree(tree: _Tree) -> None:
    """Check what treelite follows without a check.

    Raises:
        ModelError: a child or a set of categories does not exist.
    """
    nodes = len(tree.left_children)
    if len(tree.right_children) != nodes or not nodes:
        raise ModelError("the model is damaged: a tree has no nodes, or children on one side only")
    try:
        left, right = np.array(tree.left_children, np.intp), np.array(tree.right_children, np.intp)
    except OverflowError as error:
        raise ModelError("the model is damaged: it points to a node that does not exist") from error
    reachable(left == -1, left, right)
    sets = (tree.categories_nodes, tree.categories_segments, tree.categories_sizes)
    if len(set(map(len, sets))) != 1 or not all(
        0 <= node < nodes and start >= 0 and size >= 0 and start + size <= len(tree.categories)
        for node, start, size in zip(*sets, strict=True)
    ):
        raise ModelError("the model is damaged: it points to a set of categories that does not exist")


def _best_rounds(learner: _Learner) -> int:
    """Return the number of rounds up to the best one; 0 if all count."""
    best = learner.attributes.get("best_iteration")
    if best is None:
        return 0
    if not best.isdecimal() or len(best) > MAX_DIGITS:
        raise ModelError(f"its best_iteration is {clipped(best)}, which is no number of a round")
    return int(best) + 1


def _keep(rounds: int, booster: dict[str, Any], forest: dict[str, Any], stored: _Forest) -> None:
    """Drop the trees after these rounds from the document."""
    starts: Sequence[int] | None = stored.iteration_indptr  # since XGBoost 2
    if starts is None:
        per_round = stored.gbtree_model_param.num_parallel_tree
        if not per_round.isdecimal() or len(per_round) > MAX_DIGITS:
            raise ModelError(f"it has {clipped(per_round)} trees per round, which is no number")
        starts = range(0, len(stored.trees) + 1, max(int(per_round), 1))
    if rounds >= len(starts):
        return
    count = starts[rounds]
    if not 0 <= count <= len(stored.trees):
        raise ModelError("the model is damaged: a round begins with a tree that does not exist")
    for name in ("trees", "tree_info"):
        forest[name] = forest[name][:count]
    if "weight_drop" in booster:
        booster["weight_drop"] = booster["weight_drop"][:count]
    forest["gbtree_model_param"]["num_trees"] = str(count)
    if stored.iteration_indptr is not None:
        forest["iteration_indptr"] = forest["iteration_indptr"][: rounds + 1]


def _columns(
    learner: _Learner, encoded: list[_Categories], model: treelite.Model, described: Described | None
) -> tuple[tuple[Column, ...], list[Codes]]:
    count = model.num_feature
    check_count(count)
    listed = codes_in_sets(model, count)
    types = learner.feature_types or ["c" if codes else "float" for codes in listed]
    if len(types) != count or len(learner.feature_names) not in (0, count) or len(encoded) not in (0, count):
        raise ModelError("the model is damaged: it has another number of columns than it names")
    names = names_of(learner.feature_names, [kind == "c" for kind in types], described)
    described = described or {}
    columns: list[Column] = []
    codes: list[Codes] = []
    for place, (name, kind) in enumerate(zip(names, types, strict=True)):
        stored = _stored_categories(encoded[place], name, described) if encoded else ()
        column, numbers = category_of(name, kind == "c", stored or None, listed[place], described)
        columns.append(column)
        codes.append(numbers)
    return tuple(columns), codes


def _stored_categories(encoded: _Categories, name: str, described: Described) -> Sequence[Scalar]:
    """Return the categories of a column; the card's in place of texts that are not plain ASCII.

    XGBoost 3.2 stores as many bytes of a text as it has characters.

    Raises:
        ModelError: the card does not list them.
    """
    if encoded.offsets is None:
        return encoded.values
    joined = bytes(number & 0xFF for number in encoded.values)
    if sorted(encoded.offsets) != encoded.offsets or encoded.offsets[-1:] not in ([], [len(joined)]):
        raise ModelError("the model is damaged: the name of a category begins where there is none")
    count = max(len(encoded.offsets) - 1, 0)
    if joined.isascii():
        return [joined[start:end].decode() for start, end in pairwise(encoded.offsets)]
    in_card = described[name].categories if name in described else None
    if in_card is None or len(in_card) != count:
        raise ModelError(
            f"XGBoost stored the {count} categories of {clipped(name)} incompletely, since they are not plain ASCII: "
            'list all of them as "categories" in card.json, in the order of the fit'
        )
    return in_card


def _predict(booster: Any, rounds: int, rows: Matrix) -> Any:
    return booster.inplace_predict(rows, iteration_range=(0, rounds), validate_features=False)


def load_library(content: bytes) -> Any:
    """Return the model as XGBoost itself reads it; None if it is not installed.

    Raises:
        ModelError: XGBoost refuses the file.
    """
    if find_spec("xgboost") is None:
        return None
    import xgboost

    booster = xgboost.Booster({"nthread": 1})
    try:
        booster.load_model(bytearray(content))
    except xgboost.core.XGBoostError as error:
        raise ModelError(f"XGBoost {xgboost.__version__} cannot read it: {reason(error)}") from error
    return booster
