"""Every error that a caller can get. Each class is one code; the message says what to do.

ServiceError                     500  internal                a fault of ours
  InvalidJson                    400  invalid_json
  InvalidParameter               400  invalid_parameter
  BadRequest                     400  bad_request             not HTTP as we read it
  Unauthorized                   401  unauthorized
  CrossOrigin                    403  cross_origin
  NotFound                       404  not_found
  MethodNotAllowed               405  method_not_allowed
  RequestTimeout                 408  request_timeout
  LengthRequired                 411  length_required
  ModelChanged                   412  model_changed
  TooLarge                       413  too_large
  UnsupportedMediaType           415  unsupported_media_type
  WrongHost                      421  wrong_host
  InvalidRequest                 422  invalid_request
  InvalidFrame                   422  invalid_frame
  NoModel                        503  no_model
  ModelError                     503  model_failed
    WorkerBusy                   503  worker_busy
    WorkerFailed                 503  worker_failed
  DatabaseUnavailable            503  database_unavailable
  TooManyLargeBodies             503  busy
  ChallengersBusy                503  challengers_busy
  RegistryError                  502  registry_error          a model was not activated; the active one stays
    InvalidName                  422  invalid_name
    WorkspaceNotAllowed          403  workspace_not_allowed
    UnknownModel                 404  unknown_model
    ModelNotLoaded               404  model_not_loaded
    ModelPinned                  409  model_pinned
    NothingToRollBack            409  nothing_to_roll_back
    IsChampion                   409  is_champion
    TooManyChallengers           409  too_many_challengers
    KeyMissing                   424  registry_key_missing
    KeyRefused                   424  registry_key_refused
    DownloadFailed               502  download_failed
    ModelTooLarge                502  model_too_large
    Busy                         503  registry_busy
    StorageFailed                503  storage_failed
    DownloadTooSlow              504  download_deadline
    ArtifactRefused              422  artifact_refused
      PickleNotAllowed           422  pickle_not_allowed
      SeveralCandidates          422  several_candidates
      NoCandidate                422  no_candidate

The docstrings are shown to users, in the OpenAPI document.
"""

from collections.abc import Mapping
from typing import Any, Final, Self

from xgserve.text import on_one_line


class ServiceError(Exception):
    """The service failed on this request; its log has the details."""

    status: int = 500
    code: str = "internal"

    def __init_subclass__(cls, status: int | None = None, code: str | None = None) -> None:
        cls.status, cls.code = status or cls.status, code or cls.code

    def __init__(self, message: str, *, headers: Mapping[str, str] | None = None, **details: Any) -> None:
        """Take the message, headers of the answer, and details that the JSON shows beside the message.

        The message is kept on one line: it may hold names from a model or a request, and is logged.
        """
        super().__init__(on_one_line(message))
        self.headers = dict(headers or {})
        self.details = details

    @classmethod
    def kinds(cls) -> list[type[Self]]:
        """Return this class and all below it."""
        return [cls, *(kind for child in cls.__subclasses__() for kind in child.kinds())]


# -- the request ------------------------------------------------------------------------------------------------------


class InvalidJson(ServiceError, status=400, code="invalid_json"):
    """The body is not JSON, or one of its objects has the same key twice."""


class InvalidParameter(ServiceError, status=400, code="invalid_parameter"):
    """A parameter of the query is unknown, given twice, or has a value that cannot be used; `parameter` names it."""


class BadRequest(ServiceError, status=400, code="bad_request"):
    """The request breaks the rules of HTTP."""


class Unauthorized(ServiceError, status=401, code="unauthorized"):
    """The header `Authorization: Bearer <token>` is missing or wrong."""


class CrossOrigin(ServiceError, status=403, code="cross_origin"):
    """The request comes from a web page of another site."""


class NotFound(ServiceError, status=404, code="not_found"):
    """There is no such route."""


class MethodNotAllowed(ServiceError, status=405, code="method_not_allowed"):
    """The route does not take this method."""


class RequestTimeout(ServiceError, status=408, code="request_timeout"):
    """The request did not arrive in time."""


class LengthRequired(ServiceError, status=411, code="length_required"):
    """The body comes without a Content-Length."""


class ModelChanged(ServiceError, status=412, code="model_changed"):
    """The active model is not the one in `If-Match`; nothing was scored."""


class TooLarge(ServiceError, status=413, code="too_large"):
    """The body is larger than the service takes."""

    def __init__(self, sent_bytes: int, max_bytes: int) -> None:
        """Say how many bytes were sent, as far as they were counted."""
        limit = max_bytes / (1 << 20)
        super().__init__(
            f"the body has {sent_bytes:,} bytes or more, and XG_MAX_BODY_MB is {limit:g}; send fewer rows at a time"
        )


class UnsupportedMediaType(ServiceError, status=415, code="unsupported_media_type"):
    """The body is compressed, or its Content-Type is not JSON."""


