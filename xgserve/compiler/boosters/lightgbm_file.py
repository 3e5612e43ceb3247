"""Read LightGBM's model files, `.txt`: what `Booster.save_model` writes.

treelite reads the trees. The names, the categories and what zeros mean, which it leaves out, come from the text.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt
import treelite

from xgserve.compiler.boosters.columns import Described, category_of, check_count, names_of
from xgserve.compiler.boosters.ensemble import (
    ZERO,
    Ensemble,
    Load,
    not_loaded,
    predict_with_treelite,
    reason,
    treelite_versions,
)
from xgserve.compiler.boosters.trees import Codes, codes_in_sets, model_of_text, reachable, start_of, trees_of
from xgserve.compiler.graph import NotCompilable
from xgserve.compiler.versions import Versions
from xgserve.contract import Scalar
from xgserve.errors import ModelError
from xgserve.model.schema import Column
from xgserve.model.validation import Matrix
from xgserve.text import clipped

LIGHTGBM: Final = "lightgbm"
OBJECTIVES: Final = frozenset({"binary", "cross_entropy", "xentropy"})

Lines = dict[str, str]  # of a tree: name -> value

# of `decision_type`, a number per split: whether it is by categories, and what a missing value is
_BY_CATEGORY, _MISSING, _ZERO = 1, 3 << 2, 1 << 2

_NULL = "-1"  # among the categories of `feature_infos`
_Category = bool | int | float | str
MAX_DIGITS: Final = 9

_CATEGORIES = re.compile(r"^pandas_categorical:(.*)$", re.MULTILINE)
_CHOSEN = re.compile(r"^\[categorical_feature: ([\d,]*)\]$", re.MULTILINE)


def read_lightgbm(text: str, described: Described | None, load: Load = not_loaded) -> Ensemble:
    """Return the ensemble of a model file.

    `described` are the columns in the card; with None, columns need no names. `load` reads the same model with
    LightGBM itself, once its trees are checked.

    Raises:
        ModelError: it is no model of LightGBM, or a damaged one.
        NotCompilable: it does not give the probability of an outcome by trees.
    """
    if not text.startswith("tree\n"):
        raise ModelError("it is no model of LightGBM: its first line is not tree")
    header, _, body = text.partition("\n\n")
    values = dict(line.partition("=")[::2] for line in header.splitlines())
    trees = _trees_in(values, body)
    steepness = _steepness(values)
    count = _whole_number(values.get("max_feature_idx", "")) + 1
    check_count(count)
    zero_is_null = _name_zeros_nan(trees, count)
    model = _read_by_treelite(header, trees)
    columns, codes = _columns(values, body, codes_in_sets(model, count), described)
    checked = trees_of(model, codes)
    _check_sizes(values, body)
    booster = load()
    return Ensemble(
        # a file names the version of its format only
        versions=Versions(LIGHTGBM, None, version(LIGHTGBM)) if booster else treelite_versions(),
        columns=columns,
        codes=codes,
        trees=checked,
        start=start_of(model),
        single=False,
        predict=partial(_predict, booster) if booster else partial(_predict_with_treelite, model, zero_is_null),
        steepness=steepness,
        divisor=max(model.num_tree, 1) if "average_output" in values else 1,
        zero_is_null=zero_is_null,
    )


def _trees_in(values: Mapping[str, str], body: str) -> list[Lines]:
    """Return the lines of each tree.

    Raises:
        ModelError: the file is cut off, or a tree is damaged.
        NotCompilable: the leaves hold more than a number.
    """
    listed, end, rest = body.partition("\nend of trees\n")
    trees = [_lines(block) for block in listed.split("\n\n") if block.strip()]
    if not end or not rest.endswith("\n") or ("\nparameters:" in rest and "\nend of parameters\n" not in rest):
        raise ModelError("the model is damaged: it is cut off")
    if len(values.get("tree_sizes", "").split()) != len(trees):
        raise ModelError("the model is damaged: it has another number of trees than it says")
    for tree in trees:
        if tree.get("is_linear", "0") != "0":
            raise NotCompilable("its leaves hold linear models: fit with linear_tree=False")
        _check_tree(tree)
    return trees


def _check_sizes(values: Mapping[str, str], body: str) -> None:
    """Check where the trees begin; LightGBM itself follows these numbers.

    Raises:
        ModelError: a tree begins elsewhere.
    """
    content, start = body.encode(), 0
    for number, size in enumerate(values.get("tree_sizes", "").split()):
        if not content.startswith(b"Tree=%d\n" % number, start):
            raise ModelError("the model is damaged: a tree begins elsewhere than it says")
        start += _whole_number(size)
    if not content.startswith(b"end of trees\n", start):
        raise ModelError("the model is damaged: a tree is longer than it says")


def _check_tree(tree: Lines) -> None:
    """Check what treelite follows without a check.

    Raises:
        ModelError: a child or a set of categories does not exist.
    """
    left, right, decisions = (_numbers(tree, name) for name in ("left_child", "right_child", "decision_type"))
    inner = len(left)
    leaves, thresholds = (tree.get(name, "").split() for name in ("leaf_value", "threshold"))
    if not len(right) == len(decisions) == len(thresholds) == inner or len(leaves) != inner + 1:
        raise ModelError("the model is damaged: a tree has more of one thing than of another")
    children = np.stack([left, right])
    if not ((children < inner) & (children >= -inner - 1)).all():
        raise ModelError("the model is damaged: it points to a node that does not exist")
    # leaves count from -1 down; here they follow the inner nodes
    children = np.pad(np.where(children < 0, inner - 1 - children, children), [(0, 0), (0, inner + 1)])
    reachable(np.arange(2 * inner + 1) >= inner, *children)
    if tree.get("num_leaves") != str(inner + 1):
        raise ModelError("the model is damaged: a tree has another number of leaves than it says")
    boundaries, words = _numbers(tree, "cat_boundaries"), _numbers(tree, "cat_threshold")
    try:
        sets = np.array(thresholds, np.float64)[decisions & _BY_CATEGORY != 0]
    except ValueError as error:
        raise ModelError("the model is damaged: a threshold is no number") from error
    fits = (
        tree.get("num_cat", "0") == str(max(len(boundaries) - 1, 0))
        and (np.diff(boundaries, prepend=0) >= 0).all()
        and boundaries[-1:].tolist() in ([], [len(words)])
    )
    if not fits or not ((sets >= 0) & (sets < len(boundaries) - 1)).all():
        raise ModelError("the model is damaged: it points to a set of categories that does not exist")


def _lines(block: str) -> Lines:
    return dict(line.partition("=")[::2] for line in block.strip().splitlines())


def _numbers(tree: Lines, name: str) -> npt.NDArray[np.int64]:
    """Return a list of whole numbers of a tree; it is empty if the tree has only a leaf."""
    try:
        return np.array([int(number) for number in tree.get(name, "").split()], np.int64)
    except (ValueError, OverflowError) as error:
        raise ModelError(f"the model is damaged: {name} does not hold whole numbers") from error


def _steepness(values: Mapping[str, str]) -> float:
    """Return the factor of the log odds.

    Raises:
        NotCompilable: the model does not give the probability of an outcome.
        ModelError: the factor is no positive number.
    """
    objective, *parameters = values.get("objective", "none").split() or ["none"]
    classes = values.get("num_class", "1")
    if classes != "1" or values.get("num_tree_per_iteration", "1") != "1":
        raise NotCompilable(f"it tells {clipped(classes)} classes apart ({clipped(objective)}): fit with binary")
    if objective not in OBJECTIVES:
        raise NotCompilable(f"its objective is {clipped(objective)}, which gives no probability: fit with binary")
    sigmoids = [value for name, _, value in (entry.partition(":") for entry in parameters) if name == "sigmoid"]
    try:
        (steepness,) = map(float, sigmoids or ["1"])
    except ValueError as error:
        raise ModelError(f"its sigmoid is {clipped(sigmoids)}, which is no number") from error
    if not 0 < steepness < np.inf:
        raise ModelError(f"its sigmoid is {steepness:g}, which is no positive number")
    return steepness


def _name_zeros_nan(trees: list[Lines], count: int) -> frozenset[int]:
    """Return the columns whose zeros mean a missing value; in the trees, NaN takes their place.

    LightGBM decides per column what is missing, and treelite ignores that it may be zero.

    Raises:
        ModelError: a column does not exist, or its zeros are missing in some trees only.
    """
    zero: set[int] = set()
    other: set[int] = set()
    for tree in trees:
        columns, decisions = _numbers(tree, "split_feature"), _numbers(tree, "decision_type")
        if len(columns) != len(decisions) or not ((columns >= 0) & (columns < count)).all():
            raise ModelError("the model is damaged: it points to a column that does not exist")
        by_number = decisions & _BY_CATEGORY == 0
        is_zero = by_number & (decisions & _MISSING == _ZERO)
        zero.update(columns[is_zero].tolist())
        other.update(columns[by_number & ~is_zero].tolist())
        if is_zero.any():
            tree["decision_type"] = " ".join(map(str, np.where(is_zero, decisions ^ _MISSING, decisions).tolist()))
    if zero & other:
        raise ModelError("the model is damaged: a zero is missing in some of its trees only")
    return frozenset(zero)


def _read_by_treelite(header: str, trees: list[Lines]) -> treelite.Model:
    listed = ["\n".join("=".join(line) for line in tree.items()) for tree in trees]
    text = "\n\n".join([header, *listed, "end of trees"])
    try:
        return model_of_text(text)
    except treelite.TreeliteError as error:
        raise ModelError(f"its trees cannot be read: {reason(error)}") from error


def _columns(
    values: Mapping[str, str], text: str, listed: Sequence[set[int]], described: Described | None
) -> tuple[tuple[Column, ...], list[Codes]]:
    count = len(listed)
    stored = values.get("feature_names", "").split(" ")
    ranges = values.get("feature_infos", "").split(" ")
    if len(stored) != count or len(ranges) != count:
        raise ModelError("the model is damaged: it has another number of columns than it names")
    seen = [_seen_codes(seen) | codes for seen, codes in zip(ranges, listed, strict=True)]
    chosen = _chosen(text)
    is_category = [bool(codes) or place in chosen for place, codes in enumerate(seen)]
    made_up = stored == [f"Column_{place}" for place in range(count)]  # of a fit on an array
    names = names_of([] if made_up else stored, is_category, described)
    of_pandas: dict[int, tuple[Scalar, ...]] = {}
    if described is not None:  # a step before the trees makes numbers of categories
        of_pandas = _of_pandas(_categories_of_pandas(text), is_category, names, described)
    columns: list[Column] = []
    codes: list[Codes] = []
    for place, name in enumerate(names):
        categories = of_pandas.get(place)
        compared = categories is not None and not is_category[place]
        column, code = category_of(name, is_category[place] or compared, categories, seen[place], described or {})
        columns.append(column)
        codes.append(replace(code, compared=True) if compared else code)
    return tuple(columns), codes


def _seen_codes(text: str) -> set[int]:
    """Return the categories in an entry of `feature_infos`; none for "none" and for the range of a number."""
    if text == "none" or text.startswith("["):
        return set()
    return {_whole_number(part) for part in text.split(":") if part != _NULL}


def _chosen(text: str) -> set[int]:
    """Return the columns that the fit was told to split by categories, also those in no tree."""
    found = _CHOSEN.search(text)
    return {_whole_number(part) for part in found[1].split(",") if part} if found else set()


def _categories_of_pandas(text: str) -> list[tuple[Scalar, ...]]:
    """Return the categories of each pandas column of dtype category, in their order."""
    found = _CATEGORIES.findall(text)
    try:
        stored = msgspec.json.decode(
            found[-1] if found else "null", type=list[tuple[bool | int | float | str, ...]] | None
        )
    except (msgspec.DecodeError, RecursionError) as error:
        raise ModelError(f"the names of its categories cannot be read: {clipped(error)}") from error
    return list(stored or ())


def _of_pandas(
    categories: list[tuple[Scalar, ...]], is_category: Sequence[bool], names: Sequence[str], described: Described
) -> dict[int, tuple[Scalar, ...]]:
    """Return the categories of pandas by the place of their column, which the file does not name.

    They belong to the columns that are split by categories. If some of these were whole numbers, or some categories
    have an order, by which their numbers are compared, the card decides.

    Raises:
        ModelError: it is not clear which columns they are of.
    """
    places = [place for place, category in enumerate(is_category) if category]
    if categories and len(places) != len(categories):
        in_card = {place: described[name].categories for place, name in enumerate(names) if name in described}
        places = [place for place, known in in_card.items() if known]
        if [set(in_card[place] or ()) for place in places] != list(map(set, categories)):
            raise ModelError(
                f"it holds the categories of {len(categories)} columns, and not their names: write card.json with "
                '{"features": [...]}, in which exactly these columns have "categories", in the order of the fit: '
                f"{clipped(json.dumps(categories))}"
            )
    return dict(zip(places, categories, strict=True)) if categories else {}


def _whole_number(text: str) -> int:
    if not text.isdecimal() or len(text) > MAX_DIGITS:
        raise ModelError(f"the model is damaged: {clipped(text)!r} is no whole number")
    return int(text)


def _predict(booster: Any, rows: Matrix) -> Any:
    return booster.predict(rows, num_threads=1)


def _predict_with_treelite(model: treelite.Model, zero_is_null: frozenset[int], rows: Matrix) -> Any:
    rows = rows.copy()
    for column in zero_is_null:
        rows[np.abs(rows[:, column]) <= ZERO, column] = np.nan
    return predict_with_treelite(model, np.float64, rows)


def load_library(text: str) -> Any:
    """Return the model as LightGBM itself reads it; None if it is not installed.

    Raises:
        ModelError: LightGBM refuses the file.
    """
    if find_spec("lightgbm") is None:
        return None
    import lightgbm

    try:
        return lightgbm.Booster(model_str=text)
    except (lightgbm.basic.LightGBMError, ValueError) as error:
        raise ModelError(f"LightGBM {lightgbm.__version__} cannot read it: {reason(error)}") from error
