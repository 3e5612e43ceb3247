"""The compilation of an artifact in a bounded child process, seen from the service.

Opening an artifact can take all memory, crash the process or never end, whatever the types in the file; in a child,
this does not harm the service.
"""

from pathlib import Path
from typing import Final

from xgserve.errors import ArtifactRefused
from xgserve.model.compiled import DESCRIPTION_FILE, GRAPH_FILE, MAX_COMPILED_BYTES, environment
from xgserve.names import COMPILED, ONNX_SUFFIX
from xgserve.sandbox.child import ChildDied, ChildTimeout, run_child

# Forests unpack to several times their size on disk. A pickle imports libraries of its own, such as pandas and XGBoost.
# An ONNX file is held as nodes, as trees and in two sessions.
MEMORY_PER_ARTIFACT_BYTE: Final = 16
MEMORY_PER_ONNX_BYTE: Final = 40
MEMORY_FLOOR_BYTES: Final = 512 << 20


def memory_for(artifact: Path) -> int:
    """Return how much memory, in bytes, a process may take for an artifact beyond its libraries."""
    per_byte = MEMORY_PER_ONNX_BYTE if artifact.suffix.lower() == ONNX_SUFFIX else MEMORY_PER_ARTIFACT_BYTE
    return max(MEMORY_FLOOR_BYTES, per_byte * artifact.stat().st_size)


def compile_artifact(
    artifact: Path, workspace: str, *, allow_pickle: bool, scratch: Path, seconds: float
) -> list[Path]:
    """Compile the artifact in a child with bounded time and memory; return the files, which are below `scratch`.

    The description comes last: with it in place, the compiled model is complete.

    Raises:
        ArtifactRefused: it is not trusted, takes too much or too long, crashes, or gives no probability.
        OSError: `scratch` cannot be written.
    """
    output = scratch / COMPILED
    output.mkdir()
    request = {
        "artifact": str(artifact.absolute()),
        "workspace": workspace,
        "allow_pickle": allow_pickle,
        "memory_bytes": memory_for(artifact),
        "output": str(output.absolute()),
        "environment": environment(allow_pickle=allow_pickle),
    }
    try:
        run_child(
            "xgserve.compiler.child",
            request,
            scratch=scratch,
            seconds=seconds,
            file_bytes=MAX_COMPILED_BYTES,
            readable=[artifact.parent],
            writable=[output],
        )
    except ChildTimeout as error:
        raise ArtifactRefused(
            f"{artifact.name} was not opened and compiled within {seconds:g} s (XG_TRIAL_TIMEOUT_S)"
        ) from error
    except ChildDied as error:
        raise ArtifactRefused(f"the process that compiled {artifact.name} {error}") from error
    return [path for name in (GRAPH_FILE, DESCRIPTION_FILE) if (path := output / name).exists()]
