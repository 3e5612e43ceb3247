"""Train models on recorded seasons: writes model.skops, card.json and card.html for each.

Seasons come from the folder of recordings (XG_RECORDINGS). One named with --season that is not there is first
downloaded into it from the NHL, game by game; an interrupted download goes on where it stopped.

    python -m scripts.train_model
    python -m scripts.train_model --model xg-default --season 20222023 --season 20232024 --out my-models

Exit codes: 0 done, 2 usage or settings, 3 recordings or feed, 4 Comet.
"""

import argparse
import os
import re
from pathlib import Path
from typing import Final

import pandas as pd

from livegame.exceptions import LiveGameError
from livegame.settings import Settings, SettingsError
from scripts.command import complain, report, run
from training.card import make_card, save
from training.frames import load_frame
from training.publish import PublishError, register
from training.recipe import POPULATIONS, RECIPES, fit, folds, of_population, out_of_fold

BUNDLED: Final = Path(__file__).parent.parent / "xgserve" / "bundled"


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    names = options.model or list(RECIPES)
    if options.register and len(names) != 1:
        parser.error("--register takes one model: name it with --model")
    try:
        frame = load_frame(Settings.from_env(), options.season, report, options.cluster)
        frame = of_population(frame, options.population)
        for name in names:
            folder = options.out / name / options.version
            _train(name, frame, options.population, options.seed, folder)
            if options.register:
                print(register(options.register, folder, os.environ))
    except SettingsError as error:
        return complain(error, 2)
    except (LiveGameError, OSError) as error:
        return complain(error, 3)
    except PublishError as error:
        return complain(error, 4)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="train_model", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", action="append", choices=list(RECIPES), help="default: all three")
    parser.add_argument(
        "--season",
        action="append",
        type=season,
        default=[],
        metavar="S",
        help="such as 20222023; default: all recorded",
    )
    parser.add_argument("--population", choices=POPULATIONS, default="unblocked", help="default: unblocked")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=BUNDLED, metavar="FOLDER", help="default: the bundled models")
    parser.add_argument("--version", type=_version, default="1.0.0", help="default: 1.0.0")
    parser.add_argument("--cluster", metavar="ADDRESS", help="make the features on this Dask cluster, not here")
    parser.add_argument("--register", type=_target, metavar="WORKSPACE/NAME", help="also log the model to Comet")
    return parser


def season(text: str) -> int:
    """A season from the command line, such as 20222023."""
    if not re.fullmatch(r"(19|20)\d{6}", text) or int(text[4:]) != int(text[:4]) + 1:
        raise argparse.ArgumentTypeError("must be two years in a row, such as 20222023")
    return int(text)


def _version(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise argparse.ArgumentTypeError("must be three numbers, such as 1.0.0")
    return text


def _target(text: str) -> str:
    if not re.fullmatch(r"[^/\s]+/[^/\s]+", text):
        raise argparse.ArgumentTypeError("must be WORKSPACE/NAME")
    return text


def _train(name: str, frame: pd.DataFrame, population: str, seed: int, folder: Path) -> None:
    recipe = RECIPES[name]
    report(f"{name}: {len(frame):,} shots")
    unseen = out_of_fold(recipe, frame, seed)
    estimator = fit(recipe, frame, seed)
    card = make_card(recipe, estimator, frame, population, unseen, seed)
    save(folder, estimator, card)
    metrics = card["metrics"]
    print(
        f"{name}: log loss {metrics['log_loss']:.4f}, AUC {metrics['auc']:.3f}, xG per goal"
        f" {metrics['xg_per_goal']:.3f} out of fold by {folds(frame)}; {folder / 'model.skops'}"
        f" ({(folder / 'model.skops').stat().st_size / 1024:.0f} KiB)"
    )


if __name__ == "__main__":
    run(main)
