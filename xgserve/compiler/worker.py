"""Score with one artifact, in a worker process."""

import hashlib
from pathlib import Path
from typing import Any, BinaryIO

from xgserve.compiler.build import open_model
from xgserve.compiler.formats import opener_of
from xgserve.errors import ModelError
from xgserve.sandbox.answering import Score, answer_batches
from xgserve.sandbox.child import limit_memory


def serve(request: dict[str, Any], received: BinaryIO, answer_to: int) -> None:
    """Open the artifact within the memory that the request allows, and answer batches of rows."""
    # the libraries first: the bound is for the model alone
    opener_of(request["artifact"], workspace=request["workspace"], allow_pickle=request["allow_pickle"])
    limit_memory(request["memory_bytes"])
    answer_batches(lambda: _score(request), received, answer_to)


def _score(request: dict[str, Any]) -> Score:
    """Return what scores arrays of the artifact's columns.

    Raises:
        ModelError: it cannot be opened, or is not the one that was compiled.
    """
    artifact = Path(request["artifact"])
    opened, content, _ = open_model(artifact, request["workspace"], allow_pickle=request["allow_pickle"])
    if hashlib.sha256(content).hexdigest() != request["digest"]:
        raise ModelError(f"{artifact.name} was changed since it was compiled; download the model again")
    return opened.reference(opened.columns).score
