"""Check the caller's values and cast them for the model; errors name row and column."""

import math
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from xgserve.contract import Scalar
from xgserve.errors import InvalidFrame
from xgserve.model.schema import Column, is_null
from xgserve.text import clipped

MAX_ERRORS_LISTED = 10
MAX_COLUMNS_LISTED = 50

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class ColumnCodec:
    """One matrix column: a numeric column unchanged, or one number per level of a category column."""

    column: Column
    numbers: tuple[float, ...] = ()

    def encode(self, values: Sequence[Any]) -> Sequence[float | None]:
        """Return the values as a column of the matrix."""
        if not self.numbers:
            return values
        unknown = self.numbers[-2]
        return [self._table.get(value, unknown) for value in values]

    def encode_plainly(self, values: Sequence[Any]) -> Sequence[float | None] | None:
        """Return the values as a column of the matrix; None unless a quick look shows that all of them are taken.

        Numbers must still be checked for infinity, and for nulls if the column takes none.
        """
        if self._texts is not None:  # a text that is found needs no other check
            with suppress(KeyError, TypeError):
                return list(map(self._texts.__getitem__, values))
        return self.encode(values) if self.column.takes_plainly(values) else None

    @cached_property
    def _table(self) -> dict[Scalar, float]:
        known = self.column.categories or ()
        return {**dict(zip(known, self.numbers[: len(known)], strict=True)), None: self.numbers[-1]}

    @cached_property
    def _texts(self) -> dict[Scalar, float] | None:
        """The table of a column of texts, with null if it is taken; None for other columns."""
        if not (self.numbers and self.column.holds(str)):
            return None
        return {value: number for value, number in self._table.items() if value is not None or self.column.nullable}


class FrameReader:
    """Checks and casts the values of the columns that a model takes."""

    def __init__(self, columns: Sequence[Column], codecs: Sequence[ColumnCodec] = ()) -> None:
        self.columns = columns
        self._codecs = codecs
        self._names = frozenset(column.name for column in columns)
        encoded = {codec.column.name for codec in codecs}
        self._not_encoded = [column for column in columns if column.name not in encoded]
        self._not_null = [
            position
            for position, codec in enumerate(codecs)
            if codec.column.kind == "number" and not codec.column.nullable
        ]

    def matrix(self, values: Mapping[str, Sequence[Any]], index: Sequence[Any]) -> Matrix:
        """Return the encoded columns, shape (rows, codecs), null numbers as NaN.

        `index` holds one label per row.

        Raises:
            InvalidFrame: missing or unknown columns, or values that the model cannot take.
        """
        self._check_names(values)
        matrix = self._plain_matrix(values)
        if matrix is not None:
            return matrix
        # the slow path names the wrong values
        arrays = self.arrays(values, index)
        return self._matrix(
            {
                column.name: [None if is_null(value) else value for value in array.tolist()]
                for column, array in zip(self.columns, arrays, strict=True)
            }
        )

    def _plain_matrix(self, values: Mapping[str, Sequence[Any]]) -> Matrix | None:
        """Return the encoded columns; None if any value needs a closer look."""
        encoded = []
        for codec in self._codecs:
            column = codec.encode_plainly(values[codec.column.name])
            if column is None:
                return None
            encoded.append(column)
        try:
            matrix = np.array(encoded, dtype=np.float64).T
        except OverflowError:  # an integer beyond the range of floats
            return None
        is_good = (
            not np.isinf(matrix).any()
            and not (self._not_null and np.isnan(matrix[:, self._not_null]).any())
            and all(column.takes_plainly(values[column.name]) for column in self._not_encoded)
        )
        return matrix if is_good else None

    def _matrix(self, values: Mapping[str, Sequence[Any]]) -> Matrix:
        return np.array([codec.encode(values[codec.column.name]) for codec in self._codecs], dtype=np.float64).T

    def arrays(self, values: Mapping[str, Sequence[Any]], index: Sequence[Any]) -> list[npt.NDArray[Any]]:
        """Return the columns as scikit-learn takes them: float64, or objects for categories that are not numbers.

        Raises:
            InvalidFrame: as for `matrix`.
        """
        self._check_names(values)
        errors = FrameErrors(index)
        arrays = [_cast(column, values[column.name], errors) for column in self.columns]
        errors.raise_if_any()
        return arrays

    def _check_names(self, values: Mapping[str, Any]) -> None:
        if values.keys() == self._names:
            return
        missing = [column.name for column in self.columns if column.name not in values]
        unknown = [str(name) for name in values if name not in self._names]
        parts = [
            f"{len(names)} {word} column{'s' if len(names) > 1 else ''} ({clipped(', '.join(names))})"
            for names, word in ((missing, "missing"), (unknown, "unknown"))
            if names
        ]
        raise InvalidFrame(
            f"the frame has {' and '.join(parts)}; GET /model lists what the model wants",
            missing=missing[:MAX_COLUMNS_LISTED],
            unknown=[clipped(name) for name in unknown[:MAX_COLUMNS_LISTED]],
            missing_count=len(missing),
            unknown_count=len(unknown),
        )


