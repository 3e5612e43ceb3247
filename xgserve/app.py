"""The routes of the prediction service and their JSON, nothing else."""

import hmac
import json
import logging
import math
import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from functools import cache
from http import HTTPStatus
from typing import Any, NoReturn
from urllib.parse import parse_qsl, urlsplit

import bottle
from bottle import request, response

from db.connection import DatabaseError
from db.serving import LogQuery, check, timestamp
from xgserve import metrics
from xgserve.errors import ApiError, as_api_error, error_body
from xgserve.frames import parse_frame
from xgserve.journal import Journal, request_id
from xgserve.logpage import level_name, render
from xgserve.model import Model, ModelError
from xgserve.registry import Activation, Registry, RegistryError
from xgserve.settings import LEVELS, Settings

logger = logging.getLogger("xgserve.app")

MAX_LOG_LIMIT = 1000
# Asked for all the time by machines: not worth a row each, unless something is wrong.
QUIET_ROUTES = ("/health", "/ready", "/metrics", "/logs")
SANE_REQUEST_ID = re.compile(r"[!-~]{1,128}")

Headers = list[tuple[str, str]]


class Service(bottle.Bottle):  # type: ignore[misc]  # Bottle has no types
    """The Bottle app with the parts that its routes use, and what is common to all requests: id, log row, metrics."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.config["catchall"] = False  # `wsgi` below answers exceptions, in JSON
        self.settings = settings
        self.journal = Journal(settings)
        log = logging.getLogger()
        log.addHandler(self.journal)
        logging.getLogger("xgserve").setLevel(settings.log_level)
        self.registry = Registry(settings)
        self.metrics = metrics.Metrics(lambda: self.registry.active, lambda: self.journal.dropped)
        _add_routes(self)

    def close(self) -> None:
        """Write the rest of the log and let go of the database."""
        logging.getLogger().removeHandler(self.journal)
        self.journal.close()

    def wsgi(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Answer one request."""
        started = time.perf_counter()
        sent = environ.get("HTTP_X_REQUEST_ID", "")
        identity = sent if SANE_REQUEST_ID.fullmatch(sent) else secrets.token_hex(8)
        token = request_id.set(identity)
        status = 500

        def start(line: str, headers: Headers, exc_info: Any = None) -> Any:
            nonlocal status
            status = int(line[:3])
            common = [("X-Request-ID", identity), ("X-Content-Type-Options", "nosniff"), ("Cache-Control", "no-store")]
            return start_response(line, [*headers, *common], exc_info)

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
            raise ApiError(
                405, "method_not_allowed", f"{path} does not take {method}, only {allowed}", {}, {"Allow": allowed}
            )
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
        # what callers send must not look like further lines of the log
        logger.log(level, "%s", line if line.isprintable() else repr(line)[1:-1])


def create_app(settings: Settings) -> Service:
    """Return the service as a WSGI app, with its log open and a model loaded where one can be.

    Call its `close` at the end, so that the log is complete.
    """
    return Service(settings)


@cache
def _from_environment() -> Service:
    return create_app(Settings.from_env())


def __getattr__(name: str) -> Service:
    """Make `xgserve.app:app` for WSGI servers, at the first use: importing this module starts nothing."""
    if name == "app":
        return _from_environment()
    raise AttributeError(name)


