"""Tensors of a graph that is written again: their types, shapes and constants, and the bounds on each."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnx.numpy_helper

from xgserve.compiler.onnx_file.content import check_plain
from xgserve.errors import ModelError
from xgserve.text import clipped

# Numbers per row of one tensor, and elements of one constant.
MAX_WIDTH: Final = 4_096
MAX_CONSTANT: Final = 16_000_000
MAX_RANK: Final = 4
MAX_TEXTS: Final = 20_000
MAX_TEXT_LENGTH: Final = 1_000

# What a tensor may hold: ONNX's type, and NumPy's.
TYPES: Final[Mapping[int, np.dtype[Any]]] = {
    onnx.TensorProto.FLOAT: np.dtype(np.float32),
    onnx.TensorProto.DOUBLE: np.dtype(np.float64),
    onnx.TensorProto.INT64: np.dtype(np.int64),
    onnx.TensorProto.INT32: np.dtype(np.int32),
    onnx.TensorProto.BOOL: np.dtype(np.bool_),
}
ONNX_TYPES: Final[Mapping[np.dtype[Any], int]] = {dtype: number for number, dtype in TYPES.items()}
FLOATS: Final = (np.dtype(np.float32), np.dtype(np.float64))
WHOLE: Final = (np.dtype(np.int64), np.dtype(np.int32))

ROWS: Final = None  # the length that only a request knows; always the first dimension
Shape = tuple[int | None, ...]


class Refused(Exception):
    """An operator that is not written again; the message says why."""


@dataclass(eq=False)
class Tensor:
    """A tensor of the new graph: `name` is written when it is first needed.

    `columns` makes single columns, shape (rows, 1), of one that would have to be put together. `turned` stands for
    shape (1, rows), which is written as (rows, 1). `below` bounds whole numbers from 0 on.
    """

    dtype: np.dtype[Any]
    shape: Shape
    write: Callable[[], str]
    constant: npt.NDArray[Any] | None = None
    columns: tuple[Callable[[], "Tensor"], ...] = ()
    turned: bool = False
    below: int | None = None
    _name: str | None = None

    @property
    def name(self) -> str:
        """The name in the new graph."""
        if self._name is None:
            self._name = self.write()
        return self._name

    @property
    def width(self) -> int:
        """The numbers per row."""
        return math.prod(length for length in self.shape if length is not ROWS)

    @property
    def bytes_per_row(self) -> int:
        """The memory that one row takes; 0 for a constant."""
        return self.width * self.dtype.itemsize if ROWS in self.shape else 0


@dataclass(frozen=True)
class Source:
    """A column of the caller's that the graph has as text or whole number, at this place among the columns."""

    place: int
    is_text: bool


@dataclass(eq=False)
class Codes:
    """Columns of categories, shape (rows, columns), or (rows,) for one: each is known by its code, not by its text."""

    sources: tuple[Source, ...]
    flat: bool = False
    dtype: np.dtype[Any] = field(default=np.dtype(np.int64))  # of those that are whole numbers

    @property
    def shape(self) -> Shape:
        """Its shape in the graph."""
        return (ROWS,) if self.flat else (ROWS, len(self.sources))


def check_size(shape: Shape, what: str) -> None:
    """Refuse a tensor that takes too much memory per row.

    Raises:
        Refused: it has too many dimensions or numbers.
    """
    width = math.prod(length for length in shape if length is not ROWS)
    if len(shape) > MAX_RANK or width > MAX_WIDTH:
        raise Refused(f"makes {what} of {width:,} numbers per row; at most {MAX_WIDTH:,} are taken")


def broadcast(shapes: Sequence[Shape]) -> Shape:
    """Return the shape of several tensors that are combined number by number, as NumPy does it.

    Raises:
        Refused: they do not fit, or rows would be combined with each other.
    """
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    combined: list[int | None] = []
    for place, lengths in enumerate(zip(*padded, strict=True)):
        others = {length for length in lengths if length != 1}
        if len(others) > 1 or (ROWS in others and place > 0):
            raise Refused(f"combines shapes that do not fit: {_shown(shapes)}")
        combined.append(others.pop() if others else 1)
    return tuple(combined)


def _shown(shapes: Sequence[Shape]) -> str:
    return " and ".join("(" + ", ".join("rows" if n is ROWS else str(n) for n in shape) + ")" for shape in shapes)


def read_tensor(tensor: onnx.TensorProto, types: Mapping[int, np.dtype[Any]] = TYPES) -> npt.NDArray[Any]:
    """Return the numbers of a tensor of these types after checking that it holds as many as it says.

    Raises:
        Refused: it holds something else than numbers, or too many.
        ModelError: its numbers are in another file.
    """
    name = clipped(tensor.name or "a tensor", 100)
    check_plain(tensor, f"the weight {name}")
    dtype = types.get(tensor.data_type)
    if dtype is None:
        try:
            kind = onnx.TensorProto.DataType.Name(tensor.data_type)
        except ValueError:
            kind = str(tensor.data_type)
        raise Refused(f"has the weight {name} of {kind}, and not of {', '.join(map(str, types.values()))}")
    count = math.prod(tensor.dims)
    if len(tensor.dims) > MAX_RANK or any(length < 0 for length in tensor.dims) or count > MAX_CONSTANT:
        raise Refused(f"has the weight {name} of shape {clipped(list(tensor.dims), 100)}; {MAX_CONSTANT:,} numbers fit")
    if tensor.HasField("raw_data"):
        held = len(tensor.raw_data) / dtype.itemsize
    else:
        typed = {np.dtype(np.float32): tensor.float_data, np.dtype(np.float64): tensor.double_data}
        held = len(typed.get(dtype, tensor.int64_data if dtype == np.int64 else tensor.int32_data))
    if held != count:
        raise Refused(f"has the weight {name}, which says it has {count:,} numbers and has {held:,.10g}")
    return onnx.numpy_helper.to_array(tensor)


def decoded(texts: Sequence[bytes]) -> tuple[str, ...]:
    """Return texts of an attribute.

    Raises:
        Refused: there are too many, they are too long, or not text.
    """
    if len(texts) > MAX_TEXTS:
        raise Refused(f"has {len(texts):,} texts; at most {MAX_TEXTS:,} are read")
    if any(len(text) > MAX_TEXT_LENGTH for text in texts):
        raise Refused(f"has a text of more than {MAX_TEXT_LENGTH:,} bytes")
    try:
        return tuple(text.decode() for text in texts)
    except UnicodeDecodeError as error:
        raise Refused("has a text that is not UTF-8") from error


def declared(entry: onnx.ValueInfoProto) -> tuple[int, list[int | str | None]]:
    """Return the type and the dimensions that the file declares for an input or output; None: not said.

    Raises:
        ModelError: it is no tensor.
    """
    if entry.type.WhichOneof("value") != "tensor_type":
        raise ModelError(
            f"its tensor {clipped(entry.name)} is a sequence, a map or sparse: export it with plain tensors"
        )
    kind = entry.type.tensor_type
    lengths: list[int | str | None] = []
    for dimension in kind.shape.dim:
        which = dimension.WhichOneof("value")
        lengths.append(getattr(dimension, which) if which else None)
    return kind.elem_type, lengths
