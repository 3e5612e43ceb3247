"""The model as files: `model.skops`, `card.json` for machines, `card.html` for people."""

import html
import io
import json
import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd
import sklearn
import skops.io
from skops.io.exceptions import UntrustedTypesFoundException

from livegame.features.features import FEATURES
from training.metrics import deciles, scores, scores_by, standard_groups
from training.recipe import Probabilities, Recipe, predict

_ZIP_EPOCH: Final = (1980, 1, 1, 0, 0, 0)
# All that our recipes need beyond what skops trusts by itself.
TRUSTED_TYPES: Final = ("numpy.dtype", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")

_TITLES: Final = {
    "unblocked": "goals, shots on goal and missed shots, regulation and overtime, without shootouts",
    "on-goal": "goals and shots on goal with a goalie in the net, regulation and overtime, without shootouts",
}
WEAKNESSES: Final = (
    "It knows no exact times: rushes and rebounds are seen only through the kind and place of the event before. The "
    "league clocks goals differently from other attempts, so times would tell the outcome.",
    "It knows nothing of who shoots, who is in goal, screens, passes, the puck's speed or where the players stand.",
    "Coordinates and shot types are the league's scorers' and are sometimes corrected after the game. Rinks differ.",
    "Shots at an empty net are few and a kind of their own; read them apart.",
    "Penalty shots are rare (some 45 a season): their xG is little more than their average.",
    "What is recorded, and where, changes over the years. The level is the equal mean of the training seasons: each of "
    "them lies some percent above or below it, and so may the seasons to come.",
)


def make_card(
    recipe: Recipe, estimator: Any, frame: pd.DataFrame, population: str, unseen: Probabilities, seed: int
) -> dict[str, Any]:
    """Describe a fitted model, ready for JSON.

    Args:
        recipe: what it was fitted by.
        estimator: the fitted model.
        frame: the training frame it was fitted on.
        population: `unblocked` or `on-goal`.
        unseen: P(goal) of each row of the frame from models that had not seen its season (or its game).
        seed: what it was fitted with.
    """
    golden = _golden_row(recipe, frame)
    groups = scores_by(frame, unseen, standard_groups(frame))
    by_season = frame["season"].nunique() > 1
    return {
        "name": recipe.name,
        "title": recipe.title,
        "population": population,
        "population_in_words": _TITLES[population],
        "seasons": [int(season) for season in sorted(frame["season"].unique())],
        "games": int(frame["game_id"].nunique()),
        "saw": _saw(frame),
        "features": _features(recipe, estimator),
        "golden_row": golden,
        "golden_probability": float(predict(estimator, recipe, pd.DataFrame([golden]))[0]),
        "metrics": {
            "how": f"out of fold by {'season' if by_season else 'game'}: no shot was rated by a model that had seen "
            f"its {'season' if by_season else 'game'}",
            **scores(frame["is_goal"], unseen),
            "groups": groups.to_dict(orient="index"),
            "deciles": deciles(frame["is_goal"], unseen).round(5).reset_index().to_dict(orient="records"),
        },
        "weaknesses": list(WEAKNESSES),
        "seed": seed,
        "sklearn_version": sklearn.__version__,
    }


def _saw(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """What of each season it was fitted on, from where, and until which day where that is known."""
    dates = frame["game_date"] if "game_date" in frame else pd.Series([None] * len(frame), frame.index, dtype=object)
    saw = []
    for season in sorted(frame["season"].unique()):
        for source, is_stored in (("recordings", False), ("history", True)):
            rows = frame[(frame["season"] == season) & (dates.notna() == is_stored)]
            if len(rows):
                saw.append(
                    {
                        "season": int(season),
                        "source": source,
                        "games": int(rows["game_id"].nunique()),
                        "shots": len(rows),
                        "goals": int(rows["is_goal"].sum()),
                        "until": max(dates[rows.index]) if is_stored else None,
                    }
                )
    return saw


class ArtifactUnusable(Exception):
    """The folder does not hold a model that training wrote."""


def load(folder: Path) -> tuple[Any, dict[str, Any]]:
    """Read back what `save` wrote: the estimator and the card.

    Raises:
        ArtifactUnusable: something is missing, damaged, or of types that our recipes do not use.
    """
    try:
        card: dict[str, Any] = json.loads((folder / "card.json").read_bytes())
        return skops.io.load(folder / "model.skops", trusted=list(TRUSTED_TYPES)), card
    except (OSError, ValueError, zipfile.BadZipFile, UntrustedTypesFoundException) as error:
        raise ArtifactUnusable(f"{folder} holds no model that can be read: {error}") from error


def save(folder: Path, estimator: Any, card: Mapping[str, Any]) -> None:
    """Write `model.skops`, `card.json` and `card.html`; the same model gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.skops").write_bytes(skops_bytes(estimator))
    text = json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False)
    (folder / "card.json").write_text(text + "\n", encoding="utf-8")
    (folder / "card.html").write_text(_page(card), encoding="utf-8")


def skops_bytes(estimator: Any) -> bytes:
    """The estimator as a compressed skops file without times of day and memory addresses in it."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(skops.io.dumps(estimator))) as source,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as target,
    ):
        schema = json.loads(source.read("schema.json"))
        renamed: dict[str, str] = {}
        _renumber(schema, {}, renamed)
        contents = [(new, source.read(old)) for old, new in renamed.items()]
        contents.append(("schema.json", json.dumps(schema, separators=(",", ":")).encode()))
        for name, content in contents:
            entry = zipfile.ZipInfo(name, _ZIP_EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)
    return packed.getvalue()


def _renumber(node: Any, numbers: dict[int, int], files: dict[str, str]) -> None:
    """Replace memory addresses, which skops uses as identities, by their order of appearance; in place."""
    if isinstance(node, list):
        for child in node:
            _renumber(child, numbers, files)
    elif isinstance(node, dict):
        if "__id__" in node:
            node["__id__"] = numbers.setdefault(node["__id__"], len(numbers))
        if "file" in node and isinstance(node["file"], str):
            suffix = Path(node["file"]).suffix
            node["file"] = files.setdefault(node["file"], f"{len(files)}{suffix}")
        for child in node.values():
            _renumber(child, numbers, files)


def _features(recipe: Recipe, estimator: Any) -> list[dict[str, Any]]:
    encoder = estimator[0].named_transformers_["categories"] if recipe.categories else None
    categories = (
        dict(zip(recipe.categories, (list(map(str, c)) for c in encoder.categories_), strict=True)) if encoder else {}
    )
    described = []
    for feature in (feature for feature in FEATURES if feature.name in recipe.features):
        entry: dict[str, Any] = {"name": feature.name, "kind": feature.kind}
        entry |= {"unit": feature.unit, "formula": feature.formula, "source": feature.source}
        if feature.name in categories:
            entry["categories"] = categories[feature.name]
        described.append(entry)
    return described


def _golden_row(recipe: Recipe, frame: pd.DataFrame) -> dict[str, float | str]:
    """A wrist shot at 5v5 from 20 to 30 ft: the first such of the frame with every input known."""
    usual = frame[
        (frame["shot_type"] == "wrist") & (frame["strength_state"] == "5v5") & frame["distance"].between(20, 30)
    ]
    row = usual.dropna(subset=list(recipe.features)).iloc[0]
    return {
        name: str(row[name]) if name in recipe.categories else round(float(row[name]), 2) for name in recipe.features
    }


def _page(card: Mapping[str, Any]) -> str:
    metrics = card["metrics"]
    groups = [{"group": name, **values} for name, values in metrics["groups"].items()]
    seasons = ", ".join(f"{season // 10_000}-{season % 100:02d}" for season in card["seasons"])
    features = [
        {
            "feature": f["name"],
            "unit": f["unit"],
            "what": f["formula"],
            "source": f["source"],
            "known": ", ".join(f.get("categories", ())),
        }
        for f in card["features"]
    ]
    weaknesses = "".join(f"<li>{html.escape(text)}</li>" for text in card["weaknesses"])
    return f"""<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{html.escape(card["name"])}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }}
table {{ border-collapse: collapse; font-size: 14px; display: block; overflow-x: auto }}
td, th {{ padding: .2rem .7rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top }}
</style>
<h1>{html.escape(card["name"])}</h1>
<p>{html.escape(card["title"])}. Gives the probability that an attempt is a goal.</p>
<p><b>Population</b>: {html.escape(card["population_in_words"])} (<code>{card["population"]}</code>).<br>
<b>Trained on</b>: {seasons}, regular season and playoffs: {card["games"]:,} games, {metrics["shots"]:,} attempts,
{metrics["goals"]:,} goals; seed {card["seed"]}, scikit-learn {card["sklearn_version"]}.</p>
{_table(card["saw"])}
<h2>How good it is</h2>
{_compared(card)}<p>All figures are {html.escape(metrics["how"])}.</p>
{_table(groups)}
<h2>Calibration</h2>
<p>Ten groups of equally many attempts; on the line, as many goals are scored as the model says.</p>
{_reliability_diagram(metrics["deciles"])}
{_table(metrics["deciles"])}
<h2>Features</h2>
{_table(features)}
<h2>Known weaknesses</h2>
<ul>{weaknesses}</ul>
</html>
"""


def _compared(card: Mapping[str, Any]) -> str:
    return f"<p>{html.escape(card['comparison']['verdict'])}</p>\n" if "comparison" in card else ""


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    head = "".join(f"<th>{html.escape(str(name).replace('_', ' '))}</th>" for name in rows[0])
    lines = ["".join(f"<td>{html.escape(_cell(value))}</td>" for value in row.values()) for row in rows]
    return f"<table><tr>{head}</tr>" + "".join(f"<tr>{line}</tr>\n" for line in lines) + "</table>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if value == int(value) and abs(value) >= 2 else f"{value:.4f}"
    return str(value)


def _reliability_diagram(rows: Sequence[Mapping[str, Any]]) -> str:
    """An SVG of goal rate over mean xG per decile, with the 95 % interval of the goal rate, on square-root axes."""
    size, margin = 360, 44
    largest = max(max(row["mean_xg"], row["goal_rate"]) for row in rows) * 1.1

    def scale(value: float) -> float:  # square roots keep the low deciles apart
        return math.sqrt(max(value, 0) / largest) * (size - 2 * margin)

    def x(value: float) -> str:
        return f"{margin + scale(value):.1f}"

    def y(value: float) -> str:
        return f"{size - margin - scale(value):.1f}"

    marks = [value for value in (0.01, 0.03, 0.05, 0.1, 0.2, 0.3, 0.5, 0.8) if value < largest]
    parts = [f'<line x1="{x(0)}" y1="{y(0)}" x2="{x(largest)}" y2="{y(largest)}" stroke="#999"/>']
    for mark in marks:
        parts.append(f'<text x="{x(mark)}" y="{size - margin + 16}" text-anchor="middle">{mark:g}</text>')
        parts.append(f'<text x="{margin - 6}" y="{y(mark)}" text-anchor="end" dy="4">{mark:g}</text>')
    for row in rows:
        rate = row["goal_rate"]
        error = 1.96 * math.sqrt(rate * (1 - rate) / row["shots"])
        at = x(row["mean_xg"])
        parts.append(f'<line x1="{at}" x2="{at}" y1="{y(rate - error)}" y2="{y(rate + error)}" stroke="#06c"/>')
        parts.append(f'<circle cx="{at}" cy="{y(rate)}" r="3.5" fill="#06c"/>')
    middle = size // 2
    parts.append(f'<text x="{middle}" y="{size - 8}" text-anchor="middle">mean xG of the decile</text>')
    parts.append(f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">goal rate</text>')
    return (
        f'<svg viewBox="0 0 {size} {size}" width="{size}" height="{size}" font-size="11" role="img" '
        f'aria-label="Reliability diagram">{"".join(parts)}</svg>'
    )
