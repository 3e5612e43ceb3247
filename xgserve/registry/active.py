"""The loaded models, the lock under which they are changed, and the record of activations."""

import threading
from contextvars import ContextVar
from dataclasses import dataclass, replace

from db.serving import Activations, StoredChallenger
from xgserve.contract import MissingChallenger
from xgserve.errors import ModelNotLoaded
from xgserve.model.model import Model
from xgserve.names import ModelName
from xgserve.registry.sources import Activation
from xgserve.request_id import request_id
from xgserve.text import clipped

followed: ContextVar[str | None] = ContextVar("followed", default=None)  # what led to the activation under way


@dataclass(frozen=True)
class Loaded:
    """The models that are loaded at one moment; the challengers are in the order in which they came."""

    champion: Model | None = None  # the active model
    challengers: tuple[Model, ...] = ()
    missing: tuple[MissingChallenger, ...] = ()  # recorded, but not loaded

    def find(self, model_id: str) -> Model:
        """Return the loaded model of this id.

        Raises:
            ModelNotLoaded: no loaded model has it.
        """
        models = ([self.champion] if self.champion else []) + list(self.challengers)
        for form in (str, _as_decoded):
            for model in models:
                if form(model.id) == model_id:
                    return model
        ids = [model.id for model in models]
        raise ModelNotLoaded(f"{clipped(model_id)!r} is not loaded; loaded are: {', '.join(ids) or 'none'}", loaded=ids)

    def without(self, name: ModelName) -> "Loaded":
        """Return the same without the challenger of this name, whether it is loaded or missing."""
        return replace(
            self,
            challengers=tuple(model for model in self.challengers if model.name != name),
            missing=tuple(gone for gone in self.missing if ModelName(gone.workspace, gone.model, gone.version) != name),
        )


class Active:
    """Holds the loaded models: each change is one assignment, so any thread may read `loaded` at any moment.

    Hold `swapping` from loading a model from disk until it is swapped in: activations finish one after another.
    """

    def __init__(self, record: Activations) -> None:
        self.swapping = threading.Lock()
        self.loaded = Loaded()
        self.startup_problem: str | None = None
        self.record = record

    @property
    def model(self) -> Model | None:
        """The active model."""
        return self.loaded.champion

    def swap(self, model: Model, *, keep: bool = False) -> None:
        """Make the model the active one, for this run of the service; with `keep`, the former becomes a challenger.

        The model is no challenger any more.
        """
        former = self.model
        loaded = self.loaded.without(model.name)
        kept = (former,) if keep and former is not None and former.name != model.name else ()
        self.loaded = replace(loaded, champion=model, challengers=loaded.challengers + kept)
        self.startup_problem = None

    def record_and_swap(self, activation: Activation, *, keep: bool = False) -> None:
        """Record the activation, then swap: a crash in between leaves a record that the restart honours.

        Raises:
            DatabaseError: SQLite could not write; the active model stays.
        """
        name = activation.model.name
        former = self.model if keep and self.model is not None and self.model.name != name else None
        self.record.record(
            workspace=name.workspace,
            model=name.name,
            version=name.version,
            digest=activation.model.digest,
            source=activation.source,
            request_id=request_id.get(),
            followed=followed.get(),
            keep=as_stored(former) if former else None,
        )
        self.swap(activation.model, keep=keep)


def as_stored(model: Model) -> StoredChallenger:
    """Return the row that records a model as a challenger."""
    name = model.name
    return StoredChallenger(name.workspace, name.name, name.version, model.digest, request_id.get())


def _as_decoded(model_id: str) -> str:
    """Return an id as it arrives in a query where nobody quoted its plus signs."""
    return model_id.replace("+", " ")
