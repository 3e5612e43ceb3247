"""A bounded child process: one JSON request on its standard input, one JSON line on its standard output.

For work that must not be able to harm the service: the child has an empty home and working folder, an environment made
from scratch, a deadline, and limits on memory, processor time and the size of each file it writes. It dies with its
parent, whatever kills the parent.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from xgserve.errors import BY_CODE, RegistryError

# What a child may need to run at all; everything else, above all secrets, is left out.
PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")
MAX_ANSWER_BYTES = 1_000_000
PR_SET_PDEATHSIG = 1


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
    environment: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Run `python -m module` in the empty folder `scratch` and return its answer.

    `seconds` bounds the run, `file_bytes` each file the child writes.

    Raises:
        ChildTimeout: no answer in time; the child and all that it started are killed.
        ChildDied: the child could not be started, crashed, or was killed.
        RegistryError: what the child's handler raised.
        OSError: `scratch` cannot be written.
    """
    home = scratch / "home"
    home.mkdir()
    limits = {"parent": os.getpid(), "seconds": seconds, "file_bytes": file_bytes}
    answer, stderr = scratch / "answer", scratch / "stderr"
    # files, not pipes: a child that writes endlessly hits its file limit, not our memory
    with answer.open("wb") as out, stderr.open("wb") as err:
        try:
            process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", module],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=home,
                env=_environment(home) | dict(environment or {}),
                start_new_session=True,
            )
        except OSError as error:
            raise ChildDied(f"could not be started: {error.strerror}") from error
    try:
        process.communicate(json.dumps({"limits": limits, "request": request}).encode(), timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise ChildTimeout(f"no answer within {seconds:g} s") from error
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return _read_answer(answer, stderr, process.returncode)


def serve_one(handle: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """In the child: apply the limits, and answer the request with what `handle` returns or raises."""
    # what a library prints must not end up in the answer
    answer_to = os.dup(1)
    os.dup2(2, 1)
    message = json.load(sys.stdin)
    _apply(message["limits"])
    try:
        answer: dict[str, Any] = {"result": handle(message["request"])}
    except RegistryError as error:
        answer = {"error": {"code": error.code, "message": str(error), "details": error.details}}
    os.write(answer_to, json.dumps(answer).encode() + b"\n")
    os._exit(0)  # no exit hook of a library may delay or fail an answer that is written


def limit_memory(budget_bytes: int) -> None:
    """In the child: allow `budget_bytes` of address space beyond what is mapped now (Linux; elsewhere no limit)."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except FileNotFoundError:
        return
    limit = pages * resource.getpagesize() + budget_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _environment(home: Path) -> dict[str, str]:
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
    }


def _apply(limits: Mapping[str, Any]) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        # when memory runs out, the kernel should kill this process and not the service
        with suppress(OSError):  # some sandboxes forbid it
            Path("/proc/self/oom_score_adj").write_text("1000")
    if os.getppid() != limits["parent"]:  # the parent died before the line above
        os._exit(1)
    seconds = int(limits["seconds"]) + 2
    signal.alarm(seconds)  # ends the child even if the kernel has no parent-death signal
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits["file_bytes"], limits["file_bytes"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _read_answer(answer: Path, stderr: Path, returncode: int) -> dict[str, Any]:
    with answer.open("rb") as file:
        content = file.read(MAX_ANSWER_BYTES)  # an answer that is cut off is not JSON
    try:
        decoded: dict[str, dict[str, Any]] = json.loads(content)
    except ValueError as unreadable:
        raise ChildDied(f"{_how_it_ended(returncode)}{_last_words(stderr)}") from unreadable
    if error := decoded.get("error"):
        raise BY_CODE[error["code"]](error["message"], **error["details"])
    return decoded["result"]


def _how_it_ended(returncode: int) -> str:
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
