"""Opens an `.onnx` file: its columns, its own answers by onnxruntime, and its translation."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from xgserve.compiler.graph import Graph
from xgserve.compiler.onnx_file.content import Content, read_content
from xgserve.compiler.onnx_file.forests import ROUNDED
from xgserve.compiler.onnx_file.operation import Label, Operation, Value
from xgserve.compiler.onnx_file.tensors import (
    FLOATS,
    ONNX_TYPES,
    TYPES,
    WHOLE,
    Codes,
    Shape,
    Source,
    Tensor,
    declared,
    read_tensor,
)
from xgserve.compiler.onnx_file.walk import Uses, Walk
from xgserve.compiler.opened import (
    SINGLE_PRECISION,
    Columns,
    Opened,
    Translation,
    card_columns,
    disagreement,
    place_of_goals,
)
from xgserve.compiler.versions import Versions
from xgserve.errors import InvalidFrame, ModelError
from xgserve.model.model import Probabilities, Scorer, Values
from xgserve.model.schema import Column, is_null
from xgserve.model.validation import ColumnCodec, FrameReader
from xgserve.text import clipped

MAX_COLUMNS: Final = 1_000
MAX_NAME_LENGTH: Final = 200

# What onnxruntime is given in place of a null text, of which ONNX has none: what skl2onnx writes for a category that
# was None or NaN, else the empty text.
NULL_TEXTS: Final = ("nan", "None")

# A sum below 1 is rounded by this much at most, in single precision, whenever a tree is added to it.
ERROR_PER_TREE: Final = 2.0**-25

DOUBLE: Final = np.dtype(np.float64)
BOOL: Final = np.dtype(np.bool_)


@dataclass(frozen=True)
class Input:
    """An input of the graph: `places` of its columns among all columns. `dtype` None stands for texts."""

    name: str
    dtype: np.dtype[Any] | None
    places: tuple[int, ...]
    flat: bool  # its shape is (rows,), not (rows, columns)


@dataclass(frozen=True)
class Answer:
    """Where the probabilities are: a tensor, and the place of the goal among its columns."""

    tensor: str
    goal: int


def open_onnx(file: bytes, card: Mapping[str, Any]) -> Opened:
    """Open an ONNX file with its card.

    Raises:
        ModelError: it is damaged, is refused, or is no binary classifier of goals.
    """
    content = read_content(file)
    described = card_columns(card)
    inputs = _inputs(content, len(described))
    names = _named(inputs, described)
    tensor, labels = _probabilities(content)
    answer, dtype, uses = _tried(content, inputs, names, tensor, labels, card)
    columns = _with_kinds(names, described, inputs, uses)
    session = _session(content.cut_to(tensor, ONNX_TYPES[dtype]))

    def reference(columns: Columns) -> Scorer:
        return Original(session, inputs, FrameReader(columns), uses.null_texts, answer)

    def translate(columns: Columns) -> Translation:
        def write(graph: Graph, _rows: str) -> str:
            again = Walk(content, tensor, columns, uses, graph)
            return _picked(again, again.result(_values(again, inputs)), answer).name

        return [_codec(column) for column in columns], write

    return Opened(
        columns=columns,
        versions=Versions("onnxruntime", None, onnxruntime.__version__),
        tolerance=max(SINGLE_PRECISION, ERROR_PER_TREE * uses.trees),
        reference=reference,
        translate=translate,
    )


def _tried(
    content: Content,
    inputs: Sequence[Input],
    columns: Columns,
    tensor: str,
    labels: Sequence[Any] | None,
    card: Mapping[str, Any],
) -> tuple[Answer, np.dtype[Any], Uses]:
    """Check all nodes without writing any; return what the answer is, its type, and how columns are used."""
    uses = Uses()
    walk = Walk(content, tensor, columns, uses, graph=None)
    result = _checked(walk.result(_values(walk, inputs)))
    is_pair = result.shape == (None, 2)
    answer = Answer(tensor, place_of_goals([0, 1] if labels is None else labels, card) if is_pair else 0)
    _picked(walk, result, answer).name  # noqa: B018 - checks what is only written when it is needed
    walk.check_memory("its last operator brings")
    return answer, result.dtype, uses


def _codec(column: Column) -> ColumnCodec:
    if column.kind == "number":
        return ColumnCodec(column)
    return ColumnCodec(column, tuple(map(float, range(len(column.levels)))))


# -- inputs -----------------------------------------------------------------------------------------------------------


def _inputs(content: Content, described: int) -> list[Input]:
    """Return the graph's inputs with the places of their columns; the card says how many if the file does not."""
    inputs: list[Input] = []
    count = 0
    for entry in content.inputs.values():
        name = clipped(entry.name, 100)
        kind, lengths = declared(entry)
        if kind != onnx.TensorProto.STRING and kind not in TYPES:
            raise ModelError(f"its input {name} is of another type than float, double, int64, int32, bool or string")
        if not entry.type.tensor_type.HasField("shape"):
            lengths = [None, None]
        if len(lengths) not in (1, 2):
            raise ModelError(f"its input {name} has {len(lengths)} dimensions, and not rows and columns")
        if isinstance(lengths[0], int):
            raise ModelError(
                f"its input {name} takes exactly {lengths[0]:,} rows: export it for any number of rows (of torch: "
                f'dynamic_axes={{"{name}": {{0: "rows"}}}})'
            )
        width = lengths[1] if len(lengths) == 2 else 1
        if not isinstance(width, int):
            if len(content.inputs) > 1 or not described:
                raise ModelError(f"its input {name} does not say how many columns it has: {_say_columns([])}")
            width = described
        if not 0 < width <= MAX_COLUMNS - count:
            raise ModelError(f"its input {name} has {width:,} columns; 1 to {MAX_COLUMNS:,} are taken")
        dtype = None if kind == onnx.TensorProto.STRING else TYPES[kind]
        inputs.append(Input(entry.name, dtype, tuple(range(count, count + width)), len(lengths) == 1))
        count += width
    if not inputs:
        raise ModelError("it has no inputs")
    return inputs


