"""The first load of an artifact from outside, in a bounded child process.

Loading can take all memory, crash the process or never end, whatever the types in the file; in a child, this does not
harm the service. `try_artifact` runs in the service, `handle` and what it calls in the child.
"""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from xgserve.compiler.build import load_model
from xgserve.errors import ArtifactRefused, InvalidFrame, ModelError
from xgserve.model.model import ROWS_AT_ONCE
from xgserve.names import ModelName
from xgserve.sandbox.child import ChildDied, ChildTimeout, limit_memory, run_child

# Forests unpack to several times their size on disk.
MEMORY_PER_ARTIFACT_BYTE = 16
MEMORY_FLOOR_BYTES = 256 << 20
MAX_FILE_BYTES = 1 << 20
LIBRARIES = (
    *("scikit-learn", "skops", "numpy", "scipy", "pandas", "joblib", "onnx", "onnxruntime"),
    *("lightgbm", "xgboost"),  # where they are installed
)


def environment() -> str:
    """Return the versions of Python and the libraries, on which the outcome of a trial depends."""
    libraries = [f"{name} {found}" for name in LIBRARIES if (found := _version(name))]
    return ", ".join([f"python {platform.python_version()}", *libraries])


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def try_artifact(artifact: Path, name: ModelName, *, allow_pickle: bool, scratch: Path, seconds: float) -> None:
    """Load the artifact and score the largest batch of rows, in a child with bounded time and memory.

    Raises:
        ArtifactRefused: it is not trusted, takes too much or too long, crashes, or gives no probability.
        OSError: `scratch` cannot be written.
    """
    memory = max(MEMORY_FLOOR_BYTES, MEMORY_PER_ARTIFACT_BYTE * artifact.stat().st_size)
    request = {
        "artifact": str(artifact.absolute()),
        "name": [name.workspace, name.name, name.version],
        "allow_pickle": allow_pickle,
        "memory_bytes": memory,
    }
    try:
        run_child(
            "xgserve.registry.trial",
            request,
            scratch=scratch,
            seconds=seconds,
            file_bytes=MAX_FILE_BYTES,
            readable=[artifact.parent],
        )
    except ChildTimeout as error:
        raise ArtifactRefused(
            f"{artifact.name} did not load and score {ROWS_AT_ONCE:,} rows within {seconds:g} s (XG_TRIAL_TIMEOUT_S)"
        ) from error
    except ChildDied as error:
        raise ArtifactRefused(f"the process that tried {artifact.name} {error}") from error


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """In the child: load the artifact, and score the largest batch of rows.

    Raises:
        ArtifactRefused: as for `try_artifact`.
    """
    limit_memory(request["memory_bytes"])
    artifact = Path(request["artifact"])
    try:
        model = load_model(artifact, ModelName(*request["name"]), allow_pickle=request["allow_pickle"])
        model.predict({name: [value] * ROWS_AT_ONCE for name, value in model.golden_row.items()}, range(ROWS_AT_ONCE))
    except (ModelError, InvalidFrame) as error:
        if isinstance(error.__cause__, MemoryError):
            raise _takes_too_much(request) from error
        raise ArtifactRefused(str(error)) from error
    except MemoryError as error:
        raise _takes_too_much(request) from error
    return {"id": model.id}


def _takes_too_much(request: dict[str, Any]) -> ArtifactRefused:
    return ArtifactRefused(
        f"{Path(request['artifact']).name} takes more than {request['memory_bytes'] >> 20} MB of memory to load"
    )
