"""Short ways to a probability: what scikit-learn computes, without what it checks and builds anew on every call.

`shorten` takes a fitted classifier apart into steps on one matrix of numbers: categories become numbers by tables that
their encoders fill, trees one operator of ONNX, and what has no shorter form stays scikit-learn's own. Whether that
gives the same is not taken on trust: both ways score made-up rows, and if they differ, scikit-learn serves as a whole.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import reduce, singledispatch
from typing import Any

import joblib
import numpy as np
from scipy.sparse import issparse
from scipy.special import expit
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, OrdinalEncoder, StandardScaler, TargetEncoder

from xgserve.columns import Matrix, Reader
from xgserve.errors import short
from xgserve.signature import REFUSED, Feature, Scalar
from xgserve.trees import Tree, sum_of_trees
from xgserve.whole import Probabilities, Whole

AGREEMENT = 1e-12
TRIED_ROWS = 600

# From here on, two processors are done with half the rows each well before one is done with all.
MANY_ROWS = 500

Step = Callable[[Matrix], Matrix]
Evaluator = Callable[[Matrix], Probabilities]

_PROCESSORS = joblib.cpu_count()
_helpers = ThreadPoolExecutor(_PROCESSORS, thread_name_prefix="evaluator")


class NoShortWay(Exception):
    """Only scikit-learn can evaluate this classifier; the message says why."""


def shorten(whole: Whole, features: Sequence[Feature], row: Mapping[str, Scalar]) -> Evaluator:
    """Return a faster way to what `whole` gives, for matrices as `Reader(features)` makes them.

    `row` is one that the classifier scores; the rows that both ways are tried on lie around it.

    Raises:
        NoShortWay: there is none, or it does not give the same within `AGREEMENT`.
    """
    if not whole.takes_arrays:
        raise NoShortWay("it may want a DataFrame")
    try:
        evaluator = _evaluator(whole.estimator, features)
        difference = _difference(evaluator, whole, features, row)
    except NoShortWay:
        raise
    except (
        Exception
    ) as error:  # the parts of other people's models may raise anything on rows and paths unknown to them
        raise NoShortWay(f"{type(error).__name__}: {short(error)}") from error
    if not difference <= AGREEMENT:
        raise NoShortWay(f"the short way differs from scikit-learn by {difference:.1e}")
    return evaluator


# -- classifiers ------------------------------------------------------------------------------------------------------


@singledispatch
def _evaluator(classifier: Any, features: Sequence[Feature]) -> Evaluator:
    """Return the way to P(class 1) for a matrix whose columns the features describe; without features, of numbers."""
    _require_numbers(features)
    return lambda matrix: np.asarray(classifier.predict_proba(matrix), dtype=np.float64)[:, 1]


@_evaluator.register(GridSearchCV)
@_evaluator.register(RandomizedSearchCV)
def _(search: Any, features: Sequence[Feature]) -> Evaluator:
    return _evaluator(search.best_estimator_, features)


@_evaluator.register
def _(pipeline: Pipeline, features: Sequence[Feature]) -> Evaluator:
    return _evaluator_after(_step(pipeline[:-1], features), pipeline[-1])


@_evaluator.register
def _(logistic: LogisticRegression, features: Sequence[Feature]) -> Evaluator:
    _require_numbers(features)
    weights, intercept = logistic.coef_[0], logistic.intercept_[0]
    return lambda matrix: np.asarray(expit(matrix @ weights + intercept))


@_evaluator.register
def _(boosting: HistGradientBoostingClassifier, features: Sequence[Feature]) -> Evaluator:
    if boosting._preprocessor is not None:  # it encodes categories itself
        encoded = copy.copy(boosting)
        encoded._preprocessor = None
        return _evaluator_after(_step(boosting._preprocessor, features), encoded)
    _require_numbers(features)
    predictors = [predictor for (predictor,) in boosting._predictors]
    if any(predictor.nodes["is_categorical"].any() for predictor in predictors):
        raise NoShortWay("its trees split by sets of categories")
    total = sum_of_trees(map(Tree.of_histogram, predictors), boosting.n_features_in_)
    start = boosting._baseline_prediction.item()
    return _shared(lambda matrix: np.asarray(expit(start + total(matrix))))


@_evaluator.register
def _(boosting: GradientBoostingClassifier, features: Sequence[Feature]) -> Evaluator:
    _require_numbers(features)
    total = _sum_of_carts([member.tree_ for member in boosting.estimators_[:, 0]], boosting)
    start = boosting._raw_predict_init(np.zeros((1, boosting.n_features_in_))).item()
    return _shared(lambda matrix: np.asarray(expit(start + boosting.learning_rate * total(matrix))))


@_evaluator.register(RandomForestClassifier)
@_evaluator.register(ExtraTreesClassifier)
def _(forest: Any, features: Sequence[Feature]) -> Evaluator:
    _require_numbers(features)
    total = _sum_of_carts([member.tree_ for member in forest.estimators_], forest)
    count = len(forest.estimators_)
    return _shared(lambda matrix: total(matrix) / count)


def _evaluator_after(step: Step, classifier: Any) -> Evaluator:
    evaluator = _evaluator(classifier, ())
    return lambda matrix: evaluator(step(matrix))


def _sum_of_carts(trees: Sequence[Any], ensemble: Any) -> Step:
    """Walk trees that compare numbers of half the precision with their thresholds."""
    total = sum_of_trees(map(Tree.of_cart, trees), ensemble.n_features_in_)

    def evaluate(matrix: Matrix) -> Matrix:
        rounded = matrix.astype(np.float32)
        if np.isinf(rounded).any():
            ensemble.predict_proba(matrix)  # scikit-learn says what is wrong
        return total(rounded.astype(np.float64))

    return evaluate


def _shared(evaluate: Evaluator) -> Evaluator:
    """Let all processors share the rows, if they are many; ONNX Runtime does not hold Python's lock."""

    def share(matrix: Matrix) -> Probabilities:
        if len(matrix) < MANY_ROWS or _PROCESSORS == 1:
            return evaluate(matrix)
        mine, *others = np.array_split(matrix, _PROCESSORS)
        futures = [_helpers.submit(evaluate, other) for other in others]
        return np.concatenate([evaluate(mine), *(future.result() for future in futures)])

    return share


