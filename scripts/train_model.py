"""Train models on recorded seasons, or on your own history: writes model.skops, card.json and card.html for each.

Seasons come from the folder of recordings (XG_RECORDINGS). A season named with --season that is missing there is first
downloaded from the NHL, game by game; an interrupted download resumes where it stopped.

With --history, xg-default is fitted on the finished games in history.db in addition to the recorded seasons (or on
them alone, if no season is recorded or with --alone). It is stored as local/xg-default beside the models that the
service on the same data folder has downloaded; its version is the date of the newest game. The old model (the newest
local one, else the bundled one) and the new one are compared on the newest month, which is held out; the last line says
which one to use.

    python -m scripts.train_model
    python -m scripts.train_model --model xg-default --season 20222023 --season 20232024 --out my-models
    python -m scripts.train_model --history data/history.db

Exit codes: 0 done, 2 usage or settings, 3 recordings, feed or too few games, 4 Comet, 5 the history.
"""

import argparse
import dataclasses
import os
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import pandas as pd

from db.connection import DatabaseError
from db.environment import SettingsError
from db.history import History
from livegame.errors import LiveGameError
from livegame.settings import ClientSettings
from scripts.arguments import command_parser, season
from scripts.command import fail, run, write_stderr
from training.artifact import load, save
from training.card import make_card
from training.errors import TrainingError
from training.publish import LOCAL, keep, newest_kept, register
from training.recipe import POPULATIONS, RECIPES, Recipe, fit, folds, of_population, out_of_fold, predict
from training.refit import Comparison, compare_models, held_back, merge_history, stored_frame
from training.training_set import load_frame, recorded_seasons

BUNDLED: Final = Path(__file__).parent.parent / "xgserve" / "bundled"


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    names = options.model or (["xg-default"] if options.history else list(RECIPES))
    if options.register and len(names) != 1:
        parser.error("--register takes one model: name it with --model")
    if not options.history and (options.alone or options.old):
        parser.error("--alone and --old go with --history")
    try:
        settings = ClientSettings.from_env()
        if options.history:
            _refit(names, options, settings)
            return 0
        frame = load_frame(settings, options.season, write_stderr, options.cluster)
        frame = of_population(frame, options.population)
        for name in names:
            folder = (options.out or BUNDLED) / name / (options.version or "1.0.0")
            _train(name, frame, options, folder)
            _register(options, folder)
    except SettingsError as error:
        return fail(error, 2)
    except DatabaseError as error:
        return fail(error, 5)
    except TrainingError as error:
        return fail(error, error.exit_code)
    except (LiveGameError, OSError) as error:
        return fail(error, 3)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("train_model", __doc__)
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
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FOLDER",
        help="default: the bundled models; with --history, where the service looks",
    )
    parser.add_argument("--version", type=_version, help="default: 1.0.0; with --history, the newest game's date")
    parser.add_argument(
        "--history", type=Path, metavar="FILE", help="also fit on the finished games in this history.db"
    )
    parser.add_argument("--alone", action="store_true", help="with --history: without any recorded season")
    parser.add_argument("--old", type=Path, metavar="FOLDER", help="with --history: the model to compare with")
    parser.add_argument("--cluster", metavar="ADDRESS", help="make the features on this Dask cluster instead of here")
    parser.add_argument("--register", type=_target, metavar="WORKSPACE/NAME", help="also log the model to Comet")
    return parser


def _version(text: str) -> str:
    if not re.fullmatch(r"\d+\.\d+\.\d+", text):
        raise argparse.ArgumentTypeError("must be three numbers, such as 1.0.0")
    return text


def _target(text: str) -> str:
    if not re.fullmatch(r"[^/\s]+/[^/\s]+", text):
        raise argparse.ArgumentTypeError("must be WORKSPACE/NAME")
    return text


def _register(options: argparse.Namespace, folder: Path) -> None:
    if options.register:
        print(register(options.register, folder, os.environ))


def _train(
    name: str, frame: pd.DataFrame, options: argparse.Namespace, folder: Path, comparison: Comparison | None = None
) -> None:
    recipe = RECIPES[name]
    write_stderr(f"{name}: {len(frame):,} shots")
    unseen = out_of_fold(recipe, frame, options.seed, write_stderr)
    write_stderr(f"{name}: fitting on all of them")
    estimator = fit(recipe, frame, options.seed)
    card = make_card(recipe, estimator, frame, options.population, unseen, options.seed)
    if comparison:
        card["comparison"] = dataclasses.asdict(comparison) | {"verdict": comparison.verdict}
    save(folder, estimator, card)
    metrics = card["metrics"]
    print(
        f"{name}: log loss {metrics['log_loss']:.4f}, AUC {metrics['auc']:.3f}, xG per goal"
        f" {metrics['xg_per_goal']:.3f} out of fold by {folds(frame)}; {folder / 'model.skops'}"
        f" ({(folder / 'model.skops').stat().st_size / 1024:.0f} KiB)"
    )


def _refit(names: Sequence[str], options: argparse.Namespace, settings: ClientSettings) -> None:
    write_stderr(f"reading {options.history}")
    frame = stored_frame(History(options.history))
    write_stderr(f"{frame['game_id'].nunique():,} finished games, the newest of {max(frame['game_date'])}")
    if not options.alone and (options.season or recorded_seasons(settings)):
        frame = merge_history(load_frame(settings, options.season, write_stderr, options.cluster), frame)
    frame = of_population(frame, options.population)
    version = options.version or _version_of(max(frame["game_date"].dropna()))
    for name in names:
        old = options.old or newest_kept(settings.data_dir, name) or _newest(BUNDLED / name)
        comparison = _compare(RECIPES[name], frame, options, old, f"{LOCAL}/{name}:{version}")
        if options.out:
            folder = options.out / name / version
            _train(name, frame, options, folder, comparison)
            _register(options, folder)
        else:
            with TemporaryDirectory() as room:
                _train(name, frame, options, Path(room) / name, comparison)
                _register(options, Path(room) / name)
                kept = keep(settings.data_dir, Path(room) / name, name, version)
            print(f"{LOCAL}/{name}:{version} is in {kept}, where the service on this data folder finds it")
        print(comparison.verdict)


def _version_of(day: str) -> str:
    return ".".join(str(int(part)) for part in day.split("-"))


def _newest(folder: Path) -> Path:
    return max(folder.glob("*/"), key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)])


def _compare(recipe: Recipe, frame: pd.DataFrame, options: argparse.Namespace, old: Path, new_name: str) -> Comparison:
    """Compare, on the newest month, the old model with the recipe fitted on everything before that month."""
    estimator, card = load(old)
    old_name = f"{old.parent.parent.name}/{old.parent.name}:{old.name}"
    rows = held_back(frame, card)
    test = frame[rows]
    write_stderr(f"fitting on all but the newest {test['game_id'].nunique()} games, to compare with {old_name} on them")
    new = predict(fit(recipe, frame[~rows], options.seed), recipe, test)
    columns = dataclasses.replace(recipe, features=tuple(feature["name"] for feature in card["features"]))
    return compare_models(test, {old_name: predict(estimator, columns, test), new_name: new}, old_name, new_name, card)


if __name__ == "__main__":
    run(main)
