"""The challengers: models that are loaded beside the active one, to be asked by name and compared with it."""

import logging
import threading
from collections.abc import Callable
from dataclasses import replace

from msgspec import structs

from db import serving
from xgserve.contract import Challengers as Description
from xgserve.contract import MissingChallenger
from xgserve.errors import IsChampion, RegistryError, TooManyChallengers, UnknownModel
from xgserve.names import ModelName
from xgserve.registry.active import Active, as_stored
from xgserve.registry.sources import Activation, explained

logger = logging.getLogger("xgserve.registry")

Load = Callable[[ModelName], Activation | None]


class Challengers:
    """Adds challengers to the loaded models, drops them, and loads them again after a restart.

    Hold `Active.swapping` during `seated`, `install` and `drop`.
    """

    def __init__(self, active: Active, record: serving.Challengers, maximum: int) -> None:
        self._active = active
        self._record = record
        self._maximum = maximum

    @property
    def names(self) -> list[ModelName]:
        """The names of all challengers, including those that could not be loaded."""
        loaded = self._active.loaded
        return [model.name for model in loaded.challengers] + [_name_of(missing) for missing in loaded.missing]

    def describe(self) -> Description:
        """Return the answer of `GET /challengers`."""
        loaded = self._active.loaded
        return Description([model.describe() for model in loaded.challengers], list(loaded.missing), self._maximum)

    def seated(self, name: ModelName) -> Activation | None:
        """Return the challenger of this name; None if it is not loaded and there is room for it.

        Raises:
            IsChampion: the active model has this name.
            TooManyChallengers: there is no room.
        """
        loaded = self._active.loaded
        for model in loaded.challengers:
            if model.name == name:
                return Activation.of_loaded(model)
        ids = [model.id for model in loaded.challengers]
        if loaded.champion is not None and loaded.champion.name == name:
            raise IsChampion(
                f"{loaded.champion.id} is the champion already; only another model can be a challenger", challengers=ids
            )
        if self._maximum == 0:
            raise TooManyChallengers("this service takes no challengers: XG_MAX_CHALLENGERS is 0", challengers=ids)
        if len(ids) >= self._maximum:
            raise TooManyChallengers(
                f"{len(ids)} challengers are loaded, as many as XG_MAX_CHALLENGERS allows: {', '.join(ids)}; drop one"
                " with DELETE /challengers/<its id>",
                challengers=ids,
            )
        return None

    def install(self, activation: Activation) -> Activation:
        """Record a challenger and add it; return the one that is loaded already, if any.

        Raises:
            IsChampion, TooManyChallengers: it cannot be one.
            DatabaseError: SQLite could not write; nothing was changed.
        """
        model = activation.model
        if (there := self.seated(model.name)) is not None:
            return there
        self._record.add(as_stored(model))
        self._add(activation)
        return activation

    def drop(self, model_id: str) -> None:
        """Drop a challenger, from the record as well.

        Raises:
            IsChampion: it is the active model.
            ModelNotLoaded: no challenger has this id.
            DatabaseError: SQLite could not write; nothing was changed.
        """
        loaded = self._active.loaded
        names = [_name_of(missing) for missing in loaded.missing if missing.id == model_id]
        name = names[0] if names else loaded.find(model_id).name
        if loaded.champion is not None and loaded.champion.name == name and not names:
            raise IsChampion(f"{model_id} is the champion, not a challenger; make another model the champion first")
        self._record.remove(name.workspace, name.name, name.version)
        self._active.loaded = loaded.without(name)
        logger.info("%s is no challenger any more", name)

    def open(self, load: Load) -> None:
        """Load the recorded challengers, in a thread of their own: the active model must not wait for them."""
        try:
            with explained():
                stored = self._record.all()
        except RegistryError as error:
            logger.error("the challengers of before the start are unknown: %s", error)
            return
        if stored:
            missing = tuple(_missing(challenger) for challenger in stored)
            self._active.loaded = replace(self._active.loaded, missing=missing)
            threading.Thread(target=self._open, args=(load,), name="challengers", daemon=True).start()

    def _open(self, load: Load) -> None:
        for missing in self._active.loaded.missing:
            name = _name_of(missing)
            with self._active.swapping:
                if missing not in self._active.loaded.missing:  # a request was faster
                    continue
                try:
                    with explained():
                        self._load(name, load, missing.digest)
                except RegistryError as error:
                    logger.error("the challenger %s could not be loaded: %s", name, error)
                    self._explain(missing, str(error))

    def _load(self, name: ModelName, load: Load, digest: str) -> None:
        activation = self.seated(name) or load(name)
        if activation is None:
            raise UnknownModel("it is not in the cache any more, or damaged; load it again, or drop it")
        if activation.model.digest != digest:
            logger.warning("%s is not the file that was a challenger before", activation.model.id)
        self._add(activation)
        logger.info("%s is a challenger after the start", activation.model.id)

    def _add(self, activation: Activation) -> None:
        loaded = self._active.loaded.without(activation.model.name)
        self._active.loaded = replace(loaded, challengers=(*loaded.challengers, activation.model))

    def _explain(self, missing: MissingChallenger, problem: str) -> None:
        others = tuple(
            structs.replace(other, problem=problem) if other is missing else other
            for other in self._active.loaded.missing
        )
        self._active.loaded = replace(self._active.loaded, missing=others)


def _missing(stored: serving.StoredChallenger) -> MissingChallenger:
    model_id = ModelName(stored.workspace, stored.model, stored.version).id_of(stored.digest)
    return MissingChallenger(
        model_id, stored.workspace, stored.model, stored.version, stored.digest, "it is being loaded"
    )


def _name_of(missing: MissingChallenger) -> ModelName:
    return ModelName(missing.workspace, missing.model, missing.version)
