"""The active model and its challengers: chosen at the start, changed on request; a swap can be rolled back.

A swap is one assignment. A request that read `loaded` before the swap finishes with the old model.
"""

import logging
import threading
import time
from contextlib import AbstractContextManager

from db import serving
from db.serving import READ_TIMEOUT_S, Activations, LastFollowed, StoredActivation
from xgserve import contract
from xgserve.contract import ModelEntry, RegistryProblem, Role
from xgserve.errors import Busy, NothingToRollBack, RegistryError, StorageFailed, UnknownModel
from xgserve.model.model import Model
from xgserve.names import SAFE_NAME, ModelName
from xgserve.places import place
from xgserve.registry.active import Active, Loaded, followed
from xgserve.registry.bundle import BUNDLED, newest_bundled
from xgserve.registry.cache import ModelCache
from xgserve.registry.catalogue import Catalogue
from xgserve.registry.challengers import Challengers
from xgserve.registry.comet import Comet
from xgserve.registry.pinned import Pin
from xgserve.registry.sources import Activation, Sources, explained
from xgserve.sandbox.confine import unbounded
from xgserve.settings import ServiceSettings
from xgserve.single_flight import SingleFlight

logger = logging.getLogger("xgserve.registry")

RETRY_S = 10.0  # between two tries to load the model that was active before the start


def open_registry(settings: ServiceSettings) -> "Registry":
    """Return the registry that the settings ask for, with a model loaded if possible."""
    registry = Registry(settings, Pin(settings.pinned_model) if settings.pinned_model else None)
    registry.open()
    return registry


