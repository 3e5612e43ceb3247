"""The one shape that errors have: `{"error": {"code": ..., "message": ..., ...details}}`."""

import json
from collections.abc import Mapping
from typing import Any

from xgserve.model import InvalidFrame, ModelError
from xgserve.registry_errors import RegistryError


class ApiError(Exception):
    """A request that cannot be answered as asked: HTTP status, machine code, and a message a person can act on."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = dict(details or {})
        self.headers = dict(headers or {})


def as_api_error(error: Exception) -> ApiError:
    """Return the answer that an exception becomes; anything unforeseen is a 500 that tells nothing of its inside."""
    match error:
        case ApiError():
            return error
        case InvalidFrame():
            return ApiError(422, "invalid_frame", str(error), error.details)
        case RegistryError():
            return ApiError(error.status, error.code, str(error), error.details)
        case ModelError():
            return ApiError(503, "model_failed", str(error))
        case _:
            return ApiError(500, "internal", "the service failed on this request; its log has the details")


def error_body(code: str, message: str, details: Mapping[str, Any] | None = None) -> bytes:
    """Return the JSON of an error."""
    return json.dumps({"error": {"code": code, "message": message} | dict(details or {})}, default=str).encode()
