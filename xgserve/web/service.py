"""The frame around every request: host check, request id, errors as JSON, log row, metrics."""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn, TextIO

import bottle
from bottle import request, response

from db.connection import DatabaseError
from xgserve.contract import Following
from xgserve.errors import BadRequest, DatabaseUnavailable, MethodNotAllowed, NotFound, ServiceError
from xgserve.log.handler import LogHandler
from xgserve.log.metrics import Metrics, State
from xgserve.model.model import Model
from xgserve.request_id import choose_id, request_id
from xgserve.settings import ServiceSettings
from xgserve.text import on_one_line
from xgserve.web import incoming
from xgserve.web.answers import Headers, common_headers, error_answer
from xgserve.web.idempotency import Answers

logger = logging.getLogger("xgserve.app")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
QUIET_ROUTES = frozenset({"/health", "/ready", "/metrics", "/logs"})  # polled by machines: logged only if they fail


def note(text: str) -> None:
    """Add a text to the log row of the request that is being answered."""
    request.environ["xgserve.note"] = text


class Service(bottle.Bottle):  # type: ignore[misc]  # Bottle has no types
    """A Bottle app without routes, and the parts that routes use. Answers are JSON unless a route says otherwise."""

    def __init__(self, settings: ServiceSettings, stream: TextIO | None) -> None:
        super().__init__()
        self.config["catchall"] = False  # `wsgi` below answers exceptions, in JSON
        self.settings = settings
        self.log = LogHandler(settings, stream)
        logging.getLogger().addHandler(self.log)
        logging.getLogger("xgserve").setLevel(settings.log_level)
        self.answers = Answers(settings.database)
        self.metrics = Metrics(State(self.active, self.loaded_challengers, self.following, lambda: self.log.dropped))
        self.add_hook("before_request", self._before_request)

    def close(self) -> None:
        """Write the rest of the log and close the database."""
        self.answers.close()
        logging.getLogger().removeHandler(self.log)
        self.log.close()

    def active(self) -> Model | None:
        """Return the active model, which the app holds; None if no model is loaded."""
        raise NotImplementedError

    def loaded_challengers(self) -> Sequence[Model]:
        """Return the models that the app holds beside the active one."""
        raise NotImplementedError

    def following(self) -> Following | None:
        """Return what the service follows, which the app knows; None if it follows nothing."""
        raise NotImplementedError

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        started = time.perf_counter()
        identity = choose_id(environ.get("HTTP_X_REQUEST_ID", ""), self.settings.secrets)
        token = request_id.set(identity)
        status = 500

        def start(line: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal status
            status = int(line[:3])
            return start_response(line, headers + common_headers(identity), exc_info)

        try:
            try:
                return super().wsgi(environ, start)  # type: ignore[no-any-return]
            except Exception as error:  # noqa: BLE001 - the last line of defence: a caller never sees a traceback
                line, headers, body = error_answer(_explained(error, environ), identity)
                start(line, headers)
                return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        finally:
            self._record(environ, status, time.perf_counter() - started)
            request_id.reset(token)

    def default_error_handler(self, error: bottle.HTTPError) -> NoReturn:
        """Turn Bottle's own errors into ours."""
        path = request.path[:200]
        if error.status_code == 404:
            routes = ", ".join(dict.fromkeys(f"{route.method} {route.rule}" for route in self.routes))
            raise NotFound(f"there is no {path} here; the routes are {routes}")
        if error.status_code == 405:
            allowed = error.headers["Allow"]
            message = f"{path} does not take {request.method}, only {allowed}"
            raise MethodNotAllowed(message, headers={"Allow": allowed})
        raise BadRequest(str(error.body))

    def _before_request(self) -> None:
        incoming.check_host(self.settings.allowed_hosts)
        response.content_type = "application/json"

    def _record(self, environ: Mapping[str, Any], status: int, seconds: float) -> None:
        """Count the request and log it."""
        matched = environ.get("bottle.route")
        route = matched.rule if matched else "unmatched"
        method = environ["REQUEST_METHOD"] if environ["REQUEST_METHOD"] in METHODS else "other"
        self.metrics.request(method, route, status, seconds)
        level = logging.INFO if status < 400 else logging.WARNING if status < 500 else logging.ERROR
        if level == logging.INFO and route in QUIET_ROUTES:
            level = logging.DEBUG
        line = f"{method} {environ['PATH_INFO'][:200]} {status} in {seconds * 1000:.1f} ms"
        if what := environ.get("xgserve.note"):
            line += f": {what}"
        logger.log(level, "%s", on_one_line(line))


def _explained(exception: Exception, environ: dict[str, Any]) -> ServiceError:
    """Return the caller's error for an exception; log details that the caller must not see."""
    if isinstance(exception, ServiceError):
        error = exception
    elif isinstance(exception, DatabaseError):
        error = DatabaseUnavailable(str(exception))
    else:
        logger.error("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"][:200], exc_info=exception)
        error = ServiceError("the service failed on this request; its log has the details")
    environ["xgserve.note"] = f"{error.code}: {error}"
    return error
