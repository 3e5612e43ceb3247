"""Decision trees of any library as one TreeEnsemble operator of ONNX, evaluated for all rows and trees in one call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper

from xgserve.compiler.graph import LEARNING, Graph, NotCompilable

Numbers = npt.NDArray[np.float64]

# TreeEnsemble's codes for "go to the true child if the number is at most the threshold", and "if it is a member"
LEQ, MEMBER = 0, 6
SUM = 1

# What goes left at a split by categories: each known category, an unknown one, and null.
Sides = tuple[bool, ...]


@dataclass(frozen=True)
class Tree:
    """A binary tree as arrays over its nodes, the root first. The child of a leaf is negative or the node itself.

    A node in `sets` splits by category instead of threshold. Its column holds codes: 0 to n - 1 for the n known
    categories, n for an unknown one, n + 1 or NaN for null; `sets` says which of them go left.
    """

    is_leaf: npt.NDArray[np.bool_]
    left: npt.NDArray[np.intp]  # child for numbers up to the threshold
    right: npt.NDArray[np.intp]
    column: npt.NDArray[np.intp]
    threshold: Numbers
    null_goes_left: npt.NDArray[np.bool_]
    value: Numbers  # of a leaf
    sets: Mapping[int, Sides] = field(default_factory=dict)

    @classmethod
    def of_histogram(cls, predictor: Any, sets: Mapping[int, Sides]) -> "Tree":
        """Read a tree of histogram gradient boosting."""
        nodes = predictor.nodes
        return cls(
            nodes["is_leaf"] != 0,
            nodes["left"].astype(np.intp),
            nodes["right"].astype(np.intp),
            nodes["feature_idx"].astype(np.intp),
            nodes["num_threshold"],
            nodes["missing_go_to_left"] != 0,
            nodes["value"],
            sets,
        )

    @classmethod
    def of_cart(cls, tree: Any) -> "Tree":
        """Read a tree of scikit-learn's other ensembles; its leaves hold the share of the last class, or a value."""
        return cls(
            tree.children_left < 0,
            tree.children_left,
            tree.children_right,
            tree.feature,
            tree.threshold,
            tree.missing_go_to_left != 0,
            tree.value[:, 0, -1],
        )


def sum_of_trees(graph: Graph, rows: str, trees: Sequence[Tree], columns: int, start: float = 0.0) -> str:
    """Return the tensor of `start` plus the sum of the leaves that each row reaches, shape (rows, 1).

    `rows` is a tensor of float64, shape (rows, columns).

    Raises:
        NotCompilable: no tree has more than a leaf, or a row may walk through too many nodes.
    """
    matrix = _with_levels(graph, rows, trees, columns)
    nodes: dict[str, list[Any]] = {name: [] for name in _NODE_ATTRIBUTES}
    values: list[float] = []
    roots: list[int] = []
    members: list[float] = []  # of all sets, each one with NaN at its end
    for tree in map(_smaller_sets, trees):
        if tree.is_leaf[0]:
            start += tree.value[0]
            continue
        graph.walk(_levels(tree))
        inner = ~tree.is_leaf
        modes = np.full(len(inner), LEQ)
        for node, sides in sorted(tree.sets.items()):
            modes[node] = MEMBER
            members += [*(level + 1.0 for level, is_member in enumerate(sides) if is_member), np.nan]
        # ONNX numbers leaves and inner nodes separately, across all trees
        place = (
            np.where(inner, len(nodes["nodes_splits"]) + np.cumsum(inner), len(values) + np.cumsum(tree.is_leaf)) - 1
        )
        roots.append(int(place[0]))
        for side, child in (("true", tree.left[inner]), ("false", tree.right[inner])):
            nodes[f"nodes_{side}nodeids"] += place[child].tolist()
            nodes[f"nodes_{side}leafs"] += tree.is_leaf[child].astype(int).tolist()
        nodes["nodes_featureids"] += tree.column[inner].tolist()
        nodes["nodes_splits"] += tree.threshold[inner].tolist()
        nodes["nodes_modes"] += modes[inner].tolist()
        nodes["nodes_missing_value_tracks_true"] += tree.null_goes_left[inner].astype(int).tolist()
        values += tree.value[tree.is_leaf].tolist()
    if not roots:
        raise NotCompilable("no tree has more than a leaf")
    sums = graph.add(
        "TreeEnsemble",
        matrix,
        domain=LEARNING,
        **nodes
        | {
            "nodes_splits": _tensor(nodes["nodes_splits"]),
            "nodes_modes": onnx.numpy_helper.from_array(np.array(nodes["nodes_modes"], np.uint8)),
        }
        | ({"membership_values": _tensor(members)} if members else {}),
        tree_roots=roots,
        leaf_weights=_tensor(values),
        leaf_targetids=[0] * len(values),
        aggregate_function=SUM,
        n_targets=1,
    )
    return graph.add("Add", sums, graph.constant(start)) if start else sums


