"""Goes through the nodes that the probabilities need, checks each, and writes what does the same into a graph."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx

from xgserve.compiler.graph import Graph
from xgserve.compiler.onnx_file import forests, learning, operators
from xgserve.compiler.onnx_file.content import SAVE_ITSELF, Content, domain_of
from xgserve.compiler.onnx_file.operation import Operation, Value
from xgserve.compiler.onnx_file.tensors import ONNX_TYPES, Codes, Refused, Source, Tensor, read_tensor
from xgserve.compiler.tree_ensemble import Tree, sum_of_trees
from xgserve.errors import ModelError
from xgserve.model.schema import Column
from xgserve.text import clipped

# So that the largest batch of rows fits into the memory that a request may take.
MAX_BYTES_PER_ROW: Final = 16_384
MAX_TABLES: Final = 4_000_000  # numbers in the tables of all encoders

HANDLERS: Final = {"": operators.HANDLERS, "ai.onnx.ml": learning.HANDLERS | forests.HANDLERS}

INT64: Final = np.dtype(np.int64)
DOUBLE: Final = np.dtype(np.float64)


class Uses:
    """How the graph uses each of the caller's columns that it has as text or whole number."""

    def __init__(self) -> None:
        self.as_number: set[int] = set()
        self.categories: dict[int, dict[str | int, None]] = {}
        self.null_texts: dict[int, str] = {}
        self.trees = 0  # of the largest ensemble


