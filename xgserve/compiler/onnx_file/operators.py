"""ONNX's own operators that are written again (https://onnx.ai/onnx/operators/), in the meaning of each opset."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from xgserve.compiler.onnx_file.operation import Operation, Value
from xgserve.compiler.onnx_file.tensors import FLOATS, TYPES, WHOLE, Codes, Refused, Shape, Tensor, broadcast

FLOAT: Final = np.dtype(np.float32)
INT64: Final = np.dtype(np.int64)
BOOL: Final = np.dtype(np.bool_)
NUMBERS: Final = (*FLOATS, *WHOLE)

Handler = Callable[[Operation], list[Value]]


def _elementwise(operation: Operation) -> list[Value]:
    return [operation.emit(operation.name, operation.input())]


def _of_any_number(operation: Operation) -> list[Value]:
    return [operation.emit(operation.name, operation.input(dtypes=NUMBERS))]


def _with_numbers(**defaults: float) -> Handler:
    """Return a handler of an operator on single numbers with these attributes."""

    def handle(operation: Operation) -> list[Value]:
        attributes = {name: operation.finite(name, default) for name, default in defaults.items()}
        return [operation.emit(operation.name, operation.input(), attributes=attributes)]

    return handle


def _gelu(operation: Operation) -> list[Value]:
    way = operation.text("approximate", "none")
    if way not in ("none", "tanh"):
        raise Refused(f"approximates by {way}")
    return [operation.emit("Gelu", operation.input(), approximate=way)]


def _arithmetic(operation: Operation) -> list[Value]:
    # a whole number divided by zero ends the process
    dtypes = FLOATS if operation.name in ("Div", "Pow") else NUMBERS
    first, second = operation.input(0, dtypes), operation.input(1, dtypes)
    if first.dtype != second.dtype:
        raise Refused("combines different types")
    return [operation.emit(operation.name, first, second)]


def _of_several(operation: Operation) -> list[Value]:
    return [operation.emit(operation.name, *operation.inputs())]


def _compare(operation: Operation) -> list[Value]:
    dtypes = (*NUMBERS, BOOL) if operation.name == "Equal" else NUMBERS
    first, second = operation.input(0, dtypes), operation.input(1, dtypes)
    if first.dtype != second.dtype:
        raise Refused("compares different types")
    return [operation.emit(operation.name, first, second, dtype=BOOL)]


def _logic(operation: Operation) -> list[Value]:
    return [operation.emit(operation.name, *operation.inputs((BOOL,)))]


def _is_nan(operation: Operation) -> list[Value]:
    return [operation.emit("IsNaN", operation.input(), dtype=BOOL)]


def _where(operation: Operation) -> list[Value]:
    condition = operation.input(0, (BOOL,))
    first, second = operation.input(1, (*NUMBERS, BOOL)), operation.input(2, (*NUMBERS, BOOL))
    if first.dtype != second.dtype:
        raise Refused("chooses between different types")
    return [operation.emit("Where", condition, first, second, dtype=first.dtype)]


def _clip(operation: Operation) -> list[Value]:
    tensor = operation.input(dtypes=NUMBERS)
    bounds: list[Tensor | None] = [None, None]
    for place, name in enumerate(("min", "max")):
        bound: Any = None
        if operation.opset < 11:
            bound = operation.number(name, 0.0) if operation.has_attribute(name) else None
        elif operation.has(place + 1):
            bound = operation.constant(place + 1, (tensor.dtype,)).reshape(-1)[:1].reshape(())
        if bound is not None:
            if np.isnan(bound):
                raise Refused("has a bound that is not a number")
            bounds[place] = operation.fixed(bound, tensor.dtype)
    return [operation.emit("Clip", tensor, *bounds, shape=tensor.shape)]


def _cast(operation: Operation) -> list[Value]:
    operation.ignore("saturate", "round_mode")
    dtype = TYPES.get(operation.whole("to", 0))
    value = operation.value()
    if isinstance(value, Codes) and dtype is not None and dtype in WHOLE and not any(s.is_text for s in value.sources):
        return [value]
    if dtype is None:
        raise Refused("casts to something other than float, double, int64, int32 or bool")
    return [operation.cast(operation.input(dtypes=(*NUMBERS, BOOL)), dtype)]


def _identity(operation: Operation) -> list[Value]:
    operation.ignore("ratio", "seed", "is_test")  # of Dropout
    is_training = operation.name == "Dropout" and operation.has(2) and operation.constant(2, (BOOL,)).any()
    if is_training:
        raise Refused("drops numbers at random: export it for inference")
    return [operation.value()]


def _constant(operation: Operation) -> list[Value]:
    found: Any = None
    for name, read in (
        ("value", operation.tensor),
        ("value_floats", operation.numbers),
        ("value_ints", operation.wholes),
    ):
        if operation.has_attribute(name):
            found = read(name)
    if operation.has_attribute("value_float"):
        found = np.float32(operation.number("value_float", 0.0))
    if operation.has_attribute("value_int"):
        found = np.int64(operation.whole("value_int", 0))
    if found is None:
        raise Refused("holds something other than numbers")
    return [operation.constant_tensor(np.asarray(found))]


def _matmul(operation: Operation) -> list[Value]:
    first, second = operation.input(0), operation.input(1)
    if first.dtype != second.dtype:
        raise Refused("multiplies different types")
    return [operation.emit("MatMul", first, second, shape=_product(first.shape, second.shape))]


def _product(first: Shape, second: Shape) -> Shape:
    if len(first) != 2 or len(second) not in (1, 2) or None in second or first[1] != second[0]:
        raise Refused("multiplies something other than a table with a matrix of weights that fits")
    return (first[0], *second[1:])


def _gemm(operation: Operation) -> list[Value]:
    attributes = {"alpha": operation.finite("alpha", 1.0), "beta": operation.finite("beta", 1.0)}
    operation.must_be("transA", 0, operation.whole("transA", 0))
    turned = operation.flag("transB", default=False)
    given = operation.inputs()
    if len(given) not in (2, 3):
        raise Refused("has other inputs than ONNX says")
    first, second = given[0], given[1]
    shape = _product(first.shape, second.shape[::-1] if turned else second.shape)
    if len(shape) != 2 or (len(given) == 3 and broadcast([shape, given[2].shape]) != shape):
        raise Refused("adds something that does not fit")
    return [operation.emit("Gemm", *given, shape=shape, attributes=attributes, transB=int(turned))]


# -- shapes -----------------------------------------------------------------------------------------------------------


def _reshape(operation: Operation) -> list[Value]:
    operation.must_be("allowzero", 0, operation.whole("allowzero", 0))
    lengths = operation.whole_numbers(1)
    value = operation.value()
    if isinstance(value, Codes):
        if lengths in ([-1, len(value.sources)], [0, len(value.sources)], [0, -1]):
            return [Codes(value.sources, dtype=value.dtype)]
        if lengths == [-1] and len(value.sources) == 1:
            return [Codes(value.sources, flat=True, dtype=value.dtype)]
    if isinstance(value, Tensor) and value.turned:
        if lengths not in ([-1, 1], [-1]):
            raise Refused("turns the answers into something other than a column")
        straight = Tensor(value.dtype, (None, 1), lambda: value.name)
        return [straight if lengths == [-1, 1] else operation.reshape(straight, (None,))]
    tensor = operation.input(dtypes=(*NUMBERS, BOOL))
    return [operation.reshape(tensor, _reshaped(tensor, lengths))]


def _reshaped(tensor: Tensor, lengths: list[int]) -> Shape:
    """Return the shape that Reshape makes; rows stay apart."""
    if tensor.constant is not None:
        try:
            return tuple(tensor.constant.reshape(lengths).shape)
        except ValueError as error:
            raise Refused("is given a shape that does not fit") from error
    if not lengths or tensor.shape[:1] != (None,):
        raise Refused("mixes rows with each other")
    wanted: list[int | None] = [
        tensor.shape[place] if length == 0 and place < len(tensor.shape) else length
        for place, length in enumerate(lengths)
    ]
    rest = wanted[1:]
    known = 1
    for length in rest:
        if length is None or length < -1 or length == 0:
            raise Refused("mixes rows with each other")
        known *= length if length != -1 else 1
    if wanted[0] == -1 and -1 not in rest and known == tensor.width:
        return (None, *rest)
    if wanted[0] is None and rest.count(-1) <= 1 and known and tensor.width % known == 0:
        filled = tuple(tensor.width // known if length == -1 else length for length in rest)
        if -1 in rest or known == tensor.width:
            return (None, *filled)
    raise Refused("mixes rows with each other, or takes a fixed number of them")


def _flatten(operation: Operation) -> list[Value]:
    axis = operation.whole("axis", 1)
    value = operation.value()
    if isinstance(value, Codes) and axis == 1:
        return [Codes(value.sources, dtype=value.dtype)]
    tensor = operation.input(dtypes=(*NUMBERS, BOOL))
    if axis not in (1, 1 - len(tensor.shape)) or tensor.shape[:1] != (None,):
        raise Refused("mixes rows with each other")
    return [operation.reshape(tensor, (None, tensor.width))]


def _axes(operation: Operation, since: int, rank: int, place: int = 1) -> list[int] | None:
    """Return the axes, which are an attribute before the opset `since` and an input from then on; None if missing."""
    if operation.opset < since:
        given = operation.wholes("axes")
        axes = None if given is None else given.tolist()
    else:
        axes = operation.whole_numbers(place) if operation.has(place) else None
    if axes is None:
        return None
    return sorted({_axis(axis, rank) for axis in axes})


def _axis(axis: int, rank: int) -> int:
    place = axis + rank if axis < 0 else axis
    if not 0 <= place < rank:
        raise Refused(f"names the axis {axis} of {rank}")
    return place


def _squeeze(operation: Operation) -> list[Value]:
    value = operation.value()
    axes = _axes(operation, 13, len(value.shape))
    if isinstance(value, Codes) and len(value.sources) == 1 and axes in (None, [1]):
        return [Codes(value.sources, flat=True, dtype=value.dtype)]
    tensor = operation.input(dtypes=(*NUMBERS, BOOL))
    if axes is None:
        axes = [place for place, length in enumerate(tensor.shape) if length == 1]
    if any(tensor.shape[axis] != 1 for axis in axes):
        raise Refused("leaves out an axis of more than one number")
    return [operation.reshape(tensor, tuple(n for place, n in enumerate(tensor.shape) if place not in axes))]


def _unsqueeze(operation: Operation) -> list[Value]:
    value = operation.value()
    if operation.opset < 13:
        given = operation.wholes("axes")
        listed = [] if given is None else given.tolist()
    else:
        listed = operation.whole_numbers(1)
    axes = sorted({_axis(axis, len(value.shape) + len(listed)) for axis in listed})
    if isinstance(value, Codes) and value.flat and axes == [1]:
        return [Codes(value.sources, dtype=value.dtype)]
    tensor = operation.input(dtypes=(*NUMBERS, BOOL))
    shape: list[int | None] = list(tensor.shape)
    for axis in axes:
        shape.insert(axis, 1)
    if None in shape[1:]:
        raise Refused("puts an axis before the rows")
    return [operation.reshape(tensor, tuple(shape))]


def _transpose(operation: Operation) -> list[Value]:
    tensor = operation.input(dtypes=(*NUMBERS, BOOL))
    given = operation.wholes("perm")
    order = list(range(len(tensor.shape)))[::-1] if given is None else given.tolist()
    if sorted(order) != list(range(len(tensor.shape))):
        raise Refused("names axes that are not there")
    if tensor.constant is not None:
        return [operation.constant_tensor(np.ascontiguousarray(tensor.constant.transpose(order)))]
    if order[0] != 0:
        raise Refused("mixes rows with each other")
    return [operation.emit("Transpose", tensor, shape=tuple(tensor.shape[place] for place in order), perm=order)]


def _concat(operation: Operation) -> list[Value]:
    axis = operation.whole("axis", 1)
    values = [operation.value(place) for place in range(operation.input_count)]
    if all(isinstance(value, Codes) and not value.flat for value in values) and axis in (1, -1):
        sources = tuple(source for value in values if isinstance(value, Codes) for source in value.sources)
        if len({source.is_text for source in sources}) == 1:
            return [Codes(sources, dtype=values[0].dtype)]
    given = operation.inputs((*NUMBERS, BOOL))
    axis = _axis(axis, len(given[0].shape))
    constants = [tensor.constant for tensor in given if tensor.constant is not None]
    if len(constants) == len(given):
        try:
            return [operation.constant_tensor(np.concatenate(constants, axis))]
        except ValueError as error:
            raise Refused("joins shapes that do not fit") from error
    around = {(*tensor.shape[:axis], *tensor.shape[axis + 1 :]) for tensor in given}
    if axis == 0 or len(around) != 1 or len({len(tensor.shape) for tensor in given}) != 1:
        raise Refused("joins rows, or shapes that do not fit")
    shape = list(given[0].shape)
    shape[axis] = sum(tensor.shape[axis] or 0 for tensor in given)
    return [operation.emit("Concat", *given, shape=tuple(shape), axis=axis)]


def _gather(operation: Operation) -> list[Value]:
    value = operation.value()
    axis = _axis(operation.whole("axis", 0), len(value.shape))
    return [_taken(operation, value, axis, operation.constant(1, WHOLE))]


def array_feature_extractor(operation: Operation) -> list[Value]:
    """Take columns of a table, or numbers of a list by places that were computed."""
    value = operation.value()
    places = operation.value(1)
    if isinstance(value, Tensor) and value.constant is not None and not _is_constant(places):
        return [_by_place(operation, value, operation.input(1, (INT64,)))]
    if len(value.shape) != 2:
        raise Refused("takes columns of something other than a table")
    return [_taken(operation, value, 1, np.atleast_1d(operation.constant(1, WHOLE)))]


def _is_constant(value: Value) -> bool:
    return isinstance(value, Tensor) and value.constant is not None


def _by_place(operation: Operation, numbers: Tensor, places: Tensor) -> Tensor:
    count = numbers.width
    if len(numbers.shape) != 1 or places.shape not in ((None, 1), (None,)) or not 0 < (places.below or 0) <= count:
        raise Refused("takes numbers by places that may be outside")
    places = operation.reshape(places, (None, 1))
    taken = operation.emit("Gather", numbers, places, shape=(None, 1), axis=0)
    return Tensor(numbers.dtype, (None, 1), lambda: taken.name, turned=True)


def _taken(operation: Operation, value: Tensor | Codes, axis: int, places: np.ndarray[Any, Any]) -> Value:
    """Return these places of an axis; a single one without the axis if `places` has no dimension."""
    length = value.shape[axis]
    if length is None or places.ndim > 1 or places.size > 10_000:
        raise Refused("takes rows, or places of several dimensions")
    if places.size and not -length <= int(places.min()) <= int(places.max()) < length:
        raise Refused(f"takes a place that is not within {length}")
    chosen = [int(place) % length for place in np.atleast_1d(places)]
    if not chosen:
        raise Refused("takes no place at all")
    if isinstance(value, Codes):
        return Codes(tuple(value.sources[place] for place in chosen), flat=places.ndim == 0, dtype=value.dtype)
    if value.turned or None not in value.shape:
        raise Refused("takes parts of a weight")
    if value.columns and len(chosen) == 1 and axis == 1:
        column = value.columns[chosen[0]]()
        return operation.reshape(column, (None,)) if places.ndim == 0 else column
    shape = (*value.shape[:axis], *((len(chosen),) if places.ndim else ()), *value.shape[axis + 1 :])
    indices = operation.fixed(chosen if places.ndim else chosen[0], INT64)
    return operation.emit("Gather", value, indices, shape=shape, dtype=value.dtype, axis=axis)


def _slice(operation: Operation) -> list[Value]:
    value = operation.value()
    rank = len(value.shape)
    if operation.opset < 10:
        lists = [operation.wholes(name) for name in ("starts", "ends", "axes")]
        given = [None if found is None else found.tolist() for found in lists] + [None]
    else:
        given = [operation.whole_numbers(place) if operation.has(place) else None for place in range(1, 5)]
    starts, ends, axes, steps = given
    if starts is None or ends is None or len(starts) != 1 or len(ends) != 1:
        raise Refused("cuts along several axes")
    axis = _axis(axes[0] if axes else 0, rank)
    length = value.shape[axis]
    if length is None or (steps is not None and steps[0] == 0):
        raise Refused("cuts along the rows")
    chosen = np.arange(length)[slice(starts[0], ends[0], steps[0] if steps else 1)]
    return [_taken(operation, value, axis, chosen)]


def _split(operation: Operation) -> list[Value]:
    value = operation.value()
    axis = _axis(operation.whole("axis", 0), len(value.shape))
    length = value.shape[axis]
    if length is None:
        raise Refused("splits rows from each other")
    count = operation.whole("num_outputs", operation.outputs)
    operation.must_be("num_outputs", operation.outputs, count)
    if operation.opset < 13:
        found = operation.wholes("split")
        parts = None if found is None else found.tolist()
    else:
        parts = operation.whole_numbers(1) if operation.has(1) else None
    if parts is None:
        each = -(-length // count)
        parts = [min(each, length - each * place) for place in range(count)]
    if len(parts) != count or sum(parts) != length or min(parts) < 1:
        raise Refused("splits into parts that do not fit")
    ends = np.cumsum(parts)
    return [_taken(operation, value, axis, np.arange(end - n, end)) for n, end in zip(parts, ends, strict=True)]


# -- over the columns -------------------------------------------------------------------------------------------------


def _reduce(since: int) -> Handler:
    """Return a handler of a sum, mean or the like, whose axes are an input from this opset on."""

    def handle(operation: Operation) -> list[Value]:
        tensor = operation.input(dtypes=FLOATS)
        operation.must_be("noop_with_empty_axes", 0, operation.whole("noop_with_empty_axes", 0))
        keeps = operation.flag("keepdims", default=True)
        axes = _axes(operation, since, len(tensor.shape))
        if not axes or tensor.shape[:1] != (None,) or 0 in axes:
            raise Refused("mixes rows with each other")
        lengths = [(place, 1 if place in axes else n) for place, n in enumerate(tensor.shape)]
        shape = tuple(n for place, n in lengths if keeps or place not in axes)
        over = operation.fixed(axes, INT64)
        return [operation.emit(operation.name, tensor, over, shape=shape, keepdims=int(keeps))]

    return handle


def _arg(operation: Operation) -> list[Value]:
    tensor = operation.input(dtypes=(*FLOATS, *WHOLE))
    axis = _axis(operation.whole("axis", 0), len(tensor.shape))
    keeps = operation.flag("keepdims", default=True)
    last = operation.whole("select_last_index", 0)
    length = tensor.shape[axis]
    if length is None or tensor.shape[:1] != (None,):
        raise Refused("mixes rows with each other")
    shape = (*tensor.shape[:axis], *((1,) if keeps else ()), *tensor.shape[axis + 1 :])
    attributes = {"axis": axis, "keepdims": int(keeps), "select_last_index": last}
    found = operation.emit(operation.name, tensor, shape=shape, dtype=INT64, attributes=attributes)
    found.below = length
    return [found]


def _softmax(operation: Operation) -> list[Value]:
    tensor = operation.matrix()
    axis = operation.whole("axis", 1 if operation.opset < 13 else -1)
    if _axis(axis, 2) != 1:
        raise Refused("mixes rows with each other")
    return [operation.emit(operation.name, tensor, axis=1)]


def _batch_normalization(operation: Operation) -> list[Value]:
    tensor = operation.matrix()
    operation.ignore("momentum", "is_test", "spatial")
    operation.must_be("training_mode", 0, operation.whole("training_mode", 0))
    epsilon = operation.finite("epsilon", 1e-5)
    weights = [operation.input(place) for place in range(1, 5)]
    if any(weight.shape != (tensor.width,) or weight.dtype != tensor.dtype for weight in weights):
        raise Refused("has weights that do not fit")
    return [operation.emit("BatchNormalization", tensor, *weights, shape=tensor.shape, epsilon=epsilon)]


def _layer_normalization(operation: Operation) -> list[Value]:
    tensor = operation.matrix()
    operation.ignore("stash_type")
    if _axis(operation.whole("axis", -1), 2) != 1:
        raise Refused("mixes rows with each other")
    epsilon = operation.finite("epsilon", 1e-5)
    weights = [operation.input(place) for place in range(1, operation.input_count)]
    if any(weight.shape != (tensor.width,) or weight.dtype != tensor.dtype for weight in weights):
        raise Refused("has weights that do not fit")
    return [operation.emit("LayerNormalization", tensor, *weights, shape=tensor.shape, axis=-1, epsilon=epsilon)]


def _named(names: str, handler: Handler) -> dict[str, Handler]:
    return dict.fromkeys(names.split(), handler)


HANDLERS: Final[dict[str, Handler]] = {
    **_named("Exp Log Sqrt Sigmoid Tanh Relu Softplus Softsign Floor Ceil Round Reciprocal Erf", _elementwise),
    **_named("Sin Cos Tan Asin Acos Atan Sinh Cosh HardSwish Mish", _elementwise),
    **_named("Abs Neg Sign", _of_any_number),
    "LeakyRelu": _with_numbers(alpha=0.01),
    "Elu": _with_numbers(alpha=1.0),
    "Celu": _with_numbers(alpha=1.0),
    "Selu": _with_numbers(alpha=1.67326319217681884765625, gamma=1.05070102214813232421875),
    "HardSigmoid": _with_numbers(alpha=0.2, beta=0.5),
    "ThresholdedRelu": _with_numbers(alpha=1.0),
    "Gelu": _gelu,
    **_named("Add Sub Mul Div Pow PRelu", _arithmetic),
    **_named("Sum Mean Min Max", _of_several),
    **_named("Equal Less Greater LessOrEqual GreaterOrEqual", _compare),
    **_named("And Or Xor Not", _logic),
    "IsNaN": _is_nan,
    "Where": _where,
    "Clip": _clip,
    "Cast": _cast,
    **_named("Identity Dropout", _identity),
    "Constant": _constant,
    "MatMul": _matmul,
    "Gemm": _gemm,
    "Reshape": _reshape,
    "Flatten": _flatten,
    "Squeeze": _squeeze,
    "Unsqueeze": _unsqueeze,
    "Transpose": _transpose,
    "Concat": _concat,
    "Gather": _gather,
    "Slice": _slice,
    "Split": _split,
    "ReduceSum": _reduce(13),
    **_named("ReduceMean ReduceMax ReduceMin ReduceL1 ReduceL2 ReduceSumSquare ReduceLogSumExp", _reduce(18)),
    **_named("ArgMax ArgMin", _arg),
    **_named("Softmax LogSoftmax", _softmax),
    "BatchNormalization": _batch_normalization,
    "LayerNormalization": _layer_normalization,
}