def _named(inputs: Sequence[Input], described: Mapping[str, Column]) -> Columns:
    """Return the columns with their names: the inputs' own, if each is one column, else the card's in its order."""
    kinds = [_kind(entry) for entry in inputs for _ in entry.places]
    own = [entry.name for entry in inputs]
    if len(own) == len(kinds) and (not described or len(own) > 1):
        if described and set(described) != set(own):
            raise disagreement(described, own)
        names = own
    elif len(described) == len(kinds):
        names = list(described)
    else:
        knows = f"names {len(described)}" if described else "is missing or names none"
        raise ModelError(
            f"its {len(kinds)} columns have no names of their own, and the card {knows}: {_say_columns(kinds)}"
        )
    if any(not name or len(name) > MAX_NAME_LENGTH for name in names):
        raise ModelError(f"a column's name is empty or longer than {MAX_NAME_LENGTH} characters")
    return tuple(Column(name, kind) for name, kind in zip(names, kinds, strict=True))  # type: ignore[arg-type]


def _kind(entry: Input) -> str:
    return "category" if entry.dtype is None else "number"


def _say_columns(kinds: Sequence[str]) -> str:
    listed = [f'{{"name": ..., "kind": "{kind}"}}' for kind in kinds[:3]] or ['{"name": ..., "kind": "number"}']
    more = ", ..." if len(kinds) > 3 else ""
    return f'add a card.json with {{"features": [{", ".join(listed)}{more}]}}, one entry per column in their order'


