"""A bounded child process: one JSON request on its standard input, one JSON line on its standard output.

For work that must not be able to harm the service: the child has an empty home and working folder, an environment made
from scratch, a deadline, limits on memory, processor time and the size of each file it writes, and it is confined to
the files it needs (`confine`). It dies with its parent, whatever kills the parent.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec, module_from_spec
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from xgserve.errors import BY_CODE, RegistryError
from xgserve.sandbox.confine import confine

# What a child may need to run at all; everything else, above all secrets, is left out.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")
MAX_ANSWER_BYTES = 1_000_000
ANSWER_ROOM_BYTES = 4096
MAX_OPEN_FILES = 256
PR_SET_PDEATHSIG = 1


class _Refusal(Struct):
    code: str
    message: str
    details: dict[str, Any]


class _Answer(Struct):
    result: dict[str, Any] = {}
    error: _Refusal | None = None


class ChildTimeout(Exception):
    """The child was killed at its deadline."""


class ChildDied(Exception):
    """The child ended without an answer; the message says how, with the last line of its stderr."""


def run_child(
    module: str,
    request: Mapping[str, Any],
    *,
    scratch: Path,
    seconds: float,
    file_bytes: int,
    readable: Sequence[Path] = (),
    writable: Sequence[Path] = (),
    network: bool = False,
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return what `handle(request)` of the module returns, called in a child that works in the empty folder `scratch`.

    `seconds` bounds the run, `file_bytes` each file the child writes. It can read Python and its libraries, and beyond
    these only the files and folders `readable` and `writable`; it can write only the latter and a folder of its own.
    Without `network`, it can open no connection. The bounds hold before `module` is imported.

    Raises:
        ChildTimeout: no answer in time; the child is killed.
        ChildDied: the child could not be started, crashed, or was killed.
        RegistryError: what `handle` raised.
        OSError: `scratch` cannot be written.
    """
    home = scratch / "home"
    home.mkdir()
    bounds = bounds_of(
        seconds=seconds, file_bytes=file_bytes, readable=readable, writable=(home, *writable), network=network
    )
    answer, stderr = scratch / "answer", scratch / "stderr"
    # files, not pipes: a child that writes endlessly hits its file limit, not our memory
    with answer.open("wb", buffering=0) as out, stderr.open("wb") as err:
        out.write(b" " * ANSWER_ROOM_BYTES)  # so that the child can say that the disk is full
        out.seek(0)
        try:
            process = subprocess.Popen(  # noqa: S603 - our own module
                command(module, "handle"),
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=home,
                env=environment_of(home) | dict(environment or {}),
                start_new_session=True,
            )
        except OSError as error:
            raise ChildDied(f"could not be started: {error.strerror}") from error
    try:
        process.communicate(first_message(bounds, request), timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ChildTimeout(f"no answer within {seconds:g} s") from error
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return _read_answer(answer, stderr, process.returncode)


def command(module: str, function: str) -> list[str]:
    """Return the command of a child that takes its first message and then calls the function of the module."""
    return [sys.executable, "-m", "xgserve.sandbox", module, function]


def bounds_of(
    *,
    seconds: float | None,
    file_bytes: int,
    readable: Sequence[Path],
    writable: Sequence[Path] = (),
    network: bool = False,
) -> dict[str, Any]:
    """Return the bounds of a child of this process, for its first message; without `seconds`, it has no deadline."""
    return {
        "parent": os.getpid(),
        "seconds": seconds,
        "file_bytes": file_bytes,
        "readable": [str(path.absolute()) for path in readable],
        "writable": [str(path.absolute()) for path in writable],
        "network": network,
    }


def first_message(bounds: Mapping[str, Any], request: Mapping[str, Any]) -> bytes:
    """Return the line that a child reads first."""
    return json.dumps({"bounds": bounds, "request": request}).encode() + b"\n"


def environment_of(home: Path) -> dict[str, str]:
    """Return a child's whole environment."""
    inherited = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return inherited | {
        "HOME": str(home),
        "TMPDIR": str(home),
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "PYTHONSAFEPATH": "1",  # nothing is imported from the working folder
        "PYTHONDONTWRITEBYTECODE": "1",
        # one thread: less address space, and the processors stay free for predictions
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
        "JOBLIB_MULTIPROCESSING": "0",  # it may start no process
    }


def _read_answer(answer: Path, stderr: Path, returncode: int) -> dict[str, Any]:
    with answer.open("rb") as file:
        content = file.read(MAX_ANSWER_BYTES)  # an answer that is cut off is not JSON
    try:
        decoded = msgspec.convert(json.loads(content), _Answer)
    except (ValueError, RecursionError) as unreadable:  # whatever opens models may write anything here
        raise ChildDied(f"{how_it_ended(returncode)}{_last_words(stderr)}") from unreadable
    if error := decoded.error:
        details = {name: value for name, value in error.details.items() if name != "headers"}
        raise BY_CODE.get(error.code, RegistryError)(error.message, **details)
    return decoded.result


def how_it_ended(returncode: int) -> str:
    """Return the end of a process in words."""
    if returncode >= 0:
        return f"ended with code {returncode} and without an answer"
    try:
        return f"was killed by {signal.Signals(-returncode).name}"
    except ValueError:
        return f"was killed by signal {-returncode}"


def _last_words(stderr: Path) -> str:
    with stderr.open("rb") as file:
        file.seek(max(0, stderr.stat().st_size - 500))
        words = file.read().decode("utf-8", "replace").strip()
    return f": {words.splitlines()[-1]}" if words else ""


# ---------------------------------------------------------------------------------------------------------------------
# In the child


def main(module: str, function: str) -> None:
    """Take on the bounds in the first message, and only then import the module, for its `handle` or its `serve`.

    `handle(request)` returns or raises the one answer. `serve(request, input, output)` answers as long as it likes.
    """
    answer_to = _private_output()
    message = json.loads(sys.stdin.buffer.readline())
    bounds = message["bounds"]
    _die_with(bounds["parent"])
    _limit(bounds["seconds"], bounds["file_bytes"])
    spec = find_spec(module)  # while its folder can still be listed
    if spec is None or spec.loader is None:
        raise ModuleNotFoundError(f"no module {module}", name=module)
    loaded = sys.modules[module] = module_from_spec(spec)
    confine(
        readable=[Path(path) for path in bounds["readable"]],
        writable=[Path(path) for path in bounds["writable"]],
        network=bounds["network"],
    )
    spec.loader.exec_module(loaded)
    if function == "serve":
        loaded.serve(message["request"], sys.stdin.buffer, answer_to)
    else:
        _answer(loaded.handle, message["request"], answer_to)
    os._exit(0)  # no exit hook of a library may delay or fail an answer that is written


def _answer(handle: Callable[[dict[str, Any]], dict[str, Any]], request: dict[str, Any], answer_to: int) -> None:
    try:
        answer: dict[str, Any] = {"result": handle(request)}
    except RegistryError as error:
        answer = {"error": {"code": error.code, "message": str(error), "details": error.details}}
    os.write(answer_to, json.dumps(answer).encode() + b"\n")


def _private_output() -> int:
    """Return a copy of the standard output, which becomes a copy of standard error.

    What a library prints must not end up in an answer.
    """
    answer_to = os.dup(1)
    os.dup2(2, 1)
    return answer_to


def _die_with(parent: int) -> None:
    """Have this process killed when the parent ends, or the thread of it that started this process."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # when memory runs out, the kernel should kill this process and not the service
        with suppress(OSError):  # some sandboxes forbid it
            Path("/proc/self/oom_score_adj").write_text("1000")
    if os.getppid() != parent:  # it died before the line above
        os._exit(1)


def _limit(seconds: float | None, file_bytes: int) -> None:
    if seconds is not None:
        whole_seconds = int(seconds) + 2
        signal.alarm(whole_seconds)  # ends the child even if the kernel has no parent-death signal
        resource.setrlimit(resource.RLIMIT_CPU, (whole_seconds, whole_seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_OPEN_FILES, MAX_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_memory(budget_bytes: int) -> None:
    """Allow `budget_bytes` of address space beyond what is mapped now (Linux; elsewhere no limit)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except FileNotFoundError:
        return
    limit = pages * resource.getpagesize() + budget_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
