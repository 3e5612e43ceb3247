"""Helpers for tests of several folders: ports, clocks, commands, and game clients on a folder of their own."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from db.history import History, Recorded
from livegame.client import GameClient
from livegame.features.rows import game_update
from livegame.feed import Feed
from livegame.game_id import valid_game_id
from livegame.plays import Game
from livegame.reports.game import GameReport
from xgserve.client import ServingClient

ROOT = Path(__file__).parents[1]  # of the project
NOWHERE = "http://127.0.0.1:9"  # an address at which nothing listens


@dataclass
class Clock:
    """A clock in seconds for the replay; each reading moves it on by `tick`."""

    seconds: float = 0.0
    tick: float = 0.0
    readings: int = 0

    def __call__(self) -> float:
        self.readings += 1
        self.seconds += self.tick
        return self.seconds


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for something that another thread or process does."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds:g} s"
        time.sleep(0.02)


def environment(data_dir: Path, feed_url: str = NOWHERE, serving_url: str = NOWHERE) -> dict[str, str]:
    """Return the environment of a command that works in `data_dir`."""
    settings = {"XG_DATA_DIR": str(data_dir), "XG_FEED_URL": feed_url, "XG_SERVING_URL": serving_url}
    return without_settings() | settings | {"PYTHONPATH": str(ROOT)}


def without_settings() -> dict[str, str]:
    """Return the environment of the tests without the project's settings."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("XG_", "COMET_"))}


def make_client(data_dir: Path, feed_url: str, serving_url: str) -> GameClient:
    """Return a game client whose history and locks are in `data_dir`."""
    return GameClient(Feed(feed_url), ServingClient(serving_url), History(data_dir / "history.db"), data_dir)


def record(client: GameClient, game: Game) -> Recorded:
    """Record one game, as a backfill does."""
    (recorded,) = client.record([game_update(game)], 20)
    return recorded


def reported(client: GameClient, ping: Recorded) -> GameReport:
    """Return what the history says of a pinged game now."""
    report = client.report(ping.game_id)
    assert report is not None
    return report


def statuses(client: GameClient, ping: Recorded) -> dict[int, str]:
    """Return the status of each shot of a pinged game, by event id."""
    shots = reported(client, ping).shots
    return dict(zip(shots["event_id"], shots["status"], strict=True))


def fetched(feed: Feed, game_id: str | int) -> Game:
    """Return the game that the feed shows."""
    number = valid_game_id(game_id)
    return feed.read_game(number, feed.answer(number))


def rows_scored(metrics: str) -> int:
    """Return how many rows the service has scored with all models, by the text of `/metrics`."""
    lines = (line for line in metrics.splitlines() if line.startswith("xg_rows_scored_total"))
    return sum(int(float(line.split()[-1])) for line in lines)
