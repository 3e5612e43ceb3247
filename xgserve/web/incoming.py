"""What a request says, read and checked: its headers, its JSON body, its query."""

import hmac
import ipaddress
import logging
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from bottle import request

from db.serving import LogQuery
from db.times import timestamp
from xgserve.errors import ApiError, too_large
from xgserve.model.model import Model
from xgserve.names import tag
from xgserve.settings import LEVELS

MAX_LIMIT = 1000
MAX_SEARCH = 200
HOST = re.compile(r"[A-Za-z0-9._-]*(:[0-9]*)?|\[[0-9A-Fa-f:.]+\](:[0-9]*)?")
LOG_PARAMETERS = ("limit", "level", "since", "before", "request_id", "q")


def header(name: str, default: str = "") -> str:
    """Return a header's bytes as latin-1 text; Bottle's own `get_header` fails on what is not UTF-8."""
    key = "CONTENT_TYPE" if name == "Content-Type" else f"HTTP_{name.upper().replace('-', '_')}"
    return str(request.environ.get(key, default))


def check_if_match(model: Model) -> None:
    """Hold `If-Match` against the active model.

    Raises:
        ApiError: the caller means another model.
    """
    wanted = header("If-Match", "*").strip()
    if wanted != "*" and not {model.id, tag(model.id)} & {one.strip().strip('"') for one in wanted.split(",")}:
        raise ApiError(
            412,
            "model_changed",
            f"the active model is {model.id}, not {wanted[:300]}; nothing was scored",
            active=model.identity,
        )


def idempotency_key() -> str:
    """Return the key by which the caller sends the same request again; "" if there is none."""
    return header("Idempotency-Key").strip().strip('"')


def check_host(allowed: frozenset[str]) -> None:
    """Answer only under names that are the service's own.

    A web page can have its own host name lead to this machine once it is loaded (DNS rebinding); to the browser, the
    service then is the page's own site, whose answers the page may read. Nobody can do that with an address, with a
    name without a dot, or with `localhost`; other names must be among those allowed.

    Raises:
        ApiError: the request is for another host.
    """
    host = header("Host")
    if not _is_own(host, allowed):
        raise ApiError(
            421,
            "wrong_host",
            f"this service does not answer as {host[:100]!r}; if that is its name, add it to XG_ALLOWED_HOSTS",
        )


@lru_cache(maxsize=100)  # each client sends the same one with every request
def _is_own(host: str, allowed: frozenset[str]) -> bool:
    if not HOST.fullmatch(host):  # such as "example.com@localhost", which people and programs read in several ways
        return False
    try:
        name = (urlsplit(f"//{host}").hostname or "").rstrip(".")
        return "." not in name or name.endswith(".localhost") or name in allowed or bool(ipaddress.ip_address(name))
    except ValueError:  # no address, or nothing that could be a host at all
        return False


def check_may_swap(admin_token: str | None) -> None:
    """Let only those change the model who may: the holder of the token, and no web page of somebody else.

    Raises:
        ApiError: the caller may not.
    """
    origin = header("Origin")
    if origin and origin.partition("://")[2] != header("Host"):
        raise ApiError(403, "cross_origin", "other web sites must not change the model")
    if admin_token is None:
        return
    scheme, _, token = header("Authorization").partition(" ")
    right = hmac.compare_digest(token.strip().encode("latin-1"), admin_token.encode())
    if scheme.lower() != "bearer" or not right:
        raise ApiError(
            401,
            "unauthorized",
            "changing the model needs the header Authorization: Bearer <token>, with the token of XG_ADMIN_TOKEN",
            headers={"WWW-Authenticate": "Bearer"},
        )


