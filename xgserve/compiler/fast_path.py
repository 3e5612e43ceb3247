"""Fast prediction paths: scikit-learn's arithmetic without its per-call validation.

`build_fast_path` takes a fitted classifier apart. Its encoders become lookup tables of the frame reader, trees become
one operator of ONNX, and the rest stays scikit-learn's own. Both paths then score made-up rows; if they differ,
scikit-learn serves.
"""

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

from xgserve.compiler import sklearn_internals as internals
from xgserve.compiler.sklearn_path import SklearnPath
from xgserve.compiler.tree_ensemble import Tree, sum_of_trees
from xgserve.contract import Scalar
from xgserve.model.model import Probabilities, Values
from xgserve.model.schema import REFUSED, Column, is_null
from xgserve.model.validation import ColumnCodec, FrameReader, Matrix
from xgserve.text import clipped

AGREEMENT = 1e-12
TRIED_ROWS = 600

# From this many rows on, two processors are clearly faster than one.
MANY_ROWS = 500

Step = Callable[[Matrix], Matrix]
Evaluator = Callable[[Matrix], Probabilities]

_PROCESSORS = joblib.cpu_count()
_helpers = ThreadPoolExecutor(_PROCESSORS, thread_name_prefix="evaluator")


class NoFastPath(Exception):
    """Only scikit-learn can evaluate this classifier; the message says why."""


@dataclass(frozen=True, eq=False)
class FastPath:
    """Scores a matrix of encoded columns with a function derived from a classifier."""

    reader: FrameReader
    evaluate: Evaluator

    def read(self, values: Values, index: Sequence[Any]) -> Matrix:
        """Return the encoded columns, shape (rows, codecs); see `Scorer`."""
        return self.reader.matrix(values, index)

    def score(self, rows: Matrix) -> Probabilities:
        """Return P(class 1) of each row; see `Scorer`."""
        return self.evaluate(rows)


def build_fast_path(path: SklearnPath, row: Mapping[str, Scalar]) -> FastPath:
    """Return a faster path with the same results as `path`.

    Both are compared on rows around `row`, which the classifier must be able to score.

    Raises:
        NoFastPath: none is known, or it differs by more than `AGREEMENT`.
    """
    if not path.takes_arrays:
        raise NoFastPath("it may want a DataFrame")
    columns = path.reader.columns
    try:
        codecs, evaluate = _taken_apart(path.estimator, columns)
        fast_path = FastPath(FrameReader(columns, codecs), evaluate)
        difference = _difference(fast_path, path, row)
    except NoFastPath:
        raise
    except Exception as error:  # other people's models may raise anything on unusual rows
        raise NoFastPath(f"{type(error).__name__}: {clipped(error)}") from error
    if not difference <= AGREEMENT:
        raise NoFastPath(f"the fast path differs from scikit-learn by {difference:.1e}")
    return fast_path


TakenApart = tuple[list[ColumnCodec], Evaluator]


@singledispatch
def _taken_apart(classifier: Any, columns: Sequence[Column]) -> TakenApart:
    """Return the codecs of a classifier's columns, and its function of the encoded matrix."""
    return _as_numbers(columns), _evaluator(classifier)


@_taken_apart.register(GridSearchCV)
@_taken_apart.register(RandomizedSearchCV)
def _(search: Any, columns: Sequence[Column]) -> TakenApart:
    return _taken_apart(search.best_estimator_, columns)


@_taken_apart.register
def _(pipeline: Pipeline, columns: Sequence[Column]) -> TakenApart:
    return _after(pipeline[:-1], pipeline[-1], columns)


@_taken_apart.register
def _(boosting: HistGradientBoostingClassifier, columns: Sequence[Column]) -> TakenApart:
    preprocessor = internals.preprocessor_of(boosting)
    if preprocessor is None:
        return _as_numbers(columns), _evaluator(boosting)
    return _after(preprocessor, internals.without_preprocessor(boosting), columns)


def _after(transformer: Any, classifier: Any, columns: Sequence[Column]) -> TakenApart:
    codecs, step = _read(transformer, columns)
    evaluate = _evaluator(classifier)
    return codecs, evaluate if step is None else lambda matrix: evaluate(step(matrix))


@singledispatch
def _read(transformer: Any, columns: Sequence[Column]) -> tuple[list[ColumnCodec], Step | None]:
    """Return the codecs of a transformer's columns, and the step that remains for the encoded matrix."""
    return _as_numbers(columns), _step(transformer)


@_read.register
def _(pipeline: Pipeline, columns: Sequence[Column]) -> tuple[list[ColumnCodec], Step | None]:
    first, *others = [part for _, part in pipeline.steps]
    codecs, step = _read(first, columns)
    return codecs, _chain([step, *map(_step, others)])


@_read.register
def _(by_column: ColumnTransformer, columns: Sequence[Column]) -> tuple[list[ColumnCodec], Step | None]:
    if by_column.transformer_weights:
        raise NoFastPath("its columns are weighted")
    codecs: list[ColumnCodec] = []
    blocks: list[tuple[slice, Step | None]] = []
    for name, part, _ in by_column.transformers_:
        if part != "drop":
            read, step = _read(part, [columns[position] for position in internals.input_indices(by_column)[name]])
            blocks.append((slice(len(codecs), len(codecs) + len(read)), step))
            codecs += read
    if all(step is None for _, step in blocks):
        return codecs, None
    return codecs, lambda matrix: np.concatenate(
        [matrix[:, block] if step is None else step(matrix[:, block]) for block, step in blocks], axis=1
    )


