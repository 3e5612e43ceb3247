"""Rows of the history as frames."""

from collections.abc import Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import pandas as pd

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


def frame_of(
    rows: Sequence[Sequence[Any]], columns: tuple[str, ...] | list[str], types: Mapping[str, Any] = _NONE
) -> pd.DataFrame:
    """Return a frame of rows; pandas chooses the types of the columns that `types` does not name.

    Columns are made one by one: to change their types later would copy the whole frame.
    """
    if not rows:
        return _empty(tuple(columns), tuple(types.items())).copy()
    made = {name: list(values) for name, values in zip(columns, zip(*rows, strict=True), strict=True)}
    return pd.DataFrame(
        {name: pd.array(values, dtype=types[name]) if name in types else values for name, values in made.items()}
    )


@cache
def _empty(columns: tuple[str, ...], types: tuple[tuple[str, Any], ...]) -> pd.DataFrame:
    return pd.DataFrame.from_records([], columns=list(columns)).astype(dict(types))
