"""The routes of the prediction service, and nothing else."""

import threading
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import cache
from typing import TextIO

import msgspec
from bottle import request, response
from msgspec import structs

from xgserve.contract import (
    Activated,
    ActivationRow,
    Activations,
    ActiveModel,
    Checks,
    Following,
    Health,
    LogRow,
    Logs,
    ModelIdentity,
    Models,
    Predictions,
    Ready,
    Role,
)
from xgserve.errors import ChallengersBusy, NoModel, RegistryError
from xgserve.json_text import to_json
from xgserve.log import metrics
from xgserve.log.handler import level_name
from xgserve.log.page import render
from xgserve.model.frames import read_frame
from xgserve.model.model import Model
from xgserve.names import tag
from xgserve.places import place
from xgserve.registry.follow import follower
from xgserve.registry.registry import open_registry
from xgserve.registry.sources import Activation
from xgserve.settings import ServiceSettings
from xgserve.web import incoming, readiness
from xgserve.web.openapi import DOCUMENT
from xgserve.web.service import Service, note

CHALLENGER_WAIT_S = 0.25  # for a place to ask a challenger


class App(Service):
    """The service with its routes. Each returns the body of its answer, as JSON unless stated otherwise."""

    def __init__(self, settings: ServiceSettings, stream: TextIO | None) -> None:
        super().__init__(settings, stream)
        self.registry = open_registry(settings)
        self._follower = follower(settings, self.registry, self.metrics.swap)
        self._model_check = readiness.ModelCheck()
        self._database = readiness.DatabaseCheck(self.log, settings.database)
        # a challenger that hangs must not take every thread
        self._asking_challengers = threading.BoundedSemaphore(max(1, settings.threads // 2))
        self.post("/predict", callback=self.predict)
        self.post("/download_registry_model", callback=self.download_registry_model)
        self.post("/promote", callback=self.promote)
        self.post("/rollback", callback=self.rollback)
        self.get("/challengers", callback=self.challengers)
        self.delete("/challengers/<model_id:path>", callback=self.drop_challenger)
        self.get("/model", callback=self.model)
        self.get("/models", callback=self.models)
        self.get("/activations", callback=self.activations)
        self.get("/logs", callback=self.logs)
        self.get("/health", callback=self.health)
        self.get("/ready", callback=self.ready)
        self.get("/openapi.json", callback=self.openapi)
        self.get("/metrics", callback=self.prometheus)
        if self._follower is not None:
            self._follower.start()

    def close(self) -> None:
        """Stop following, write the rest of the log and close the database."""
        if self._follower is not None:
            self._follower.close()
        super().close()

    def active(self) -> Model | None:
        """Return the active model; None if no model is loaded."""
        return self.registry.active

    def loaded_challengers(self) -> Sequence[Model]:
        """Return the models that are loaded beside the active one."""
        return self.registry.loaded.challengers

    def may_wait(self, query: str) -> bool:
        """Return whether a prediction with this query may wait for a worker, and must not get the last thread."""
        asked = (self.active(), *(self.loaded_challengers() if query else ()))
        return any(model is not None and model.served_by == "worker" for model in asked)

    def following(self) -> Following | None:
        """Return what the service follows, and how that goes; None if it follows nothing."""
        return self._follower.state if self._follower else None

    def _active_model(self) -> Model:
        """Return the active model.

        Raises:
            NoModel: no model is loaded.
        """
        if (model := self.active()) is not None:
            return model
        problem = self.registry.startup_problem
        raise NoModel(
            f"no model is loaded{f' ({problem})' if problem else ''}"
            + ("" if self.settings.pinned_model else "; load one with POST /download_registry_model")
        )

    def predict(self) -> bytes:
        """Score a frame, or return the stored answer to a repeated request."""
        if request.query_string and (asked := incoming.parameters("model").get("model")):
            model = self.registry.loaded.find(asked)
        else:
            model = self._active_model()
        active = self.active()
        key, body = incoming.prediction_request(model, active, self.settings.max_body_bytes)
        note(f"answered before, nothing scored by {model.id}")
        with nullcontext() if model is active else self._place_to_ask_a_challenger():
            return self.answers.once(key, model.id, body, lambda: self._score(model, body))

    def _place_to_ask_a_challenger(self) -> AbstractContextManager[None]:
        return place(self._asking_challengers, _challengers_busy, CHALLENGER_WAIT_S)

    def _score(self, model: Model, body: bytes) -> bytes:
        frame = read_frame(body, model.column_names)
        columns = frame.columns
        if columns is None:
            columns = {column.name: [] for column in model.columns}
        probabilities = model.predict(columns, frame.index)
        self.metrics.rows_scored(model, len(probabilities))
        note(f"{len(probabilities)} rows by {model.id}")
        return to_json(Predictions(probabilities.tolist(), list(frame.index), model.identity))

    def download_registry_model(self) -> bytes:
        """Make a model the active one, or a challenger."""
        incoming.check_may_swap(self.settings.admin_token)
        wanted = incoming.model_request(self.settings.max_body_bytes)
        return self._swap(lambda: self.registry.activate(*wanted), wanted.role)

    def promote(self) -> bytes:
        """Make a challenger the active model."""
        incoming.check_may_swap(self.settings.admin_token)
        wanted = incoming.promote_request(self.settings.max_body_bytes)
        return self._swap(lambda: self.registry.promote(wanted.id, keep=wanted.keep))

    def rollback(self) -> bytes:
        """Return to the model that was active before."""
        incoming.check_may_swap(self.settings.admin_token)
        return self._swap(self.registry.rollback)

    def _swap(self, change: Callable[[], Activation], role: Role = "champion") -> bytes:
        try:
            activation = change()
        except RegistryError as error:
            self.metrics.swap(error.code, role)
            error.details["active"] = self._active_identity()
            raise
        except Exception:
            self.metrics.swap("internal", role)
            raise
        self.metrics.swap("ok", role)
        note(f"{activation.model.id} from {activation.source}, as the {role}")
        return to_json(Activated(activation.source, role, activation.model.describe()))

    def _active_identity(self) -> ModelIdentity | None:
        active = self.active()
        return active.identity if active else None

    def model(self) -> bytes:
        """Describe the active model."""
        active = self._active_model()
        challengers = [model.id for model in self.loaded_challengers()]
        response.set_header("ETag", f'"{";".join(map(tag, (active.id, *challengers)))}"')
        return to_json(ActiveModel(**structs.asdict(active.describe()), challengers=challengers))

    def challengers(self) -> bytes:
        """Describe the challengers."""
        return to_json(self.registry.challengers())

    def drop_challenger(self, model_id: str) -> bytes:
        """Drop a challenger, and describe the others."""
        incoming.check_may_swap(self.settings.admin_token)
        note(f"{model_id} dropped")
        return to_json(self.registry.drop_challenger(model_id))

    def models(self) -> bytes:
        """List the models that can be loaded now."""
        return to_json(Models(self.registry.available(), self._active_identity()))

    def activations(self) -> bytes:
        """List the recorded activations."""
        rows = self.registry.activations(incoming.limit(incoming.parameters("limit")))
        return to_json(Activations(msgspec.convert(rows, list[ActivationRow], from_attributes=True)))

    def logs(self) -> bytes:
        """Return log rows, as a page if the caller is a browser."""
        asked = incoming.parameters(*incoming.LOG_PARAMETERS)
        query = incoming.log_query(asked)
        rows = [LogRow(**row | {"level": level_name(row["level"])}) for row in self.log.read(query)]
        next_before = rows[-1].id if len(rows) == query.limit else None
        response.set_header("Vary", "Accept")
        if "text/html" in incoming.header("Accept"):
            response.content_type = "text/html; charset=utf-8"
            return render(rows, asked, next_before).encode()
        return to_json(Logs(rows, next_before))

    def health(self) -> bytes:
        """Say that the process is alive."""
        return to_json(Health())

    def ready(self) -> bytes:
        """Say whether the service can predict: 503 if it cannot."""
        checks = Checks(
            model=self._model_check.state(self.active()),
            database=self._database.state(),
            stored_model=readiness.state(self.registry.startup_problem),
        )
        # a stored model that failed at the start is replaced by the bundled one, so the service can serve
        is_ready = checks.model.ok and checks.database.ok
        if not is_ready:
            response.status = 503
            problems = (checks.model.problem, checks.database.problem, checks.stored_model.problem)
            note("; ".join(problem for problem in problems if problem))
        return to_json(Ready(is_ready, checks, self.following()))

    def openapi(self) -> bytes:
        """Return the OpenAPI document of these routes."""
        return to_json(DOCUMENT)

    def prometheus(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        response.content_type = metrics.CONTENT_TYPE
        return self.metrics.text()


def _challengers_busy() -> ChallengersBusy:
    return ChallengersBusy(
        "other requests to challengers are under way; nothing was scored, send it again later",
        headers={"Retry-After": "1"},
    )


def create_app(settings: ServiceSettings, stream: TextIO | None = None) -> App:
    """Return the service as a WSGI app, with its log open (also to `stream`) and, if possible, a model loaded.

    Call its `close` at the end, so that the log is complete.
    """
    return App(settings, stream)


@cache
def _from_environment() -> App:
    return create_app(ServiceSettings.from_env())


def __getattr__(name: str) -> App:
    """Make `xgserve.app:app` for WSGI servers at its first use, so that importing this module starts nothing."""
    if name == "app":
        return _from_environment()
    raise AttributeError(name)
