"""Words as people type them when they search: without accents, whatever the case."""

import unicodedata
from typing import Final

# Letters and signs that Unicode does not take apart, each as keyboards without it have it.
_TYPED: Final = str.maketrans(
    {"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "’": "'", "‘": "'"}  # noqa: RUF001
    | dict.fromkeys("‐‑–−", "-")  # noqa: RUF001
)


def folded(text: str) -> str:
    """The text with small letters that bear no accents: "Stützle" and "STUTZLE" give "stutzle"."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(letter for letter in apart if not unicodedata.combining(letter)).translate(_TYPED)
