"""ServingClient: the prediction service's routes as Python calls, for pandas frames.

Other packages import only this part of `xgserve`; it includes the types of the answers.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Self, TypeVar
from urllib.parse import quote

import msgspec
import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import Retry

from xgserve.contract import (
    LEVELS,
    Activated,
    ActivationRow,
    Activations,
    ActiveModel,
    Challengers,
    Following,
    LogRow,
    Logs,
    ModelDescription,
    ModelEntry,
    ModelIdentity,
    Models,
    Predictions,
    Ready,
    RegistryProblem,
    Role,
)
from xgserve.names import tag

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "LEVELS",
    "Activated",
    "ActivationRow",
    "ActiveModel",
    "Challengers",
    "Following",
    "ModelChanged",
    "ModelDescription",
    "ModelEntry",
    "ModelIdentity",
    "ModelNotLoaded",
    "Prediction",
    "Ready",
    "RegistryProblem",
    "RowsRefused",
    "ServiceUnavailable",
    "ServingClient",
    "ServingError",
]

Answer = TypeVar("Answer")

CONNECT_TIMEOUT_S = 3.0
BUSY_PAUSE_S = 1.0  # as the service asks for (Retry-After)
REFUSES_ROWS = ("invalid_frame", "too_large")  # codes that the same rows get every time


class ServingError(Exception):
    """The service refused the request; `code` and `details` come from its JSON error, `status` from HTTP."""

    def __init__(
        self, message: str, *, code: str = "error", status: int = 0, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.details = dict(details or {})


class RowsRefused(ServingError):
    """The service refuses these rows, and would each time; nothing was scored."""


class ModelNotLoaded(ServingError):
    """The service has not loaded the model that it was asked for; `details["loaded"]` names those that it has."""


class ServiceUnavailable(ServingError):
    """Nothing usable answers: no connection, too slow, or not the prediction service."""


class ModelChanged(ServingError):
    """The model asked for is not active; nothing was scored."""

    @property
    def active(self) -> ModelIdentity:
        """The model that is active now."""
        return msgspec.convert(self.details["active"], ModelIdentity)


@dataclass(frozen=True)
class Prediction:
    """P(goal) of each row, under the index of the frame that was sent, and the model that made it."""

    probabilities: "pd.Series[float]"
    model: ModelIdentity

    @property
    def model_id(self) -> str:
        """The id of exactly this model: `workspace/name:version@sha256:<12 hex>`."""
        return self.model.id


class ServingClient:
    """Talks to one prediction service.

    GETs are retried on connection errors, not on timeouts. POSTs are retried only if the request was never sent.
    `timeout` is in seconds, per answer. Every call may raise `ServingError` or one of its subclasses.
    """

    def __init__(self, base_url: str, timeout: float = 10.0, token: str | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # the service is nearby: no proxies, no .netrc
        retry = _Retry(total=2, connect=2, read=2, status=0, backoff_factor=0.2, allowed_methods=("GET",))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def predict(
        self,
        df: "pd.DataFrame",
        *,
        model: str | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> Prediction:
        """Return P(goal) of each row of a frame with the model's columns, under any index; missing values are null.

        `model` is the id of the active model or of a challenger; without it, the active model is asked. With
        `if_match`, the id of a model, nothing is scored unless that model is asked. The same frame sent again
        with the same `idempotency_key` within 30 days gets the same answer, and its rows are scored once, even if the
        service was restarted in between.

        Raises:
            ModelNotLoaded: `model` is not loaded.
            ModelChanged: the model that is asked is not `if_match`.
            ServingError: the service cannot score this frame; `details` name the columns and rows.
            ServiceUnavailable: no answer. The rows may have been scored.
        """
        import pandas as pd  # slow to import, and callers without frames do not need it

        columns = [str(name) for name in df.columns]
        probabilities, by = self.predict_rows(
            columns, _values(df), model=model, if_match=if_match, idempotency_key=idempotency_key
        )
        return Prediction(pd.Series(probabilities, index=df.index, dtype="float64", name="probability"), by)

    def predict_rows(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        model: str | None = None,
        if_match: str | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> tuple[list[float], ModelIdentity]:
        """Return P(goal) of each row of numbers, texts and None, and the model; otherwise the same as `predict`.

        `timeout` is in seconds; without it, the client's.
        """
        headers = {"Content-Type": "application/json"}
        if if_match is not None:
            headers["If-Match"] = f'"{tag(if_match)}"'
        if idempotency_key is not None:
            headers["Idempotency-Key"] = f'"{idempotency_key}"'
        query = {} if model is None else {"model": model}
        is_repeatable = idempotency_key is not None
        answer = self._predict(_split_json(columns, rows), headers, query, timeout or self.timeout, is_repeatable)
        if answer.index != list(range(len(rows))) or len(answer.predictions) != len(rows):
            raise self._unexpected("the answer to /predict has not one prediction for each row")
        return answer.predictions, answer.model

    def _predict(
        self, body: bytes, headers: Mapping[str, str], query: Mapping[str, str], timeout: float, is_repeatable: bool
    ) -> Predictions:
        """Send a frame. While the service's database is busy, nothing is scored: repeat requests that have a key."""
        give_up = time.monotonic() + timeout
        while True:
            try:
                return self._call(
                    Predictions, "POST", "/predict", data=body, headers=headers, params=query, timeout=timeout
                )
            except ServingError as error:
                is_busy = is_repeatable and error.code == "database_unavailable"
                if not is_busy or time.monotonic() + BUSY_PAUSE_S > give_up:
                    raise
                time.sleep(BUSY_PAUSE_S)

    def logs(self, **query: str | int) -> "pd.DataFrame":
        """Return log rows, newest first; `query` takes the parameters of `GET /logs`.

        `at` is a time in UTC. For older rows, pass the last `id` as `before`.
        """
        import pandas as pd

        rows = self._call(Logs, "GET", "/logs", params=query).logs
        frame = pd.DataFrame(map(msgspec.structs.astuple, rows), columns=list(LogRow.__struct_fields__))
        return frame.assign(at=pd.to_datetime(frame["at"], utc=True))

    def download_registry_model(
        self,
        workspace: str,
        model: str,
        version: str | None = None,
        *,
        role: Role = "champion",
        timeout: float = 240.0,
    ) -> Activated:
        """Activate a model, or load it as a challenger; without `version`, the newest.

        Raises:
            ServingError: it was not loaded; the message says why, and `details["active"]` names the active model.
        """
        body = {"workspace": workspace, "model": model, "version": version, "role": role}
        return self._call(Activated, "POST", "/download_registry_model", json=body, timeout=timeout)

    def rollback(self) -> Activated:
        """Return to the model that was active before."""
        return self._call(Activated, "POST", "/rollback", timeout=max(self.timeout, 60.0))

    def promote(self, model_id: str, *, keep: bool = False) -> Activated:
        """Make a challenger the active model; with `keep`, the former active model becomes a challenger.

        Raises:
            ModelNotLoaded: no challenger has this id.
        """
        body = {"id": model_id, "keep": keep}
        return self._call(Activated, "POST", "/promote", json=body, timeout=max(self.timeout, 60.0))

    def drop_challenger(self, model_id: str) -> Challengers:
        """Drop a challenger, and return the others.

        Raises:
            ModelNotLoaded: no challenger has this id.
        """
        path = f"/challengers/{quote(model_id, safe='')}"
        return self._call(Challengers, "DELETE", path, timeout=max(self.timeout, 60.0))

    def model(self) -> ActiveModel:
        """Return the active model: identity, columns, versions, metrics, and the ids of the challengers."""
        return self._call(ActiveModel, "GET", "/model")

    def challengers(self, *, timeout: float | None = None) -> Challengers:
        """Return the challengers, described as `model` describes the active model; `timeout` as in `predict_rows`."""
        return self._call(Challengers, "GET", "/challengers", timeout=timeout)

    def models(self) -> list[ModelEntry | RegistryProblem]:
        """Return the models that can be loaded now, and a `RegistryProblem` if the registry could not be asked."""
        listed: list[dict[str, Any]] = self._call(Models, "GET", "/models").models
        return [
            self._read(RegistryProblem, entry, "/models")
            if "problem" in entry
            else self._read(ModelEntry, entry, "/models")
            for entry in listed
        ]

    def activations(self, limit: int = 20) -> list[ActivationRow]:
        """Return the recorded activations, newest first."""
        return self._call(Activations, "GET", "/activations", params={"limit": limit}).activations

    def ready(self) -> Ready:
        """Return whether the service can predict; if it cannot, that is an answer, not an error."""
        return self._call(Ready, "GET", "/ready", accept=503)

    def _call(
        self,
        kind: type[Answer],
        method: str,
        path: str,
        *,
        accept: int = 200,
        timeout: float | None = None,
        **arguments: Any,
    ) -> Answer:
        headers = {"Accept": "application/json", **arguments.pop("headers", {})}
        try:
            answer = self._session.request(
                method,
                self.base_url + path,
                headers=headers,
                timeout=(min(CONNECT_TIMEOUT_S, timeout or self.timeout), timeout or self.timeout),
                allow_redirects=False,
                **arguments,
            )
        except requests.Timeout as error:
            raise ServiceUnavailable(
                f"the prediction service at {self.base_url} did not answer {path} in time", code="timeout"
            ) from error
        except (requests.RequestException, HTTPError, HTTPException, ValueError, OSError) as error:
            # `requests` lets some errors of urllib3 and http.client pass; ValueError: odd host names
            raise ServiceUnavailable(
                f"the prediction service at {self.base_url} cannot be reached; is it running?", code="unreachable"
            ) from error
        try:
            body = json.loads(answer.content)  # answer.json() may use another, slower parser
        except (ValueError, RecursionError) as error:
            raise self._unexpected(f"{path} answers {answer.status_code} without JSON", answer.status_code) from error
        if not isinstance(body, dict):
            raise self._unexpected(f"{path} answers JSON that is not an object", answer.status_code)
        if answer.status_code in (200, accept) and "error" not in body:
            return self._read(kind, body, path)
        error_body = body.get("error")
        if not isinstance(error_body, dict):
            raise self._unexpected(f"{path} answers {answer.status_code}", answer.status_code)
        details = {key: value for key, value in error_body.items() if key not in ("code", "message")}
        code = str(error_body.get("code", "error"))
        raise _kind(answer.status_code, code)(
            str(error_body.get("message", f"{path} answers {answer.status_code}")),
            code=code,
            status=answer.status_code,
            details=details,
        )

    def _read(self, kind: type[Answer], answer: Any, path: str) -> Answer:
        try:
            return msgspec.convert(answer, kind)
        except msgspec.ValidationError as error:
            raise self._unexpected(f"the answer to {path} cannot be read ({error})") from error

    def _unexpected(self, what: str, status: int = 0) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"{what}; is {self.base_url} the prediction service?", code="unexpected_answer", status=status
        )


