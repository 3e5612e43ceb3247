"""Words as people type them in a search: without accents, in any case."""

import unicodedata
from typing import Final

# Letters and signs that Unicode does not decompose, as people type them on keyboards that lack them.
_TYPED: Final = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "’": "'", "‘": "'"}  # noqa: RUF001
    | dict.fromkeys("‐‑–−", "-")  # noqa: RUF001
)


def folded(text: str) -> str:
    """Return the text in small letters without accents: "Stützle" and "STUTZLE" give "stutzle"."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).translate(_TYPED)