def _answer_error(
    exception: Exception, identity: str, environ: dict[str, Any], start: Callable[[str, Headers], Any]
) -> list[bytes]:
    error = as_api_error(exception)
    if error.code == "internal":
        logger.exception("%s %s failed", environ["REQUEST_METHOD"], environ["PATH_INFO"][:200], exc_info=exception)
    environ["xgserve.note"] = f"{error.code}: {error}"
    body = error_body(error.code, str(error), {**error.details, "request_id": identity})
    status = HTTPStatus(error.status)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **error.headers}
    start(f"{status.value} {status.phrase}", list(headers.items()))
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _add_routes(app: Service) -> None:
    @app.post("/predict")
    def predict() -> bytes:
        model = _active(app)
        _check_if_match(model)
        frame = parse_frame(_json_body(app.settings))
        columns = frame.columns
        if columns is None:
            columns = {feature.name: [] for feature in model.features}
        probabilities = model.predict(model.frame(columns, frame.index))
        app.metrics.rows_scored(model, len(probabilities))
        request.environ["xgserve.note"] = f"{len(probabilities)} rows by {model.id}"
        answer = {"predictions": probabilities.tolist(), "index": list(frame.index), "model": _identity(model)}
        return _json(answer)

    @app.post("/download_registry_model")
    def download_registry_model() -> bytes:
        _check_admin(app.settings)
        wanted = _model_request(_json_body(app.settings))
        return _swap(app, lambda: app.registry.activate(*wanted))

    @app.post("/rollback")
    def rollback() -> bytes:
        _check_admin(app.settings)
        return _swap(app, app.registry.rollback)

    @app.get("/model")
    def model() -> bytes:
        active = _active(app)
        response.set_header("ETag", f'"{active.id}"')
        return _json(active.describe())

    @app.get("/models")
    def models() -> bytes:
        active = app.registry.active
        return _json({"models": app.registry.available(), "active": _identity(active) if active else None})

    @app.get("/logs")
    def logs() -> bytes:
        asked = _query("limit", "level", "since", "before", "request_id", "q")
        query = _log_query(asked)
        try:
            found = app.journal.read(query)
        except DatabaseError as error:
            raise ApiError(503, "database_unavailable", str(error)) from error
        rows = [{**row, "level": level_name(row["level"])} for row in found]
        next_before = rows[-1]["id"] if len(rows) == query.limit else None
        response.set_header("Vary", "Accept")
        if "text/html" in _header("Accept", ""):
            response.content_type = "text/html; charset=utf-8"
            response.set_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
            return render(rows, asked, next_before).encode()
        return _json({"logs": rows, "next_before": next_before})

    @app.get("/health")
    def health() -> bytes:
        return _json({"status": "alive"})

    @app.get("/ready")
    def ready() -> bytes:
        checks = {"model": _model_state(app), "database": _database_state(app), "stored_model": _stored_state(app)}
        # a stored model that failed at the start is replaced by the bundled one, so the service can serve
        is_ready = checks["model"]["ok"] and checks["database"]["ok"]
        if not is_ready:
            response.status = 503
            request.environ["xgserve.note"] = "; ".join(c["problem"] for c in checks.values() if not c["ok"])
        return _json({"ready": is_ready, "checks": checks})

    @app.get("/metrics")
    def metrics_text() -> bytes:
        response.content_type = metrics.CONTENT_TYPE
        return app.metrics.text()


def _json(answer: Mapping[str, Any]) -> bytes:
    response.content_type = "application/json"
    return json.dumps(answer, allow_nan=False, default=str).encode()


def _header(name: str, default: str = "") -> str:
    """Return a header's bytes as latin-1 text; Bottle's own `get_header` fails on what is not UTF-8."""
    key = "CONTENT_TYPE" if name == "Content-Type" else f"HTTP_{name.upper().replace('-', '_')}"
    return str(request.environ.get(key, default))


def _identity(model: Model) -> dict[str, str]:
    name = model.name
    return {
        "id": model.id,
        "workspace": name.workspace,
        "model": name.name,
        "version": name.version,
        "digest": model.digest,
    }


def _active(app: Service) -> Model:
    model = app.registry.active
    if model is None:
        reason = app.registry.startup_problem
        raise ApiError(
            503,
            "no_model",
            f"no model is loaded{f' ({reason})' if reason else ''}; load one with POST /download_registry_model",
        )
    return model


def _check_if_match(model: Model) -> None:
    wanted = _header("If-Match", "*").strip()
    if wanted != "*" and model.id not in [tag.strip().strip('"') for tag in wanted.split(",")]:
        raise ApiError(
            412,
            "model_changed",
            f"the active model is {model.id}, not {wanted[:300]}; nothing was scored",
            {"active": _identity(model)},
        )


def _check_admin(settings: Settings) -> None:
    """Let only those change the model who may: the holder of the token, and no web page of somebody else."""
    origin = _header("Origin")
    if origin and urlsplit(origin).netloc != _header("Host"):
        raise ApiError(403, "cross_origin", "other web sites must not change the model")
    if settings.admin_token is None:
        return
    scheme, _, token = _header("Authorization", "").partition(" ")
    right = hmac.compare_digest(token.strip().encode("latin-1"), settings.admin_token.encode())
    if scheme.lower() != "bearer" or not right:
        raise ApiError(
            401,
            "unauthorized",
            "changing the model needs the header Authorization: Bearer <token>, with the token of XG_ADMIN_TOKEN",
            {},
            {"WWW-Authenticate": "Bearer"},
        )


def _json_body(settings: Settings) -> Any:
    content_type = _header("Content-Type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise ApiError(
            415,
            "unsupported_media_type",
            f"the body must be JSON with Content-Type: application/json, not {content_type[:100] or 'none'}",
        )
    if _header("Content-Encoding", "identity").lower() != "identity":
        raise ApiError(415, "unsupported_media_type", "the body must not be compressed")
    if "HTTP_TRANSFER_ENCODING" in request.environ:  # waitress decodes chunks; other servers may not
        raise ApiError(411, "length_required", "send the body with a Content-Length")
    length = max(0, request.content_length)
    if length > settings.max_body_bytes:
        limit = settings.max_body_bytes / (1 << 20)
        raise ApiError(
            413,
            "too_large",
            f"the body has {length:,} bytes, more than the {limit:g} MB of XG_MAX_BODY_MB; send fewer rows at a time",
        )
    body = request.environ["wsgi.input"].read(length)
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise ApiError(400, "invalid_json", f"the body is not JSON: {what}") from error


