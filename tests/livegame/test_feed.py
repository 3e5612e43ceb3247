"""The feed over real HTTP: what is requested, what is retried, and how bad answers are reported."""

import json
import socket
import threading
import time
import tomllib
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from db.connection import open_writer
from db.environment import SettingsError
from db.history.schema import MIGRATIONS
from livegame import __version__
from livegame.dates import LEAGUE_ZONE
from livegame.errors import FeedMalformed, FeedUnavailable, GameNotFound, InvalidGameId
from livegame.feed import MAX_FRESH_S, RETRIES, Feed
from livegame.game_id import valid_game_id
from livegame.settings import ClientSettings
from tests.conftest import Service
from tests.games import GAME_ID, FeedServer, as_feed, game, play
from tests.helpers import ROOT, fetched, make_client
from xgserve.client import ServiceUnavailable

PATH = f"/v1/gamecenter/{GAME_ID}/play-by-play"


def test_game_is_fetched_and_parsed(feed: FeedServer) -> None:
    feed.show(game(play(11, "goal", 5)))
    assert [shot.event_id for shot in fetched(Feed(feed.url), str(GAME_ID)).shots] == [11]


def test_unchanged_game_is_answered_by_not_modified(feed: FeedServer) -> None:
    reader = Feed(feed.url)
    feed.show(game(play(11, "goal", 5)), etag='"one"')
    first, second = fetched(reader, GAME_ID), fetched(reader, GAME_ID)
    assert feed.requests == [(PATH, None), (PATH, '"one"')]
    assert second == first
    feed.show(game(play(12, "goal", 7)), etag='"two"')
    assert [shot.event_id for shot in fetched(reader, GAME_ID).shots] == [12]


@pytest.mark.parametrize(
    "text", ["", "abc", "12", "20210203290", "2021020329x", "-202102032", "0000000000", "٢٠٢١٠٢٠٣٢٩"]
)
def test_invalid_game_id_is_refused_without_a_request(feed: FeedServer, text: str) -> None:
    with pytest.raises(InvalidGameId, match="ten digits"):
        fetched(Feed(feed.url), text)
    assert feed.requests == []


def test_game_id_with_spaces_around_it_is_valid() -> None:
    assert valid_game_id(" 2021020329\n") == 2021020329


def test_an_unknown_game_or_day_is_not_found_with_advice_that_fits(feed: FeedServer) -> None:
    with pytest.raises(GameNotFound, match=rf"^no game {GAME_ID} in the league's feed; check the number$"):
        fetched(Feed(feed.url), GAME_ID)
    with pytest.raises(GameNotFound, match=r"^no games of 1900-01-01 in the league's feed; check the date$"):
        Feed(feed.url).day(date(1900, 1, 1))


def test_failing_server_is_retried_then_reported_unavailable(feed: FeedServer) -> None:
    feed.answer(PATH, b"{}", status=503)
    with pytest.raises(FeedUnavailable, match="503"):
        fetched(Feed(feed.url), GAME_ID)
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
def test_answer_that_is_not_the_game_raises_feed_malformed(feed: FeedServer, body: bytes, words: str) -> None:
    feed.answer(PATH, body)
    with pytest.raises(FeedMalformed, match=words):
        fetched(Feed(feed.url), GAME_ID)


def test_closed_port_raises_feed_unavailable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(FeedUnavailable, match="XG_FEED_URL"):
            fetched(Feed(url), GAME_ID)


def test_body_shorter_than_announced_raises_feed_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer_half() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b'{"id": 20')

        thread = threading.Thread(target=answer_half, daemon=True)
        thread.start()
        with pytest.raises(FeedUnavailable, match="no whole answer"):
            fetched(Feed(f"http://127.0.0.1:{listener.getsockname()[1]}"), GAME_ID)
        thread.join(5)


def test_day_lists_its_games(feed: FeedServer) -> None:
    feed.answer("/v1/score/now", json.dumps({"currentDate": "2021-11-28", "games": [as_feed(game())]}).encode())
    feed.answer("/v1/score/2021-11-28", json.dumps({"currentDate": "2021-11-28", "games": []}).encode())
    reader = Feed(feed.url)
    assert [entry.game_id for entry in reader.day().games] == [GAME_ID]
    assert reader.day(date(2021, 11, 28)).games == ()


def listed(day: date, *games: int, **nearest: date) -> bytes:
    """Return the league's list of a day's games, all of them live."""
    entries = [as_feed(game(game_id=game_id)) for game_id in games]
    return json.dumps({"currentDate": str(day), "games": entries} | {k: str(v) for k, v in nearest.items()}).encode()


