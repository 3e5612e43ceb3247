"""The service in OpenAPI 3.1, as `GET /openapi.json` answers it: its routes, what they take and what they answer."""

from typing import Any, Final

from xgserve.names import NAME
from xgserve.settings import LEVELS
from xgserve.web.incoming import MAX_LIMIT, MAX_SEARCH

Schema = dict[str, Any]

_TEXT: Final[Schema] = {"type": "string"}
_TEXT_OR_NULL: Final[Schema] = {"type": ["string", "null"]}
_PROBABILITY: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1}
_TIME: Final[Schema] = {"type": "string", "format": "date-time"}
_NAME: Final[Schema] = {"type": "string", "pattern": f"^{NAME.pattern}$"}
_SOURCE: Final[Schema] = {"enum": ["bundled", "cache", "registry"]}

# What each status means, whatever the route; `code` in the body tells the cases apart.
_ERRORS: Final = {
    400: "Not JSON, or a key twice in one object (`invalid_json`), or a parameter that cannot be used "
    "(`invalid_parameter`, with its name).",
    401: "The header `Authorization: Bearer <token>` is missing or wrong (`unauthorized`).",
    403: "The model's workspace is not among those allowed (`workspace_not_allowed`), or a web page of another site "
    "asks (`cross_origin`).",
    404: "No source has this model or version (`unknown_model`).",
    409: "The service is pinned to one model (`model_pinned`), or none was active before (`nothing_to_roll_back`).",
    408: "The request did not arrive in time (`request_timeout`).",
    411: "The body comes without a Content-Length (`length_required`).",
    412: "Another model than the one in `If-Match` is active (`model_changed`); nothing was scored.",
    413: "The body is larger than the service takes (`too_large`).",
    415: "The body is compressed, or not called JSON by its Content-Type (`unsupported_media_type`).",
    421: "The host name that the request is for is none of the service's (`wrong_host`).",
    422: "The body is JSON but cannot be used: `invalid_frame` names columns and rows; `invalid_request`, "
    "`invalid_name`; `artifact_refused`, `pickle_not_allowed`, `several_candidates`, `no_candidate` for what the "
    "model turned out to be.",
    424: "The registry is needed and there is no API key for it (`registry_key_missing`), or a wrong one "
    "(`registry_key_refused`).",
    502: "The registry failed (`download_failed`, `registry_error`) or sent too much (`model_too_large`).",
    503: "No model is loaded (`no_model`), the loaded one failed (`model_failed`), the log, or the answer that a "
    "request with an `Idempotency-Key` had before, cannot be read (`database_unavailable`), the disk cannot be written "
    "(`storage_failed`), other activations are under way (`registry_busy`), or too many large bodies (`busy`).",
    504: "The registry did not deliver in time (`download_deadline`).",
}


def _ref(name: str) -> Schema:
    return {"$ref": f"#/components/schemas/{name}"}


def _object(properties: dict[str, Schema], *, optional: tuple[str, ...] = ()) -> Schema:
    """An object with these properties and no others."""
    return {
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in optional],
        "additionalProperties": False,
    }


