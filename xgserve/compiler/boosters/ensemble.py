"""Trees that were boosted for a binary outcome: what the files of both libraries come down to."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import onnx
import treelite

from xgserve.compiler.boosters.trees import Codes
from xgserve.compiler.graph import Graph, NotCompilable
from xgserve.compiler.opened import DOUBLE_PRECISION, SINGLE_PRECISION, Columns, Opened, Translation
from xgserve.compiler.tree_ensemble import Tree, single_precision, sum_of_trees
from xgserve.compiler.versions import Versions
from xgserve.errors import ModelError
from xgserve.model.model import Probabilities, Values
from xgserve.model.schema import Column, is_null
from xgserve.model.validation import ColumnCodec, FrameReader, Matrix
from xgserve.text import clipped

ZERO: Final = float(np.float32(1e-35))  # the largest number that LightGBM takes for zero, with either sign
MAX_CODE: Final = 100_000
TREELITE: Final = "treelite"

_PLACES = re.compile(r"\[\d\d:\d\d:\d\d\] |\S+\.(?:cc|cpp|h|hpp|cu):\d+: ")

# A library's own answer to a matrix, shape (rows, columns), of numbers and codes.
Predict = Callable[[Matrix], npt.NDArray[Any]]


# Reads a model with the library that made it; returns None if it is not installed.
Load = Callable[[], Any]


def not_loaded() -> None:
    """Return no model of the library, so that treelite answers."""


@dataclass(frozen=True, eq=False)
class Ensemble:
    """P(class 1) = expit(steepness * (start + the sum of the trees / divisor)).

    With `single`, the trees compare single-precision numbers. Zeros in the columns `zero_is_null` mean that a value is
    missing.
    """

    versions: Versions  # of the library of `predict`
    columns: tuple[Column, ...]
    codes: Sequence[Codes]
    trees: Sequence[Tree]
    start: float
    single: bool
    predict: Predict
    steepness: float = 1.0
    divisor: int = 1
    zero_is_null: frozenset[int] = frozenset()

    @property
    def tolerance(self) -> float:
        """The largest difference of two right answers: sums in single precision are off by the size of their terms."""
        if not self.single:
            return DOUBLE_PRECISION
        largest = max((abs(tree.value[tree.is_leaf]).max() for tree in self.trees), default=0.0)
        # each addition rounds a sum that may be as large, and such errors grow with the root of their number
        return max(SINGLE_PRECISION, float(np.finfo(np.float32).eps) * max(2 * largest, math.sqrt(len(self.trees))))

    def opened(self) -> Opened:
        """Return the ensemble as an opened artifact."""
        return Opened(
            columns=self.columns,
            versions=self.versions,
            tolerance=self.tolerance,
            reference=self._reference,
            translate=self._translate,
            has_worker=True,
        )

    def _reference(self, columns: Columns) -> "LibraryPath":
        codecs = [_library_codec(column, codes) for column, codes in zip(columns, self.codes, strict=True)]
        return LibraryPath(FrameReader(columns), codecs, self.predict)

    def codecs(self, columns: Sequence[Column]) -> list[ColumnCodec]:
        """Return the codecs of the columns for the graph."""
        return [_graph_codec(column, codes) for column, codes in zip(columns, self.codes, strict=True)]

    def _translate(self, columns: Columns) -> Translation:
        return self.codecs(columns), self.probability

    def probability(self, graph: Graph, rows: str) -> str:
        """Add P(class 1), shape (rows, 1), of numbers and levels of categories to a graph."""
        return graph.add("Sigmoid", graph.add("Mul", self.margin(graph, rows), graph.constant(self.steepness)))

    def margin(self, graph: Graph, rows: str) -> str:
        """Add the log odds of class 1 to a graph, before they are made steeper."""
        if self.zero_is_null:
            # no number has a negative size
            limits = [ZERO if column in self.zero_is_null else -1.0 for column in range(len(self.codes))]
            is_zero = graph.add("LessOrEqual", graph.add("Abs", rows), graph.constant(limits))
            rows = graph.add("Where", is_zero, graph.constant(math.nan), rows)

        def total(tensor: str) -> str:
            return sum_of_trees(graph, tensor, self.trees, len(self.codes))

        trees = single_precision(graph, rows, total) if self.single else total(rows)
        mean = graph.add("Div", trees, graph.constant(float(self.divisor)))
        return graph.add("Add", mean, graph.constant(self.start))

    def levels(self, graph: Graph, rows: str) -> str:
        """Return the rows with levels in place of the numbers that a step before the trees made of categories."""
        blocks = []
        for place, codes in enumerate(self.codes):
            column = graph.add("Gather", rows, graph.constant([place], np.int64), axis=1)
            blocks.append(column if codes.compared else _level(graph, column, codes.numbers or ()))
        return graph.add("Concat", *blocks, axis=1)


def _level(graph: Graph, column: str, known: Sequence[int]) -> str:
    """Return the place of each number among the known ones; their count for others, NaN for NaN."""
    if max(known, default=0) >= MAX_CODE:
        raise NotCompilable(f"a number that stands for a category is {MAX_CODE:,} or more")
    levels = np.full(max(known, default=-1) + 2, float(len(known)))
    levels[list(known)] = np.arange(len(known))
    end = graph.constant(float(len(levels) - 1))
    within = graph.add("Where", graph.add("Less", column, graph.constant(0.0)), end, graph.add("Min", column, end))
    is_null = graph.add("IsNaN", column)
    place = graph.add("Cast", graph.add("Where", is_null, end, within), to=onnx.TensorProto.INT64)
    return graph.add("Where", is_null, graph.constant(math.nan), graph.add("Gather", graph.constant(levels), place))


def _graph_codec(column: Column, codes: Codes) -> ColumnCodec:
    """Return the codec of a matrix with levels of categories, or their numbers where these are compared."""
    if codes.numbers is None:
        return ColumnCodec(column)
    if codes.compared:
        return _library_codec(column, codes)
    count = len(codes.numbers)
    return ColumnCodec(column, (*map(float, range(count + 1)), math.nan))


def _library_codec(column: Column, codes: Codes) -> ColumnCodec:
    """Return the codec of the matrix that a library takes: numbers in place of categories."""
    if codes.numbers is None:
        return ColumnCodec(column)
    unknown = math.nan if codes.unknown_is_null else max(codes.numbers, default=-1) + 1.0
    return ColumnCodec(column, (*map(float, codes.numbers), unknown, math.nan))


@dataclass(frozen=True, eq=False)
class LibraryPath:
    """Scores with the library's own function of a matrix of numbers and codes."""

    reader: FrameReader
    codecs: Sequence[ColumnCodec]
    predict: Predict

    def read(self, values: Values, index: Sequence[Any]) -> list[npt.NDArray[Any]]:
        """Return the columns as arrays; see `Scorer`."""
        return self.reader.arrays(values, index)

    def score(self, rows: Sequence[npt.NDArray[Any]]) -> Probabilities:
        """Return P(class 1) of each row of the columns; see `Scorer`."""
        columns = [
            codec.encode([None if is_null(value) else value for value in array.tolist()]) if codec.numbers else array
            for codec, array in zip(self.codecs, rows, strict=True)
        ]
        matrix = np.array(columns, dtype=np.float64).T
        answer = np.asarray(self.predict(matrix), dtype=np.float64)
        if answer.shape != (len(matrix),):
            raise ModelError(f"the library answers shape {answer.shape} instead of ({len(matrix)},)")
        return answer


def predict_with_treelite(model: treelite.Model, dtype: type, rows: Matrix) -> npt.NDArray[Any]:
    """Return treelite's answer to a matrix, for models whose library is not installed."""
    return np.asarray(treelite.gtil.predict(model, np.ascontiguousarray(rows, dtype), nthread=1)).reshape(len(rows))


def treelite_versions() -> Versions:
    """Return the versions of answers that treelite gives."""
    return Versions(TREELITE, None, treelite.__version__)


def reason(error: Exception) -> str:
    """Return what an error of a library in C++ says, without the places in its source."""
    first, *_ = _PLACES.sub("", str(error)).splitlines() or [""]
    return clipped(first)
