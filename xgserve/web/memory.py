"""Return free memory to the system after large requests; the C library keeps it otherwise."""

import ctypes
from collections.abc import Callable
from typing import Any, Final


def _malloc_trim() -> Callable[[Any], Any] | None:
    try:
        trim: Callable[[Any], Any] = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError, TypeError):  # another C library than glibc
        return None
    return trim


_TRIM: Final = _malloc_trim()


def give_back_memory() -> None:
    """Return free memory to the system, which takes some milliseconds; do nothing where that is impossible."""
    if _TRIM is not None:
        _TRIM(ctypes.c_size_t(0))
