"""The active model, the lock under which it is swapped, and the record of activations."""

import threading
from contextvars import ContextVar

from db.serving import Activations
from xgserve.model.model import Model
from xgserve.registry.sources import Activation
from xgserve.request_id import request_id

followed: ContextVar[str | None] = ContextVar("followed", default=None)  # what led to the activation under way


class Active:
    """Holds the active model: a swap is one assignment, so any thread may read `model` at any moment.

    Hold `swapping` from loading a model from disk until it is swapped in: activations finish one after another.
    """

    def __init__(self, record: Activations) -> None:
        self.swapping = threading.Lock()
        self.model: Model | None = None
        self.startup_problem: str | None = None
        self.record = record

    def swap(self, model: Model) -> None:
        """Make the model the active one, for this run of the service."""
        self.model = model
        self.startup_problem = None

    def record_and_swap(self, activation: Activation) -> None:
        """Record the activation, then swap: a crash in between leaves a record that the restart honours.

        Raises:
            DatabaseError: SQLite could not write; the active model stays.
        """
        name = activation.model.name
        self.record.record(
            workspace=name.workspace,
            model=name.name,
            version=name.version,
            digest=activation.model.digest,
            source=activation.source,
            request_id=request_id.get(),
            followed=followed.get(),
        )
        self.swap(activation.model)
