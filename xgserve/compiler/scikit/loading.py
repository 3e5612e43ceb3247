"""Read an estimator from the bytes of a skops file or a pickle, and explain failures."""

import bz2
import gzip
import io
import lzma
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import sklearn
import skops.io
from sklearn.exceptions import InconsistentVersionWarning
from sklearn.preprocessing import SplineTransformer
from skops.io._audit import audit_tree, get_tree
from skops.io._utils import LoadContext

from xgserve.compiler.boosters.opening import open_booster
from xgserve.compiler.opened import Opened, card_columns
from xgserve.compiler.scikit.classifier import open_classifier
from xgserve.compiler.scikit.integrity import parts_of
from xgserve.compiler.scikit.internals import VERSION, NeighborsBase, regrow_tree, remade_spline
from xgserve.compiler.scikit.skops_schema import Copy, NotAllowed, read_schema
from xgserve.compiler.versions import EXTRAS, Versions, needs
from xgserve.errors import ModelError, pickle_refusal, trust_advice
from xgserve.names import PICKLE_SUFFIXES, SKOPS_SUFFIX
from xgserve.text import clipped

MAX_SEARCHED_BYTES = 50_000_000  # for the version of scikit-learn


def open_estimator(
    file_name: str, content: bytes, card: Mapping[str, Any], *, workspace: str, allow_pickle: bool
) -> Opened:
    """Open a file of skops, pickle or joblib.

    Raises:
        ModelError: the artifact is not trusted, damaged, cannot be opened with the libraries here, or is not a binary
            classifier of goals.
    """
    recorded = card.get("sklearn_version")
    estimator, versions = load_estimator(
        file_name,
        content,
        workspace=workspace,
        allow_pickle=allow_pickle,
        card_version=recorded if isinstance(recorded, str) else None,
    )
    try:
        booster = open_booster(estimator, card_columns(card))
        return booster or open_classifier(estimator, versions, card)
    except ModelError:
        raise
    except Exception as error:  # the object may only look like a classifier
        why = f"{file_name} cannot be used: {type(error).__name__}: {clipped(error)}"
        raise ModelError(f"{why}{versions.reason(error)}") from error


def load_estimator(
    file_name: str, content: bytes, *, workspace: str, allow_pickle: bool, card_version: str | None
) -> tuple[Any, Versions]:
    """Return the artifact's estimator, and the versions of scikit-learn that made it and that loaded it.

    `card_version` is the version in the card, for artifacts that do not record it themselves. With `allow_pickle`, the
    authors may run code here, so their skops files are not checked either. Not thread-safe: warnings are process-wide.

    Raises:
        ModelError: the artifact is not trusted, damaged, or cannot be loaded with the libraries here.
    """
    suffix = Path(file_name).suffix.lower()
    if suffix in PICKLE_SUFFIXES and not allow_pickle:
        raise ModelError(pickle_refusal(file_name, workspace))
    if suffix not in (SKOPS_SUFFIX, *PICKLE_SUFFIXES):
        raise ModelError(f"{file_name} is not a model file: expected {SKOPS_SUFFIX}")
    with warnings.catch_warnings(record=True) as caught:

        def versions() -> Versions:
            return Versions("scikit-learn", _made_with(caught, content) or card_version, sklearn.__version__)

        warnings.simplefilter("always")
        try:
            if suffix in PICKLE_SUFFIXES:
                estimator = joblib.load(io.BytesIO(content))
            elif allow_pickle:
                estimator = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
            else:
                estimator = _built(content)
        except NotAllowed as error:
            raise ModelError(_refusal(file_name, error, versions(), workspace)) from error
        except zipfile.BadZipFile as error:
            raise ModelError(f"{file_name} is damaged or not a skops file: {clipped(error)}") from error
        except Exception as error:  # version skew and hostile files raise nearly anything
            why = f"{file_name} cannot be loaded: {type(error).__name__}: {clipped(error)}"
            raise ModelError(f"{why}{versions().reason(error)}") from error
    return estimator, versions()


def _built(content: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        copy = Copy(archive, read_schema(archive))
        trusted = sorted(copy.types)
        tree = get_tree(copy.schema, LoadContext(src=archive, protocol=copy.schema["protocol"]), trusted=trusted)
        audit_tree(tree, trusted=trusted)
        estimator = tree.construct()
    _remake(parts_of(estimator))
    return estimator


def _remake(parts: Iterable[object]) -> None:
    """Remake splines and trees of neighbours from their numbers, since compiled code does not check what a file holds.

    Raises:
        Exception: whatever a constructor raises on inconsistent numbers.
    """
    for part in parts:
        match part:
            case SplineTransformer(bsplines_=splines):
                part.bsplines_ = [remade_spline(spline) for spline in splines]
            case NeighborsBase():
                regrow_tree(part)


def _refusal(file_name: str, error: NotAllowed, versions: Versions, workspace: str) -> str:
    """Return why a file is refused, and what to do: save it again, save another model, or trust its workspace."""
    words = f"{file_name} is refused: {clipped(error, 1000)}"
    if error.unknown_here and versions.artifact not in (None, versions.here):
        return f"{words}{versions.reason(error)}"
    missing = [package for package in EXTRAS if f"{package}." in str(error) and find_spec(package) is None]
    what_to_do = f"docs/security.md has the list. Save one of its estimators, or, {trust_advice(workspace)}"
    return ". ".join([words, what_to_do, *map(needs, missing)])


def _made_with(caught: list[warnings.WarningMessage], content: bytes) -> str | None:
    """Return the scikit-learn version that loading warned about, or else that the file visibly records."""
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            return str(warning.message.original_sklearn_version)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("schema.json") as schema:
            content = schema.read(MAX_SEARCHED_BYTES)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, NotImplementedError):
        content = _unpacked(content)  # not a skops file: search the bytes of the pickle
    found = re.search(VERSION.encode() + rb".{1,400}?(\d+\.\d+(?:\.\w+)?)", content, re.DOTALL)
    return found.group(1).decode("ascii", "replace") if found else None


def _unpacked(content: bytes) -> bytes:
    """Return the start of the content, decompressed if joblib compressed it in one of its formats."""
    stream = io.BytesIO(content)
    ways: dict[bytes, Any] = {
        b"\x1f\x8b": partial(gzip.GzipFile, fileobj=stream),
        b"BZh": partial(bz2.BZ2File, stream),
        b"\xfd7zXZ": partial(lzma.LZMAFile, stream),
        b"\x5d\x00": partial(lzma.LZMAFile, stream),
    }
    try:
        if content[:1] == b"\x78":
            return zlib.decompressobj().decompress(content, MAX_SEARCHED_BYTES)
        for start, way in ways.items():
            if content.startswith(start):
                with way() as opened:
                    return bytes(opened.read(MAX_SEARCHED_BYTES))
    except (OSError, EOFError, zlib.error, lzma.LZMAError):
        pass  # damaged, which is reported already
    return content
