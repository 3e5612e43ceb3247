"""The model card as a page: `card.html`, with the reliability diagram as SVG."""

import html
import math
from collections.abc import Mapping, Sequence
from typing import Any


def card_page(card: Mapping[str, Any]) -> str:
    """Return the card as HTML that needs nothing else."""
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
    """Return an SVG of goal rate over mean xG per decile, with 95 % intervals, on square-root axes."""
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
