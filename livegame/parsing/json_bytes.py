"""JSON from bytes in any encoding."""

import json
import logging
from typing import Any, Final

import msgspec

logger = logging.getLogger("livegame.json_bytes")

_LONG_NUMBER: Final = 20  # digits


def read_json(body: bytes) -> Any:
    """Parse JSON: fast if it is strict and in UTF-8, else with the encoding detected or, failing that, Latin-1.

    Raises:
        ValueError, RecursionError: it is not JSON, or nested too deeply.
    """
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _read_patiently(body)


def _read_patiently(body: bytes) -> Any:
    try:
        text = body.decode(json.detect_encoding(body))
    except UnicodeDecodeError:
        logger.warning("an answer of the feed is not in UTF-8; read as Latin-1")
        text = body.decode("latin-1")
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        raise
    except ValueError:  # a number with more digits than Python reads
        return json.loads(text, parse_int=lambda digits: int(digits) if len(digits) < _LONG_NUMBER else float(digits))
