"""The columns of an estimator, read from itself and from the card beside it."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.ensemble import StackingClassifier, VotingClassifier

from xgserve.compiler.boosters.opening import ensemble_of, is_boosted
from xgserve.compiler.graph import NotCompilable
from xgserve.compiler.opened import card_columns, disagreement
from xgserve.compiler.scikit.internals import preprocessor_of
from xgserve.contract import Scalar
from xgserve.errors import ModelError
from xgserve.model.schema import Column, is_null


def columns_of(estimator: Any, card: Mapping[str, Any]) -> tuple[Column, ...]:
    """Return the columns that a fitted estimator takes, in its order; only probing shows whether they take nulls.

    Raises:
        ModelError: the names are not known, or the card and the estimator disagree.
    """
    described = card_columns(card)
    of_booster = booster_columns(estimator, described)
    if of_booster is not None:
        return of_booster
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
        raise disagreement(described, names)
    encoded = native_categories(estimator, described) | _encoded_categories(estimator, names)
    columns = []
    for name in names:
        column = described.get(name, Column(name, "number"))
        if name in encoded:
            known = tuple(value for value in encoded[name] if not is_null(value))
            column = replace(column, kind="category", categories=known, null_is_none=None in encoded[name])
        columns.append(column)
    return tuple(columns)


def booster_columns(estimator: Any, described: Mapping[str, Column]) -> tuple[Column, ...] | None:
    """Return the columns of a booster that is given them as they are; None for other estimators.

    Raises:
        ModelError: the names are not known, or the card and the booster disagree.
    """
    inner = _innermost_first_step(estimator)
    if not is_boosted(inner):
        return None
    try:
        return ensemble_of(inner, described).columns
    except NotCompilable:  # it is said when it is translated
        return None


def native_categories(estimator: Any, described: Mapping[str, Column]) -> dict[str, tuple[Scalar, ...]]:
    """Return the categories of the columns that a booster takes as pandas categories, by name."""
    inner = _innermost_first_step(estimator)
    members = inner.estimators_ if isinstance(inner, VotingClassifier | StackingClassifier) else [inner]
    columns = [column for member in members for column in booster_columns(member, described) or ()]
    return {column.name: column.categories for column in columns if column.categories is not None}


def _encoded_categories(estimator: Any, names: tuple[str, ...]) -> dict[str, tuple[Scalar, ...]]:
    """Return the categories of the columns that the first steps of a pipeline pass to a fitted encoder."""
    found: dict[str, tuple[Scalar, ...]] = {}
    inner = _innermost_first_step(estimator)
    if isinstance(inner, VotingClassifier | StackingClassifier):
        for member in inner.estimators_:
            found = _encoded_categories(member, names) | found
        return found
    if (preprocessor := preprocessor_of(inner)) is not None:
        inner = preprocessor
    if hasattr(inner, "transformers_"):  # ColumnTransformer
        parts = [(part, columns) for _, part, columns in inner.transformers_]
    else:
        parts = [(inner, list(names))]
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
    """Return the step that first sees the caller's columns, inside searches, calibration and pipelines."""
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
    """Return the names of columns that a ColumnTransformer records as names, positions, a slice or a mask."""
    if isinstance(columns, str):
        return [columns]
    if isinstance(columns, slice):
        return list(names[columns])
    listed = np.atleast_1d(np.asarray(columns)).tolist()
    if listed and all(isinstance(column, bool) for column in listed):
        return [name for name, taken in zip(names, listed, strict=True) if taken]
    return [column if isinstance(column, str) else names[column] for column in listed]
