"""Compile one artifact for the service, in a child process."""

import errno
from pathlib import Path
from typing import Any

from xgserve.compiler.build import compile_model
from xgserve.compiler.formats import opener_of
from xgserve.errors import ArtifactRefused, InvalidFrame, ModelError, StorageFailed
from xgserve.sandbox.child import limit_memory


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Write the compiled model of an artifact, within the memory that the request allows.

    Raises:
        ArtifactRefused: it is not trusted, cannot be used here, or takes too much memory.
        StorageFailed: the disk is full.
    """
    artifact = Path(request["artifact"])
    try:
        # the libraries first: the bound is for the model alone
        opener_of(artifact.name, workspace=request["workspace"], allow_pickle=request["allow_pickle"])
        limit_memory(request["memory_bytes"])
        compile_model(
            artifact,
            Path(request["output"]),
            request["environment"],
            workspace=request["workspace"],
            allow_pickle=request["allow_pickle"],
        )
    except (ModelError, InvalidFrame) as error:
        if isinstance(error.__cause__, MemoryError) or "Failed to allocate memory" in str(error):  # onnxruntime's words
            raise _takes_too_much(request) from error
        raise ArtifactRefused(str(error)) from error
    except MemoryError as error:
        raise _takes_too_much(request) from error
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise StorageFailed(f"the compiled model cannot be written: {error.strerror}; check the disk") from error
    return {}


def _takes_too_much(request: dict[str, Any]) -> ArtifactRefused:
    return ArtifactRefused(
        f"{Path(request['artifact']).name} takes more than {request['memory_bytes'] >> 20} MB of memory to load"
    )
