"""The strip of a day's games on the Game page."""

import json
import re

import pytest

from livegame.plays import Game, GameState, Team
from tests.games import GAME_ID, HOME, FeedServer, as_feed, game, hanging_server
from tests.reports import SHOTS
from tests.ui.page_session import (
    OpenPage,
    notice,
    ping,
    totals,
    words,
)


def day(feed: FeedServer, name: str, *games: Game, **nearest: str) -> None:
    listed = [as_feed(shown) for shown in games]
    answer = {"currentDate": "2021-11-28" if name == "now" else name, "games": listed, **nearest}
    feed.answer(f"/v1/score/{name}", json.dumps(answer).encode())


def test_strip_game_opens_on_a_click(open_page: OpenPage, feed: FeedServer) -> None:
    live = game(*SHOTS, home=Team(HOME, "CAR", "Carolina Hurricanes", 1), start_time="2099-11-28T18:00:00Z")
    later = game(game_id=2021020330, state=GameState.NOT_STARTED)
    day(feed, "now", live, later, prevDate="2021-11-27")
    day(feed, "2021-11-27", game(game_id=2021020320, state=GameState.FINAL), nextDate="2021-11-28")
    feed.show(live)
    page = open_page()
    labels = [button.label for button in page.button if "CAR" in button.label]
    assert labels == [
        "WSH **0\N{EN DASH}1** CAR  \n:small[\N{BLACK CIRCLE} P1 12\\:35]",
        "WSH at CAR  \n:small[6\\:00 PM]",
    ]
    next(button for button in page.button if button.label == labels[0]).click()
    page.run()
    assert notice(page) == "4 new attempts"
    assert page.query_params["game"] in (str(GAME_ID), [str(GAME_ID)])
    away_xg, home_xg = (text.split()[0] for text in totals(page)[::2])
    (opened,) = [button.label for button in page.button if "P1" in button.label]
    assert opened.endswith(f"P1 12\\:35 · {away_xg}\N{EN DASH}{home_xg}]")  # the same as in the score line
    page.query_params["delay"] = "120"  # as the page shows it: cut by the game's clock, since there was no ping yet
    page.run()
    (opened,) = [button.label for button in page.button if "P1" in button.label]
    assert re.search(r"P1 1[34]\\:", opened)  # two minutes of play before the 12:35 of the first ping, or little less
    page.query_params.pop("delay")
    page.run()
    next(button for button in page.button if "Previous day" in button.label).click()
    page.run()
    assert [button.label for button in page.button if "CAR" in button.label] == [
        "WSH **0\N{EN DASH}0** CAR  \n:small[Final]"
    ]
    assert len(totals(page)) == 4  # the game stays


def test_game_without_a_schedule_opens_by_its_id(open_page: OpenPage, feed: FeedServer) -> None:
    page = open_page()
    assert "You can still open a game by its ID" in words(page.caption)
    feed.show(game(*SHOTS))
    assert len(totals(ping(page))) == 4


def test_schedule_that_hangs_is_asked_for_once(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livegame.feed.READ_TIMEOUT_S", 0.1)
    with hanging_server() as hanging:
        monkeypatch.setenv("XG_FEED_URL", hanging.url)
        page = open_page()
        assert "You can still open a game by its ID" in words(page.caption)
        asked = len(hanging.requests)
        assert asked > 0
        page.run()
        assert "You can still open a game by its ID" in words(page.caption)
        assert len(hanging.requests) == asked
