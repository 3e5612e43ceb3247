"""The id of a request: its caller's `X-Request-ID`, or a new one. The answer carries it, and so does each log row."""

import re
from collections.abc import Iterable
from contextvars import ContextVar
from secrets import token_hex
from urllib.parse import unquote

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)  # of the request being answered


def choose_id(sent: str, secrets: Iterable[str]) -> str:
    """Return the id that a caller sent; a new one if it is not a usable id or holds one of the secrets."""
    if not re.fullmatch(r"[!-~]{1,128}", sent) or any(s in text for s in secrets for text in (sent, unquote(sent))):
        return token_hex(8)
    return sent
