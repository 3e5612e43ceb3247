"""Translate a fitted scikit-learn classifier: encoders to tables of the frame reader, the rest to an ONNX graph.

Each kind of estimator has one function below. What has none is not compilable; a worker process scores with it.
"""

from collections.abc import Callable, Sequence
from functools import partial, reduce, singledispatch
from typing import Any, NamedTuple

import numpy as np
import scipy.special
from scipy.sparse import issparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier
from sklearn.utils import check_array

from xgserve.compiler import sklearn_internals as internals
from xgserve.compiler.graph import Graph, NotCompilable, Step
from xgserve.compiler.tree_ensemble import Sides, Tree, sum_of_trees
from xgserve.model.schema import REFUSED, Column, is_null
from xgserve.model.validation import ColumnCodec

Columns = Sequence[Column]

# The codecs of a classifier's columns, and what makes P(class 1), shape (rows, 1), of the encoded matrix.
Translation = tuple[list[ColumnCodec], Step]


@singledispatch
def translate(classifier: Any, columns: Columns) -> Translation:
    """Return the codecs and the graph of a fitted classifier.

    Raises:
        NotCompilable: a part has no translation.
    """
    return as_numbers(columns), probability(classifier)


@translate.register(GridSearchCV)
@translate.register(RandomizedSearchCV)
def _(search: Any, columns: Columns) -> Translation:
    return translate(search.best_estimator_, columns)


@translate.register
def _(pipeline: Pipeline, columns: Columns) -> Translation:
    return after(pipeline[:-1], pipeline[-1], columns)


@translate.register
def _(boosting: HistGradientBoostingClassifier, columns: Columns) -> Translation:
    preprocessor = internals.preprocessor_of(boosting)
    if preprocessor is None:
        return as_numbers(columns), probability(boosting)
    return after(preprocessor, internals.without_preprocessor(boosting), columns)


def after(transformer: Any, classifier: Any, columns: Columns) -> Translation:
    """Return the translation of a classifier behind a transformer.

    Raises:
        NotCompilable: a part has no translation.
    """
    codecs, step = _read(transformer, columns)
    return codecs, _chain([step, probability(classifier)])


@singledispatch
def _read(transformer: Any, columns: Columns) -> Translation:
    """Return the codecs of a transformer's columns, and the step that remains for the encoded matrix."""
    return as_numbers(columns), _step(transformer)


@_read.register
def _(pipeline: Pipeline, columns: Columns) -> Translation:
    first, *others = [part for _, part in pipeline.steps]
    codecs, step = _read(first, columns)
    return codecs, _chain([step, *map(_step, others)])


@_read.register
def _(by_column: ColumnTransformer, columns: Columns) -> Translation:
    if by_column.transformer_weights:
        raise NotCompilable("its columns are weighted")
    codecs: list[ColumnCodec] = []
    blocks: list[tuple[list[int], Step]] = []
    for name, part, _ in by_column.transformers_:
        if part != "drop":
            read, step = _read(part, [columns[position] for position in internals.input_indices(by_column)[name]])
            if read:
                blocks.append((list(range(len(codecs), len(codecs) + len(read))), step))
            codecs += read
    if all(step is nothing for _, step in blocks):
        return codecs, nothing

    def side_by_side(graph: Graph, rows: str) -> str:
        parts = [step(graph, graph.add("Gather", rows, graph.constant(of, np.int64), axis=1)) for of, step in blocks]
        return graph.add("Concat", *parts, axis=1)

    return codecs, side_by_side


@_read.register(OneHotEncoder)
@_read.register(OrdinalEncoder)
@_read.register(TargetEncoder)
def _(encoder: Any, columns: Columns) -> Translation:
    """Tabulate the encoder's numbers for each category; these encoders treat all unknown categories alike."""
    if not all(column.categories for column in columns):
        raise NotCompilable("an encoder is given something other than categories")
    usual = [column.categories[0] for column in columns if column.categories]
    by_output: dict[int, ColumnCodec] = {}
    for position, column in enumerate(columns):
        rows = np.empty((len(column.levels), len(columns)), dtype=object)
        rows[:] = usual
        # refused levels are never looked up
        rows[:, position] = [usual[position] if level is REFUSED else level for level in column.levels]
        table = encoder.transform(rows)
        for output, numbers in enumerate((table.toarray() if issparse(table) else np.asarray(table)).T.tolist()):
            if output not in by_output or len(set(numbers)) > 1:
                by_output[output] = ColumnCodec(column, tuple(numbers))
    return [by_output[output] for output in sorted(by_output)], nothing