def test_today_before_noon_lists_yesterdays_games_then_todays(feed: FeedServer) -> None:
    today = datetime.now(LEAGUE_ZONE).date()
    yesterday, tomorrow = today - timedelta(days=1), today + timedelta(days=1)
    feed.answer("/v1/score/now", listed(yesterday, GAME_ID, GAME_ID + 1, prevDate=yesterday, nextDate=today))
    feed.answer(f"/v1/score/{today}", listed(today, GAME_ID + 1, GAME_ID + 2, prevDate=yesterday, nextDate=tomorrow))
    day = Feed(feed.url).day()
    assert [entry.game_id for entry in day.games] == [GAME_ID, GAME_ID + 1, GAME_ID + 2]
    assert (day.day, day.previous, day.next, day.problems) == (today, yesterday, tomorrow, ())
    feed.answer(f"/v1/score/{today}", b"<html>")
    day = Feed(feed.url).day()
    assert [entry.game_id for entry in day.games] == [GAME_ID, GAME_ID + 1]
    assert "HTML" in day.problems[0]
    feed.answer("/v1/score/now", listed(today, GAME_ID, nextDate=tomorrow))
    feed.requests.clear()
    assert Feed(feed.url).day().day == today
    assert feed.requests == [("/v1/score/now", None)]  # tomorrow has not come


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"cache_control": "public, max-age=19"}, 1),
        ({"cache_control": "max-age=19", "age": "7"}, 1),
        ({"cache_control": "max-age=19", "age": "19"}, 3),
        ({"cache_control": "max-age=0"}, 3),
        ({"cache_control": "no-cache, max-age=19"}, 3),
        ({"cache_control": "s-maxage=19"}, 3),
        ({}, 3),  # as the replay answers
    ],
)
def test_fresh_answer_is_not_requested_again(feed: FeedServer, headers: dict[str, str], asked: int) -> None:
    feed.show(game(play(11, "goal", 5)), **headers)
    reader = Feed(feed.url)
    assert len({reader.answer(GAME_ID).body for _ in range(3)}) == 1
    assert len(feed.requests) == asked


def test_answer_is_requested_again_after_its_max_age(feed: FeedServer) -> None:
    reader = Feed(feed.url)
    feed.show(game(play(11, "goal", 5)), cache_control="max-age=19", age="18")
    began = time.monotonic()
    left = reader.answer(GAME_ID).fresh_s
    feed.show(game(play(12, "goal", 7)))
    while reader.answer(GAME_ID).fresh_s:
        assert time.monotonic() - began < 60
        time.sleep(0.1)
    assert (left, time.monotonic() - began >= 1) == (1, True)
    assert [shot.event_id for shot in fetched(reader, GAME_ID).shots] == [12]


def test_overlong_max_age_is_capped(feed: FeedServer) -> None:
    feed.show(game(), cache_control="max-age=86400")
    assert Feed(feed.url).answer(GAME_ID).fresh_s == MAX_FRESH_S


def test_requests_carry_the_user_agent_and_no_query(feed: FeedServer) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
    settings = ClientSettings.from_env({"XG_FEED_URL": feed.url})
    feed.show(game())
    fetched(Feed(settings.feed_url, settings.user_agent), GAME_ID)
    assert feed.agents == {f"live-xg/{__version__} (personal use)"}
    assert settings.user_agent in (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
    fetched(Feed(feed.url, ClientSettings.from_env({"XG_USER_AGENT": "me/1 (me@example.org)"}).user_agent), GAME_ID)
    assert "me/1 (me@example.org)" in feed.agents
    assert not any("?" in path for path, _ in feed.requests)


@pytest.mark.parametrize("value", ["a\nb: c", "Müller", "x" * 300])
def test_user_agent_unfit_for_a_header_is_refused(value: str) -> None:
    with pytest.raises(SettingsError, match="XG_USER_AGENT"):
        ClientSettings.from_env({"XG_USER_AGENT": value})


def test_other_processes_request_nothing_while_a_stored_answer_is_fresh(
    tmp_path: Path, feed: FeedServer, service: Service
) -> None:
    feed.show(game(play(11, "goal", 5)), cache_control="max-age=19")
    clients = [make_client(tmp_path, feed.url, service.url) for _ in range(3)]  # each with a feed of its own
    assert [client.ping(GAME_ID).scored for client in clients] == [1, 0, 0]
    assert len(feed.requests) == 1
    service.client.download_registry_model("bundled", "xg-distance")
    assert clients[1].ping(GAME_ID).scored == 1  # another model is no matter of the feed's
    assert len(feed.requests) == 2


def test_pending_shots_are_scored_though_the_answer_is_fresh(
    tmp_path: Path, feed: FeedServer, service: Service
) -> None:
    feed.show(game(play(11, "goal", 5)), cache_control="max-age=19")
    with pytest.raises(ServiceUnavailable):
        make_client(tmp_path, feed.url, "http://127.0.0.1:9").ping(GAME_ID)
    assert make_client(tmp_path, feed.url, service.url).ping(GAME_ID).scored == 1


def test_freshness_noted_by_a_clock_ahead_is_ignored(tmp_path: Path, feed: FeedServer, service: Service) -> None:
    feed.show(game(play(11, "goal", 5)), cache_control="max-age=19")
    make_client(tmp_path, feed.url, service.url).ping(GAME_ID)
    with closing(open_writer(tmp_path / "history.db", MIGRATIONS)) as connection:
        connection.execute("UPDATE games SET stale_at = '2099-01-01T00:00:00.000Z'")
    feed.show(game(play(11, "goal", 5), play(12, "goal", 7)))
    assert make_client(tmp_path, feed.url, service.url).ping(GAME_ID).scored == 1
