"""A fitted classifier as scikit-learn itself evaluates it, on plain arrays where that is the same as on a DataFrame."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer

from xgserve.compiler.integrity import parts_of
from xgserve.errors import ModelError

Probabilities = npt.NDArray[np.float64]

WORKING_MEMORY_MB = 64  # for the distances to all neighbours; scikit-learn's own is a gigabyte


class Whole:
    """The estimator's `predict_proba`, reduced to the column of class 1."""

    def __init__(self, estimator: Any, positive: int, names: Sequence[str]) -> None:
        """Take over a fitted estimator with its class 1 at the place `positive`, for columns of these names.

        The estimator is changed: where it can do without the names of its columns, it forgets them.
        """
        self.estimator = estimator
        self.positive = positive
        self._names = list(names)
        self.takes_arrays = _forget_names(estimator) if hasattr(estimator, "feature_names_in_") else True

    def __call__(self, arrays: Sequence[npt.NDArray[Any]]) -> Probabilities:
        """Return P(class 1) of each row of the columns, shape (rows,).

        Raises:
            ModelError: `predict_proba` answers in another shape.
            Exception: whatever the estimator raises on rows that it refuses.
        """
        rows = len(arrays[0])
        with sklearn.config_context(working_memory=WORKING_MEMORY_MB):
            answer = np.asarray(self.estimator.predict_proba(self._table(arrays)))
        if answer.shape != (rows, 2):
            raise ModelError(f"predict_proba answers shape {answer.shape} instead of ({rows}, 2) for {rows} rows")
        return answer[:, self.positive].astype(np.float64, copy=False)

    def _table(self, arrays: Sequence[npt.NDArray[Any]]) -> Any:
        if self.takes_arrays:
            # None and numbers of Python stay what they are among objects
            return np.column_stack(arrays)
        import pandas as pd  # a fifth of the start and of the memory, which most models do without

        # an explicit dtype: pandas makes text columns of its own kind, slow on odd texts, in which None turns into NaN
        columns = {
            name: pd.Series(array, dtype=array.dtype, copy=False)
            for name, array in zip(self._names, arrays, strict=True)
        }
        return pd.DataFrame(columns, columns=pd.Index(self._names, dtype=object), copy=False)


def _forget_names(estimator: Any) -> bool:
    """Make the estimator take arrays and return True; leave it as it is if it may do something else with a DataFrame.

    scikit-learn's own estimators hold names against those of the fit and look columns up by them, no more.
    """
    parts = list(parts_of(estimator))
    if any(_may_want_frames(part) for part in parts):
        return False
    for part in parts:
        if isinstance(part, ColumnTransformer) and hasattr(part, "transformers_"):  # fitted
            places = part._transformer_to_input_indices
            part.transformers_ = [
                (name, step, places[name][0] if isinstance(columns, str) else places[name])
                for name, step, columns in part.transformers_
            ]
        if isinstance(part, BaseEstimator):
            vars(part).pop("feature_names_in_", None)
    return True


def _may_want_frames(part: object) -> bool:
    match part:
        case FunctionTransformer(func=function) if function is not None:
            function = function.func if isinstance(function, partial) else function
            return not str(getattr(function, "__module__", "")).startswith("sklearn.")
        case BaseEstimator():
            makes_frames = getattr(part, "_sklearn_output_config", {}).get("transform", "default") != "default"
            return makes_frames or not type(part).__module__.startswith("sklearn.")
    return False