# -- what comes before them -------------------------------------------------------------------------------------------


@singledispatch
def _step(transformer: Any, features: Sequence[Feature]) -> Step:
    """Return the way from a matrix whose columns the features describe to what the transformer makes of it."""
    _require_numbers(features)
    return transformer.transform  # type: ignore[no-any-return]


@_step.register
def _(named: str, features: Sequence[Feature]) -> Step:
    if named == "drop":
        return lambda matrix: matrix[:, :0]
    _require_numbers(features)
    return lambda matrix: matrix


@_step.register
def _(function: FunctionTransformer, features: Sequence[Feature]) -> Step:
    _require_numbers(features)
    return function.transform if function.func is not None else lambda matrix: matrix


@_step.register
def _(pipeline: Pipeline, features: Sequence[Feature]) -> Step:
    steps = []
    for _, part in pipeline.steps:
        steps.append(_step("passthrough" if part is None else part, features))
        features = ()
    return lambda matrix: reduce(lambda done, step: step(done), steps, matrix)


@_step.register
def _(columns: ColumnTransformer, features: Sequence[Feature]) -> Step:
    if columns.transformer_weights:
        raise NoShortWay("its columns are weighted")
    blocks = []
    for name, part, _ in columns.transformers_:
        places = columns._transformer_to_input_indices[name]
        blocks.append((places, _step(part, [features[place] for place in places] if features else ())))
    return lambda matrix: np.concatenate([step(matrix[:, places]) for places, step in blocks], axis=1)


