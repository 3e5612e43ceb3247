"""Decision trees of any library as one TreeEnsemble operator of ONNX, evaluated for all rows and trees in one call."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper

from xgserve.compiler.graph import LEARNING, Graph, NotCompilable

Numbers = npt.NDArray[np.float64]

LEQ = 0  # TreeEnsemble's code for "go to the true child if the number is at most the threshold"
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
        NotCompilable: no tree has more than a leaf.
    """
    matrix, places = _with_sets(graph, rows, trees, columns)
    nodes: dict[str, list[Any]] = {name: [] for name in _NODE_ATTRIBUTES}
    values: list[float] = []
    roots: list[int] = []
    for tree in trees:
        if tree.is_leaf[0]:
            start += tree.value[0]
            continue
        inner = ~tree.is_leaf
        column, threshold, null_goes_left = tree.column.copy(), tree.threshold.copy(), tree.null_goes_left.copy()
        for node, sides in tree.sets.items():
            # such a column is 0 for what goes left and 1 for the rest, never null
            column[node], threshold[node], null_goes_left[node] = places[int(tree.column[node]), sides], 0.5, False
        # ONNX numbers leaves and inner nodes separately, across all trees
        place = (
            np.where(inner, len(nodes["nodes_splits"]) + np.cumsum(inner), len(values) + np.cumsum(tree.is_leaf)) - 1
        )
        roots.append(int(place[0]))
        for side, child in (("true", tree.left[inner]), ("false", tree.right[inner])):
            nodes[f"nodes_{side}nodeids"] += place[child].tolist()
            nodes[f"nodes_{side}leafs"] += tree.is_leaf[child].astype(int).tolist()
        nodes["nodes_featureids"] += column[inner].tolist()
        nodes["nodes_splits"] += threshold[inner].tolist()
        nodes["nodes_missing_value_tracks_true"] += null_goes_left[inner].astype(int).tolist()
        values += tree.value[tree.is_leaf].tolist()
    if not roots:
        raise NotCompilable("no tree has more than a leaf")
    sums = graph.add(
        "TreeEnsemble",
        matrix,
        domain=LEARNING,
        **nodes | {"nodes_splits": _tensor(nodes["nodes_splits"])},
        nodes_modes=onnx.numpy_helper.from_array(np.full(len(nodes["nodes_splits"]), LEQ, np.uint8)),
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
    is_beyond = graph.add("Cast", graph.add("ReduceMax", beyond, graph.constant([1], np.int64)), to=9)  # bool
    return graph.add("Where", is_beyond, graph.constant(np.nan), score(rounded))


_NODE_ATTRIBUTES = (
    "nodes_featureids",
    "nodes_splits",
    "nodes_truenodeids",
    "nodes_trueleafs",
    "nodes_falsenodeids",
    "nodes_falseleafs",
    "nodes_missing_value_tracks_true",
)


def _with_sets(
    graph: Graph, rows: str, trees: Iterable[Tree], columns: int
) -> tuple[str, dict[tuple[int, Sides], int]]:
    """Return the rows with one more column per set of categories, and the place of each such column."""
    by_column: dict[int, dict[Sides, None]] = {}
    for tree in trees:
        for node, sides in tree.sets.items():
            by_column.setdefault(int(tree.column[node]), {})[sides] = None
    places: dict[tuple[int, Sides], int] = {}
    blocks = [rows]
    for column, sets in sorted(by_column.items()):
        places |= {(column, sides): columns + len(places) + place for place, sides in enumerate(sets)}
        goes_right = ~np.array(list(sets), bool).T  # (levels, sets)
        null = graph.constant(float(len(goes_right) - 1))
        code = graph.add("Gather", rows, graph.constant(column, np.int64), axis=1)
        code = graph.add("Where", graph.add("IsNaN", code), null, code)
        code = graph.add("Cast", graph.add("Clip", code, graph.constant(0.0), null), to=onnx.TensorProto.INT64)
        blocks.append(graph.add("Gather", graph.constant(goes_right), code, axis=0))
    return (graph.add("Concat", *blocks, axis=1) if by_column else rows), places


def _tensor(numbers: list[float]) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.array(numbers, dtype=np.float64))
