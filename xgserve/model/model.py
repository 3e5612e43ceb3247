"""One loaded model: what it is called, which columns it wants, and P(goal) for a frame of them.

A `Model` is made by `load_model`, which trusts nothing: the artifact's types are held against a fixed list, its
indices, classes and columns are checked, and a golden row must come out as a probability before anybody sees the
model. Once made it never changes, so any number of threads may use it.
"""

import hashlib
import json
import logging
import math
import threading
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import sklearn
from sklearn.base import BaseEstimator

from xgserve.compiler.before_sklearn import without_pandas
from xgserve.compiler.fast_path import NoShortWay, Short, shorten
from xgserve.compiler.integrity import check_indices, parts_of
from xgserve.compiler.loading import load_estimator, reason, version_skew
from xgserve.compiler.sklearn_path import Probabilities, Whole
from xgserve.errors import InvalidFrame, ModelError, ServiceError
from xgserve.model.schema import UNKNOWN_CATEGORY, Feature, Scalar, features_of
from xgserve.model.validation import Problems, Reader
from xgserve.names import ModelName
from xgserve.text import clipped

logger = logging.getLogger("xgserve.model")

MAX_CARD_BYTES = 1_000_000
GOLDEN_TOLERANCE = 1e-6
JOBS = {"n_jobs", "n_threads", "_n_threads"}

# More rows are scored in turns, so that a request takes no more memory than the trial of the model did.
ROWS_AT_ONCE = 10_000

# warnings.catch_warnings swaps process-wide state, so loads take turns
_one_load_at_a_time = threading.Lock()


@dataclass(frozen=True, eq=False)
class Model:
    """A classifier that passed every check, together with its identity. Made by `load_model`."""

    name: ModelName
    digest: str
    features: tuple[Feature, ...]
    card: Mapping[str, Any]
    golden_row: Mapping[str, Scalar]
    golden_probability: float
    sklearn_version: str | None
    loaded_at: datetime
    _whole: Whole
    _short: Short | None = None

    @cached_property
    def id(self) -> str:
        """`workspace/name:version@sha256:<12 hex>`: names exactly one artifact."""
        return f"{self.name}@sha256:{self.digest[:12]}"

    @cached_property
    def columns(self) -> frozenset[str]:
        """The names of the columns that it wants."""
        return frozenset(feature.name for feature in self.features)

    @property
    def identity(self) -> dict[str, str]:
        """The id and its parts, as every answer about a model shows them."""
        name = self.name
        parts = {"workspace": name.workspace, "model": name.name, "version": name.version, "digest": self.digest}
        return {"id": self.id, **parts}

    @property
    def is_short(self) -> bool:
        """Whether predictions take the short way of `evaluators.py`; if not, scikit-learn serves as a whole."""
        return self._short is not None

    def predict(self, columns: Mapping[str, Sequence[Any]], index: Sequence[Any]) -> Probabilities:
        """Return P(goal) of each row, shape (rows,), each within [0, 1].

        `index` labels the rows, one label for each value of every column.

        Raises:
            InvalidFrame: missing or unknown columns, values that the model cannot take, rows that it refuses or has no
                probability for.
            ModelError: what the model answers has another shape.
        """
        if len(index) > ROWS_AT_ONCE:
            return self._predict_in_turns(columns, index)
        rows: Any = self._reader.matrix(columns, index) if self._short else self._reader.arrays(columns, index)
        if not len(index):
            return np.empty(0)
        try:
            probabilities = (self._short.evaluate if self._short else self._whole)(rows)
        except ModelError:
            raise
        except Exception as error:  # a model of other people may raise anything on odd input
            skew = "" if isinstance(error, ValueError) else reason(error, self.sklearn_version)
            raise InvalidFrame(f"the model cannot score these rows: {clipped(error)}{skew}") from error
        good = (probabilities >= 0) & (probabilities <= 1)  # False for NaN as well
        if not good.all():
            problems = Problems(index)
            problems.add_where(~good, None, probabilities.tolist(), "the model gives no probability within [0, 1]")
            problems.raise_if_any()
        return probabilities

    def _predict_in_turns(self, columns: Mapping[str, Sequence[Any]], index: Sequence[Any]) -> Probabilities:
        turns = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(index), ROWS_AT_ONCE)]
        try:
            return np.concatenate(
                [self.predict({name: values[turn] for name, values in columns.items()}, index[turn]) for turn in turns]
            )
        except InvalidFrame:
            self._reader.arrays(columns, index)  # says what is wrong in all rows, and not only in those of a turn
            raise

    def check(self) -> float:
        """Score the golden row now and return its probability.

        Raises:
            ModelError: the golden row no longer gives what it gave when the model was loaded.
        """
        try:
            probability = self._score_one(self.golden_row)
        except InvalidFrame as error:
            raise ModelError(f"{self.name} cannot score its golden row: {error}") from error
        if abs(probability - self.golden_probability) > GOLDEN_TOLERANCE:
            raise ModelError(
                f"{self.name} gives {probability:.9f} for its golden row instead of {self.golden_probability:.9f}"
            )
        return probability

    def describe(self) -> dict[str, Any]:
        """Return what `GET /model` answers: identity, columns, versions, and what the card says about quality."""
        made_with = self.sklearn_version
        return {
            **self.identity,
            "features": [feature.describe() for feature in self.features],
            "sklearn_version": {"artifact": made_with, "service": sklearn.__version__},
            "loaded_at": self.loaded_at.isoformat(timespec="milliseconds"),
            "golden_row": {"values": dict(self.golden_row), "probability": self.golden_probability},
            "population": self.card.get("population"),
            "metrics": self.card.get("metrics"),
            "trained_on": self._seasons,
            "warnings": [version_skew(made_with)] if made_with and made_with != sklearn.__version__ else [],
        }

    @property
    def _seasons(self) -> list[int] | None:
        """The seasons that the card says the model learned from; None if it does not, in a way that we understand."""
        told = self.card.get("seasons")
        return told if isinstance(told, list) and all(type(season) is int for season in told) else None

    def _score_one(self, row: Mapping[str, Scalar]) -> float:
        return float(self.predict({name: [value] for name, value in row.items()}, [0])[0])

    @cached_property
    def _reader(self) -> Reader:
        return Reader(self.features, self._short.readings if self._short else ())


