"""Every error that a caller can get: one class each, with its HTTP status and code, and the JSON they become.

`{"error": {"code": ..., "message": ..., ...details}}`; the message tells a person what to do.
"""

import json
from collections.abc import Mapping
from typing import Any

import msgspec

RETRY_AFTER_S = 5  # what a 503 tells the caller to wait, where it says nothing else

# on every answer: whatever a browser makes of it, it stays what it is, where it is
COMMON_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
    ("Cache-Control", "no-store"),
)


class ServiceError(Exception):
    """A request that cannot be answered as asked."""

    status: int = 500
    code: str = "internal"

    def __init__(self, message: str, *, headers: Mapping[str, str] | None = None, **details: Any) -> None:
        super().__init__(message)
        self.headers = dict(headers or {})
        self.details = details


class ApiError(ServiceError):
    """What is wrong with the request itself, with the status and code that say so."""

    def __init__(
        self, status: int, code: str, message: str, *, headers: Mapping[str, str] | None = None, **details: Any
    ) -> None:
        super().__init__(message, headers=headers, **details)
        self.status = status
        self.code = code


def too_large(sent_bytes: int, max_bytes: int) -> ApiError:
    """Return what to tell a caller whose body is larger than the service takes."""
    limit = max_bytes / (1 << 20)
    return ApiError(
        413,
        "too_large",
        f"the body has {sent_bytes:,} bytes or more, and XG_MAX_BODY_MB is {limit:g}; send fewer rows at a time",
    )


class InvalidFrame(ServiceError):
    """The caller's frame cannot be scored; `details` names the columns and the first offending rows."""

    status = 422
    code = "invalid_frame"


class ModelError(ServiceError):
    """The artifact cannot be trusted, loaded or used; the message says why and what would help."""

    status = 503
    code = "model_failed"


class RegistryError(ServiceError):
    """A model could not be activated; the message says why and what to do. The active model is unchanged."""

    status = 502
    code = "registry_error"


class InvalidName(RegistryError):
    """The workspace, model or version cannot be a name in the registry."""

    status = 422
    code = "invalid_name"


class WorkspaceNotAllowed(RegistryError):
    """The operator limits the workspaces that models may come from."""

    status = 403
    code = "workspace_not_allowed"


class UnknownModel(RegistryError):
    """No source has this workspace, model or version."""

    status = 404
    code = "unknown_model"


class KeyMissing(RegistryError):
    """The model must come from the registry, and no API key is set (424: what the request depends on failed)."""

    status = 424
    code = "registry_key_missing"


class KeyRefused(RegistryError):
    """The registry refuses the service's API key; not 401, since the caller's own credentials are not meant."""

    status = 424
    code = "registry_key_refused"


class DownloadFailed(RegistryError):
    """The registry could not be reached, answered with an error, or sent something that is not a model."""

    status = 502
    code = "download_failed"


class DownloadTooSlow(RegistryError):
    """The registry did not deliver within the deadline."""

    status = 504
    code = "download_deadline"


class ModelTooLarge(RegistryError):
    """The model is larger than the service takes, as sent or once unpacked."""

    status = 502
    code = "model_too_large"


class ArtifactRefused(RegistryError):
    """The artifact is not trusted, not loadable, or does not give a probability for its golden row."""

    status = 422
    code = "artifact_refused"


class PickleNotAllowed(ArtifactRefused):
    """The artifact is a pickle from a workspace that the operator did not name as trusted."""

    code = "pickle_not_allowed"


class SeveralCandidates(ArtifactRefused):
    """Several files could be the model; `details["candidates"]` names them."""

    code = "several_candidates"


class NoCandidate(ArtifactRefused):
    """No file could be the model."""

    code = "no_candidate"


class Busy(RegistryError):
    """Other activations are under way, and one more would take a thread away from predictions."""

    status = 503
    code = "registry_busy"


class StorageFailed(RegistryError):
    """The cache or the record of activations cannot be written."""

    status = 503
    code = "storage_failed"


class ModelPinned(RegistryError):
    """The operator chose the model when the service was started; another one would be this replica's alone."""

    status = 409
    code = "model_pinned"


class NothingToRollBack(RegistryError):
    """No other model was active before."""

    status = 409
    code = "nothing_to_roll_back"


def _all_subclasses(of: type[RegistryError]) -> list[type[RegistryError]]:
    return [of, *(found for child in of.__subclasses__() for found in _all_subclasses(child))]


BY_CODE = {error.code: error for error in _all_subclasses(RegistryError)}


def error_body(code: str, message: str, details: Mapping[str, Any]) -> bytes:
    """Return the JSON of an error."""
    return to_json({"error": {"code": code, "message": message, **details}})


def to_json(answer: Mapping[str, Any]) -> bytes:
    """Return the JSON of an answer, on one line."""
    try:
        return msgspec.json.format(msgspec.json.encode(answer, enc_hook=str), indent=0)
    except UnicodeEncodeError:  # half a character, as the caller sent it
        # null in place of what is no JSON, as above
        plain = json.loads(json.dumps(answer, default=str), parse_constant=lambda _: None)
        return json.dumps(plain).encode()
