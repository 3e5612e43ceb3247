"""Builds a compiled model's ONNX graph: from the encoded matrix of float64 to P(goal).

Only the operators that this folder writes are in it, so the service runs nothing that came with an artifact.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnx.helper
import onnx.numpy_helper

ROWS: Final = "rows"
PROBABILITIES: Final = "probabilities"
LEARNING: Final = "ai.onnx.ml"  # the domain of tree ensembles

# The versions of the operators and of the file that onnxruntime runs; `make lock` may raise them.
OPSETS: Final = {"": 20, LEARNING: 5}
IR_VERSION: Final = 10

# Nodes of all trees from root to leaf: a thousand trees of 50 levels.
MAX_WALK: Final = 50_000


class NotCompilable(Exception):
    """The model cannot be written as a graph; the message says why."""


class Graph:
    """A graph under construction. Tensors are known by their names; `rows` is the encoded matrix, (rows, codecs)."""

    def __init__(self, codecs: int) -> None:
        self.rows = ROWS
        self._codecs = codecs
        self._nodes: list[onnx.NodeProto] = []
        self._constants: list[onnx.TensorProto] = []
        self._walked = 0

    def walk(self, nodes: int) -> None:
        """Count the nodes of a tree that a row may walk through, which no row that is tried need do.

        Raises:
            NotCompilable: they are too many for one row.
        """
        self._walked += nodes
        if self._walked > MAX_WALK:
            raise NotCompilable(f"a row may walk through more than {MAX_WALK:,} nodes of its trees")

    def add(self, operator: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and return the name of its first output."""
        (output,) = self.add_all(operator, *inputs, domain=domain, **attributes)
        return output

    def add_all(self, operator: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> list[str]:
        """Add a node and return the names of its outputs."""
        names = [f"{operator.lower()}_{len(self._nodes)}" + (f"_{place}" if place else "") for place in range(outputs)]
        self._nodes.append(onnx.helper.make_node(operator, inputs, names, domain=domain, **attributes))
        return names

    def constant(self, values: npt.ArrayLike, dtype: npt.DTypeLike = np.float64) -> str:
        """Add a constant tensor and return its name."""
        name = f"constant_{len(self._constants)}"
        self._constants.append(onnx.numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def to_double(self, tensor: str) -> str:
        """Return the tensor as float64."""
        return self.add("Cast", tensor, to=onnx.TensorProto.DOUBLE)

    def to_single(self, tensor: str) -> str:
        """Return the tensor as float32."""
        return self.add("Cast", tensor, to=onnx.TensorProto.FLOAT)

    def rounded(self, tensor: str) -> str:
        """Return the numbers rounded to single precision, as float64."""
        return self.to_double(self.to_single(tensor))

    def finish(self, probabilities: str) -> bytes:
        """Return the file of the graph, whose output is this tensor of float64, (rows, 1)."""
        self._nodes.append(onnx.helper.make_node("Identity", [probabilities], [PROBABILITIES]))
        double = onnx.TensorProto.DOUBLE
        graph = onnx.helper.make_graph(
            self._nodes,
            "compiled",
            [onnx.helper.make_tensor_value_info(ROWS, double, [None, self._codecs])],
            [onnx.helper.make_tensor_value_info(PROBABILITIES, double, [None, 1])],
            self._constants,
        )
        opsets = [onnx.helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
        model = onnx.helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
        model.producer_name = "xgserve"
        return bytes(model.SerializeToString(deterministic=True))


# What a step does: it adds nodes that read a tensor, (rows, columns), and returns the name of the tensor they make.
Step = Callable[[Graph, str], str]
