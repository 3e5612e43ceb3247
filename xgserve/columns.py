"""The caller's values, checked and cast to what the model wants; what is wrong is named by row and column."""

import math
from collections.abc import Hashable, Mapping, Sequence
from types import NoneType
from typing import Any

import numpy as np
import numpy.typing as npt

from xgserve.errors import InvalidFrame, short
from xgserve.signature import Feature, is_null

MAX_PROBLEMS_LISTED = 10
MAX_COLUMNS_LISTED = 50

Matrix = npt.NDArray[np.float64]


class Reader:
    """Reads the columns that a model's features want: checked, cast, in the order of the features."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self._features = features
        self._names = frozenset(feature.name for feature in features)
        self._not_null = np.array([feature.kind == "number" and not feature.nullable for feature in features])

    def matrix(self, columns: Mapping[str, Sequence[Any]], index: Sequence[Hashable]) -> Matrix:
        """Return the columns as numbers, shape (rows, features): null as NaN, categories as their codes.

        `index` labels the rows, one label for each value of every column.

        Raises:
            InvalidFrame: missing or unknown columns, or values that the model cannot take.
        """
        self._check_names(columns)
        matrix = self._plain_matrix([columns[feature.name] for feature in self._features])
        if matrix is not None:
            return matrix
        arrays = self.arrays(columns, index)  # looks at each value, and names what is wrong
        return np.column_stack(
            [
                array
                if feature.kind == "number"
                else feature.codes_of(None if is_null(v) else v for v in array.tolist())
                for feature, array in zip(self._features, arrays, strict=True)
            ]
        )

    def arrays(self, columns: Mapping[str, Sequence[Any]], index: Sequence[Hashable]) -> list[npt.NDArray[Any]]:
        """Return the columns as scikit-learn wants them: float64, or objects for categories that are no numbers.

        Raises:
            InvalidFrame: as for `matrix`.
        """
        self._check_names(columns)
        problems = Problems(index)
        arrays = [_cast(feature, columns[feature.name], problems) for feature in self._features]
        problems.raise_if_any()
        return arrays

    def _plain_matrix(self, columns: list[Sequence[Any]]) -> Matrix | None:
        """Return the matrix if all values are plainly what is wanted; None if they need a closer look."""
        numbers: list[Sequence[float | None]] = []
        for feature, values in zip(self._features, columns, strict=True):
            if not feature.plain_types.issuperset(map(type, values)):
                return None
            if feature.kind == "category":
                values = feature.codes_of(values)
                if not feature.takes_all and max(values, default=0) >= len(feature.categories or ()):
                    return None
            numbers.append(values)
        try:
            matrix: Matrix = np.array(numbers, dtype=np.float64).T
        except OverflowError:  # an integer beyond the range of floats
            return None
        if np.isfinite(matrix).all():
            return matrix
        return None if np.isinf(matrix).any() or np.isnan(matrix[:, self._not_null]).any() else matrix

    def _check_names(self, columns: Mapping[str, Any]) -> None:
        if columns.keys() == self._names:
            return
        missing = [feature.name for feature in self._features if feature.name not in columns]
        unknown = [str(column) for column in columns if column not in self._names]
        parts = [
            f"{len(names)} {word} column{'s' if len(names) > 1 else ''} ({short(', '.join(names))})"
            for names, word in ((missing, "missing"), (unknown, "unknown"))
            if names
        ]
        raise InvalidFrame(
            f"the frame has {' and '.join(parts)}; GET /model lists what the model wants",
            missing=missing[:MAX_COLUMNS_LISTED],
            unknown=[short(name) for name in unknown[:MAX_COLUMNS_LISTED]],
            missing_count=len(missing),
            unknown_count=len(unknown),
        )


class Problems:
    """Collects the offending values of a frame; counts all, lists the first few."""

    def __init__(self, index: Sequence[Hashable]) -> None:
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
                    "row": self._index[position],
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
        where = f"row {short(first['row'])}" + (f", column {first['column']}" if first["column"] else "")
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
    array = np.empty(len(values), dtype=object)
    array[:] = [feature.null if missing else value for value, missing in zip(values, null, strict=True)]
    return array


def _showable(value: Any) -> Any:
    """Return a value that is safe and short in a JSON answer."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return short(value)
