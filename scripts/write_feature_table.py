"""Write docs/features.md from the definition of the features: `python -m scripts.write_feature_table`."""

import argparse
from pathlib import Path
from typing import Final

from livegame.features.features import FEATURES
from scripts.command import run
from training.recipe import CLOCK, RECIPES

PAGE: Final = Path(__file__).parent.parent / "docs" / "features.md"
_HEAD: Final = """# Features

One row per shot, made by `livegame/features/features.py` for training, live pings and backfill alike.
`python -m scripts.write_feature_table` writes this page from there; a test keeps it in step.

A feature depends on the plays up to the shot, by the clock, and on nothing after it. Coordinates are turned so
that the shooting team attacks the net at x = 89, y = 0. What the feed does not tell is null. The column *default* says
which ones the default model uses; *clock* marks those made of exact times, which it must not use (see
[model.md](model.md)).

| name | unit | formula | source | default |
|---|---|---|---|---|
"""
_TAIL: Final = """
## What came before

A stoppage in an earlier second, a goal, a penalty shot and a new period begin anew: of what came before them nothing is
told, and there is no rebound. A face-off after a stoppage is the event before like any other. A stoppage in the shot's
own second is taken for the shot's: the order within a second says little, and goals come after their own stoppage more
often than saves do.

## Which end

Where the shot's zone (the shooter's own view of the place) and `homeTeamDefendingSide` agree, they decide. So nothing
changes in a game in which the feed turns the ends round in the middle of a period, coordinates and sides together; the
play before is turned by its own side. What these two leave open is decided by the attempts so far, nearly all of which
are taken in the half that the shooter attacks (blocked shots among them), and never by later ones:

- **Zone and side contradict each other**: three attempts of the period, net, bear the side out or turn it round, also
  where it is wrong throughout a game. Before that, the zone.
- **A zone but no side** (up to 2018-19): an offensive zone decides. A defensive one does unless three attempts speak
  against it, since one in thirteen is wrong. Otherwise the attempts, and that teams change ends each period. What can
  not be known is a shot from the defensive or neutral zone right after a turn: 107 of 26,294 shots, when the ends of
  300 games are turned in every period. The play before is then turned with the shot.
- **A side but no zone, told once a period** (the legacy feed): the side, until three attempts, net, speak against it;
  the next period begins with it again. The first two attempts after a turn may as well be long clears, and are taken
  for such: 1.5 shots for each turn in recorded games.
- **Neither**: the attempts, and that teams change ends each period.
"""


def feature_page() -> str:
    """The page as Markdown."""
    used = RECIPES["xg-default"].features
    lines = []
    for feature in FEATURES:
        mark = "yes" if feature.name in used else "clock" if feature.name in CLOCK else ""
        cells = (f"`{feature.name}`", feature.unit or feature.kind, feature.formula, feature.source, mark)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return _HEAD + "".join(lines) + _TAIL


def main() -> int:
    """Write the page."""
    argparse.ArgumentParser(prog="write_feature_table", description=__doc__).parse_args()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(feature_page(), encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    run(main)