def _with_kinds(columns: Columns, described: Mapping[str, Column], inputs: Sequence[Input], uses: Uses) -> Columns:
    """Return the columns with their kinds and categories: those that the graph's encoders know, then the card's."""
    found = list(columns)
    for entry in inputs:
        for place in entry.places:
            column = columns[place]
            stated = described.get(column.name)
            known = uses.categories.get(place, {})
            is_number = place in uses.as_number or (stated is not None and stated.kind == "number")
            if entry.dtype in WHOLE and known and not is_number:
                column = _of_categories(column, list(known))
            elif entry.dtype is None:
                uses.null_texts[place] = next((text for text in NULL_TEXTS if text in known), "")
                null = uses.null_texts[place]
                more = (stated.categories if stated is not None else None) or ()
                listed = dict.fromkeys([*known, *(text for text in more if isinstance(text, str))])
                column = _of_categories(column, [text for text in listed if text != null or not text])
            if stated is not None and stated.kind != column.kind:
                raise ModelError(
                    f"card.json calls {clipped(column.name)} a {stated.kind}; the graph has a {column.kind}"
                )
            found[place] = column
    return tuple(found)


def _of_categories(column: Column, known: Sequence[Any]) -> Column:
    return Column(column.name, "category", tuple(known))


def _values(walk: Walk, inputs: Sequence[Input]) -> dict[str, Value]:
    """Return the graph's inputs as made of the encoded matrix."""
    values: dict[str, Value] = {}
    for entry in inputs:
        if entry.dtype is None or entry.dtype in WHOLE:
            sources = tuple(Source(place, entry.dtype is None) for place in entry.places)
            values[entry.name] = Codes(sources, entry.flat, entry.dtype or np.dtype(np.int64))
        else:
            values[entry.name] = walk.numbers(entry.places, entry.dtype, flat=entry.flat)
    return values


# -- the probabilities ------------------------------------------------------------------------------------------------


def _probabilities(content: Content) -> tuple[str, list[Any] | None]:
    """Return the tensor of the probabilities and the labels of its columns, if the file says them.

    Raises:
        ModelError: no output or several may be the probabilities.
    """
    zipped = [node for output in content.outputs if (node := content.producers.get(output.name)) and _is_zipmap(node)]
    if len(zipped) == 1 and len(zipped[0].input) == 1:
        return zipped[0].input[0], _labels_in(zipped[0])
    found = {
        output.name: output
        for output in content.outputs
        if output.type.WhichOneof("value") == "tensor_type" and TYPES.get(output.type.tensor_type.elem_type) in FLOATS
    }
    named = [name for name in found if "prob" in name.lower()]
    if len(found) > 1 and len(named) == 1:
        found = {named[0]: found[named[0]]}
    if len(found) != 1:
        names = clipped([output.name for output in content.outputs])
        raise ModelError(
            f"cannot tell which of its outputs {names} are the probabilities: export it with that one alone"
        )
    labels = [
        known
        for output in content.outputs
        if output.name not in found and (known := _labels_behind(content, output.name)) is not None
    ]
    (name,) = found
    return name, labels[0] if labels else None


def _is_zipmap(node: onnx.NodeProto) -> bool:
    return (node.domain, node.op_type) == ("ai.onnx.ml", "ZipMap")


def _labels_in(node: onnx.NodeProto) -> list[Any] | None:
    for attribute in node.attribute:
        if attribute.name.startswith("classlabels_"):
            listed = [text.decode("utf-8", "replace") for text in attribute.strings] or list(attribute.ints)
            if listed:
                return listed
    return None


def _labels_behind(content: Content, output: str) -> list[Any] | None:
    """Return the labels that an output chooses from: a classifier's, or a list of weights by place."""
    name = output
    while (node := content.producers.get(name)) is not None:
        if (labels := _labels_in(node)) is not None:
            return labels
        weight = content.weights.get(node.input[0]) if node.input else None
        if node.op_type == "ArrayFeatureExtractor" and weight is not None:
            return _listed(weight)
        if node.op_type not in ("Cast", "Identity", "Reshape", "Squeeze"):
            return None
        name = node.input[0]
    return None


