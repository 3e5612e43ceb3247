"""The servers that are measured: the service and the dashboard as they ship, and other apps."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import waitress.server

ROOT: Final = Path(__file__).resolve().parents[1]


def free_port() -> int:
    """Return a loopback port at which nothing listens right now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def service(folder: Path, **settings: str) -> Iterator[str]:
    """Run the service as it ships, with its data in `folder` and further settings."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    environment = {"XG_DATA_DIR": str(folder), "XG_SERVING_PORT": str(port), "XG_LOG_LEVEL": "INFO", **settings}
    with _process(["-m", "xgserve"], environment, f"{url}/ready"):
        yield url


@contextmanager
def dashboard(settings: Mapping[str, str]) -> Iterator[str]:
    """Run the dashboard as it ships; yield its address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["-m", "streamlit", "run", "ui/server.py", f"--server.port={port}"]
    with _process(command, {"PYTHONPATH": str(ROOT), **settings}, f"{url}/_stcore/health"):
        yield url


@contextmanager
def _process(arguments: Sequence[str], environment: Mapping[str, str], health: str) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while not _is_ready(health):
            if process.poll() is not None:
                sys.exit(f"the server did not start; run python {' '.join(arguments)} to see why")
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait()


def _is_ready(health: str) -> bool:
    try:
        with urllib.request.urlopen(health, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve a WSGI app on waitress, in a thread of this process; yield its address."""
    server: Any = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=4)
    threading.Thread(target=server.run, daemon=True).start()
    yield f"http://127.0.0.1:{server.effective_port}"  # ends with this process
