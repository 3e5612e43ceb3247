"""JSON from bytes, fast."""

import json
from typing import Any

import orjson


def read_json(content: bytes) -> Any:
    """Parse JSON, strictly and fast if it can be; else as Python takes it: other encodings, byte order marks, NaN.

    Raises:
        ValueError: it is not JSON at all.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        return json.loads(content)
