"""Operators of the domain `ai.onnx.ml` that are written again, except trees, as onnxruntime evaluates them.

https://onnx.ai/onnx/operators/index.html#ai-onnx-ml
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from xgserve.compiler.onnx_file.operation import LABEL, Operation, Value
from xgserve.compiler.onnx_file.operators import BOOL, FLOAT, INT64, NUMBERS, Handler, array_feature_extractor
from xgserve.compiler.onnx_file.tensors import Codes, Refused, Tensor

MAX_CATEGORIES: Final = 1_000  # of one encoder

Key = str | int


def _scaler(operation: Operation) -> list[Value]:
    table = operation.cast(operation.matrix(dtypes=NUMBERS), FLOAT)
    offset, scale = (_fitting(operation.numbers(name), table, name) for name in ("offset", "scale"))
    moved = operation.emit("Sub", table, operation.fixed(offset, FLOAT))
    return [operation.emit("Mul", moved, operation.fixed(scale, FLOAT))]


def _fitting(numbers: npt.NDArray[Any] | None, table: Tensor, name: str) -> npt.NDArray[Any]:
    if numbers is None or len(numbers) not in (1, table.width):
        raise Refused(f"has the attribute {name} with another count than the {table.width} columns")
    return numbers


def _imputer(operation: Operation) -> list[Value]:
    table = operation.matrix(dtypes=(FLOAT, INT64))
    filled: npt.NDArray[Any] | None
    if table.dtype == FLOAT:
        filled, replaced = operation.numbers("imputed_value_floats"), operation.number("replaced_value_float", 0.0)
        operation.ignore("imputed_value_int64s", "replaced_value_int64")
    else:
        filled, replaced = operation.wholes("imputed_value_int64s"), operation.whole("replaced_value_int64", 0)
        operation.ignore("imputed_value_floats", "replaced_value_float")
    numbers = operation.fixed(_fitting(filled, table, "imputed_value"), table.dtype)
    if np.isnan(replaced):
        missing = operation.emit("IsNaN", table, dtype=BOOL)
    else:
        missing = operation.emit("Equal", table, operation.fixed(replaced, table.dtype), dtype=BOOL)
    return [operation.emit("Where", missing, numbers, table, shape=table.shape, dtype=table.dtype)]


def _binarizer(operation: Operation) -> list[Value]:
    table = operation.matrix(dtypes=NUMBERS)
    threshold = operation.fixed(operation.finite("threshold", 0.0), table.dtype)
    return [operation.cast(operation.emit("Greater", table, threshold, dtype=BOOL), table.dtype)]


def _normalizer(operation: Operation) -> list[Value]:
    table = operation.matrix(dtypes=NUMBERS)
    norm = operation.text("norm", "MAX")
    if norm not in ("MAX", "L1", "L2"):
        raise Refused(f"normalizes by {norm}")
    return [operation.emit("Normalizer", table, dtype=FLOAT, domain="ai.onnx.ml", norm=norm)]


def _feature_vectorizer(operation: Operation) -> list[Value]:
    tables = [operation.cast(operation.matrix(place, NUMBERS), FLOAT) for place in range(operation.input_count)]
    widths = operation.wholes("inputdimensions")
    if widths is None or widths.tolist() != [table.width for table in tables]:
        raise Refused("has the attribute inputdimensions, which does not fit its inputs")
    return [operation.emit("Concat", *tables, shape=(None, int(widths.sum())), axis=1)]


# -- categories -------------------------------------------------------------------------------------------------------


def _one_hot(operation: Operation) -> list[Value]:
    value = operation.value()
    zeros = operation.flag("zeros", default=True)
    texts, wholes = operation.texts("cats_strings"), operation.wholes("cats_int64s")
    known: Sequence[Key] = texts or ([] if wholes is None else wholes.tolist())
    if not 0 < len(known) <= MAX_CATEGORIES or len(set(known)) != len(known):
        raise Refused(f"has no categories, some twice, or more than {MAX_CATEGORIES:,}")
    if isinstance(value, Tensor):
        return [_one_hot_numbers(operation, operation.input(dtypes=NUMBERS), known, zeros=zeros)]
    _check_kind(value, known)
    unit = np.eye(len(known), dtype=np.float32)
    table = {key: unit[place : place + 1] for place, key in enumerate(known)}
    blocks = [
        operation.writer.look_up(operation, value, place, table, np.zeros((1, len(known)), np.float32))
        or _one_hot_numbers(operation, _single(operation, value, place), known, zeros=zeros)
        for place in range(len(value.sources))
    ]
    joined = blocks[0]
    if len(blocks) > 1:
        joined = operation.emit("Concat", *blocks, shape=(None, len(blocks), len(known)), axis=1)
    return [operation.reshape(joined, (None, len(known)))] if value.flat else [joined]


def _one_hot_numbers(operation: Operation, numbers: Tensor, known: Sequence[Key], *, zeros: bool) -> Tensor:
    if not zeros or any(isinstance(key, str) for key in known):
        raise Refused("is given numbers, and refuses those that it does not know (zeros = 0) or knows texts only")
    each = operation.reshape(operation.cast(numbers, INT64), (*numbers.shape, 1))
    equal = operation.emit("Equal", each, operation.fixed(known, INT64), dtype=BOOL)
    return operation.cast(equal, FLOAT)


def _single(operation: Operation, value: Codes, place: int) -> Tensor:
    return operation.writer.as_numbers(Codes((value.sources[place],), dtype=value.dtype))


def _check_kind(value: Codes, known: Sequence[Key]) -> None:
    if any(source.is_text != isinstance(known[0], str) for source in value.sources):
        raise Refused("compares texts with numbers")


def _label_encoder(operation: Operation) -> list[Value]:
    value = operation.value()
    keys, values, default = _mapping(operation)
    if len(keys) != len(values) or not len(keys):
        raise Refused("has no keys, or other than values")
    if isinstance(value, Codes):
        _check_kind(value, [keys[0].item() if isinstance(keys, np.ndarray) else keys[0]])
        table: dict[Key, Any] = {}
        for key, number in zip(keys.tolist() if isinstance(keys, np.ndarray) else keys, values, strict=True):
            table.setdefault(key, number)  # the first of several counts
        encoded = [_encoded(operation, value, place, table, default) for place in range(len(value.sources))]
        if None not in encoded:
            columns = [operation.reshape(column, (None, 1)) for column in encoded if column is not None]
            joined = columns[0]
            if len(columns) > 1:
                joined = operation.emit("Concat", *columns, shape=(None, len(columns)), axis=1)
            return [operation.reshape(joined, (None,)) if value.flat else joined]
    return [_encode_numbers(operation, keys, values, default)]


def _encoded(
    operation: Operation, value: Codes, place: int, table: Mapping[Key, Any], default: npt.NDArray[Any]
) -> Tensor | None:
    rows = {key: np.asarray(number, default.dtype) for key, number in table.items()}
    return operation.writer.look_up(operation, value, place, rows, default)


def _encode_numbers(
    operation: Operation, keys: Sequence[str] | npt.NDArray[Any], values: npt.NDArray[Any], default: npt.NDArray[Any]
) -> Tensor:
    if not isinstance(keys, np.ndarray):
        raise Refused("is given numbers and knows texts only")
    numbers = operation.input(dtypes=(keys.dtype,))
    names = {FLOAT: "floats", INT64: "int64s"}
    attributes = {
        f"keys_{names[keys.dtype]}": keys.tolist(),
        f"values_{names[values.dtype]}": values.tolist(),
        f"default_{names[values.dtype][:-1]}": default.item(),
    }
    return operation.emit("LabelEncoder", numbers, dtype=values.dtype, domain="ai.onnx.ml", **attributes)


def _mapping(operation: Operation) -> tuple[Sequence[str] | npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
    """Return keys, values and the value of everything else, of any version of LabelEncoder."""
    defaults = {FLOAT: operation.number("default_float", -0.0), INT64: operation.whole("default_int64", -1)}
    operation.ignore("default_string")
    classes = operation.texts("classes_strings")
    if classes is not None:
        return classes, np.arange(len(classes)), np.asarray(defaults[INT64])
    keys = operation.texts("keys_strings") or _first(operation, "keys_int64s", "keys_floats", "keys_tensor")
    values = _first(operation, "values_int64s", "values_floats", "values_tensor")
    operation.ignore("values_strings")
    default = operation.tensor("default_tensor") if operation.has_attribute("default_tensor") else None
    for given in (keys, values):
        if given is None or (isinstance(given, np.ndarray) and given.dtype not in (FLOAT, INT64)):
            raise Refused("maps from or to something other than text, float and int64")
    if not isinstance(values, np.ndarray):
        raise Refused("maps to texts")
    found = default.reshape(-1)[:1] if default is not None and default.size else [defaults[values.dtype]]
    return keys, values, np.asarray(found[0], values.dtype)  # type: ignore[return-value]


def _first(operation: Operation, *names: str) -> Sequence[str] | npt.NDArray[Any] | None:
    found: Sequence[str] | npt.NDArray[Any] | None = None
    for name in names:
        if operation.has_attribute(name):
            if name.endswith("_int64s"):
                found = operation.wholes(name)
            elif name.endswith("_floats"):
                found = operation.numbers(name)
            else:
                found = operation.text_tensor(name)
    return found


# -- linear models ----------------------------------------------------------------------------------------------------


def _linear_classifier(operation: Operation) -> list[Value]:
    operation.ignore("multi_class", "classlabels_ints", "classlabels_strings")
    table = operation.cast(operation.matrix(dtypes=NUMBERS), FLOAT)
    scores = _linear(operation, table, 2)
    return [LABEL, transformed(operation, scores, operation.text("post_transform", "NONE"))]


def _linear_regressor(operation: Operation) -> list[Value]:
    operation.must_be("targets", 1, operation.whole("targets", 1))
    operation.must_be("post_transform", "NONE", operation.text("post_transform", "NONE"))
    return [_linear(operation, operation.matrix(dtypes=(FLOAT,)), 1)]


def _linear(operation: Operation, table: Tensor, count: int) -> Tensor:
    weights, intercepts = operation.numbers("coefficients"), operation.numbers("intercepts")
    if intercepts is None and count == 1:
        intercepts = np.zeros(1, np.float32)
    if weights is None or intercepts is None or (len(intercepts), len(weights)) != (count, count * table.width):
        raise Refused(f"has other coefficients or intercepts than those of {count} for {table.width} columns")
    matrix = operation.fixed(weights.reshape(count, table.width), FLOAT)
    return operation.emit("Gemm", table, matrix, operation.fixed(intercepts, FLOAT), shape=(None, count), transB=1)


def transformed(operation: Operation, scores: Tensor, way: str) -> Tensor:
    """Return the two scores of each row after a `post_transform`."""
    if way == "NONE":
        return scores
    if way == "LOGISTIC":
        return operation.emit("Sigmoid", scores)
    if way == "SOFTMAX":
        return operation.emit("Softmax", scores, axis=1)
    raise Refused(f"has the post_transform {way}, and not NONE, LOGISTIC or SOFTMAX")


HANDLERS: Final[dict[str, Handler]] = {
    "ArrayFeatureExtractor": array_feature_extractor,
    "Binarizer": _binarizer,
    "FeatureVectorizer": _feature_vectorizer,
    "Imputer": _imputer,
    "LabelEncoder": _label_encoder,
    "LinearClassifier": _linear_classifier,
    "LinearRegressor": _linear_regressor,
    "Normalizer": _normalizer,
    "OneHotEncoder": _one_hot,
    "Scaler": _scaler,
}