def load_model(artifact: Path, name: ModelName, *, allow_pickle: bool = False) -> Model:
    """Load an artifact (`.skops`; pickles only if allowed) with the `card.json` beside it, and try it out.

    Raises:
        ModelError: the artifact is not trusted, not loadable here, not a binary classifier of goals, or fails its
            golden row.
    """
    card = _read_card(artifact.parent / "card.json")
    try:
        content = artifact.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {artifact.name}: {error.strerror}") from error
    with _one_load_at_a_time, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # probing a model with odd rows makes it warn, which is news to nobody
        estimator, made_with = load_estimator(
            artifact.name, content, allow_pickle=allow_pickle, card_version=_made_with(card)
        )
        try:
            _check_indices(estimator, made_with)
            positive = _place_of_goals(estimator)  # that it is no classifier says more than what follows from it
            _run_in_one_thread(estimator)
            features = features_of(estimator, card)
            model = Model(
                name=name,
                digest=hashlib.sha256(content).hexdigest(),
                features=features,
                card=card,
                golden_row={},
                golden_probability=math.nan,
                sklearn_version=made_with,
                loaded_at=datetime.now(UTC),
                _whole=Whole(estimator, positive, [feature.name for feature in features]),
            )
            with without_pandas() if model._whole.takes_arrays else nullcontext():
                return _shortened(_tried(model))
        except ModelError:
            raise
        except Exception as error:  # what was loaded may be anything that only looks like a classifier
            why = f"{artifact.name} cannot be used: {type(error).__name__}: {clipped(error)}"
            raise ModelError(f"{why}{reason(error, made_with)}") from error


def _check_indices(estimator: Any, made_with: str | None) -> None:
    try:
        check_indices(estimator)
    except ModelError as error:
        raise ModelError(f"{error}{reason(error, made_with)}") from error


