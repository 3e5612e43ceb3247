"""The policy of a service that XG_MODEL pins to one model, so that all replicas serve the same one."""

import logging
import threading
import time
from collections.abc import Callable

from xgserve.contract import Role
from xgserve.errors import InvalidName, ModelPinned, RegistryError, WorkspaceNotAllowed
from xgserve.names import ModelName
from xgserve.registry.active import Active
from xgserve.registry.sources import Activation

logger = logging.getLogger("xgserve.registry")

RETRY_S = 30.0


class Pin:
    """Admits exactly one model, which may arrive from Comet after the start."""

    def __init__(self, name: ModelName) -> None:
        self._name = name

    def activate(self, active: Active, workspace: str, model: str, version: str | None, role: Role) -> Activation:
        """Return the pinned model if it is the one asked for.

        Raises:
            ModelPinned: another model or a challenger is requested, or the pinned one is not loaded yet.
        """
        if (
            role == "challenger"
            or active.model is None
            or active.model.name != ModelName(workspace, model, version or "")
        ):
            raise self.refusal()
        return Activation.of_loaded(active.model)

    def refusal(self) -> ModelPinned:
        """Return why no other model is taken."""
        return ModelPinned(
            f"this service is pinned to {self._name} by XG_MODEL and takes no other model, so that all replicas have "
            "the same; restart it with another XG_MODEL"
        )

    def admit(self, name: ModelName) -> None:
        """Refuse a loaded model that is not the pinned one.

        Raises:
            InvalidName: the pin names a stage, not this version.
        """
        if name != self._name:
            raise InvalidName(f"XG_MODEL must name a version, not the stage {self._name.version!r}")

    def open(
        self, active: Active, load: Callable[[ModelName], Activation | None], fetch: Callable[[ModelName], Activation]
    ) -> None:
        """Make the pinned model active: with `load` if it is here, else with `fetch`, in a thread that keeps trying."""
        try:
            activation = load(self._name)
            if activation is not None:
                active.swap(activation.model)
                logger.info("%s is active, pinned by XG_MODEL", activation.model.id)
                return
            active.startup_problem = f"{self._name} of XG_MODEL is being downloaded"
        except RegistryError as error:
            if not self._may_pass(active, error):
                return
        threading.Thread(target=self._fetch, args=(active, fetch), name="pinned model", daemon=True).start()

    def _fetch(self, active: Active, fetch: Callable[[ModelName], Activation]) -> None:
        while active.model is None:
            try:
                fetch(self._name)
            except RegistryError as error:
                if not self._may_pass(active, error):
                    return
                time.sleep(RETRY_S)

    def _may_pass(self, active: Active, error: RegistryError) -> bool:
        """Report why the model is missing, and return whether it is worth trying again."""
        may_pass = not isinstance(error, InvalidName | WorkspaceNotAllowed)  # these need other settings
        active.startup_problem = f"{self._name} of XG_MODEL could not be loaded: {error}"
        retry = f"trying again every {RETRY_S:g} s" if may_pass else "restart with other settings"
        logger.error("%s; %s", active.startup_problem, retry)
        return may_pass
