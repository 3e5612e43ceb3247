"""Landlock: a process without privileges gives up access to files for good, and so do the processes that it starts.

https://docs.kernel.org/userspace-api/landlock.html describes the calls. Newer kernels have a higher "ABI", which bounds
more: renaming between folders (2), truncating (3), TCP (4), device commands (5), signals to other processes (6).
"""

import ctypes
import os
import stat
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

# These numbers are the same on every processor.
CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
ASK_FOR_ABI = 1
PATH_BENEATH = 1
PR_SET_NO_NEW_PRIVS = 38

WRITE_FILE, READ_FILE, READ_DIR = 1 << 1, 1 << 2, 1 << 3
REMOVE_DIR, REMOVE_FILE, MAKE_DIR, MAKE_FILE = 1 << 4, 1 << 5, 1 << 7, 1 << 8
REFER, TRUNCATE = 1 << 13, 1 << 14
READ = READ_FILE | READ_DIR
# no links, sockets or named pipes: who opens such a file in the folder later would be led elsewhere, or wait
WRITE = READ | WRITE_FILE | REMOVE_DIR | REMOVE_FILE | MAKE_DIR | MAKE_FILE | REFER | TRUNCATE
_OF_A_FILE = WRITE_FILE | READ_FILE | TRUNCATE
_RIGHTS_BY_ABI = {1: 13, 2: 14, 3: 15, 4: 15}  # how many rights of files the kernel knows
_RIGHTS = 16

_TCP = 0b11  # bind and connect
_SCOPES = 0b11  # abstract Unix sockets and signals


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("tcp", ctypes.c_uint64), ("scopes", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def syscall(number: int, *arguments: object) -> int:
    """Call the kernel.

    Raises:
        OSError: it refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def allow_no_new_privileges() -> None:
    """Make set-uid programs harmless, which Landlock and seccomp want first.

    Raises:
        OSError: the kernel refuses.
    """
    zero = ctypes.c_ulong(0)
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero):
        raise OSError(ctypes.get_errno(), "no new privileges")


@cache
def abi() -> int:
    """Return the kernel's ABI; 0 if this is not Linux, or the kernel or the container has no Landlock."""
    if sys.platform != "linux":
        return 0
    try:
        return syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(ASK_FOR_ABI))
    except OSError:
        return 0


def restrict(rules: Iterable[tuple[Path, int]], *, tcp: bool) -> None:
    """Give up all files except those in, or beneath, the paths of `rules`, as far as the rights beside them go.

    Nothing can be executed. Without `tcp`, no TCP connection can be made or accepted. Missing paths are left out. Only
    for the thread that calls, and those that it starts.

    Raises:
        OSError: the kernel refuses.
    """
    known = (1 << _RIGHTS_BY_ABI.get(abi(), _RIGHTS)) - 1
    asked = _Ruleset(known, 0 if tcp or abi() < 4 else _TCP, _SCOPES if abi() >= 6 else 0)
    ruleset = syscall(CREATE_RULESET, ctypes.byref(asked), ctypes.c_size_t(ctypes.sizeof(asked)), ctypes.c_uint32(0))
    try:
        for path, rights in rules:
            _add(ruleset, path, rights & known)
        allow_no_new_privileges()
        syscall(RESTRICT_SELF, ctypes.c_int(ruleset), ctypes.c_uint32(0))
    finally:
        os.close(ruleset)


def _add(ruleset: int, path: Path, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError, PermissionError):  # what cannot be reached needs no right
        return
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= _OF_A_FILE
        rule = _PathBeneath(rights, parent)
        syscall(ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0))
    finally:
        os.close(parent)
