"""The images and the compose file, run for real: `docker-compose build` first, then these find them."""

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.containers

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ("live-xg-serving", "live-xg-dashboard")
KEY = "a-key-that-must-not-be-found"
ENVIRONMENT = {
    "XG_FEED_URL": "http://replay:8891",
    "XG_SERVING_PORT": "18690",
    "XG_UI_PORT": "18692",
    "XG_REPLAY_SPEED": "100000",
    "COMET_API_KEY": KEY,
}


def run(*command: str, check: bool = True) -> str:
    result = subprocess.run(
        command, cwd=ROOT, env=os.environ | ENVIRONMENT, capture_output=True, text=True, timeout=180
    )
    assert result.returncode == 0 or not check, f"{' '.join(command)}: {result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def compose(*arguments: str, check: bool = True) -> str:
    return run("docker-compose", "--project-name", "live-xg-test", "--profile", "demo", *arguments, check=check)


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    if not shutil.which("docker-compose") or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("no container engine")
    if subprocess.run(["docker", "image", "inspect", *IMAGES], capture_output=True).returncode:
        pytest.skip("no images: run docker-compose build")


@pytest.fixture
def system() -> Iterator[None]:
    compose("down", "--volumes", check=False)
    compose("up", "--detach", "--no-build")
    try:
        wait_until_ready()
        yield
    finally:
        compose("down", "--volumes")


def wait_until_ready() -> None:
    give_up = time.monotonic() + 90
    for address in ("http://127.0.0.1:18690/ready", "http://127.0.0.1:18692/_stcore/health"):
        while True:
            try:
                with urllib.request.urlopen(address, timeout=2):
                    break
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < give_up, compose("logs")
                time.sleep(0.3)


def ping() -> str:
    return compose("exec", "-T", "dashboard", "python", "-m", "scripts.ping_game", "2021020329")


def rows_scored() -> int:
    with urllib.request.urlopen("http://127.0.0.1:18690/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(float(line.split()[-1])) for line in lines if line.startswith("xg_rows_scored_total"))


@pytest.mark.usefixtures("system")
def test_a_game_is_scored_once_whatever_goes_down_and_comes_up() -> None:
    assert ping() == ""  # the game begins with the first ping
    time.sleep(0.5)
    assert "89 scored" in ping()
    assert (ping(), rows_scored()) == ("", 89)
    compose("down")
    compose("up", "--detach", "--no-build")
    wait_until_ready()
    assert (ping(), rows_scored()) == ("", 0)  # the data is still there: nothing to be asked again


@pytest.mark.usefixtures("system")
def test_each_image_holds_its_own_part_only_and_no_key() -> None:
    def inside(service: str, code: str) -> str:
        return compose("exec", "-T", service, "python", "-c", code, check=False)

    for service, foreign in (
        ("serving", ("livegame", "streamlit")),
        ("dashboard", ("sklearn", "comet_ml", "xgserve.app")),
    ):
        for module in foreign:
            assert "ModuleNotFoundError" in inside(service, f"import {module}"), (service, module)
        assert inside(service, "import os; print(os.getuid() > 0)").strip() == "True"
        assert "Read-only file system" in inside(service, "open('/app/x', 'w')")
    for image in IMAGES:
        assert KEY not in run("docker", "history", "--no-trunc", image) + run("docker", "inspect", image)
    assert KEY not in compose("logs")
