"""From an artifact's bytes to the estimator inside: which types may be built at all, and what to say when it fails."""

import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import joblib
import sklearn
import skops.io
from sklearn.exceptions import InconsistentVersionWarning
from skops.io.exceptions import UntrustedTypesFoundException

from xgserve.artifacts import PICKLE_SUFFIXES, SKOPS_SUFFIX
from xgserve.errors import ModelError, clipped

# What a .skops file may hold beyond skops' own list of public scikit-learn estimators, numpy types and plain
# containers: what pipelines, linear models, forests, boosting, calibration and searches over them are made of.
# None of these runs code when built. Never extend it with what a file asks for.
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
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",  # see indices.py
    "sklearn.metrics._scorer._PassthroughScorer",
    "sklearn.model_selection._split.StratifiedKFold",
    "sklearn.tree._tree.Tree",  # see indices.py
    "sklearn.utils._bunch.Bunch",
    "sklearn.utils.validation.check_array",
    "xgboost.core.Booster",
    "xgboost.sklearn.XGBClassifier",
)


def load_estimator(file_name: str, content: bytes, *, allow_pickle: bool) -> tuple[Any, str | None]:
    """Return what the artifact holds, and the scikit-learn version it was made with, where that can be seen.

    Not for two threads at a time: it listens to warnings, which are the whole process's.

    Raises:
        ModelError: the artifact is not trusted, damaged, or cannot be loaded with the libraries here.
    """
    suffix = Path(file_name).suffix.lower()
    if suffix in PICKLE_SUFFIXES and not allow_pickle:
        raise ModelError(
            f"{file_name} is a pickle, which can run any code when loaded. Save the model with skops "
            "(skops.io.dump), or, if you trust everybody who can write to its workspace, name the workspace in "
            "XG_TRUST_PICKLE_WORKSPACES and restart the service"
        )
    if suffix not in (SKOPS_SUFFIX, *PICKLE_SUFFIXES):
        raise ModelError(f"{file_name} is not a model file: expected {SKOPS_SUFFIX}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if suffix == SKOPS_SUFFIX:
                estimator = skops.io.load(io.BytesIO(content), trusted=list(TRUSTED_TYPES))
            else:
                estimator = joblib.load(io.BytesIO(content))
        except UntrustedTypesFoundException as error:
            raise ModelError(f"{file_name} is refused: {clipped(error)}") from error
        except zipfile.BadZipFile as error:
            raise ModelError(f"{file_name} is damaged or not a skops file: {clipped(error)}") from error
        except Exception as error:  # version skew and hostile files raise nearly anything
            why = f"{file_name} cannot be loaded: {type(error).__name__}: {clipped(error)}"
            made_with = _made_with(caught, content)
            if made_with and made_with != sklearn.__version__:
                why += f". {version_skew(made_with)}, which is the likely reason: save it again with that version"
            raise ModelError(why) from error
    return estimator, _made_with(caught, content)


def version_skew(made_with: str) -> str:
    """Return what to tell people about an artifact of another scikit-learn."""
    return f"made with scikit-learn {made_with}, loaded with {sklearn.__version__}"


def _made_with(caught: list[warnings.WarningMessage], content: bytes) -> str | None:
    """Return the scikit-learn version that loading warned about, or that the file records where it can be seen."""
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            return str(warning.message.original_sklearn_version)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("schema.json") as schema:
            content = schema.read(50_000_000)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, NotImplementedError):
        pass  # not a skops file: look at the bytes of the pickle
    found = re.search(rb"_sklearn_version.{1,400}?(\d+\.\d+(?:\.\w+)?)", content, re.DOTALL)
    return found.group(1).decode("ascii", "replace") if found else None
