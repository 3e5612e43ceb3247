"""Write docs/features.md from the one definition of the features: `python -m scripts.write_feature_table`."""

import argparse
from pathlib import Path
from typing import Final

from livegame.features import FEATURES
from scripts.command import run
from training.recipe import CLOCK, RECIPES

PAGE: Final = Path(__file__).parent.parent / "docs" / "features.md"
_HEAD: Final = """# Features

One row a shot, made by `livegame/features.py` for training, live pings and backfill alike. This page is written from
there by `python -m scripts.write_feature_table`; a test keeps it in step.

A feature depends on the plays up to the shot, by the clock, and on nothing after it. Coordinates are turned so
that the shooting team attacks the net at x = 89, y = 0. What the feed does not tell is null. The column *default* says
which ones the default model uses; *clock* marks those made of exact times, which it must not use (see
[model.md](model.md)).

| name | unit | formula | source | default |
|---|---|---|---|---|
"""


def feature_page() -> str:
    """The page as Markdown."""
    used = RECIPES["xg-default"].features
    lines = []
    for feature in FEATURES:
        mark = "yes" if feature.name in used else "clock" if feature.name in CLOCK else ""
        cells = (f"`{feature.name}`", feature.unit or feature.kind, feature.formula, feature.source, mark)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n")
    return _HEAD + "".join(lines)


def main() -> int:
    """Write the page."""
    argparse.ArgumentParser(prog="write_feature_table", description=__doc__).parse_args()
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(feature_page(), encoding="utf-8")
    print(f"wrote {PAGE}")
    return 0


if __name__ == "__main__":
    run(main)
