"""What the league corrected: one line per change of a shot, newest first."""

import json
from collections.abc import Mapping
from html import escape
from typing import Any, Final

import pandas as pd

from livegame.reports.game import GameReport
from ui.words import OUTCOMES, period_name

_NAMED: Final = {"shot_type": "type", "strength_state": "strength"}  # features that a viewer knows by name


def corrections_list(report: GameReport) -> str:
    """Return the corrections as an HTML list; everything that comes from outside is escaped."""
    chances = report.shots.set_index("event_id")["probability"]
    sentences = (
        correction_sentence(row, chances.get(row["event_id"])) for row in report.corrections.to_dict("records")
    )
    return f"<ul class='xg-corrections'>{''.join(f'<li>{escape(text)}</li>' for text in sentences)}</ul>"


def correction_sentence(correction: Mapping[Any, Any], probability: float | None) -> str:
    """Return a correction in words: "P1 02:42 Tomasino: moved, 13 ft to 29 ft from the net; xG stays 0.14"."""
    who = correction["shooter"] or "unknown shooter"
    stays = "" if probability is None or pd.isna(probability) else f"; xG stays {probability:.2f}"
    before, after = correction["before"], correction["after"]
    if correction["what"] == "retracted":
        what = f"removed ({OUTCOMES.get(before, before).lower()})"
    elif correction["what"] == "restored":
        what = f"restored ({OUTCOMES.get(after, after).lower()})"
    elif correction["what"] == "outcome":
        what = f"{OUTCOMES.get(before, before)}, now {OUTCOMES.get(after, after).lower()}"
    else:
        what = f"{_changes(json.loads(before), json.loads(after))}{stays}"
    return f"{period_name(correction['period'])} {correction['time']} {who}: {what}"


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    parts = []
    if any(before.get(name) != after.get(name) for name in ("x", "y")):
        parts.append(f"moved, {_feet(before)} to {_feet(after)} from the net")
    for name, text in _NAMED.items():
        if before.get(name) != after.get(name):
            parts.append(f"{text} {before.get(name) or 'unknown'}, now {after.get(name) or 'unknown'}")
    return ", ".join(parts) or "the play before it or the score was corrected"


def _feet(features: Mapping[str, Any]) -> str:
    distance = features.get("distance")
    return "an unknown location" if distance is None else f"{distance:.0f} ft"
