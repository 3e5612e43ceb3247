"""A service that is pinned to one model by XG_MODEL, so that all of its replicas have the same."""

import logging
import threading
import time

from xgserve.errors import InvalidName, ModelPinned, RegistryError, WorkspaceNotAllowed
from xgserve.names import ModelName
from xgserve.registry.bundle import BUNDLED
from xgserve.registry.registry import Activation, Registry, explained
from xgserve.settings import ServiceSettings

logger = logging.getLogger("xgserve.registry")

RETRY_S = 30.0


def open_registry(settings: ServiceSettings) -> Registry:
    """Return the registry that the settings ask for: of one model, or of whichever is activated."""
    return PinnedRegistry(settings, settings.pinned_model) if settings.pinned_model else Registry(settings)


class PinnedRegistry(Registry):
    """Holds one model, which may come from Comet after the start, and takes no other."""

    def __init__(self, settings: ServiceSettings, name: ModelName) -> None:
        self._name = name
        super().__init__(settings)

    def activate(self, workspace: str, model: str, version: str | None) -> Activation:
        """Return the model if it is the one that is asked for.

        Raises:
            RegistryError: another one is asked for, or it is not here yet.
        """
        self._check(workspace, model, version)
        active = self._active
        if active is None or active.name != ModelName(workspace, model, version or ""):
            raise self._refusal()
        return Activation(active, "bundled" if workspace == BUNDLED else "cache")

    def rollback(self) -> Activation:
        """Refuse to go back.

        Raises:
            ModelPinned: always.
        """
        raise self._refusal()

    def _refusal(self) -> ModelPinned:
        return ModelPinned(
            f"this service is pinned to {self._name} by XG_MODEL and takes no other model, so that all replicas have "
            "the same; restart it with another XG_MODEL"
        )

    def _install(self, activation: Activation) -> Activation:
        """Swap, and leave the record to services that choose their model, and the cache to all of them."""
        if activation.model.name != self._name:
            raise InvalidName(f"XG_MODEL must name a version, not the stage {self._name.version!r}")
        self._active = activation.model
        self.startup_problem = None
        return activation

    def _start(self) -> None:
        """Load the model; from the registry if need be, which may take its time."""
        try:
            with explained():
                activation = self._load_stored(self._name)
                if activation is not None:
                    self._active = activation.model
                    logger.info("%s is active, pinned by XG_MODEL", self._active.id)
                    return
                self.startup_problem = f"{self._name} of XG_MODEL is being downloaded"
        except RegistryError as error:
            if not self._may_pass(error):
                return
        threading.Thread(target=self._fetch, name="pinned model", daemon=True).start()

    def _fetch(self) -> None:
        while self._active is None:
            try:
                self._logged(self._name.workspace, self._name.name, self._name.version)
            except RegistryError as error:
                if not self._may_pass(error):
                    return
                time.sleep(RETRY_S)

    def _may_pass(self, error: RegistryError) -> bool:
        """Report why the model is not there, and return whether it is worth trying again."""
        may_pass = not isinstance(error, InvalidName | WorkspaceNotAllowed)  # which only other settings would change
        self.startup_problem = f"{self._name} of XG_MODEL could not be loaded: {error}"
        again = f"it is tried again every {RETRY_S:g} s" if may_pass else "restart with other settings"
        logger.error("%s; %s", self.startup_problem, again)
        return may_pass
