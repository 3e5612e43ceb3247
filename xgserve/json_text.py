"""Read callers' JSON, without duplicate keys, and write the service's own."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec

from xgserve.errors import InvalidJson


def read_json(text: bytes) -> Any:
    """Return the value of a JSON text.

    Raises:
        InvalidJson: it is not JSON, or one of its objects has the same key twice.
    """
    try:
        value = msgspec.json.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _read_slowly(text)  # accepts more, and explains errors
    if not _has_keys_once(text, value):
        _read_slowly(text)
    return value


def _read_slowly(text: bytes) -> Any:
    try:
        return json.loads(text, parse_constant=_refuse_constant, object_pairs_hook=_refuse_twins)
    except (ValueError, RecursionError) as error:
        what = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidJson(f"the body is not JSON: {what}") from error


def _has_keys_once(text: bytes, value: Any) -> bool:
    """Return whether parsing lost no key; False may be wrong, so look closer.

    A colon follows each key of the text, and counting colons is much faster than parsing.
    """
    keys = _keys_in(value)
    if text.count(b":") == keys:
        return True
    # other colons are inside strings, such as times of day
    spaced = any(text.count(space + b":") for space in (b" ", b"\t", b"\n", b"\r"))
    return not spaced and text.count(b'":') == keys


def _keys_in(value: Any, depth: int = 1) -> int:
    """Count the keys of a frame; the count is too low if objects are nested deeper than in a frame."""
    if isinstance(value, dict):
        if depth and set(map(type, value.values())) == {dict}:  # the usual form, counted quickly
            return len(value) + sum(map(len, value.values()))
        inner = sum(_keys_in(part, depth - 1) for part in value.values() if type(part) in (dict, list)) if depth else 0
        return len(value) + inner
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return sum(len(part) for part in value if isinstance(part, dict))
    return 0


def _refuse_twins(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        twin = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key {twin[:100]!r} comes twice in one object")
    return found


def _refuse_constant(token: str) -> NoReturn:
    raise ValueError(f"{token} is not a JSON value; send null for a missing one")


def to_json(answer: Any) -> bytes:
    """Return an answer, a Struct of `contract` or a mapping, as JSON on one line; NaN and infinity become null."""
    try:
        return msgspec.json.format(msgspec.json.encode(answer, enc_hook=str), indent=0)
    except UnicodeEncodeError:  # a lone surrogate from the caller, which only Python's own JSON can escape
        plain = json.dumps(msgspec.to_builtins(answer, enc_hook=str))
        return json.dumps(json.loads(plain, parse_constant=lambda _: None)).encode()