def _list(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _map(values: Schema) -> Schema:
    return {"type": "object", "additionalProperties": values}


def _body(schema: Schema, **example: Any) -> Schema:
    return {"required": True, "content": {"application/json": {"schema": schema, **example}}}


def _answers(content: dict[str, Schema], *errors: int, description: str = "Done.") -> Schema:
    """The responses of a route: 200 with these contents by media type, and errors."""
    headers = {"X-Request-ID": {"$ref": "#/components/headers/RequestId"}}
    good = {media: {"schema": schema} for media, schema in content.items()}
    bad = {"application/json": {"schema": _ref("Error")}}
    responses = {"200": {"description": description, "headers": headers, "content": good}}
    responses |= {
        str(status): {"description": _ERRORS[status], "headers": headers, "content": bad} for status in (*errors, 421)
    }
    return dict(sorted(responses.items()))


def _json(schema: Schema) -> dict[str, Schema]:
    return {"application/json": schema}


def _query(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "description": description, "schema": schema}


_IDENTITY: Final = {
    "id": _TEXT | {"description": "`workspace/model:version@sha256:<12 hex>`: names exactly one artifact"},
    "workspace": _TEXT,
    "model": _TEXT,
    "version": _TEXT,
    "digest": {"type": "string", "pattern": "^[0-9a-f]{64}$", "description": "SHA-256 of the artifact"},
}
_LIMIT: Final = _query("limit", "How many rows at most", {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT})
_MOMENT: Final = {"type": "string", "examples": ["2024-01-31T19:30:00Z", "1234"]}

_SPLIT: Final = _object(
    {
        "columns": _list({"type": ["string", "integer"]}),
        "index": _list(_ref("Label")),
        "data": _list(_list(_ref("Value"))),
        "index_names": {"type": "array"},
        "column_names": {"type": "array"},
    },
    optional=("index", "index_names", "column_names"),
)

_SCHEMAS: Final[dict[str, Schema]] = {
    "Value": {"type": ["number", "string", "boolean", "null"]},
    "Label": {"description": "a row's label, as pandas writes it: plain, an interval, or a list for several levels"},
    "Frame": {
        "description": "A frame as pandas writes it (`df.to_json()`, in any `orient` that names the columns, or"
        " `df.to_dict(orient=...)` as JSON). A frame that could be read in two ways is refused.",
        "anyOf": [
            {
                "title": "columns, or index",
                "description": "column -> label of the row -> value, every column with the same rows; or label of the"
                " row -> column -> value, told apart by the model's columns",
                **_map(_map(_ref("Value"))),
            },
            {
                "title": "records",
                "description": "one object a row; every row has the same columns",
                **_list(_map(_ref("Value"))),
            },
            {"title": "split", **_SPLIT},
            {
                "title": "table",
                **_object(
                    {
                        "schema": {"type": "object", "properties": {"primaryKey": _list(_TEXT)}},
                        "data": _list(_map(_ref("Label"))),
                    }
                ),
            },
            {"title": "list", "description": "column -> its values, one for each row", **_map(_list(_ref("Value")))},
            {"title": "one row", "description": "column -> value", **_map(_ref("Value"))},
            {"title": "text", "description": "any of these as a JSON text, as `json=df.to_json()` sends it", **_TEXT},
            {
                "title": "MLflow",
                "description": "any of these under the one key that MLflow and TensorFlow use",
                "type": "object",
                "properties": {
                    key: {"type": ["object", "array"]}
                    for key in ("dataframe_split", "dataframe_records", "instances", "inputs")
                }
                | {"params": {"type": ["object", "null"], "maxProperties": 0}},
                "additionalProperties": False,
                "minProperties": 1,
                "maxProperties": 2,
            },
        ],
    },
    "Predictions": _object(
        {
            "predictions": _list(_PROBABILITY) | {"description": "P(goal), one for each row, in the frame's order"},
            "index": _list(_ref("Label")) | {"description": "the rows' labels"},
            "model": _ref("ModelIdentity"),
        }
    ),
    "ModelRequest": _object(
        {
            "workspace": _NAME | {"description": "`bundled`, or a workspace of the registry"},
            "model": _NAME,
            "version": {
                "type": ["string", "integer", "null"],
                "maxLength": 100,
                "minimum": 0,
                "description": "a version or a stage such as Production; a whole number n is short for `n.0.0`; the"
                " newest if left out",
            },
        },
        optional=("version",),
    ),
    "ModelIdentity": _object(_IDENTITY),
    "Feature": _object(
        {
            "name": _TEXT,
            "kind": {"enum": ["number", "category"]},
            "nullable": {"type": "boolean", "description": "whether null is a value that the model takes"},
            "categories": {"type": ["array", "null"], "items": _ref("Value")},
            "takes_unknown": {"type": "boolean", "description": "whether it also takes categories that it never saw"},
        },
        optional=("categories", "takes_unknown"),
    ),
    "Model": _object(
        {
            **_IDENTITY,
            "features": _list(_ref("Feature")) | {"description": "the columns that a frame must have, no others"},
            "sklearn_version": _object({"artifact": _TEXT_OR_NULL, "service": _TEXT}),
            "loaded_at": _TIME,
            "golden_row": _object({"values": _map(_ref("Value")), "probability": _PROBABILITY}),
            "population": _TEXT_OR_NULL | {"description": "the attempts that it was made for: unblocked or on-goal"},
            "metrics": {"description": "what its card says about its quality"},
            "trained_on": {"type": ["array", "null"], "items": {"type": "integer"}}
            | {"description": "the seasons that it learned from, such as 20222023; null if its card does not tell"},
            "warnings": _list(_TEXT),
        }
    ),
    "Activated": _object({"source": _SOURCE, "model": _ref("Model")}),
    "Models": _object(
        {
            "models": _list(
                {
                    "oneOf": [
                        _object(
                            {
                                "workspace": _TEXT,
                                "model": _TEXT,
                                "version": _TEXT,
                                "source": _SOURCE,
                                "stages": _list(_TEXT),
                                "active": {"type": "boolean"},
                            }
                        ),
                        _object({"source": {"const": "registry"}, "problem": _TEXT}),
                    ]
                }
            ),
            "active": {"oneOf": [_ref("ModelIdentity"), {"type": "null"}]},
        }
    ),
    "Activations": _object(
        {
            "activations": _list(
                _object(
                    {
                        "at": _TIME,
                        "workspace": _TEXT,
                        "model": _TEXT,
                        "version": _TEXT,
                        "digest": _TEXT,
                        "source": _SOURCE,
                        "request_id": _TEXT_OR_NULL,
                    }
                )
            )
        }
    ),
    "Logs": _object(
        {
            "logs": _list(
                _object(
                    {
                        "id": {"type": "integer"},
                        "at": _TIME,
                        "level": {"enum": list(LEVELS)},
                        "logger": _TEXT,
                        "message": _TEXT,
                        "request_id": _TEXT_OR_NULL,
                        "exception": _TEXT_OR_NULL,
                    }
                )
            ),
            "next_before": {"type": ["integer", "null"], "description": "`before` for the next page; null on the last"},
        }
    ),
    "Health": _object({"status": {"const": "alive"}}),
    "Ready": _object(
        {
            "ready": {"type": "boolean"},
            "checks": _object(dict.fromkeys(("model", "database", "stored_model"), _ref("Check"))),
        }
    ),
    "Check": _object(
        {"ok": {"type": "boolean"}, "problem": _TEXT, "id": _TEXT, "golden_probability": _PROBABILITY},
        optional=("problem", "id", "golden_probability"),
    ),
    "Error": _object(
        {
            "error": {
                "type": "object",
                "description": "what went wrong, and, by code, details such as rows, columns or the active model",
                "properties": {"code": _TEXT, "message": _TEXT, "request_id": _TEXT},
                "required": ["code", "message", "request_id"],
            }
        }
    ),
}

_SWAP_SECURITY: Final[list[Schema]] = [{}, {"token": []}]

_PATHS: Final[dict[str, dict[str, Schema]]] = {
    "/predict": {
        "post": {
            "summary": "P(goal) for each row of a frame",
            "parameters": [
                {
                    "name": "If-Match",
                    "in": "header",
                    "description": "The id of a model in quotes: answer 412 unless that very model is active",
                    "schema": _TEXT,
                },
                {
                    "name": "Idempotency-Key",
                    "in": "header",
                    "description": "Whoever sends the same body again under the same key gets the same answer, and"
                    " nothing is scored a second time; for 30 days, also after a restart of the service",
                    "schema": _TEXT,
                },
            ],
            "requestBody": _body(_ref("Frame"), example={"distance": {"7": 12.0, "8": 55.0}}),
            "responses": _answers(_json(_ref("Predictions")), 400, 408, 411, 412, 413, 415, 422, 503),
        }
    },
    "/download_registry_model": {
        "post": {
            "summary": "Load a model from the bundle, the local cache or the registry, and make it the active one",
            "description": "On any failure the active model stays as it is.",
            "security": _SWAP_SECURITY,
            "requestBody": _body(
                _ref("ModelRequest"), example={"workspace": "bundled", "model": "xg-distance", "version": "1.0.0"}
            ),
            "responses": _answers(
                _json(_ref("Activated")), 400, 401, 403, 404, 408, 409, 411, 413, 415, 422, 424, 502, 503, 504
            ),
        }
    },
    "/rollback": {
        "post": {
            "summary": "Go back to the model that was active before this one",
            "security": _SWAP_SECURITY,
            "responses": _answers(_json(_ref("Activated")), 401, 403, 404, 409, 422, 503),
        }
    },
    "/model": {
        "get": {
            "summary": "The active model: its columns and what its card says",
            "responses": _answers(_json(_ref("Model")), 503),
        },
    },
    "/models": {
        "get": {"summary": "What can be loaded now", "responses": _answers(_json(_ref("Models")))},
    },
    "/activations": {
        "get": {
            "summary": "Which model was made active when, newest first",
            "parameters": [_LIMIT],
            "responses": _answers(_json(_ref("Activations")), 400, 503),
        }
    },
    "/logs": {
        "get": {
            "summary": "The log, newest row first; a page for a browser",
            "parameters": [
                _LIMIT,
                _query("level", "Rows of this level or a higher one", {"enum": list(LEVELS)}),
                _query("since", "Rows at or after a time (ISO 8601), or after the row of this id", _MOMENT),
                _query("before", "Rows before a time (ISO 8601), or before the row of this id", _MOMENT),
                _query("request_id", "Rows of one request", _TEXT),
                _query("q", "Rows that contain this text, in any case", _TEXT | {"maxLength": MAX_SEARCH}),
            ],
            "responses": _answers({"application/json": _ref("Logs"), "text/html": _TEXT}, 400, 503),
        }
    },
    "/health": {
        "get": {"summary": "Whether the process is alive", "responses": _answers(_json(_ref("Health")))},
    },
    "/ready": {
        "get": {
            "summary": "Whether it can predict: each dependency by name",
            "responses": _answers(_json(_ref("Ready")))
            | {
                "503": {
                    "description": "It cannot; the checks say why.",
                    "content": {"application/json": {"schema": _ref("Ready")}},
                }
            },
        }
    },
    "/metrics": {
        "get": {"summary": "Figures for Prometheus", "responses": _answers({"text/plain": _TEXT})},
    },
    "/openapi.json": {
        "get": {"summary": "This description", "responses": _answers(_json({"type": "object"}))},
    },
}

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
        "schemas": _SCHEMAS,
        "headers": {"RequestId": {"description": "The request's id, also in the log", "schema": _TEXT}},
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer", "description": "Wanted where XG_ADMIN_TOKEN is set."}
        },
    },
}
