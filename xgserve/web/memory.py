"""Memory that a large request took, given back to the system: the C library keeps it for the next one otherwise."""

import ctypes
import logging
import sys
from collections.abc import Callable

logger = logging.getLogger("xgserve.server")


def _trimmer() -> Callable[[int], int] | None:
    """Return `malloc_trim` of glibc; None where the C library is another one."""
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
    """Give what is free back to the system; takes some milliseconds, and nothing where it cannot be done."""
    if _TRIM is not None:
        _TRIM(0)
