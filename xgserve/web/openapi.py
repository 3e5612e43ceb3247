"""The OpenAPI 3.1 document of `GET /openapi.json`, built from the types in `contract` and `errors`."""

from typing import Any, Final

from msgspec import Struct
from msgspec.json import schema_components

from xgserve.contract import (
    LEVELS,
    Activated,
    Activations,
    ActiveModel,
    Challengers,
    Error,
    Health,
    Logs,
    ModelEntry,
    ModelRequest,
    Models,
    Predictions,
    PromoteRequest,
    Ready,
    RegistryProblem,
)
from xgserve.errors import ERRORS
from xgserve.model.frames import WRAPPERS
from xgserve.web.incoming import MAX_LIMIT, MAX_SEARCH, YES_OR_NO

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_ANY_SITE: Final = 421  # every route can refuse the host name


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(properties: dict[str, Schema], required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


_LABEL: Final[Schema] = {
    "description": "a row's label, as pandas writes it: plain, an interval, or a list if the index has several levels"
}
_VALUE: Final[Schema] = {"type": ["number", "string", "boolean", "null"]}
_SPLIT: Final = {
    "columns": _list({"type": ["string", "integer"]}),
    "index": _list(_LABEL),
    "data": _list(_list(_VALUE)),
    "index_names": {"type": "array"},
    "column_names": {"type": "array"},
}
_TABLE: Final = {
    "schema": {"type": "object", "properties": {"primaryKey": _list(_TEXT)}},
    "data": _list(_map(_LABEL)),
}
_WRAPPED: Final = {name: {"type": ["object", "array"]} for name in sorted(WRAPPERS)} | {
    "params": {"type": ["object", "null"], "maxProperties": 0}
}
_FRAME: Final[Schema] = {
    "description": "A frame as pandas writes it (`df.to_json()`, in any `orient` that names the columns, or"
    " `df.to_dict(orient=...)` as JSON). A frame that can be read in two ways is refused.",
    "anyOf": [
        _map(_map(_VALUE))
        | {
            "title": "columns, or index",
            "description": "column -> label of the row -> value, every column with the same rows; or label of the"
            " row -> column -> value, told apart by the model's columns",
        },
        _list(_map(_VALUE)) | {"title": "records", "description": "one object per row; every row has the same columns"},
        _object(_SPLIT, required=["columns", "data"]) | {"title": "split"},
        _object(_TABLE, required=["schema", "data"]) | {"title": "table"},
        _map(_list(_VALUE)) | {"title": "list", "description": "column -> its values, one per row"},
        _map(_VALUE) | {"title": "one row", "description": "column -> value"},
        _TEXT | {"title": "text", "description": "any of these as a JSON text, as `json=df.to_json()` sends it"},
        _object(_WRAPPED, required=[])
        | {
            "title": "MLflow",
            "description": "any of these under the one key that MLflow and TensorFlow use",
            "minProperties": 1,
            "maxProperties": 2,
        },
    ],
}


def _schemas() -> dict[str, Schema]:
    answers = (Predictions, ActiveModel, Challengers, Activated, Models, Activations, Logs, Health, Ready, Error)
    types = (*answers, ModelRequest, PromoteRequest, ModelEntry, RegistryProblem)
    _, schemas = schema_components(types, ref_template="#/components/schemas/{name}")
    for name, schema in schemas.items():
        schema.setdefault("additionalProperties", name == "ErrorBody")  # an error has details
    return schemas | {"Frame": _FRAME}


def _ref(answer: type[Struct]) -> Schema:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{answer.__name__}"}}}


def _response(description: str, content: Schema) -> Schema:
    return {
        "description": description,
        "headers": {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}},
        "content": content,
    }


def _failure(status: int) -> Schema:
    kinds = [f"`{error.code}`: {(error.__doc__ or '').strip()}" for error in ERRORS if error.status == status]
    return _response("\n".join(kinds), _ref(Error))


def _route(summary: str, content: Schema, *errors: int, **more: Any) -> Schema:
    """Return a route that answers 200 with these contents by media type, or one of these errors."""
    failures = {str(status): _failure(status) for status in sorted((*errors, _ANY_SITE))}
    return {"summary": summary, **more, "responses": {"200": _response("Done.", content), **failures}}


def _body(schema: str, example: Schema) -> Schema:
    content = {"schema": {"$ref": f"#/components/schemas/{schema}"}, "example": example}
    return {"required": True, "content": {"application/json": content}}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _header(name: str, description: str) -> Schema:
    return {"name": name, "in": "header", "description": description, "schema": _TEXT}


_LIMIT: Final = _query("limit", "How many rows at most", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT})
_MOMENT: Final[Schema] = {"type": "string", "examples": ["2024-01-31T19:30:00Z", "1234"]}
_WITH_TOKEN: Final[list[Schema]] = [{}, {"token": []}]

