"""A fitted classifier evaluated by scikit-learn itself, on plain arrays if they give the same result as a DataFrame."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import sklearn
from sklearn.base import BaseEstimator
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import FunctionTransformer

from xgserve.compiler.scikit.integrity import parts_of
from xgserve.compiler.scikit.internals import input_indices, makes_frames
from xgserve.compiler.versions import Versions
from xgserve.contract import Scalar
from xgserve.errors import InvalidFrame, ModelError
from xgserve.model.model import Probabilities, Values
from xgserve.model.validation import FrameReader
from xgserve.text import clipped

WORKING_MEMORY_MB = 64  # for the distances to all neighbours; scikit-learn's own is a gigabyte


@dataclass(frozen=True, eq=False)
class SklearnPath:
    """Scores with the estimator's own `predict_proba`; class 1 is its column `positive`.

    `takes_arrays` says whether the estimator is given plain arrays (see `forget_names`) or a DataFrame, in which the
    columns `native` have the dtype category; unknown categories are missing there.
    """

    estimator: Any
    positive: int
    takes_arrays: bool
    reader: FrameReader
    versions: Versions
    native: Mapping[str, Sequence[Scalar]]

    def read(self, values: Values, index: Sequence[Any]) -> list[npt.NDArray[Any]]:
        """Return the columns as arrays; see `Scorer`."""
        return self.reader.arrays(values, index)

    def score(self, rows: Sequence[npt.NDArray[Any]]) -> Probabilities:
        """Return P(class 1) of each row of the columns; see `Scorer`."""
        count = len(rows[0])
        try:
            with sklearn.config_context(working_memory=WORKING_MEMORY_MB):
                answer = np.asarray(self.estimator.predict_proba(self._table(rows)))
        except Exception as error:  # other people's models may raise anything on odd input
            skew = "" if isinstance(error, ValueError) else self.versions.reason(error)
            raise InvalidFrame(f"the model cannot score these rows: {clipped(error)}{skew}") from error
        if answer.shape != (count, 2):
            raise ModelError(f"predict_proba answers shape {answer.shape} instead of ({count}, 2) for {count} rows")
        return answer[:, self.positive].astype(np.float64, copy=False)

    def _table(self, arrays: Sequence[npt.NDArray[Any]]) -> Any:
        if self.takes_arrays:
            # in an array of objects, None and Python's numbers keep their types
            return np.column_stack(arrays)
        import pandas as pd  # a fifth of the start-up time and memory, and most models do without

        # an explicit dtype: pandas' own text columns are slow on odd texts and turn None into NaN
        names = [column.name for column in self.reader.columns]
        series = {
            name: pd.Series(_as_pandas_category(array, self.native[name]))
            if name in self.native
            else pd.Series(array, dtype=array.dtype, copy=False)
            for name, array in zip(names, arrays, strict=True)
        }
        return pd.DataFrame(series, columns=pd.Index(names, dtype=object), copy=False)


def _as_pandas_category(array: npt.NDArray[Any], categories: Sequence[Scalar]) -> Any:
    """Return values as a pandas category; unknown ones are missing."""
    import pandas as pd

    known = pd.Index(list(categories), dtype=array.dtype)
    codes = known.get_indexer(pd.Index(array, dtype=array.dtype))
    return pd.Categorical.from_codes(codes, pd.Index(list(categories)))


def forget_names(estimator: Any) -> bool:
    """Make the estimator take arrays and return True; return False if it may treat a DataFrame differently.

    scikit-learn's own estimators only compare the names with those of the fit, and look up columns by them.
    """
    if not hasattr(estimator, "feature_names_in_"):
        return True
    parts = list(parts_of(estimator))
    if any(_may_want_frames(part) for part in parts):
        return False
    for part in parts:
        if isinstance(part, ColumnTransformer) and hasattr(part, "transformers_"):  # fitted
            indices = input_indices(part)
            part.transformers_ = [
                (name, step, indices[name][0] if isinstance(columns, str) else indices[name])
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
            return makes_frames(part) or not type(part).__module__.startswith("sklearn.")
    return False
