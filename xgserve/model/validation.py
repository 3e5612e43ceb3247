"""The caller's values, checked and cast to what the model wants; what is wrong is named by row and column."""

import math
from collections.abc import Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from xgserve.errors import InvalidFrame
from xgserve.model.schema import Feature, Scalar, is_null
from xgserve.text import clipped

MAX_PROBLEMS_LISTED = 10
MAX_COLUMNS_LISTED = 50

Matrix = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """A column of the matrix: a feature of numbers as it is, or the number that stands for each of its `levels`."""

    feature: Feature
    numbers: tuple[float, ...] = ()

    def of(self, values: Sequence[Any]) -> Sequence[float | None]:
        """Return the column for a feature's values."""
        if not self.numbers:
            return values
        unknown = self.numbers[-2]
        return [self._table.get(value, unknown) for value in values]

    @cached_property
    def _table(self) -> dict[Scalar, float]:
        known = self.feature.categories or ()
        return {**dict(zip(known, self.numbers[: len(known)], strict=True)), None: self.numbers[-1]}


class Reader:
    """Reads the columns that a model wants, checked and cast."""

    def __init__(self, features: Sequence[Feature], readings: Sequence[Reading] = ()) -> None:
        self._features = features
        self._readings = readings
        self._names = frozenset(feature.name for feature in features)
        self._not_null = [
            place
            for place, reading in enumerate(readings)
            if reading.feature.kind == "number" and not reading.feature.nullable
        ]

    def matrix(self, columns: Mapping[str, Sequence[Any]], index: Sequence[Any]) -> Matrix:
        """Return the readings, shape (rows, readings), null numbers as NaN.

        `index` labels the rows, one label for each value of every column.

        Raises:
            InvalidFrame: missing or unknown columns, or values that the model cannot take.
        """
        self._check_names(columns)
        if all(feature.takes_plainly(columns[feature.name]) for feature in self._features):
            with suppress(OverflowError):  # an integer beyond the range of floats
                matrix = self._matrix(columns)
                if np.isfinite(matrix).all():
                    return matrix
                if not np.isinf(matrix).any() and not np.isnan(matrix[:, self._not_null]).any():
                    return matrix
        # look at each value, and say what is wrong
        arrays = self.arrays(columns, index)
        return self._matrix(
            {
                feature.name: [None if is_null(value) else value for value in array.tolist()]
                for feature, array in zip(self._features, arrays, strict=True)
            }
        )

    def _matrix(self, columns: Mapping[str, Sequence[Any]]) -> Matrix:
        return np.array([reading.of(columns[reading.feature.name]) for reading in self._readings], dtype=np.float64).T

    def arrays(self, columns: Mapping[str, Sequence[Any]], index: Sequence[Any]) -> list[npt.NDArray[Any]]:
        """Return the columns as scikit-learn wants them: float64, or objects for categories that are no numbers.

        Raises:
            InvalidFrame: as for `matrix`.
        """
        self._check_names(columns)
        problems = Problems(index)
        arrays = [_cast(feature, columns[feature.name], problems) for feature in self._features]
        problems.raise_if_any()
        return arrays

    def _check_names(self, columns: Mapping[str, Any]) -> None:
        if columns.keys() == self._names:
            return
        missing = [feature.name for feature in self._features if feature.name not in columns]
        unknown = [str(column) for column in columns if column not in self._names]
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


class Problems:
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
        """Note each of a column's values (of the whole row's, if it is None) where `mask` is true."""
        positions = np.flatnonzero(mask)
        self._count += len(positions)
        self._rows.update(positions.tolist())
        for position in positions[: MAX_PROBLEMS_LISTED - len(self._listed)]:
            self._listed.append(
                {
                    "row": _showable(self._index[position]),
                    "column": column,
                    "value": _showable(values[position]),
                    "problem": why,
                }
            )

    def raise_if_any(self) -> None:
        """Refuse the frame if anything was noted.

        Raises:
            InvalidFrame: something was.
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


def _cast(feature: Feature, values: Sequence[Any], problems: Problems) -> npt.NDArray[Any]:
    array: npt.NDArray[Any]
    if feature.kind == "number" or feature.holds(int, float):
        array = _cast_numbers(feature.name, values, problems)
        if not feature.nullable:
            problems.add_where(np.isnan(array), feature.name, values, "must not be null")
    else:
        array = _cast_categories(feature, values, problems)
    if feature.categories is not None and not feature.takes_unknown:
        known = {*feature.categories, None}
        strange = [
            isinstance(value, Hashable) and not is_null(value) and value not in known  # the others are named already
            for value in values
        ]
        problems.add_where(strange, feature.name, values, "is not a category that the model knows")
    return array


def _cast_numbers(name: str, values: Sequence[Any], problems: Problems) -> npt.NDArray[np.float64]:
    if not set(map(type, values)) <= {int, float, bool, NoneType}:
        odd = [not isinstance(value, int | float | None) for value in values]
        problems.add_where(odd, name, values, "must be a number")
        values = [1.0 if is_odd else value for value, is_odd in zip(values, odd, strict=True)]
    try:
        array = np.array(values, dtype=np.float64)
    except OverflowError:  # an integer beyond the range of floats
        array = np.array([_float(value) for value in values])
    infinite = np.isinf(array)
    if infinite.any():
        problems.add_where(infinite, name, values, "must be a finite number")
    return array


def _float(value: float | None) -> float:
    try:
        return math.nan if value is None else float(value)
    except OverflowError:
        return math.inf


def _cast_categories(feature: Feature, values: Sequence[Any], problems: Problems) -> npt.NDArray[np.object_]:
    allowed: tuple[type, ...] = (str, int, float, bool)
    why = "must be text, a number or true/false"
    if feature.holds(str):
        allowed, why = (str,), "must be text"
    elif feature.holds(bool):
        allowed, why = (bool,), "must be true or false"
    null = [is_null(value) for value in values]
    odd = [not missing and not isinstance(value, allowed) for value, missing in zip(values, null, strict=True)]
    problems.add_where(odd, feature.name, values, why)
    if not feature.nullable:
        problems.add_where(null, feature.name, values, "must not be null")
    # whole numbers of Python grow without end when a model squares them; they are the same category as floats
    values = [_float(value) if type(value) is int else value for value in values]
    endless = [isinstance(value, float) and math.isinf(value) for value in values]
    problems.add_where(endless, feature.name, values, "must be a finite number")
    array = np.empty(len(values), dtype=object)
    array[:] = [feature.null if missing else value for value, missing in zip(values, null, strict=True)]
    return array


def _showable(value: Any) -> Any:
    """Return a value that is safe and short in a JSON answer."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return clipped(value)
