"""Unpack a downloaded model's zip file within bounds, and find the model in it."""

import json
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from xgserve.errors import ArtifactRefused, DownloadFailed, ModelTooLarge, NoCandidate, SeveralCandidates
from xgserve.names import CARD, MANIFEST, MODEL_SUFFIXES, ONNX_SUFFIX, SKOPS_SUFFIX, is_model_file

MAX_FILES = 1000
MAX_DEPTH = 20
MAX_DESCRIPTION_BYTES = 100_000
CHUNK_BYTES = 1 << 16
LEFT_BEHIND = frozenset({"__MACOSX", "__pycache__", "$RECYCLE.BIN", "System Volume Information"})

# Written by comet_ml.integration.sklearn.log_model beside the model it describes.
COMET_DESCRIPTION = "CometModel"


def unpack(archive: Path, folder: Path, *, max_bytes: int) -> None:
    """Unpack a zip file into an empty folder: plain files only, none outside the folder, `max_bytes` in total.

    Raises:
        DownloadFailed: not a zip file, or a damaged one.
        ModelTooLarge: more than `max_bytes` once unpacked, whatever the archive claims.
        ArtifactRefused: too many files, links, encrypted files, or names that lead out of the folder.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.filename.endswith("/")]
            _check_members(members, max_bytes)
            left = max_bytes
            for member in members:
                left -= _unpack_one(opened, member, folder / member.filename, left)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DownloadFailed(f"Comet sent {_what_it_is(archive)} instead of a whole zip file ({error})") from error
    except (NotImplementedError, RuntimeError) as error:  # an unknown compression, an encrypted file
        raise ArtifactRefused(f"the model's zip file cannot be unpacked: {error}") from error


def find_artifact(folder: Path) -> Path:
    """Return the model file in a downloaded folder.

    A `CometModel` description names it; without one, exactly one file must have a model's suffix, and begin like one
    if it is `.json` or `.txt`. Files left by
    systems and editors (hidden files and folders, notebook checkpoints, `__MACOSX`) do not count, nor do ONNX files
    beside a single skops file: they are conversions of it, in lower precision.

    Raises:
        NoCandidate: no file has a model's suffix.
        SeveralCandidates: more than one file does, or there is more than one description.
        ArtifactRefused: the description is damaged or names a missing file.
    """
    held = sorted(path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    files = [path for path in held if not _is_left_behind(path.relative_to(folder))]
    descriptions = [path for path in files if path.name == COMET_DESCRIPTION]
    if len(descriptions) > 1:
        raise _several(folder, descriptions)
    if descriptions:
        return _described(descriptions[0], files)
    candidates = [path for path in files if is_model_file(path)]
    originals = [path for path in candidates if path.suffix.lower() != ONNX_SUFFIX]
    if len(originals) == 1 and originals[0].suffix.lower() == SKOPS_SUFFIX:
        return originals[0]
    if len(candidates) > 1:
        raise _several(folder, candidates)
    if not candidates:
        names = ", ".join(str(path.relative_to(folder)) for path in held[:10]) or "no file at all"
        raise NoCandidate(
            f"the model holds no file that ends in {', '.join(MODEL_SUFFIXES)}; it holds {names}. "
            "Log one file, such as one made with skops.io.dump"
        )
    return candidates[0]


def keep_model(found: Path, folder: Path) -> Path:
    """Move the model and the `card.json` beside it into an empty folder of the same file system.

    A model of XGBoost may have the name of a file that is kept beside it; it gets another one.
    """
    card = found.parent / CARD
    if card.is_file() and card != found:
        card.rename(folder / CARD)
    name = f"model{found.suffix}" if found.name.lower() in (CARD, MANIFEST) else found.name
    return found.rename(folder / name)


def _is_left_behind(path: Path) -> bool:
    return any(part.startswith(".") or part in LEFT_BEHIND for part in path.parts)


def _check_members(members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    if len(members) > MAX_FILES:
        raise ArtifactRefused(f"the model holds {len(members):,} files; at most {MAX_FILES:,} are taken")
    if sum(member.file_size for member in members) > max_bytes:
        raise _too_large(max_bytes)
    for member in members:
        path = PurePosixPath(member.filename)
        if not path.parts or len(path.parts) > MAX_DEPTH:
            raise ArtifactRefused(f"the model holds a file with an unusable name: {member.filename[:100]!r}")
        if path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in path.parts[0]:
            raise ArtifactRefused(f"the model holds a file whose name leads out of its folder: {member.filename!r}")
        kind = stat.S_IFMT(member.external_attr >> 16)
        if kind not in (0, stat.S_IFREG):
            raise ArtifactRefused(f"the model holds {member.filename!r}, which is a link or device, not a file")


def _unpack_one(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, max_bytes: int) -> int:
    written = 0
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with opened.open(member) as source, target.open("xb") as out:
            while chunk := source.read(CHUNK_BYTES):
                written += len(chunk)
                if written > max_bytes:
                    raise _too_large(max_bytes)
                out.write(chunk)
    except (FileExistsError, NotADirectoryError) as error:
        raise ArtifactRefused(f"the model holds {member.filename!r} twice") from error
    return written


def _too_large(max_bytes: int) -> ModelTooLarge:
    return ModelTooLarge(
        f"the model is larger than {max_bytes // 1_000_000:,} MB; XG_MODEL_MAX_MB sets what the service takes"
    )


def _what_it_is(archive: Path) -> str:
    with archive.open("rb") as file:
        start = file.read(100).lstrip()
    if not start:
        return "nothing"
    if start.startswith(b"<"):
        return "a web page"
    return "a cut-off or damaged file" if start.startswith(b"PK") else "something else"


def _several(folder: Path, candidates: list[Path]) -> SeveralCandidates:
    names = [str(path.relative_to(folder)) for path in candidates[:20]]
    return SeveralCandidates(
        f"cannot tell which file is the model: {', '.join(names)}. Register a model that holds one of them",
        candidates=names,
    )


def _described(description: Path, files: list[Path]) -> Path:
    try:
        if description.stat().st_size > MAX_DESCRIPTION_BYTES:
            raise ValueError("too long")
        metadata = json.loads(description.read_bytes())["model_metadata"]
        (flavour,) = metadata.values()
        named: Path = description.parent / flavour["model_path"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ArtifactRefused(
            f"the model's {COMET_DESCRIPTION} file does not name one model file ({type(error).__name__})"
        ) from error
    if named not in files:  # also refuses every path that leads out of the folder
        raise ArtifactRefused(
            f"the model's {COMET_DESCRIPTION} file names {flavour['model_path']!r}, which the model does not hold"
        )
    return named
