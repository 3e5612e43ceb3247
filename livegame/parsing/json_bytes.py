"""JSON from bytes, whoever wrote them."""

import json
import logging
from typing import Any, Final

import msgspec

logger = logging.getLogger("livegame.json_bytes")

_LONG_NUMBER: Final = 20  # digits


def read_json(body: bytes) -> Any:
    """Parse JSON: fast if it is in UTF-8 and strict, else in any encoding that it may have or is sent in by mistake.

    Raises:
        ValueError, RecursionError: it is not JSON, or nested without end.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _read_patiently(body)


def _read_patiently(body: bytes) -> Any:
    try:
        text = body.decode(json.detect_encoding(body))
    except UnicodeDecodeError:
        logger.warning("an answer of the feed is not in UTF-8; taken as Latin-1")
        text = body.decode("latin-1")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a number of more digits than Python reads
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < _LONG_NUMBER else float(digits))
