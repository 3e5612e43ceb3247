"""Evaluate models on shots that they have not seen.

With --test, each recipe is fitted on the --train seasons (default: all recorded seasons before it) and evaluated on
the test season, beside the base rate. Without it, the recorded or --train seasons take turns (out of fold). With
--artifact, a saved model is evaluated on the test season as it is. With --growing, the first 40, 150 and 500 games of
the test season are added to those to fit on, and its remaining games are evaluated with and without them.

    python -m scripts.evaluate_model --test 20222023
    python -m scripts.evaluate_model --train 20182019 --train 20192020 --train 20202021
    python -m scripts.evaluate_model --test 20222023 --model xg-default --against published.csv.gz
    python -m scripts.evaluate_model --train 20182019 --train 20192020 --train 20202021 --ablation
    python -m scripts.evaluate_model --test 20222023 --growing
    python -m scripts.evaluate_model --artifact xgserve/bundled/xg-default/1.0.0 --test 20232024

Exit codes: 0 done, 2 usage or settings, 3 recordings, feed, or a file that cannot be used.
"""

import argparse
import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from db.environment import SettingsError
from livegame.errors import LiveGameError
from livegame.settings import ClientSettings
from scripts.arguments import command_parser, season
from scripts.command import fail, run, write_stderr
from training.artifact import load
from training.errors import NoRecordings, TrainingError
from training.evaluation import (
    Probabilities,
    bootstrap_by_game,
    deciles,
    log_losses,
    ratio_by_game,
    scores,
    scores_by,
    standard_groups,
)
from training.published_xg import compare_with_published, join_published, read_published
from training.recipe import (
    CLOCK,
    LOCATION,
    MANPOWER,
    POPULATIONS,
    PREVIOUS,
    RECIPES,
    SHOT_TYPE,
    Recipe,
    fit,
    of_population,
    out_of_fold,
    predict,
)
from training.training_set import load_frame, recorded_seasons

