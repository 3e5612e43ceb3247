"""Make a `Model` of an artifact: load it, check it, probe what it takes, and look for its fast path.

Nothing is taken on trust: the types in the artifact are compared with a fixed list, its indices, classes and columns
are checked, and its golden row must give a probability before the model is used.
"""

import hashlib
import json
import logging
import threading
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from xgserve.compiler.before_sklearn import without_pandas
from xgserve.compiler.columns import columns_of
from xgserve.compiler.fast_path import NoFastPath, build_fast_path
from xgserve.compiler.formats import load_estimator
from xgserve.compiler.integrity import check_indices, parts_of
from xgserve.compiler.sklearn_internals import THREAD_COUNTS
from xgserve.compiler.sklearn_path import SklearnPath, forget_names
from xgserve.contract import Scalar
from xgserve.errors import InvalidFrame, ModelError, ServiceError
from xgserve.model.model import GOLDEN_TOLERANCE, Model, Scorer, score
from xgserve.model.schema import UNKNOWN_CATEGORY, Column
from xgserve.model.validation import FrameReader
from xgserve.model.versions import SklearnVersions
from xgserve.names import ModelName
from xgserve.text import clipped

logger = logging.getLogger("xgserve.compiler")

MAX_CARD_BYTES = 1_000_000

Columns = tuple[Column, ...]

# warnings.catch_warnings swaps process-wide state, so loads take turns
_one_load_at_a_time = threading.Lock()


def load_model(artifact: Path, name: ModelName, *, allow_pickle: bool = False) -> Model:
    """Load an artifact (`.skops`; pickles only if allowed) with the `card.json` beside it, and probe it.

    Raises:
        ModelError: the artifact is not trusted, cannot be loaded here, is not a binary classifier of goals, or fails
            its golden row.
    """
    card = _read_card(artifact.parent / "card.json")
    try:
        content = artifact.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {artifact.name}: {error.strerror}") from error
    with _one_load_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # probing a model with odd rows makes it warn, as expected
        estimator, versions = load_estimator(
            artifact.name,
            content,
            workspace=name.workspace,
            allow_pickle=allow_pickle,
            card_version=_version_in(card),
        )
        try:
            _check_indices(estimator, versions)
            positive = _index_of_goals(estimator)  # fail with "not a classifier" before anything less clear
            _run_in_one_thread(estimator)
            columns = columns_of(estimator, card)
            takes_arrays = forget_names(estimator)
            with without_pandas() if takes_arrays else nullcontext():
                sklearn_path = SklearnPath(estimator, positive, takes_arrays, FrameReader(_lenient(columns)))
                columns, row, probability = _probe(sklearn_path, columns, card, versions)
                scorer = _fastest(replace(sklearn_path, reader=FrameReader(columns)), row, name)
        except ModelError:
            raise
        except Exception as error:  # the object may only look like a classifier
            why = f"{artifact.name} cannot be used: {type(error).__name__}: {clipped(error)}"
            raise ModelError(f"{why}{versions.reason(error)}") from error
    return Model(
        name=name,
        digest=hashlib.sha256(content).hexdigest(),
        columns=columns,
        card=card,
        golden_row=row,
        golden_probability=probability,
        versions=versions,
        loaded_at=datetime.now(UTC),
        scorer=scorer,
    )


