"""ONNX files for tests: converted by skl2onnx, or put together node by node, and what onnxruntime says to each."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import pandas as pd
from onnx import TensorProto, helper, numpy_helper
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType, Int64TensorType, StringTensorType

from tests.xgserve.helpers import goals, shots

TYPES: Final = {
    "distance": FloatTensorType,
    "angle": FloatTensorType,
    "shot_type": StringTensorType,
    "period": Int64TensorType,
}
LEARNING: Final = "ai.onnx.ml"


def shots_with_periods(rows: int = 400, seed: int = 1) -> pd.DataFrame:
    """Made-up shots whose numbers single precision holds exactly."""
    frame = shots(rows, seed)[["distance", "angle", "shot_type"]].astype({"distance": np.float32, "angle": np.float32})
    frame["period"] = np.random.default_rng(seed).integers(1, 5, rows)
    return frame.astype({"distance": np.float64, "angle": np.float64})


SHOTS: Final = shots_with_periods()
GOALS: Final = goals(SHOTS)


def converted(estimator: Any, columns: Sequence[str], *, double: bool = False, **options: Any) -> onnx.ModelProto:
    """Return an estimator fitted on these columns as skl2onnx converts it, with one input per column."""
    types = {**TYPES, "distance": DoubleTensorType, "angle": DoubleTensorType} if double else TYPES
    inputs = [(name, types[name]([None, 1])) for name in columns]
    model: onnx.ModelProto = convert_sklearn(estimator, initial_types=inputs, options=options or None)
    return model


def of_one_tensor(estimator: Any, width: int, **options: Any) -> onnx.ModelProto:
    """Return an estimator as skl2onnx converts it, with one input of all columns."""
    inputs = [("X", FloatTensorType([None, width]))]
    model: onnx.ModelProto = convert_sklearn(estimator, initial_types=inputs, options=options or None)
    return model


def built(
    nodes: Sequence[onnx.NodeProto],
    weights: dict[str, Any] | None = None,
    *,
    inputs: dict[str, Any] | None = None,
    outputs: dict[str, Any] | None = None,
    opset: int = 18,
    learning: int = 3,
) -> onnx.ModelProto:
    """Return a file of these nodes; by default from `X`, (rows, 2), to `P`, (rows, 1)."""
    given = inputs or {"X": (TensorProto.FLOAT, [None, 2])}
    made = outputs or {"P": (TensorProto.FLOAT, [None, 1])}
    graph = helper.make_graph(
        list(nodes),
        "test",
        [helper.make_tensor_value_info(name, *kind) for name, kind in given.items()],
        [helper.make_tensor_value_info(name, *kind) for name, kind in made.items()],
        [numpy_helper.from_array(np.asarray(values), name) for name, values in (weights or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid(LEARNING, learning)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def written(folder: Path, model: onnx.ModelProto | bytes, card: dict[str, Any] | None = None) -> Path:
    """Write a file, with its card."""
    folder.mkdir(exist_ok=True, parents=True)
    if card is not None:
        (folder / "card.json").write_text(json.dumps(card))
    path = folder / "model.onnx"
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return path


def card_of(*names: str) -> dict[str, Any]:
    """Return a card that names columns of numbers."""
    return {"features": [{"name": name, "kind": "number"} for name in names]}


def asked(model: onnx.ModelProto, frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return P(class 1) as onnxruntime gives it for the file itself; null texts are "nan", as its users have them."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    kinds = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
    feeds = {}
    if len(session.get_inputs()) == 1 and session.get_inputs()[0].name not in frame:
        feeds[session.get_inputs()[0].name] = frame.to_numpy(kinds[session.get_inputs()[0].type])
    else:
        for entry in session.get_inputs():
            column = frame[entry.name]
            array = column.to_numpy(kinds[entry.type]) if entry.type in kinds else column.map(str).to_numpy(object)
            feeds[entry.name] = array.reshape(-1, 1)
    answer = session.run(None, feeds)[-1]
    if isinstance(answer, list):  # of ZipMap
        return np.array([list(row.values())[1] for row in answer], dtype=np.float64)
    return answer.reshape(len(frame), -1)[:, -1].astype(np.float64)  # type: ignore[no-any-return]


def near_and_far(columns: Sequence[str], rows: int = 1_500, *, nulls: bool = False) -> pd.DataFrame:
    """Return shots as they come and far from those, with unknown categories, and with nulls if asked for."""
    random = np.random.default_rng(7)
    frame = pd.concat([shots_with_periods(rows // 2, seed=5), shots_with_periods(rows - rows // 2, seed=6)])
    frame = frame.reset_index(drop=True)
    far = np.arange(rows) >= rows // 2
    for name in ("distance", "angle"):
        drawn = random.normal(0, 10.0 ** random.integers(0, 4, rows)).astype(np.float32)
        frame.loc[far, name] = drawn[far].astype(np.float64)
        if nulls:
            frame.loc[random.random(rows) < 0.1, name] = np.nan
    strange = random.random(rows) < 0.1
    frame["shot_type"] = np.where(strange, "between the legs", frame["shot_type"]).astype(object)
    frame.loc[random.random(rows) < 0.1, "shot_type"] = None
    frame["period"] = np.where(random.random(rows) < 0.1, 9, frame["period"])
    return frame[list(columns)]


def node(operator: str, *inputs: str, output: str = "B", domain: str = "", **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(operator, inputs, [output], domain=domain, **attributes)


MODES = ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"]


def random_trees(modes: list[str], trees: int = 12, seed: int = 0, low: float = -1.0) -> dict[str, list[Any]]:
    """Return the attributes of trees of depth 3 whose thresholds are the whole numbers from -2 to 2."""
    random = np.random.default_rng(seed)
    nodes: dict[str, list[Any]] = {
        name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    }
    nodes["missing_value_tracks_true"] = []
    leaves: dict[str, list[Any]] = {"treeids": [], "nodeids": [], "ids": [], "weights": []}
    for tree in range(trees):
        for node in range(15):
            inner = node < 7
            row = (tree, node, random.integers(2) if inner else 0, random.integers(-2, 3) if inner else 0)
            mode = random.choice(modes) if inner else "LEAF"
            children = (2 * node + 1, 2 * node + 2) if inner else (0, 0)
            for name, value in zip(nodes, (*row, mode, *children, random.integers(2) if inner else 0), strict=True):
                nodes[name].append(value)
            if not inner:
                for name, value in zip(leaves, (tree, node, 0, random.uniform(low, 1) / trees), strict=True):
                    leaves[name].append(value)
    typed: dict[str, list[Any]] = {
        f"nodes_{name}": [int(v) for v in values] for name, values in nodes.items() if name != "modes"
    }
    typed["nodes_modes"] = list(map(str, nodes["modes"]))
    typed["nodes_values"] = list(map(float, nodes["values"]))
    return typed | {f"class_{name}": values for name, values in leaves.items()}


def classifier(attributes: dict[str, Any], **more: Any) -> onnx.ModelProto:
    node = helper.make_node(
        "TreeEnsembleClassifier",
        ["X"],
        ["label", "P"],
        domain=LEARNING,
        **{"classlabels_int64s": [0, 1], "post_transform": "LOGISTIC", **attributes, **more},
    )
    outputs = {"label": (TensorProto.INT64, [None]), "P": (TensorProto.FLOAT, [None, 2])}
    return built([node], outputs=outputs, learning=1 if "nodes_values_as_tensor" not in attributes else 3)


def ensemble(**changes: Any) -> onnx.ModelProto:
    """Return two trees of the operator's version 5, in double precision."""
    double = {
        name: numpy_helper.from_array(np.array(changes.pop(name, usual), np.float64))
        for name, usual in (("nodes_splits", [1.0, 0.1, -2.0]), ("leaf_weights", [0.5, -0.25, 1.5, -1.0, 0.125]))
    }
    attributes: dict[str, Any] = {
        "nodes_featureids": [0, 1, 1],
        "nodes_modes": numpy_helper.from_array(np.array(changes.pop("modes", [0, 1, 3]), np.uint8)),
        "nodes_truenodeids": [1, 0, 3],
        "nodes_trueleafs": [0, 1, 1],
        "nodes_falsenodeids": [2, 1, 4],
        "nodes_falseleafs": [1, 1, 1],
        "nodes_missing_value_tracks_true": [1, 0, 1],
        "leaf_targetids": [0] * 5,
        "tree_roots": [0, 2],
        "n_targets": 1,
        "aggregate_function": 1,
        **double,
        **changes,
    }
    tree = helper.make_node("TreeEnsemble", ["X"], ["s"], domain=LEARNING, **attributes)
    double_type = {"X": (TensorProto.DOUBLE, [None, 2])}
    outputs = {"P": (TensorProto.DOUBLE, [None, 1])}
    nodes = [tree, helper.make_node("Sigmoid", ["s"], ["P"])]
    return built(nodes, inputs=double_type, outputs=outputs, learning=5)
