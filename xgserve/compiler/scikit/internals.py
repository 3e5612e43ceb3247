"""Every private name of scikit-learn that the service relies on, one function per fact.

The release is pinned, since private names may change with the next one. Check this file at every upgrade.
"""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.interpolate import BSpline
from sklearn.calibration import _SigmoidCalibration
from sklearn.cluster._kmeans import _BaseKMeans as BaseKMeans
from sklearn.ensemble._gb import BaseGradientBoosting as BaseGradientBoosting
from sklearn.ensemble._hist_gradient_boosting.gradient_boosting import BaseHistGradientBoosting
from sklearn.neighbors import BallTree, KDTree
from sklearn.neighbors._base import NeighborsBase
from sklearn.preprocessing import PolynomialFeatures
from sklearn.svm._base import BaseSVC as BaseSVC
from sklearn.tree._tree import Tree as CartTree

__all__ = ["BaseGradientBoosting", "BaseHistGradientBoosting", "BaseKMeans", "BaseSVC", "CartTree", "NeighborsBase"]

VERSION = "_sklearn_version"  # an attribute of every saved estimator
THREAD_COUNTS = frozenset({"n_jobs", "n_threads", "_n_threads"})  # the attributes that make an estimator start threads
NEIGHBOUR_TREES = {"kd_tree": KDTree, "ball_tree": BallTree}


def makes_frames(estimator: Any) -> bool:
    """Return whether `set_output` makes a step return DataFrames."""
    config: Mapping[str, str] = getattr(estimator, "_sklearn_output_config", {})
    return config.get("transform", "default") != "default"


def input_indices(transformer: Any) -> Mapping[str, Sequence[int]]:
    """Return the column indices of each part of a fitted ColumnTransformer, by the name of the part."""
    return transformer._transformer_to_input_indices  # type: ignore[no-any-return]


def preprocessor_of(estimator: Any) -> Any:
    """Return the preprocessor of histogram boosting with category columns; None for all other estimators."""
    return estimator._preprocessor if isinstance(estimator, BaseHistGradientBoosting) else None


def without_preprocessor(boosting: Any) -> Any:
    """Return a copy of histogram boosting that takes its preprocessor's output."""
    bare = copy.copy(boosting)
    bare._preprocessor = None
    return bare


def has_rounds(boosting: Any) -> bool:
    """Return whether histogram boosting was fitted."""
    return hasattr(boosting, "_predictors")


def rounds_of(boosting: Any) -> Sequence[Sequence[Any]]:
    """Return the trees of histogram boosting, one list per round."""
    return boosting._predictors  # type: ignore[no-any-return]


def baseline_of(boosting: Any) -> float:
    """Return the log odds that the trees of histogram boosting are added to."""
    return boosting._baseline_prediction.item()  # type: ignore[no-any-return]


def is_category(boosting: Any) -> Any:
    """Return which columns histogram boosting splits by sets of categories, shape (columns,)."""
    return boosting._bin_mapper.is_categorical_


def start_of(boosting: Any) -> float:
    """Return the log odds that the trees of gradient boosting are added to."""
    return boosting._raw_predict_init(np.zeros((1, boosting.n_features_in_))).item()  # type: ignore[no-any-return]


def encoded_widths(encoder: Any) -> tuple[list[int], list[int]]:
    """Return how many columns a OneHotEncoder makes per column: computed from its categories, and as stored."""
    return encoder._compute_n_features_outs(), encoder._n_features_outs


def dropped_codes(encoder: Any) -> list[int | None]:
    """Return the code that a OneHotEncoder drops per column."""
    dropped = encoder._drop_idx_after_grouping
    return [None] * len(encoder._n_features_outs) if dropped is None else dropped.tolist()


def infrequent_codes(encoder: Any) -> tuple[Sequence[Any], Sequence[Any]]:
    """Return, per column, a OneHotEncoder's mapping of codes and the categories that it groups."""
    if encoder._infrequent_enabled:
        return encoder._default_to_infrequent_mappings, encoder._infrequent_indices
    none = [None] * len(encoder._n_features_outs)
    return none, none


def degrees_of(polynomials: Any) -> tuple[int, int]:
    """Return the lowest and the highest degree that PolynomialFeatures was fitted with."""
    return polynomials._min_degree, polynomials._max_degree


def polynomial_widths(polynomials: Any) -> tuple[list[int], list[int]]:
    """Return the number of products from degree 0 and from the lowest degree: counted, and as stored."""
    lowest, highest = degrees_of(polynomials)
    counted = [
        PolynomialFeatures._num_combinations(
            n_features=polynomials.n_features_in_,
            min_degree=degree,
            max_degree=highest,
            interaction_only=polynomials.interaction_only,
            include_bias=polynomials.include_bias,
        )
        for degree in (0, lowest)
    ]
    return counted, [polynomials._n_out_full, polynomials.n_output_features_]


def remade_spline(spline: Any) -> BSpline:
    """Return a spline made by SciPy's own constructor, which checks its knots and coefficients."""
    return BSpline(spline._t, spline._c, spline.k, extrapolate=spline.extrapolate, axis=spline.axis)


def has_neighbours(classifier: Any) -> bool:
    """Return whether a neighbours classifier was fitted."""
    return hasattr(classifier, "_fit_X")


def neighbours_of(classifier: Any) -> tuple[Any, Any]:
    """Return the rows among which neighbours are searched, and their classes."""
    return classifier._fit_X, classifier._y


def regrow_tree(neighbours: Any) -> None:
    """Rebuild the search tree of neighbours with its constructor, which checks the rows."""
    grow = NEIGHBOUR_TREES.get(getattr(neighbours, "_fit_method", ""))
    if grow is not None:
        metric, options = neighbours.effective_metric_, neighbours.effective_metric_params_
        neighbours._tree = grow(neighbours._fit_X, neighbours.leaf_size, metric=metric, **options)


def support_vectors_fit(machine: Any) -> bool:
    """Return whether the arrays of a fitted support vector machine for two classes are consistent."""
    count = len(machine.support_)
    return bool(
        machine.support_vectors_.shape == (count, machine.n_features_in_)
        and machine._dual_coef_.shape == (1, count)
        and machine._n_support.shape == (2,)
        and (machine._n_support >= 0).all()
        and machine._n_support.sum() == count
        and machine._intercept_.size == 1
        and machine._probA.size == machine._probB.size <= 1
    )


def platt_of(calibrator: Any) -> tuple[float, float] | None:
    """Return the slope and the offset of a sigmoid calibrator; None for other kinds."""
    return (calibrator.a_, calibrator.b_) if isinstance(calibrator, _SigmoidCalibration) else None
