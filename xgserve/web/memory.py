"""Return free memory to the system after large requests; the C library keeps it otherwise."""

import ctypes
import logging
import sys
from collections.abc import Callable

logger = logging.getLogger("xgserve.server")


def _trimmer() -> Callable[[int], int] | None:
    """Return `malloc_trim` of glibc; None with another C library."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        trim = ctypes.CDLL(None).malloc_trim
    except (OSError, AttributeError):  # musl
        return None
    trim.argtypes, trim.restype = (ctypes.c_size_t,), ctypes.c_int
    return trim


_TRIM = _trimmer()


def give_back_memory() -> None:
    """Return free memory to the system, which takes some milliseconds; do nothing where that is impossible."""
    if _TRIM is not None:
        _TRIM(0)