class FrameErrors:
    """Collects the offending values of a frame; counts all, lists the first few."""

    def __init__(self, index: Sequence[Any]) -> None:
        self._index = index
        self._listed: list[dict[str, Any]] = []
        self._rows: set[int] = set()
        self._count = 0

    def add_where(
        self,
        mask: Sequence[bool] | npt.NDArray[np.bool_],
        column: str | None,
        values: Sequence[Any],
        why: str,
    ) -> None:
        """Note the column's values where `mask` is true; `column` None stands for the whole row."""
        positions = np.flatnonzero(mask)
        self._count += len(positions)
        self._rows.update(positions.tolist())
        for position in positions[: MAX_ERRORS_LISTED - len(self._listed)]:
            self._listed.append(
                {
                    "row": _showable(self._index[position]),
                    "column": column,
                    "value": _showable(values[position]),
                    "problem": why,
                }
            )

    def raise_if_any(self) -> None:
        """Raise if any value was noted.

        Raises:
            InvalidFrame: lists the first few values and counts all.
        """
        if not self._count:
            return
        first = self._listed[0]
        where = f"row {clipped(first['row'])}" + (f", column {first['column']}" if first["column"] else "")
        raise InvalidFrame(
            f"{len(self._rows)} row{'s' if len(self._rows) > 1 else ''} cannot be scored; {where}: {first['problem']}",
            rows=self._listed,
            row_count=len(self._rows),
            problem_count=self._count,
        )


def _cast(column: Column, values: Sequence[Any], errors: FrameErrors) -> npt.NDArray[Any]:
    array: npt.NDArray[Any]
    if column.kind == "number" or column.holds(int, float):
        array = _cast_numbers(column.name, values, errors)
        if not column.nullable:
            errors.add_where(np.isnan(array), column.name, values, "must not be null")
    else:
        array = _cast_categories(column, values, errors)
    if column.categories is not None and not column.takes_unknown:
        known = {*column.categories, None}
        strange = [
            isinstance(value, Hashable) and not is_null(value) and value not in known  # the others are listed already
            for value in values
        ]
        errors.add_where(strange, column.name, values, "is not a category that the model knows")
    return array


def _cast_numbers(name: str, values: Sequence[Any], errors: FrameErrors) -> npt.NDArray[np.float64]:
    if not set(map(type, values)) <= {int, float, bool, NoneType}:
        odd = [not isinstance(value, int | float | None) for value in values]
        errors.add_where(odd, name, values, "must be a number")
        values = [1.0 if is_odd else value for value, is_odd in zip(values, odd, strict=True)]
    try:
        array = np.array(values, dtype=np.float64)
    except OverflowError:  # an integer beyond the range of floats
        array = np.array([_float(value) for value in values])
    infinite = np.isinf(array)
    if infinite.any():
        errors.add_where(infinite, name, values, "must be a finite number")
    return array


def _float(value: float | None) -> float:
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf


def _cast_categories(column: Column, values: Sequence[Any], errors: FrameErrors) -> npt.NDArray[np.object_]:
    allowed: tuple[type, ...] = (str, int, float, bool)
    why = "must be text, a number or true/false"
    if column.holds(str):
        allowed, why = (str,), "must be text"
    elif column.holds(bool):
        allowed, why = (bool,), "must be true or false"
    null = [is_null(value) for value in values]
    odd = [not missing and not isinstance(value, allowed) for value, missing in zip(values, null, strict=True)]
    errors.add_where(odd, column.name, values, why)
    if not column.nullable:
        errors.add_where(null, column.name, values, "must not be null")
    # Python's integers grow without bound when a model squares them; as floats they are the same category
    values = [_float(value) if type(value) is int else value for value in values]
    infinite = [isinstance(value, float) and math.isinf(value) for value in values]
    errors.add_where(infinite, column.name, values, "must be a finite number")
    array = np.empty(len(values), dtype=object)
    array[:] = [column.null if missing else value for value, missing in zip(values, null, strict=True)]
    return array


def _showable(value: Any) -> Any:
    """Return a value that is safe and short in a JSON answer."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return clipped(value)
