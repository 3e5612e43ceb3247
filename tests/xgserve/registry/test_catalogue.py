"""What `GET /models` offers: every source's models, in an order, and Comet's answer shared and kept for a while."""

import threading
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import pytest
from msgspec import to_builtins

from tests.xgserve.helpers import bundle, bundled_models
from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import Handler, StandIn, send_json
from tests.xgserve.registry.helpers import put_in_cache, settings
from xgserve.registry import catalogue
from xgserve.registry.registry import open_registry

pytestmark = pytest.mark.usefixtures("three_versions")


def test_list_names_the_models_of_every_source(tmp_path: Path, comet: StandIn) -> None:
    put_in_cache(tmp_path, "1.9.0", 0.5)
    registry = open_registry(settings(tmp_path, comet))
    listed = to_builtins(registry.available())
    assert [(e["source"], e["version"], e["stages"]) for e in listed if e.get("workspace") == "acme"] == [
        ("cache", "1.9.0", ["Production"]),
        ("registry", "1.10.1-rc.1", []),
        ("registry", "1.10.0", []),
    ]
    assert [e["model"] for e in listed if e["active"]] == ["xg-distance"]
    comet.asked.clear()
    assert to_builtins(registry.available()) == listed
    assert comet.asked == [], "the registry's answer is kept for a while"


def test_list_begins_with_the_default_and_each_model_with_its_newest_version(tmp_path: Path) -> None:
    for model, version in (("a", "9.0.0"), ("xg-default", "1.9.0"), ("xg-default", "1.10.0"), ("b", "1.0.0")):
        bundle(tmp_path / "bundled", hostile.good_estimator(), model, version)
    for version in ("1.9.0", "1.10.0"):  # the newest is not the one used last
        put_in_cache(tmp_path, version, 0.5)
    with bundled_models(tmp_path / "bundled"):
        listed = to_builtins(open_registry(settings(tmp_path, default_model="bundled/xg-default")).available())
    assert [f"{entry['workspace']}/{entry['model']}:{entry['version']}" for entry in listed] == [
        "bundled/xg-default:1.10.0",
        "bundled/xg-default:1.9.0",
        "bundled/a:9.0.0",
        "bundled/b:1.0.0",
        "acme/shots:1.10.0",
        "acme/shots:1.9.0",
    ]


def test_registry_that_fails_is_an_entry_of_the_list(tmp_path: Path, comet: StandIn) -> None:
    registry = open_registry(settings(tmp_path, comet, comet_api_key="wrong-key-5150"))
    *known, failed = to_builtins(registry.available())
    assert [entry["source"] for entry in known if entry["active"]] == ["bundled"]
    assert failed["source"] == "registry" and "COMET_API_KEY" in failed["problem"]
    assert "wrong-key" not in str(failed)


def test_two_first_lists_at_the_same_time_are_the_same_list(tmp_path: Path, comet: StandIn) -> None:
    """The second caller comes while Comet is answering the first: it waits for that answer, and sends no request."""
    is_asked, may_answer = threading.Event(), threading.Event()

    def answer_late(handler: Handler) -> None:
        is_asked.set()
        assert may_answer.wait(60)
        send_json(handler, {"workspaceNames": ["acme"]})

    comet.faults["workspaces"] = answer_late
    registry = open_registry(settings(tmp_path, comet))
    with ThreadPoolExecutor(2) as pool:
        try:
            first = pool.submit(registry.available)
            assert is_asked.wait(60)
            second = pool.submit(registry.available)
            wait([second], timeout=0.5)  # long enough for an answer that does not wait
        finally:
            may_answer.set()
        assert second.result() == first.result()
    assert [entry["version"] for entry in to_builtins(second.result()) if entry.get("workspace") == "acme"] == [
        "1.10.1-rc.1",
        "1.10.0",
        "1.9.0",
    ]
    assert comet.asked.count("workspaces") == 1


def test_old_list_is_served_while_one_thread_asks_again(
    tmp_path: Path, comet: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow registry never holds more than one thread."""
    monkeypatch.setattr(catalogue, "LIST_KEPT_S", 0.0)
    registry = open_registry(settings(tmp_path, comet))
    before = registry.available()
    is_asked, may_answer = threading.Event(), threading.Event()

    def answer_late(handler: Handler) -> None:
        is_asked.set()
        assert may_answer.wait(60)
        send_json(handler, {"workspaceNames": []})

    comet.faults["workspaces"] = answer_late
    with ThreadPoolExecutor(1) as pool:
        try:
            refreshed = pool.submit(registry.available)
            assert is_asked.wait(60)
            assert registry.available() == before
        finally:
            may_answer.set()
        assert [entry["workspace"] for entry in to_builtins(refreshed.result())] == ["bundled"] * 3
