"""ServingClient: the prediction service's routes as Python calls, for frames of pandas.

The only part of `xgserve` that others import; it knows the service by its HTTP contract alone.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from typing import TYPE_CHECKING, Any, Self

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError, ReadTimeoutError
from urllib3.util import Retry

from xgserve.names import tag

if TYPE_CHECKING:
    import pandas as pd

CONNECT_TIMEOUT_S = 3.0
BUSY_PAUSE_S = 1.0  # as the service asks for (Retry-After)
LOG_COLUMNS = ("id", "at", "level", "logger", "message", "request_id", "exception")
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")  # from the least to the most urgent


class ServingError(Exception):
    """The service refused the request; `code` and `details` are those of its JSON error, `status` is HTTP's."""

    def __init__(
        self, message: str, *, code: str = "error", status: int = 0, details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.status = status
        self.details = dict(details or {})


class ServiceUnavailable(ServingError):
    """Nothing usable answers: no connection, too slow, or not the prediction service."""


class ModelChanged(ServingError):
    """Another model than the one asked for is active; nothing was scored. `active` is the one that is."""

    @property
    def active(self) -> "ServedModel":
        """The model that is active now."""
        return ServedModel.from_json(self.details["active"])


@dataclass(frozen=True)
class ServedModel:
    """The identity of a model as the service reports it; `id` names exactly one artifact."""

    id: str
    workspace: str
    model: str
    version: str
    digest: str

    @classmethod
    def from_json(cls, answer: Mapping[str, Any]) -> "ServedModel":
        """Read the identity from an answer.

        Raises:
            KeyError: the answer lacks a part of it.
        """
        return cls(**{name: str(answer[name]) for name in ("id", "workspace", "model", "version", "digest")})


@dataclass(frozen=True)
class Prediction:
    """P(goal) for each row, under the index of the frame that was sent, and the model that made it."""

    probabilities: "pd.Series[float]"
    model: ServedModel

    @property
    def model_id(self) -> str:
        """What names exactly this model: `workspace/name:version@sha256:<12 hex>`."""
        return self.model.id


class ServingClient:
    """Talks to one prediction service.

    Reading is tried again when the connection fails, not when the answer takes too long; anything that changes or
    scores something only as long as it could not even be sent.
    `timeout` is in seconds, for each answer. Every call may raise `ServingError` or its subclasses.
    """

    def __init__(self, base_url: str, timeout: float = 10.0, token: str | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self.timeout = timeout
        self._session = requests.Session()
        self._session.trust_env = False  # the service is near: no proxies, no .netrc
        retry = _Retry(total=2, connect=2, read=2, status=0, backoff_factor=0.2, allowed_methods=("GET",))
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))
        if token:
            self._session.headers["Authorization"] = f"Bearer {token}"

    def predict(
        self, df: "pd.DataFrame", *, if_match: str | None = None, idempotency_key: str | None = None
    ) -> Prediction:
        """Return P(goal) for each row of a frame with the model's columns; any index will do, missing values are null.

        With `if_match`, the id of a model, nothing is scored unless that model is the active one. Whoever sends the
        same frame again with the same `idempotency_key` within 30 days gets the same answer, and the rows are scored
        once, also if the service was restarted in between.

        Raises:
            ModelChanged: the active model is not `if_match`.
            ServingError: the service cannot score this frame; `details` name the columns and rows.
            ServiceUnavailable: no answer. Rows may have been scored nonetheless.
        """
        import pandas as pd  # not above: a caller without frames need not wait for it

        columns = [str(name) for name in df.columns]
        probabilities, model = self.predict_rows(
            columns, _values(df), if_match=if_match, idempotency_key=idempotency_key
        )
        return Prediction(pd.Series(probabilities, index=df.index, dtype="float64", name="probability"), model)

    def predict_rows(
        self,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        *,
        if_match: str | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[list[float], ServedModel]:
        """As `predict`, of plain numbers, texts and None: P(goal) for each row, and the model that made them."""
        headers = {"Content-Type": "application/json"}
        if if_match is not None:
            headers["If-Match"] = f'"{tag(if_match)}"'
        if idempotency_key is not None:
            headers["Idempotency-Key"] = f'"{idempotency_key}"'
        answer = self._predict(_split_json(columns, rows), headers, is_repeatable=idempotency_key is not None)
        try:
            predictions, index = answer["predictions"], answer["index"]
            if index != list(range(len(rows))) or len(predictions) != len(rows):
                raise ValueError("not one prediction for each row")
            return [float(p) for p in predictions], ServedModel.from_json(answer["model"])
        except (KeyError, TypeError, ValueError) as error:
            raise self._strange(f"the answer to /predict cannot be read ({error})") from error

    def _predict(self, body: bytes, headers: Mapping[str, str], *, is_repeatable: bool) -> dict[str, Any]:
        """Send a frame; a request with a key is repeated while the service's database is busy, which scores nothing."""
        give_up = time.monotonic() + self.timeout
        while True:
            try:
                return self._call("POST", "/predict", data=body, headers=headers)
            except ServingError as error:
                is_busy = is_repeatable and error.code == "database_unavailable"
                if not is_busy or time.monotonic() + BUSY_PAUSE_S > give_up:
                    raise
                time.sleep(BUSY_PAUSE_S)

    def logs(self, **query: str | int) -> "pd.DataFrame":
        """Return log rows, newest first, one row each; `query` are the parameters of `GET /logs`.

        `at` is a time in UTC. Older rows: pass `before=` the last `id`.
        """
        import pandas as pd

        rows = self._call("GET", "/logs", params=query).get("logs", [])
        frame = pd.DataFrame(rows, columns=list(LOG_COLUMNS))
        return frame.assign(at=pd.to_datetime(frame["at"], utc=True))

    def download_registry_model(
        self, workspace: str, model: str, version: str | None = None, *, timeout: float = 240.0
    ) -> dict[str, Any]:
        """Make a model the active one, the newest without `version`; return `{"source": ..., "model": {...}}`.

        Raises:
            ServingError: it could not be activated; the message says why, `details["active"]` which model serves.
        """
        body = {"workspace": workspace, "model": model, "version": version}
        return self._call("POST", "/download_registry_model", json=body, timeout=timeout)

    def rollback(self) -> dict[str, Any]:
        """Return to the model that was active before; the answer is that of `download_registry_model`."""
        return self._call("POST", "/rollback", timeout=max(self.timeout, 60.0))

    def model(self) -> dict[str, Any]:
        """Return what `GET /model` says of the active model: identity, columns, versions, metrics."""
        return self._call("GET", "/model")

    def models(self) -> list[dict[str, Any]]:
        """Return what can be loaded now: `{"workspace", "model", "version", "source", "stages", "active"}` each.

        A registry that could not be asked is an entry with `source` and `problem` alone.
        """
        listed = self._call("GET", "/models").get("models")
        if not isinstance(listed, list):
            raise self._strange("the answer to /models has no list")
        return listed

    def activations(self, limit: int = 20) -> list[dict[str, Any]]:
        """Return which models were made active when, newest first, as the service has it on record."""
        listed = self._call("GET", "/activations", params={"limit": limit}).get("activations")
        if not isinstance(listed, list):
            raise self._strange("the answer to /activations has no list")
        return listed

    def ready(self) -> dict[str, Any]:
        """Return `{"ready": bool, "checks": {...}}`; that the service is not ready is an answer, no error."""
        return self._call("GET", "/ready", accept=503)

    def _call(
        self, method: str, path: str, *, accept: int = 200, timeout: float | None = None, **arguments: Any
    ) -> dict[str, Any]:
        headers = {"Accept": "application/json", **arguments.pop("headers", {})}
        try:
            answer = self._session.request(
                method,
                self.base_url + path,
                headers=headers,
                timeout=(CONNECT_TIMEOUT_S, timeout or self.timeout),
                allow_redirects=False,
                **arguments,
            )
        except requests.Timeout as error:
            raise ServiceUnavailable(
                f"the prediction service at {self.base_url} did not answer {path} in time", code="timeout"
            ) from error
        except (requests.RequestException, HTTPError, HTTPException, ValueError, OSError) as error:
            # `requests` lets some of urllib3's and http.client's through; ValueError: odd host names
            raise ServiceUnavailable(
                f"the prediction service at {self.base_url} cannot be reached; is it running?", code="unreachable"
            ) from error
        try:
            body = json.loads(answer.content)  # not answer.json(): that may take a slower parser where one is installed
        except (ValueError, RecursionError) as error:
            raise self._strange(f"{path} answers {answer.status_code} without JSON", answer.status_code) from error
        if not isinstance(body, dict):
            raise self._strange(f"{path} answers JSON that is no object", answer.status_code)
        if answer.status_code in (200, accept) and "error" not in body:
            return body
        error_body = body.get("error")
        if not isinstance(error_body, dict):
            raise self._strange(f"{path} answers {answer.status_code}", answer.status_code)
        details = {key: value for key, value in error_body.items() if key not in ("code", "message")}
        kind = ModelChanged if answer.status_code == 412 else ServingError
        raise kind(
            str(error_body.get("message", f"{path} answers {answer.status_code}")),
            code=str(error_body.get("code", "error")),
            status=answer.status_code,
            details=details,
        )

    def _strange(self, what: str, status: int = 0) -> ServiceUnavailable:
        return ServiceUnavailable(
            f"{what}; is {self.base_url} the prediction service?", code="unexpected_answer", status=status
        )


class _Retry(Retry):
    """Gives up at once on a service that hangs: who asks, a reader of a page among them, has waited long enough."""

    def increment(self, *arguments: Any, **named: Any) -> Self:
        if isinstance(named.get("error"), ReadTimeoutError):
            raise named["error"]
        return super().increment(*arguments, **named)


def _values(df: "pd.DataFrame") -> list[tuple[Any, ...]]:
    """The rows of a frame, what is missing as None."""
    missing = df.isna().to_numpy()
    columns = []
    for position in range(df.shape[1]):
        values = df.iloc[:, position].tolist()
        if missing[:, position].any():
            values = [None if is_missing else v for v, is_missing in zip(values, missing[:, position], strict=True)]
        columns.append(values)
    return list(zip(*columns, strict=True))


def _split_json(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Write a frame as orient="split" with the rows' positions as labels, and numbers in full precision.

    `df.to_json` rounds to ten decimals, and the service's probabilities must be those of the caller's numbers.
    """
    frame = {"columns": columns, "index": list(range(len(rows))), "data": rows}
    try:
        return json.dumps(frame, allow_nan=False, default=_plain, separators=(",", ":")).encode()
    except (TypeError, ValueError) as error:
        raise ServingError(f"the frame cannot be sent: {error}", code="invalid_frame") from error


def _plain(value: Any) -> Any:
    """Turn a numpy scalar from a column of mixed values into Python's."""
    if hasattr(value, "item"):
        return value.item()
    raise TypeError(f"{type(value).__name__} is neither a number, nor text, nor true or false")
