"""Check the features on recorded games and measure how fast they are made.

    python -m scripts.check_features                 the single games of XG_RECORDINGS, in the formats of both feeds
    python -m scripts.check_features --clock xgserve/bundled/xg-default/1.0.0

The first cuts each game after every play and compares the shots with those of the finished game; it prints how many
differ, and how many games per second go from raw JSON to features. The second moves the clock of goals, and of all
other attempts, by two seconds either way and prints the model's mean xG.

Exit codes: 0 no difference, 1 differences, 2 usage or settings, 3 unusable recordings or model.
"""

import gzip
import json
import time
from pathlib import Path
from typing import Any

from db.environment import SettingsError
from livegame.errors import LiveGameError
from livegame.features.frames import shot_features, training_frame
from livegame.parsing.parse import parse_game
from livegame.plays import Game
from livegame.settings import ClientSettings
from scripts.arguments import command_parser
from scripts.command import fail, run
from training.artifact import load
from training.errors import NoRecordings, TrainingError
from training.leakage_checks import compare_live, mean_by_outcome, shift_clock
from training.recipe import RECIPES, predict


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = command_parser("check_features", __doc__)
    parser.add_argument(
        "--clock", type=Path, metavar="FOLDER", help="instead, check whether this model reads the exact clock of goals"
    )
    options = parser.parse_args(arguments)
    try:
        feeds = _feeds(ClientSettings.from_env().recordings)
        return _check_clock(feeds, options.clock) if options.clock else _check_live(feeds)
    except SettingsError as error:
        return fail(error, 2)
    except (LiveGameError, TrainingError) as error:
        return fail(error, 3)


def _feeds(folder: Path) -> dict[str, dict[str, Any]]:
    paths = sorted((folder / "games").rglob("*.json.gz"))
    if not paths:
        raise NoRecordings(f"no games/*/*.json.gz below {folder}; set XG_RECORDINGS to a folder that holds some")
    return {f"{path.parent.name}/{path.name[:10]}": json.loads(gzip.decompress(path.read_bytes())) for path in paths}


def _check_live(feeds: dict[str, dict[str, Any]]) -> int:
    cuts = shots = differences = 0
    for name, feed in feeds.items():
        result = compare_live(feed)
        print(f"{name}: {result.cuts} cuts, {result.shots} shots compared, {result.differences} differ", flush=True)
        cuts, shots, differences = cuts + result.cuts, shots + result.shots, differences + result.differences
    print(f"live = finished: {len(feeds)} games, {cuts} cuts, {shots:,} shots compared, {differences} differ")
    raw = [json.dumps(feed) for feed in feeds.values()]
    begun = time.perf_counter()
    for text in raw:
        shot_features(parse_game(json.loads(text)))
    rate = len(raw) / (time.perf_counter() - begun)
    print(f"raw JSON to features: {rate:.0f} games/s, {1000 / rate:.1f} ms a game")
    return 1 if differences else 0


def _check_clock(feeds: dict[str, dict[str, Any]], folder: Path) -> int:
    estimator, card = load(folder)
    recipe = RECIPES[card["name"]]
    games: list[Game] = [parse_game(feed) for feed in feeds.values()]

    def means(shown: list[Game]) -> dict[str, float]:
        frame = training_frame(shown)
        return mean_by_outcome(frame, predict(estimator, recipe, frame))

    base = means(games)
    print(f"as recorded: mean xG of goals {base['goals']:.6f}, of other attempts {base['others']:.6f}")
    moved = 0
    for goals, what in ((True, "goals"), (False, "other attempts")):
        for seconds in (-2, 2):
            shifted = means(list(shift_clock(games, seconds, goals=goals)))
            moved += shifted != base
            print(f"{what} {seconds:+d} s: {shifted['goals']:.6f}, {shifted['others']:.6f}")
    return 1 if moved else 0


if __name__ == "__main__":
    run(main)
