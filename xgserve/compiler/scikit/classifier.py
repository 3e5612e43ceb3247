"""Open scikit-learn's classifiers: check them, and make them take arrays and one thread."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from xgserve.compiler.boosters.opening import ensemble_of, is_boosted, library_versions, run_in_one_thread
from xgserve.compiler.graph import Graph, NotCompilable
from xgserve.compiler.opened import DOUBLE_PRECISION, Columns, Opened, Translation, card_columns, place_of_goals
from xgserve.compiler.scikit.columns import columns_of, native_categories
from xgserve.compiler.scikit.integrity import check_indices, parts_of
from xgserve.compiler.scikit.internals import THREAD_COUNTS
from xgserve.compiler.scikit.reference import SklearnPath, forget_names
from xgserve.compiler.scikit.translate import translate
from xgserve.compiler.versions import Versions
from xgserve.errors import ModelError
from xgserve.model.validation import FrameReader


def open_classifier(estimator: Any, versions: Versions, card: Mapping[str, Any]) -> Opened:
    """Check a fitted classifier and return it opened.

    Raises:
        ModelError: it is damaged, or not a binary classifier of goals.
    """
    try:
        check_indices(estimator)
    except ModelError as error:
        raise ModelError(f"{error}{versions.reason(error)}") from error
    versions = library_versions(estimator) or versions
    positive = place_of_goals(_classes(estimator), card)
    _run_in_one_thread(estimator)
    columns = columns_of(estimator, card)
    native = native_categories(estimator, card_columns(card))
    takes_arrays = not native and forget_names(estimator)

    def reference(columns: Columns) -> SklearnPath:
        return SklearnPath(estimator, positive, takes_arrays, FrameReader(columns), versions, native)

    return Opened(
        columns=columns,
        versions=versions,
        tolerance=_tolerance(estimator),
        reference=reference,
        translate=partial(_translate, estimator, positive),
        has_worker=True,
    )


def _tolerance(estimator: Any) -> float:
    """Return by how much two right answers may differ: by more if a booster in single precision is among its parts."""
    boosters = [part for part in parts_of(estimator) if is_boosted(part) and hasattr(part, "n_features_in_")]
    try:
        return max((ensemble_of(booster).tolerance for booster in boosters), default=DOUBLE_PRECISION)
    except NotCompilable:
        return DOUBLE_PRECISION


def _classes(estimator: Any) -> list[Any]:
    if not callable(getattr(estimator, "predict_proba", None)):
        raise ModelError(f"the artifact holds a {type(estimator).__name__}, not a classifier with predict_proba")
    try:
        return list(np.asarray(estimator.classes_).tolist())
    except AttributeError as error:
        raise ModelError("the classifier has no classes_: it was not fitted") from error


def _translate(estimator: Any, positive: int, columns: Columns) -> Translation:
    codecs, step = translate(estimator, columns)
    if positive == 1:
        return codecs, step

    def first_class(graph: Graph, rows: str) -> str:
        return graph.add("Sub", graph.constant(1.0), step(graph, rows))

    return codecs, first_class


def _run_in_one_thread(estimator: Any) -> None:
    """Undo `n_jobs` everywhere: requests run in parallel, and starting threads costs more than their few rows.

    A fitted estimator holds others that its parameters do not reach, each with its own number of threads.
    """
    for part in parts_of(estimator):
        if isinstance(part, BaseEstimator):
            for name in THREAD_COUNTS & vars(part).keys():
                setattr(part, name, 1)
            if "verbose" in vars(part):  # forests and bagging print with each request
                part.verbose = 0
        if is_boosted(part):
            run_in_one_thread(part)