@_step.register
def _(scaler: StandardScaler, features: Sequence[Feature]) -> Step:
    _require_numbers(features)
    mean = 0.0 if scaler.mean_ is None or not scaler.with_mean else scaler.mean_
    scale = 1.0 if scaler.scale_ is None else scaler.scale_
    return lambda matrix: (matrix - mean) / scale


@_step.register
def _(imputer: SimpleImputer, features: Sequence[Feature]) -> Step:
    _require_numbers(features)
    fill = imputer.statistics_
    if imputer.add_indicator or imputer.missing_values is not np.nan or fill.dtype.kind != "f" or np.isnan(fill).any():
        return imputer.transform  # type: ignore[no-any-return]
    return lambda matrix: np.where(np.isnan(matrix), fill, matrix)


@_step.register(OneHotEncoder)
@_step.register(OrdinalEncoder)
@_step.register(TargetEncoder)
def _(encoder: Any, features: Sequence[Feature]) -> Step:
    """Look up what the encoder makes of each category; to these encoders all unknown ones are the same."""
    if not features or not all(feature.categories for feature in features):
        raise NoShortWay("an encoder is given something else than categories")
    usual = [feature.categories[0] for feature in features if feature.categories]
    tables = []
    for place, feature in enumerate(features):
        rows = np.empty((len(feature.levels), len(features)), dtype=object)
        rows[:] = usual
        # what the model refuses is never looked up
        rows[:, place] = [usual[place] if level is REFUSED else level for level in feature.levels]
        table = encoder.transform(rows)
        table = np.asarray(table.toarray() if issparse(table) else table, dtype=np.float64)
        (changed,) = np.nonzero(
            [not np.array_equal(made, np.full_like(made, made[0]), equal_nan=True) for made in table.T]
        )
        tables.append((changed, table[:, changed]))
    base = table[0]

    def look_up(matrix: Matrix) -> Matrix:
        made = np.empty((len(matrix), base.size))
        made[:] = base
        for codes, (changed, table) in zip(matrix.astype(np.intp).T, tables, strict=True):
            made[:, changed] = table[codes]
        return made

    return look_up


def _require_numbers(features: Sequence[Feature]) -> None:
    if any(feature.kind == "category" for feature in features):
        raise NoShortWay("a part other than an encoder is given categories")


# -- the trial --------------------------------------------------------------------------------------------------------


def _difference(evaluator: Evaluator, whole: Whole, features: Sequence[Feature], row: Mapping[str, Scalar]) -> float:
    """Return the largest difference between the two ways on made-up rows, scored at once and few at a time."""
    columns = _made_up(features, row)
    reader, index = Reader(features), range(TRIED_ROWS)
    expected = whole(reader.arrays(columns, index))
    matrix = reader.matrix(columns, index)
    few = [evaluator(rows) for rows in np.array_split(matrix, TRIED_ROWS // 20)]
    return float(max(abs(evaluator(matrix) - expected).max(), abs(np.concatenate(few) - expected).max()))


def _made_up(features: Sequence[Feature], row: Mapping[str, Scalar]) -> dict[str, list[Any]]:
    """Return rows near and far from the one given, with nulls and unknown categories where the model takes them."""
    random = np.random.default_rng(0)
    columns = {}
    for feature in features:
        if feature.kind == "category":
            levels = [level for level in feature.levels if level is not REFUSED]
            columns[feature.name] = [levels[place] for place in random.integers(len(levels), size=TRIED_ROWS)]
            continue
        usual = row[feature.name]
        numbers = random.normal(float(usual or 0), 10.0 ** random.integers(-1, 3, TRIED_ROWS))
        # halves and whole numbers, since that is where thresholds are
        numbers = np.where(random.random(TRIED_ROWS) < 0.5, numbers, np.round(numbers * 2) / 2)
        null = random.random(TRIED_ROWS) < (0.1 if feature.nullable else 0)
        columns[feature.name] = [None if n else number for number, n in zip(numbers.tolist(), null, strict=True)]
    return columns
