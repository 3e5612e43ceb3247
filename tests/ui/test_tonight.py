"""The Tonight page, run without a browser."""

import json
import re
from collections import Counter
from html import unescape

import pytest
from streamlit.testing.v1 import AppTest

from livegame.plays import Game, GameState, Team
from tests.games import GAME_ID, HOME, FeedServer, as_feed, game
from tests.helpers import wait_until
from tests.reports import SHOTS
from tests.ui.page_session import PAGE, OpenPage, restart, score_line, totals, words
from ui.clients import connect
from ui.parts.day import forget_days

TODAY = "2021-11-28"


def schedule(feed: FeedServer, *games: Game, day: str = "now", **nearest: str) -> None:
    """Serve the list of a day's games, and each game."""
    answer = {"currentDate": TODAY if day == "now" else day, "games": [as_feed(shown) for shown in games], **nearest}
    feed.answer(f"/v1/score/{day}", json.dumps(answer).encode())
    for shown in games:
        feed.show(shown)


def visit(**address: str) -> AppTest:
    """Open the page in a new session."""
    page = AppTest.from_file(str(PAGE), default_timeout=150)
    for name, value in address.items():
        page.query_params[name] = value
    page.run()
    assert not page.exception
    return page


def cards(page: AppTest) -> list[str]:
    """Return the text of each card in order."""
    bodies = [element.proto.body for element in page.get("html") if 'class="xg-card"' in element.proto.body]
    return [" ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split()) for body in bodies]


def links(page: AppTest) -> list[str]:
    """Return what each card's link says to a screen reader."""
    labels = (link.proto.label.replace("\\", "") for link in page.page_link)
    return [label for label in labels if " at " in label]  # the others lead to the pages


def asked(feed: FeedServer) -> dict[str, int]:
    """Return how often each game was asked for."""
    return dict(Counter(path.split("/")[3] for path, _ in feed.requests if "gamecenter" in path))


def pinged(page: AppTest) -> AppTest:
    """Wait for the pings that the page has started, and draw it again."""
    wait_until(lambda: not connect().watch.at_work)
    page.run()
    assert not page.exception
    return page


def carolina(goals: int) -> Team:
    return Team(HOME, "CAR", "Carolina Hurricanes", goals)


def test_games_of_a_day_are_cards_with_what_the_history_knows(open_page: OpenPage, feed: FeedServer) -> None:
    live = game(*SHOTS, home=carolina(1))
    final = game(*SHOTS, game_id=GAME_ID + 1, state=GameState.FINAL, period=3, seconds_left=0)
    states = (GameState.NOT_STARTED, GameState.POSTPONED, GameState.CANCELLED)
    others = [game(game_id=GAME_ID + 2 + n, state=state) for n, state in enumerate(states)]
    unknown = game(game_id=GAME_ID + 8, state=GameState.NOT_STARTED, start_is_known=False)
    schedule(feed, *others, unknown, final, live, prevDate="2021-11-27")
    open_page().switch_page("tonight.py").run()
    page = pinged(visit())
    assert words(page.header).split("\n")[:4] == ["Live · 1", "Next · 2", "Final · 1", "Postponed or cancelled · 2"]
    assert page.session_state["tab_titles"] == {"": "Tonight · 1 live"}
    found = cards(page)
    assert re.fullmatch(
        r"P1 12:35 xG Win WSH Washington Capitals 0 0\.\d\d \d+% CAR Carolina Hurricanes 1 0\.\d\d \d+%"
        r" Goal CAR unknown · 0\.\d\d xG · P1 0:55",
        found[0],
    )
    assert [text.split(" WSH")[0] for text in found[1:]] == [
        "6:00 PM xG for against",
        "Time to be announced xG for against",
        "Final",
        "Postponed",
        "Cancelled",
    ]
    assert found[3].endswith("Carolina Hurricanes 1 Not rated yet.")  # over long before anyone looked at it
    (link, *_) = links(page)
    assert re.fullmatch(
        r"Washington Capitals at Carolina Hurricanes: 0 to 1, P1 12:35\. xG 0\.\d\d and 0\.\d\d, Win \d+% and \d+%\."
        r" Goal CAR unknown · 0\.\d\d xG · P1 0:55",
        link,
    )
    card = next(link for link in page.page_link if link.proto.label.replace("\\", "") == links(page)[0])
    assert card.proto.query_string == f"game={GAME_ID}"


def test_live_game_is_pinged_once_an_interval_however_many_readers(open_page: OpenPage, feed: FeedServer) -> None:
    games = [game(*SHOTS, game_id=GAME_ID + n, home=carolina(1)) for n in range(6)]
    schedule(feed, *games, game(game_id=GAME_ID + 20, state=GameState.NOT_STARTED))
    open_page()
    readers = [visit(), visit(), visit()]
    for _ in range(2):
        for reader in readers:
            pinged(reader)
    assert asked(feed) == {str(GAME_ID + n): 1 for n in range(6)}
    reader = AppTest.from_file(str(PAGE), default_timeout=150).switch_page("game.py")
    reader.query_params["game"] = str(GAME_ID)
    reader.run()
    assert len(totals(reader)) == 4  # the game that a card opens is there
    assert asked(feed)[str(GAME_ID)] == 1
    assert [path for path, _ in feed.requests].count("/v1/score/now") == 1


def test_delay_shows_nothing_newer_of_any_game(open_page: OpenPage, feed: FeedServer) -> None:
    schedule(feed, game(*SHOTS, home=carolina(1), start_time="2099-11-28T18:00:00Z"))
    open_page()
    pinged(visit())
    page = visit(delay="60")
    (card,) = cards(page)
    assert card == "Live WSH Washington Capitals CAR Carolina Hurricanes The score follows with your delay."
    assert "0 to 1" not in links(page)[0]


def test_list_is_kept_while_the_feed_is_down_and_a_day_without_games_says_so(
    open_page: OpenPage, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedule(feed, prevDate="2021-11-27")
    schedule(feed, game(state=GameState.FINAL), day="2021-11-27", nextDate=TODAY)
    open_page()
    page = visit()
    assert words(page.info) == "No games on this day."
    next(button for button in page.button if button.label == "Previous day").click()
    page.run()
    assert page.query_params["day"] in ("2021-11-27", ["2021-11-27"])
    assert len(cards(page)) == 1
    forget_days()
    feed.answer("/v1/score/2021-11-27", b"{}", 503)
    monkeypatch.setattr("livegame.feed.RETRIES", 0)
    page.run()
    assert len(cards(page)) == 1
    assert "this is its last answer" in words(page.caption)
    restart()
    assert "schedule is not available right now" in words(visit(day="2021-11-27").info)


def test_game_opened_before_its_first_ping_is_read_at_once(open_page: OpenPage, feed: FeedServer) -> None:
    schedule(feed, game(state=GameState.NOT_STARTED))
    open_page()
    page = visit()
    assert asked(feed) == {}  # the list says all that there is
    page.switch_page("game.py")
    page.query_params["game"] = str(GAME_ID)  # as the card's link does
    page.run()
    assert "Washington Capitals" in score_line(page)
    assert asked(feed) == {str(GAME_ID): 1}


@pytest.mark.usefixtures("open_page")
def test_days_of_no_league_and_an_empty_count_are_left_out(feed: FeedServer) -> None:
    schedule(feed)
    for day in ("0001-01-01", "9999-12-31"):
        assert visit(day=day).title[0].value == "Tonight"
    assert visit(count="").title[0].value == "Tonight"
