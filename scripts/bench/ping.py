"""What a ping of a game costs: from the feed's JSON to stored probabilities."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from db.history import History
from livegame.client import GameClient
from livegame.features import shot_features
from livegame.feed import Feed
from livegame.plays import Game, parse_game
from livegame.recordings import SAMPLE_FOLDER, read_recording
from livegame.replay import create_app, moment, play_by_play
from scripts.bench.rounds import medians
from scripts.bench.servers import served, service
from xgserve.client import ServingClient


def run() -> None:
    """Measure the sample game."""
    sample = read_recording(next(SAMPLE_FOLDER.glob("*.json")))
    text = json.dumps(play_by_play(sample, moment(sample, 1e9)))
    with tempfile.TemporaryDirectory() as folder, service(Path(folder)) as url:
        _features_and_ping(sample, text, url, Path(folder))


def _features_and_ping(sample: Game, text: str, url: str, folder: Path) -> None:
    numbers = iter(range(2021020400, 2021029999))

    def features() -> None:
        shot_features(parse_game(json.loads(text)))

    with replay(sample, folder) as feed_url:
        feed, serving = Feed(feed_url), ServingClient(url)
        client = GameClient(feed, serving, History(folder / "history.db"), folder)
        client.ping(sample.game_id)

        def first_ping() -> None:
            client.take(replace(feed.game(sample.game_id), game_id=next(numbers)))

        made, first, quiet = medians(features, first_ping, lambda: client.ping(sample.game_id))
    print(f"raw JSON to features: {made * 1e3:.1f} ms a game, {1 / made:.0f} games a second")
    print(f"ping of a whole new game: {first * 1e3:.1f} ms, of which features {made / first:.0%}")
    print(f"ping with nothing new: {quiet * 1e3:.1f} ms, of which features {made / quiet:.0%}")


@contextmanager
def replay(sample: Game, folder: Path) -> Iterator[str]:
    """The sample game, over, behind the replay feed."""
    (folder / "replay.json").write_text(json.dumps({str(sample.game_id): 0}))
    with served(create_app(folder / "none", folder / "replay.json", speed=1)) as url:
        yield url
