"""seccomp: a process refuses itself system calls for good, and to the processes that it starts.

The filter lets pass what it does not name, because libraries differ in what they call; it refuses whatever makes a
socket or a process, changes the rights or times of files (which Landlock does not watch), or reaches another process.
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import errno
import os
import struct
import sys
from typing import Final

from xgserve.sandbox.landlock import allow_no_new_privileges, syscall

# Numbers on x86-64 and on 64-bit ARM, from the kernel's tables; None: no such call.
REFUSED: Final[dict[str, tuple[int, int | None]]] = {
    # the network
    "socket": (41, 198),
    "socketpair": (53, 199),
    # other programs and processes; `clone` is below
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "execveat": (322, 281),
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "kcmp": (312, 272),
    "tkill": (200, 130),
    "rt_sigqueueinfo": (129, 138),
    "rt_tgsigqueueinfo": (297, 240),
    "setpriority": (141, 140),
    "ioprio_set": (251, 30),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
    # the rights, owners, times and attributes of files
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "chown": (92, None),
    "fchown": (93, 55),
    "lchown": (94, None),
    "fchownat": (260, 54),
    "utime": (132, None),
    "utimes": (235, None),
    "futimesat": (261, None),
    "utimensat": (280, 88),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "truncate": (76, 45),
    "open_by_handle_at": (304, 265),
    # memory and queues that outlive the process
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
    # the machine, and parts of the kernel that no model needs
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "unshare": (272, 97),
    "setns": (308, 268),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
}
# Their first argument is a process: only the caller itself, which 0 stands for as well.
ON_ITSELF_ONLY: Final = {
    "kill": (62, 129),
    "tgkill": (234, 131),
    "prlimit64": (302, 261),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
}
CLONE: Final = (56, 220)
CLONE_THREAD: Final = 0x10000
PRCTL: Final = (157, 167)
PR_SET_PDEATHSIG: Final = 1  # set already: the process must not outlive its parent
FCNTL: Final = (72, 25)
SIGNALS_OF_A_FILE: Final = (8, 10, 15)  # F_SETOWN, F_SETSIG, F_SETOWN_EX send signals to others
SECCOMP: Final = (317, 277)
# From here on, numbers are the same on all processors: io_uring, which makes sockets of its own, handles of processes,
# and whatever future kernels add. Libraries fall back on older calls if the answer is that there is no such call.
FIRST_NEW: Final = 424

ARCHITECTURES: Final = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}

ALLOW: Final = 0x7FFF0000
REFUSE: Final = 0x00050000 | errno.EPERM
NO_SUCH_CALL: Final = 0x00050000 | errno.ENOSYS
_LOAD, _EQUAL, _AT_LEAST, _HAS_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT, _SECOND_ARGUMENT = 0, 4, 16, 24  # offsets; little-endian: the lower half
_SET_FILTER, _ALL_THREADS = 1, 1

Instruction = tuple[int, int, int, int]  # code, how many to skip if true, if false, value


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def is_available() -> bool:
    """Return whether the filter is known for this processor, and the kernel takes filters."""
    if sys.platform != "linux" or os.uname().machine not in ARCHITECTURES or sys.maxsize < 2**32:
        return False
    column, _ = ARCHITECTURES[os.uname().machine]
    action = ctypes.c_uint32(REFUSE & 0xFFFF0000)
    try:  # SECCOMP_GET_ACTION_AVAIL
        syscall(SECCOMP[column], ctypes.c_uint(2), ctypes.c_uint(0), ctypes.byref(action))
    except OSError:
        return False
    return True


def refuse_calls(*, sockets: bool) -> None:
    """Refuse the calls above in all threads; with `sockets`, those that make sockets are allowed.

    Raises:
        OSError: the kernel refuses.
    """
    program = b"".join(struct.pack("=HBBI", *step) for step in _steps(os.uname().machine, sockets))
    filled = _Program(len(program) // 8, program)
    allow_no_new_privileges()
    column, _ = ARCHITECTURES[os.uname().machine]
    syscall(SECCOMP[column], ctypes.c_uint(_SET_FILTER), ctypes.c_uint(_ALL_THREADS), ctypes.byref(filled))


def _steps(machine: str, sockets: bool) -> list[Instruction]:
    column, architecture = ARCHITECTURES[machine]
    steps: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, architecture),  # a 32-bit call has other numbers
        (_RETURN, 0, 0, REFUSE),
        (_LOAD, 0, 0, _NUMBER),
        (_AT_LEAST, 0, 1, FIRST_NEW),
        (_RETURN, 0, 0, NO_SUCH_CALL),
    ]
    for name, numbers in REFUSED.items():
        number = numbers[column]
        if number is not None and not (sockets and name.startswith("socket")):
            steps += _if_called(number, [(_RETURN, 0, 0, REFUSE)])
    for pair in ON_ITSELF_ONLY.values():
        steps += _if_called(pair[column], _first_argument_is(0, os.getpid()))
    allow, refuse = (_RETURN, 0, 0, ALLOW), (_RETURN, 0, 0, REFUSE)
    first, second = (_LOAD, 0, 0, _FIRST_ARGUMENT), (_LOAD, 0, 0, _SECOND_ARGUMENT)
    steps += _if_called(CLONE[column], [first, (_HAS_BIT, 0, 1, CLONE_THREAD), allow, refuse])
    steps += _if_called(PRCTL[column], [first, *_refuse_if(PR_SET_PDEATHSIG), allow])
    steps += _if_called(FCNTL[column], [second, *_refuse_if(*SIGNALS_OF_A_FILE), allow])
    return [*steps, allow]


def _if_called(number: int, then: list[Instruction]) -> list[Instruction]:
    """Return the steps for the call of this number, which decide; for other calls, the filter continues after them."""
    return [(_EQUAL, 0, len(then), number), *then]


def _first_argument_is(*allowed: int) -> list[Instruction]:
    checks = [step for value in allowed for step in ((_EQUAL, 0, 1, value), (_RETURN, 0, 0, ALLOW))]
    return [(_LOAD, 0, 0, _FIRST_ARGUMENT), *checks, (_RETURN, 0, 0, REFUSE)]


def _refuse_if(*values: int) -> list[Instruction]:
    return [step for value in values for step in ((_EQUAL, 0, 1, value), (_RETURN, 0, 0, REFUSE))]