class _Retry(Retry):
    """Does not retry read timeouts: the caller has waited long enough."""

    def increment(self, *arguments: Any, **named: Any) -> Self:
        if isinstance(named.get("error"), ReadTimeoutError):
            raise named["error"]
        return super().increment(*arguments, **named)


def _kind(status: int, code: str) -> type[ServingError]:
    """Return the class of an error that the service answers."""
    if status == 412:
        return ModelChanged
    if code in REFUSES_ROWS:
        return RowsRefused
    return ModelNotLoaded if code == "model_not_loaded" else ServingError


def _values(df: "pd.DataFrame") -> list[tuple[Any, ...]]:
    """Return the rows of a frame, with None for missing values."""
    missing = df.isna().to_numpy()
    columns = []
    for position in range(df.shape[1]):
        values = df.iloc[:, position].tolist()
        if missing[:, position].any():
            values = [None if is_missing else v for v, is_missing in zip(values, missing[:, position], strict=True)]
        columns.append(values)
    return list(zip(*columns, strict=True))


def _split_json(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return a frame as JSON in orient="split", with the rows' positions as labels and numbers in full precision.

    `df.to_json` rounds to ten decimals; the service must score the caller's own numbers.
    """
    frame = {"columns": columns, "index": list(range(len(rows))), "data": rows}
    try:
        return json.dumps(frame, allow_nan=False, default=_plain, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise RowsRefused(f"the frame cannot be sent: {error}", code="invalid_frame") from error


def _plain(value: Any) -> Any:
    """Return a NumPy scalar as a Python value."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is neither a number, nor text, nor true or false")