def _refuse_constant(token: str) -> NoReturn:
    raise ValueError(f"{token} is not a JSON value; send null for a missing one")


def _model_request(body: Any) -> tuple[str, str, str | None]:
    if not isinstance(body, dict):
        raise ApiError(422, "invalid_request", 'the body must be {"workspace": ..., "model": ..., "version": ...}')
    unknown = sorted(body.keys() - {"workspace", "model", "version"})
    if unknown:
        raise ApiError(422, "invalid_request", f"unknown keys: {', '.join(unknown)[:200]}", {"unknown": unknown[:50]})
    for key in ("workspace", "model"):
        if not isinstance(body.get(key), str) or not body[key].strip():
            raise ApiError(422, "invalid_request", f'"{key}" must be a text that is not empty', {"key": key})
    version = body.get("version")
    if not isinstance(version, str | None):
        raise ApiError(
            422,
            "invalid_request",
            '"version" must be a text such as "1.0.0", or null for the newest',
            {"key": "version"},
        )
    return body["workspace"].strip(), body["model"].strip(), (version.strip() or None) if version else None


def _swap(app: Service, change: Callable[[], Activation]) -> bytes:
    try:
        activation = change()
    except RegistryError as error:
        app.metrics.swap(error.code)
        active = app.registry.active
        details = {**error.details, "active": _identity(active) if active else None}
        raise ApiError(error.status, error.code, str(error), details) from error
    except Exception:
        app.metrics.swap("internal")
        raise
    app.metrics.swap("ok")
    request.environ["xgserve.note"] = f"{activation.model.id} from {activation.source}"
    return _json({"source": activation.source, "model": activation.model.describe()})


def _query(*allowed: str) -> dict[str, str]:
    """Return the request's parameters; empty ones, as forms send them, count as not given."""
    asked: dict[str, str] = {}
    for name, value in parse_qsl(request.query_string, keep_blank_values=True):
        if name not in allowed:
            raise _bad_parameter(name[:100], f"is unknown; there are {', '.join(allowed)}")
        if name in asked:
            raise _bad_parameter(name, "is given twice")
        asked[name] = value.strip()
    return {name: value for name, value in asked.items() if value}


def _bad_parameter(name: str, why: str) -> ApiError:
    return ApiError(400, "invalid_parameter", f"{name} {why}", {"parameter": name})


def _log_query(asked: Mapping[str, str]) -> LogQuery:
    limit = asked.get("limit", "100")
    if not re.fullmatch(r"[0-9]{1,4}", limit) or not 1 <= int(limit) <= MAX_LOG_LIMIT:
        raise _bad_parameter("limit", f"must be a whole number from 1 to {MAX_LOG_LIMIT}")
    level = asked.get("level", "DEBUG").upper()
    if level not in LEVELS:
        raise _bad_parameter("level", f"must be one of {', '.join(LEVELS)}")
    text = asked.get("q")
    if text is not None and len(text) > 200:
        raise _bad_parameter("q", "must not be longer than 200 characters")
    return LogQuery(
        limit=int(limit),
        min_level=int(getattr(logging, level)),
        since=_moment("since", asked.get("since")),
        before=_moment("before", asked.get("before")),
        request_id=asked.get("request_id"),
        text=text,
    )


def _moment(name: str, text: str | None) -> int | str | None:
    """Read a row's id or an ISO time (UTC, if it names no zone)."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    try:
        # the "+" of a zone is a space in a query that was not encoded
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise _bad_parameter(name, "must be the id of a row or a time such as 2024-01-31T19:30:00Z") from None


def _model_state(app: Service) -> dict[str, Any]:
    model = app.registry.active
    if model is None:
        return {"ok": False, "problem": "no model is loaded"}
    try:
        probability = model.check()
    except ModelError as error:
        return {"ok": False, "id": model.id, "problem": str(error)}
    return {"ok": math.isfinite(probability), "id": model.id, "golden_probability": probability}


def _database_state(app: Service) -> dict[str, Any]:
    problem = app.journal.problem
    if problem is None:
        try:
            check(app.journal.database)
        except DatabaseError as error:
            problem = str(error)
    return {"ok": problem is None, **({"problem": problem} if problem else {})}


def _stored_state(app: Service) -> dict[str, Any]:
    problem = app.registry.startup_problem
    return {"ok": problem is None, **({"problem": problem} if problem else {})}
