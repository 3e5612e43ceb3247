"""The id of a request: the caller's `X-Request-ID` or a new one. It is in the answer and in each log row."""

import re
from collections.abc import Iterable
from contextvars import ContextVar
from random import getrandbits
from urllib.parse import unquote

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)  # of the request being answered


def choose_id(sent: str, secrets: Iterable[str]) -> str:
    """Return the caller's id, or a new one if that is unusable or contains a secret."""
    if not re.fullmatch(r"[!-~]{1,128}", sent) or any(s in text for s in secrets for text in (sent, unquote(sent))):
        return f"{getrandbits(64):016x}"
    return sent