def _made_with(card: Mapping[str, Any]) -> str | None:
    """Return the version of scikit-learn that the card names."""
    version = card.get("sklearn_version")
    return version if isinstance(version, str) else None


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


def _place_of_goals(estimator: Any) -> int:
    """Return which column of `predict_proba` is P(goal)."""
    if not callable(getattr(estimator, "predict_proba", None)):
        raise ModelError(f"the artifact holds a {type(estimator).__name__}, not a classifier with predict_proba")
    try:
        classes: list[Any] = np.asarray(estimator.classes_).tolist()
    except AttributeError as error:
        raise ModelError("the classifier has no classes_: it was not fitted") from error
    if classes not in ([0, 1], [1, 0]):  # true and false are 1 and 0
        raise ModelError(f"the classes must be 0 (no goal) and 1 (goal), not {clipped(classes)}")
    return classes.index(1)


def _run_in_one_thread(estimator: Any) -> None:
    """Undo `n_jobs` wherever it is: starting threads costs more than the few rows of a request, which run side by side.

    A fitted estimator holds others that its parameters do not lead to, and each would start what its own `n_jobs` says.
    """
    for part in parts_of(estimator):
        if isinstance(part, BaseEstimator):
            for name in JOBS & vars(part).keys():
                setattr(part, name, 1)
            if "verbose" in vars(part):  # forests and bagging print with each request
                part.verbose = 0


def _tried(model: Model) -> Model:
    """Return the model with its golden row and what probing showed about nulls and unknown categories."""
    row = _golden_row(model)
    # everything may pass until it is known what the model takes
    lenient = replace(model, features=tuple(replace(f, nullable=True, takes_unknown=True) for f in model.features))
    try:
        probability = lenient._score_one(row)
    except (InvalidFrame, ModelError) as error:
        made_up = "" if model.card.get("golden_row") else " (made up, since card.json has none)"
        raise ModelError(f"the model fails on its golden row{made_up}: {error}{_skew(lenient, row, error)}") from error
    promised = model.card.get("golden_probability")
    if promised is not None:
        if not isinstance(promised, int | float):
            raise ModelError('card.json: "golden_probability" must be a number')
        if not abs(probability - promised) <= GOLDEN_TOLERANCE:
            raise ModelError(
                f"the model gives {probability:.9f} for its golden row where its card promises {promised:.9f}"
                f"{reason(None, model.sklearn_version)}"
            )

    def scores(feature: Feature, value: Scalar) -> bool:
        try:
            lenient._score_one({**row, feature.name: value})
        except (InvalidFrame, ModelError):
            return False
        return True

    features = tuple(
        replace(
            feature,
            nullable=scores(feature, None),
            takes_unknown=feature.kind == "category" and scores(feature, feature.unknown_category()),
        )
        for feature in model.features
    )
    return replace(model, features=features, golden_row=row, golden_probability=probability)


def _skew(model: Model, row: Mapping[str, Scalar], error: ServiceError) -> str:
    """Return the likely reason why a row could not be scored, where it is not said yet and not the row's own fault."""
    try:
        model._reader.arrays({name: [value] for name, value in row.items()}, [0])
    except InvalidFrame:
        return ""
    why = reason(error.__cause__, model.sklearn_version)
    return "" if why in str(error) else why


def _shortened(model: Model) -> Model:
    """Return the model with its short way, if it has one that gives what scikit-learn gives."""
    try:
        return replace(model, _short=shorten(model._whole, model.features, model.golden_row))
    except NoShortWay as reason:
        logger.info("%s is evaluated by scikit-learn as a whole: %s", model.id, reason)
        return model


def _golden_row(model: Model) -> dict[str, Scalar]:
    row = model.card.get("golden_row")
    if row is not None:
        if not isinstance(row, dict) or set(row) != {feature.name for feature in model.features}:
            raise ModelError('card.json: "golden_row" must be an object with one value for each column of the model')
        return dict(row)
    # 1 is harmless under logarithms and divisions
    return {
        f.name: f.categories[0] if f.categories else UNKNOWN_CATEGORY if f.kind == "category" else 1.0
        for f in model.features
    }
