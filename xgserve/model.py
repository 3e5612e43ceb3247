"""One loaded model: what it is called, which columns it wants, and P(goal) for a frame of them.

A `Model` is made by `load_model`, which trusts nothing: the artifact's types are held against a fixed list, its
classes and columns are checked, and a golden row must come out as a probability before anybody sees the model.
Once made it never changes, so any number of threads may use it.
"""

import hashlib
import io
import json
import math
import re
import threading
import warnings
import zipfile
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from types import NoneType
from typing import Any, Literal

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import sklearn
import skops.io
from sklearn.exceptions import InconsistentVersionWarning
from skops.io.exceptions import UntrustedTypesFoundException

PICKLE_SUFFIXES = (".pkl", ".pickle", ".joblib", ".cpkl")

# What a .skops file may hold beyond skops' own list of public scikit-learn estimators, numpy types and plain
# containers. None of these runs code when built. Never extend it with what a file asks for.
TRUSTED_TYPES = (
    "collections.OrderedDict",
    "functools.partial",  # of what is itself on the list
    "lightgbm.basic.Booster",
    "lightgbm.sklearn.LGBMClassifier",
    "numpy.dtype",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.calibration._TemperatureScaling",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.metrics._dist_metrics.EuclideanDistance64",
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.model_selection._split.KFold",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.neighbors._kd_tree.KDTree",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils.validation.check_array",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)

MAX_CARD_BYTES = 1_000_000
MAX_PROBLEMS_LISTED = 10
MAX_COLUMNS_LISTED = 50
GOLDEN_TOLERANCE = 1e-6
UNKNOWN_CATEGORY = "a category that no model was trained on"

Scalar = str | int | float | bool | None
Probabilities = npt.NDArray[np.float64]

# warnings.catch_warnings swaps process-wide state, so loads take turns
_one_load_at_a_time = threading.Lock()


class ModelError(Exception):
    """The artifact cannot be trusted, loaded or used; the message says why and what would help."""


class InvalidFrame(Exception):
    """The caller's frame cannot be scored; `details` names the columns and the first offending rows."""

    def __init__(self, message: str, details: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.details = dict(details)


@dataclass(frozen=True)
class ModelName:
    """Where a model comes from in words: `workspace/name:version`."""

    workspace: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.workspace}/{self.name}:{self.version}"


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

    def describe(self) -> dict[str, Any]:
        """Return the feature as `GET /model` shows it."""
        described: dict[str, Any] = {"name": self.name, "kind": self.kind, "nullable": self.nullable}
        if self.kind == "category":
            described["categories"] = list(self.categories) if self.categories is not None else None
            described["takes_unknown"] = self.takes_unknown
        return described


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
    warnings: tuple[str, ...]
    loaded_at: datetime
    _scorer: "_Scorer"

    @property
    def id(self) -> str:
        """`workspace/name:version@sha256:<12 hex>`: names exactly one artifact."""
        return f"{self.name}@sha256:{self.digest[:12]}"

    def frame(self, columns: Mapping[str, Sequence[Any]], index: Sequence[Hashable]) -> pd.DataFrame:
        """Return the columns as the model wants them: checked, cast, in the order of `features`.

        `index` labels the rows, one label for each value of every column.

        Raises:
            InvalidFrame: missing or unknown columns, or values that the model cannot take.
        """
        _check_names(self.features, columns)
        problems = _Problems(index)
        arrays = [_cast(feature, columns[feature.name], problems) for feature in self.features]
        problems.raise_if_any()
        labels = pd.Index(list(index), dtype=object)  # pandas must not guess: it fails on some odd texts
        if all(array.dtype == np.float64 for array in arrays):  # one block: cheaper here, and for scikit-learn
            return pd.DataFrame(np.column_stack(arrays), index=labels, columns=self._names, copy=False)
        # an explicit dtype, because pandas makes text columns of its own kind, in which None turns into NaN
        series = {
            feature.name: pd.Series(array, index=labels, dtype=array.dtype, copy=False)
            for feature, array in zip(self.features, arrays, strict=True)
        }
        return pd.DataFrame(series, index=labels, columns=self._names, copy=False)

    @cached_property
    def _names(self) -> "pd.Index[str]":
        return pd.Index([feature.name for feature in self.features])

    def predict(self, frame: pd.DataFrame) -> Probabilities:
        """Return P(goal) for each row of a frame made by `frame`, shape (rows,), each within [0, 1].

        Raises:
            InvalidFrame: the model refuses the rows, or has no probability for some of them.
        """
        if frame.empty:
            return np.empty(0)
        try:
            probabilities = self._scorer(frame)
        except ModelError:
            raise
        except Exception as error:  # a model of other people may raise anything on odd input
            raise InvalidFrame(f"the model cannot score these rows: {_short(error)}", {}) from error
        good = (probabilities >= 0) & (probabilities <= 1)  # False for NaN as well
        if not good.all():
            problems = _Problems(list(frame.index))
            problems.add_where(~good, None, probabilities.tolist(), "the model gives no probability within [0, 1]")
            problems.raise_if_any()
        return probabilities

    def check(self) -> float:
        """Score the golden row now and return its probability.

        Raises:
            ModelError: the golden row no longer gives what it gave when the model was loaded.
        """
        try:
            probability = float(self.predict(_one_row(self, self.golden_row))[0])
        except InvalidFrame as error:
            raise ModelError(f"{self.name} cannot score its golden row: {error}") from error
        if abs(probability - self.golden_probability) > GOLDEN_TOLERANCE:
            raise ModelError(
                f"{self.name} gives {probability:.9f} for its golden row instead of {self.golden_probability:.9f}"
            )
        return probability

    def describe(self) -> dict[str, Any]:
        """Return what `GET /model` answers: identity, columns, versions, and what the card says about quality."""
        return {
            "id": self.id,
            "workspace": self.name.workspace,
            "model": self.name.name,
            "version": self.name.version,
            "digest": self.digest,
            "features": [feature.describe() for feature in self.features],
            "sklearn_version": {"artifact": self.sklearn_version, "service": sklearn.__version__},
            "loaded_at": self.loaded_at.isoformat(timespec="milliseconds"),
            "golden_row": {"values": dict(self.golden_row), "probability": self.golden_probability},
            "population": self.card.get("population"),
            "metrics": self.card.get("metrics"),
            "warnings": list(self.warnings),
        }


@dataclass(frozen=True, eq=False)
class _Scorer:
    """The estimator's `predict_proba`, reduced to the column of class 1."""

    estimator: Any
    positive: int
    takes_names: bool

    def __call__(self, frame: pd.DataFrame) -> Probabilities:
        rows: Any = frame if self.takes_names else frame.to_numpy()
        answer = np.asarray(self.estimator.predict_proba(rows))
        if answer.shape != (len(frame), 2):
            raise ModelError(
                f"predict_proba answers shape {answer.shape} instead of ({len(frame)}, 2) for {len(frame)} rows"
            )
        return answer[:, self.positive].astype(np.float64, copy=False)


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
    with _one_load_at_a_time, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        estimator = _load_estimator(artifact.name, content, allow_pickle, caught)
        skew = _version_skew(caught)
        try:
            scorer = _make_scorer(estimator)  # first: that it is no classifier says more than what follows from it
            model = Model(
                name=name,
                digest=hashlib.sha256(content).hexdigest(),
                features=_features(estimator, card),
                card=card,
                golden_row={},
                golden_probability=math.nan,
                sklearn_version=skew or card.get("sklearn_version") or _recorded_version(content),
                warnings=(_skew_message(skew),) if skew else (),
                loaded_at=datetime.now(UTC),
                _scorer=scorer,
            )
            return _tried(model)
        except ModelError:
            raise
        except Exception as error:  # what was loaded may be anything that only looks like a classifier
            raise ModelError(f"{artifact.name} cannot be used: {type(error).__name__}: {_short(error)}") from error


def _read_card(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_CARD_BYTES:
            raise ModelError(f"card.json is larger than {MAX_CARD_BYTES:,} bytes")
        card = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ModelError(f"card.json cannot be read: {error}") from error
    if not isinstance(card, dict):
        raise ModelError("card.json must hold a JSON object")
    return card


def _load_estimator(
    file_name: str, content: bytes, allow_pickle: bool, caught: Sequence[warnings.WarningMessage]
) -> Any:
    suffix = Path(file_name).suffix.lower()
    if suffix in PICKLE_SUFFIXES:
        if not allow_pickle:
            raise ModelError(
                f"{file_name} is a pickle, which can run any code when loaded. Save the model with skops "
                "(skops.io.dump), or, if you trust everybody who can write to its workspace, name the workspace in "
                "XG_TRUST_PICKLE_WORKSPACES and restart the service"
            )
    elif suffix != ".skops":
        raise ModelError(f"{file_name} is not a model file: expected .skops")
    try:
        if suffix == ".skops":
            return skops.io.load(io.BytesIO(content), trusted=list(TRUSTED_TYPES))
        return joblib.load(io.BytesIO(content))
    except UntrustedTypesFoundException as error:
        raise ModelError(f"{file_name} is refused: {_short(error)}") from error
    except zipfile.BadZipFile as error:
        raise ModelError(f"{file_name} is damaged or not a skops file: {_short(error)}") from error
    except Exception as error:  # version skew and hostile files raise nearly anything
        made_with = _version_skew(caught) or _recorded_version(content)
        why = f"{file_name} cannot be loaded: {type(error).__name__}: {_short(error)}"
        if made_with and made_with != sklearn.__version__:
            why += f". {_skew_message(made_with)}, which is the likely reason: save it again with that version"
        raise ModelError(why) from error


def _version_skew(caught: Sequence[warnings.WarningMessage]) -> str | None:
    """Return the scikit-learn version that the artifact was made with, if loading it warned about it."""
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            return str(warning.message.original_sklearn_version)
    return None


def _skew_message(made_with: str) -> str:
    return f"made with scikit-learn {made_with}, loaded with {sklearn.__version__}"


def _recorded_version(content: bytes) -> str | None:
    """Return the scikit-learn version that a skops file or an uncompressed pickle records, if it can be seen."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("schema.json") as schema:
            content = schema.read(50_000_000)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, NotImplementedError):
        pass  # not a skops file: look at the bytes themselves
    found = re.search(rb"_sklearn_version.{1,400}?(\d+\.\d+(?:\.\w+)?)", content, re.DOTALL)
    return found.group(1).decode("ascii", "replace") if found else None


def _make_scorer(estimator: Any) -> _Scorer:
    if not callable(getattr(estimator, "predict_proba", None)):
        raise ModelError(f"the artifact holds a {type(estimator).__name__}, not a classifier with predict_proba")
    try:
        classes = np.asarray(estimator.classes_).tolist()
    except AttributeError as error:
        raise ModelError("the classifier has no classes_: it was not fitted") from error
    if len(classes) != 2 or {0, 1} != set(map(_hashable, classes)):
        raise ModelError(f"the classes must be 0 (no goal) and 1 (goal), not {_short(classes)}")
    _run_in_one_thread(estimator)
    return _Scorer(estimator, classes.index(1), _column_names(estimator) is not None)


def _run_in_one_thread(estimator: Any) -> None:
    """Undo `n_jobs`: starting threads costs more than the few rows of a request, and requests run side by side."""
    jobs = [name for name in estimator.get_params() if name.split("__")[-1] == "n_jobs"]
    estimator.set_params(**dict.fromkeys(jobs, 1))


def _hashable(value: object) -> object:
    return value if isinstance(value, Hashable) else None


def _column_names(estimator: Any) -> tuple[str, ...] | None:
    """Return the names that the estimator was fitted with; None if it saw a bare array."""
    names = getattr(estimator, "feature_names_in_", None)
    return tuple(map(str, names)) if names is not None else None


def _features(estimator: Any, card: Mapping[str, Any]) -> tuple[Feature, ...]:
    described = _card_features(card)
    names = _column_names(estimator) or tuple(described)
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
        raise ModelError(f"card.json and the model disagree about the columns {_short(differing)}")
    encoded = _encoded_categories(estimator, names)
    features = []
    for column in names:
        feature = described.get(column, Feature(column, "number"))
        if column in encoded:
            known = tuple(value for value in encoded[column] if not _is_null(value))
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
            f"list or absent}}, not {_short(error)}"
        ) from error
    return features


def _encoded_categories(estimator: Any, names: tuple[str, ...]) -> dict[str, tuple[Scalar, ...]]:
    """Return the categories of the columns that the first steps of a pipeline hand to a fitted encoder."""
    inner = _innermost_first_step(estimator)
    if hasattr(inner, "transformers_"):  # ColumnTransformer
        parts = [(part, columns) for _, part, columns in inner.transformers_]
    elif getattr(inner, "_preprocessor", None) is not None:  # histogram gradient boosting with category columns
        parts = [(part, columns) for _, part, columns in inner._preprocessor.transformers_]
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


def _tried(model: Model) -> Model:
    """Return the model with its golden row and what probing showed about nulls and unknown categories."""
    row = _golden_row(model)
    # everything may pass until it is known what the model takes
    lenient = replace(model, features=tuple(replace(f, nullable=True, takes_unknown=True) for f in model.features))
    try:
        probability = float(lenient.predict(_one_row(lenient, row))[0])
    except (InvalidFrame, ModelError) as error:
        made_up = "" if model.card.get("golden_row") else " (made up, since card.json has none)"
        raise ModelError(f"the model fails on its golden row{made_up}: {error}") from error
    promised = model.card.get("golden_probability")
    if promised is not None:
        if not isinstance(promised, int | float):
            raise ModelError('card.json: "golden_probability" must be a number')
        if not abs(probability - promised) <= GOLDEN_TOLERANCE:
            raise ModelError(
                f"the model gives {probability:.9f} for its golden row where its card promises {promised:.9f}"
            )

    def scores(feature: Feature, value: Scalar) -> bool:
        try:
            lenient.predict(_one_row(lenient, {**row, feature.name: value}))
        except (InvalidFrame, ModelError):
            return False
        return True

    features = tuple(
        replace(
            feature,
            nullable=scores(feature, None),
            takes_unknown=feature.kind == "category" and scores(feature, _made_up_category(feature)),
        )
        for feature in model.features
    )
    return replace(model, features=features, golden_row=row, golden_probability=probability)


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


def _made_up_category(feature: Feature) -> Scalar:
    if _holds(feature, int, float):
        return max(c for c in feature.categories or () if isinstance(c, int | float)) + 1
    return UNKNOWN_CATEGORY


def _one_row(model: Model, row: Mapping[str, Scalar]) -> pd.DataFrame:
    return model.frame({name: [value] for name, value in row.items()}, [0])


def _check_names(features: Sequence[Feature], columns: Mapping[str, Any]) -> None:
    missing = [feature.name for feature in features if feature.name not in columns]
    if not missing and len(columns) == len(features):
        return
    known = {feature.name for feature in features}
    unknown = [str(column) for column in columns if column not in known]
    parts = [
        f"{len(names)} {word} column{'s' if len(names) > 1 else ''} ({_short(', '.join(names))})"
        for names, word in ((missing, "missing"), (unknown, "unknown"))
        if names
    ]
    raise InvalidFrame(
        f"the frame has {' and '.join(parts)}; GET /model lists what the model wants",
        {
            "missing": missing[:MAX_COLUMNS_LISTED],
            "unknown": [_short(name) for name in unknown[:MAX_COLUMNS_LISTED]],
            "missing_count": len(missing),
            "unknown_count": len(unknown),
        },
    )


class _Problems:
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
        if not self._count:
            return
        first = self._listed[0]
        where = f"row {_short(first['row'])}" + (f", column {first['column']}" if first["column"] else "")
        raise InvalidFrame(
            f"{len(self._rows)} row{'s' if len(self._rows) > 1 else ''} cannot be scored; {where}: {first['problem']}",
            {"rows": self._listed, "row_count": len(self._rows), "problem_count": self._count},
        )


def _cast(feature: Feature, values: Sequence[Any], problems: _Problems) -> npt.NDArray[Any]:
    array: npt.NDArray[Any]
    if hasattr(values, "tolist"):  # arrays and Series: plain Python values, as JSON gives them
        values = values.tolist()
    if feature.kind == "number" or _holds(feature, int, float):
        array = _cast_numbers(feature.name, values, problems)
        if not feature.nullable:
            problems.add_where(np.isnan(array), feature.name, values, "must not be null")
    else:
        array = _cast_categories(feature, values, problems)
    if feature.categories is not None and not feature.takes_unknown:
        known = {*feature.categories, None}
        strange = [not _is_null(value) and value not in known for value in map(_hashable, values)]
        problems.add_where(strange, feature.name, values, "is not a category that the model knows")
    return array


def _holds(feature: Feature, *types: type) -> bool:
    """Whether all known categories of the feature are exactly of these types."""
    return bool(feature.categories) and all(type(category) in types for category in feature.categories or ())


def _cast_numbers(name: str, values: Sequence[Any], problems: _Problems) -> npt.NDArray[np.float64]:
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


def _cast_categories(feature: Feature, values: Sequence[Any], problems: _Problems) -> npt.NDArray[np.object_]:
    allowed: tuple[type, ...] = (str, int, float, bool)
    why = "must be text, a number or true/false"
    if _holds(feature, str):
        allowed, why = (str,), "must be text"
    elif _holds(feature, bool):
        allowed, why = (bool,), "must be true or false"
    odd = [not _is_null(value) and not isinstance(value, allowed) for value in values]
    problems.add_where(odd, feature.name, values, why)
    null = [_is_null(value) for value in values]
    if not feature.nullable:
        problems.add_where(null, feature.name, values, "must not be null")
    array = np.empty(len(values), dtype=object)
    array[:] = [feature.null if is_null else value for value, is_null in zip(values, null, strict=True)]
    return array


def _is_null(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _showable(value: Any) -> Any:
    """Return a value that is safe and short in a JSON answer."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and abs(value) < 2**63):
        return value
    return _short(value)


def _short(value: object, limit: int = 300) -> str:
    try:
        text = str(value)
    except ValueError:  # Python refuses to print integers of many thousand digits
        text = "a very large number"
    return text if len(text) <= limit else text[:limit] + "..."
