"""A service pinned to a model by XG_MODEL serves this model or none, and leaves nothing behind when unpinned."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from db.environment import SettingsError
from tests.helpers import wait_until
from tests.xgserve.helpers import running
from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import KEY, StandIn
from tests.xgserve.registry.helpers import settings
from xgserve.errors import ModelPinned
from xgserve.names import ModelName
from xgserve.registry import pinned as pinned_module
from xgserve.registry.cache import ModelCache
from xgserve.registry.registry import open_registry
from xgserve.settings import ServiceSettings

pytestmark = pytest.mark.usefixtures("compiled_once")

DISTANCE = ModelName("bundled", "xg-distance", "1.0.0")
SHOTS = ModelName("acme", "shots", "1.0.0")


def test_pinned_model_serves_and_every_other_is_refused(tmp_path: Path) -> None:
    with running(tmp_path, pinned_model=DISTANCE) as service:
        assert service.get("/model").json()["id"].startswith("bundled/xg-distance:1.0.0@")
        for path, body in (
            ("/download_registry_model", {"workspace": "bundled", "model": "xg-default"}),
            ("/download_registry_model", {"workspace": "bundled", "model": "xg-distance"}),
            ("/rollback", {}),
        ):
            refused = service.post(path, body)
            error = refused.json()["error"]
            assert (refused.status_code, error["code"]) == (409, "model_pinned")
            assert "pinned to bundled/xg-distance:1.0.0 by XG_MODEL" in error["message"]
        same = service.post(
            "/download_registry_model", {"workspace": "bundled", "model": "xg-distance", "version": "1.0.0"}
        )
        assert (same.status_code, same.json()["source"]) == (200, "bundled")


def test_model_that_was_chosen_before_the_pin_is_back_after_it(tmp_path: Path) -> None:
    open_registry(settings(tmp_path)).activate("bundled", "xg-distance-angle", None)
    pinned = open_registry(settings(tmp_path, pinned_model=DISTANCE))
    assert pinned.active is not None
    assert pinned.active.name == DISTANCE
    after = open_registry(settings(tmp_path))
    assert after.active is not None
    assert after.active.name.name == "xg-distance-angle"


def test_pinned_model_that_is_not_here_comes_from_the_registry(tmp_path: Path, comet: StandIn) -> None:
    comet.add("acme", "shots", "1.0.0", hostile.zipped(hostile.good(0.5)))
    with running(tmp_path, pinned_model=SHOTS, comet_api_key=KEY, comet_url=comet.url) as service:
        wait_until(lambda: service.get("/ready").status_code == 200)
        assert service.get("/model").json()["id"].startswith("acme/shots:1.0.0@")
    comet.asked.clear()
    again = open_registry(settings(tmp_path, comet, pinned_model=SHOTS))
    assert again.active is not None
    assert comet.asked == [], "the next start finds it in the cache"


def test_pinned_model_that_fails_is_tried_again_and_no_other_serves(
    tmp_path: Path, comet: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinned_module, "RETRY_S", 0.1)
    with running(tmp_path, pinned_model=SHOTS, comet_api_key=KEY, comet_url=comet.url) as service:
        wait_until(lambda: "could not be loaded" in str(service.get("/ready").json()["checks"]["stored_model"]))
        ready = service.get("/ready")
        assert (ready.status_code, ready.json()["checks"]["model"]["problem"]) == (503, "no model is loaded")
        assert "acme/shots:1.0.0 of XG_MODEL" in ready.json()["checks"]["stored_model"]["problem"]
        predicted = service.post("/predict", [{"distance": 1, "angle": 2}])
        assert (predicted.status_code, predicted.json()["error"]["code"]) == (503, "no_model")
        comet.add("acme", "shots", "1.0.0", hostile.zipped(hostile.good(0.5)))
        wait_until(lambda: service.get("/ready").status_code == 200)


def test_pin_that_names_a_stage_is_refused_and_not_tried_again(tmp_path: Path, comet: StandIn) -> None:
    comet.add("acme", "shots", "1.0.0", hostile.zipped(hostile.good(0.5)), ["Production"])
    registry = open_registry(settings(tmp_path, comet, pinned_model=ModelName("acme", "shots", "Production")))
    wait_until(lambda: "must name a version" in str(registry.startup_problem))
    assert registry.active is None
    wait_until(lambda: "pinned model" not in [thread.name for thread in threading.enumerate()])  # it would never be one


def test_pin_does_not_open_a_workspace_that_is_not_allowed(
    tmp_path: Path, comet: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pinned_module, "RETRY_S", 0.05)
    comet.add("acme", "shots", "1.0.0", hostile.zipped(hostile.good(0.5)))
    open_registry(settings(tmp_path, comet)).activate("acme", "shots", "1.0.0")
    comet.asked.clear()
    allowed = frozenset({"others"})
    for data_dir in (tmp_path, tmp_path / "without_cache"):
        registry = open_registry(settings(data_dir, comet, pinned_model=SHOTS, workspaces=allowed))
        time.sleep(0.5)
        assert "XG_WORKSPACES" in str(registry.startup_problem)
        assert registry.active is None
    assert comet.asked == []


def test_replicas_that_download_one_model_at_the_same_time_all_get_it(tmp_path: Path, comet: StandIn) -> None:
    comet.add("acme", "shots", "1.0.0", hostile.zipped(hostile.good(0.5)))
    replicas = [open_registry(settings(tmp_path, comet, pinned_model=SHOTS)) for _ in range(3)]
    wait_until(lambda: all(replica.active is not None for replica in replicas))
    assert len({replica.active.id for replica in replicas if replica.active}) == 1
    assert all(replica.startup_problem is None for replica in replicas)


def test_folder_in_use_is_never_swept(tmp_path: Path) -> None:
    over = threading.Event()

    def sweep() -> None:
        while not over.is_set():
            ModelCache(tmp_path).sweep()  # as a process does that starts

    with ThreadPoolExecutor(1) as pool:
        sweeping = pool.submit(sweep)
        try:
            for _ in range(500):
                with ModelCache(tmp_path).temporary() as room:
                    (room / "model.skops").write_bytes(b"part of it")
        finally:
            over.set()
        sweeping.result()


def test_model_published_by_several_processes_stays_readable(tmp_path: Path) -> None:
    content = hostile.good(0.5)

    def publish() -> Path:
        cache = ModelCache(tmp_path)  # of a process of its own
        with cache.temporary() as room:
            for file, bytes_ in content.items():
                (room / file).write_bytes(bytes_)
            ready = room.rename(room.with_name(room.name + "-ready"))
            return cache.publish(ready, SHOTS, "model.skops").artifact

    artifact = publish()
    first = artifact.stat().st_ino
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(lambda _: publish(), range(40))) == {artifact}
    assert artifact.stat().st_ino == first


@pytest.mark.parametrize(
    "text", ["xg-default", "bundled/xg-default", "bundled/xg-default:", "a/b/c:1", "../x:1", "a/b:1 2"]
)
def test_pin_without_a_version_is_refused_at_the_start(text: str) -> None:
    with pytest.raises(SettingsError, match=r"XG_MODEL.*workspace/model:version"):
        ServiceSettings.from_env({"XG_MODEL": text})


def test_pinned_service_refuses_with_model_pinned() -> None:
    assert (ModelPinned.status, ModelPinned.code) == (409, "model_pinned")
    assert ServiceSettings.from_env({"XG_MODEL": " bundled/xg-default:1.0.0 "}).pinned_model == ModelName(
        "bundled", "xg-default", "1.0.0"
    )