def body(max_bytes: int) -> bytes:
    """Return the body as it came.

    Raises:
        ApiError: it is not said to be JSON, or larger than `max_bytes`.
    """
    content_type = header("Content-Type").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise ApiError(
            415,
            "unsupported_media_type",
            f"the body must be JSON with Content-Type: application/json, not {content_type[:100] or 'none'}",
        )
    if header("Content-Encoding", "identity").lower() != "identity":
        raise ApiError(415, "unsupported_media_type", "the body must not be compressed")
    if header("Transfer-Encoding"):  # waitress decodes chunks; other servers may not
        raise ApiError(411, "length_required", "send the body with a Content-Length")
    length = max(0, request.content_length)
    if length > max_bytes:
        raise too_large(length, max_bytes)
    return bytes(request.environ["wsgi.input"].read(length))


def model_request(body: Any) -> tuple[str, str, str | None]:
    """Return the workspace, model and version that the body of `POST /download_registry_model` asks for.

    Raises:
        ApiError: it does not say so.
    """
    if not isinstance(body, dict):
        raise _unusable('the body must be {"workspace": ..., "model": ..., "version": ...}')
    unknown = sorted(body.keys() - {"workspace", "model", "version"})
    if unknown:
        raise _unusable(
            f"unknown keys: {', '.join(unknown)[:200]}; the keys are workspace, model and version", unknown=unknown[:50]
        )
    for key in ("workspace", "model"):
        if not isinstance(body.get(key), str) or not body[key].strip():
            raise _unusable(f'"{key}" must be a text that is not empty', key=key)
    return body["workspace"].strip(), body["model"].strip(), _version(body.get("version"))


def _version(asked: Any) -> str | None:
    """Read a version: a text, null for the newest, or a whole number n, which is short for "n.0.0"."""
    if isinstance(asked, int | float) and not isinstance(asked, bool) and 0 <= asked < 1e6 and asked == int(asked):
        return f"{int(asked)}.0.0"
    if not isinstance(asked, str | None):
        raise _unusable(
            '"version" must be a text such as "1.10.0" (as numbers, 1.10 and 1.1 are the same), a whole number such as'
            ' 1 for "1.0.0", or null for the newest',
            key="version",
        )
    return (asked.strip() or None) if asked else None


def _unusable(message: str, **details: Any) -> ApiError:
    return ApiError(422, "invalid_request", message, **details)


def parameters(*allowed: str) -> dict[str, str]:
    """Return the request's parameters; empty ones, as forms send them, count as not given.

    Raises:
        ApiError: there is another one than those allowed, or one twice.
    """
    asked: dict[str, str] = {}
    for name, value in parse_qsl(request.query_string, keep_blank_values=True):
        if name not in allowed:
            raise _bad_parameter(name[:100], f"is unknown; there are {', '.join(allowed)}")
        if name in asked:
            raise _bad_parameter(name, "is given twice")
        asked[name] = value.strip()
    return {name: value for name, value in asked.items() if value}


def limit(asked: Mapping[str, str]) -> int:
    """Return how many rows a request wants: its parameter `limit`, 100 by default.

    Raises:
        ApiError: it is not a number in range.
    """
    text = asked.get("limit", "100")
    if not re.fullmatch(r"[0-9]{1,4}", text) or not 1 <= int(text) <= MAX_LIMIT:
        raise _bad_parameter("limit", f"must be a whole number from 1 to {MAX_LIMIT}")
    return int(text)


def log_query(asked: Mapping[str, str]) -> LogQuery:
    """Return the query that parameters among `LOG_PARAMETERS` stand for.

    Raises:
        ApiError: one of them has a value that cannot be used.
    """
    level = asked.get("level", "DEBUG").upper()
    if level not in LEVELS:
        raise _bad_parameter("level", f"must be one of {', '.join(LEVELS)}")
    text = asked.get("q")
    if text is not None and len(text) > MAX_SEARCH:
        raise _bad_parameter("q", f"must not be longer than {MAX_SEARCH} characters")
    return LogQuery(
        limit=limit(asked),
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


def _bad_parameter(name: str, why: str) -> ApiError:
    return ApiError(400, "invalid_parameter", f"{name} {why}", parameter=name)
