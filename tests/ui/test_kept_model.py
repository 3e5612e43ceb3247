"""One reader's model is not another's: a page keeps the one that it opened a game with, and tells of a newer one."""

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from tests.conftest import Service
from tests.games import GAME_ID, FeedServer, game, play
from tests.ui.pages import OpenPage, click, get_model, pages, ping, said, totals, words
from tests.ui.reports import SHOTS
from ui.clients import active_model
from ui.parts import notices


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, feed: FeedServer, service: Service) -> OpenPage:
    return pages(monkeypatch, tmp_path, feed.url, service.url)


def buttons(page: AppTest) -> list[str]:
    return [button.label for button in page.main.button]


def test_a_page_keeps_the_model_that_it_opened_with_and_offers_the_newer_one(
    open_page: OpenPage, feed: FeedServer
) -> None:
    feed.show(game(*SHOTS))
    reader = ping(open_page())
    before = totals(reader)
    somebody = ping(get_model(open_page(str(GAME_ID)), "bundled", "xg-distance"))
    assert totals(somebody) != before  # who got a model sees it
    assert not [label for label in buttons(somebody) if label.startswith("Switch")]
    reader.run()
    assert totals(reader) == before
    assert "A newer model has rated this game: bundled/xg-distance:" in said(reader, "info")
    feed.show(game(*SHOTS, play(999, "shot-on-goal", 700)))
    ping(somebody)
    reader.run()
    assert "1 attempt came after another model was loaded" in said(reader, "warning")
    label = next(label for label in buttons(reader) if label.startswith("Switch"))
    click(reader, label)
    assert totals(reader) == totals(somebody)
    assert "newer model" not in said(reader)


def test_who_opens_a_game_later_sees_the_latest_model(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    somebody = ping(get_model(ping(open_page()), "bundled", "xg-distance"))
    assert totals(open_page(str(GAME_ID))) == totals(somebody)


def test_a_reader_who_got_a_model_sees_it_once_it_has_rated_the_game_and_may_still_choose(
    open_page: OpenPage, feed: FeedServer
) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    before = totals(page)
    get_model(page, "bundled", "xg-distance")
    assert totals(page) == before  # not rated by it yet
    ping(page)
    after = totals(page)
    assert after != before
    click(page, "Roll back")
    assert totals(page) == before  # what it goes back to has rated the game
    ping(page)
    assert totals(page) == before


def test_good_news_go_away_and_the_sidebar_follows_swaps_of_others(
    open_page: OpenPage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = get_model(open_page(), "bundled", "xg-distance")
    assert "is active, from bundled" in words(page.sidebar.success)
    monkeypatch.setattr(notices, "GOOD_NEWS_S", 0)
    page.run()
    assert not page.sidebar.success
    service.client.download_registry_model("bundled", "xg-distance-angle")
    active_model.clear()  # as after a few seconds
    page.run()
    assert "bundled/xg-distance-angle" in words(page.sidebar.markdown)
