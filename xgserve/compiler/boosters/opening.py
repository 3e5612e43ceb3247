"""Open boosters: files of both libraries, their `Booster` objects, and their scikit-learn classes."""

import sys
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final

from xgserve.compiler.boosters.columns import Described
from xgserve.compiler.boosters.ensemble import Ensemble
from xgserve.compiler.boosters.lightgbm_file import LIGHTGBM, read_lightgbm
from xgserve.compiler.boosters.lightgbm_file import load_library as load_lightgbm
from xgserve.compiler.boosters.xgboost_file import XGBOOST, read_document, read_xgboost
from xgserve.compiler.boosters.xgboost_file import load_library as load_xgboost
from xgserve.compiler.graph import NotCompilable
from xgserve.compiler.opened import Opened
from xgserve.compiler.versions import Versions
from xgserve.errors import ModelError
from xgserve.model.schema import is_null
from xgserve.names import XGBOOST_SUFFIXES

JSON: Final = ".json"

# The base classes of what both libraries make for scikit-learn, and of their own models.
_XGBOOST, _LIGHTGBM = ("xgboost.sklearn", "XGBModel"), ("lightgbm.sklearn", "LGBMModel")
_XGBOOST_OWN, _LIGHTGBM_OWN = ("xgboost.core", "Booster"), ("lightgbm.basic", "Booster")


def import_library(suffix: str) -> None:
    """Import the library that wrote a file with this suffix, if it is installed."""
    library = XGBOOST if suffix in XGBOOST_SUFFIXES else LIGHTGBM
    if find_spec(library) is not None:
        import_module(library)


def open_file(suffix: str, content: bytes, described: Described) -> Opened:
    """Open a model file of XGBoost or LightGBM; `described` are the columns in the card.

    Raises:
        ModelError: it is damaged, or does not give the probability of an outcome by trees.
    """
    try:
        if suffix in XGBOOST_SUFFIXES:
            return read_xgboost(read_document(suffix, content), described, partial(load_xgboost, content)).opened()
        text = content.decode().replace("\r\n", "\n")
        return read_lightgbm(text, described, partial(load_lightgbm, text)).opened()
    except UnicodeDecodeError as error:
        raise ModelError(f"it is damaged or no model of LightGBM: {error}") from error
    except NotCompilable as error:
        raise ModelError(str(error)) from error


def open_booster(model: Any, described: Described) -> Opened | None:
    """Open a library's own model, which is no classifier; return None for any other object.

    Raises:
        ModelError: it does not give the probability of an outcome by trees.
    """
    try:
        if _is(model, _XGBOOST_OWN):
            model.set_param({"nthread": 1})
            document = read_document(JSON, bytes(model.save_raw("json")))
            return read_xgboost(document, described, lambda: model, best_rounds=False).opened()
        if _is(model, _LIGHTGBM_OWN):
            return read_lightgbm(model.model_to_string(), described, lambda: model).opened()
    except NotCompilable as error:
        raise ModelError(str(error)) from error
    return None


def is_boosted(estimator: object) -> bool:
    """Return whether an estimator is one of XGBoost's or LightGBM's."""
    return _is(estimator, _XGBOOST) or _is(estimator, _LIGHTGBM)


def library_versions(estimator: object) -> Versions | None:
    """Return the versions of a booster's library; None for other estimators, also those around a booster."""
    if not is_boosted(estimator):
        return None
    library = type(estimator).__module__.partition(".")[0]
    return Versions(library, None, sys.modules[library].__version__)


def run_in_one_thread(estimator: Any) -> None:
    """Undo the number of threads that XGBoost's own model was fitted with; LightGBM's is the estimator's `n_jobs`."""
    if _is(estimator, _XGBOOST) and hasattr(estimator, "_Booster"):
        estimator.get_booster().set_param({"nthread": 1})


def ensemble_of(estimator: Any, described: Described | None = None) -> Ensemble:
    """Return the ensemble of a fitted estimator of XGBoost or LightGBM.

    `described` are the columns that it takes; None for those that a step before it makes, which have no names.

    Raises:
        ModelError: it is damaged, or its columns are not known.
        NotCompilable: it does not give the probability of an outcome by trees, or takes a number for a missing value.
    """
    if _is(estimator, _LIGHTGBM):
        return read_lightgbm(estimator.booster_.model_to_string(), described)
    if not is_null(estimator.missing):
        raise NotCompilable(f"it takes {estimator.missing} for a missing value")
    document = read_document(JSON, bytes(estimator.get_booster().save_raw("json")))
    return read_xgboost(document, described, best_rounds=True)


def _is(model: object, base: tuple[str, str]) -> bool:
    return any((of.__module__, of.__qualname__) == base for of in type(model).__mro__)
