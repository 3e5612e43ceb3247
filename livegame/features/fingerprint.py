"""A fingerprint of the code that turns the feed's answers into rows of the history."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

_HERE: Final = Path(__file__).parents[1]
_SOURCES: Final = ("dates.py", "plays.py", "rink.py", "parsing/*.py", "features/*.py")


def source_files() -> list[Path]:
    """Return the source files that decide how an answer becomes rows."""
    return [path for pattern in _SOURCES for path in sorted(_HERE.glob(pattern))]


@cache
def code_fingerprint() -> str:
    """Return 16 hex digits of the SHA-256 of `source_files`: unlike a version number, it cannot be forgotten."""
    digest = hashlib.sha256()
    for path in source_files():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