class Walk:
    """One pass over the nodes. Without a graph it only checks them, and notes how columns are used."""

    def __init__(
        self, content: Content, tensor: str, columns: Sequence[Column], uses: Uses, graph: Graph | None
    ) -> None:
        self._content = content
        self._tensor = tensor
        self._columns = columns
        self._uses = uses
        self._graph = graph
        self._codes: dict[int, Tensor] = {}
        self._made: list[int] = []  # bytes per row of what the present node writes
        self._table_numbers = 0

    def result(self, inputs: Mapping[str, Value]) -> Value:
        """Return the probabilities, made of the graph's inputs.

        Raises:
            ModelError: an operator is not written again; names it and says why.
        """
        values: dict[str, Value] = dict(inputs)
        nodes = self._content.needed_for(self._tensor)
        last = {name: place for place, node in enumerate(nodes) for name in node.input}
        last[self._tensor] = len(nodes)
        held: dict[str, int] = {}
        for place, node in enumerate(nodes):
            self._made = []
            for name, value in zip(node.output, self._handle(node, values), strict=False):
                values[name] = value
                held[name] = value.bytes_per_row if isinstance(value, Tensor) else 0
            self.check_memory(f"its operator {node.op_type} brings", sum(held.values()))
            held = {name: size for name, size in held.items() if last.get(name, -1) > place}
        if self._tensor not in values:
            self._weight(self._tensor, values)
        return values[self._tensor]

    def check_memory(self, what_brings: str, held: int = 0) -> None:
        """Refuse a graph whose last tensors, and those held beside them, take too many bytes per row.

        Raises:
            ModelError: they do.
        """
        if held + sum(self._made) > MAX_BYTES_PER_ROW:
            raise ModelError(
                f"{what_brings} the memory that a row takes over {MAX_BYTES_PER_ROW:,} bytes: make the model smaller, "
                f"or {SAVE_ITSELF}"
            )

    def _handle(self, node: onnx.NodeProto, values: dict[str, Value]) -> list[Value]:
        domain = domain_of(node)
        try:
            handler = HANDLERS[domain].get(node.op_type)
            if handler is None:
                raise Refused("is not on the list of those that are written again (docs/security.md)")
            for name in node.input:
                if name in self._content.weights and name not in values:
                    self._weight(name, values)
            if missing := [name for name in node.input if name and name not in values]:
                raise Refused(f"reads {clipped(missing[0], 100)}, an output that is not written again")
            inputs = [values[name] if name else None for name in node.input]
            operation = Operation(node, inputs, self._content.opsets[domain], self)
            made = handler(operation)
            operation.end()
        except Refused as why:
            raise ModelError(
                f"its operator {clipped(node.op_type, 100)} {why}: export it without, or {SAVE_ITSELF}"
            ) from why
        return made

    def _weight(self, name: str, values: dict[str, Value]) -> None:
        numbers = read_tensor(self._content.weights[name])
        values[name] = Tensor(numbers.dtype, numbers.shape, lambda: self.write_constant(numbers), numbers)

    # -- what operations write ----------------------------------------------------------------------------------------

    def write(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Write a node; see `Writer`."""
        return "" if self._graph is None else self._graph.add(operator, *inputs, **attributes)

    def write_constant(self, values: npt.NDArray[Any]) -> str:
        """Write a constant; see `Writer`."""
        return "" if self._graph is None else self._graph.constant(values, values.dtype)

    def write_trees(self, rows: str, trees: Sequence[Tree], columns: int, start: float) -> str:
        """Write the sum of trees; see `Writer`."""
        self._uses.trees = max(self._uses.trees, len(trees))
        return "" if self._graph is None else sum_of_trees(self._graph, rows, trees, columns, start)

    def takes(self, tensor: Tensor) -> None:
        """Count the memory of a tensor; see `Writer`."""
        self._made.append(tensor.bytes_per_row)

    # -- the caller's columns -----------------------------------------------------------------------------------------

    def numbers(self, places: Sequence[int], dtype: np.dtype[Any], *, flat: bool) -> Tensor:
        """Return these columns of the encoded matrix as this type, shape (rows, columns), or (rows,) for one."""

        def write() -> str:
            if self._graph is None:
                return ""
            rows = self._graph.rows
            if list(places) != list(range(len(self._columns))):
                rows = self.write("Gather", rows, self.write_constant(np.asarray(places, np.int64)), axis=1)
            if flat:
                rows = self.write("Reshape", rows, self.write_constant(np.array([-1])))
            if dtype == operators.BOOL:
                return self.write("Not", self.write("Equal", rows, self.write_constant(np.zeros(()))))
            return rows if dtype == DOUBLE else self.write("Cast", rows, to=ONNX_TYPES[dtype])

        return Tensor(dtype, (None,) if flat else (None, len(places)), write)

    def is_category(self, source: Source) -> bool:
        """Return whether a column comes as code, not as number."""
        if self._graph is None:
            return True
        return self._columns[source.place].kind == "category"

    def as_numbers(self, codes: Codes) -> Tensor:
        """Return columns of whole numbers as numbers; see `Writer`."""
        if any(source.is_text for source in codes.sources):
            raise Refused("is given texts, which only encoders are")
        self._uses.as_number.update(source.place for source in codes.sources)
        return self.numbers([source.place for source in codes.sources], codes.dtype, flat=codes.flat)

    def look_up(
        self,
        operation: Operation,
        codes: Codes,
        place: int,
        table: Mapping[str | int, npt.NDArray[Any]],
        otherwise: npt.NDArray[Any],
    ) -> Tensor | None:
        """Return the entry of a table for each row of one column; see `Writer`."""
        source = codes.sources[place]
        if not self.is_category(source):
            return None
        self._uses.categories.setdefault(source.place, {}).update(dict.fromkeys(table))
        column = self._columns[source.place]
        self._table_numbers += (len(table) + 2) * otherwise.size
        if self._table_numbers > MAX_TABLES:
            raise Refused("takes the tables of all encoders over their bound")
        keys = keys_of(column, self._uses.null_texts.get(source.place, "") if source.is_text else None)
        rows = [otherwise if key is None else table.get(key, otherwise) for key in keys]
        numbers = operation.constant_tensor(np.stack(rows))
        if source.place not in self._codes:
            self._codes[source.place] = self.numbers([source.place], INT64, flat=True)
        code = self._codes[source.place]
        return operation.emit("Gather", numbers, code, shape=(None, *otherwise.shape), dtype=otherwise.dtype, axis=0)


def keys_of(column: Column, null_text: str | None) -> list[str | int | None]:
    """Return what the graph is given for each level of a column of categories; None for what it does not know.

    `null_text` is given for null in a column of text; None in one of whole numbers.
    """
    known = [level if isinstance(level, int) else str(level) for level in column.categories or ()]
    return [*known, None, null_text]
