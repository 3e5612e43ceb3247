"""The feed over real HTTP: what is asked, what is retried, and what a bad answer is called."""

import json
import socket
import threading
from datetime import date

import pytest

from livegame.exceptions import FeedMalformed, FeedUnavailable, GameNotFound, InvalidGameId
from livegame.feed import RETRIES, Feed, valid_game_id
from tests.games import GAME_ID, FeedServer, as_feed, game, play

PATH = f"/v1/gamecenter/{GAME_ID}/play-by-play"


def test_a_game_is_read(feed: FeedServer) -> None:
    feed.show(game(play(11, "goal", 5)))
    assert [shot.event_id for shot in Feed(feed.url).game(str(GAME_ID)).shots] == [11]


def test_an_unchanged_game_is_not_sent_again(feed: FeedServer) -> None:
    reader = Feed(feed.url)
    feed.show(game(play(11, "goal", 5)), etag='"one"')
    first, second = reader.game(GAME_ID), reader.game(GAME_ID)
    assert feed.requests == [(PATH, None), (PATH, '"one"')]
    assert second == first
    feed.show(game(play(12, "goal", 7)), etag='"two"')
    assert [shot.event_id for shot in reader.game(GAME_ID).shots] == [12]


@pytest.mark.parametrize(
    "text", ["", "abc", "12", "20210203290", "2021020329x", "-202102032", "0000000000", "٢٠٢١٠٢٠٣٢٩"]
)
def test_what_is_no_game_id_is_never_asked_for(feed: FeedServer, text: str) -> None:
    with pytest.raises(InvalidGameId, match="ten digits"):
        Feed(feed.url).game(text)
    assert feed.requests == []


def test_a_game_id_may_come_with_spaces() -> None:
    assert valid_game_id(" 2021020329\n") == 2021020329


def test_an_unknown_game_is_said_to_be_unknown(feed: FeedServer) -> None:
    with pytest.raises(GameNotFound, match=str(GAME_ID)):
        Feed(feed.url).game(GAME_ID)


def test_a_failing_server_is_asked_again_and_then_given_up(feed: FeedServer) -> None:
    feed.answer(PATH, b"{}", status=503)
    with pytest.raises(FeedUnavailable, match="503"):
        Feed(feed.url).game(GAME_ID)
    assert len(feed.requests) == 1 + RETRIES


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"<!DOCTYPE html><html>maintenance</html>", "HTML"),
        (b"", "half a document or none"),
        (json.dumps(as_feed(game(play(11, "goal", 5)))).encode()[:-40], "half a document"),
        (b"[]", "expected a game"),
        (b'{"message": "moved"}', "not a play-by-play"),
        (json.dumps(as_feed(game()) | {"id": 2021020330}).encode(), "2021020330"),
    ],
)
def test_an_answer_that_is_not_this_game_is_refused(feed: FeedServer, body: bytes, words: str) -> None:
    feed.answer(PATH, body)
    with pytest.raises(FeedMalformed, match=words):
        Feed(feed.url).game(GAME_ID)


def test_nobody_listening_is_said_in_words() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(FeedUnavailable, match="XG_FEED_URL"):
            Feed(url).game(GAME_ID)


def test_a_body_cut_off_on_the_way_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_half() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b'{"id": 20')

        thread = threading.Thread(target=answer_half, daemon=True)
        thread.start()
        with pytest.raises(FeedUnavailable, match="no whole answer"):
            Feed(f"http://127.0.0.1:{listener.getsockname()[1]}").game(GAME_ID)
        thread.join(5)


def test_the_days_games_are_listed(feed: FeedServer) -> None:
    feed.answer("/v1/score/now", json.dumps({"currentDate": "2021-11-28", "games": [as_feed(game())]}).encode())
    feed.answer("/v1/score/2021-11-28", json.dumps({"currentDate": "2021-11-28", "games": []}).encode())
    reader = Feed(feed.url)
    assert [entry.game_id for entry in reader.day().games] == [GAME_ID]
    assert reader.day(date(2021, 11, 28)).games == ()