def _listed(weight: onnx.TensorProto) -> list[Any] | None:
    if weight.data_type == onnx.TensorProto.STRING:
        return [text.decode("utf-8", "replace") for text in weight.string_data]
    numbers = read_tensor(weight)
    return None if numbers.dtype not in WHOLE else numbers.reshape(-1)[:100].tolist()


def _checked(result: Value) -> Tensor:
    """Return the probabilities after checking that they are those of two classes, or of goals alone.

    Raises:
        ModelError: they are not.
    """
    shape: Shape = () if isinstance(result, Label) else result.shape
    is_of_goals = shape in ((None, 2), (None, 1), (None,))
    if is_of_goals and isinstance(result, Tensor) and not result.turned and result.dtype in FLOATS:
        return result
    shown = ", ".join("rows" if length is None else str(length) for length in shape)
    raise ModelError(f"its output has the shape ({shown}), and not (rows, 2) for two classes or (rows, 1) for P(goal)")


def _picked(walk: Walk, result: Value, answer: Answer) -> Tensor:
    """Return P(goal), shape (rows, 1), as float64."""
    operation = Operation(onnx.NodeProto(op_type="probabilities"), [result], 0, walk)
    table = operation.input()
    if table.shape == (None,):
        table = operation.reshape(table, (None, 1))
    return operation.cast(operation.column(table, answer.goal), DOUBLE)


# -- the original -----------------------------------------------------------------------------------------------------


def _session(file: bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:  # onnxruntime has no error class of its own in public
        raise ModelError(f"onnxruntime cannot run it: {clipped(error)}") from error


class Original:
    """Scores with the checked nodes of the file itself, in onnxruntime."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        inputs: Sequence[Input],
        reader: FrameReader,
        null_texts: Mapping[int, str],
        answer: Answer,
    ) -> None:
        self._session = session
        self._inputs = inputs
        self._reader = reader
        self._null_texts = null_texts
        self._answer = answer

    def read(self, values: Values, index: Sequence[Any]) -> list[npt.NDArray[Any]]:
        """Return the columns as arrays; see `Scorer`."""
        return self._reader.arrays(values, index)

    def score(self, rows: Sequence[npt.NDArray[Any]]) -> Probabilities:
        """Return P(goal) of each row of the columns; see `Scorer`."""
        feeds = {}
        for entry in self._inputs:
            columns = [self._as_given(entry, rows[place], place) for place in entry.places]
            feeds[entry.name] = columns[0] if entry.flat else np.column_stack(columns)
        try:
            (found,) = self._session.run([self._answer.tensor], feeds)
        except Exception as error:  # onnxruntime has no error class of its own in public
            raise InvalidFrame(f"onnxruntime cannot score these rows: {clipped(error)}") from error
        probabilities = found.reshape(len(rows[0]), -1)[:, self._answer.goal].astype(np.float64)
        if ((probabilities < -ROUNDED) | (probabilities > 1 + ROUNDED)).any():
            raise InvalidFrame(
                f"its output {clipped(self._answer.tensor, 100)} is no probability but goes from "
                f"{probabilities.min():.3g} to {probabilities.max():.3g}: export it with a Sigmoid at its end"
            )
        inside: Probabilities = np.clip(probabilities, 0.0, 1.0)
        return inside

    def _as_given(self, entry: Input, column: npt.NDArray[Any], place: int) -> npt.NDArray[Any]:
        if entry.dtype is None:
            texts = [self._null_texts[place] if is_null(value) else str(value) for value in column.tolist()]
            return np.array(texts, dtype=object)
        numbers = column.astype(np.float64)
        if entry.dtype not in FLOATS and np.isnan(numbers).any():
            name = self._reader.columns[place].name
            raise InvalidFrame(f"the column {name} holds whole numbers and takes no null")
        with np.errstate(all="ignore"):
            return numbers.astype(entry.dtype)
