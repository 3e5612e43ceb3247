"""The headers of every answer, and errors as JSON."""

from http import HTTPStatus
from typing import Final

from xgserve.errors import ServiceError
from xgserve.json_text import to_json

Headers = list[tuple[str, str]]

RETRY_AFTER_S: Final = 5  # of a 503 that names no other time


def common_headers(identity: str) -> Headers:
    """Return the headers of every answer: browsers must not guess its type, frame it, run scripts in it or cache it."""
    return [
        ("X-Request-ID", identity),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Frame-Options", "DENY"),
        ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
        ("Cache-Control", "no-store"),
    ]


def error_answer(error: ServiceError, identity: str) -> tuple[str, Headers, bytes]:
    """Return the status line, the headers (without the common ones) and the body of an error."""
    body = to_json({"error": {"code": error.code, "message": str(error), **error.details, "request_id": identity}})
    status = HTTPStatus(error.status)
    headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **error.headers}
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return f"{status.value} {status.phrase}", list(headers.items()), body
