"""What of an estimator is not taken from its file but made anew from its numbers: splines, trees of neighbours."""

from collections.abc import Iterable
from typing import Any

from scipy.interpolate import BSpline
from sklearn.neighbors import BallTree, KDTree
from sklearn.neighbors._base import NeighborsBase
from sklearn.preprocessing import SplineTransformer

TREES = {"kd_tree": KDTree, "ball_tree": BallTree}


def rebuild(parts: Iterable[object]) -> None:
    """Give the parts of an estimator that skops has built their splines and trees of neighbours.

    Compiled code takes both on trust; their constructors look at what they are given.

    Raises:
        Exception: whatever a constructor raises on numbers that do not go together.
    """
    for part in parts:
        match part:
            case SplineTransformer(bsplines_=splines):
                part.bsplines_ = [_spline(spline) for spline in splines]
            case NeighborsBase(_fit_method=method) if method in TREES:
                part._tree = TREES[method](
                    part._fit_X, part.leaf_size, metric=part.effective_metric_, **part.effective_metric_params_
                )


def _spline(spline: Any) -> BSpline:
    return BSpline(spline._t, spline._c, spline.k, extrapolate=spline.extrapolate, axis=spline.axis)
