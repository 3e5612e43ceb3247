"""kill -9 of the real service at the worst moments, and the model that serves after the restart."""

import random
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import requests

from db.serving import Activations
from tests.helpers import wait_until
from tests.xgserve.helpers import Process, process
from tests.xgserve.registry import comet_standin, hostile
from tests.xgserve.registry.comet_standin import KEY, StandIn
from tests.xgserve.registry.helpers import put_in_cache, settings
from xgserve.client import ServingClient, ServingError
from xgserve.names import MODEL_SUFFIXES
from xgserve.registry.cache import REPLACED, TEMPORARY_PREFIX, ModelCache
from xgserve.registry.registry import open_registry


def access(comet: StandIn) -> dict[str, str]:
    return {"COMET_API_KEY": KEY, "COMET_URL_OVERRIDE": comet.url}


def ask_for(service: Process, version: str) -> threading.Thread:
    def ask() -> None:
        with suppress(ServingError):  # the service is killed before it answers
            ServingClient(service.url).download_registry_model("acme", "shots", version)

    thread = threading.Thread(target=ask)
    thread.start()
    return thread


def children(service: Process, module: str, megabytes: float = 0) -> list[psutil.Process]:
    """Return the service's children that run the module and have grown to some size."""
    found = []
    for child in psutil.Process(service.popen.pid).children():
        with suppress(psutil.Error):  # it ended meanwhile
            if module in " ".join(child.cmdline()) and child.memory_info().rss > megabytes * 1e6:
                found.append(child)
    return found


def kill(service: Process) -> None:
    """Kill the service alone, and check that its children end too."""
    left = psutil.Process(service.popen.pid).children(recursive=True)
    assert service.stop(signal.SIGKILL) == -signal.SIGKILL
    wait_until(lambda: not [child for child in left if child.is_running() and child.status() != "zombie"])


def check_bundled(tmp_path: Path, workspace: str | None) -> None:
    """Check that the bundled model serves and that the disk holds no unfinished files."""
    assert workspace == "bundled"
    assert not list((tmp_path / "data/models").glob(".temporary-*")), "what was left behind is swept"
    assert not [path for path in (tmp_path / "data/models").rglob("*") if path.suffix in MODEL_SUFFIXES]


def test_service_killed_while_it_gets_a_model_restarts_with_the_one_before(tmp_path: Path, comet: StandIn) -> None:
    comet.add("acme", "shots", "1.0.0", hostile.zipped(hostile.never_ends()))
    comet.faults["download"] = comet_standin.hang(comet)
    with process(tmp_path, access(comet)) as service:
        asking = ask_for(service, "1.0.0")
        wait_until(lambda: "download" in comet.asked)
        (child,) = children(service, "xgserve.registry.comet")
        assert KEY not in " ".join(child.cmdline())
        assert requests.get(f"{service.url}/ready", timeout=10).ok, "it serves while it downloads"
        kill(service)
        asking.join()
    assert list((tmp_path / "data/models").glob(".temporary-*"))

    del comet.faults["download"]
    with process(tmp_path, access(comet) | {"XG_TRUST_PICKLE_WORKSPACES": "acme"}) as service:
        check_bundled(tmp_path, requests.get(f"{service.url}/model", timeout=10).json()["workspace"])
        asking = ask_for(service, "1.0.0")
        wait_until(lambda: children(service, "xgserve.compiler.child", megabytes=150))  # its imports are done
        kill(service)
        asking.join()

    registry = open_registry(settings(tmp_path / "data"))
    check_bundled(tmp_path, registry.active.name.workspace if registry.active else None)


def test_service_killed_while_activating_restarts_with_a_whole_model(tmp_path: Path) -> None:
    """Whatever the moment: the restart serves the model that was recorded last."""
    for version in ("1.0.0", "2.0.0"):
        put_in_cache(tmp_path / "data", version, 0.0)
    chance = random.Random(4)
    for _ in range(2):
        with process(tmp_path) as service:
            client = ServingClient(service.url)
            for number in range(5):
                client.download_registry_model("acme", "shots", f"{number % 2 + 1}.0.0")
            asking = ask_for(service, "2.0.0")
            time.sleep(chance.random() / 20)
            kill(service)
            asking.join()
        recorded = Activations(tmp_path / "data" / "serving.db").latest()
        assert recorded is not None
        registry = open_registry(settings(tmp_path / "data"))
        assert registry.startup_problem is None
        assert registry.active is not None
        assert (registry.active.name.version, registry.active.digest) == (recorded.version, recorded.digest)


def test_model_that_a_killed_process_was_to_replace_is_put_back(tmp_path: Path) -> None:
    name = put_in_cache(tmp_path, "1.0.0", 0.5)
    cache, unfinished = ModelCache(tmp_path / "models"), tmp_path / "models" / f"{TEMPORARY_PREFIX}killed"
    found = cache.find(name)
    assert found is not None
    unfinished.mkdir()
    found.artifact.parent.rename(unfinished / REPLACED)
    assert cache.find(name) is None
    assert cache.sweep() == 1
    assert cache.find(name) == found
    assert not unfinished.exists()
