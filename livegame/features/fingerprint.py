"""A fingerprint of the code that turns the feed's answers into rows of the history."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parents[1]
# Whatever lies between an answer of the feed and a row of the history.
_SOURCES: Final = ("dates.py", "plays.py", "rink.py", "parsing/*.py", "features/*.py")


@cache
def code_fingerprint() -> str:
    """Return 16 hex digits of the SHA-256 of all code that makes shots and features of a feed's answer.

    It follows the source by itself: a version number that a person must raise is forgotten one day.
    """
    digest = hashlib.sha256()
    for pattern in _SOURCES:
        for path in sorted(_HERE.glob(pattern)):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
