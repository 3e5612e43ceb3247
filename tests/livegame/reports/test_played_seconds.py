"""How much of a game has been played by its report: where the xG race ends."""

from pathlib import Path
from typing import Any

import pytest

from db.history import History
from livegame.client import GameClient
from livegame.feed import Feed
from livegame.plays import GameState
from tests.conftest import Service
from tests.games import FeedServer, game, play
from tests.helpers import record, reported
from xgserve.client import ServingClient

LATE_GOAL = play(9, "goal", 130, period=4, period_type="OT")


@pytest.mark.parametrize(
    ("plays", "stands", "seconds"),
    [
        ([], {"seconds_left": 755}, 445),
        ([], {"period": 2, "seconds_left": 1200}, 1200),
        ([], {"period": 2, "seconds_left": 900, "in_intermission": True}, 2400),
        ([], {"period": 3, "state": GameState.FINAL, "seconds_left": 0}, 3600),
        ([], {"period": 4, "period_type": "OT", "seconds_left": 200}, 3700),
        ([], {"period": 4, "period_type": "OT", "seconds_left": 1000, "game_type": 3}, 3800),
        ([], {"period": 5, "period_type": "SO", "seconds_left": 0}, 3900),
        # feeds differ on what the clock says after a goal in overtime
        ([LATE_GOAL], {"period": 4, "period_type": "OT", "state": GameState.FINAL, "seconds_left": 0}, 3730),
        # the clock lags behind the plays
        ([play(9, "missed-shot", 460)], {"seconds_left": 755}, 460),
        ([], {"period": 0, "state": GameState.NOT_STARTED, "seconds_left": 1200}, 0),
    ],
)
def test_played_seconds_follow_from_the_games_clock(
    tmp_path: Path, feed: FeedServer, service: Service, plays: list[Any], stands: dict[str, Any], seconds: int
) -> None:
    client = GameClient(Feed(feed.url), ServingClient(service.url), History(tmp_path / "history.db"), tmp_path)
    assert reported(client, record(client, game(*plays, **stands))).played_seconds == seconds


def test_retracted_goal_prolongs_no_overtime(tmp_path: Path, feed: FeedServer, service: Service) -> None:
    client = GameClient(Feed(feed.url), ServingClient(service.url), History(tmp_path / "history.db"), tmp_path)
    final = {"period": 4, "period_type": "OT", "state": GameState.FINAL, "seconds_left": 0}
    record(client, game(LATE_GOAL, **final))
    earlier = play(10, "goal", 100, period=4, period_type="OT")
    assert reported(client, record(client, game(earlier, **final))).played_seconds == 3700