FIRST_GAMES: Final = (40, 150, 500)
GROUPS: Final = {"location": LOCATION, "shot type": SHOT_TYPE, "manpower": MANPOWER, "previous event": PREVIOUS}
EXTRAS: Final = {
    "score, home, period": ("score_difference", "is_home", "period"),
    "exact times (not honest)": CLOCK,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if (options.against or options.artifact or options.growing) and not options.test:
        parser.error("--against, --artifact and --growing need a --test season")
    if options.test in options.train:
        parser.error("the --test season must not be among those to fit on")
    try:
        _evaluate(options, ClientSettings.from_env())
    except SettingsError as error:
        return fail(error, 2)
    except (LiveGameError, TrainingError) as error:
        return fail(error, 3)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("evaluate_model", __doc__)
    parser.add_argument("--test", type=season, metavar="S", help="the season to evaluate on, such as 20222023")
    parser.add_argument("--train", action="append", type=season, default=[], metavar="S", help="seasons to fit on")
    parser.add_argument("--model", action="append", choices=list(RECIPES), help="default: all three")
    parser.add_argument("--artifact", type=Path, metavar="FOLDER", help="evaluate this saved model instead of recipes")
    parser.add_argument("--population", choices=POPULATIONS, default="unblocked", help="default: unblocked")
    parser.add_argument(
        "--ablation", action="store_true", help="show what each group of features contributes to xg-default"
    )
    parser.add_argument(
        "--growing", action="store_true", help="show what the season's first games add for the rest of it"
    )
    parser.add_argument(
        "--against", type=Path, metavar="CSV", help="published xG to compare with, see training/published_xg.py"
    )
    parser.add_argument("--seed", type=int, default=0)
    return parser


def _evaluate(options: argparse.Namespace, settings: ClientSettings) -> None:
    published = read_published(options.against) if options.against else None
    names = options.model or list(RECIPES)
    if options.artifact:
        estimator, card = load(options.artifact)
        recipe = dataclasses.replace(RECIPES["xg-default"], features=tuple(f["name"] for f in card["features"]))
        test = of_population(load_frame(settings, [options.test], write_stderr), card["population"])
        if options.test in card["seasons"]:
            print(f"NOTE: {card['name']} was trained on {options.test}; these figures flatter it.")
        results = {card["name"]: predict(estimator, recipe, test)}
    else:
        wanted = options.train or [s for s in recorded_seasons(settings) if options.test is None or s < options.test]
        if options.test and not wanted:
            raise NoRecordings(f"no season before {options.test} is recorded; name some to fit on with --train")
        frame = load_frame(settings, [*wanted, *([options.test] if options.test else [])], write_stderr)
        frame = of_population(frame, options.population)
        if options.ablation:
            _print_ablation(frame, options.test, options.seed)
            return
        if options.growing:
            _print_growing(frame, options.test, options.seed)
            return
        train = frame[frame["season"] != options.test]
        test = frame[frame["season"] == options.test] if options.test else frame
        results = {name: _unseen(RECIPES[name], frame, options.test, options.seed) for name in names}
        results["base rate"] = np.full(len(test), train["is_goal"].mean())
    for name, xg in results.items():
        _print_scores(name, test, xg)
    if published is not None:
        _print_comparison(test, next(iter(results.values())), options.against.name, published)


def _unseen(recipe: Recipe, frame: pd.DataFrame, test: int | None, seed: int) -> Probabilities:
    """Return P(goal) for the test season's rows, or out of fold for all rows if no test season is named."""
    if test is None:
        return out_of_fold(recipe, frame, seed)
    estimator = fit(recipe, frame[frame["season"] != test], seed)
    return predict(estimator, recipe, frame[frame["season"] == test])


def _print_scores(name: str, frame: pd.DataFrame, xg: Probabilities) -> None:
    print(f"\n{name}")
    print(_table(scores_by(frame, xg, standard_groups(frame))))
    for year in sorted(frame["season"].unique()):
        rows = (frame["season"] == year).to_numpy()
        low, high = ratio_by_game(frame["is_goal"][rows], xg[rows], frame["game_id"][rows])
        print(f"xG per goal of season {year}: 95 % interval by game {low:.3f} to {high:.3f}")
    if len(np.unique(xg)) > 1:
        print(_table(deciles(frame["is_goal"], xg)))


def _table(table: pd.DataFrame) -> str:
    whole = {name: "{:.0f}".format for name in ("shots", "goals") if name in table}
    return str(table.to_string(float_format="{:.4f}".format, formatters=whole))


def _print_ablation(frame: pd.DataFrame, test: int | None, seed: int) -> None:
    recipe = RECIPES["xg-default"]
    is_goal = (frame if test is None else frame[frame["season"] == test])["is_goal"]

    def losses(features: tuple[str, ...]) -> Mapping[str, Any]:
        return scores(is_goal, _unseen(dataclasses.replace(recipe, features=features), frame, test, seed))

    whole = losses(recipe.features)
    print(f"{'all features':32s} log loss {whole['log_loss']:.5f}  AUC {whole['auc']:.4f}")
    for what, names, sign in (
        *((f"without {group}", names, -1) for group, names in GROUPS.items()),
        *((f"with {group}", names, 1) for group, names in EXTRAS.items()),
    ):
        kept = tuple(name for name in recipe.features if name not in names)
        changed = losses(kept if sign < 0 else (*recipe.features, *names))
        difference = changed["log_loss"] - whole["log_loss"]
        print(
            f"{what:32s} log loss {changed['log_loss']:.5f} ({difference:+.5f})  AUC {changed['auc']:.4f}", flush=True
        )


def _print_growing(frame: pd.DataFrame, season: int, seed: int) -> None:
    recipe = RECIPES["xg-default"]
    before, test = frame[frame["season"] != season], frame[frame["season"] == season]
    played = sorted(test["game_id"].unique())  # in the order of their numbers, which is nearly that of their dates
    without = pd.Series(predict(fit(recipe, before, seed), recipe, test), test.index)
    for games in FIRST_GAMES:
        if games >= len(played):
            break
        first = test["game_id"].isin(played[:games])
        rest = test[~first]
        xg = predict(fit(recipe, pd.concat([before, test[first]], ignore_index=True), seed), recipe, rest)
        gain = log_losses(rest["is_goal"], without[rest.index]) - log_losses(rest["is_goal"], xg)
        low, high = bootstrap_by_game(gain, rest["game_id"])
        old, new = scores(rest["is_goal"], without[rest.index]), scores(rest["is_goal"], xg)
        print(
            f"{games:3d} games, {len(rest):,} shots after them: log loss {old['log_loss']:.5f} without,"
            f" {new['log_loss']:.5f} with, lower by {gain.mean():+.5f}, 95 % by game {low:+.5f} to {high:+.5f};"
            f" xG per goal {old['xg_per_goal']:.3f} without, {new['xg_per_goal']:.3f} with",
            flush=True,
        )


def _print_comparison(test: pd.DataFrame, xg: Probabilities, name: str, published: pd.DataFrame) -> None:
    joined = join_published(test.assign(ours=xg), published)
    on_goal = of_population(joined, "on-goal")
    result = compare_with_published(on_goal, on_goal["ours"].to_numpy())
    print(f"\n{name}: {len(on_goal):,} shots on goal and goals with a goalie in the net")
    print(json.dumps({"ours": result["ours"], "theirs": result["theirs"]}, indent=1))
    low, high = result["interval"]
    print(f"our log loss is lower by {result['gain']:.5f}, 95 % by game {low:.5f} to {high:.5f}")


if __name__ == "__main__":
    run(main)
