"""A model of other people, with other names for its columns: refused with the names, or used through the map."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import skops.io

from tests.conftest import Service, running_service
from tests.games import FeedServer, game, play
from tests.ui.pages import OpenPage, get_model, pages, ping, said, totals, words
from tests.ui.reports import SHOTS
from tests.xgserve.helpers import goals, numeric_model, shots
from xgserve.names import ModelName
from xgserve.registry.cache import ModelCache
from xgserve.registry.trial import environment

THEIRS = {"shot_distance": "distance", "shot_angle": "angle"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that has downloaded `others/their-xg:2.1.0`, which calls our columns by other names."""
    data_dir = tmp_path / "serving"
    frame = shots()
    renamed = frame.rename(columns={ours: theirs for theirs, ours in THEIRS.items()})[list(THEIRS)]
    cache = ModelCache(data_dir / "models")
    with cache.temporary() as room:
        (room / "ready").mkdir()
        skops.io.dump(numeric_model().fit(renamed, goals(frame)), room / "ready" / "model.skops")
        cache.publish(room / "ready", ModelName("others", "their-xg", "2.1.0"), "model.skops", environment())
    with running_service(data_dir) as running:
        yield running


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, feed: FeedServer, service: Service) -> OpenPage:
    return pages(monkeypatch, tmp_path, feed.url, service.url)


def test_it_is_refused_with_the_names_and_undone(open_page: OpenPage, service: Service) -> None:
    page = get_model(open_page(), "others", "their-xg", "2.1.0")
    refused = words(page.sidebar.error)
    assert "shot_distance, shot_angle" in refused
    assert "XG_FEATURE_MAP" in refused
    assert "Rolled back: bundled/xg-default" in refused
    assert service.client.model()["model"] == "xg-default"


def test_while_somebody_else_has_it_loaded_shots_are_kept_and_pending(
    open_page: OpenPage, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    page = open_page()
    service.client.download_registry_model("others", "their-xg", "2.1.0")
    ping(page)
    assert "kept, not rated" in said(page, "warning")
    assert "shot_distance, shot_angle" in said(page, "warning")
    assert len(totals(page)) == 2  # no difference while goals are not rated


def test_with_a_map_it_is_used(
    open_page: OpenPage, feed: FeedServer, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "map.json").write_text(json.dumps(THEIRS))
    monkeypatch.setenv("XG_FEATURE_MAP", str(tmp_path / "map.json"))
    feed.show(game(*SHOTS))
    page = get_model(open_page(), "others", "their-xg", "2.1.0")
    assert "others/their-xg:2.1.0 is active" in words(page.sidebar.success)
    ping(page)
    assert "Rated by others/their-xg:2.1.0" in said(page)
    assert service.rows_scored() == 4


def test_a_shot_that_lacks_what_it_needs_is_not_promised_to_the_next_ping(
    open_page: OpenPage, feed: FeedServer, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "map.json").write_text(json.dumps(THEIRS | {"shot_angle": "prev_distance"}))
    monkeypatch.setenv("XG_FEATURE_MAP", str(tmp_path / "map.json"))
    feed.show(game(*SHOTS[1:]))  # nothing happened before the first shot, nor before the one after the goal
    service.client.download_registry_model("others", "their-xg", "2.1.0")
    page = ping(open_page())
    assert service.rows_scored() == 2
    assert said(page, "warning") == "The model needs something that the league does not tell of 2 attempts."
    unplaced = play(900, "shot-on-goal", 100, x=None, y=None)
    feed.show(game(*SHOTS[1:], unplaced))
    ping(page)
    assert said(page, "warning") == (
        "The model needs something that the league does not tell of 2 attempts;"
        " the league has not told the coordinates of 1 attempt yet."
    )
