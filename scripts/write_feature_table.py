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

A feature depends on the plays up to the shot, by the clock, and on nothing after it. Coordinates are turned so that
the shooting team attacks the net at x = 89, y = 0. A value that the feed does not have is null. In the column
*default*, "yes" marks the features of the default model, and *clock* those that rest on exact times, which it must
not use (see [model.md](model.md)).

| name | unit | formula | source | default |
|---|---|---|---|---|
"""
_TAIL: Final = """
## The previous event

The sequence of events starts again at a new period, after a goal or a penalty shot, and after a stoppage in an
earlier second: the events before are ignored, and there is no rebound. A face-off after a stoppage is a previous
event like any other. A stoppage in the same second as the shot is treated as the shot's own: the order within a
second says little, and goals come after their own stoppage more often than saves do.

## Which end

If the shot's zone (the shooter's own view of the location) and `homeTeamDefendingSide` agree, they decide. So a feed
that swaps the ends in the middle of a period, coordinates and sides together, changes nothing; the previous event is
turned by its own side. If these two leave it open, the attempts so far decide, and never later ones. Nearly all
attempts, including blocked shots, are taken in the half that the shooter attacks:

- **Zone and side contradict each other**: three attempts of the period, net, confirm the side or reverse it, even if
  it is wrong throughout a game. Before that, the zone decides.
- **A zone but no side** (up to 2018-19): an offensive zone decides. A defensive one decides unless three attempts
  contradict it, since one in thirteen is wrong. Otherwise the attempts decide, and the fact that teams change ends
  each period. A shot from the defensive or neutral zone right after a change of ends cannot be known: 107 of 26,294
  shots, when the ends of 300 games are swapped in every period. The previous event is then turned with the shot.
- **A side but no zone, stated once per period** (the legacy feed): the side decides until three attempts, net,
  contradict it; the next period starts with it again. The first two attempts after a change could also be long clears
  and are treated as such: 1.5 shots per change in recorded games.
- **Neither**: the attempts decide, and the fact that teams change ends each period.
"""


def feature_page() -> str:
    """Return the page as Markdown."""
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
