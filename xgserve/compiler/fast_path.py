"""Short ways to a probability: what scikit-learn computes, without what it checks and builds anew on every call.

`shorten` takes a fitted classifier apart. What its encoders make of a category becomes a table that the reader looks up
(`columns.py`), trees become one operator of ONNX (`trees.py`), and what has no shorter form stays scikit-learn's own.
Whether that gives the same is not taken on trust: both ways score made-up rows, and if they differ, scikit-learn serves
as a whole.
"""

import copy
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
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

from xgserve.compiler.sklearn_path import Probabilities, Whole
from xgserve.compiler.tree_ensemble import Tree, sum_of_trees
from xgserve.model.schema import REFUSED, Feature, Scalar, is_null
from xgserve.model.validation import Matrix, Reader, Reading
from xgserve.text import clipped

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


@dataclass(frozen=True)
class Short:
    """How to read a classifier's columns, and how to get from them to P(class 1) of each row."""

    readings: Sequence[Reading]
    evaluate: Evaluator


def shorten(whole: Whole, features: Sequence[Feature], row: Mapping[str, Scalar]) -> Short:
    """Return a faster way to what `whole` gives.

    `row` is one that the classifier scores; the rows that both ways are tried on lie around it.

    Raises:
        NoShortWay: there is none, or it does not give the same within `AGREEMENT`.
    """
    if not whole.takes_arrays:
        raise NoShortWay("it may want a DataFrame")
    try:
        short_way = _short(whole.estimator, features)
        difference = _difference(short_way, whole, features, row)
    except NoShortWay:
        raise
    except Exception as error:  # other people's models may raise anything on rows and paths that they do not know
        raise NoShortWay(f"{type(error).__name__}: {clipped(error)}") from error
    if not difference <= AGREEMENT:
        raise NoShortWay(f"the short way differs from scikit-learn by {difference:.1e}")
    return short_way


# -- what is given the caller's columns -------------------------------------------------------------------------------


@singledispatch
def _short(classifier: Any, features: Sequence[Feature]) -> Short:
    return Short(_as_numbers(features), _evaluator(classifier))


@_short.register(GridSearchCV)
@_short.register(RandomizedSearchCV)
def _(search: Any, features: Sequence[Feature]) -> Short:
    return _short(search.best_estimator_, features)


@_short.register
def _(pipeline: Pipeline, features: Sequence[Feature]) -> Short:
    return _short_after(pipeline[:-1], pipeline[-1], features)


@_short.register
def _(boosting: HistGradientBoostingClassifier, features: Sequence[Feature]) -> Short:
    if boosting._preprocessor is None:
        return Short(_as_numbers(features), _evaluator(boosting))
    on_numbers = copy.copy(boosting)
    on_numbers._preprocessor = None
    return _short_after(boosting._preprocessor, on_numbers, features)


def _short_after(transformer: Any, classifier: Any, features: Sequence[Feature]) -> Short:
    readings, step = _read(transformer, features)
    evaluate = _evaluator(classifier)
    return Short(readings, evaluate if step is None else lambda matrix: evaluate(step(matrix)))


@singledispatch
def _read(transformer: Any, features: Sequence[Feature]) -> tuple[list[Reading], Step | None]:
    """Return how to read the columns that a transformer is given, and what is left to do with the matrix of them."""
    return _as_numbers(features), _step(transformer)


@_read.register
def _(pipeline: Pipeline, features: Sequence[Feature]) -> tuple[list[Reading], Step | None]:
    first, *others = [part for _, part in pipeline.steps]
    readings, step = _read(first, features)
    return readings, _chain([step, *map(_step, others)])


@_read.register
def _(columns: ColumnTransformer, features: Sequence[Feature]) -> tuple[list[Reading], Step | None]:
    if columns.transformer_weights:
        raise NoShortWay("its columns are weighted")
    readings: list[Reading] = []
    blocks: list[tuple[slice, Step | None]] = []
    for name, part, _ in columns.transformers_:
        if part != "drop":
            read, step = _read(part, [features[place] for place in columns._transformer_to_input_indices[name]])
            blocks.append((slice(len(readings), len(readings) + len(read)), step))
            readings += read
    if all(step is None for _, step in blocks):
        return readings, None
    return readings, lambda matrix: np.concatenate(
        [matrix[:, block] if step is None else step(matrix[:, block]) for block, step in blocks], axis=1
    )


@_read.register(OneHotEncoder)
@_read.register(OrdinalEncoder)
@_read.register(TargetEncoder)
def _(encoder: Any, features: Sequence[Feature]) -> tuple[list[Reading], Step | None]:
    """Ask the encoder what it makes of each category; to these encoders all unknown ones are the same."""
    if not all(feature.categories for feature in features):
        raise NoShortWay("an encoder is given something else than categories")
    usual = [feature.categories[0] for feature in features if feature.categories]
    made_of: dict[int, Reading] = {}
    for place, feature in enumerate(features):
        rows = np.empty((len(feature.levels), len(features)), dtype=object)
        rows[:] = usual
        # what the model refuses is never looked up
        rows[:, place] = [usual[place] if level is REFUSED else level for level in feature.levels]
        table = encoder.transform(rows)
        for column, numbers in enumerate((table.toarray() if issparse(table) else table).T.tolist()):
            if column not in made_of or len(set(numbers)) > 1:
                made_of[column] = Reading(feature, tuple(numbers))
    return [made_of[column] for column in sorted(made_of)], None


