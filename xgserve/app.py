"""The routes of the prediction service and their JSON, nothing else."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from functools import cache
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn, TextIO

import bottle
from bottle import request, response

from db.connection import DatabaseError
from db.serving import check
from xgserve.errors import (
    COMMON_HEADERS,
    RETRY_AFTER_S,
    ApiError,
    ModelError,
    RegistryError,
    ServiceError,
    error_body,
    to_json,
)
from xgserve.json_text import parsed
from xgserve.log import metrics
from xgserve.log.handler import Journal, level_name
from xgserve.log.page import render
from xgserve.model.frames import read_frame
from xgserve.model.model import Model
from xgserve.names import tag
from xgserve.registry.registry import open_registry
from xgserve.registry.sources import Activation
from xgserve.request_id import choose_id, request_id
from xgserve.settings import ServiceSettings
from xgserve.text import on_one_line
from xgserve.web import incoming
from xgserve.web.contract import DOCUMENT
from xgserve.web.idempotency import Answers

logger = logging.getLogger("xgserve.app")

# Asked for all the time by machines: not worth a row each, unless something is wrong.
QUIET_ROUTES = ("/health", "/ready", "/metrics", "/logs")

CHECK_TIMEOUT_S = 0.5  # whoever asks /ready must not wait for somebody's lock

Headers = list[tuple[str, str]]


class DatabaseCheck:
    """Tells /ready whether the database answers, without letting it wait for somebody's lock."""

    def __init__(self, journal: Journal, path: Path) -> None:
        self._journal = journal
        self._path = path
        self._one_at_a_time = threading.Lock()
        self._found: str | None = None

    def problem(self) -> str | None:
        """Say why the database cannot be used; None if it can.

        Waits no longer than `CHECK_TIMEOUT_S`, in one thread: others get what the last check found.
        """
        if self._journal.problem is not None:
            return self._journal.problem
        if self._one_at_a_time.acquire(blocking=False):
            try:
                check(self._path, CHECK_TIMEOUT_S)
                self._found = None
            except DatabaseError as error:
                self._found = str(error)
            finally:
                self._one_at_a_time.release()
        return self._found


class Service(bottle.Bottle):  # type: ignore[misc]  # Bottle has no types
    """The Bottle app with the parts that its routes use, and what is common to all requests: id, log row, metrics."""

    def __init__(self, settings: ServiceSettings, stream: TextIO | None) -> None:
        super().__init__()
        self.config["catchall"] = False  # `wsgi` below answers exceptions, in JSON
        self.settings = settings
        self.journal = Journal(settings, stream)
        log = logging.getLogger()
        log.addHandler(self.journal)
        logging.getLogger("xgserve").setLevel(settings.log_level)
        self.registry = open_registry(settings)
        self.answers = Answers(settings.database)
        self.database = DatabaseCheck(self.journal, settings.database)
        self.metrics = metrics.Metrics(lambda: self.registry.active, lambda: self.journal.dropped)
        self.add_hook("before_request", lambda: incoming.check_host(settings.allowed_hosts))
        _add_routes(self)

    def close(self) -> None:
        """Write the rest of the log and let go of the database."""
        self.answers.close()
        logging.getLogger().removeHandler(self.journal)
        self.journal.close()

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        started = time.perf_counter()
        identity = choose_id(environ.get("HTTP_X_REQUEST_ID", ""), self.settings.secrets)
        token = request_id.set(identity)
        status = 500

        def start(line: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, [*headers, ("X-Request-ID", identity), *COMMON_HEADERS], exc_info)

        try:
            try:
                return super().wsgi(environ, start)  # type: ignore[no-any-return]
            except Exception as error:  # noqa: BLE001 - the last line of defence: a caller never sees a traceback
                return _answer_error(error, identity, environ, start)
        finally:
            self._note(environ, status, time.perf_counter() - started)
            request_id.reset(token)

    def default_error_handler(self, error: bottle.HTTPError) -> NoReturn:
        """Turn Bottle's own errors into ours."""
        method, path = request.method, request.path[:200]
        if error.status_code == 404:
            routes = ", ".join(dict.fromkeys(f"{route.method} {route.rule}" for route in self.routes))
            raise ApiError(404, "not_found", f"there is no {path} here; the routes are {routes}")
        if error.status_code == 405:
            allowed = error.headers["Allow"]
            message = f"{path} does not take {method}, only {allowed}"
            raise ApiError(405, "method_not_allowed", message, headers={"Allow": allowed})
        raise ApiError(error.status_code, "bad_request", str(error.body))

    def _note(self, environ: Mapping[str, Any], status: int, seconds: float) -> None:
        matched = environ.get("bottle.route")
        route = matched.rule if matched else "unmatched"
        method = environ["REQUEST_METHOD"]
        method = method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"
        self.metrics.request(method, route, status, seconds)
        level = logging.INFO if status < 400 else logging.WARNING if status < 500 else logging.ERROR
        if level == logging.INFO and route in QUIET_ROUTES:
            level = logging.DEBUG
        note = environ.get("xgserve.note", "")
        line = f"{method} {environ['PATH_INFO'][:200]} {status} in {seconds * 1000:.1f} ms{': ' if note else ''}{note}"
        logger.log(level, "%s", on_one_line(line))


def create_app(settings: ServiceSettings, stream: TextIO | None = None) -> Service:
    """Return the service as a WSGI app, with its log open (to `stream` as well) and a model loaded where one can be.

    Call its `close` at the end, so that the log is complete.
    """
    return Service(settings, stream)


@cache
def _from_environment() -> Service:
    return create_app(ServiceSettings.from_env())