class Registry:
    """Loads models on request, and holds the active one and its challengers. Any thread may call any method.

    Activations of different models run one after another, except for their downloads and compilation; the one that
    finishes last is active. A `pin` admits one model and no other.
    """

    def __init__(self, settings: ServiceSettings, pin: Pin | None = None) -> None:
        self._pin = pin
        self._default_model = settings.default_model.removeprefix(f"{BUNDLED}/")
        self._cache_max_bytes = settings.cache_max_bytes
        self._cache = ModelCache(settings.data_dir / "models")
        key = settings.comet_api_key
        comet = Comet(key, settings.comet_url, settings.model_max_bytes) if key else None
        self._sources = Sources(settings, self._cache, comet)
        self._catalogue = Catalogue(
            self._sources, self._cache, comet, default=self._default_model, workspaces=settings.workspaces
        )
        self._active = Active(Activations(settings.database))
        self._challengers = Challengers(self._active, serving.Challengers(settings.database), settings.max_challengers)
        self._activating = SingleFlight[Activation]()
        # each activation occupies a thread; keep two for predictions, one of which may list the registry's models
        self._places = threading.BoundedSemaphore(max(1, settings.threads - 2))
        self._rolling_back = threading.Lock()

    def open(self) -> None:
        """Load the first model, never from the network: a start must not wait for it."""
        if missing := unbounded():
            logger.warning(
                "the processes that open models are not bounded here in: %s; docs/security.md says what that means",
                "; ".join(missing),
            )
        try:
            if swept := self._cache.sweep():
                logger.info("deleted %d unfinished downloads of an earlier run", swept)
        except OSError as error:
            logger.warning("unfinished downloads of an earlier run could not be deleted: %s", error)
        if self._pin is not None:
            self._pin.open(self._active, self._stored, lambda name: self._log(name.workspace, name.name, name.version))
        else:
            self._open_latest()
            self._challengers.open(self._stored)

    @property
    def loaded(self) -> Loaded:
        """The models that are loaded now."""
        return self._active.loaded

    @property
    def active(self) -> Model | None:
        """The model that predicts now; None only if not even the bundled one could be loaded."""
        return self._active.model

    @property
    def startup_problem(self) -> str | None:
        """Why the first model could not be loaded; None once another one is active."""
        return self._active.startup_problem

    def activate(self, workspace: str, model: str, version: str | None, role: Role = "champion") -> Activation:
        """Make a model the active one, or a challenger; `version` may be a stage, or None for the newest.

        Callers that ask for the same model at the same time share one download and one load. A downloaded model
        needs no network if requested by its version; the registry resolves stages and the newest version.

        Raises:
            RegistryError: the model could not be loaded (see its subclasses); what was loaded stays.
        """
        self._sources.check(workspace, model, version)
        if self._pin is not None:
            return self._pin.activate(self._active, workspace, model, version, role)
        with self._place():
            return self._activating.run(
                (workspace, model, version, role), lambda: self._log(workspace, model, version, role)
            )

    def promote(self, model_id: str, *, keep: bool) -> Activation:
        """Make a challenger the active model; with `keep`, the former active model becomes a challenger.

        To promote the model that is active already changes nothing.

        Raises:
            RegistryError: the model is not loaded, or the change cannot be recorded; what was loaded stays.
        """
        if self._pin is not None:
            raise self._pin.refusal()
        with self._place(), self._active.swapping, explained():
            model = self.loaded.find(model_id)
            activation = Activation.of_loaded(model)
            if model is not self.active:
                self._active.record_and_swap(activation, keep=keep)
                self._shrink_cache()
        return activation

    def drop_challenger(self, model_id: str) -> contract.Challengers:
        """Drop a challenger, and return the others.

        Raises:
            RegistryError: there is no such challenger, or the change cannot be recorded.
        """
        if self._pin is not None:
            raise self._pin.refusal()
        with self._place(), self._active.swapping, explained():
            self._challengers.drop(model_id)
        return self.challengers()

    def challengers(self) -> contract.Challengers:
        """Return the challengers, as `GET /challengers` describes them."""
        return self._challengers.describe()

    def version_in(self, model: ModelName) -> str:
        """Ask Comet which version is the newest in a stage, here the version of `model`; see `Comet.version_in`.

        Raises:
            RegistryError: it cannot be asked, or has no such version.
        """
        self._sources.check(model.workspace, model.name, model.version)
        with explained():
            return self._sources.version_in(model.workspace, model.name, model.version)

    def activate_followed(self, name: ModelName, what: str) -> Activation:
        """Make a model active since following `what` led to it, otherwise as `activate` does; log nothing.

        Raises:
            RegistryError: the model could not be activated (see its subclasses); the active one stays.
        """
        token = followed.set(what)
        try:
            self._sources.check(name.workspace, name.name, name.version)
            role: Role = "champion"
            key = (name.workspace, name.name, name.version, role)
            with self._place(), explained():
                return self._activating.run(key, lambda: self._activate(*key))
        finally:
            followed.reset(token)

    def last_followed(self, what: str) -> LastFollowed | None:
        """Return what following `what` made active last, from the record.

        Raises:
            StorageFailed: the record cannot be read.
        """
        with explained():
            return self._active.record.last_followed(what)

    def rollback(self) -> Activation:
        """Return to the previously active model, without the network; a second rollback returns to this one.

        Raises:
            RegistryError: no previous model exists, or it cannot be loaded; the active one stays.
        """
        if self._pin is not None:
            raise self._pin.refusal()
        if not self._rolling_back.acquire(blocking=False):
            raise Busy("a rollback is under way already; wait for it")
        try:
            with self._place(), self._active.swapping, explained():
                name = self._previous()
                if name is None:
                    raise NothingToRollBack("no other model was active before this one")
                activation = self._sources.stored(name)
                if activation is None:
                    raise UnknownModel(f"{name} was active before, but is not in the cache any more; activate it again")
                return self._install(activation, "champion")
        except RegistryError as error:
            logger.warning("rollback failed: %s (%s)", error, error.code)
            raise
        finally:
            self._rolling_back.release()

    def available(self) -> list[ModelEntry | RegistryProblem]:
        """Return the models that can be activated; see `Catalogue.available`."""
        return self._catalogue.available(self._active)

    def activations(self, limit: int) -> list[StoredActivation]:
        """Return the latest activations on record, newest first.

        Raises:
            DatabaseError: the record cannot be read.
        """
        return self._active.record.newest(limit, READ_TIMEOUT_S)

    def _place(self) -> AbstractContextManager[None]:
        return place(self._places, _busy)

    def _log(self, workspace: str, model: str, version: str | None, role: Role = "champion") -> Activation:
        """Load a model for its role, and log the outcome."""
        asked = f"{workspace}/{model}:{version or 'newest'}"
        started = time.monotonic()
        try:
            with explained():
                activation = self._activate(workspace, model, version, role)
        except RegistryError as error:
            logger.warning("%s was not made the %s: %s (%s)", asked, role, error, error.code)
            raise
        logger.info(
            "%s is %s, asked for as %s, from %s, in %.2f s",
            activation.model.id,
            "active" if role == "champion" else "a challenger",
            asked,
            activation.source,
            time.monotonic() - started,
        )
        return activation

    def _activate(self, workspace: str, model: str, version: str | None, role: Role) -> Activation:
        if workspace == BUNDLED:
            with self._active.swapping:
                name = ModelName(BUNDLED, model, version) if version else newest_bundled(model)
                there = self._seated(name, role)
                return self._install(there or self._sources.bundled(model, name.version), role)
        if version is not None and SAFE_NAME.fullmatch(version):
            name = ModelName(workspace, model, version)
            with self._active.swapping:
                if activation := self._seated(name, role) or self._sources.cached(name):
                    return self._install(activation, role)
        with self._cache.temporary() as folder:
            name, artifact = self._sources.download(workspace, model, version, folder)
            if artifact is None:  # it is here already
                return self._activate(workspace, model, name.version, role)
            with self._active.swapping:
                return self._install(self._sources.publish(name, artifact), role)

    def _seated(self, name: ModelName, role: Role) -> Activation | None:
        """Return the challenger of this name if one is asked for and it is loaded already; else None.

        Raises:
            IsChampion, TooManyChallengers: it cannot become one.
        """
        return self._challengers.seated(name) if role == "challenger" else None

    def _install(self, activation: Activation, role: Role) -> Activation:
        """Record an activation and swap, or add a challenger; call it while `swapping` is held.

        A pinned service neither records nor shrinks the cache: other services may use both.
        """
        if role == "challenger":
            installed = self._challengers.install(activation)
            self._shrink_cache()
            return installed
        if self._pin is not None:
            self._pin.admit(activation.model.name)
            self._active.swap(activation.model)
            return activation
        self._active.record_and_swap(activation)
        self._shrink_cache()
        return activation

    def _shrink_cache(self) -> None:
        """Shrink the cache to its cap; the active, the previous and the challengers' models stay.

        A failure does not undo the swap.
        """
        try:
            with explained():
                active = self.active.name if self.active else None
                keep = [name for name in (active, self._previous(), *self._challengers.names) if name is not None]
                for name in self._cache.evict(self._cache_max_bytes, keep):
                    logger.info("deleted %s from the cache, which was full", name)
        except RegistryError as error:
            logger.warning("the model cache could not be shrunk: %s", error)

    def _previous(self) -> ModelName | None:
        """Return the model to go back to: the last one recorded before this one, else the bundled default."""
        stored = self._active.record.previous()
        name = _name_of(stored) if stored else newest_bundled(self._default_model)
        return None if self.active is not None and name == self.active.name else name

    def _stored(self, name: ModelName) -> Activation | None:
        with explained():
            return self._sources.stored(name)

    def _open_latest(self) -> None:
        """Load the model that was active last; if that fails, the bundled one.

        If the disk is why it failed, try again in a thread: it may be full or read-only only for a while.
        """
        failed = self._load_latest()
        if self.active is None:
            self._open_default()
        if self.active is not None:
            logger.info("%s is active after the start", self.active.id)
        if isinstance(failed, StorageFailed):
            threading.Thread(target=self._try_again, name="stored model", daemon=True).start()

    def _try_again(self) -> None:
        """Load the model that was active last as soon as the disk can be used, unless another is made active before."""
        failed: RegistryError | None = StorageFailed("")
        while isinstance(failed, StorageFailed):
            time.sleep(RETRY_S)
            with self._active.swapping:
                if self.startup_problem is None:  # somebody chose a model
                    return
                failed = self._load_latest()
        if failed is None:
            logger.info("the disk can be used again, and %s is active", self.active.id if self.active else "no model")
        if not self.loaded.challengers:
            self._challengers.open(self._stored)

    def _load_latest(self) -> RegistryError | None:
        """Load the model that was active last; return why it could not be, which `startup_problem` says as well."""
        what = "the model that was active before"
        try:
            with explained():
                latest = self._active.record.latest()
                if latest is not None:
                    name = _name_of(latest)
                    what = f"{name}, which was active before,"
                    activation = self._sources.stored(name)
                    if activation is None:
                        raise UnknownModel("it is not in the cache any more, or damaged; activate it again")
                    self._active.swap(activation.model)
                    if activation.model.digest != latest.digest:
                        logger.warning("%s is not the file that was active before", activation.model.id)
        except RegistryError as error:
            problem = f"{what} could not be loaded: {error}"
            if problem != self.startup_problem:  # once, not with every try
                self._active.startup_problem = problem
                logger.error("%s; the bundled model serves", problem)
            return error
        self._active.startup_problem = None
        return None

    def _open_default(self) -> None:
        try:
            with explained():
                self._active.loaded = Loaded(self._sources.bundled(self._default_model, None).model)
        except RegistryError as error:
            problem = f"the bundled model could not be loaded: {error}"
            before = self.startup_problem
            self._active.startup_problem = f"{before}; {problem}" if before else problem
            logger.error("no model is active: %s", problem)


def _busy() -> Busy:
    return Busy("other requests to activate models are under way; try again in a few seconds")


def _name_of(stored: StoredActivation) -> ModelName:
    return ModelName(stored.workspace, stored.model, stored.version)
