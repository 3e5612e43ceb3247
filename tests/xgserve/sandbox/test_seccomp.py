"""The filter of system calls, interpreted here, for processors that this machine does not have as well."""

import os
from typing import Any

import pytest

from xgserve.sandbox import seccomp
from xgserve.sandbox.seccomp import ALLOW, ARCHITECTURES, NO_SUCH_CALL, REFUSE

THREAD = seccomp.CLONE_THREAD
HARMLESS = {"read": (0, 63), "write": (1, 64), "mmap": (9, 222), "futex": (202, 98), "openat": (257, 56)}


def answer(machine: str, number: int, *arguments: int, architecture: int | None = None) -> int:
    """Return what the filter returns for a call."""
    steps = seccomp._steps(machine, sockets=False)
    first, second = (*arguments, 0, 0)[:2]
    data = {0: number, 4: architecture or ARCHITECTURES[machine][1], 16: first, 24: second}
    loaded, place = 0, 0
    while True:
        code, if_true, if_false, value = steps[place]
        place += 1
        match code:
            case 0x20:
                loaded = data[value] & 0xFFFFFFFF
            case 0x15:
                place += if_true if loaded == value else if_false
            case 0x35:
                place += if_true if loaded >= value else if_false
            case 0x45:
                place += if_true if loaded & value else if_false
            case 0x06:
                return value
            case _:
                raise AssertionError(f"no such instruction: {code:#x}")


@pytest.fixture(params=ARCHITECTURES)
def machine(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_calls_on_the_list_are_refused_and_usual_ones_pass(machine: str) -> None:
    column = ARCHITECTURES[machine][0]
    for name, numbers in seccomp.REFUSED.items():
        number = numbers[column]
        assert number is None or answer(machine, number) == REFUSE, name
    assert {answer(machine, numbers[column]) for numbers in HARMLESS.values()} == {ALLOW}


def test_other_processes_are_out_of_reach(machine: str) -> None:
    column = ARCHITECTURES[machine][0]
    for name, numbers in seccomp.ON_ITSELF_ONLY.items():
        assert answer(machine, numbers[column], os.getpid()) == ALLOW, name
        assert answer(machine, numbers[column], 0) == ALLOW, name
        assert answer(machine, numbers[column], os.getppid()) == REFUSE, name
        assert answer(machine, numbers[column], -1 & 0xFFFFFFFF) == REFUSE, name


def test_threads_start_and_processes_do_not(machine: str) -> None:
    clone = seccomp.CLONE[ARCHITECTURES[machine][0]]
    assert answer(machine, clone, THREAD | 0x100) == ALLOW
    assert answer(machine, clone, 17) == REFUSE


def test_commands_that_signal_others_or_outlive_the_parent_are_refused(machine: str) -> None:
    column = ARCHITECTURES[machine][0]
    assert answer(machine, seccomp.FCNTL[column], 3, 3) == ALLOW  # F_GETFL
    assert {answer(machine, seccomp.FCNTL[column], 3, command) for command in (8, 10, 15)} == {REFUSE}
    assert answer(machine, seccomp.PRCTL[column], 15) == ALLOW  # PR_SET_NAME
    assert answer(machine, seccomp.PRCTL[column], 1) == REFUSE


def test_new_calls_do_not_exist_and_those_of_other_processors_are_refused(machine: str) -> None:
    assert {answer(machine, number) for number in (424, 425, 434, 435, 452, 5_000, 0x40000000)} == {NO_SUCH_CALL}
    assert answer(machine, HARMLESS["read"][ARCHITECTURES[machine][0]], architecture=0x40000003) == REFUSE
