"""The downloaded models: one folder each, either complete and unchanged or missing.

`<root>/<workspace>/<model>/<version>/` (names quoted as in a URL) holds the artifact, its `card.json` if it has
one, and `manifest.json` with the digest of both. Folders appear by a rename, so a process that is
killed at any moment leaves none half-written.
"""

import fcntl
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from db import times
from db.files import sync
from xgserve.names import COMPILED, MANIFEST, SAFE_NAME, ModelName, folder_name, is_name

TEMPORARY_PREFIX = ".temporary-"
REPLACED = "replaced"  # in a temporary folder: a model for which another one is just put in


@dataclass(frozen=True)
class CachedModel:
    """A model in the cache; `digest` is the SHA-256 of the artifact."""

    name: ModelName
    artifact: Path
    digest: str
    size: int


class ModelCache:
    """The folder of downloaded models, which several processes may share. Any thread may call any method."""

    def __init__(self, root: Path) -> None:
        self._root = root

    @contextmanager
    def temporary(self) -> Iterator[Path]:
        """Yield an empty folder on the cache's file system, and delete it afterwards.

        Raises:
            OSError: the cache cannot be written.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        folder, lock = self._held_folder()
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)

    def _held_folder(self) -> tuple[Path, int]:
        """Make a folder that stays locked until this process closes the descriptor, ends or is killed."""
        while True:
            folder = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=self._root))
            with suppress(FileNotFoundError):  # another process swept it before it was locked
                lock = os.open(folder, os.O_RDONLY)
                fcntl.flock(lock, fcntl.LOCK_EX)
                if folder.exists():
                    return folder, lock
                os.close(lock)

    def sweep(self) -> int:
        """Delete the temporary folders that killed processes left behind, and return how many there were.

        A model that was to be replaced, and was not any more, is put back.
        """
        swept = 0
        for folder in self._root.glob(f"{TEMPORARY_PREFIX}*"):
            try:
                lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            except FileNotFoundError:  # its owner was faster
                continue
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._put_back(folder / REPLACED)
                shutil.rmtree(folder, ignore_errors=True)
                swept += 1
            except BlockingIOError:  # in use by a living process
                pass
            finally:
                os.close(lock)
        return swept

    def find(self, name: ModelName) -> CachedModel | None:
        """Return the model if it is cached and every byte is as downloaded; record its use."""
        folder = self._folder(name)
        manifest = _read_manifest(folder, name)
        if manifest is None and folder.parent.exists():  # another process may be replacing it
            with self._lock():
                manifest = _read_manifest(folder, name)
        if manifest is None:
            return None
        for file, recorded in manifest["files"].items():
            path = folder / file
            if not path.is_file() or path.stat().st_size != recorded["size"] or digest_of(path) != recorded["sha256"]:
                return None
        os.utime(folder / MANIFEST)
        return _cached(folder, name, manifest)

    def publish(self, folder: Path, name: ModelName, artifact: str) -> CachedModel:
        """Move a finished folder (see `temporary`) into the cache, unless that already holds the same model undamaged.

        Raises:
            OSError: the cache cannot be written.
        """
        # the compiled model is not among them: it is checked when it is loaded, and may be made again
        held = [path for path in sorted(folder.iterdir()) if path.is_file()]
        files = {path.name: {"sha256": digest_of(path), "size": path.stat().st_size} for path in held}
        manifest = {
            "workspace": name.workspace,
            "model": name.name,
            "version": name.version,
            "artifact": artifact,
            "files": files,
            "downloaded_at": times.utc_now().isoformat(timespec="seconds"),
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1))
        for path in (*folder.rglob("*"), folder):
            sync(path)
        target = self._folder(name)
        with self._lock():
            here = _read_manifest(target, name)
            if here is not None and here["files"] == files and (found := self.find(name)):
                return found  # another process was faster, and may be loading it
            target.parent.mkdir(parents=True, exist_ok=True)
            with self.temporary() as away:
                if target.exists():
                    target.rename(away / REPLACED)
                folder.rename(target)
            for above in (*target.parents[:3], self._root.parent):  # each may be new
                sync(above)
        return _cached(target, name, manifest)

    def keep_compiled(self, model: CachedModel, files: Iterable[Path]) -> None:
        """Move the files of a compiled model beside its artifact; the last one makes the others count.

        Raises:
            OSError: the cache cannot be written.
        """
        folder = model.artifact.parent / COMPILED
        folder.mkdir(exist_ok=True)
        for file in files:
            sync(file)
            file.replace(folder / file.name)
        sync(folder)

    def models(self) -> list[CachedModel]:
        """Return the cached models, least recently used first; their bytes are not verified."""
        found = []
        for path in self._root.glob(f"[!.]*/*/*/{MANIFEST}"):
            folder = path.parent
            name = ModelName(*(unquote(part.name) for part in (folder.parent.parent, folder.parent, folder)))
            manifest = _read_manifest(folder, name)
            with suppress(FileNotFoundError):  # evicted or replaced meanwhile
                if manifest is not None:
                    found.append((path.stat().st_mtime, _cached(folder, name, manifest)))
        return [model for _, model in sorted(found, key=lambda item: item[0])]

    def evict(self, max_bytes: int, keep: Collection[ModelName]) -> list[ModelName]:
        """Delete the least recently used models beyond `max_bytes`, except `keep`; return those deleted."""
        evicted = []
        with self._lock():
            models = self.models()
            total = sum(model.size for model in models)
            for model in models:
                if total <= max_bytes:
                    break
                if model.name not in keep:
                    self._discard(model.artifact.parent)
                    total -= model.size
                    evicted.append(model.name)
        return evicted

    @contextmanager
    def _lock(self) -> Iterator[None]:
        """Lock the folder against other threads and processes."""
        self._root.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._root, os.O_RDONLY)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)

    def _folder(self, name: ModelName) -> Path:
        if not (is_name(name.workspace) and is_name(name.name) and SAFE_NAME.fullmatch(name.version)):
            raise ValueError(f"{name} cannot be the name of a folder")
        return self._root.joinpath(*map(folder_name, (name.workspace, name.name, name.version)))

    def _put_back(self, replaced: Path) -> None:
        try:
            manifest = json.loads((replaced / MANIFEST).read_bytes())
            target = self._folder(ModelName(manifest["workspace"], manifest["model"], manifest["version"]))
        except (OSError, ValueError, KeyError, TypeError):  # there is none, or it is damaged
            return
        with self._lock():
            if not target.exists():
                replaced.rename(target)
                sync(target.parent)

    def _discard(self, folder: Path) -> None:
        # by a rename first, so that no process ever finds half a model
        if folder.exists():
            with self.temporary() as temporary:
                folder.rename(temporary / folder.name)


def _read_manifest(folder: Path, name: ModelName) -> dict[str, Any] | None:
    """Return the folder's manifest if it is valid and names exactly this model (file systems may fold case)."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        named = ModelName(manifest["workspace"], manifest["model"], manifest["version"])
        files = manifest["files"]
        whole = named == name and manifest["artifact"] in files
        plain = all(Path(file).name == file and {"sha256", "size"} <= entry.keys() for file, entry in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return manifest if whole and plain else None


def _cached(folder: Path, name: ModelName, manifest: dict[str, Any]) -> CachedModel:
    size = sum(entry["size"] for entry in manifest["files"].values())
    with suppress(FileNotFoundError, NotADirectoryError):  # not compiled yet, or damaged
        size += sum(path.stat().st_size for path in (folder / COMPILED).iterdir())
    return CachedModel(name, folder / manifest["artifact"], manifest["files"][manifest["artifact"]]["sha256"], size)


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
