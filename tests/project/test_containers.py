"""The images and the compose file, run for real; `docker-compose build` must have made the images."""

import json
import os
import re
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence

import pytest

from tests import helpers
from tests.helpers import ROOT
from tests.ui.hosts import opens

pytestmark = pytest.mark.containers

IMAGES = ("live-xg-serving", "live-xg-dashboard")
SERVICES = ("dashboard", "replay", "serving")
KEY = "a-key-that-must-not-be-found"
TOKEN = "a-token-that-must-not-be-found"
ENVIRONMENT = {
    "XG_FEED_URL": "http://replay:8891",
    "XG_SERVING_PORT": "18690",
    "XG_UI_PORT": "18692",
    "XG_EXPLORE_PORT": "18696",
    "XG_REPLAY_SPEED": "100000",
    "COMET_API_KEY": KEY,
    "XG_ADMIN_TOKEN": TOKEN,
}


def run(*command: str, check: bool = True, settings: Mapping[str, str] = ENVIRONMENT) -> str:
    result = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **settings}, capture_output=True, text=True, timeout=180
    )
    assert result.returncode == 0 or not check, f"{' '.join(command)}: {result.stdout}{result.stderr}"
    return result.stdout + result.stderr


def compose(*arguments: str, check: bool = True, settings: Mapping[str, str] = ENVIRONMENT) -> str:
    command = ["docker-compose", "--project-name", "live-xg-test", "--profile", "demo", *arguments]
    return run(*command, check=check, settings=settings)


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


def wait_until_ready(serving: Sequence[int] = (18690,)) -> None:
    give_up = time.monotonic() + 90
    for address in (
        *(f"http://127.0.0.1:{port}/ready" for port in serving),
        "http://127.0.0.1:18692/_stcore/health",
    ):
        while True:
            try:
                with urllib.request.urlopen(address, timeout=2):
                    break
            except (urllib.error.URLError, OSError):
                assert time.monotonic() < give_up, compose("logs")
                time.sleep(0.3)


def ping() -> str:
    return compose("exec", "-T", "dashboard", "python", "-m", "scripts.ping_game", "2021020329")


def rows_scored(port: int = 18690) -> int:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
        return helpers.rows_scored(answer.read().decode())


@pytest.mark.usefixtures("system")
def test_game_is_scored_once_across_a_restart_of_all_containers() -> None:
    assert ping() == ""  # the first ping starts the game
    time.sleep(0.5)
    assert "89 rated" in ping()
    assert (ping(), rows_scored()) == ("", 89)
    compose("down")
    compose("up", "--detach", "--no-build")
    wait_until_ready()
    assert (ping(), rows_scored()) == ("", 0)  # the data is still there, so nothing is scored again


@pytest.fixture
def replicas() -> Iterator[tuple[int, ...]]:
    """Run three services pinned to one model, and yield their ports."""
    pinned = ENVIRONMENT | {"XG_MODEL": "bundled/xg-distance:1.0.0", "XG_SERVING_PORT": "18693-18695"}
    compose("down", "--volumes", check=False)
    compose("up", "--detach", "--no-build", "--scale", "serving=3", settings=pinned)
    try:
        ports = (18693, 18694, 18695)
        wait_until_ready(ports)
        yield ports
    finally:
        compose("down", "--volumes", settings=pinned)


def test_replicas_serve_one_model_and_score_a_game_once(replicas: tuple[int, ...]) -> None:
    ping()
    time.sleep(0.5)
    assert "89 rated" in ping()
    swap = json.dumps({"workspace": "bundled", "model": "xg-default"}).encode()
    asked = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}
    for port in replicas:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/model") as answer:
            assert json.load(answer)["model"] == "xg-distance"
        url = f"http://127.0.0.1:{port}/download_registry_model"
        with pytest.raises(urllib.error.HTTPError, match="409"):
            urllib.request.urlopen(urllib.request.Request(url, swap, asked), timeout=10)
    assert sum(map(rows_scored, replicas)) == 89
    busy = next(number for number, port in enumerate(replicas) if rows_scored(port))
    names = run("docker", "ps", "--filter", f"publish={replicas[busy]}", "--format", "{{.Names}}")
    run("docker", "kill", names.strip())
    assert ping() == ""  # nothing new, by one of the services that are left


def inside(service: str, code: str) -> str:
    return compose("--profile", "explore", "exec", "-T", service, "python", "-c", code, check=False).strip()