def as_numbers(columns: Columns) -> list[ColumnCodec]:
    """Return the codecs of columns that are used as they are.

    Raises:
        NotCompilable: one of them holds categories.
    """
    if any(column.kind == "category" for column in columns):
        raise NotCompilable("a part other than an encoder is given categories")
    return [ColumnCodec(column) for column in columns]


def nothing(_graph: Graph, rows: str) -> str:
    """Return the rows as they are."""
    return rows


def _chain(steps: Sequence[Step]) -> Step:
    some = [step for step in steps if step is not nothing]
    return (lambda graph, rows: reduce(lambda tensor, step: step(graph, tensor), some, rows)) if some else nothing


@singledispatch
def _step(transformer: Any) -> Step:
    """Return what a transformer does with a matrix of numbers."""
    raise NotCompilable(f"{type(transformer).__name__} has no translation")


@_step.register(str)
@_step.register(type(None))
def _(_passthrough: str | None) -> Step:
    return nothing


@_step.register
def _(pipeline: Pipeline) -> Step:
    return _chain([_step(part) for _, part in pipeline.steps])


_FUNCTIONS: dict[Any, Step] = {
    np.abs: lambda graph, rows: graph.add("Abs", rows),
    np.exp: lambda graph, rows: graph.add("Exp", rows),
    np.log: lambda graph, rows: graph.add("Log", rows),
    np.log1p: lambda graph, rows: graph.add("Log", graph.add("Add", rows, graph.constant(1.0))),
    np.sqrt: lambda graph, rows: graph.add("Sqrt", rows),
    np.square: lambda graph, rows: graph.add("Mul", rows, rows),
    scipy.special.expit: lambda graph, rows: graph.add("Sigmoid", rows),
}


@_step.register
def _(function: FunctionTransformer) -> Step:
    checks = isinstance(function.func, partial) and function.func.func is check_array  # as in histogram boosting
    if function.func is None or checks:
        return nothing
    known = [step for func, step in _FUNCTIONS.items() if func is function.func]
    if not known or function.kw_args:
        raise NotCompilable(f"the function {getattr(function.func, '__name__', function.func)} has no translation")
    return known[0]


@_step.register
def _(scaler: StandardScaler) -> Step:
    mean = scaler.mean_ if scaler.with_mean else None
    return _scaled(mean, scaler.scale_ if scaler.with_std else None)


@_step.register
def _(scaler: RobustScaler) -> Step:
    return _scaled(scaler.center_ if scaler.with_centering else None, scaler.scale_ if scaler.with_scaling else None)


@_step.register
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


@_step.register
def _(scaler: MinMaxScaler) -> Step:
    if scaler.clip:
        raise NotCompilable("MinMaxScaler with clip has no translation")
    return lambda graph, rows: graph.add(
        "Add", graph.add("Mul", rows, graph.constant(scaler.scale_)), graph.constant(scaler.min_)
    )


@_step.register
def _(imputer: SimpleImputer) -> Step:
    fill = imputer.statistics_
    fills_nulls = is_null(imputer.missing_values) and fill.dtype.kind == "f" and not np.isnan(fill).any()
    if imputer.add_indicator or not fills_nulls:
        raise NotCompilable("SimpleImputer with an indicator, for other values or without a fill has no translation")
    return lambda graph, rows: graph.add("Where", graph.add("IsNaN", rows), graph.constant(fill), rows)


@_step.register
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


@_step.register
def _(pca: PCA) -> Step:
    scale = np.sqrt(pca.explained_variance_) if pca.whiten else 1.0
    weights = pca.components_.T / scale
    return lambda graph, rows: graph.add(
        "MatMul", graph.add("Sub", rows, graph.constant(pca.mean_)), graph.constant(weights)
    )


@singledispatch
def probability(classifier: Any) -> Step:
    """Return what makes P(class 1), shape (rows, 1), of a matrix of numbers.

    Raises:
        NotCompilable: the classifier has no translation.
    """
    raise NotCompilable(f"{type(classifier).__name__} has no translation")


@probability.register
def _(pipeline: Pipeline) -> Step:
    return _chain([*(_step(part) for _, part in pipeline.steps[:-1]), probability(pipeline[-1])])


@probability.register(LogisticRegression)
@probability.register(LinearDiscriminantAnalysis)
@probability.register(HistGradientBoostingClassifier)
@probability.register(GradientBoostingClassifier)
def _(classifier: Any) -> Step:
    return _chain([decision(classifier), _sigmoid])


@singledispatch
def decision(classifier: Any) -> Step:
    """Return what makes the log odds of class 1, shape (rows, 1), of a matrix of numbers.

    For a classifier without `decision_function`, return what makes P(class 1), as calibration does.

    Raises:
        NotCompilable: the classifier has no translation.
    """
    if hasattr(classifier, "decision_function"):
        raise NotCompilable(f"the decisions of {type(classifier).__name__} have no translation")
    return probability(classifier)


