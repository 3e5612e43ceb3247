"""One operator of the file while it is read: its inputs, its attributes, and the nodes that are written for it."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper

from xgserve.compiler.onnx_file.tensors import (
    FLOATS,
    ONNX_TYPES,
    WHOLE,
    Codes,
    Refused,
    Shape,
    Tensor,
    broadcast,
    check_size,
    decoded,
    read_tensor,
)
from xgserve.compiler.tree_ensemble import Tree
from xgserve.text import clipped


class Label:
    """The label that a classifier gives; only its probabilities are written again."""


LABEL: Final = Label()

Value = Tensor | Codes | Label

# These choose between numbers or bound them; anywhere else a number that is not finite spoils every row.
_TAKES_INFINITE: Final = frozenset({"Clip", "Gather", "Min", "Max", "Where"})


class Writer(Protocol):
    """Where the nodes go, and what knows the caller's columns."""

    def write(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """Write a node and return the name of its output; empty if nothing is written."""

    def write_constant(self, values: npt.NDArray[Any]) -> str:
        """Write a constant and return its name; empty if nothing is written."""

    def as_numbers(self, codes: Codes) -> Tensor:
        """Return columns of whole numbers as numbers."""

    def write_trees(self, rows: str, trees: Sequence[Tree], columns: int, start: float) -> str:
        """Write the sum of trees and return its name; empty if nothing is written."""

    def look_up(
        self,
        operation: "Operation",
        codes: Codes,
        place: int,
        table: Mapping[str | int, npt.NDArray[Any]],
        otherwise: npt.NDArray[Any],
    ) -> Tensor | None:
        """Return the table's entry for each row of one column, shape (rows, ...); None if it is one of numbers."""

    def takes(self, tensor: Tensor) -> None:
        """Count the memory of a tensor that is written."""


class Operation:
    """Reads one node; every attribute must have been asked for when it ends."""

    def __init__(self, node: onnx.NodeProto, inputs: Sequence[Value | None], opset: int, writer: Writer) -> None:
        self.name = node.op_type
        self.opset = opset
        self.outputs = len(node.output)
        self.writer = writer
        self._inputs = list(inputs)
        self._attributes = {attribute.name: attribute for attribute in node.attribute}

    # -- inputs -------------------------------------------------------------------------------------------------------

    @property
    def input_count(self) -> int:
        """How many inputs it has, with those left out."""
        return len(self._inputs)

    def has(self, place: int) -> bool:
        """Return whether it has this input."""
        return place < len(self._inputs) and self._inputs[place] is not None

    def value(self, place: int = 0) -> Tensor | Codes:
        """Return an input, which may hold categories."""
        value = self._inputs[place] if place < len(self._inputs) else None
        if value is None:
            raise Refused(f"has no input {place}")
        if isinstance(value, Label):
            raise Refused("computes with the label of a classifier, not with its probabilities")
        return value

    def input(self, place: int = 0, dtypes: Sequence[np.dtype[Any]] = FLOATS) -> Tensor:
        """Return an input of one of these types."""
        value = self.value(place)
        tensor = self.writer.as_numbers(value) if isinstance(value, Codes) else value
        if tensor.dtype == np.float64 and np.float32 in dtypes and tensor.dtype not in dtypes:
            raise Refused(
                "is given float64, which onnxruntime does not run there: convert it for float32 (of skl2onnx: with "
                "FloatTensorType, or with a first row of float32 in place of float64)"
            )
        if tensor.dtype not in dtypes:
            raise Refused(f"is given {tensor.dtype} where it is written again for {', '.join(map(str, dtypes))}")
        if tensor.turned:
            raise Refused("is given one row of all answers")
        return tensor

    def inputs(self, dtypes: Sequence[np.dtype[Any]] = FLOATS) -> list[Tensor]:
        """Return all inputs, which must be of the same type."""
        found = [self.input(place, dtypes) for place in range(len(self._inputs))]
        if not found or any(tensor.dtype != found[0].dtype for tensor in found):
            raise Refused("combines different types")
        return found

    def matrix(self, place: int = 0, dtypes: Sequence[np.dtype[Any]] = FLOATS) -> Tensor:
        """Return an input of shape (rows, columns)."""
        tensor = self.input(place, dtypes)
        if len(tensor.shape) != 2 or tensor.shape[0] is not None:
            raise Refused("is given something other than a table of rows and columns")
        return tensor

    def constant(self, place: int, dtypes: Sequence[np.dtype[Any]] = FLOATS) -> npt.NDArray[Any]:
        """Return an input that must be a constant."""
        found = self.input(place, dtypes).constant
        if found is None:
            raise Refused(f"takes its input {place} from other operators, and not from a weight")
        return found

    def whole_numbers(self, place: int) -> list[int]:
        """Return an input that must be a constant list of whole numbers."""
        found = self.constant(place, WHOLE)
        if found.ndim > 1 or found.size > 10_000:
            raise Refused("is given a long list of lengths or places")
        return [int(number) for number in np.atleast_1d(found)]

    # -- attributes ---------------------------------------------------------------------------------------------------

    def has_attribute(self, name: str) -> bool:
        """Return whether it has this attribute and it was not asked for yet."""
        return name in self._attributes

    def ignore(self, *names: str) -> None:
        """Pass over attributes that change nothing."""
        for name in names:
            self._attributes.pop(name, None)

    def _taken(self, name: str, kind: int) -> onnx.AttributeProto | None:
        attribute: onnx.AttributeProto | None = self._attributes.pop(name, None)
        if attribute is not None and attribute.type != kind:
            raise Refused(f"has the attribute {name} of another type than ONNX says")
        return attribute

    def whole(self, name: str, default: int) -> int:
        """Return an attribute that is a whole number."""
        attribute = self._taken(name, onnx.AttributeProto.INT)
        return default if attribute is None else attribute.i

    def flag(self, name: str, *, default: bool) -> bool:
        """Return an attribute that is 0 or 1."""
        return bool(self.whole(name, int(default)))

    def number(self, name: str, default: float) -> float:
        """Return an attribute that is a number."""
        attribute = self._taken(name, onnx.AttributeProto.FLOAT)
        return default if attribute is None else attribute.f

    def finite(self, name: str, default: float) -> float:
        """Return an attribute that is a finite number."""
        number = self.number(name, default)
        if not np.isfinite(number):
            raise Refused(f"has the attribute {name} of {number}, which is not finite")
        return number

    def text(self, name: str, default: str) -> str:
        """Return an attribute that is a text."""
        attribute = self._taken(name, onnx.AttributeProto.STRING)
        return default if attribute is None else decoded([attribute.s])[0]

    def wholes(self, name: str) -> npt.NDArray[np.int64] | None:
        """Return an attribute that is a list of whole numbers; None if it is missing."""
        attribute = self._taken(name, onnx.AttributeProto.INTS)
        return None if attribute is None else np.array(attribute.ints, np.int64)

    def numbers(self, name: str) -> npt.NDArray[np.float32] | None:
        """Return an attribute that is a list of numbers; None if it is missing."""
        attribute = self._taken(name, onnx.AttributeProto.FLOATS)
        return None if attribute is None else np.array(attribute.floats, np.float32)

    def raw_texts(self, name: str) -> list[bytes] | None:
        """Return an attribute that is a list of texts, not decoded; None if it is missing."""
        attribute = self._taken(name, onnx.AttributeProto.STRINGS)
        return None if attribute is None else list(attribute.strings)

    def texts(self, name: str) -> tuple[str, ...] | None:
        """Return an attribute that is a list of texts; None if it is missing."""
        raw = self.raw_texts(name)
        return None if raw is None else decoded(raw)

    def tensor(self, name: str) -> npt.NDArray[Any] | None:
        """Return an attribute that is a tensor of numbers; None if it is missing."""
        attribute = self._taken(name, onnx.AttributeProto.TENSOR)
        return None if attribute is None else read_tensor(attribute.t)

    def bytes_tensor(self, name: str) -> npt.NDArray[np.uint8] | None:
        """Return an attribute that is a tensor of bytes; None if it is missing."""
        attribute = self._taken(name, onnx.AttributeProto.TENSOR)
        types: dict[int, np.dtype[Any]] = {onnx.TensorProto.UINT8: np.dtype(np.uint8)}
        return None if attribute is None else read_tensor(attribute.t, types)

    def text_tensor(self, name: str) -> tuple[str, ...] | npt.NDArray[Any] | None:
        """Return an attribute that is a tensor of texts or numbers; None if it is missing."""
        attribute = self._taken(name, onnx.AttributeProto.TENSOR)
        if attribute is None:
            return None
        if attribute.t.data_type == onnx.TensorProto.STRING:
            return decoded(attribute.t.string_data)
        return read_tensor(attribute.t)

    def must_be(self, name: str, value: object, found: object) -> None:
        """Refuse an attribute that has another value."""
        if found != value:
            raise Refused(f"has the attribute {name} of {clipped(found, 100)}, and not {value}")

    def end(self) -> None:
        """Refuse attributes that were not asked for."""
        if self._attributes:
            raise Refused(f"has the attribute {clipped(min(self._attributes), 100)}, which is not read")

    # -- outputs ------------------------------------------------------------------------------------------------------

    def fixed(self, values: npt.ArrayLike, dtype: np.dtype[Any]) -> Tensor:
        """Return a constant."""
        return self.constant_tensor(np.asarray(values, dtype))

    def constant_tensor(self, values: npt.NDArray[Any]) -> Tensor:
        """Return a constant of these numbers."""
        return Tensor(values.dtype, values.shape, lambda: self.writer.write_constant(values), values)

    def emit(
        self,
        operator: str,
        *inputs: Tensor | None,
        shape: Shape | None = None,
        dtype: np.dtype[Any] | None = None,
        attributes: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Tensor:
        """Write a node; by default, of the inputs' common shape and type.

        Raises:
            Refused: the output is too large, or a constant is not finite.
        """
        given = [tensor for tensor in inputs if tensor is not None]
        shape = broadcast([tensor.shape for tensor in given]) if shape is None else shape
        check_size(shape, "a tensor")
        for tensor in given:
            constant = tensor.constant
            if constant is None or constant.dtype.kind != "f" or operator in _TAKES_INFINITE:
                continue
            if not np.isfinite(constant).all():
                raise Refused("has a weight that is not a finite number")
        names = [tensor.name if tensor is not None else "" for tensor in inputs]
        output = self.writer.write(operator, *names, **(attributes or {}), **more)
        made = Tensor(dtype or given[0].dtype, shape, lambda: output)
        self.writer.takes(made)
        return made

    def emit_trees(self, rows: Tensor, trees: Sequence[Tree], start: float) -> Tensor:
        """Write the sum of trees, shape (rows, 1); `rows` is of float64."""
        output = self.writer.write_trees(rows.name, trees, rows.width, start)
        made = Tensor(rows.dtype, (None, 1), lambda: output)
        self.writer.takes(made)
        return made

    def cast(self, tensor: Tensor, dtype: np.dtype[Any]) -> Tensor:
        """Return a tensor as another type."""
        if tensor.dtype == dtype:
            return tensor
        if tensor.constant is not None:
            with np.errstate(all="ignore"):
                return self.constant_tensor(tensor.constant.astype(dtype))
        if tensor.columns:
            return self.of_columns([partial(self._cast_of, make, dtype) for make in tensor.columns], dtype)
        return self.emit("Cast", tensor, dtype=dtype, to=ONNX_TYPES[dtype])

    def _cast_of(self, make: Callable[[], Tensor], dtype: np.dtype[Any]) -> Tensor:
        return self.cast(make(), dtype)

    def reshape(self, tensor: Tensor, shape: Shape) -> Tensor:
        """Return a tensor of another shape with as many numbers per row."""
        if tensor.shape == shape:
            return tensor
        lengths = [-1 if length is None else length for length in shape]
        if tensor.constant is not None:
            return self.constant_tensor(tensor.constant.reshape(lengths))
        return self.emit("Reshape", tensor, self.fixed(lengths, np.dtype(np.int64)), shape=shape)

    def column(self, tensor: Tensor, place: int) -> Tensor:
        """Return one column of a table, shape (rows, 1)."""
        if tensor.columns:
            return tensor.columns[place]()
        if tensor.width == 1:
            return tensor
        return self.emit("Gather", tensor, self.fixed([place], np.dtype(np.int64)), shape=(None, 1), axis=1)

    def of_columns(self, makers: Sequence[Callable[[], Tensor]], dtype: np.dtype[Any]) -> Tensor:
        """Return the table of columns that are only written if they are needed."""
        made: dict[int, Tensor] = {}

        def column(place: int) -> Tensor:
            if place not in made:
                made[place] = makers[place]()
            return made[place]

        def write() -> str:
            columns = [column(place) for place in range(len(makers))]
            return self.emit("Concat", *columns, shape=(None, len(makers)), dtype=dtype, axis=1).name

        columns = tuple(partial(column, place) for place in range(len(makers)))
        return Tensor(dtype, (None, len(makers)), write, columns=columns)
