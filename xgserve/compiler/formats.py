"""The formats of model files: what opens each.

Libraries are imported when a file of their format comes: scikit-learn alone takes two seconds.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from xgserve.compiler.opened import Opened, card_columns
from xgserve.errors import ModelError
from xgserve.names import MODEL_SUFFIXES, ONNX_SUFFIX, PICKLE_SUFFIXES, SKOPS_SUFFIX

# Opens the content of a file with its card.
Opener = Callable[[bytes, Mapping[str, Any]], Opened]


def opener_of(file_name: str, *, workspace: str, allow_pickle: bool) -> Opener:
    """Import and return what opens a file of this name.

    It raises ModelError if the artifact is not trusted, damaged, cannot be opened with the libraries here, or is not a
    binary classifier of goals.

    Raises:
        ModelError: it is not the name of a model file.
    """
    suffix = Path(file_name).suffix.lower()
    if suffix not in MODEL_SUFFIXES:
        raise ModelError(f"{file_name} is not a model file: expected one that ends in {', '.join(MODEL_SUFFIXES)}")
    if suffix in (SKOPS_SUFFIX, *PICKLE_SUFFIXES):
        from xgserve.compiler.scikit.loading import open_estimator

        return partial(open_estimator, file_name, workspace=workspace, allow_pickle=allow_pickle)
    if suffix == ONNX_SUFFIX:
        from xgserve.compiler.onnx_file.model import open_onnx

        return partial(_named, file_name, open_onnx)
    from xgserve.compiler.boosters.opening import import_library, open_file

    import_library(suffix)
    return partial(_named, file_name, lambda content, card: open_file(suffix, content, card_columns(card)))


def _named(file_name: str, opener: Opener, content: bytes, card: Mapping[str, Any]) -> Opened:
    try:
        return opener(content, card)
    except ModelError as error:
        raise ModelError(f"{file_name} is refused: {error}") from error
