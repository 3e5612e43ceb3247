"""Whether the service can predict: the checks of `GET /ready`."""

import threading
from pathlib import Path
from typing import Final

from msgspec import UNSET

from db.connection import DatabaseError
from db.serving import check
from xgserve.contract import Check
from xgserve.errors import ModelError, WorkerBusy
from xgserve.log.handler import LogHandler
from xgserve.model.model import Model

CHECK_TIMEOUT_S: Final = 0.5  # a caller of /ready must not wait for the database's lock


def state(problem: str | None) -> Check:
    """Return the state of a dependency; without a problem, it is ok."""
    return Check(ok=problem is None, problem=problem or UNSET)


def model_state(model: Model | None) -> Check:
    """Return whether the active model scores its golden row."""
    if model is None:
        return state("no model is loaded")
    try:
        return Check(ok=True, id=model.id, golden_probability=model.check())
    except WorkerBusy:  # it is busy scoring
        return Check(ok=True, id=model.id)
    except ModelError as error:
        return Check(ok=False, id=model.id, problem=str(error))


class DatabaseCheck:
    """Checks the database in one thread at a time; other threads get the last result."""

    def __init__(self, log: LogHandler, path: Path) -> None:
        self._log = log
        self._path = path
        self._one_at_a_time = threading.Lock()
        self._problem: str | None = None

    def state(self) -> Check:
        """Return whether the log can be written and the database read, within `CHECK_TIMEOUT_S`."""
        if self._log.problem is not None:
            return state(self._log.problem)
        if self._one_at_a_time.acquire(blocking=False):
            try:
                check(self._path, CHECK_TIMEOUT_S)
                self._problem = None
            except DatabaseError as error:
                self._problem = str(error)
            finally:
                self._one_at_a_time.release()
        return state(self._problem)
