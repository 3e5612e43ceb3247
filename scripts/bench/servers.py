"""The servers that the measurements talk to: the service as it ships, and apps beside it."""

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import waitress.server


@contextmanager
def service(folder: Path, **settings: str) -> Iterator[str]:
    """The service as it ships, in a process of its own, with further settings."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "XG_DATA_DIR": str(folder),
        "XG_SERVING_PORT": str(port),
        "XG_LOG_LEVEL": "INFO",
        **settings,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "xgserve"], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _is_ready(url):
            if process.poll() is not None:
                sys.exit("the prediction service did not start; run python -m xgserve to see why")
            time.sleep(0.2)
        yield url
    finally:
        process.terminate()
        process.wait()


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/ready") as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def served(app: Any) -> Iterator[str]:
    """A WSGI app on waitress, in a thread of this process."""
    server: Any = waitress.server.create_server(app, host="127.0.0.1", port=0, threads=4)
    threading.Thread(target=server.run, daemon=True).start()
    yield f"http://127.0.0.1:{server.effective_port}"  # ends with this process
