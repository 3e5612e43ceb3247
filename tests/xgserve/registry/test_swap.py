"""Swaps under load, rollback, and the model after a restart."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from db.serving import Activations
from tests.helpers import wait_until
from tests.xgserve.helpers import process
from tests.xgserve.registry import comet_standin, hostile
from tests.xgserve.registry.comet_standin import StandIn
from tests.xgserve.registry.helpers import put_in_cache, refusal, settings
from xgserve.client import ServingClient
from xgserve.errors import RegistryError
from xgserve.registry.registry import Registry, open_registry

pytestmark = pytest.mark.usefixtures("compiled_once")

# A thousand take minutes: XG_TEST_SWAPS=1000 pytest tests/xgserve/registry/test_swap.py -k production -s --timeout=1200
SWAPS = int(os.environ.get("XG_TEST_SWAPS", "30"))
CLIENTS = 8


def test_predictions_never_see_half_a_swap(tmp_path: Path) -> None:
    for version, intercept in (("1.0.0", -2.0), ("2.0.0", 2.0)):
        put_in_cache(tmp_path, version, intercept)
    registry = open_registry(settings(tmp_path))
    rows = {str(name): column.tolist() for name, column in hostile.ROWS.items()}
    models = [registry.activate("acme", "shots", version).model for version in ("1.0.0", "2.0.0")]
    expected = {model.id: model.predict(rows, range(4)) for model in models}
    swapping = threading.Event()
    swapping.set()

    def predict() -> set[str]:
        seen = set()
        while swapping.is_set():
            model = registry.active
            assert model is not None
            assert (model.predict(rows, range(4)) == expected[model.id]).all()
            seen.add(model.id)
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(predict) for _ in range(3)]
        try:
            for number in range(20):
                activation = registry.activate("acme", "shots", f"{number % 2 + 1}.0.0")
                assert registry.active is activation.model
        finally:
            swapping.clear()
    assert set.union(*(reader.result() for reader in readers)) == set(expected)


def test_swaps_under_load_lose_no_request_on_the_production_server(tmp_path: Path) -> None:
    """No request fails, each answer has the probabilities of the model it names; memory and open files stay flat."""
    for version, intercept in (("1.0.0", -2.0), ("2.0.0", 2.0)):
        put_in_cache(tmp_path / "data", version, intercept)
    with process(tmp_path) as service:
        swapper = ServingClient(service.url)
        expected = {}
        for version in ("1.0.0", "2.0.0"):
            swapper.download_registry_model("acme", "shots", version)
            prediction = swapper.predict(hostile.ROWS)
            expected[prediction.model_id] = prediction.probabilities.tolist()
        assert len(expected) == 2
        done = threading.Event()

        def ask() -> int:
            client, answered = ServingClient(service.url), 0
            while not done.is_set():
                prediction = client.predict(hostile.ROWS)
                assert prediction.probabilities.tolist() == expected[prediction.model_id]
                answered += 1
            return answered

        watched = psutil.Process(service.popen.pid)
        with ThreadPoolExecutor(CLIENTS) as pool:
            askers = [pool.submit(ask) for _ in range(CLIENTS)]
            started = time.monotonic()
            try:
                sizes, open_files = [], []
                for number in range(SWAPS):
                    version = f"{number % 2 + 1}.0.0"
                    swapper.download_registry_model("acme", "shots", version)
                    assert swapper.predict(hostile.ROWS).model.version == version, "the swap was answered before"
                    sizes.append(watched.memory_info().rss / 1e6)
                    open_files.append(watched.num_fds())
            finally:
                took = time.monotonic() - started
                done.set()
        answered = [asker.result() for asker in askers]
        assert not watched.children(recursive=True)
    early = max(sizes[: max(1, SWAPS // 5)])
    print(f"{SWAPS} swaps in {took:.1f} s, {sum(answered)} answers, {early:.0f} MB -> {max(sizes):.0f} MB")  # noqa: T201
    assert min(answered) > 0
    assert max(sizes) < early + 60
    assert max(open_files) < max(open_files[: max(1, SWAPS // 5)]) + 10


def test_rollback_goes_back_and_forth_and_survives_a_restart(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0"):
        put_in_cache(tmp_path, version, 0.0)
    registry = open_registry(settings(tmp_path))
    default = registry.active
    assert default is not None
    with pytest.raises(RegistryError) as nothing:
        registry.rollback()
    assert (nothing.value.status, nothing.value.code) == (409, "nothing_to_roll_back")
    registry.activate("acme", "shots", "1.0.0")
    assert registry.rollback().model.id == default.id
    registry.activate("acme", "shots", "1.0.0")
    registry.activate("acme", "shots", "2.0.0")
    assert str(registry.rollback().model.name) == "acme/shots:1.0.0"
    registry = open_registry(settings(tmp_path))
    assert str(registry.active.name) == "acme/shots:1.0.0"  # type: ignore[union-attr]
    assert str(registry.rollback().model.name) == "acme/shots:2.0.0"


def test_rollback_skips_other_bytes_of_the_same_version(tmp_path: Path) -> None:
    service = settings(tmp_path)
    registry = open_registry(service)
    registry.activate("bundled", "xg-distance", None)
    active = registry.activate("bundled", "xg-default", None).model
    record = Activations(service.database)
    name = active.name
    for digest in ("0" * 64, active.digest):  # as if the version had been registered anew in between
        record.record(workspace=name.workspace, model=name.name, version=name.version, digest=digest, source="registry")
    assert registry.rollback().model.name.name == "xg-distance"


def test_stored_model_that_is_damaged_leaves_the_bundled_one_active(tmp_path: Path) -> None:
    put_in_cache(tmp_path, "1.0.0", 0.0)
    open_registry(settings(tmp_path)).activate("acme", "shots", "1.0.0")
    (tmp_path / "models/acme/shots/1.0.0/model.skops").write_bytes(b"damaged")
    registry = open_registry(settings(tmp_path))
    assert registry.active is not None and registry.active.name.workspace == "bundled"
    assert "acme/shots:1.0.0" in (registry.startup_problem or "")
    registry.activate("bundled", "xg-distance", None)
    assert registry.startup_problem is None, "it is settled once somebody chose a model"


def test_swap_that_cannot_be_recorded_does_not_happen(tmp_path: Path) -> None:
    put_in_cache(tmp_path, "1.0.0", 0.0)
    service = settings(tmp_path)
    registry = open_registry(service)
    service.database.mkdir()
    error = refusal(registry, "acme", "shots", "1.0.0")
    assert (error.status, error.code) == (503, "storage_failed")


def test_record_that_cannot_be_read_leaves_the_bundled_model_active(tmp_path: Path) -> None:
    service = settings(tmp_path)
    service.database.write_bytes(b"this is no database" * 100)
    registry = open_registry(service)
    assert registry.active is not None and registry.active.name.workspace == "bundled"
    assert "serving.db" in (registry.startup_problem or "")


def test_stored_model_is_loaded_once_the_disk_can_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xgserve.registry.registry.RETRY_S", 0.05)
    service = settings(tmp_path)
    before = open_registry(service)
    before.activate("bundled", "xg-default", None)
    before.activate("bundled", "xg-distance-angle", None, "challenger")
    away = service.database.rename(tmp_path / "away")
    service.database.write_bytes(b"this is no database" * 100)
    registry = open_registry(service)
    assert registry.active is not None and registry.active.name.name == "xg-distance"
    away.replace(service.database)
    wait_until(lambda: registry.startup_problem is None)
    assert registry.active.name.name == "xg-default"
    wait_until(lambda: [model.name.name for model in registry.loaded.challengers] == ["xg-distance-angle"])


def test_stored_model_never_replaces_one_that_was_chosen_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xgserve.registry.registry.RETRY_S", 0.05)
    service = settings(tmp_path)
    service.database.write_bytes(b"this is no database" * 100)
    before = threading.enumerate()
    registry = open_registry(service)
    (trying,) = [thread for thread in threading.enumerate() if thread.name == "stored model" and thread not in before]
    service.database.unlink()
    chosen = registry.activate("bundled", "xg-default", None).model
    trying.join(60)
    assert not trying.is_alive()
    assert registry.active is chosen


def test_busy_registry_refuses_at_once_and_local_models_do_not_wait(tmp_path: Path, comet: StandIn) -> None:
    comet.add("acme", "shots", "3.0.0", hostile.zipped(hostile.good()))
    comet.faults["download"] = comet_standin.hang(comet)
    put_in_cache(tmp_path, "1.0.0", 0.0)
    registry = open_registry(settings(tmp_path, comet, threads=4, download_timeout_s=60))
    hanging = threading.Thread(target=refusal_of_any, args=(registry, "3.0.0"))
    hanging.start()
    wait_until(lambda: "download" in comet.asked)
    assert registry.activate("acme", "shots", "1.0.0").source == "cache", "a download blocks nobody"
    registry.rollback()
    second = threading.Thread(target=refusal_of_any, args=(registry, "3.0.0"))
    second.start()
    busy = None
    while busy is None and hanging.is_alive():
        try:
            registry.activate("acme", "shots", "1.0.0")
        except RegistryError as error:
            busy = error
    assert busy is not None and (busy.status, busy.code) == (503, "registry_busy")
    assert registry.active is not None
    comet.closing.set()  # the download fails now
    hanging.join()
    second.join()


def refusal_of_any(registry: Registry, version: str) -> None:
    with pytest.raises(RegistryError):
        registry.activate("acme", "shots", version)


def test_cached_model_is_tried_again_with_other_libraries(tmp_path: Path) -> None:
    name = put_in_cache(tmp_path, "1.0.0", 0.0)
    registry = open_registry(settings(tmp_path))
    manifest = tmp_path / "models/acme/shots/1.0.0/manifest.json"
    manifest.write_text(manifest.read_text().replace("scikit-learn ", "scikit-learn 0."))
    assert registry.activate("acme", "shots", "1.0.0").model.name == name
    assert "scikit-learn 0." not in manifest.read_text()


def test_activations_are_all_on_record(tmp_path: Path) -> None:
    put_in_cache(tmp_path, "1.0.0", 0.0)
    service = settings(tmp_path)
    activation = open_registry(service).activate("acme", "shots", "1.0.0")
    stored = Activations(service.database).latest()
    assert stored is not None
    assert (stored.workspace, stored.model, stored.version) == ("acme", "shots", "1.0.0")
    assert (stored.digest, stored.source) == (activation.model.digest, "cache")
