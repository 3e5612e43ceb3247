"""How often a game is pinged: by its state, and never held up by a clock that was wrong."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db.times import timestamp
from livegame.client import GameClient
from livegame.pace import LINGER_S, SELDOM_S, is_due, pause_s
from livegame.plays import GameState
from tests.conftest import Service
from tests.games import GAME_ID, FeedServer, game, play
from tests.helpers import make_client, reported

NOW = datetime(2026, 11, 29, 20, tzinfo=UTC)


def row(state: GameState, *, starts_in_s: float = -7200, **more: Any) -> dict[str, Any]:
    values = {"start_is_known": 1, "ended_at": None, "has_end": 1, "pinged_at": timestamp(NOW)}
    return {"state": state, "start_time": timestamp(NOW + timedelta(seconds=starts_in_s))} | values | more


def ago(seconds: float) -> str:
    return timestamp(NOW - timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("stored", "pause"),
    [
        (row(GameState.LIVE), 0),
        (row(GameState.NOT_STARTED, starts_in_s=90 * 86400), SELDOM_S),
        (row(GameState.NOT_STARTED, starts_in_s=1800), 1200),
        (row(GameState.NOT_STARTED, starts_in_s=300), 0),
        (row(GameState.NOT_STARTED, starts_in_s=-300), 0),
        (row(GameState.NOT_STARTED, starts_in_s=-4 * 3600), SELDOM_S),
        (row(GameState.NOT_STARTED, starts_in_s=300, start_is_known=0), SELDOM_S),
        (row(GameState.POSTPONED, starts_in_s=300), SELDOM_S),
        (row(GameState.CANCELLED), None),
        (row(GameState.FINAL), None),
        (row(GameState.FINAL, ended_at=ago(60)), 0),
        (row(GameState.FINAL, ended_at=ago(LINGER_S + 1)), None),
        (row(GameState.FINAL, ended_at=ago(-3600)), 0),  # the clock was ahead when the game ended
        (row(GameState.FINAL, has_end=0), SELDOM_S),
        (row(GameState.FINAL, has_end=0, starts_in_s=-30 * 86400), None),
        (row(GameState.OVER, ended_at=ago(1800)), 0),
        (row(GameState.OVER, ended_at=ago(7200)), SELDOM_S),
    ],
)
def test_pause_follows_from_the_games_state_and_start(stored: dict[str, Any], pause: float | None) -> None:
    assert pause_s(stored, NOW) == pause


@pytest.mark.parametrize(
    ("pinged_s_ago", "is_so"),
    [(29, False), (31, True), (-3600, True)],
    ids=["just now", "a while ago", "ahead"],
)
def test_ping_is_due_after_the_interval_or_if_the_last_was_in_the_future(pinged_s_ago: float, is_so: bool) -> None:
    assert is_due(row(GameState.LIVE, pinged_at=ago(pinged_s_ago)), 30, NOW) is is_so


@pytest.fixture
def client(tmp_path: Path, feed: FeedServer, service: Service) -> GameClient:
    return make_client(tmp_path, feed.url, service.url)


def test_end_of_game_is_when_a_ping_first_saw_it(client: GameClient, feed: FeedServer) -> None:
    final: dict[str, Any] = {"state": GameState.FINAL, "period": 3, "seconds_left": 0}
    end = play(90, "game-end", 0, period=3)

    def awaited(*plays: Any, **stands: Any) -> bool:
        feed.show(game(*plays, **stands))
        return reported(client, client.ping(GAME_ID)).is_awaited

    assert not awaited(end, **final)  # it had ended before anybody asked
    assert awaited(play(1, "hit", 0))
    assert awaited(play(1, "hit", 0), end, **final | {"state": GameState.OVER})
    assert awaited(play(1, "hit", 0), end, **final)
