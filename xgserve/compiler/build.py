"""Compile an artifact: open it, probe what it takes, translate it, and compare both on made-up rows.

Nothing is taken on trust: the types in the artifact are compared with a fixed list, its indices, classes and columns
are checked, and its golden row must give a probability before it is used.
"""

import hashlib
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from xgserve.compiler.card import read_card, seasons
from xgserve.compiler.formats import opener_of
from xgserve.compiler.graph import Graph, NotCompilable
from xgserve.compiler.opened import Columns, Opened
from xgserve.compiler.versions import Versions
from xgserve.contract import Scalar
from xgserve.errors import InvalidFrame, ModelError
from xgserve.model.compiled import Description, Golden, codecs_to_store, write_compiled
from xgserve.model.graph import GraphScorer
from xgserve.model.model import GOLDEN_TOLERANCE, ROWS_AT_ONCE, Probabilities, Scorer, Values, score
from xgserve.model.schema import REFUSED, UNKNOWN_CATEGORY, Column, is_null
from xgserve.model.validation import ColumnCodec, FrameReader
from xgserve.names import CARD
from xgserve.text import clipped, on_one_line

TRIED_ROWS: Final = 600
# The service cannot stop a graph: all threads may be scoring with one. Large forests take a tenth of this.
MAX_SCORING_S: Final = 5.0
GOLDEN_ROWS: Final = 16  # kept of the tried ones, to check the compiled model whenever it is loaded


def open_model(artifact: Path, workspace: str, *, allow_pickle: bool) -> tuple[Opened, bytes, Mapping[str, Any]]:
    """Open an artifact with the `card.json` beside it; return it with its bytes and its card.

    Raises:
        ModelError: the artifact is not trusted, cannot be opened here, or is not a binary classifier of goals.
    """
    card = read_card(artifact.parent / CARD)
    try:
        content = artifact.read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {artifact.name}: {error.strerror}") from error
    try:
        opened = opener_of(artifact.name, workspace=workspace, allow_pickle=allow_pickle)(content, card)
    except (ModelError, MemoryError):
        raise
    except Exception as error:  # the object may only look like a classifier
        raise ModelError(f"{artifact.name} cannot be used: {type(error).__name__}: {clipped(error)}") from error
    return opened, content, card


def compile_model(artifact: Path, folder: Path, environment: str, *, workspace: str, allow_pickle: bool) -> Description:
    """Write the compiled model of an artifact into the folder, and return its description.

    Raises:
        ModelError: the artifact is not trusted, cannot be used here, is not a binary classifier of goals, or fails
            its golden row.
        OSError: the folder cannot be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # probing a model with odd rows makes it warn, as expected
        opened, content, card = open_model(artifact, workspace, allow_pickle=allow_pickle)
        columns, golden_row = _probe(opened, card)
        tried = _Tried(opened.reference(columns), _made_up(columns, golden_row))
        graph = _graph(opened, columns, tried)
    if graph.scorer is not None or opened.has_worker:
        seconds = _score_most_rows(graph.scorer or tried.reference, tried.some())
        if graph.scorer is not None and seconds > MAX_SCORING_S:
            graph = _Compiled(
                problem=f"{ROWS_AT_ONCE:,} rows take {seconds:.0f} s of a processor, and may take {MAX_SCORING_S:g}"
            )
    if graph.scorer is None and not opened.has_worker:
        raise ModelError(f"{artifact.name} cannot be compiled: {graph.problem}")
    description = Description(
        artifact=artifact.name,
        digest=hashlib.sha256(content).hexdigest(),
        graph=hashlib.sha256(graph.content).hexdigest() if graph.content is not None else None,
        not_compiled=on_one_line(graph.problem) if graph.problem else None,
        columns=columns,
        codecs=codecs_to_store(columns, graph.codecs),
        golden=tried.golden(graph.scorer or tried.reference),
        library=opened.versions.plain(),
        agreement=graph.difference,
        rows_compared=TRIED_ROWS if graph.content is not None else 0,
        warnings=opened.versions.warnings,
        population=card.get("population"),
        metrics=card.get("metrics"),
        trained_on=seasons(card),
        environment=environment,
    )
    write_compiled(folder, description, graph.content)
    return description


def _probe(opened: Opened, card: Mapping[str, Any]) -> tuple[Columns, dict[str, Scalar]]:
    """Return what each column takes, and the golden row.

    The golden row is scored as it is, then with a null and with an unknown category in each column.

    Raises:
        ModelError: the golden row cannot be scored, or not with the card's probability.
    """
    lenient = opened.reference(tuple(replace(column, nullable=True, takes_unknown=True) for column in opened.columns))
    row = _golden_row(opened.columns, card)

    def score_one(row: Mapping[str, Scalar]) -> float:
        return float(score(lenient, {name: [value] for name, value in row.items()}, [0])[0])

    def takes(column: Column, value: Scalar) -> bool:
        try:
            score_one({**row, column.name: value})
        except (InvalidFrame, ModelError):
            return False
        return True

    try:
        probability = score_one(row)
    except (InvalidFrame, ModelError) as error:
        made_up = "" if card.get("golden_row") else " (made up, since card.json has none)"
        skew = _skew(lenient, row, error, opened.versions)
        raise ModelError(f"the model fails on its golden row{made_up}: {error}{skew}") from error
    _check_promise(probability, card, opened)
    probed = tuple(
        replace(
            column,
            nullable=takes(column, None),
            takes_unknown=column.kind == "category" and takes(column, column.unknown_category()),
        )
        for column in opened.columns
    )
    return probed, row


def _golden_row(columns: Columns, card: Mapping[str, Any]) -> dict[str, Scalar]:
    row = card.get("golden_row")
    if row is not None:
        if not isinstance(row, dict) or set(row) != {column.name for column in columns}:
            raise ModelError('card.json: "golden_row" must be an object with one value for each column of the model')
        return dict(row)
    # 1 is harmless under logarithms and divisions
    usual: dict[str, Scalar] = {"category": UNKNOWN_CATEGORY, "number": 1.0}
    return {column.name: column.categories[0] if column.categories else usual[column.kind] for column in columns}


def _check_promise(probability: float, card: Mapping[str, Any], opened: Opened) -> None:
    promised = card.get("golden_probability")
    if promised is None:
        return
    if not abs(probability - promised) <= max(GOLDEN_TOLERANCE, opened.tolerance):
        raise ModelError(
            f"the model gives {probability:.9f} for its golden row where its card promises {promised:.9f}"
            f"{opened.versions.reason(None)}"
        )


def _skew(scorer: Scorer, row: Mapping[str, Scalar], error: Exception, versions: Versions) -> str:
    """Return the likely reason why a row could not be scored, unless the error says it or the row itself is wrong."""
    try:
        scorer.read({name: [value] for name, value in row.items()}, [0])
    except InvalidFrame:
        return ""
    why = versions.reason(error.__cause__)
    return "" if why in str(error) else why


class _Tried:
    """Made-up rows, the golden row first, and the library's own answers."""

    def __init__(self, reference: Scorer, values: dict[str, list[Any]]) -> None:
        self.reference = reference
        self.values = values
        self.expected: Probabilities | None
        try:
            self.expected = score(reference, values, range(TRIED_ROWS))
            self.problem = None
        except (InvalidFrame, ModelError) as error:  # which the golden row is not
            self.expected, self.problem = None, str(error)

    def some(self) -> dict[str, list[Any]]:
        """Return the rows, or the golden row alone if the library refuses others."""
        count = 1 if self.expected is None else TRIED_ROWS
        return {name: values[:count] for name, values in self.values.items()}

    def golden(self, scorer: Scorer) -> Golden:
        """Return the rows that are kept, as `scorer` scores them."""
        rows = {name: values[:GOLDEN_ROWS] for name, values in self.some().items()}
        count = len(next(iter(rows.values())))
        return Golden(rows, score(scorer, rows, range(count)).tolist())


