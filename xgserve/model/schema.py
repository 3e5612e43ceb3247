"""A model's columns: names, kinds, categories, and whether they take nulls and unknown categories."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from types import NoneType
from typing import Any, Final, Literal

from xgserve.contract import ColumnDescription, Scalar

UNKNOWN_CATEGORY = "a category that no model was trained on"

REFUSED: Final = object()


@dataclass(frozen=True)
class Column:
    """One column that a model takes.

    `categories` are the training values, if known; with `takes_unknown`, the model scores others too. `null_is_none`:
    scikit-learn's encoders distinguish None from NaN.
    """

    name: str
    kind: Literal["number", "category"]
    categories: tuple[Scalar, ...] | None = None
    nullable: bool = False
    takes_unknown: bool = True
    null_is_none: bool = False

    @property
    def null(self) -> float | None:
        """What represents a missing value."""
        return None if self.null_is_none else math.nan

    def holds(self, *types: type) -> bool:
        """Return whether categories are known and all have exactly these types."""
        return bool(self.categories) and all(type(category) in types for category in self.categories or ())

    def takes_plainly(self, values: Iterable[Any]) -> bool:
        """Return whether all values pass a quick check of types and categories; if not, check each value.

        Numbers must still be checked for infinity, and for nulls if the column takes none.
        """
        return self._plain_types.issuperset(map(type, values)) and (self._takes_all or self._known.issuperset(values))

    @cached_property
    def _plain_types(self) -> frozenset[type]:
        if self.kind == "category" and (self.holds(str) or self.holds(bool)):
            return frozenset({NoneType, *map(type, self.categories or ())})
        return frozenset({NoneType, int, float, bool})

    @cached_property
    def _takes_all(self) -> bool:
        # infinity is refused as a category
        return self.kind == "number" or (self.nullable and self.takes_unknown and not self.holds(int, float))

    @cached_property
    def _known(self) -> frozenset[Scalar]:
        return frozenset(self.categories or ())

    @property
    def levels(self) -> list[Any]:
        """The known categories, an unknown one, and null; `REFUSED` replaces the last two if they are not taken."""
        unknown = self.unknown_category() if self.takes_unknown else REFUSED
        return [*(self.categories or ()), unknown, self.null if self.nullable else REFUSED]

    def unknown_category(self) -> Scalar:
        """Return a value that has the type of the known categories but is not one of them."""
        if self.holds(int, float):
            return max(c for c in self.categories or () if isinstance(c, int | float)) + 1
        return UNKNOWN_CATEGORY

    def describe(self) -> ColumnDescription:
        """Return the column as `GET /model` shows it."""
        if self.kind == "number":
            return ColumnDescription(self.name, self.kind, self.nullable)
        categories = list(self.categories) if self.categories is not None else None
        return ColumnDescription(self.name, self.kind, self.nullable, categories, self.takes_unknown)


def is_null(value: object) -> bool:
    """Return whether a value stands for a missing one."""
    return value is None or (isinstance(value, float) and math.isnan(value))
