"""Whether the service can predict: the checks of `GET /ready`."""

import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Final

from msgspec import UNSET

from db.connection import DatabaseError
from db.serving import check
from xgserve.contract import Check
from xgserve.errors import ModelError, WorkerBusy
from xgserve.log.handler import LogHandler
from xgserve.model.model import Model

CHECK_TIMEOUT_S: Final = 0.5  # a caller of /ready must not wait for the database's lock, or for a worker


def state(problem: str | None) -> Check:
    """Return the state of a dependency; without a problem, it is ok."""
    return Check(ok=problem is None, problem=problem or UNSET)


class ModelCheck:
    """Checks the active model; a worker that hangs, or starts again, keeps a caller no longer than a short one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: str | None = None  # the id of the model
        self._answer: Future[Check] = Future()

    def state(self, model: Model | None) -> Check:
        """Return whether the model scores its golden row; one that has not answered yet counts as busy scoring."""
        if model is None:
            return state("no model is loaded")
        if model.served_by == "graph":
            return _model_state(model)
        try:
            return self._ask(model).result(CHECK_TIMEOUT_S)
        except TimeoutError:
            return Check(ok=True, id=model.id)

    def _ask(self, model: Model) -> "Future[Check]":
        """Have a thread check the model, unless one is at it; return what will be its answer."""
        with self._lock:
            if self._asked != model.id or self._answer.done():
                self._asked, self._answer = model.id, Future()
                threading.Thread(target=_check, args=(model, self._answer), name="model check", daemon=True).start()
            return self._answer


def _check(model: Model, answer: "Future[Check]") -> None:
    try:
        answer.set_result(_model_state(model))
    except Exception as error:  # noqa: BLE001 - raised in the thread that waits
        answer.set_exception(error)


def _model_state(model: Model) -> Check:
    """Return whether a model scores its golden row."""
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