_PATHS: Final[dict[str, dict[str, Schema]]] = {
    "/predict": {
        "post": _route(
            "P(goal) for each row of a frame",
            _ref(Predictions),
            *(400, 404, 408, 411, 412, 413, 415, 422, 503),
            parameters=[
                _query(
                    "model", "The id of a loaded model, the champion or a challenger; the champion if left out", _TEXT
                ),
                _header(
                    "If-Match", "The id of a model in quotes: answer 412 unless that model is the one that is asked"
                ),
                _header(
                    "Idempotency-Key",
                    "The same body under the same key gets the same answer, and is scored once; for 30 days, also"
                    " after a restart of the service",
                ),
            ],
            requestBody=_body("Frame", {"distance": {"7": 12.0, "8": 55.0}}),
        )
    },
    "/download_registry_model": {
        "post": _route(
            "Load a model from the bundle, the local cache or the registry, as the champion (the active one) or a"
            " challenger",
            _ref(Activated),
            *(400, 401, 403, 404, 408, 409, 411, 413, 415, 422, 424, 502, 503, 504),
            description="If it fails, what was loaded stays. A challenger that is loaded already gets the same answer.",
            security=_WITH_TOKEN,
            requestBody=_body("ModelRequest", {"workspace": "bundled", "model": "xg-distance", "version": "1.0.0"}),
        )
    },
    "/promote": {
        "post": _route(
            "Make a challenger the champion; it is no challenger any more",
            _ref(Activated),
            *(400, 401, 403, 404, 408, 409, 411, 413, 415, 422, 503),
            security=_WITH_TOKEN,
            requestBody=_body("PromoteRequest", {"id": "bundled/xg-distance:1.0.0@sha256:7563e2495167"}),
        )
    },
    "/challengers": {
        "get": _route("The challengers: their columns, and which recorded ones are not loaded", _ref(Challengers))
    },
    "/challengers/{model_id}": {
        "delete": _route(
            "Drop a challenger",
            _ref(Challengers),
            *(401, 403, 404, 409, 503),
            parameters=[
                {
                    "name": "model_id",
                    "in": "path",
                    "required": True,
                    "description": "Its id, with its slashes, colons and at signs plain or quoted",
                    "schema": _TEXT,
                }
            ],
            security=_WITH_TOKEN,
        )
    },
    "/rollback": {
        "post": _route(
            "Return to the model that was active before this one",
            _ref(Activated),
            *(401, 403, 404, 409, 422, 503),
            security=_WITH_TOKEN,
        )
    },
    "/model": {
        "get": _route("The active model: its columns, what its card says, and its challengers", _ref(ActiveModel), 503)
    },
    "/models": {"get": _route("What can be loaded now", _ref(Models))},
    "/activations": {
        "get": _route(
            "Which model was made active when, newest first", _ref(Activations), 400, 503, parameters=[_LIMIT]
        )
    },
    "/logs": {
        "get": _route(
            "The log, newest row first; a page for a browser",
            _ref(Logs) | {"text/html": {"schema": _TEXT}},
            *(400, 503),
            parameters=[
                _LIMIT,
                _query("level", "Rows of this level or a higher one", {"enum": list(LEVELS)}),
                _query("since", "Rows at or after a time (ISO 8601), or after the row of this id", _MOMENT),
                _query("before", "Rows before a time (ISO 8601), or before the row of this id", _MOMENT),
                _query("request_id", "Rows of one request", _TEXT),
                _query("q", "Rows that contain this text, in any case", _TEXT | {"maxLength": MAX_SEARCH}),
                _query("reads", "no leaves out GET requests that succeeded", {"enum": list(YES_OR_NO)}),
            ],
        )
    },
    "/health": {"get": _route("Whether the process is alive", _ref(Health))},
    "/ready": {"get": _route("Whether it can predict: each dependency by name", _ref(Ready))},
    "/metrics": {"get": _route("Figures for Prometheus", {"text/plain": {"schema": _TEXT}})},
    "/openapi.json": {"get": _route("This description", {"application/json": {"schema": {"type": "object"}}})},
}
_PATHS["/ready"]["get"]["responses"]["503"] = _response("It cannot; the checks say why.", _ref(Ready))

DOCUMENT: Final[Schema] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Live xG prediction service",
        "version": "1",
        "description": "Behaves like a fitted classifier behind HTTP: a frame in, probabilities out. Each answer "
        "carries `X-Request-ID`, the caller's or a new one, and so does each row of the log.",
    },
    "servers": [{"url": "/"}],
    "paths": _PATHS,
    "components": {
        "schemas": _schemas(),
        "headers": {"RequestId": {"description": "The request's id, also in the log", "schema": _TEXT}},
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer", "description": "Required if XG_ADMIN_TOKEN is set."}
        },
    },
}
