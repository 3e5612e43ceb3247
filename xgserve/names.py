"""Names of models and workspaces, the order of versions, and the suffixes of model files."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

# A version becomes the name of a folder: no separators, no leading dot.
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")

# A workspace or a model: no separators of paths, ids and URLs, no leading dot, no space around it, nothing invisible.
NAME = re.compile(r"[^\s./\\:@\x00-\x1f\x7f](?:[^/\\:@\x00-\x1f\x7f]{0,98}[^\s/\\:@\x00-\x1f\x7f])?")
NAME_IN_WORDS: Final = "up to 100 letters, digits, spaces and signs without / \\ : @, not starting with a dot"
MAX_FOLDER_BYTES = 240  # file systems take at least 255
MAX_STAGE_LENGTH: Final = 100

# What is kept beside an artifact: the folder of the compiled model, its author's card, and the cache's own record.
COMPILED: Final = "compiled"
CARD: Final = "card.json"
MANIFEST: Final = "manifest.json"

# Pickles can run any code when loaded.
SKOPS_SUFFIX: Final = ".skops"
PICKLE_SUFFIXES: Final = (".joblib", ".pkl", ".pickle", ".cpkl")
ONNX_SUFFIX: Final = ".onnx"
XGBOOST_SUFFIXES: Final = (".json", ".ubj")
LIGHTGBM_SUFFIX: Final = ".txt"
MODEL_SUFFIXES: Final = (SKOPS_SUFFIX, ONNX_SUFFIX, *XGBOOST_SUFFIXES, LIGHTGBM_SUFFIX, *PICKLE_SUFFIXES)


# Files with these suffixes are often something else; a model's begin like this.
_BEGINNINGS: Final = {
    ".json": re.compile(rb'\s*\{\s*"learner"\s*:'),
    LIGHTGBM_SUFFIX: re.compile(rb"tree\r?\n"),
}
_BEGINNING_BYTES: Final = 200


def is_model_file(path: Path) -> bool:
    """Return whether a file is named like a model and, where others are named so as well, begins like one.

    Raises:
        OSError: it cannot be read.
    """
    suffix = path.suffix.lower()
    beginning = _BEGINNINGS.get(suffix)
    if beginning is None:
        return suffix in MODEL_SUFFIXES
    with path.open("rb") as file:
        return beginning.match(file.read(_BEGINNING_BYTES)) is not None


def is_name(text: str) -> bool:
    """Return whether a workspace or a model may have this name."""
    return bool(NAME.fullmatch(text)) and text.isprintable() and len(folder_name(text)) <= MAX_FOLDER_BYTES


def folder_name(text: str) -> str:
    """Return the folder name of a workspace, model or version: plain names as they are, others quoted."""
    return quote(text, safe="+")


def tag(model_id: str) -> str:
    """Return a model's id for the headers `ETag` and `If-Match`: plain ids as they are, others quoted."""
    return quote(model_id, safe="/:@+")


@dataclass(frozen=True)
class ModelName:
    """The full name of a model: `workspace/name:version`."""

    workspace: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.workspace}/{self.name}:{self.version}"

    def id_of(self, digest: str) -> str:
        """Return the id of the artifact with this digest: `workspace/name:version@sha256:<12 hex>`."""
        return f"{self}@sha256:{digest[:12]}"


def version_order(version: str) -> tuple[list[int], bool, list[tuple[bool, int, str]]]:
    """Return a sort key under which a newer version is larger, as in semantic versioning: 1.9 < 1.10-rc1 < 1.10."""
    core, _, pre_release = version.partition("+")[0].partition("-")
    numbers = [int(number) for number in re.findall(r"[0-9]+", core)]
    parts = [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in pre_release.split(".")]
    return numbers, not pre_release, parts
