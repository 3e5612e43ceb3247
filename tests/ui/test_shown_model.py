"""A page keeps the model that it opened a game with, even after a swap, and offers the newer one."""

import pytest
from streamlit.testing.v1 import AppTest

from tests.games import GAME_ID, FeedServer, game, play
from tests.reports import SHOTS
from tests.ui.page_session import OpenPage, click, get_model, ping, said, totals

pytestmark = pytest.mark.usefixtures("without_charts")


def buttons(page: AppTest) -> list[str]:
    return [button.label for button in page.main.button]


def test_page_after_a_swap_keeps_its_model_and_offers_the_newer_one(open_page: OpenPage, feed: FeedServer) -> None:
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


def test_game_opened_after_a_swap_is_shown_by_the_latest_model(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    somebody = ping(get_model(ping(open_page()), "bundled", "xg-distance"))
    assert totals(open_page(str(GAME_ID))) == totals(somebody)


def test_reader_who_loads_a_model_sees_it_once_it_has_rated_the_game(open_page: OpenPage, feed: FeedServer) -> None:
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
