"""A model with other column names: refused by name, or used through the feature map."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import skops.io

from tests.conftest import Service, running_service
from tests.games import FeedServer, game, play
from tests.reports import SHOTS
from tests.ui.page_session import OpenPage, get_model, ping, said, totals, words
from tests.xgserve.helpers import goals, load_model, numeric_model, shots
from xgserve.names import ModelName
from xgserve.registry.cache import ModelCache

pytestmark = pytest.mark.usefixtures("without_charts")

THEIR_XG = ModelName("others", "their-xg", "2.1.0")
THEIRS = {"shot_distance": "distance", "shot_angle": "angle"}


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that has downloaded `others/their-xg:2.1.0`, whose columns are named differently."""
    data_dir = tmp_path / "serving"
    frame = shots()
    renamed = frame.rename(columns={ours: theirs for theirs, ours in THEIRS.items()})[list(THEIRS)]
    cache = ModelCache(data_dir / "models")
    with cache.temporary() as room:
        (room / "ready").mkdir()
        skops.io.dump(numeric_model().fit(renamed, goals(frame)), room / "ready" / "model.skops")
        load_model(room / "ready" / "model.skops", THEIR_XG)  # compiled in this process, which has scikit-learn
        cache.publish(room / "ready", THEIR_XG, "model.skops")
    with running_service(data_dir) as running:
        yield running


def test_model_with_unknown_columns_is_refused_by_name_and_rolled_back(open_page: OpenPage, service: Service) -> None:
    page = get_model(open_page(), "others", "their-xg", "2.1.0")
    refused = words(page.sidebar.error)
    assert "shot_distance, shot_angle" in refused
    assert "XG_FEATURE_MAP" in refused
    assert "Rolled back: bundled/xg-default" in refused
    assert service.client.model().model == "xg-default"


def test_shots_under_a_model_with_unknown_columns_stay_pending(
    open_page: OpenPage, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    page = open_page()
    service.client.download_registry_model("others", "their-xg", "2.1.0")
    ping(page)
    assert "saved but not rated" in said(page, "warning")
    assert "shot_distance, shot_angle" in said(page, "warning")
    assert len(totals(page)) == 2  # no difference while goals are not rated


def test_model_with_mapped_columns_rates_the_game(
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


def test_shot_without_an_input_of_the_model_is_not_promised_to_the_next_ping(
    open_page: OpenPage, feed: FeedServer, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "map.json").write_text(json.dumps(THEIRS | {"shot_angle": "prev_distance"}))
    monkeypatch.setenv("XG_FEATURE_MAP", str(tmp_path / "map.json"))
    feed.show(game(*SHOTS[1:]))  # nothing happened before the first shot, nor before the one after the goal
    service.client.download_registry_model("others", "their-xg", "2.1.0")
    page = ping(open_page())
    assert service.rows_scored() == 2
    assert said(page, "warning") == "2 attempts cannot be rated: the league does not report what the model needs."
    unplaced = play(900, "shot-on-goal", 100, x=None, y=None)
    feed.show(game(*SHOTS[1:], unplaced))
    ping(page)
    assert said(page, "warning") == (
        "2 attempts cannot be rated: the league does not report what the model needs;"
        " the league has not reported the coordinates of 1 attempt yet."
    )