@pytest.mark.usefixtures("system")
def test_image_holds_its_own_part_only_and_no_secret() -> None:
    ping()
    for service, foreign in (
        ("serving", ("livegame", "streamlit")),
        ("dashboard", ("sklearn", "comet_ml", "xgserve.app")),
    ):
        for module in foreign:
            assert "ModuleNotFoundError" in inside(service, f"import {module}"), (service, module)
    secrets = (KEY, TOKEN)
    for image in IMAGES:
        built = run("docker", "history", "--no-trunc", image) + run("docker", "inspect", image)
        assert not [secret for secret in secrets if secret in built]
    assert not [secret for secret in secrets if secret in compose("logs")]
    # nor does any file hold one, including the log's database and what the processes left in /tmp
    search = (
        "import pathlib; print([str(p) for d in ('/app', '/data', '/tmp') for p in pathlib.Path(d).rglob('*')"
        f" if p.is_file() and any(s in p.read_bytes() for s in {[s.encode() for s in secrets]!r})])"
    )
    for service in SERVICES:
        assert inside(service, search) == "[]", service
    # the service alone has the key, and the two that use the token have it
    given = "import os; print(*sorted(n for n in os.environ if n.endswith(('_KEY', '_TOKEN')) and os.environ[n]))"
    assert [inside(service, given) for service in SERVICES] == [
        "XG_ADMIN_TOKEN",
        "",
        "COMET_API_KEY XG_ADMIN_TOKEN",
    ]


@pytest.mark.usefixtures("system")
def test_container_is_unprivileged_and_reachable_from_this_machine_only() -> None:
    rights = "print(open('/proc/1/status').read(), open('/proc/self/status').read())"
    for service in SERVICES:
        status = inside(service, rights)
        for line in ("CapEff:", "CapPrm:", "CapBnd:", "CapInh:", "CapAmb:"):
            assert set(re.findall(rf"{line}\t(\w+)", status)) == {"0" * 16}, (service, line)
        assert set(re.findall(r"NoNewPrivs:\t(\d)", status)) == {"1"}
        assert "0" not in re.findall(r"Uid:\t(\d+)", status)
        for path in ("/app/x", "/usr/local/x", "/etc/x"):
            refused = inside(service, f"open({path!r}, 'w')")
            assert "Read-only file system" in refused or "Permission denied" in refused, (service, path)
        assert "Read-only file system" in inside(service, "open('/app/x', 'w')")
        assert "No space left" in inside(service, "open('/tmp/x', 'wb').write(bytes(300 << 20))")
        assert inside(service, "import os; os.remove('/tmp/x')") == ""
        assert not inside(service, "import os; print(*[p for p in ('/var/run/docker.sock',) if os.path.exists(p)])")
    ports = run("docker", "ps", "--filter", "name=live-xg-test", "--format", "{{.Ports}}")
    published = re.findall(r"(\S+)->", ports)
    assert sorted(published) == ["127.0.0.1:18690", "127.0.0.1:18692"]


@pytest.fixture
def explored() -> Iterator[str]:
    """Run the history's container as well, from before the first ping, and yield its address."""
    if subprocess.run(["docker", "image", "inspect", "live-xg-explore"], capture_output=True).returncode:
        pytest.skip("no image: run docker-compose build explore")
    compose("--profile", "explore", "up", "--detach", "--no-build", "explore")
    try:
        yield "http://127.0.0.1:18696"
    finally:
        compose("--profile", "explore", "rm", "--force", "--stop", "explore")


@pytest.mark.usefixtures("system")
def test_history_is_shown_once_there_is_one_and_cannot_be_changed(explored: str) -> None:
    ping()
    time.sleep(0.5)
    ping()
    helpers.wait_until(lambda: "the history on" in compose("--profile", "explore", "logs", "explore"))
    with urllib.request.urlopen(f"{explored}/history/game.json?_shape=objects", timeout=10) as answer:
        assert [row["team"] for row in json.load(answer)["rows"]] == ["WSH", "CAR"]
    assert "Read-only file system" in inside("explore", "open('/data/history.db', 'r+b')")
    assert "Read-only file system" in inside("explore", "open('/data/x', 'w')")
    assert "ModuleNotFoundError" in inside("explore", "import sklearn")
    assert inside("explore", "import os; print(*[n for n in os.environ if n.endswith(('_KEY', '_TOKEN'))])") == ""


@pytest.mark.usefixtures("system")
def test_request_under_a_foreign_host_name_is_refused() -> None:
    for path in ("/logs", "/model", "/metrics"):
        request = urllib.request.Request(f"http://127.0.0.1:18690{path}", headers={"Host": "rebound.example.com"})
        with pytest.raises(urllib.error.HTTPError, match="421"):
            urllib.request.urlopen(request, timeout=10)
    assert opens(18692, "localhost")
    assert not opens(18692, "rebound.example.com")
