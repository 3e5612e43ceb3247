"""Read and check requests: headers, JSON bodies, queries."""

import hmac
import ipaddress
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlsplit

import msgspec
from bottle import request
from msgspec import Struct, structs

from db.serving import LogQuery
from db.times import timestamp
from xgserve.contract import LEVELS, ModelRequest, PromoteRequest, Role
from xgserve.errors import (
    CrossOrigin,
    InvalidParameter,
    InvalidRequest,
    LengthRequired,
    ModelChanged,
    TooLarge,
    Unauthorized,
    UnsupportedMediaType,
    WrongHost,
)
from xgserve.json_text import read_json
from xgserve.model.model import Model
from xgserve.names import tag

Request = TypeVar("Request", bound=Struct)

MAX_LIMIT: Final = 1000
MAX_SEARCH: Final = 200
HOST: Final = re.compile(r"[A-Za-z0-9._-]*(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
YES_OR_NO: Final = ("yes", "no")
LOG_PARAMETERS: Final = ("limit", "level", "since", "before", "request_id", "q", "reads")

_MUST_BE: Final = {
    "version": 'a string such as "1.10.0" (as numbers, 1.10 and 1.1 are the same), a whole number such as 1 for'
    ' "1.0.0", or null for the newest',
    "role": '"champion" or "challenger"',
    "id": "the id of a challenger",
    "keep": "true or false",
}


class WantedModel(NamedTuple):
    """The model that a request asks for, and as what; without a version, the newest."""

    workspace: str
    model: str
    version: str | None
    role: Role


def header(name: str, default: str = "") -> str:
    """Return a header as latin-1 text; Bottle's own `get_header` fails on bytes that are not UTF-8."""
    key = "CONTENT_TYPE" if name == "Content-Type" else f"HTTP_{name.upper().replace('-', '_')}"
    return str(request.environ.get(key, default))


def prediction_request(model: Model, active: Model | None, max_bytes: int) -> tuple[str, bytes]:
    """Return the `Idempotency-Key` of a request to score a frame, "" if it has none, and its body.

    Raises:
        ModelChanged: `If-Match` names another model than `model`, the one that is asked.
        ServiceError: the body cannot be read; see `body`.
    """
    wanted = header("If-Match", "*").strip()
    if wanted != "*" and not {model.id, tag(model.id)} & {one.strip().strip('"') for one in wanted.split(",")}:
        raise ModelChanged(
            f"the {'active model' if model is active else 'model that is asked'} is {model.id}, not {wanted[:300]};"
            " nothing was scored",
            active=active.identity if active else None,
        )
    return header("Idempotency-Key").strip().strip('"'), body(max_bytes)


def check_host(allowed: frozenset[str]) -> None:
    """Refuse a request for a host name that is not the service's own.

    A web page can point its own host name to this machine once it is loaded (DNS rebinding). The browser then takes the
    service for the page's own site, and lets the page read its answers. Addresses, names without a dot and
    `localhost` are safe from this; any other name must be in `allowed`.

    Raises:
        WrongHost: the name is not the service's.
    """
    host = header("Host")
    if not _is_own(host, allowed):
        raise WrongHost(
            f"this service does not answer as {host[:100]!r}; if that is its name, add it to XG_ALLOWED_HOSTS"
        )


@lru_cache(maxsize=100)  # a client sends the same one with every request
def _is_own(host: str, allowed: frozenset[str]) -> bool:
    if not HOST.fullmatch(host):  # "example.com@localhost" is read differently by different programs
        return False
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        return "." not in name or name.endswith(".localhost") or name in allowed or bool(ipaddress.ip_address(name))
    except ValueError:  # neither an address nor anything else that can be a host
        return False


def check_may_swap(admin_token: str | None) -> None:
    """Refuse a change of the model by a caller without the token, or by a web page of another site.

    Raises:
        CrossOrigin: the request comes from another site's page.
        Unauthorized: the token is missing or wrong.
    """
    origin = header("Origin")
    if origin and origin.partition("://")[2] != header("Host"):
        raise CrossOrigin("other web sites must not change the model")
    if admin_token is None:
        return
    scheme, _, token = header("Authorization").partition(" ")
    right = hmac.compare_digest(token.strip().encode("latin-1"), admin_token.encode())
    if scheme.lower() != "bearer" or not right:
        raise Unauthorized(
            "changing the model needs the header Authorization: Bearer <token>, with the token of XG_ADMIN_TOKEN",
            headers={"WWW-Authenticate": "Bearer"},
        )


def body(max_bytes: int) -> bytes:
    """Return the raw body.

    Raises:
        UnsupportedMediaType: its Content-Type is not JSON, or it is compressed.
        LengthRequired: it has no Content-Length.
        TooLarge: it has more than `max_bytes`.
    """
    content_type = header("Content-Type").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise UnsupportedMediaType(
            f"the body must be JSON with Content-Type: application/json, not {content_type[:100] or 'none'}"
        )
    if header("Content-Encoding", "identity").lower() != "identity":
        raise UnsupportedMediaType("the body must not be compressed")
    if header("Transfer-Encoding"):  # waitress decodes chunks; other servers may not
        raise LengthRequired("send the body with a Content-Length")
    length = max(0, request.content_length)
    if length > max_bytes:
        raise TooLarge(length, max_bytes)
    return bytes(request.environ["wsgi.input"].read(length))


def model_request(max_bytes: int) -> WantedModel:
    """Return the requested model and its role.

    Raises:
        InvalidRequest: the body does not name a model.
        ServiceError: the body cannot be read; see `body`.
    """
    wanted = _request(ModelRequest, max_bytes)
    version = wanted.version
    text = f"{version:.0f}.0.0" if isinstance(version, float) else version or None
    return WantedModel(wanted.workspace, wanted.model, text, wanted.role)


def promote_request(max_bytes: int) -> PromoteRequest:
    """Return which challenger to make the champion.

    Raises:
        InvalidRequest: the body does not name one.
        ServiceError: the body cannot be read; see `body`.
    """
    return _request(PromoteRequest, max_bytes)


def _request(kind: type[Request], max_bytes: int) -> Request:
    """Return the body as a request of this kind, with its texts stripped."""
    asked = read_json(body(max_bytes))
    fields = structs.fields(kind)
    keys = [field.name for field in fields]
    if not isinstance(asked, dict):
        example = ", ".join(f'"{key}": ...' for key in keys)
        raise InvalidRequest(f"the body must be {{{example}}}")
    if unknown := sorted(asked.keys() - set(keys)):
        names = ", ".join(unknown)[:200]
        raise InvalidRequest(f"unknown keys: {names}; the keys are {', '.join(keys)}", unknown=unknown[:50])
    stripped = {key: value.strip() if isinstance(value, str) else value for key, value in asked.items()}
    try:
        return msgspec.convert({field.name: None for field in fields if field.required} | stripped, kind)
    except msgspec.ValidationError as error:
        key = str(error).rpartition("$.")[2].strip("`")
        raise InvalidRequest(f'"{key}" must be {_MUST_BE.get(key, "a non-empty string")}', key=key) from error


def parameters(*allowed: str) -> dict[str, str]:
    """Return the parameters of the query; empty ones, as forms send them, count as missing.

    Raises:
        InvalidParameter: one is not among those allowed, or comes twice.
    """
    asked: dict[str, str] = {}
    for name, value in parse_qsl(request.query_string, keep_blank_values=True):
        if name not in allowed:
            raise _bad_parameter(name[:100], f"is unknown; the parameters are {', '.join(allowed)}")
        if name in asked:
            raise _bad_parameter(name, "is given twice")
        asked[name] = value.strip()
    return {name: value for name, value in asked.items() if value}


def limit(asked: Mapping[str, str]) -> int:
    """Return the requested number of rows: the parameter `limit`, 100 by default.

    Raises:
        InvalidParameter: it is not a number in range.
    """
    text = asked.get("limit", "100")
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise _bad_parameter("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def log_query(asked: Mapping[str, str]) -> LogQuery:
    """Return the log query for these parameters, which are some of `LOG_PARAMETERS`.

    Raises:
        InvalidParameter: one has a value that cannot be used.
    """
    level = asked.get("level", "DEBUG").upper()
    if level not in LEVELS:
        raise _bad_parameter("level", f"must be one of {', '.join(LEVELS)}")
    text = asked.get("q")
    if text is not None and len(text) > MAX_SEARCH:
        raise _bad_parameter("q", f"must not be longer than {MAX_SEARCH} characters")
    reads = asked.get("reads", "yes")
    if reads not in YES_OR_NO:
        raise _bad_parameter("reads", f"must be {' or '.join(YES_OR_NO)}")
    return LogQuery(
        limit=limit(asked),
        min_level=int(getattr(logging, level)),
        since=_moment("since", asked.get("since")),
        before=_moment("before", asked.get("before")),
        request_id=asked.get("request_id"),
        text=text,
        with_reads=reads == "yes",
    )


def _moment(name: str, text: str | None) -> int | str | None:
    """Return the id of a row, or an ISO time; a time without a zone is UTC."""
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,18}", text):
        return int(text)
    try:
        # a "+" that was not encoded arrives as a space
        moment = datetime.fromisoformat(text.replace(" ", "+") if "T" in text else text)
        return timestamp(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    except (ValueError, OverflowError):
        raise _bad_parameter(name, "must be the id of a row or a time such as 2024-01-31T19:30:00Z") from None


def _bad_parameter(name: str, why: str) -> InvalidParameter:
    return InvalidParameter(f"{name} {why}", parameter=name)