@decision.register
def _(pipeline: Pipeline) -> Step:
    return _chain([*(_step(part) for _, part in pipeline.steps[:-1]), decision(pipeline[-1])])


@decision.register(LogisticRegression)
@decision.register(LinearDiscriminantAnalysis)
def _(linear: Any) -> Step:
    return _affine(linear.coef_.T, linear.intercept_)


def _affine(weights: Any, intercept: Any) -> Step:
    return lambda graph, rows: graph.add(
        "Add", graph.add("MatMul", rows, graph.constant(weights)), graph.constant(intercept)
    )


def _sigmoid(graph: Graph, tensor: str) -> str:
    return graph.add("Sigmoid", tensor)


_ACTIVATIONS: dict[str, Step] = {
    "identity": nothing,
    "logistic": _sigmoid,
    "relu": lambda graph, tensor: graph.add("Relu", tensor),
    "tanh": lambda graph, tensor: graph.add("Tanh", tensor),
}


@probability.register
def _(network: MLPClassifier) -> Step:
    layers = [_affine(weights, bias) for weights, bias in zip(network.coefs_, network.intercepts_, strict=True)]
    between = _ACTIVATIONS[network.activation]
    steps = [step for layer in layers[:-1] for step in (layer, between)]
    return _chain([*steps, layers[-1], _ACTIVATIONS[network.out_activation_]])


@decision.register
def _(boosting: HistGradientBoostingClassifier) -> Step:
    trees = [Tree.of_histogram(predictor, _sets_of(predictor)) for (predictor,) in internals.rounds_of(boosting)]
    columns, start = boosting.n_features_in_, internals.baseline_of(boosting)
    return lambda graph, rows: sum_of_trees(graph, rows, trees, columns, start)


def _sets_of(predictor: Any) -> dict[int, Sides]:
    """Return the sets of category codes that go left at the splits of a tree of histogram boosting."""
    nodes = predictor.nodes
    sets = {}
    for node in np.flatnonzero((nodes["is_categorical"] != 0) & (nodes["is_leaf"] == 0)).tolist():
        words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        codes = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little").astype(bool)
        null = bool(nodes["missing_go_to_left"][node])  # an unknown category is treated as a null
        sets[node] = (*codes.tolist(), null, null)
    return sets


@decision.register
def _(boosting: GradientBoostingClassifier) -> Step:
    start, rate = internals.start_of(boosting), boosting.learning_rate
    total = _sum_of_carts([member.tree_ for member in boosting.estimators_[:, 0]], boosting.n_features_in_)

    def step(graph: Graph, rows: str) -> str:
        score = graph.add("Mul", total(graph, rows), graph.constant(rate))
        return graph.add("Add", score, graph.constant(start))

    return step


@probability.register(RandomForestClassifier)
@probability.register(ExtraTreesClassifier)
def _(forest: Any) -> Step:
    total = _sum_of_carts([member.tree_ for member in forest.estimators_], forest.n_features_in_)
    count = float(len(forest.estimators_))
    return lambda graph, rows: graph.add("Div", total(graph, rows), graph.constant(count))


@probability.register(DecisionTreeClassifier)
@probability.register(ExtraTreeClassifier)
def _(tree: Any) -> Step:
    return _sum_of_carts([tree.tree_], tree.n_features_in_)


def _sum_of_carts(trees: Sequence[Any], columns: int) -> Step:
    """Sum trees that compare single-precision numbers with their thresholds."""
    read = [Tree.of_cart(tree) for tree in trees]

    def step(graph: Graph, rows: str) -> str:
        return single_precision(graph, rows, lambda rounded: sum_of_trees(graph, rounded, read, columns))

    return step


def single_precision(graph: Graph, rows: str, score: Callable[[str], str]) -> str:
    """Return what `score` makes of the rows in single precision; NaN for rows beyond its range, which are refused."""
    rounded = graph.rounded(rows)
    beyond = graph.to_double(graph.add("IsInf", rounded))
    is_beyond = graph.add("Cast", graph.add("ReduceMax", beyond, graph.constant([1], np.int64)), to=9)  # bool
    return graph.add("Where", is_beyond, graph.constant(np.nan), score(rounded))


class _Ensemble(NamedTuple):
    """Classifiers that are given the same columns, and what makes P(class 1) of their answers."""

    members: Sequence[Any]
    of_decisions: bool
    combine: Callable[[Graph, Sequence[str]], str]


