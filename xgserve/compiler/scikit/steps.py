"""Translate transformers of numbers: what each does with a matrix, as nodes of a graph."""

from collections.abc import Sequence
from functools import partial, reduce, singledispatch
from typing import Any

import numpy as np
import scipy.special
from sklearn.decomposition import PCA
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
)
from sklearn.utils import check_array

from xgserve.compiler.graph import Graph, NotCompilable, Step
from xgserve.model.schema import is_null


def nothing(_graph: Graph, rows: str) -> str:
    """Return the rows as they are."""
    return rows


def chain(steps: Sequence[Step]) -> Step:
    """Return the steps one after another as one step."""
    some = [step for step in steps if step is not nothing]
    return (lambda graph, rows: reduce(lambda tensor, step: step(graph, tensor), some, rows)) if some else nothing


@singledispatch
def step_of(transformer: Any) -> Step:
    """Return what a transformer does with a matrix of numbers.

    Raises:
        NotCompilable: it has no translation.
    """
    raise NotCompilable(f"{type(transformer).__name__} has no translation")


@step_of.register(str)
@step_of.register(type(None))
def _(_passthrough: str | None) -> Step:
    return nothing


@step_of.register
def _(pipeline: Pipeline) -> Step:
    return chain([step_of(part) for _, part in pipeline.steps])


_FUNCTIONS: dict[Any, Step] = {
    np.abs: lambda graph, rows: graph.add("Abs", rows),
    np.exp: lambda graph, rows: graph.add("Exp", rows),
    np.log: lambda graph, rows: graph.add("Log", rows),
    np.log1p: lambda graph, rows: graph.add("Log", graph.add("Add", rows, graph.constant(1.0))),
    np.sqrt: lambda graph, rows: graph.add("Sqrt", rows),
    np.square: lambda graph, rows: graph.add("Mul", rows, rows),
    scipy.special.expit: lambda graph, rows: graph.add("Sigmoid", rows),
}


@step_of.register
def _(function: FunctionTransformer) -> Step:
    checks = isinstance(function.func, partial) and function.func.func is check_array  # as in histogram boosting
    if function.func is None or checks:
        return nothing
    known = [step for func, step in _FUNCTIONS.items() if func is function.func]
    if not known or function.kw_args:
        raise NotCompilable(f"the function {getattr(function.func, '__name__', function.func)} has no translation")
    return known[0]


@step_of.register
def _(scaler: StandardScaler) -> Step:
    mean = scaler.mean_ if scaler.with_mean else None
    return _scaled(mean, scaler.scale_ if scaler.with_std else None)


@step_of.register
def _(scaler: RobustScaler) -> Step:
    return _scaled(scaler.center_ if scaler.with_centering else None, scaler.scale_ if scaler.with_scaling else None)


@step_of.register
def _(scaler: MaxAbsScaler) -> Step:
    if getattr(scaler, "clip", False):
        raise NotCompilable("MaxAbsScaler with clip has no translation")
    return _scaled(None, scaler.scale_)


def _scaled(center: Any, scale: Any) -> Step:
    """Return the step that subtracts a row of centers and divides by a row of scales; None is left out."""

    def step(graph: Graph, rows: str) -> str:
        if center is not None:
            rows = graph.add("Sub", rows, graph.constant(center))
        return rows if scale is None else graph.add("Div", rows, graph.constant(scale))

    return step


@step_of.register
def _(scaler: MinMaxScaler) -> Step:
    if scaler.clip:
        raise NotCompilable("MinMaxScaler with clip has no translation")
    return lambda graph, rows: graph.add(
        "Add", graph.add("Mul", rows, graph.constant(scaler.scale_)), graph.constant(scaler.min_)
    )


@step_of.register
def _(imputer: SimpleImputer) -> Step:
    fill = imputer.statistics_
    fills_nulls = is_null(imputer.missing_values) and fill.dtype.kind == "f" and not np.isnan(fill).any()
    if imputer.add_indicator or not fills_nulls:
        raise NotCompilable("SimpleImputer with an indicator, for other values or without a fill has no translation")
    return lambda graph, rows: graph.add("Where", graph.add("IsNaN", rows), graph.constant(fill), rows)


@step_of.register
def _(polynomials: PolynomialFeatures) -> Step:
    powers = polynomials.powers_
    ones = powers.shape[1]  # the place of a column of ones
    factors = [np.repeat(np.arange(ones), of) for of in powers]
    degree = max(map(len, factors))
    padded = np.array([[*of, *[ones] * (degree - len(of))] for of in factors], np.int64)

    def step(graph: Graph, rows: str) -> str:
        with_ones = graph.add("Pad", rows, graph.constant([0, 0, 0, 1], np.int64), graph.constant(1.0))
        columns = [graph.add("Gather", with_ones, graph.constant(of, np.int64), axis=1) for of in padded.T]
        return reduce(lambda product, column: graph.add("Mul", product, column), columns)

    return step


@step_of.register
def _(pca: PCA) -> Step:
    scale = np.sqrt(pca.explained_variance_) if pca.whiten else 1.0
    weights = pca.components_.T / scale
    return lambda graph, rows: graph.add(
        "MatMul", graph.add("Sub", rows, graph.constant(pca.mean_)), graph.constant(weights)
    )
