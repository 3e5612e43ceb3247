"""Where models come from, and which one is active.

Sources in order: bundled with the product, already downloaded, Comet. A model from outside is downloaded into a
temporary folder, tried in a child process, and only then published in the cache and loaded here. The swap itself is one
assignment: whoever read `active` before keeps the old model until done with it, and everybody after gets the new one.
"""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from db.connection import DatabaseError
from db.serving import READ_TIMEOUT_S, Activations, StoredActivation
from xgserve.compiler.build import load_model
from xgserve.compiler.loading import pickle_refusal
from xgserve.errors import (
    ArtifactRefused,
    Busy,
    DownloadFailed,
    DownloadTooSlow,
    InvalidName,
    KeyMissing,
    ModelError,
    NothingToRollBack,
    PickleNotAllowed,
    RegistryError,
    StorageFailed,
    UnknownModel,
    WorkspaceNotAllowed,
)
from xgserve.model.model import Model
from xgserve.names import NAME_IN_WORDS, PICKLE_SUFFIXES, SAFE_NAME, ModelName, is_name, version_order
from xgserve.registry.archive import find_artifact, keep_model
from xgserve.registry.bundle import BUNDLED, bundled_models, load_bundled, newest_bundled
from xgserve.registry.cache import CachedModel, ModelCache
from xgserve.registry.comet import Comet
from xgserve.registry.trial import environment, try_artifact
from xgserve.request_id import request_id
from xgserve.settings import ServiceSettings
from xgserve.single_flight import SingleFlight

logger = logging.getLogger("xgserve.registry")

LIST_TIMEOUT_S = 4.0
LIST_KEPT_S = 30.0
MAX_ASKED_LENGTH = 100

Source = Literal["bundled", "cache", "registry"]


@dataclass(frozen=True)
class Activation:
    """The model that an activation made active, and where it came from."""

    model: Model
    source: Source


