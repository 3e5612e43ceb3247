"""scikit-learn's trees as one TreeEnsemble operator of ONNX, evaluated for all rows and trees in one call.

scikit-learn calls each tree separately, which costs more than the tree itself for the few rows of a request.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnx.helper
import onnx.numpy_helper
import onnxruntime

Numbers = npt.NDArray[np.float64]

LEQ = 0  # TreeEnsemble's code for "go to the true child if the number is at most the threshold"
SUM = 1


@dataclass(frozen=True)
class Tree:
    """A binary tree as arrays over its nodes, the root first. The child of a leaf is negative or the node itself."""

    is_leaf: npt.NDArray[np.bool_]
    left: npt.NDArray[np.intp]  # child for numbers up to the threshold
    right: npt.NDArray[np.intp]
    column: npt.NDArray[np.intp]
    threshold: Numbers
    null_goes_left: npt.NDArray[np.bool_]
    value: Numbers  # of a leaf

    @classmethod
    def of_histogram(cls, predictor: Any) -> "Tree":
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


def sum_of_trees(trees: Iterable[Tree], columns: int, start: float = 0.0) -> Callable[[Numbers], Numbers]:
    """Return a function from rows, shape (rows, columns), to `start` plus the sum of their leaves, shape (rows,).

    Raises:
        ValueError: no tree has more than a leaf.
    """
    nodes: dict[str, list[Any]] = {name: [] for name in _NODE_ATTRIBUTES}
    values: list[float] = []
    roots: list[int] = []
    for tree in trees:
        if tree.is_leaf[0]:
            start += tree.value[0]
            continue
        inner = ~tree.is_leaf
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
        nodes["nodes_missing_value_tracks_true"] += tree.null_goes_left[inner].astype(int).tolist()
        values += tree.value[tree.is_leaf].tolist()
    if not roots:
        raise ValueError("no tree has more than a leaf")
    session = _session(
        columns,
        **nodes | {"nodes_splits": _tensor(nodes["nodes_splits"])},
        nodes_modes=onnx.numpy_helper.from_array(np.full(len(nodes["nodes_splits"]), LEQ, np.uint8)),
        tree_roots=roots,
        leaf_weights=_tensor(values),
        leaf_targetids=[0] * len(values),
        aggregate_function=SUM,
        n_targets=1,
    )

    def evaluate(rows: Numbers) -> Numbers:
        (sums,) = session.run(None, {"rows": np.ascontiguousarray(rows)})
        return sums[:, 0] + start  # type: ignore[no-any-return]

    return evaluate


_NODE_ATTRIBUTES = (
    "nodes_featureids",
    "nodes_splits",
    "nodes_truenodeids",
    "nodes_trueleafs",
    "nodes_falsenodeids",
    "nodes_falseleafs",
    "nodes_missing_value_tracks_true",
)


def _tensor(numbers: list[float]) -> onnx.TensorProto:
    return onnx.numpy_helper.from_array(np.array(numbers, dtype=np.float64))


def _session(columns: int, **attributes: Any) -> onnxruntime.InferenceSession:
    """Return a model of this operator alone (https://onnx.ai/onnx/operators/onnx_aionnxml_TreeEnsemble.html)."""
    helper, double = onnx.helper, onnx.TensorProto.DOUBLE
    graph = helper.make_graph(
        [helper.make_node("TreeEnsemble", ["rows"], ["sums"], domain="ai.onnx.ml", **attributes)],
        "trees",
        [helper.make_tensor_value_info("rows", double, [None, columns])],
        [helper.make_tensor_value_info("sums", double, [None, 1])],
    )
    versions = [helper.make_opsetid("ai.onnx.ml", 5), helper.make_opsetid("", 20)]
    model = helper.make_model(graph, opset_imports=versions, ir_version=10)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1  # a request is evaluated in its own thread
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
