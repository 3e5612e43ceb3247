"""Fit win probability on recorded seasons, and write its card with the figures of a season that it has not seen.

The seasons come from the folder of recordings (XG_RECORDINGS). Those before the --test season are fitted on, unless
some are named with --train.

    python -m scripts.fit_win_probability --test 20222023

Exit codes: 0 done, 2 usage or settings, 3 recordings or feed.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from db.environment import SettingsError
from livegame.errors import LiveGameError
from livegame.settings import ClientSettings
from livegame.win_probability.parameters import CARD
from scripts.arguments import command_parser, season
from scripts.command import fail, run, write_stderr
from training.errors import NoRecordings, TrainingError
from training.training_set import recorded_seasons
from training.win_probability.card import make_card


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.test in options.train:
        parser.error("the --test season must not be among those to fit on")
    try:
        settings = ClientSettings.from_env()
        recorded = recorded_seasons(settings)
        train = options.train or [season for season in recorded if season < options.test]
        if missing := sorted({*train, options.test} - set(recorded)) or not train:
            raise NoRecordings(
                f"not recorded below {settings.recordings}: {missing if train else 'any season to fit on'}; point"
                " XG_RECORDINGS at recorded seasons"
            )
        card = make_card(settings, train, options.test, options.seed, write_stderr)
    except SettingsError as error:
        return fail(error, 2)
    except (LiveGameError, TrainingError) as error:
        return fail(error, 3)
    options.out.write_text(json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    _print_figures(card)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = command_parser("fit_win_probability", __doc__)
    parser.add_argument("--test", type=season, metavar="S", required=True, help="the season to evaluate on")
    parser.add_argument("--train", action="append", type=season, default=[], metavar="S", help="seasons to fit on")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, metavar="FILE", default=CARD, help="default: the bundled card")
    return parser


def _print_figures(card: dict[str, Any]) -> None:
    figures = card["figures"]
    print(f"Brier score on season {card['tested_on']['season']}: {figures['brier'].pop('ours'):.5f}")
    for name, other in figures["brier"].items():
        print(
            f"lower by {other['lower_by']:.5f} than {name} ({other['brier']:.5f}),"
            f" 95 % by game {other['low']:.5f} to {other['high']:.5f}"
        )
    for name, group in figures["tenths"].items():
        for whose in ("home_team", "each_team"):
            words = f"worst tenth off by {group[f'worst_{whose}']:.3f}"
            print(f"\n{name}, {whose.replace('_', ' ')}: {group['plays']:,} plays of {group['games']} games, {words}")
            print("tenth    plays  games  predicted  observed  95 % from     to")
            for row in group[whose]:
                print(
                    f"{row['tenth']:5d} {row['plays']:8,d} {row['games']:6d} {row['predicted']:10.3f}"
                    f" {row['observed']:9.3f} {row['low']:10.3f} {row['high']:6.3f}"
                )


if __name__ == "__main__":
    run(main)
