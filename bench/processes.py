"""Start servers as processes, and measure their time and memory with all their children (Linux)."""

import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

START_WITHIN_S = 60.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Server:
    """How to start a server, and where it takes predictions."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    url: str


@dataclass(frozen=True)
class Started:
    """A server that has answered its first prediction, and the seconds until then."""

    process: "subprocess.Popen[bytes]"
    seconds: float

    @property
    def cpu_s(self) -> float:
        """Return the processor time that it has used so far, in seconds."""
        return sum(sum(map(int, _stat(pid)[11:13])) for pid in self._pids()) / TICKS

    @property
    def rss_mib(self) -> float:
        """Return the memory that it holds now, in MiB."""
        pages = (int(Path(f"/proc/{pid}/statm").read_text().split()[1]) for pid in self._pids())
        return sum(pages) * PAGE / (1 << 20)

    def _pids(self) -> Iterator[int]:
        waiting = [self.process.pid]
        for pid in waiting:
            yield pid
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                waiting += map(int, children.read_text().split())


@contextmanager
def running(server: Server, body: bytes, log: Path) -> Iterator[Started]:
    """Start a server and wait until it answers the body; stop it afterwards."""
    began = time.perf_counter()
    with log.open("wb") as out:
        process = subprocess.Popen(server.command, env=os.environ | server.environment, stdout=out, stderr=out)
    try:
        while not _answers(server.url, body):
            if process.poll() is not None or time.perf_counter() - began > START_WITHIN_S:
                sys.exit(f"{server.name} did not start; its log ends with:\n{log.read_text()[-2000:]}")
            time.sleep(0.01)
        yield Started(process, time.perf_counter() - began)
    finally:
        process.terminate()
        process.wait(30)


def _answers(url: str, body: bytes) -> bool:
    try:
        post(url, body)
    except urllib.error.HTTPError as error:
        sys.exit(f"{url} answers {error.code}: {error.read()[:500].decode(errors='replace')}")
    except OSError:
        return False
    return True


def post(url: str, body: bytes) -> bytes:
    """Request one prediction over HTTP, and return the answer."""
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - our own address
    with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - the same
        return bytes(answer.read())


def _stat(pid: int) -> list[str]:
    # the name of a process may hold spaces and brackets
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
