"""The trees of a treelite model, checked: no row can lead out of their arrays, and every walk ends."""

import ctypes
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import treelite
from treelite.model import TreeAccessor

from xgserve.compiler.scikit.integrity import MAX_DEPTH
from xgserve.compiler.tree_ensemble import Tree
from xgserve.errors import ModelError

MAX_SIDES: Final = 20_000_000  # categories of all splits together

_LEAF, _NUMBER, _CATEGORY = 0, 1, 2  # treelite's types of nodes
_LESS, _AT_MOST = 2, 3  # and of comparisons

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Codes:
    """The numbers that trees have in place of a column's known categories; None for a column of numbers.

    An unknown category is treated like null with `unknown_is_null`, and else like one that no set names. With
    `compared`, the trees compare the numbers, since the categories have an order.
    """

    numbers: Sequence[int] | None
    unknown_is_null: bool
    compared: bool = False


NUMBER: Final = Codes(None, unknown_is_null=True, compared=True)


def trees_of(model: treelite.Model, codes: Sequence[Codes]) -> list[Tree]:
    """Return the trees of a model with these columns.

    Raises:
        ModelError: an index leads out of a tree or in a circle, or a number is not finite.
    """
    sides = 0
    trees = []
    for place in range(model.num_tree):
        tree = _tree(model.get_tree_accessor(place), codes)
        sides += sum(map(len, tree.sets.values()))
        _require(sides <= MAX_SIDES, "its trees name too many categories")
        trees.append(tree)
    return trees


def model_of_text(text: str) -> treelite.Model:
    """Return LightGBM's model of a text.

    treelite offers this for LightGBM's own objects only; a worker has no folder to write a file in.

    Raises:
        TreeliteError: it cannot be read.
    """
    handle = ctypes.c_void_p()
    library = treelite.core._LIB
    text_of_options = ctypes.c_char_p(b"{}")
    code = library.TreeliteLoadLightGBMModelFromString(
        ctypes.c_char_p(text.encode()), text_of_options, ctypes.byref(handle)
    )
    treelite.core._check_call(code)
    return treelite.Model(handle=handle)


def codes_in_sets(model: treelite.Model, columns: int) -> list[set[int]]:
    """Return the numbers that stand for categories in the trees, per column.

    Raises:
        ModelError: a split is by a column that does not exist.
    """
    found: list[set[int]] = [set() for _ in range(columns)]
    for place in range(model.num_tree):
        accessor = model.get_tree_accessor(place)
        column = accessor.get_field("split_index")
        for node, listed in _sets(accessor):
            _require(0 <= column[node] < columns, "it points to a column that does not exist")
            found[column[node]].update(listed)
    return found


def _tree(accessor: TreeAccessor, codes: Sequence[Codes]) -> Tree:
    kind = accessor.get_field("node_type")
    _require(len(kind) > 0 and kind.min() >= _LEAF and kind.max() <= _CATEGORY, "a tree has no nodes, or unknown ones")
    is_leaf = kind == _LEAF
    left, right = accessor.get_field("cleft").astype(np.intp), accessor.get_field("cright").astype(np.intp)
    order = reachable(is_leaf, left, right)
    place = np.full(len(kind), -1, np.intp)
    place[order] = np.arange(len(order))
    kind, is_leaf, inner = kind[order], is_leaf[order], ~is_leaf[order]
    column = accessor.get_field("split_index")[order].astype(np.intp)
    fits = (column[inner] >= 0) & (column[inner] < len(codes))
    _require(fits.all(), "it points to a column that does not exist")
    column[~inner] = 0
    value = accessor.get_field("leaf_value")[order].astype(np.float64)
    _require(not len(accessor.get_field("leaf_vector")), "a leaf holds more than one number")
    _require(np.isfinite(value[is_leaf]).all(), "a leaf holds no finite number")
    by_number = kind == _NUMBER
    null_goes_left = accessor.get_field("default_left")[order] != 0
    compared = np.array([code.compared for code in codes])
    _require((compared[column[inner]] == by_number[inner]).all(), "it splits numbers by categories, or the reverse")
    sets = {}
    lists_right_child = accessor.get_field("category_list_right_child")
    for node, listed in _sets(accessor):
        if (at := int(place[node])) >= 0:
            known = codes[column[at]]
            lists_right = bool(lists_right_child[node])
            goes_left = [(code in listed) != lists_right for code in known.numbers or ()]
            null = bool(null_goes_left[at])
            sets[at] = (*goes_left, null if known.unknown_is_null else lists_right, null)
    return Tree(
        is_leaf,
        np.where(inner, place[left[order]], -1),
        np.where(inner, place[right[order]], -1),
        column,
        _thresholds(accessor, order, by_number),
        null_goes_left,
        value,
        sets,
    )


def _thresholds(accessor: TreeAccessor, order: Indices, by_number: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """Return the largest number that goes left, for each node that compares numbers."""
    threshold, comparison = accessor.get_field("threshold")[order], accessor.get_field("cmp")[order]
    _require(np.isin(comparison[by_number], (_LESS, _AT_MOST)).all(), "it compares numbers in an unknown way")
    _require(not np.isnan(threshold[by_number]).any(), "a threshold is NaN")  # infinite ones part nulls from numbers
    # XGBoost asks for less than the threshold, in its own precision
    below = np.nextafter(threshold, threshold.dtype.type(-np.inf))
    largest = np.where(comparison == _LESS, below, threshold).astype(np.float64)
    return np.where(by_number, largest, 0.0)


def reachable(is_leaf: npt.NDArray[np.bool_], left: Indices, right: Indices) -> Indices:
    """Return the nodes that the root leads to, level by level; libraries keep the nodes that they pruned.

    Raises:
        ModelError: a child does not exist, has two parents, or is deeper than `MAX_DEPTH`.
    """
    level = np.zeros(1, np.intp)
    levels: list[Indices] = []
    seen = np.zeros(len(is_leaf), bool)
    for _ in range(MAX_DEPTH + 1):
        if not level.size:
            return np.concatenate(levels)
        _require(((level >= 0) & (level < len(is_leaf))).all(), "it points to a node that does not exist")
        _require(not seen[level].any() and len(set(level.tolist())) == len(level), "two ways lead to a node of a tree")
        seen[level] = True
        levels.append(level)
        inner = level[~is_leaf[level]]
        level = np.stack([left[inner], right[inner]], axis=1).ravel()
    raise ModelError(f"the model is damaged: a tree is deeper than {MAX_DEPTH:,} nodes")


def _sets(accessor: TreeAccessor) -> Iterator[tuple[int, set[int]]]:
    """Yield the nodes that split by categories, each with the numbers of those that it lists."""
    if not accessor.get_field("has_categorical_split")[0]:
        return
    listed = accessor.get_field("category_list")
    begin, end = accessor.get_field("category_list_begin"), accessor.get_field("category_list_end")
    for node in np.flatnonzero(accessor.get_field("node_type") == _CATEGORY).tolist():
        _require(begin[node] <= end[node] <= len(listed), "it points to a set of categories that does not exist")
        yield node, set(listed[begin[node] : end[node]].tolist())


def _require(condition: bool | np.bool_, why: str) -> None:
    if not condition:
        raise ModelError(f"the model is damaged: {why}")


def start_of(model: treelite.Model) -> float:
    """Return the log odds that the trees are added to.

    Raises:
        ModelError: they are no finite number.
    """
    (start,) = np.asarray(model.get_header_accessor().get_field("base_scores")).tolist()
    _require(math.isfinite(start), "the number that its trees are added to is not finite")
    return float(start)
