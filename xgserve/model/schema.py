"""Which columns an estimator wants, read from the estimator itself and from the card beside it."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from types import NoneType
from typing import Any, Final, Literal

import numpy as np

from xgserve.errors import ModelError
from xgserve.text import clipped

UNKNOWN_CATEGORY = "a category that no model was trained on"

REFUSED: Final = object()

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Feature:
    """One column that the model wants.

    `categories` are the values it was trained on, where known; `takes_unknown` says whether it also scores others.
    `null` is what stands for a missing value: scikit-learn's encoders tell None and NaN apart.
    """

    name: str
    kind: Literal["number", "category"]
    categories: tuple[Scalar, ...] | None = None
    nullable: bool = False
    takes_unknown: bool = True
    null: float | None = math.nan

    def holds(self, *types: type) -> bool:
        """Return whether categories are known and all of them are exactly of these types."""
        return bool(self.categories) and all(type(category) in types for category in self.categories or ())

    def takes_plainly(self, values: Iterable[Any]) -> bool:
        """Return whether all values are of the right type, and known where they must be; False may need a closer look.

        Numbers still have to be finite, and not null where that is not taken.
        """
        return self._plain_types.issuperset(map(type, values)) and (self._takes_all or self._known.issuperset(values))

    @cached_property
    def _plain_types(self) -> frozenset[type]:
        if self.kind == "category" and (self.holds(str) or self.holds(bool)):
            return frozenset({NoneType, *map(type, self.categories or ())})
        return frozenset({NoneType, int, float, bool})

    @cached_property
    def _takes_all(self) -> bool:
        # of numbers as categories, infinite ones are not taken
        return self.kind == "number" or (self.nullable and self.takes_unknown and not self.holds(int, float))

    @cached_property
    def _known(self) -> frozenset[Scalar]:
        return frozenset(self.categories or ())

    @property
    def levels(self) -> list[Any]:
        """The known categories, an unknown one, null; `REFUSED` in place of what is not taken."""
        unknown = self.unknown_category() if self.takes_unknown else REFUSED
        return [*(self.categories or ()), unknown, self.null if self.nullable else REFUSED]

    def unknown_category(self) -> Scalar:
        """Return a value like the known categories that is none of them."""
        if self.holds(int, float):
            return max(c for c in self.categories or () if isinstance(c, int | float)) + 1
        return UNKNOWN_CATEGORY

    def describe(self) -> dict[str, Any]:
        """Return the feature as `GET /model` shows it."""
        described: dict[str, Any] = {"name": self.name, "kind": self.kind, "nullable": self.nullable}
        if self.kind == "category":
            described["categories"] = list(self.categories) if self.categories is not None else None
            described["takes_unknown"] = self.takes_unknown
        return described


def is_null(value: object) -> bool:
    """Return whether a value stands for a missing one."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def features_of(estimator: Any, card: Mapping[str, Any]) -> tuple[Feature, ...]:
    """Return the columns that a fitted estimator wants, in its order; nobody knows yet whether they take nulls.

    Raises:
        ModelError: the names are not known, or the card and the estimator disagree.
    """
    described = _card_features(card)
    fitted_on = getattr(estimator, "feature_names_in_", None)  # None: a bare array
    names = tuple(described) if fitted_on is None else tuple(map(str, fitted_on))
    if not names:
        raise ModelError(
            "the model does not know the names of its columns: fit it on a DataFrame, or add a card.json with "
            '{"features": [{"name": ..., "kind": "number" or "category"}, ...]} in the order of the columns'
        )
    if len(set(names)) != len(names):
        raise ModelError("the model has two columns of the same name")
    wanted = getattr(estimator, "n_features_in_", len(names))
    if wanted != len(names):
        raise ModelError(f"the model takes {wanted} columns, but {len(names)} names are known")
    if described and set(described) != set(names):
        differing = sorted(set(described) ^ set(names))
        raise ModelError(f"card.json and the model disagree about the columns {clipped(differing)}")
    encoded = _encoded_categories(estimator, names)
    features = []
    for column in names:
        feature = described.get(column, Feature(column, "number"))
        if column in encoded:
            known = tuple(value for value in encoded[column] if not is_null(value))
            null = None if None in encoded[column] else math.nan
            feature = replace(feature, kind="category", categories=known, null=null)
        features.append(feature)
    return tuple(features)


def _card_features(card: Mapping[str, Any]) -> dict[str, Feature]:
    features = {}
    try:
        for entry in card.get("features") or ():
            categories = entry.get("categories")
            if entry["kind"] not in ("number", "category") or not isinstance(entry["name"], str):
                raise ValueError(entry)
            features[entry["name"]] = Feature(
                entry["name"], entry["kind"], tuple(categories) if categories is not None else None
            )
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ModelError(
            'card.json: "features" must be a list of {"name": text, "kind": "number" or "category", "categories": '
            f"list or absent}}, not {clipped(error)}"
        ) from error
    return features


def _encoded_categories(estimator: Any, names: tuple[str, ...]) -> dict[str, tuple[Scalar, ...]]:
    """Return the categories of the columns that the first steps of a pipeline hand to a fitted encoder."""
    inner = _innermost_first_step(estimator)
    if getattr(inner, "_preprocessor", None) is not None:  # histogram gradient boosting with category columns
        inner = inner._preprocessor
    if hasattr(inner, "transformers_"):  # ColumnTransformer
        parts = [(part, columns) for _, part, columns in inner.transformers_]
    else:
        parts = [(inner, list(names))]
    found: dict[str, tuple[Scalar, ...]] = {}
    for part, columns in parts:
        steps = [step for _, step in part.steps] if hasattr(part, "steps") else [part]
        encoder = next((step for step in steps if hasattr(step, "categories_")), None)
        if encoder is None:
            continue
        selected = _selected(columns, names)
        if len(selected) == len(encoder.categories_):
            for column, categories in zip(selected, encoder.categories_, strict=True):
                found[column] = tuple(categories.tolist())
    return found


def _innermost_first_step(estimator: Any) -> Any:
    """Walk through searches, calibration and pipelines to what first sees the caller's columns."""
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif hasattr(estimator, "calibrated_classifiers_"):
            estimator = estimator.calibrated_classifiers_[0].estimator
        elif hasattr(estimator, "steps"):
            steps = [step for _, step in estimator.steps if step not in (None, "passthrough")]
            estimator = steps[0]
        else:
            return estimator


def _selected(columns: Any, names: tuple[str, ...]) -> list[str]:
    """Resolve what a ColumnTransformer records: names, positions, a slice or a mask."""
    if isinstance(columns, str):
        return [columns]
    if isinstance(columns, slice):
        return list(names[columns])
    listed = np.atleast_1d(np.asarray(columns)).tolist()
    if listed and all(isinstance(column, bool) for column in listed):
        return [name for name, taken in zip(names, listed, strict=True) if taken]
    return [column if isinstance(column, str) else names[column] for column in listed]