class Registry:
    """Loads models on request and holds the active one. Any thread may call any method.

    Activations of different models run one after another, except for their downloads and first trials; the one that
    finishes last is active.
    """

    def __init__(self, settings: ServiceSettings) -> None:
        self._settings = settings
        self._default_model = settings.default_model.removeprefix(f"{BUNDLED}/")
        self._cache = ModelCache(settings.data_dir / "models")
        self._comet = (
            Comet(settings.comet_api_key, settings.comet_url, settings.model_max_bytes)
            if settings.comet_api_key
            else None
        )
        self._swap = threading.Lock()
        self._flights = SingleFlight[Activation]()
        # each holds a thread; two stay for predictions, of which one may list the registry's models for a moment
        self._places = threading.BoundedSemaphore(max(1, settings.threads - 2))
        self._rolling_back = threading.Lock()
        self._listing = threading.Lock()
        self._listed_at = -LIST_KEPT_S
        self._offer: tuple[list[dict[str, Any]], str | None] = ([], None)
        self._activations = Activations(settings.database)
        self.startup_problem: str | None = None
        self._active: Model | None = None
        self._sweep()
        self._start()

    @property
    def active(self) -> Model | None:
        """The model that predicts now; None only if not even the bundled one could be loaded."""
        return self._active

    def activate(self, workspace: str, model: str, version: str | None) -> Activation:
        """Make a model the active one; `version` may be a stage such as "Production", or None for the newest.

        Callers that ask for the same model at the same time share one download and one load. A model that is already
        downloaded costs no network when asked for by its version; the newest and stages need the registry to be told.

        Raises:
            RegistryError: the model could not be activated (see its subclasses); the active one stays.
        """
        self._check(workspace, model, version)
        asked = (workspace, model, version)
        with self._place():
            return self._flights.run(asked, lambda: self._logged(*asked))

    def rollback(self) -> Activation:
        """Go back to the model that was active before this one; a second time returns to this one.

        Uses what is bundled or downloaded, never the network.

        Raises:
            RegistryError: there is none, or it cannot be loaded; the active one stays.
        """
        if not self._rolling_back.acquire(blocking=False):
            raise Busy("a rollback is under way already; wait for it")
        try:
            with self._place(), self._swap, explained():
                name = self._previous()
                if name is None:
                    raise NothingToRollBack("no other model was active before this one")
                activation = self._load_stored(name)
                if activation is None:
                    raise UnknownModel(f"{name} was active before, but is not in the cache any more; activate it again")
                return self._install(activation)
        except RegistryError as error:
            logger.warning("rollback failed: %s (%s)", error, error.code)
            raise
        finally:
            self._rolling_back.release()

    def available(self) -> list[dict[str, Any]]:
        """Return what can be activated: `{"workspace", "model", "version", "source", "active", ...}`, one each.

        The bundled models come first, the default before the others; of each model, the newest version comes first.
        What only the registry has is listed with `"source": "registry"` and its `stages`. A registry that fails or
        is slow gives one entry of that source with `problem` instead.
        """
        names: dict[ModelName, Source] = dict.fromkeys(bundled_models(self._default_model), BUNDLED)
        cached = [model.name for model in self._cache.models() if self._allows(model.name.workspace)]
        cached.sort(key=lambda name: version_order(name.version), reverse=True)
        cached.sort(key=lambda name: (name.workspace, name.name))
        names |= dict.fromkeys(cached, "cache")
        offered, problem = self._offered()
        stages = {ModelName(entry["workspace"], entry["model"], entry["version"]): entry["stages"] for entry in offered}
        active = self._active
        entries: list[dict[str, Any]] = [
            {
                "workspace": name.workspace,
                "model": name.name,
                "version": name.version,
                "source": names.get(name, "registry"),
                "stages": stages.get(name, []),
                "active": active is not None and active.name == name,
            }
            for name in dict.fromkeys([*names, *stages])
        ]
        return [*entries, {"source": "registry", "problem": problem}] if problem else entries

    def activations(self, limit: int) -> list[StoredActivation]:
        """Return the latest activations on record, newest first.

        Raises:
            DatabaseError: the record cannot be read.
        """
        return self._activations.newest(limit, READ_TIMEOUT_S)

    # -- one activation -----------------------------------------------------------------------------------------------

    def _check(self, workspace: str, model: str, version: str | None) -> None:
        for what, name in (("workspace", workspace), ("model", model)):
            if not is_name(name):
                raise InvalidName(f"{name[:MAX_ASKED_LENGTH]!r} is not the name of a {what}: {NAME_IN_WORDS}")
        if version is not None and not (version.isprintable() and 0 < len(version) <= MAX_ASKED_LENGTH):
            raise InvalidName(f"{version[:MAX_ASKED_LENGTH]!r} is not a version or the name of a stage")
        if not self._allows(workspace):
            allowed = ", ".join([BUNDLED, *sorted(self._settings.workspaces)])
            raise WorkspaceNotAllowed(
                f"models of the workspace {workspace!r} are not allowed here, only of: {allowed} (XG_WORKSPACES)"
            )

    def _allows(self, workspace: str) -> bool:
        return workspace == BUNDLED or not self._settings.workspaces or workspace in self._settings.workspaces

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            raise Busy("other requests to activate models are under way; try again in a few seconds")
        try:
            yield
        finally:
            self._places.release()

    def _logged(self, workspace: str, model: str, version: str | None) -> Activation:
        asked = f"{workspace}/{model}:{version or 'newest'}"
        started = time.monotonic()
        try:
            with explained():
                activation = self._activate(workspace, model, version)
        except RegistryError as error:
            logger.warning("%s was not activated: %s (%s)", asked, error, error.code)
            raise
        logger.info(
            "%s is active, asked for as %s, from %s, in %.2f s",
            activation.model.id,
            asked,
            activation.source,
            time.monotonic() - started,
        )
        return activation

    def _activate(self, workspace: str, model: str, version: str | None) -> Activation:
        if workspace == BUNDLED:
            with self._swap:
                return self._install(Activation(load_bundled(model, version), BUNDLED))
        if version is not None and SAFE_NAME.fullmatch(version):
            with self._swap:
                activation = self._load_cached(ModelName(workspace, model, version))
                if activation is not None:
                    return self._install(activation)
        with self._cache.temporary() as room:
            here = self._versions_here(workspace, model)
            skip = [known for known in here if known != version]  # the version itself was not found whole
            try:
                concrete = self._download(workspace, model, version, room, skip)
            except (DownloadFailed, DownloadTooSlow, KeyMissing) as error:
                raise _with_what_is_here(error, here) from error
            if concrete in skip:
                return self._activate(workspace, model, concrete)
            name = ModelName(workspace, model, concrete)
            artifact = keep_model(find_artifact(room / "unpacked"), _new(room / "ready"))
            self._try(artifact, name, room)
            with self._swap:
                cached = self._cache.publish(artifact.parent, name, artifact.name, environment())
                return self._install(Activation(self._load(cached), "registry"))

    def _download(self, workspace: str, model: str, version: str | None, room: Path, skip: list[str]) -> str:
        if self._comet is None:
            raise KeyMissing(
                f"{workspace}/{model} must come from Comet, and the service has no API key; set COMET_API_KEY and "
                "restart it"
            )
        return self._comet.download(
            workspace,
            model,
            version,
            skip=skip,
            folder=_new(room / "unpacked"),
            scratch=_new(room / "download"),
            seconds=self._settings.download_timeout_s,
        )

    def _versions_here(self, workspace: str, model: str) -> list[str]:
        names = [cached.name for cached in self._cache.models()]
        versions = [name.version for name in names if (name.workspace, name.name) == (workspace, model)]
        return sorted(versions, key=version_order, reverse=True)

    def _try(self, artifact: Path, name: ModelName, room: Path) -> None:
        allow_pickle = self._trusts(artifact, name)
        try_artifact(
            artifact,
            name,
            allow_pickle=allow_pickle,
            scratch=_new(room / "trial"),
            seconds=self._settings.trial_timeout_s,
        )

    def _trusts(self, artifact: Path, name: ModelName) -> bool:
        """Return whether pickles of the model's workspace may be loaded.

        Raises:
            PickleNotAllowed: they may not, and the artifact is one.
        """
        trusted = name.workspace in self._settings.trust_pickle_workspaces
        if not trusted and artifact.suffix.lower() in PICKLE_SUFFIXES:
            raise PickleNotAllowed(pickle_refusal(f"{artifact.name} of {name}", name.workspace))
        return trusted

    # -- the following need the lock `_swap` --------------------------------------------------------------------------

    def _load_cached(self, name: ModelName) -> Activation | None:
        cached = self._cache.find(name)
        if cached is None:
            return None
        if cached.tried_with != environment():  # other versions of the libraries may behave otherwise
            with self._cache.temporary() as room:
                self._try(cached.artifact, name, room)
            self._cache.mark_tried(cached, environment())
        return Activation(self._load(cached), "cache")

    def _load(self, cached: CachedModel) -> Model:
        return load_model(cached.artifact, cached.name, allow_pickle=self._trusts(cached.artifact, cached.name))

    def _load_stored(self, name: ModelName) -> Activation | None:
        if name.workspace == BUNDLED:
            return Activation(load_bundled(name.name, name.version), BUNDLED)
        if not self._allows(name.workspace):
            raise WorkspaceNotAllowed(f"XG_WORKSPACES does not name the workspace {name.workspace!r} any more")
        return self._load_cached(name)

    def _install(self, activation: Activation) -> Activation:
        """Record the activation, then swap: a crash in between leaves a record that the restart honours."""
        model = activation.model
        self._activations.record(
            workspace=model.name.workspace,
            model=model.name.name,
            version=model.name.version,
            digest=model.digest,
            source=activation.source,
            request_id=request_id.get(),
        )
        self._active = model
        self.startup_problem = None
        self._make_room()
        return activation

    def _make_room(self) -> None:
        """Shrink the cache to its cap; the active model and the one before it stay. A failure undoes no swap."""
        try:
            with explained():
                needed = (self._active.name if self._active else None, self._previous())
                keep = [name for name in needed if name is not None]
                for name in self._cache.evict(self._settings.cache_max_bytes, keep):
                    logger.info("deleted %s from the cache, which was full", name)
        except RegistryError as error:
            logger.warning("the model cache could not be shrunk: %s", error)

    def _previous(self) -> ModelName | None:
        """Return the model to go back to: the last one recorded before this one, else the bundled default."""
        stored = self._activations.previous()
        name = _name_of(stored) if stored else newest_bundled(self._default_model)
        return None if self._active is not None and name == self._active.name else name

    def _sweep(self) -> None:
        try:
            if swept := self._cache.sweep():
                logger.info("deleted %d unfinished downloads of an earlier run", swept)
        except OSError as error:
            logger.warning("unfinished downloads of an earlier run could not be deleted: %s", error)

    def _start(self) -> None:
        """Load the stored model; if that fails, the bundled one. Never the network: a start must not wait for it."""
        what = "the model that was active before"
        try:
            with explained():
                stored = self._activations.latest()
                if stored is not None:
                    name = _name_of(stored)
                    what = f"{name}, which was active before,"
                    activation = self._load_stored(name)
                    if activation is None:
                        raise UnknownModel("it is not in the cache any more, or damaged; activate it again")
                    self._active = activation.model
                    if activation.model.digest != stored.digest:
                        logger.warning("%s is not the file that was active before", activation.model.id)
        except RegistryError as error:
            self.startup_problem = f"{what} could not be loaded: {error}"
            logger.error("%s; the bundled model serves", self.startup_problem)
        if self._active is None:
            self._start_with_default()
        if self._active is not None:
            logger.info("%s is active after the start", self._active.id)

    def _start_with_default(self) -> None:
        try:
            with explained():
                self._active = load_bundled(self._default_model, None)
        except RegistryError as error:
            problem = f"the bundled model could not be loaded: {error}"
            self.startup_problem = f"{self.startup_problem}; {problem}" if self.startup_problem else problem
            logger.error("no model is active: %s", problem)

    # -- the registry's list ------------------------------------------------------------------------------------------

    def _offered(self) -> tuple[list[dict[str, Any]], str | None]:
        """Return what the registry lists, and what went wrong; asked at most once in `LIST_KEPT_S`, by one thread."""
        if self._comet is None:
            return [], None
        if self._listing.acquire(blocking=False):
            try:
                if time.monotonic() - self._listed_at > LIST_KEPT_S:
                    self._offer = self._ask_for_list(self._comet)
                    self._listed_at = time.monotonic()
            finally:
                self._listing.release()
        return self._offer

    def _ask_for_list(self, comet: Comet) -> tuple[list[dict[str, Any]], str | None]:
        try:
            with explained(), self._cache.temporary() as room:
                workspaces = sorted(self._settings.workspaces)
                models, unusable = comet.models(workspaces, scratch=_new(room / "list"), seconds=LIST_TIMEOUT_S)
                return models, _unusable_names(unusable)
        except RegistryError as error:
            logger.warning("the registry's models could not be listed: %s (%s)", error, error.code)
            return [], str(error)


def _name_of(stored: StoredActivation) -> ModelName:
    return ModelName(stored.workspace, stored.model, stored.version)


def _unusable_names(names: list[str]) -> str | None:
    """Return why models are left out of the list, if any are."""
    if not names:
        return None
    listed = ", ".join(map(repr, names[:5]))
    return f"left out, since they cannot be called so here: {listed}; a name has {NAME_IN_WORDS}. Rename them on Comet"


def _with_what_is_here(error: RegistryError, versions: list[str]) -> RegistryError:
    if not versions:
        return error
    listed = ", ".join(versions[:10])
    return type(error)(f"{error}. Already downloaded, and loadable by version: {listed}", cached_versions=versions)


@contextmanager
def explained() -> Iterator[None]:
    """Turn what the parts raise into a RegistryError.

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


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder
