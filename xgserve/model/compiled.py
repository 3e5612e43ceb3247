"""The compiled model: what the compiler writes beside an artifact, and all that the service loads of it.

`model.json` holds the columns, how each is encoded, golden rows with their probabilities, digests and versions;
`model.onnx` computes P(goal) from the encoded columns. Without a graph, a worker process scores with the artifact.
"""

import hashlib
import math
import platform
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from msgspec import Struct

from xgserve.contract import LibraryVersions, Scalar
from xgserve.errors import InvalidFrame, ModelError
from xgserve.model.graph import GraphScorer
from xgserve.model.model import GOLDEN_TOLERANCE, Model, Scorer
from xgserve.model.schema import Column
from xgserve.model.validation import ColumnCodec, FrameReader
from xgserve.names import ModelName
from xgserve.text import clipped

DESCRIPTION_FILE: Final = "model.json"
GRAPH_FILE: Final = "model.onnx"

# Raise it when the compiler would write something else for the same artifact.
COMPILER: Final = 1
MAX_DESCRIPTION_BYTES: Final = 16 << 20
MAX_COMPILED_BYTES: Final = 1 << 30
LIBRARIES: Final = (
    *("scikit-learn", "skops", "numpy", "scipy", "pandas", "joblib", "onnx", "onnxruntime", "treelite"),
    *("lightgbm", "xgboost", "xgboost-cpu"),  # where they are installed
)


class Codec(Struct, frozen=True):
    """How one column of the matrix is made: of the column at this place, with one number per level; null is NaN."""

    column: int
    numbers: tuple[float | None, ...]


class Golden(Struct, frozen=True):
    """Rows, the card's first, and the probabilities that must come out."""

    rows: dict[str, list[Scalar]]
    probabilities: list[float]


class Description(Struct, frozen=True, kw_only=True):
    """What `model.json` says."""

    artifact: str
    digest: str  # SHA-256 of the artifact
    graph: str | None  # SHA-256 of the graph; None: a worker scores
    not_compiled: str | None  # why there is no graph
    columns: tuple[Column, ...]
    codecs: tuple[Codec, ...]
    golden: Golden
    library: LibraryVersions
    agreement: float | None  # the largest difference from the library's probabilities
    rows_compared: int
    warnings: list[str]
    population: str | None
    metrics: Any
    trained_on: list[int] | None
    environment: str


class _Sealed(Struct, frozen=True):
    """The content of `model.json`: a description, and the SHA-256 of its bytes; one wrong bit may be a valid number."""

    sha256: str
    description: msgspec.Raw


@cache
def environment(*, allow_pickle: bool) -> str:
    """Return what a compiled model depends on: the versions of compiler, Python and libraries, and trust."""
    libraries = [f"{name} {found}" for name in LIBRARIES if (found := _version(name))]
    trust = ["trusted"] if allow_pickle else []
    return ", ".join([f"compiler {COMPILER}", f"python {platform.python_version()}", *libraries, *trust])


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def codecs_to_store(columns: tuple[Column, ...], codecs: Sequence[ColumnCodec]) -> tuple[Codec, ...]:
    """Return the codecs with the places of their columns."""
    places = {column.name: place for place, column in enumerate(columns)}
    return tuple(Codec(places[codec.column.name], codec.numbers) for codec in codecs)


def reader_of(description: Description) -> FrameReader:
    """Return what checks and encodes the columns."""
    columns = description.columns
    codecs = [
        ColumnCodec(columns[codec.column], tuple(math.nan if number is None else number for number in codec.numbers))
        for codec in description.codecs
    ]
    return FrameReader(columns, codecs)


def read_description(folder: Path) -> Description | None:
    """Return the description of the compiled model in the folder; None if it is missing, damaged or cannot be read."""
    try:
        with (folder / DESCRIPTION_FILE).open("rb") as file:
            sealed = msgspec.json.decode(file.read(MAX_DESCRIPTION_BYTES), type=_Sealed)
        if hashlib.sha256(sealed.description).hexdigest() != sealed.sha256:
            return None
        return msgspec.json.decode(sealed.description, type=Description)
    except (OSError, ValueError, RecursionError):  # msgspec's errors are ValueErrors; the model is compiled again
        return None


def write_compiled(folder: Path, description: Description, graph: bytes | None) -> None:
    """Write a compiled model into the folder.

    Raises:
        ModelError: the description could not be read again.
        OSError: the folder cannot be written.
    """
    try:
        described = msgspec.json.format(msgspec.json.encode(description), indent=1)
    except ValueError as error:  # a name with half a character
        raise ModelError(f"the model cannot be described: {clipped(error)}") from error
    sealed = msgspec.json.encode(_Sealed(hashlib.sha256(described).hexdigest(), msgspec.Raw(described)))
    if len(sealed) > MAX_DESCRIPTION_BYTES:
        raise ModelError(
            f"its columns and categories take {len(sealed) >> 20} MB to describe, and may take "
            f"{MAX_DESCRIPTION_BYTES >> 20}: it has too many categories, or too long ones"
        )
    if graph is not None:
        (folder / GRAPH_FILE).write_bytes(graph)
    (folder / DESCRIPTION_FILE).write_bytes(sealed)


# Makes the scorer of a model that has no graph.
StartWorker = Callable[[Description, FrameReader], Scorer]


def load_compiled(folder: Path, name: ModelName, digest: str, start_worker: StartWorker) -> Model:
    """Load the compiled model in a folder and check it with its golden rows.

    `digest` is the SHA-256 of the artifact that it must have been compiled from.

    Raises:
        ModelError: it is missing or damaged, was compiled from another artifact, or gives other probabilities than it
            gave when it was compiled.
    """
    from db import times  # not at the top: the process that compiles imports this module, and may not read db/

    description = read_description(folder)
    if description is None:
        raise ModelError(f"{name} has no readable compiled model; python -m xgserve.compiler {folder.parent} makes it")
    if description.digest != digest:
        raise ModelError(
            f"{name} was compiled from another file; python -m xgserve.compiler {folder.parent} does it again"
        )
    reader = reader_of(description)
    if description.graph is None:
        scorer: Scorer = start_worker(description, reader)
    else:
        scorer = GraphScorer(reader, _read_graph(folder, description.graph))
    golden = description.golden
    model = Model(
        name=name,
        digest=description.digest,
        columns=description.columns,
        golden_row={column: values[0] for column, values in golden.rows.items()},
        golden_probability=golden.probabilities[0],
        loaded_at=times.utc_now(),
        scorer=scorer,
        served_by="worker" if description.graph is None else "graph",
        library=description.library,
        agreement=description.agreement,
        not_compiled=description.not_compiled,
        warnings=description.warnings,
        population=description.population,
        metrics=description.metrics,
        trained_on=description.trained_on,
    )
    _check_golden_rows(model, golden)
    return model


def _read_graph(folder: Path, digest: str) -> bytes:
    try:
        graph = (folder / GRAPH_FILE).read_bytes()
    except OSError as error:
        raise ModelError(f"cannot read {GRAPH_FILE}: {error.strerror}") from error
    if hashlib.sha256(graph).hexdigest() != digest:
        raise ModelError(f"{GRAPH_FILE} is not the one that {DESCRIPTION_FILE} describes")
    return graph


def _check_golden_rows(model: Model, golden: Golden) -> None:
    try:
        found = model.predict(golden.rows, range(len(golden.probabilities)))
    except InvalidFrame as error:
        raise ModelError(f"{model.name} cannot score its golden rows: {error}") from error
    differs = np.abs(found - golden.probabilities) > GOLDEN_TOLERANCE
    if differs.any():
        place = int(np.flatnonzero(differs)[0])
        raise ModelError(
            f"{model.name} gives {found[place]:.9f} for its golden row {place} where it gave "
            f"{golden.probabilities[place]:.9f} when it was compiled"
        )
