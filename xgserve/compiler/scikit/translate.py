"""Translate a fitted scikit-learn classifier: encoders to tables of the frame reader, the rest to an ONNX graph.

Each kind of estimator has one function below. What has none is not compilable; a worker process scores with it.
"""

from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import issparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import (
    OneHotEncoder,
    OrdinalEncoder,
    TargetEncoder,
)

from xgserve.compiler.boosters.ensemble import Ensemble
from xgserve.compiler.boosters.opening import ensemble_of, is_boosted
from xgserve.compiler.graph import Graph, NotCompilable, Step
from xgserve.compiler.opened import Translation
from xgserve.compiler.scikit import internals
from xgserve.compiler.scikit.probabilities import decision, probability, sigmoid
from xgserve.compiler.scikit.steps import chain, nothing, step_of
from xgserve.model.schema import REFUSED, Column
from xgserve.model.validation import ColumnCodec

Columns = Sequence[Column]


@singledispatch
def translate(classifier: Any, columns: Columns) -> Translation:
    """Return the codecs and the graph of a fitted classifier.

    Raises:
        NotCompilable: a part has no translation.
    """
    if is_boosted(classifier):
        codecs, ensemble = _of_booster(classifier, columns)
        return codecs, ensemble.probability
    return as_numbers(columns), probability(classifier)


def _of_booster(classifier: Any, columns: Columns) -> tuple[list[ColumnCodec], Ensemble]:
    """Return the codecs and trees of a booster that is given the columns as they are, perhaps pandas categories."""
    ensemble = ensemble_of(classifier, {column.name: column for column in columns})
    if [column.kind for column in ensemble.columns] != [column.kind for column in columns]:
        raise NotCompilable("the booster has categories in other columns")
    return ensemble.codecs(columns), ensemble


@translate.register(GridSearchCV)
@translate.register(RandomizedSearchCV)
def _(search: Any, columns: Columns) -> Translation:
    return translate(search.best_estimator_, columns)


@translate.register
def _(pipeline: Pipeline, columns: Columns) -> Translation:
    if all(part in (None, "passthrough") for _, part in pipeline.steps[:-1]):
        return translate(pipeline[-1], columns)
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
    return codecs, chain([step, probability(classifier)])


@singledispatch
def _read(transformer: Any, columns: Columns) -> Translation:
    """Return the codecs of a transformer's columns, and the step that remains for the encoded matrix."""
    return as_numbers(columns), step_of(transformer)


@_read.register
def _(pipeline: Pipeline, columns: Columns) -> Translation:
    first, *others = [part for _, part in pipeline.steps]
    codecs, step = _read(first, columns)
    return codecs, chain([step, *map(step_of, others)])


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
        return codecs, chain([step, decision(classifier[-1])])
    if is_boosted(classifier):
        codecs, ensemble = _of_booster(classifier, columns)
        return codecs, ensemble.margin if hasattr(classifier, "decision_function") else ensemble.probability
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
    return lambda graph, score: sigmoid(
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