def __getattr__(name: str) -> Service:
    """Make `xgserve.app:app` for WSGI servers, at the first use: importing this module starts nothing."""
    if name == "app":
        return _from_environment()
    raise AttributeError(name)


def _answer_error(
    exception: Exception, identity: str, environ: dict[str, Any], start: Callable[[str, Headers], Any]
) -> list[bytes]:
    if isinstance(exception, ServiceError):
        error = exception
    elif isinstance(exception, DatabaseError):
        error = ApiError(503, "database_unavailable", str(exception))
    else:
        logger.error("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"][:200], exc_info=exception)
        error = ServiceError("the service failed on this request; its log has the details")
    environ["xgserve.note"] = f"{error.code}: {error}"
    body = error_body(error.code, str(error), {**error.details, "request_id": identity})
    status = HTTPStatus(error.status)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **error.headers}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    start(f"{status.value} {status.phrase}", list(headers.items()))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _add_routes(app: Service) -> None:
    @app.post("/predict")
    def predict() -> bytes:
        model = _active(app)
        incoming.check_if_match(model)
        body = incoming.body(app.settings.max_body_bytes)
        request.environ["xgserve.note"] = f"answered before, nothing scored by {model.id}"
        answer = app.answers.once(incoming.idempotency_key(), model.id, body, lambda: _score(app, model, body))
        response.content_type = "application/json"
        return answer

    @app.post("/download_registry_model")
    def download_registry_model() -> bytes:
        incoming.check_may_swap(app.settings.admin_token)
        wanted = incoming.model_request(parsed(incoming.body(app.settings.max_body_bytes)))
        return _swap(app, lambda: app.registry.activate(*wanted))

    @app.post("/rollback")
    def rollback() -> bytes:
        incoming.check_may_swap(app.settings.admin_token)
        return _swap(app, app.registry.rollback)

    @app.get("/model")
    def model() -> bytes:
        active = _active(app)
        response.set_header("ETag", f'"{tag(active.id)}"')
        return _json(active.describe())

    @app.get("/models")
    def models() -> bytes:
        return _json({"models": app.registry.available(), "active": _active_identity(app)})

    @app.get("/activations")
    def activations() -> bytes:
        wanted = incoming.limit(incoming.parameters("limit"))
        return _json({"activations": [asdict(entry) for entry in app.registry.activations(wanted)]})

    @app.get("/logs")
    def logs() -> bytes:
        asked = incoming.parameters(*incoming.LOG_PARAMETERS)
        query = incoming.log_query(asked)
        rows = [{**row, "level": level_name(row["level"])} for row in app.journal.read(query)]
        next_before = rows[-1]["id"] if len(rows) == query.limit else None
        response.set_header("Vary", "Accept")
        if "text/html" in incoming.header("Accept"):
            response.content_type = "text/html; charset=utf-8"
            return render(rows, asked, next_before).encode()
        return _json({"logs": rows, "next_before": next_before})

    @app.get("/health")
    def health() -> bytes:
        return _json({"status": "alive"})

    @app.get("/ready")
    def ready() -> bytes:
        checks = {
            "model": _model_state(app),
            "database": _state(app.database.problem()),
            "stored_model": _state(app.registry.startup_problem),
        }
        # a stored model that failed at the start is replaced by the bundled one, so the service can serve
        is_ready = checks["model"]["ok"] and checks["database"]["ok"]
        if not is_ready:
            response.status = 503
            request.environ["xgserve.note"] = "; ".join(c["problem"] for c in checks.values() if not c["ok"])
        return _json({"ready": is_ready, "checks": checks})

    @app.get("/openapi.json")
    def openapi() -> bytes:
        return _json(DOCUMENT)

    @app.get("/metrics")
    def metrics_text() -> bytes:
        response.content_type = metrics.CONTENT_TYPE
        return app.metrics.text()


def _score(app: Service, model: Model, body: bytes) -> bytes:
    frame = read_frame(body, model.column_names)
    columns = frame.columns
    if columns is None:
        columns = {column.name: [] for column in model.columns}
    probabilities = model.predict(columns, frame.index)
    app.metrics.rows_scored(model, len(probabilities))
    request.environ["xgserve.note"] = f"{len(probabilities)} rows by {model.id}"
    return _json({"predictions": probabilities.tolist(), "index": list(frame.index), "model": model.identity})


def _json(answer: Mapping[str, Any]) -> bytes:
    response.content_type = "application/json"
    return to_json(answer)


def _active(app: Service) -> Model:
    model = app.registry.active
    if model is None:
        reason = app.registry.startup_problem
        raise ApiError(
            503,
            "no_model",
            f"no model is loaded{f' ({reason})' if reason else ''}"
            + ("" if app.settings.pinned_model else "; load one with POST /download_registry_model"),
        )
    return model


def _active_identity(app: Service) -> dict[str, str] | None:
    active = app.registry.active
    return active.identity if active else None


def _swap(app: Service, change: Callable[[], Activation]) -> bytes:
    try:
        activation = change()
    except RegistryError as error:
        app.metrics.swap(error.code)
        error.details["active"] = _active_identity(app)
        raise
    except Exception:
        app.metrics.swap("internal")
        raise
    app.metrics.swap("ok")
    request.environ["xgserve.note"] = f"{activation.model.id} from {activation.source}"
    return _json({"source": activation.source, "model": activation.model.describe()})


def _model_state(app: Service) -> dict[str, Any]:
    model = app.registry.active
    if model is None:
        return _state("no model is loaded")
    try:
        return _state(None, id=model.id, golden_probability=model.check())
    except ModelError as error:
        return _state(str(error), id=model.id)


def _state(problem: str | None, **details: object) -> dict[str, Any]:
    return {"ok": problem is None, **details} | ({"problem": problem} if problem else {})
