"""Measure a ping of a finished game in ratio to `json.loads` of the same answer."""

import gzip
import json
import os
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

import urllib3

from bench.costs import costs, table
from bench.feed import CONDITIONAL, running_feed
from bench.servers import service
from db.history import History
from livegame.client import GameClient
from livegame.features.rows import game_update
from livegame.feed import Feed
from livegame.parsing.parse import parse_game
from livegame.recordings.files import SAMPLE_FOLDER, read_recording
from livegame.recordings.replay import play_by_play, standing
from xgserve.client import ServingClient

ROUNDS: Final = 40
BASE: Final = "json.loads"
_RECORDED: Final = Path("games") / "new" / "2022020001.json.gz"


def recorded_answer() -> bytes:
    """Return a recorded answer of the league's feed, or the sample's if no recording is there."""
    recorded = Path(os.environ.get("XG_RECORDINGS") or "recordings") / _RECORDED
    return gzip.decompress(recorded.read_bytes()) if recorded.exists() else sample_answer()


def sample_answer() -> bytes:
    """Return the sample as the replay serves it: smaller than the league's answer, without fields we do not read."""
    sample = read_recording(next(SAMPLE_FOLDER.glob("*.json")))
    return json.dumps(play_by_play(sample, standing(sample, 1e9))).encode()


def run() -> None:
    """Measure one recorded game."""
    answer = recorded_answer()
    game = parse_game(json.loads(answer))
    print(f"one ping: {len(game.plays)} plays, {len(game.shots)} shots, {len(answer) / 1e3:.0f} kB of JSON")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "answer.json").write_bytes(answer)
        with service(folder) as url, running_feed(folder / "answer.json") as feed:
            print(table(costs(_tasks(answer, game.game_id, folder, url, feed), ROUNDS), BASE))


def _tasks(answer: bytes, game_id: int, folder: Path, url: str, feed: str) -> dict[str, Callable[[], object]]:
    numbers = iter(range(game_id + 1, game_id + 10_000))
    history = History(folder / "history.db")
    client = GameClient(Feed(feed), ServingClient(url), history, folder)
    conditional = GameClient(Feed(feed + CONDITIONAL), ServingClient(url), history, folder)
    shots = client.ping(game_id).scored
    feed_json = json.loads(answer)
    return {
        BASE: lambda: json.loads(answer),
        "first ping": lambda: client.ping(next(numbers)),
        "first ping and its report": lambda: client.report(client.ping(next(numbers)).game_id),
        "ping, nothing new": lambda: client.ping(game_id),
        "ping, nothing new, and the feed says so": lambda: conditional.ping(game_id),
        "of a first ping: shots and features": lambda: game_update(parse_game(feed_json)),
        "floor of a first ping": _floor(folder, url, f"{feed}/v1/gamecenter/{game_id}/play-by-play", shots),
    }


def _floor(folder: Path, url: str, feed: str, shots: int) -> Callable[[], object]:
    """Return a task that moves the same bytes over HTTP and to disk, and does nothing with them."""
    http = urllib3.PoolManager()
    columns = [feature.name for feature in ServingClient(url).model().features]
    body = json.dumps({"columns": columns, "index": list(range(shots)), "data": [[None] * len(columns)] * shots})
    rows = [("x" * 700, "y" * 400) for _ in range(shots)]
    with closing(sqlite3.connect(folder / "floor.db")) as connection:
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("CREATE TABLE shots (features TEXT, inputs TEXT)")

    def once() -> None:
        http.request("GET", feed)
        http.request("GET", f"{url}/model")
        http.request("POST", f"{url}/predict", body=body, headers={"Content-Type": "application/json"})
        with closing(sqlite3.connect(folder / "floor.db")) as connection, connection:
            connection.executemany("INSERT INTO shots VALUES (?, ?)", rows)

    return once
