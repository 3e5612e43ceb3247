"""Only this machine, under its own names, may open the dashboard, unless the operator allows others."""

import http.client
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psutil
import pytest

from bench.servers import free_port
from tests.helpers import ROOT
from tests.ui.hosts import ask, opens

START_TIMEOUT_S = 60


@contextmanager
def dashboard(folder: Path, **settings: str) -> Iterator[tuple[psutil.Process, int]]:
    """The dashboard, started from a folder that is not the project's; its process and port."""
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("XG_", "STREAMLIT_"))}
    environment |= {"PYTHONPATH": str(ROOT), "XG_UI_PORT": str(port), "XG_DATA_DIR": str(folder)} | settings
    with (folder / "log").open("wb") as log:
        running = subprocess.Popen(
            [sys.executable, "-m", "scripts.dashboard"], cwd=folder, env=environment, stdout=log, stderr=log
        )
    try:
        give_up = time.monotonic() + START_TIMEOUT_S
        while b"200 OK" not in ask(port, "localhost", "/_stcore/health"):
            assert running.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < give_up, (folder / "log").read_text()
            time.sleep(0.1)
        yield psutil.Process(running.pid), port
    finally:
        running.kill()
        running.wait()


def test_dashboard_by_default_opens_on_this_machine_under_its_own_names_only(tmp_path: Path) -> None:
    with dashboard(tmp_path) as (running, port):
        listening = {c.laddr.ip for c in running.net_connections() if c.status == psutil.CONN_LISTEN}
        assert listening == {"127.0.0.1"}
        assert opens(port, "localhost")
        assert opens(port, "127.0.0.1")
        assert not opens(port, "rebound.example.com")
        assert not opens(port, "localhost", origin="elsewhere.example.com")


@pytest.mark.parametrize("names", ["xg.example.org, 192.168.1.7"])
def test_host_named_by_the_operator_opens_the_dashboard(tmp_path: Path, names: str) -> None:
    with dashboard(tmp_path, XG_ALLOWED_HOSTS=names) as (_, port):
        assert opens(port, "xg.example.org")
        assert opens(port, "192.168.1.7")
        assert opens(port, "localhost")
        assert not opens(port, "rebound.example.com")


def test_every_answer_forbids_frames_of_other_sites(tmp_path: Path) -> None:
    with dashboard(tmp_path) as (_, port):
        for path in ("/", "/service", "/_stcore/health", "/_stcore/host-config", "/no-such-file.js"):
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=10)) as connection:
                connection.request("GET", path, headers={"Host": f"localhost:{port}"})
                answer = connection.getresponse()
            assert answer.headers.get_all("Content-Security-Policy") == ["frame-ancestors 'self'"], path
            assert answer.headers.get_all("X-Frame-Options") == ["SAMEORIGIN"], path