@translate.register(VotingClassifier)
@translate.register(StackingClassifier)
@translate.register(CalibratedClassifierCV)
def _(classifier: Any, columns: Columns) -> Translation:
    """Give each member its own codecs; equal ones are shared."""
    ensemble = _ensemble(classifier)
    places: dict[ColumnCodec, int] = {}
    steps: list[tuple[list[int], Step]] = []
    for member in ensemble.members:
        codecs, step = _decision_of(member, columns) if ensemble.of_decisions else translate(member, columns)
        steps.append(([places.setdefault(codec, len(places)) for codec in codecs], step))

    def together(graph: Graph, rows: str) -> str:
        answers = [step(graph, graph.add("Gather", rows, graph.constant(of, np.int64), axis=1)) for of, step in steps]
        return ensemble.combine(graph, answers)

    return list(places), together


def _decision_of(classifier: Any, columns: Columns) -> Translation:
    if isinstance(classifier, Pipeline):
        codecs, step = _read(classifier[:-1], columns)
        return codecs, _chain([step, decision(classifier[-1])])
    return as_numbers(columns), decision(classifier)


@probability.register(VotingClassifier)
@probability.register(StackingClassifier)
@probability.register(CalibratedClassifierCV)
def _(classifier: Any) -> Step:
    ensemble = _ensemble(classifier)
    steps = [decision(member) if ensemble.of_decisions else probability(member) for member in ensemble.members]
    return lambda graph, rows: ensemble.combine(graph, [step(graph, rows) for step in steps])


@singledispatch
def _ensemble(classifier: Any) -> _Ensemble:
    raise NotCompilable(f"{type(classifier).__name__} has no translation")


@_ensemble.register
def _(voting: VotingClassifier) -> _Ensemble:
    if voting.voting != "soft":
        raise NotCompilable("a hard vote gives no probability")
    dropped = [estimator == "drop" for _, estimator in voting.estimators]
    weights = np.ones(len(dropped)) if voting.weights is None else np.asarray(voting.weights, float)
    kept = weights[~np.array(dropped)]

    def combine(graph: Graph, answers: Sequence[str]) -> str:
        return _mean(graph, answers, kept)

    return _Ensemble(voting.estimators_, False, combine)


def _mean(graph: Graph, answers: Sequence[str], weights: Any) -> str:
    beside = graph.add("Concat", *answers, axis=1)
    return graph.add("MatMul", beside, graph.constant((weights / weights.sum())[:, None]))


@_ensemble.register
def _(stacking: StackingClassifier) -> _Ensemble:
    if stacking.passthrough or set(stacking.stack_method_) != {"predict_proba"}:
        raise NotCompilable("stacking of more than probabilities has no translation")
    final = probability(stacking.final_estimator_)
    return _Ensemble(
        stacking.estimators_, False, lambda graph, answers: final(graph, graph.add("Concat", *answers, axis=1))
    )


@_ensemble.register
def _(calibrated: CalibratedClassifierCV) -> _Ensemble:
    members = calibrated.calibrated_classifiers_
    calibrators = [_calibrator(member.calibrators[0]) for member in members]

    def combine(graph: Graph, answers: Sequence[str]) -> str:
        curves = [curve(graph, answer) for curve, answer in zip(calibrators, answers, strict=True)]
        return _mean(graph, curves, np.ones(len(members)))

    return _Ensemble([member.estimator for member in members], True, combine)


def _calibrator(calibrator: Any) -> Step:
    if isinstance(calibrator, IsotonicRegression):
        return _isotonic(calibrator)
    slope_and_offset = internals.platt_of(calibrator)
    if slope_and_offset is None:
        raise NotCompilable(f"{type(calibrator).__name__} has no translation")
    slope, offset = slope_and_offset
    # Platt's 1 / (1 + exp(slope * score + offset))
    return lambda graph, score: _sigmoid(
        graph, graph.add("Sub", graph.add("Mul", score, graph.constant(-slope)), graph.constant(offset))
    )


def _isotonic(regression: IsotonicRegression) -> Step:
    """Return the line through the thresholds, level beyond the first and the last."""
    at, heights = np.asarray(regression.X_thresholds_, float), np.asarray(regression.y_thresholds_, float)
    if regression.out_of_bounds != "clip" or len(at) < 2:
        raise NotCompilable("isotonic calibration that does not clip has no translation")
    widths = np.diff(at)
    slopes = (np.diff(heights) / widths)[:, None]

    def step(graph: Graph, score: str) -> str:
        beyond = graph.add("Max", graph.add("Sub", score, graph.constant(at[:-1])), graph.constant(0.0))
        inside = graph.add("Min", beyond, graph.constant(widths))
        return graph.add("Add", graph.add("MatMul", inside, graph.constant(slopes)), graph.constant(heights[0]))

    return step
