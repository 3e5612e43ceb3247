"""The sources of models, in this order: bundled with the product, already downloaded, Comet.

A model from outside is downloaded into a temporary folder, compiled in a child process, and only then published in the
cache and loaded. The service loads compiled models alone.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from db.connection import DatabaseError
from xgserve.contract import Source
from xgserve.errors import (
    ArtifactRefused,
    DownloadFailed,
    DownloadTooSlow,
    InvalidName,
    KeyMissing,
    ModelError,
    PickleNotAllowed,
    RegistryError,
    StorageFailed,
    WorkspaceNotAllowed,
    pickle_refusal,
)
from xgserve.model.compiled import Description, environment, load_compiled, read_description
from xgserve.model.model import Model, Scorer
from xgserve.model.validation import FrameReader
from xgserve.names import (
    COMPILED,
    MAX_STAGE_LENGTH,
    NAME_IN_WORDS,
    PICKLE_SUFFIXES,
    ModelName,
    is_name,
    version_order,
)
from xgserve.registry.archive import find_artifact, keep_model
from xgserve.registry.bundle import BUNDLED, load_bundled
from xgserve.registry.cache import CachedModel, ModelCache
from xgserve.registry.comet import Comet
from xgserve.registry.compilation import compile_artifact, memory_for
from xgserve.sandbox.process import WorkerTask
from xgserve.sandbox.worker import WorkerScorer
from xgserve.settings import ServiceSettings

logger = logging.getLogger("xgserve.registry")

FIND_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Activation:
    """A model to be made active, or just made so, and where it came from."""

    model: Model
    source: Source

    @classmethod
    def of_loaded(cls, model: Model) -> "Activation":
        """Return the activation of a model that is loaded already."""
        return cls(model, BUNDLED if model.name.workspace == BUNDLED else "cache")


class Sources:
    """Finds, downloads, tries and loads models. Any thread may call any method."""

    def __init__(self, settings: ServiceSettings, cache: ModelCache, comet: Comet | None) -> None:
        self._settings = settings
        self._cache = cache
        self._comet = comet
        # a worker may keep its callers waiting: leave threads to other models, and to swaps
        self._worker_places = threading.BoundedSemaphore(max(1, settings.threads - 2))

    def allows(self, workspace: str) -> bool:
        """Return whether the settings let models of the workspace be loaded."""
        return workspace == BUNDLED or not self._settings.workspaces or workspace in self._settings.workspaces

    def check(self, workspace: str, model: str, version: str | None) -> None:
        """Refuse invalid names, and workspaces that are not allowed.

        Raises:
            InvalidName: a part of the name is refused.
            WorkspaceNotAllowed: `XG_WORKSPACES` does not name the workspace.
        """
        for what, name in (("workspace", workspace), ("model", model)):
            if not is_name(name):
                raise InvalidName(f"{name[:MAX_STAGE_LENGTH]!r} is not the name of a {what}: {NAME_IN_WORDS}")
        if version is not None and not (version.isprintable() and 0 < len(version) <= MAX_STAGE_LENGTH):
            raise InvalidName(f"{version[:MAX_STAGE_LENGTH]!r} is not a version or the name of a stage")
        if not self.allows(workspace):
            allowed = ", ".join([BUNDLED, *sorted(self._settings.workspaces)])
            raise WorkspaceNotAllowed(
                f"models of the workspace {workspace!r} are not allowed here, only of: {allowed} (XG_WORKSPACES)"
            )

    def bundled(self, model: str, version: str | None) -> Activation:
        """Load a bundled model; without `version`, the newest.

        Raises:
            UnknownModel: no such model, or no such version of it, is bundled.
            ModelError: it cannot be used.
        """
        return Activation(load_bundled(model, version), BUNDLED)

    def cached(self, name: ModelName) -> Activation | None:
        """Load a model from the cache; None if it is missing or damaged there.

        Raises:
            RegistryError, ModelError, OSError: the cached model cannot be used.
        """
        cached = self._cache.find(name)
        if cached is None:
            return None
        allow_pickle = self._check_trust(cached.artifact, name)
        compiled = read_description(cached.artifact.parent / COMPILED)
        if compiled is None or compiled.environment != environment(allow_pickle=allow_pickle):
            self._compile_cached(cached)
        try:
            return Activation(self._load(cached), "cache")
        except ModelError as error:  # damaged or replaced meanwhile, or onnxruntime computes something else
            logger.warning("%s is compiled again: %s", name, error)
            cached = self._cache.find(name) or cached
            self._compile_cached(cached)
            return Activation(self._load(cached), "cache")

    def stored(self, name: ModelName) -> Activation | None:
        """Load a model without the network; None if it is neither bundled nor in the cache.

        Raises:
            RegistryError, ModelError, OSError: it cannot be used.
        """
        if name.workspace == BUNDLED:
            return self.bundled(name.name, name.version)
        if not self.allows(name.workspace):
            raise WorkspaceNotAllowed(f"XG_WORKSPACES does not name the workspace {name.workspace!r} any more")
        return self.cached(name)

    def download(self, workspace: str, model: str, version: str | None, folder: Path) -> tuple[ModelName, Path | None]:
        """Download a model into the empty `folder` and compile it there; of a cached version, return the name alone.

        Raises:
            RegistryError, OSError: it could not be downloaded, or not be compiled.
        """
        here = self._versions_here(workspace, model)
        skip = [known for known in here if known != version]  # the requested version is damaged here
        try:
            concrete = self._ask_comet(workspace, model, version, folder, skip)
        except (DownloadFailed, DownloadTooSlow, KeyMissing) as error:
            raise _with_versions_here(error, here) from error
        name = ModelName(workspace, model, concrete)
        if concrete in skip:
            return name, None
        artifact = keep_model(find_artifact(folder / "unpacked"), _new(folder / "ready"))
        self._compile(artifact, name, folder)
        return name, artifact

    def version_in(self, workspace: str, model: str, stage: str) -> str:
        """Ask the registry which version is the newest in a stage; see `Comet.version_in`.

        Raises:
            RegistryError, OSError: it cannot be asked, or has no such version.
        """
        if self._comet is None:
            raise _key_missing(f"{workspace}/{model}")
        with self._cache.temporary() as scratch:
            return self._comet.version_in(workspace, model, stage, scratch=scratch, seconds=FIND_TIMEOUT_S)

    def publish(self, name: ModelName, artifact: Path) -> Activation:
        """Move a downloaded model into the cache, and load it from there.

        Raises:
            RegistryError, ModelError, OSError: it cannot be stored or used.
        """
        cached = self._cache.publish(artifact.parent, name, artifact.name)
        return Activation(self._load(cached), "registry")

    def _ask_comet(self, workspace: str, model: str, version: str | None, folder: Path, skip: list[str]) -> str:
        if self._comet is None:
            raise _key_missing(f"{workspace}/{model}")
        return self._comet.download(
            workspace,
            model,
            version,
            skip=skip,
            folder=_new(folder / "unpacked"),
            scratch=_new(folder / "download"),
            seconds=self._settings.download_timeout_s,
        )

    def _versions_here(self, workspace: str, model: str) -> list[str]:
        names = [cached.name for cached in self._cache.models()]
        versions = [name.version for name in names if (name.workspace, name.name) == (workspace, model)]
        return sorted(versions, key=version_order, reverse=True)

    def _compile(self, artifact: Path, name: ModelName, folder: Path) -> None:
        """Compile a downloaded artifact, with `folder` for the child, and put the result beside it."""
        compiled = _new(artifact.parent / COMPILED)
        for file in self._compiled_files(artifact, name, folder):
            file.rename(compiled / file.name)

    def _compile_cached(self, cached: CachedModel) -> None:
        with self._cache.temporary() as folder:
            self._cache.keep_compiled(cached, self._compiled_files(cached.artifact, cached.name, folder))

    def _compiled_files(self, artifact: Path, name: ModelName, folder: Path) -> list[Path]:
        return compile_artifact(
            artifact,
            name.workspace,
            allow_pickle=self._check_trust(artifact, name),
            scratch=_new(folder / "compilation"),
            seconds=self._settings.trial_timeout_s,
        )

    def _load(self, cached: CachedModel) -> Model:
        allow_pickle = self._check_trust(cached.artifact, cached.name)

        def start_worker(description: Description, reader: FrameReader) -> Scorer:
            task = WorkerTask(
                model=str(cached.name),
                artifact=cached.artifact,
                request={
                    "artifact": str(cached.artifact.absolute()),
                    "digest": description.digest,
                    "workspace": cached.name.workspace,
                    "allow_pickle": allow_pickle,
                    "memory_bytes": memory_for(cached.artifact),
                },
                start_timeout_s=self._settings.trial_timeout_s,
                timeout_s=self._settings.worker_timeout_s,
            )
            return WorkerScorer(reader, task, self._worker_places)

        return load_compiled(cached.artifact.parent / COMPILED, cached.name, cached.digest, start_worker)

    def _check_trust(self, artifact: Path, name: ModelName) -> bool:
        """Return whether pickles of the model's workspace may be loaded.

        Raises:
            PickleNotAllowed: they may not, and the artifact is one.
        """
        trusted = name.workspace in self._settings.trust_pickle_workspaces
        if not trusted and artifact.suffix.lower() in PICKLE_SUFFIXES:
            raise PickleNotAllowed(pickle_refusal(f"{artifact.name} of {name}", name.workspace))
        return trusted


@contextmanager
def explained() -> Iterator[None]:
    """Turn the errors of models, the record and the cache into a RegistryError.

    Raises:
        RegistryError: a model cannot be used, or the record of activations or the cache cannot be read or written.
    """
    try:
        yield
    except ModelError as error:
        raise ArtifactRefused(str(error)) from error
    except DatabaseError as error:
        raise StorageFailed(f"the record of activations cannot be used: {error}") from error
    except OSError as error:
        raise StorageFailed(
            f"the model cache cannot be used: {error.strerror or error}; check the disk and XG_DATA_DIR"
        ) from error


def _key_missing(model: str) -> KeyMissing:
    return KeyMissing(f"{model} must come from Comet, and the service has no API key; set COMET_API_KEY and restart it")


def _with_versions_here(error: RegistryError, versions: list[str]) -> RegistryError:
    if not versions:
        return error
    listed = ", ".join(versions[:10])
    return type(error)(f"{error}. Already downloaded, and loadable by version: {listed}", cached_versions=versions)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