@_read.register(OneHotEncoder)
@_read.register(OrdinalEncoder)
@_read.register(TargetEncoder)
def _(encoder: Any, columns: Sequence[Column]) -> tuple[list[ColumnCodec], Step | None]:
    """Tabulate the encoder's numbers for each category; these encoders treat all unknown categories alike."""
    if not all(column.categories for column in columns):
        raise NoFastPath("an encoder is given something other than categories")
    usual = [column.categories[0] for column in columns if column.categories]
    by_output: dict[int, ColumnCodec] = {}
    for position, column in enumerate(columns):
        rows = np.empty((len(column.levels), len(columns)), dtype=object)
        rows[:] = usual
        # refused levels are never looked up
        rows[:, position] = [usual[position] if level is REFUSED else level for level in column.levels]
        table = encoder.transform(rows)
        for output, numbers in enumerate((table.toarray() if issparse(table) else table).T.tolist()):
            if output not in by_output or len(set(numbers)) > 1:
                by_output[output] = ColumnCodec(column, tuple(numbers))
    return [by_output[output] for output in sorted(by_output)], None


def _as_numbers(columns: Sequence[Column]) -> list[ColumnCodec]:
    if any(column.kind == "category" for column in columns):
        raise NoFastPath("a part other than an encoder is given categories")
    return [ColumnCodec(column) for column in columns]


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
    """Return a function from a matrix of numbers to P(class 1) of each row."""
    return lambda matrix: np.asarray(classifier.predict_proba(matrix), dtype=np.float64)[:, 1]


@_evaluator.register
def _(logistic: LogisticRegression) -> Evaluator:
    weights, intercept = logistic.coef_[0], logistic.intercept_[0]
    return lambda matrix: np.asarray(expit(matrix @ weights + intercept))


@_evaluator.register
def _(boosting: HistGradientBoostingClassifier) -> Evaluator:
    predictors = [predictor for (predictor,) in internals.rounds_of(boosting)]
    if any(predictor.nodes["is_categorical"].any() for predictor in predictors):
        raise NoFastPath("its trees split by sets of categories")
    total = sum_of_trees(map(Tree.of_histogram, predictors), boosting.n_features_in_, internals.baseline_of(boosting))
    return _shared(lambda matrix: np.asarray(expit(total(matrix))))


@_evaluator.register
def _(boosting: GradientBoostingClassifier) -> Evaluator:
    total = _sum_of_carts([member.tree_ for member in boosting.estimators_[:, 0]], boosting)
    start = internals.start_of(boosting)
    return _shared(lambda matrix: np.asarray(expit(start + boosting.learning_rate * total(matrix))))


@_evaluator.register(RandomForestClassifier)
@_evaluator.register(ExtraTreesClassifier)
def _(forest: Any) -> Evaluator:
    total = _sum_of_carts([member.tree_ for member in forest.estimators_], forest)
    count = len(forest.estimators_)
    return _shared(lambda matrix: total(matrix) / count)


def _sum_of_carts(trees: Sequence[Any], ensemble: Any) -> Step:
    """Sum trees that compare single-precision numbers with their thresholds."""
    total = sum_of_trees(map(Tree.of_cart, trees), ensemble.n_features_in_)

    def evaluate(matrix: Matrix) -> Matrix:
        rounded = matrix.astype(np.float32)
        if np.isinf(rounded).any():
            ensemble.predict_proba(matrix)  # raises scikit-learn's own error
        return total(rounded.astype(np.float64))

    return evaluate


def _shared(evaluate: Evaluator) -> Evaluator:
    """Split many rows between the processors; ONNX Runtime releases the GIL."""

    def share(matrix: Matrix) -> Probabilities:
        if len(matrix) < MANY_ROWS or _PROCESSORS == 1:
            return evaluate(matrix)
        mine, *others = np.array_split(matrix, _PROCESSORS)
        futures = [_helpers.submit(evaluate, other) for other in others]
        return np.concatenate([evaluate(mine), *(future.result() for future in futures)])

    return share


def _difference(fast_path: FastPath, path: SklearnPath, row: Mapping[str, Scalar]) -> float:
    """Return the largest difference between the two paths on made-up rows, scored all together and a few at a time."""
    values, index = _made_up(path.reader.columns, row), range(TRIED_ROWS)
    expected = path.score(path.read(values, index))
    matrix = fast_path.read(values, index)
    few = np.concatenate([fast_path.score(rows) for rows in np.array_split(matrix, TRIED_ROWS // 20)])
    return float(max(abs(fast_path.score(matrix) - expected).max(), abs(few - expected).max()))


def _made_up(columns: Sequence[Column], row: Mapping[str, Scalar]) -> dict[str, list[Any]]:
    """Return rows near and far from the one given, with nulls and unknown categories where the model takes them."""
    random = np.random.default_rng(0)
    values = {}
    for column in columns:
        if column.kind == "category":
            levels = [None if is_null(level) else level for level in column.levels if level is not REFUSED]
            values[column.name] = [levels[choice] for choice in random.integers(len(levels), size=TRIED_ROWS)]
            continue
        usual = row[column.name]
        numbers = random.normal(float(usual or 0), 10.0 ** random.integers(-1, 3, TRIED_ROWS))
        # halves and whole numbers, since that is where thresholds are
        numbers = np.where(random.random(TRIED_ROWS) < 0.5, numbers, np.round(numbers * 2) / 2)
        null = random.random(TRIED_ROWS) < (0.1 if column.nullable else 0)
        values[column.name] = [None if n else number for number, n in zip(numbers.tolist(), null, strict=True)]
    return values
