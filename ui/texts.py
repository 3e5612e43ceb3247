"""What the page says, in words: no layout here, and no number that the report does not hold."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from livegame.client import Ping
from livegame.report import GameReport, TeamTotals

STATUS_MARKS: Final = {"scored": "✓ scored", "pending": "… pending", "amended": "✎ amended", "retracted": "✕ retracted"}
POPULATIONS: Final = {"unblocked": "unblocked attempts", "on-goal": "shots on goal"}
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~$:])")


def plain(text: object) -> str:
    """The text with nothing left in it that Markdown would take for its own."""
    return _MARKDOWN.sub(r"\\\1", str(text))


def count(number: int, thing: str) -> str:
    """A number and its thing: "1 shot", "3 shots"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def number(value: float) -> str:
    """A number at a sensible length: "419,166", "29,402.7", "0.2204"."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4g}"


def ping_words(ping: Ping) -> str:
    """What a ping found and did: "3 new shots, 1 correction", or "Nothing new"."""
    parts = [count(len(ping.new_shots), "new shot")] if len(ping.new_shots) else []
    parts += [count(len(ping.corrections), "correction")] if ping.corrections else []
    if ping.scored > len(ping.new_shots):  # some had been waiting, or another model serves now
        parts += [f"{count(ping.scored, 'shot')} scored"]
    return ", ".join(parts) or "Nothing new"


def metric_value(team: TeamTotals) -> str:
    """Expected goals with the real ones in brackets: "2.31 (2)"."""
    return f"{team.xg:.2f} ({team.goals})"


def metric_delta(team: TeamTotals) -> str:
    """Expected minus real goals, signed."""
    rounded = round(team.difference, 2) + 0.0  # no "-0.00"
    return f"{rounded:+.2f}"


def pending_words(report: GameReport, team: TeamTotals) -> str | None:
    """How many of the team's shots the sum does not hold yet, and why; None if it holds all."""
    if not team.pending:
        return None
    shots = report.shots[(report.shots["team"] == team.abbrev) & (report.shots["status"] == "pending")]
    owed = sorted({part.replace("_", " ") for missing in shots["missing"].dropna() for part in missing.split(", ")})
    waiting = int(shots["missing"].isna().sum())
    reasons = []
    if waiting:
        reasons.append("the prediction service has not scored them yet; ping again")
    if owed:
        which = "" if not waiting else f"for {len(shots) - waiting} of them "
        reasons.append(f"{which}the league has not told the {' and '.join(owed)} yet")
    return f"{count(team.pending, 'shot')} pending: {'; '.join(reasons)}"


def what_counts(report: GameReport) -> str:
    """Which shots the sums hold."""
    kind = "Shots on goal" if report.population == "on-goal" else "Unblocked attempts (goals, shots on goal, misses)"
    return (
        f"{kind} in regulation and overtime. Shootout attempts never count. Shots at an empty net and penalty shots"
        " are in the totals and also shown apart."
    )


def ago(moment: str, now: datetime | None = None) -> str:
    """How long ago an ISO 8601 moment was: "12 s ago"."""
    seconds = max(int(((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()), 0)
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def model_name(model_id: str) -> str:
    """`workspace/name:version` of a model's whole id."""
    return model_id.partition("@")[0]


def offer_label(offer: Mapping[str, Any]) -> str:
    """A model that can be loaded now, as the list of them shows it."""
    notes = [str(offer["source"]), *map(str, offer["stages"]), *(["active"] if offer["active"] else [])]
    return f"{offer['workspace']}/{offer['model']}:{offer['version']} ({', '.join(notes)})"
