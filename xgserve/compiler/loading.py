"""From an artifact's bytes to the estimator inside: what may be built at all, and what to say when it fails."""

import bz2
import gzip
import io
import lzma
import re
import warnings
import zipfile
import zlib
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import joblib
import sklearn
import skops.io
from sklearn.exceptions import InconsistentVersionWarning
from skops.io._audit import audit_tree, get_tree
from skops.io._utils import LoadContext

from xgserve.compiler.integrity import parts_of
from xgserve.compiler.rebuilt import rebuild
from xgserve.compiler.skops_schema import Copy, NotAllowed, read_schema
from xgserve.errors import ModelError
from xgserve.registry.archive import PICKLE_SUFFIXES, SKOPS_SUFFIX
from xgserve.text import clipped

MAX_SEARCHED_BYTES = 50_000_000  # for the version of scikit-learn

# What people call the packages of these modules.
PACKAGES = {"imblearn": "imbalanced-learn", "sklearn": "scikit-learn"}
EXTRAS = {"lightgbm": "boosters", "xgboost": "boosters"}


def load_estimator(
    file_name: str, content: bytes, *, allow_pickle: bool, card_version: str | None = None
) -> tuple[Any, str | None]:
    """Return what the artifact holds, and the scikit-learn version it was made with, where that can be seen.

    `card_version` is what its card says of that, for artifacts that do not say it themselves.
    With `allow_pickle` its makers may run code here, so what they save with skops is taken as it is, too.
    Not for two threads at a time: it listens to warnings, which are the whole process's.

    Raises:
        ModelError: the artifact is not trusted, damaged, or cannot be loaded with the libraries here.
    """
    suffix = Path(file_name).suffix.lower()
    if suffix in PICKLE_SUFFIXES and not allow_pickle:
        raise ModelError(
            f"{file_name} is a pickle, which can run any code when loaded. Save the model with skops "
            "(skops.io.dump), or, if you trust everybody who can write to its workspace, name the workspace in "
            "XG_TRUST_PICKLE_WORKSPACES and restart the service"
        )
    if suffix not in (SKOPS_SUFFIX, *PICKLE_SUFFIXES):
        raise ModelError(f"{file_name} is not a model file: expected {SKOPS_SUFFIX}")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            if suffix in PICKLE_SUFFIXES:
                estimator = joblib.load(io.BytesIO(content))
            elif allow_pickle:
                estimator = skops.io.loads(content, trusted=skops.io.get_untrusted_types(data=content))
            else:
                estimator = _built(content)
        except NotAllowed as error:
            raise ModelError(_refusal(file_name, error, _made_with(caught, content) or card_version)) from error
        except zipfile.BadZipFile as error:
            raise ModelError(f"{file_name} is damaged or not a skops file: {clipped(error)}") from error
        except Exception as error:  # version skew and hostile files raise nearly anything
            why = f"{file_name} cannot be loaded: {type(error).__name__}: {clipped(error)}"
            raise ModelError(f"{why}{reason(error, _made_with(caught, content) or card_version)}") from error
    return estimator, _made_with(caught, content) or card_version


def version_skew(made_with: str) -> str:
    """Return what to tell people about an artifact of another scikit-learn."""
    return f"made with scikit-learn {made_with}, loaded with {sklearn.__version__}"


def reason(error: BaseException | None, made_with: str | None) -> str:
    """Return what to add to the words about an error that a model raised: why it probably did, and what to do."""
    module = (error.name or "") if isinstance(error, ModuleNotFoundError) else ""
    package = module.partition(".")[0]
    if package and package not in ("sklearn", "_loss"):  # where scikit-learn's own parts were once
        return f". {needs(package)}"
    if isinstance(error, AttributeError) and "__main__" in str(error):
        return f". {needs('__main__')}"
    if made_with == sklearn.__version__:
        return ""
    if made_with is not None:
        return (
            f". It was {version_skew(made_with)}, which is the likely reason: fit and save it again with scikit-learn "
            f"{sklearn.__version__}"
        )
    if isinstance(error, AttributeError | ImportError):
        return (
            ". It was probably made with another version of scikit-learn, which it does not name: fit and save it "
            f"again with {sklearn.__version__}"
        )
    return ""


def needs(package: str) -> str:
    """Return what to do about a library that is not installed."""
    if package == "__main__":
        return "It holds code of its maker's own, which is not here: save a pipeline of library estimators"
    name = PACKAGES.get(package, package)
    extra = EXTRAS.get(package)
    how = f"pip install '.[{extra}]' in the project's folder" if extra else f"pip install {name}"
    return f"It needs {name}, which is not installed here: {how}, and restart the service"


def _built(content: bytes) -> Any:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        copy = Copy(archive, read_schema(archive))
        trusted = sorted(copy.types)
        tree = get_tree(copy.schema, LoadContext(src=archive, protocol=copy.schema["protocol"]), trusted=trusted)
        audit_tree(tree, trusted=trusted)
        estimator = tree.construct()
    rebuild(parts_of(estimator))
    return estimator


def _refusal(file_name: str, error: NotAllowed, made_with: str | None) -> str:
    """Return why a file is not loaded, and what to do: save it again or anew, or trust its workspace."""
    words = f"{file_name} is refused: {clipped(error, 1000)}"
    if error.unknown_here and made_with != sklearn.__version__ and made_with is not None:
        return f"{words}{reason(error, made_with)}"
    missing = [package for package in EXTRAS if f"{package}." in str(error) and find_spec(package) is None]
    return (
        f"{words}. docs/security.md has the list. Save one of its estimators, or, if you trust everybody who can write "
        "to its workspace, name the workspace in XG_TRUST_PICKLE_WORKSPACES and restart the service"
        + "".join(f". {needs(package)}" for package in missing)
    )


def _made_with(caught: list[warnings.WarningMessage], content: bytes) -> str | None:
    """Return the scikit-learn version that loading warned about, or that the file records where it can be seen."""
    for warning in caught:
        if isinstance(warning.message, InconsistentVersionWarning):
            return str(warning.message.original_sklearn_version)
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive, archive.open("schema.json") as schema:
            content = schema.read(MAX_SEARCHED_BYTES)
    except (zipfile.BadZipFile, KeyError, OSError, ValueError, NotImplementedError):
        content = _unpacked(content)  # not a skops file: look at the bytes of the pickle
    found = re.search(rb"_sklearn_version.{1,400}?(\d+\.\d+(?:\.\w+)?)", content, re.DOTALL)
    return found.group(1).decode("ascii", "replace") if found else None


def _unpacked(content: bytes) -> bytes:
    """Return the start of what joblib may have packed in one of its ways."""
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
        pass  # damaged, which has been said
    return content