@dataclass(frozen=True)
class _Compiled:
    """A graph and its largest difference from the library's answers, or why there is none."""

    content: bytes | None = None
    codecs: Sequence[ColumnCodec] = ()
    scorer: GraphScorer | None = None
    difference: float | None = None
    problem: str | None = None


def _graph(opened: Opened, columns: Columns, tried: _Tried) -> _Compiled:
    """Translate the model and compare the graph with the library."""
    try:
        if tried.expected is None:
            raise NotCompilable(f"the library refuses rows that it should take: {tried.problem}")
        codecs, step = opened.translate(columns)
        graph = Graph(len(codecs))
        content = graph.finish(step(graph, graph.rows))
        scorer = GraphScorer(FrameReader(columns, codecs), content)
        difference = _difference(scorer, tried.values, tried.expected)
    except (ModelError, InvalidFrame, NotCompilable) as reason:
        return _Compiled(problem=str(reason))
    except Exception as error:  # noqa: BLE001 - other people's models may raise anything when they are taken apart
        return _Compiled(problem=f"{type(error).__name__}: {clipped(error)}")
    if not difference <= opened.tolerance:
        name = opened.versions.name
        return _Compiled(problem=f"the graph differs from {name} by {difference:.1e} on some rows")
    return _Compiled(content, codecs, scorer, difference)


def _difference(scorer: GraphScorer, values: Values, expected: Probabilities) -> float:
    """Return the largest difference on the tried rows, scored all together and a few at a time."""
    matrix = scorer.read(values, range(TRIED_ROWS))
    few = np.concatenate([scorer.score(rows) for rows in np.array_split(matrix, TRIED_ROWS // 20)])
    return float(max(abs(scorer.score(matrix) - expected).max(), abs(few - expected).max()))


def _score_most_rows(scorer: Scorer, values: Values) -> float:
    """Score as many rows as are ever scored together, within the bounds of this process.

    Return the processor time in seconds.
    """
    rows = {name: list(islice(cycle(listed), ROWS_AT_ONCE)) for name, listed in values.items()}
    began = time.process_time()
    score(scorer, rows, range(ROWS_AT_ONCE))
    return time.process_time() - began


def _made_up(columns: Sequence[Column], row: Mapping[str, Scalar]) -> dict[str, list[Any]]:
    """Return the row, and others near and far, with nulls and unknown categories where the model takes them."""
    random = np.random.default_rng(0)
    values = {}
    for column in columns:
        if column.kind == "category":
            taken = [None if is_null(level) else level for level in column.levels if level is not REFUSED]
            levels = taken or [row[column.name]]
            made: list[Any] = [levels[choice] for choice in random.integers(len(levels), size=TRIED_ROWS)]
        else:
            usual = row[column.name]
            numbers = random.normal(float(usual or 0), 10.0 ** random.integers(-1, 3, TRIED_ROWS))
            # halves and whole numbers, since that is where thresholds are
            numbers = np.where(random.random(TRIED_ROWS) < 0.5, numbers, np.round(numbers * 2) / 2)
            null = random.random(TRIED_ROWS) < (0.1 if column.nullable else 0)
            made = [None if n else number for number, n in zip(numbers.tolist(), null, strict=True)]
        values[column.name] = [row[column.name], *made[1:]]
    return values
