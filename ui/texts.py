"""What the page says, in words: no layout here, and no number that the report does not hold."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from livegame.client import Ping
from livegame.odds import Odds
from livegame.report import GameReport, TeamTotals

STATUS_MARKS: Final = {"scored": "✓ scored", "pending": "… pending", "amended": "✎ amended", "retracted": "✕ retracted"}
SITUATIONS: Final = {
    "5v5": "5 against 5",
    "power play": "Power play",
    "short-handed": "Short-handed",
    "other even": "Other even strength",
    "extra attacker": "Extra attacker",
    "empty net": "Empty net",
    "penalty shot": "Penalty shot",
    "not told": "Not told",
}
COMPETITIONS: Final = {
    "season": "Regular season and playoffs",
    "preseason": "Preseason",
    "all-star": "All-Star",
    "olympics": "Olympics",
    "4 nations": "4 Nations Face-Off",
    "other": "Other games",
}
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


def xg_and_goals(team: TeamTotals) -> str:
    """Expected goals with the real ones in brackets: "2.31 (2)"."""
    return f"{team.xg:.2f} ({team.goals})"


def sums(xg: float, goals: int, pending: int) -> str:
    """As `xg_and_goals`, with the shots that the sum does not hold yet: "2.31 (2), 1 pending"."""
    return f"{xg:.2f} ({goals})" + (f", {pending} pending" if pending else "")


def difference(team: TeamTotals) -> str:
    """Expected minus real goals, signed."""
    return signed(team.difference)


def signed(value: float) -> str:
    """A number with its sign and two decimals, never "-0.00"."""
    return f"{round(value, 2) + 0.0:+.2f}"


def correction_words(report: GameReport) -> str:
    """What the league changed after we had stored it, and still stands; "" if nothing does.

    "The league has taken back 1 shot and amended 2 shots since. ..."
    """
    status = report.shots["status"]
    present = set(report.present["event_id"])
    outcomes = report.corrections[report.corrections["what"] == "outcome"] if len(report.corrections) else None
    changed = 0
    if outcomes is not None:
        # newest first; what was changed back is as it was
        ends = outcomes.groupby("event_id").agg(before=("before", "last"), after=("after", "first"))
        changed = int((ends["before"] != ends["after"])[ends.index.isin(present)].sum())
    found = {
        "taken back {}": int((status == "retracted").sum()),
        "changed the outcome of {}": changed,
        "amended {}": int((status == "amended").sum()),
    }
    parts = [words.format(count(number, "shot")) for words, number in found.items() if number]
    if not parts:
        return ""
    listed = " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))
    return f"The league has {listed} since. Retracted shots are out of the sums; amended ones keep their first xG."


def pending_words(report: GameReport, team: TeamTotals) -> str | None:
    """How many of the team's shots the sum does not hold yet, and why; None if it holds all."""
    if not team.pending:
        return None
    shots = report.shots[(report.shots["team"] == team.abbrev) & (report.shots["status"] == "pending")]
    owed = sorted({part.replace("_", " ") for missing in shots["missing"].dropna() for part in missing.split(", ")})
    waiting = int(shots["missing"].isna().sum())
    reasons = []
    if waiting and report.is_asked:
        which = f"for {waiting} of them " if owed else ""
        reasons.append(f"{which}the model needs something that the league does not tell")
    elif waiting:
        reasons.append("the prediction service has not scored them yet; ping again")
    if owed:
        which = "" if not waiting else f"for {len(shots) - waiting} of them "
        reasons.append(f"{which}the league has not told the {' and '.join(owed)} yet")
    return f"{count(team.pending, 'shot')} pending: {'; '.join(reasons)}"


def odds_words(report: GameReport, result: Odds) -> str:
    """What the odds say, and what they do not."""
    return (
        f"If each shot scored with its xG as its chance, {report.away.name} would lead after {result.away_win:.0%} of"
        f" such games and {report.home.name} after {result.home_win:.0%}. That weighs the chances, taken as independent"
        " of each other; not who had them, nor what the score made a team risk."
    )


def what_counts(report: GameReport) -> str:
    """Which shots the sums hold, and what the model knows of each, in Markdown."""
    kind = "Shots on goal" if report.population == "on-goal" else "Unblocked attempts (goals, shots on goal, misses)"
    return f"""
**{kind}** in regulation and overtime. Shootout attempts never count. Penalty shots and shots at an empty net are in the
totals, and shown apart as well. A shot that cannot be scored yet is *pending*: it is on the map and in the tables, not
in the sums, and the page says so. A shot that the league takes back leaves the sums; one that it corrects after it was
scored keeps its first probability and is marked *amended*. The difference is **xG - goals** over the same shots.

**Features.** Besides distance and angle to the net, a shot comes with what the league tells of it and of the game
before it: its type and place; what happened before (faceoff, hit, giveaway, takeaway or another attempt), by which
side, where, how far away and how long ago, with rebound, change of angle and speed; skaters on both sides, whether a
net is empty, seconds on the power play; the score, the period and the time. Places are turned so that every team
attacks the same net. `GET /model` of the service, and the model's card in the sidebar, tell which of them the model
uses; the column titles of *All events* give each formula.
"""


def season_name(season: int | None) -> str:
    """A season as people write it: "2021-22"; "all seasons" for None."""
    return "all" if season is None else f"{season // 10_000}-{season % 100:02d}"


def ago(moment: str, now: datetime | None = None) -> str:
    """How long ago an ISO 8601 moment was: "12 s ago"."""
    seconds = max(int(((now or datetime.now(UTC)) - datetime.fromisoformat(moment)).total_seconds()), 0)
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def local_time(moment: str, pattern: str) -> str:
    """A moment (ISO 8601, UTC) on the clock of the reader's browser, where that tells a zone that we know."""
    try:
        zone: tzinfo = ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    return datetime.fromisoformat(moment).astimezone(zone).strftime(pattern)


def model_name(model_id: str) -> str:
    """`workspace/name:version` of a model's whole id."""
    return model_id.partition("@")[0]


def offer_label(offer: Mapping[str, Any]) -> str:
    """A model that can be loaded now, as the list of them shows it."""
    notes = [str(offer["source"]), *map(str, offer["stages"]), *(["active"] if offer["active"] else [])]
    return f"{offer['workspace']}/{offer['model']}:{offer['version']} ({', '.join(notes)})"