def _read_card(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise ModelError(f"card.json is larger than {MAX_CARD_BYTES:,} bytes")
        card = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(f"card.json cannot be read: {error}") from error
    if not isinstance(card, dict):
        raise ModelError("card.json must hold a JSON object")
    return card


def _version_in(card: Mapping[str, Any]) -> str | None:
    """Return the version of scikit-learn that the card names."""
    version = card.get("sklearn_version")
    return version if isinstance(version, str) else None


def _check_indices(estimator: Any, versions: SklearnVersions) -> None:
    try:
        check_indices(estimator)
    except ModelError as error:
        raise ModelError(f"{error}{versions.reason(error)}") from error


def _index_of_goals(estimator: Any) -> int:
    """Return which column of `predict_proba` is P(goal)."""
    if not callable(getattr(estimator, "predict_proba", None)):
        raise ModelError(f"the artifact holds a {type(estimator).__name__}, not a classifier with predict_proba")
    try:
        classes: list[Any] = np.asarray(estimator.classes_).tolist()
    except AttributeError as error:
        raise ModelError("the classifier has no classes_: it was not fitted") from error
    if classes not in ([0, 1], [1, 0]):  # True == 1 and False == 0
        raise ModelError(f"the classes must be 0 (no goal) and 1 (goal), not {clipped(classes)}")
    return classes.index(1)


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


def _lenient(columns: Columns) -> Columns:
    """Return the columns as taking everything, for probing what the model takes."""
    return tuple(replace(column, nullable=True, takes_unknown=True) for column in columns)


def _probe(
    scorer: Scorer, columns: Columns, card: Mapping[str, Any], versions: SklearnVersions
) -> tuple[Columns, dict[str, Scalar], float]:
    """Return what each column takes, the golden row and its probability.

    The golden row is scored as it is, then with a null and with an unknown category in each column.

    Raises:
        ModelError: the golden row cannot be scored, or not with the card's probability.
    """
    row = _golden_row(columns, card)

    def score_one(row: Mapping[str, Scalar]) -> float:
        return float(score(scorer, {name: [value] for name, value in row.items()}, [0], versions)[0])

    def takes(column: Column, value: Scalar) -> bool:
        try:
            score_one({**row, column.name: value})
        except (InvalidFrame, ModelError):
            return False
        return True

    try:
        probability = score_one(row)
    except (InvalidFrame, ModelError) as error:
        made_up = "" if card.get("golden_row") else " (made up, since card.json has none)"
        skew = _skew(scorer, row, error, versions)
        raise ModelError(f"the model fails on its golden row{made_up}: {error}{skew}") from error
    _check_promise(probability, card, versions)
    probed = tuple(
        replace(
            column,
            nullable=takes(column, None),
            takes_unknown=column.kind == "category" and takes(column, column.unknown_category()),
        )
        for column in columns
    )
    return probed, row, probability


def _golden_row(columns: Columns, card: Mapping[str, Any]) -> dict[str, Scalar]:
    row = card.get("golden_row")
    if row is not None:
        if not isinstance(row, dict) or set(row) != {column.name for column in columns}:
            raise ModelError('card.json: "golden_row" must be an object with one value for each column of the model')
        return dict(row)
    # 1 is harmless under logarithms and divisions
    usual: dict[str, Scalar] = {"category": UNKNOWN_CATEGORY, "number": 1.0}
    return {column.name: column.categories[0] if column.categories else usual[column.kind] for column in columns}


def _check_promise(probability: float, card: Mapping[str, Any], versions: SklearnVersions) -> None:
    promised = card.get("golden_probability")
    if promised is None:
        return
    if not isinstance(promised, int | float):
        raise ModelError('card.json: "golden_probability" must be a number')
    if not abs(probability - promised) <= GOLDEN_TOLERANCE:
        raise ModelError(
            f"the model gives {probability:.9f} for its golden row where its card promises {promised:.9f}"
            f"{versions.reason(None)}"
        )


def _skew(scorer: Scorer, row: Mapping[str, Scalar], error: ServiceError, versions: SklearnVersions) -> str:
    """Return the likely reason why a row could not be scored, unless the error says it or the row itself is wrong."""
    try:
        scorer.read({name: [value] for name, value in row.items()}, [0])
    except InvalidFrame:
        return ""
    why = versions.reason(error.__cause__)
    return "" if why in str(error) else why


def _fastest(path: SklearnPath, row: Mapping[str, Scalar], name: ModelName) -> Scorer:
    """Return the fast path if it agrees with scikit-learn's, else `path`."""
    try:
        return build_fast_path(path, row)
    except NoFastPath as reason:
        logger.info("%s is evaluated by scikit-learn: %s", name, reason)
        return path
