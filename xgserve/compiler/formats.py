"""The formats of model files: what opens each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from xgserve.compiler.boosters.opening import open_file
from xgserve.compiler.onnx_file.model import open_onnx
from xgserve.compiler.opened import Opened
from xgserve.compiler.scikit.columns import card_columns
from xgserve.compiler.scikit.loading import open_estimator
from xgserve.errors import ModelError
from xgserve.names import MODEL_SUFFIXES, ONNX_SUFFIX, PICKLE_SUFFIXES, SKOPS_SUFFIX


def open_artifact(
    file_name: str, content: bytes, card: Mapping[str, Any], *, workspace: str, allow_pickle: bool
) -> Opened:
    """Open an artifact in the way of its format, which its suffix says.

    Raises:
        ModelError: the artifact is not trusted, damaged, cannot be opened with the libraries here, or is not a binary
            classifier of goals.
    """
    suffix = Path(file_name).suffix.lower()
    if suffix in (SKOPS_SUFFIX, *PICKLE_SUFFIXES):
        return open_estimator(file_name, content, card, workspace=workspace, allow_pickle=allow_pickle)
    if suffix not in MODEL_SUFFIXES:
        raise ModelError(f"{file_name} is not a model file: expected one that ends in {', '.join(MODEL_SUFFIXES)}")
    try:
        if suffix == ONNX_SUFFIX:
            return open_onnx(content, card)
        return open_file(suffix, content, card_columns(card))
    except ModelError as error:
        raise ModelError(f"{file_name} is refused: {error}") from error
