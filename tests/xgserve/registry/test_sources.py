"""Which source a model comes from, and what each source costs."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from msgspec import to_builtins

from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import StandIn, slowly
from tests.xgserve.registry.helpers import put_in_cache, refusal, settings
from xgserve.registry.registry import open_registry

pytestmark = pytest.mark.usefixtures("three_versions", "compiled_once")


def test_download_is_kept_and_its_second_activation_sends_no_request(tmp_path: Path, comet: StandIn) -> None:
    registry = open_registry(settings(tmp_path, comet))
    first = registry.activate("acme", "shots", "1.9.0")
    assert (first.source, str(first.model.name)) == ("registry", "acme/shots:1.9.0")
    assert registry.active is first.model
    kept = {path.name for path in (tmp_path / "models/acme/shots/1.9.0").iterdir()}
    assert kept == {"compiled", "manifest.json", "model.skops"}
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["acme"], "no temporary folder stays"
    registry.activate("bundled", "xg-distance", None)
    comet.asked.clear()
    second = registry.activate("acme", "shots", "1.9.0")
    assert (second.source, second.model.id) == ("cache", first.model.id)
    assert comet.asked == []


def test_newest_version_and_stages_resolve_to_a_version(tmp_path: Path, comet: StandIn) -> None:
    put_in_cache(tmp_path, "1.9.0", 0.5)
    put_in_cache(tmp_path, "1.10.1-rc.1", 2.5)
    registry = open_registry(settings(tmp_path, comet))
    newest = registry.activate("acme", "shots", None)
    assert (newest.model.name.version, newest.source) == ("1.10.1-rc.1", "cache")
    in_stage = registry.activate("acme", "shots", "production")
    assert (in_stage.model.name.version, in_stage.source) == ("1.9.0", "cache")
    assert comet.asked == ["details"] * 2, "what is in the cache is not downloaded again"


def test_damaged_model_in_the_cache_is_downloaded_again(tmp_path: Path, comet: StandIn) -> None:
    put_in_cache(tmp_path, "1.10.0", 0.0)
    artifact = tmp_path / "models/acme/shots/1.10.0/model.skops"
    content = bytearray(artifact.read_bytes())
    content[len(content) // 2] ^= 1
    artifact.write_bytes(content)
    registered = hostile.good(1.5)
    comet.add("acme", "shots", "1.10.0", hostile.zipped(registered))
    activation = open_registry(settings(tmp_path, comet)).activate("acme", "shots", "1.10.0")
    assert activation.source == "registry"
    assert artifact.read_bytes() == registered["model.skops"]


def test_newest_version_is_not_guessed_without_the_registry(tmp_path: Path) -> None:
    put_in_cache(tmp_path, "1.9.0", 0.5)
    offline = open_registry(settings(tmp_path))
    error = refusal(offline, "acme", "shots", None)
    assert (error.status, error.code) == (424, "registry_key_missing")
    assert "1.9.0" in str(error) and error.details == {"cached_versions": ["1.9.0"]}
    assert offline.activate("acme", "shots", "1.9.0").source == "cache"


def test_bundled_models_need_neither_key_nor_network(tmp_path: Path) -> None:
    registry = open_registry(settings(tmp_path))
    assert registry.active is not None and registry.active.name.name == "xg-distance"
    activation = registry.activate("bundled", "xg-distance", None)
    assert (activation.source, activation.model.id) == ("bundled", registry.active.id)
    assert refusal(registry, "bundled", "xg-distance", "99").status == 404
    assert refusal(registry, "bundled", "nothing", None).status == 404


@pytest.mark.parametrize(
    ("workspace", "model", "version"),
    [
        ("..", "shots", "1.0.0"),
        ("acme", "../../etc", "1.0.0"),
        ("acme", ".hidden", "1.0.0"),
        ("acme", "a/b", "1.0.0"),
        ("", "shots", "1.0.0"),
        ("acme", "x" * 101, "1.0.0"),
        ("acme", "shots\n", "1.0.0"),
        ("acme", "shots", ""),
        ("acme", "shots", "1.0\x00"),
    ],
)
def test_names_that_could_be_paths_are_refused(tmp_path: Path, workspace: str, model: str, version: str) -> None:
    error = refusal(open_registry(settings(tmp_path)), workspace, model, version)
    assert (error.status, error.code) == (422, "invalid_name")


def test_version_that_looks_like_a_path_never_touches_the_disk(tmp_path: Path, comet: StandIn) -> None:
    comet.add("acme", "shots", "../../../climbed", hostile.zipped(hostile.good()))
    error = refusal(open_registry(settings(tmp_path, comet)), "acme", "shots", "../../../climbed")
    assert (error.status, error.code) == (404, "unknown_model")
    assert "download" not in comet.asked


def test_workspace_that_is_not_named_is_not_allowed(tmp_path: Path) -> None:
    put_in_cache(tmp_path, "1.0.0", 0.0, workspace="other")
    registry = open_registry(settings(tmp_path, workspaces=frozenset({"acme"})))
    error = refusal(registry, "other", "shots", "1.0.0")
    assert (error.status, error.code) == (403, "workspace_not_allowed")
    assert "acme" in str(error) and "XG_WORKSPACES" in str(error)
    assert not [entry for entry in to_builtins(registry.available()) if entry["workspace"] == "other"]


def test_callers_of_the_same_model_share_one_download(tmp_path: Path, comet: StandIn) -> None:
    comet.faults["download"] = slowly(1.0, hostile.zipped(hostile.good(0.5)))
    registry = open_registry(settings(tmp_path, comet, threads=8))
    with ThreadPoolExecutor(6) as callers:
        activations = list(callers.map(lambda _: registry.activate("acme", "shots", "1.9.0"), range(6)))
    assert [activation.model for activation in activations] == [registry.active] * 6
    assert comet.asked.count("download") == 1


def test_cache_stays_below_its_cap_and_keeps_what_is_needed(tmp_path: Path) -> None:
    for version in ("1.0.0", "2.0.0", "3.0.0", "4.0.0"):
        put_in_cache(tmp_path, version, 0.0)
    registry = open_registry(settings(tmp_path, cache_max_bytes=1))
    registry.activate("acme", "shots", "1.0.0")  # the other one needed is the bundled default
    assert {path.name for path in (tmp_path / "models/acme/shots").iterdir()} == {"1.0.0"}
    put_in_cache(tmp_path, "5.0.0", 0.0)
    registry.activate("acme", "shots", "5.0.0")
    assert {path.name for path in (tmp_path / "models/acme/shots").iterdir()} == {"1.0.0", "5.0.0"}
    assert registry.rollback().model.name.version == "1.0.0"


def test_cache_that_cannot_be_written_is_storage_failed(tmp_path: Path, comet: StandIn) -> None:
    registry = open_registry(settings(tmp_path, comet))
    shutil.rmtree(tmp_path / "models", ignore_errors=True)
    (tmp_path / "models").write_text("not a folder")
    error = refusal(registry, "acme", "shots", None)
    assert (error.status, error.code) == (503, "storage_failed")
    assert "XG_DATA_DIR" in str(error)
