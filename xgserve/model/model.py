"""A loaded model: its name, its columns, and P(goal) for a frame.

`load_compiled` makes a `Model` of what the compiler wrote once every check of the artifact had passed. It never
changes, so any number of threads may use it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from msgspec import structs

from xgserve.contract import GoldenRow, LibraryVersions, ModelDescription, ModelIdentity, Scalar, ServedBy
from xgserve.errors import InvalidFrame, ModelError
from xgserve.model.schema import Column
from xgserve.model.validation import FrameErrors
from xgserve.names import ModelName

GOLDEN_TOLERANCE = 1e-6

# More rows are scored in batches, so that a request takes no more memory than compiling the model did.
ROWS_AT_ONCE = 10_000

Values = Mapping[str, Sequence[Any]]  # by the name of their column
Probabilities = npt.NDArray[np.float64]


class Scorer(Protocol):
    """A way from a caller's values to P(goal)."""

    def read(self, values: Values, index: Sequence[Any]) -> Any:
        """Return the values, checked, in the form that `score` takes.

        Raises:
            InvalidFrame: missing or unknown columns, or values that the model cannot take.
        """

    def score(self, rows: Any) -> Probabilities:
        """Return P(goal) of each row, shape (rows,).

        Raises:
            InvalidFrame: the model refuses these rows.
            ModelError: the answer has another shape, or no process gives one.
        """


def score(scorer: Scorer, values: Values, index: Sequence[Any]) -> Probabilities:
    """Return P(goal) of each row, shape (rows,), each within [0, 1].

    Raises:
        InvalidFrame: values or rows that the model refuses, or rows without a probability.
        ModelError: the model's answer has another shape.
    """
    rows = scorer.read(values, index)
    if not len(index):
        return np.empty(0)
    probabilities = scorer.score(rows)
    good = (probabilities >= 0) & (probabilities <= 1)  # False for NaN as well
    if not good.all():
        errors = FrameErrors(index)
        errors.add_where(~good, None, probabilities.tolist(), "the model gives no probability within [0, 1]")
        errors.raise_if_any()
    return probabilities


@dataclass(frozen=True, eq=False)
class Model:
    """A classifier that passed every check, together with its identity."""

    name: ModelName
    digest: str
    columns: tuple[Column, ...]
    golden_row: Mapping[str, Scalar]
    golden_probability: float
    loaded_at: datetime
    scorer: Scorer
    served_by: ServedBy
    library: LibraryVersions
    agreement: float | None
    not_compiled: str | None
    warnings: list[str]
    population: str | None
    metrics: Any
    trained_on: list[int] | None

    @cached_property
    def id(self) -> str:
        """`workspace/name:version@sha256:<12 hex>`: names exactly one artifact."""
        return self.name.id_of(self.digest)

    @cached_property
    def column_names(self) -> frozenset[str]:
        """The names of the columns that it takes."""
        return frozenset(column.name for column in self.columns)

    @cached_property
    def identity(self) -> ModelIdentity:
        """The id and its parts, as every answer about a model shows them."""
        return ModelIdentity(self.id, self.name.workspace, self.name.name, self.name.version, self.digest)

    def predict(self, values: Values, index: Sequence[Any]) -> Probabilities:
        """Return P(goal) of each row, shape (rows,), each within [0, 1].

        `index` holds one label per row.

        Raises:
            InvalidFrame: missing or unknown columns, values or rows that the model refuses, or no probability.
            ModelError: the model's answer has another shape.
        """
        if len(index) > ROWS_AT_ONCE:
            return self._predict_in_batches(values, index)
        return score(self.scorer, values, index)

    def _predict_in_batches(self, values: Values, index: Sequence[Any]) -> Probabilities:
        batches = [slice(start, start + ROWS_AT_ONCE) for start in range(0, len(index), ROWS_AT_ONCE)]
        try:
            return np.concatenate(
                [self.predict({name: column[rows] for name, column in values.items()}, index[rows]) for rows in batches]
            )
        except InvalidFrame:
            self.scorer.read(values, index)  # reports the errors of all rows, not only of one batch
            raise

    def check(self) -> float:
        """Score the golden row now and return its probability.

        Raises:
            ModelError: the golden row no longer gives the probability that it gave at load time.
        """
        try:
            probability = float(self.predict({name: [value] for name, value in self.golden_row.items()}, [0])[0])
        except InvalidFrame as error:
            raise ModelError(f"{self.name} cannot score its golden row: {error}") from error
        if abs(probability - self.golden_probability) > GOLDEN_TOLERANCE:
            raise ModelError(
                f"{self.name} gives {probability:.9f} for its golden row instead of {self.golden_probability:.9f}"
            )
        return probability

    def describe(self) -> ModelDescription:
        """Return the answer of `GET /model`: identity, columns, versions, and what the card says."""
        return ModelDescription(
            **structs.asdict(self.identity),
            features=[column.describe() for column in self.columns],
            library=self.library,
            served_by=self.served_by,
            agreement=self.agreement,
            not_compiled=self.not_compiled,
            loaded_at=self.loaded_at.isoformat(timespec="milliseconds"),
            golden_row=GoldenRow(dict(self.golden_row), self.golden_probability),
            population=self.population,
            metrics=self.metrics,
            trained_on=self.trained_on,
            warnings=self.warnings,
        )