def single_precision(graph: Graph, rows: str, score: Callable[[str], str]) -> str:
    """Return what `score` makes of the rows in single precision; NaN for rows beyond its range, which are refused."""
    rounded = graph.rounded(rows)
    beyond = graph.to_double(graph.add("IsInf", rounded))
    any_beyond = graph.add("ReduceMax", beyond, graph.constant([1], np.int64))
    is_beyond = graph.add("Cast", any_beyond, to=onnx.TensorProto.BOOL)
    return graph.add("Where", is_beyond, graph.constant(np.nan), score(rounded))


_NODE_ATTRIBUTES = (
    "nodes_featureids",
    "nodes_splits",
    "nodes_modes",
    "nodes_truenodeids",
    "nodes_trueleafs",
    "nodes_falsenodeids",
    "nodes_falseleafs",
    "nodes_missing_value_tracks_true",
)


def _with_levels(graph: Graph, rows: str, trees: Iterable[Tree], columns: int) -> str:
    """Return the rows with 1, 2 ... for the codes of categories; onnxruntime tests 1 to 64 with one mask."""
    null = np.full(columns, np.nan)
    for tree in trees:
        for node, sides in tree.sets.items():
            null[tree.column[node]] = len(sides) - 1
    is_category = ~np.isnan(null)
    if not is_category.any():
        return rows
    codes = graph.add("Where", graph.add("IsNaN", rows), graph.constant(null), rows)
    return graph.add("Add", codes, graph.constant(is_category, np.float64))


def _levels(tree: Tree) -> int:
    """Return the number of inner nodes on the longest way from the root to a leaf."""
    levels, nodes = 0, np.zeros(1, np.intp)
    while len(nodes := nodes[~tree.is_leaf[nodes]]):
        levels, nodes = levels + 1, np.concatenate([tree.left[nodes], tree.right[nodes]])
    return levels


def _smaller_sets(tree: Tree) -> Tree:
    """Return the tree with the children of a split exchanged where more goes left; all or nothing as a threshold."""
    if not tree.sets:
        return tree
    left, right = tree.left.copy(), tree.right.copy()
    threshold, null_goes_left = tree.threshold.copy(), tree.null_goes_left.copy()
    sets = {}
    for node, sides in tree.sets.items():
        null_goes_left[node] = False  # it has a code
        if len(set(sides)) == 1:
            threshold[node] = np.inf if sides[0] else -np.inf
        elif 2 * sum(sides) <= len(sides):
            sets[node] = sides
        else:
            sets[node] = tuple(not side for side in sides)
            left[node], right[node] = tree.right[node], tree.left[node]
    return replace(tree, left=left, right=right, threshold=threshold, null_goes_left=null_goes_left, sets=sets)


def _tensor(numbers: list[float]) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.array(numbers, dtype=np.float64))
