"""The models that can be activated: bundled, downloaded, or listed by Comet."""

import logging
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from xgserve.contract import ModelEntry, RegistryProblem, Source
from xgserve.errors import RegistryError
from xgserve.names import NAME_IN_WORDS, ModelName, version_order
from xgserve.registry.active import Active
from xgserve.registry.bundle import BUNDLED, bundled_models
from xgserve.registry.cache import ModelCache
from xgserve.registry.comet import Comet
from xgserve.registry.sources import Sources, explained
from xgserve.single_flight import SingleFlight

logger = logging.getLogger("xgserve.registry")

LIST_TIMEOUT_S = 4.0
LIST_KEPT_S = 30.0


@dataclass(frozen=True)
class _Listing:
    """Comet's list, when it was read (monotonic clock), and its problem if any."""

    models: list[dict[str, Any]]
    problem: str | None
    at: float


class Catalogue:
    """Lists the models of all sources. Any thread may call any method."""

    def __init__(
        self, sources: Sources, cache: ModelCache, comet: Comet | None, *, default: str, workspaces: Collection[str]
    ) -> None:
        """List the bundled model `default` first; ask Comet for `workspaces` (if empty, the key owner's)."""
        self._sources = sources
        self._cache = cache
        self._comet = comet
        self._default = default
        self._workspaces = sorted(workspaces)
        self._first = SingleFlight[_Listing]()
        self._refreshing = threading.Lock()
        self._latest: _Listing | None = None

    def available(self, active: Active) -> list[ModelEntry | RegistryProblem]:
        """Return the models that can be activated.

        The bundled models come first, the default before the others; of each model, the newest version comes first.
        A model that only the registry has comes with `"source": "registry"` and its `stages`. A registry that fails or
        is slow gives one `RegistryProblem` instead.
        """
        names: dict[ModelName, Source] = dict.fromkeys(bundled_models(self._default), BUNDLED)
        cached = [model.name for model in self._cache.models() if self._sources.allows(model.name.workspace)]
        cached.sort(key=lambda name: version_order(name.version), reverse=True)
        cached.sort(key=lambda name: (name.workspace, name.name))
        names |= dict.fromkeys(cached, "cache")
        listed, problem = self._listed()
        stages = {ModelName(entry["workspace"], entry["model"], entry["version"]): entry["stages"] for entry in listed}
        loaded = active.loaded
        name_of_active = loaded.champion.name if loaded.champion else None
        challengers = {model.name for model in loaded.challengers}
        entries: list[ModelEntry | RegistryProblem] = [
            ModelEntry(
                workspace=name.workspace,
                model=name.name,
                version=name.version,
                source=names.get(name, "registry"),
                stages=stages.get(name, []),
                active=name == name_of_active,
                challenger=name in challengers,
            )
            for name in dict.fromkeys([*names, *stages])
        ]
        return [*entries, RegistryProblem("registry", problem)] if problem else entries

    def _listed(self) -> tuple[list[dict[str, Any]], str | None]:
        """Return Comet's list and its problem, if any; one thread asks, at most once in `LIST_KEPT_S`.

        Others wait for the first list only, and later get the previous one: a slow registry holds one thread at most.
        """
        if self._comet is None:
            return [], None
        comet, latest = self._comet, self._latest
        if latest is None:
            latest = self._first.run("list", lambda: self._latest or self._ask(comet))
        elif self._refreshing.acquire(blocking=False):
            try:
                if time.monotonic() - latest.at > LIST_KEPT_S:
                    latest = self._ask(comet)
            finally:
                self._refreshing.release()
        return latest.models, latest.problem

    def _ask(self, comet: Comet) -> _Listing:
        try:
            with explained(), self._cache.temporary() as scratch:
                models, unusable = comet.models(self._workspaces, scratch=scratch, seconds=LIST_TIMEOUT_S)
                problem = _unusable_names(unusable)
        except RegistryError as error:
            logger.warning("the registry's models could not be listed: %s (%s)", error, error.code)
            models, problem = [], str(error)
        self._latest = _Listing(models, problem, time.monotonic())
        return self._latest


def _unusable_names(names: list[str]) -> str | None:
    """Return why models are left out of the list, if any are."""
    if not names:
        return None
    listed = ", ".join(map(repr, names[:5]))
    return f"left out, since they cannot be named so here: {listed}; a name has {NAME_IN_WORDS}. Rename them on Comet"