def _as_numbers(features: Sequence[Feature]) -> list[Reading]:
    if any(feature.kind == "category" for feature in features):
        raise NoShortWay("a part other than an encoder is given categories")
    return [Reading(feature) for feature in features]


# -- what is given numbers --------------------------------------------------------------------------------------------


@singledispatch
def _step(transformer: Any) -> Step | None:
    """Return what a transformer does with a matrix of numbers; None if nothing."""
    return transformer.transform  # type: ignore[no-any-return]


@_step.register(str)
@_step.register(type(None))
def _(_passthrough: str | None) -> Step | None:
    return None


@_step.register
def _(function: FunctionTransformer) -> Step | None:
    return None if function.func is None else function.transform


@_step.register
def _(pipeline: Pipeline) -> Step | None:
    return _chain([_step(part) for _, part in pipeline.steps])


@_step.register
def _(scaler: StandardScaler) -> Step | None:
    mean = 0.0 if scaler.mean_ is None or not scaler.with_mean else scaler.mean_
    scale = 1.0 if scaler.scale_ is None else scaler.scale_
    return lambda matrix: (matrix - mean) / scale


@_step.register
def _(imputer: SimpleImputer) -> Step | None:
    fill = imputer.statistics_
    fills_nulls = is_null(imputer.missing_values) and fill.dtype.kind == "f" and not np.isnan(fill).any()
    if imputer.add_indicator or not fills_nulls:
        return imputer.transform  # type: ignore[no-any-return]
    return lambda matrix: np.where(np.isnan(matrix), fill, matrix)


def _chain(steps: Sequence[Step | None]) -> Step | None:
    some = [step for step in steps if step is not None]
    return (lambda matrix: reduce(lambda done, step: step(done), some, matrix)) if some else None


@singledispatch
def _evaluator(classifier: Any) -> Evaluator:
    """Return the way from a matrix of numbers to P(class 1) of each row."""
    return lambda matrix: np.asarray(classifier.predict_proba(matrix), dtype=np.float64)[:, 1]


@_evaluator.register
def _(logistic: LogisticRegression) -> Evaluator:
    weights, intercept = logistic.coef_[0], logistic.intercept_[0]
    return lambda matrix: np.asarray(expit(matrix @ weights + intercept))


@_evaluator.register
def _(boosting: HistGradientBoostingClassifier) -> Evaluator:
    predictors = [predictor for (predictor,) in boosting._predictors]
    if any(predictor.nodes["is_categorical"].any() for predictor in predictors):
        raise NoShortWay("its trees split by sets of categories")
    start = boosting._baseline_prediction.item()
    total = sum_of_trees(map(Tree.of_histogram, predictors), boosting.n_features_in_, start)
    return _shared(lambda matrix: np.asarray(expit(total(matrix))))


@_evaluator.register
def _(boosting: GradientBoostingClassifier) -> Evaluator:
    total = _sum_of_carts([member.tree_ for member in boosting.estimators_[:, 0]], boosting)
    start = boosting._raw_predict_init(np.zeros((1, boosting.n_features_in_))).item()
    return _shared(lambda matrix: np.asarray(expit(start + boosting.learning_rate * total(matrix))))


@_evaluator.register(RandomForestClassifier)
@_evaluator.register(ExtraTreesClassifier)
def _(forest: Any) -> Evaluator:
    total = _sum_of_carts([member.tree_ for member in forest.estimators_], forest)
    count = len(forest.estimators_)
    return _shared(lambda matrix: total(matrix) / count)


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


# -- the trial --------------------------------------------------------------------------------------------------------


def _difference(short_way: Short, whole: Whole, features: Sequence[Feature], row: Mapping[str, Scalar]) -> float:
    """Return the largest difference between the two ways on made-up rows, scored at once and few at a time."""
    columns = _made_up(features, row)
    reader, index = Reader(features, short_way.readings), range(TRIED_ROWS)
    expected = whole(reader.arrays(columns, index))
    matrix = reader.matrix(columns, index)
    few = np.concatenate([short_way.evaluate(rows) for rows in np.array_split(matrix, TRIED_ROWS // 20)])
    return float(max(abs(short_way.evaluate(matrix) - expected).max(), abs(few - expected).max()))


def _made_up(features: Sequence[Feature], row: Mapping[str, Scalar]) -> dict[str, list[Any]]:
    """Return rows near and far from the one given, with nulls and unknown categories where the model takes them."""
    random = np.random.default_rng(0)
    columns = {}
    for feature in features:
        if feature.kind == "category":
            levels = [None if is_null(level) else level for level in feature.levels if level is not REFUSED]
            columns[feature.name] = [levels[place] for place in random.integers(len(levels), size=TRIED_ROWS)]
            continue
        usual = row[feature.name]
        numbers = random.normal(float(usual or 0), 10.0 ** random.integers(-1, 3, TRIED_ROWS))
        # halves and whole numbers, since that is where thresholds are
        numbers = np.where(random.random(TRIED_ROWS) < 0.5, numbers, np.round(numbers * 2) / 2)
        null = random.random(TRIED_ROWS) < (0.1 if feature.nullable else 0)
        columns[feature.name] = [None if n else number for number, n in zip(numbers.tolist(), null, strict=True)]
    return columns
