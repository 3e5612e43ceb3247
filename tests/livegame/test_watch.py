"""Pings of the games that somebody watches, counted at the feed."""

from collections import Counter
from datetime import timedelta
from pathlib import Path

import pytest

from db import times
from livegame.client import GameClient
from livegame.errors import FeedUnavailable
from livegame.plays import GameState, GameSummary
from livegame.watch import Watch
from tests.conftest import Service
from tests.games import FeedServer, game, hanging_server
from tests.helpers import make_client, wait_until
from tests.reports import SHOTS

FIRST = 2021020001


def serve(feed: FeedServer, *states: GameState, start: str = "2021-11-28T18:00:00Z") -> list[GameSummary]:
    """Serve games in these states; return a list of them."""
    found = []
    for number, state in enumerate(states):
        shown = game(*SHOTS, game_id=FIRST + number, state=state, start_time=start)
        feed.show(shown)
        found.append(GameSummary(shown.game_id, start, shown.home, shown.away, state, state.value, state.value))
    return found


def asked(feed: FeedServer) -> dict[int, int]:
    """Return how often each game was asked for."""
    return dict(Counter(int(path.split("/")[3]) for path, _ in feed.requests))


@pytest.fixture
def client(tmp_path: Path, feed: FeedServer, service: Service) -> GameClient:
    return make_client(tmp_path, feed.url, service.url)


def test_sixteen_live_games_are_pinged_once_an_interval_however_many_ask(client: GameClient, feed: FeedServer) -> None:
    listed = serve(feed, *[GameState.LIVE] * 16)
    watches = [Watch(client, every_s=3600), Watch(client, every_s=3600)]  # of two dashboards on one history
    for _ in range(5):
        watches[0].ping_due(listed)
    wait_until(lambda: len(asked(feed)) == 16 and not watches[0].at_work)
    for watch in watches:
        watch.ping_due(listed)
    wait_until(lambda: not watches[1].at_work)
    assert asked(feed) == {FIRST + number: 1 for number in range(16)}
    again = Watch(client, every_s=0)
    again.ping_due(listed)
    wait_until(lambda: not again.at_work)
    assert asked(feed) == {FIRST + number: 2 for number in range(16)}


def test_only_games_with_plays_to_come_are_pinged(client: GameClient, feed: FeedServer) -> None:
    now = times.timestamp(times.utc_now() - timedelta(hours=3))
    states = (GameState.LIVE, GameState.OVER, GameState.FINAL)
    listed = serve(feed, *states, GameState.NOT_STARTED, GameState.POSTPONED, GameState.CANCELLED, start=now)
    assert client.due_games(listed, 0) == [FIRST, FIRST + 1, FIRST + 2]
    old = serve(feed, *states)
    assert client.due_games(old, 0) == [FIRST]  # never pinged and long over: the others wait to be opened


def test_game_that_has_begun_since_its_last_ping_is_due(client: GameClient, feed: FeedServer) -> None:
    serve(feed, GameState.NOT_STARTED)
    client.ping(FIRST)
    listed = serve(feed, GameState.LIVE)
    assert client.due_games(listed, 3600) == []
    assert client.due_games(listed, 0) == [FIRST]


def test_feed_that_hangs_delays_nobody_and_is_asked_once(
    tmp_path: Path, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegame.feed.READ_TIMEOUT_S", 600)
    with hanging_server() as hanging:
        watch = Watch(make_client(tmp_path, hanging.url, service.url), every_s=0)
        state = GameState.LIVE
        shown = game(*SHOTS, game_id=FIRST)
        listed = [GameSummary(FIRST, shown.start_time, shown.home, shown.away, state, state.value, state.value)]
        for _ in range(20):
            watch.ping_due(listed)
        wait_until(lambda: hanging.requests)
        watch.ping_due(listed)
        assert watch.at_work == {FIRST}
        assert len(hanging.requests) == 1


def test_failed_ping_is_kept_until_one_succeeds(client: GameClient, feed: FeedServer) -> None:
    listed = serve(feed, GameState.LIVE)
    path = f"/v1/gamecenter/{FIRST}/play-by-play"
    found = feed.answers[path]
    feed.answer(path, b"{}", 429)
    watch = Watch(client, every_s=0)
    watch.ping_due(listed)
    wait_until(lambda: not watch.at_work)
    assert isinstance(watch.problem(FIRST), FeedUnavailable)
    feed.answers[path] = found
    watch.ping_due(listed)
    wait_until(lambda: not watch.at_work)
    assert watch.problem(FIRST) is None