class WrongHost(ServiceError, status=421, code="wrong_host"):
    """The request is for a host name that is not the service's."""


class InvalidRequest(ServiceError, status=422, code="invalid_request"):
    """The body is JSON, but does not name a model."""


class InvalidFrame(ServiceError, status=422, code="invalid_frame"):
    """The frame cannot be scored; the details name the columns and the first offending rows."""


# -- what it needs ----------------------------------------------------------------------------------------------------


class NoModel(ServiceError, status=503, code="no_model"):
    """No model is loaded."""


class ModelError(ServiceError, status=503, code="model_failed"):
    """The model cannot be trusted, loaded or used."""


class WorkerBusy(ModelError, status=503, code="worker_busy"):
    """The model is scored by a process of its own, and as many requests as may are waiting for it."""


class WorkerFailed(ModelError, status=503, code="worker_failed"):
    """The process that scores with this model died, took too much memory or too long; it is started again."""


class DatabaseUnavailable(ServiceError, status=503, code="database_unavailable"):
    """The database cannot be read: the log, the activations, or the answer that was given under this key before."""


class TooManyLargeBodies(ServiceError, status=503, code="busy"):
    """Too many large bodies are under way."""


class ChallengersBusy(ServiceError, status=503, code="challengers_busy"):
    """Other requests to challengers are under way, and one more would take a thread away from the champion."""


# -- activating a model -----------------------------------------------------------------------------------------------


class RegistryError(ServiceError, status=502, code="registry_error"):
    """The registry failed."""


class InvalidName(RegistryError, status=422, code="invalid_name"):
    """The workspace, model or version cannot be a name in the registry."""


class WorkspaceNotAllowed(RegistryError, status=403, code="workspace_not_allowed"):
    """The operator limits the workspaces that models may come from."""


class UnknownModel(RegistryError, status=404, code="unknown_model"):
    """No source has this workspace, model or version."""


class ModelNotLoaded(RegistryError, status=404, code="model_not_loaded"):
    """The model is neither the champion (the active model) nor a challenger; `loaded` names those that are loaded."""


class ModelPinned(RegistryError, status=409, code="model_pinned"):
    """The service is pinned to one model: another one would be this replica's alone."""


class NothingToRollBack(RegistryError, status=409, code="nothing_to_roll_back"):
    """No other model was active before."""


class IsChampion(RegistryError, status=409, code="is_champion"):
    """The model is the champion, so it can be neither loaded nor dropped as a challenger."""


class TooManyChallengers(RegistryError, status=409, code="too_many_challengers"):
    """As many challengers are loaded as XG_MAX_CHALLENGERS allows; `challengers` names them."""


class KeyMissing(RegistryError, status=424, code="registry_key_missing"):
    """The model must come from the registry, and the service has no API key for it."""


class KeyRefused(RegistryError, status=424, code="registry_key_refused"):
    """The registry refuses the service's API key; not 401, which is about the caller's own credentials."""


class DownloadFailed(RegistryError, status=502, code="download_failed"):
    """The registry could not be reached, answered with an error, or sent something that is not a model."""


class ModelTooLarge(RegistryError, status=502, code="model_too_large"):
    """The model is larger than the service takes, as sent or once unpacked."""


class Busy(RegistryError, status=503, code="registry_busy"):
    """Other activations are under way, and one more would take a thread away from predictions."""


class StorageFailed(RegistryError, status=503, code="storage_failed"):
    """The cache or the record of activations cannot be written."""


class DownloadTooSlow(RegistryError, status=504, code="download_deadline"):
    """The registry did not deliver in time."""


class ArtifactRefused(RegistryError, status=422, code="artifact_refused"):
    """The artifact is not trusted, not loadable, or does not give a probability for its golden row."""


class PickleNotAllowed(ArtifactRefused, status=422, code="pickle_not_allowed"):
    """The artifact is a pickle from a workspace that the operator did not name as trusted."""


class SeveralCandidates(ArtifactRefused, status=422, code="several_candidates"):
    """Several files could be the model; `candidates` names them."""


class NoCandidate(ArtifactRefused, status=422, code="no_candidate"):
    """No file could be the model."""


def pickle_refusal(what: str, workspace: str) -> str:
    """Return why a pickle is not loaded, and what to do."""
    return (
        f"{what} is a pickle, which can run any code when loaded. Save the model with skops.io.dump, or, "
        f"{trust_advice(workspace)}"
    )


def trust_advice(workspace: str) -> str:
    """Return how an operator lets a workspace's pickles be loaded."""
    return (
        f"if you trust everyone who can write to its workspace, set XG_TRUST_PICKLE_WORKSPACES={workspace} and restart "
        "the service"
    )


ERRORS: Final = tuple(ServiceError.kinds())
BY_CODE: Final = {error.code: error for error in RegistryError.kinds()}
