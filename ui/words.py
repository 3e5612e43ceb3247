"""What the page says, in words: no layout here, and no number that the report does not hold."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from livegame.client import Ping
from livegame.plays import PLAYOFFS, GameState
from livegame.reports.counting import Count
from livegame.reports.game import GameReport, TeamTotals
from livegame.reports.odds import Odds
from livegame.reports.teams import TeamLine

STATUS_MARKS: Final = {"scored": "✓ rated", "pending": "… pending", "amended": "✎ amended", "retracted": "✕ retracted"}
COUNTS: Final = {Count.ALL: "All", Count.NO_EMPTY_NET: "No empty net", Count.FIVE_ON_FIVE: "5v5"}
COUNTED: Final = {
    Count.ALL: "All unblocked attempts count here",
    Count.NO_EMPTY_NET: "Unblocked attempts at an empty net do not count here",
    Count.FIVE_ON_FIVE: "Only unblocked attempts at 5v5 count here",
}
SITUATIONS: Final = {
    "5v5": "5v5",
    "power play": "Power play",
    "short-handed": "Short-handed",
    "other even": "Other even strength",
    "extra attacker": "Extra attacker",
    "empty net": "Empty net",
    "penalty shot": "Penalty shot",
    "not told": "Unknown strength",
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
_TYPES: Final = {1: "Preseason", 2: "Regular season", 3: "Playoffs", 9: "Olympics"} | (
    dict.fromkeys((4, 12), "All-Star") | dict.fromkeys((19, 20), "4 Nations Face-Off")
)
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~$:&])")
_ADDRESS: Final = re.compile(r"(https?:/(?=/)|www(?=\.)|@)", re.IGNORECASE)
_WORD_JOINER: Final = "\u2060"  # invisible


# The league's names of fields, dotted or in one word of several, and what people call those that do not say it.
_FIELD: Final = re.compile(r"\b(?:[a-z]\w*(?:\.\w+)+|[a-z]+(?:[A-Z]+[a-z]*)+)\b")
_FIELD_WORDS: Final = {
    "abbrev": "abbreviation",
    "eventId": "number",
    "eventOwnerTeamId": "team",
    "gamePk": "number",
    "goalieInNetId": "goalie",
    "homeTeamDefendingSide": "side that the home team defends",
    "periodDescriptor": "period",
    "playerId": "player's number",
    "rosterSpots": "roster",
    "scoringPlayerId": "scorer",
    "secondsRemaining": "clock",
    "shootingPlayerId": "shooter",
    "startTimeUTC": "start time",
    "teamId": "team",
    "timeInPeriod": "time",
    "typeDescKey": "kind of play",
    "eventTypeId": "kind of play",
    "xCoord": "place",
    "yCoord": "place",
    "zoneCode": "zone",
}
_SIDES: Final = {"homeTeam": "home team", "home": "home team", "awayTeam": "away team", "away": "away team"}


def league_words(note: str) -> str:
    """A note on the league's answer, without the names that its fields have: "the start time is missing"."""

    def words(found: re.Match[str]) -> str:
        path = [part for part in found[0].split(".") if part != "default"]
        side = _SIDES.get(path[0])
        if side and len(path) == 1:
            return f"the {side}"
        name = _FIELD_WORDS.get(path[-1]) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path[-1]).lower()
        return f"the {side}'s {name}" if side else f"the {name}"

    return _FIELD.sub(words, note)


def plain(text: object) -> str:
    """The text with nothing left in it that Markdown would take for its own, nor for an address to make a link of."""
    return _MARKDOWN.sub(r"\\\1", _ADDRESS.sub(rf"\1{_WORD_JOINER}", str(text)))


def count(number: int, thing: str) -> str:
    """A number and its thing: "1 shot", "3 shots"."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


def number(value: float) -> str:
    """A number at a sensible length: "419,166", "29,402.7", "0.2204"."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4g}"


def status_words(report: GameReport) -> str:
    """Where the game stands: "Period 2", a dash, "10:00 left"."""
    return report.status.replace(" - ", " \N{EN DASH} ")


def date_words(date: str) -> str:
    """A date as people say it: "Fri 24 Nov 2023"."""
    day = datetime.fromisoformat(date)
    return f"{day:%a} {day.day} {day:%b %Y}"


def competition_words(report: GameReport) -> str:
    """What the game is part of: "Regular season 2021-22", "Playoffs 2022-23, round 2, game 6"."""
    kind = report.row["game_type"]
    name = _TYPES.get(kind, "Other competition")
    words = f"{name} {season_name(report.row['season'])}"
    digits = f"{report.game_id % 10_000:04d}"  # of a playoff game: 0, round, series and game
    is_series = kind == PLAYOFFS and digits[0] == "0" and "0" not in digits[1:]
    return f"{words}, round {digits[1]}, game {digits[3]}" if is_series else words


def no_play_words(report: GameReport) -> str:
    """What there is to say of a game without play; of one to come, the reader's date where that is not the league's."""
    here = local_time(report.start_time, "%Y-%m-%d")
    other_day = f"{date_words(here)} on your clock" if here != report.date else ""
    return {
        GameState.NOT_STARTED: other_day if report.start_is_known else "The league has not set the time yet.",
        GameState.POSTPONED: "The league will name another day.",
        GameState.CANCELLED: "It will not be played.",
    }.get(report.state, "")


def season_words(line: TeamLine | None) -> str:
    """What a team's games of the season were like: "2.91 xG for, 3.02 against a game (12 games on record)"."""
    if line is None:
        return ""
    return f"{line.xg:.2f} xG for, {line.xg_against:.2f} against a game ({count(line.games, 'game')} on record)"


def ping_words(ping: Ping) -> str:
    """What a ping found and did: "3 new attempts, 1 correction", or "Nothing new"."""
    if ping.is_older:
        return "The league sent an older answer than the last one; nothing changed"
    parts = [count(len(ping.new_shots), "new attempt")] if len(ping.new_shots) else []
    parts += [count(len(ping.corrections), "correction")] if ping.corrections else []
    if ping.scored > len(ping.new_shots):  # some had been waiting, or another model serves now
        parts += [f"{count(ping.scored, 'attempt')} rated"]
    return ", ".join(parts) or "Nothing new"


def xg_and_goals(team: TeamTotals) -> str:
    """Expected goals with the real ones in brackets: "2.31 (2)"."""
    return f"{team.counted.xg:.2f} ({team.counted.goals})"


def sums(xg: float, goals: int, pending: int) -> str:
    """As `xg_and_goals`, with the shots that the sum does not hold yet: "2.31 (2), 1 not rated yet"."""
    return f"{xg:.2f} ({goals})" + (f", {pending} not rated yet" if pending else "")


def beside_words(team: TeamTotals, counted: Count) -> str:
    """What the team's number leaves out, or of what it holds is at an empty net: "+ 1.53 (2) empty net"."""
    beside, others = team.empty_net, team.others
    empty_net = sums(beside.xg, beside.goals, beside.pending)
    if counted is Count.ALL:
        return f"{empty_net} of it at an empty net" if beside.shots else ""
    parts = [f"+ {sums(others.xg, others.goals, others.pending)} at other strengths"] if others.shots else []
    parts += [f"+ {empty_net} empty net"] if beside.shots else []
    return " ".join(parts)


def difference_words(team: TeamTotals) -> str:
    """How its goals compare with what was expected: "0.73 more goals than expected"; nothing until all are rated."""
    if team.counted.pending_goals or not team.counted.rated:
        return ""
    apart = f"{abs(team.counted.difference):.2f}"
    if apart == "0.00":
        return "as many goals as expected"
    return f"{apart} {'fewer' if team.counted.difference > 0 else 'more'} goals than expected"


def pending_words(team: TeamTotals) -> str:
    """What the team's number does not hold yet: "+ 11 not rated yet (2 goals among them)"."""
    pending, pending_goals = team.counted.pending, team.counted.pending_goals
    goals = f" ({count(pending_goals, 'goal')} among them)" if pending_goals else ""
    return f"+ {pending} not rated yet{goals}" if pending else ""


def signed(value: float) -> str:
    """A number with its sign and two decimals, a real minus, and never "-0.00"."""
    return f"{round(value, 2) + 0.0:+.2f}".replace("-", "\N{MINUS SIGN}")


def correction_words(report: GameReport) -> str:
    """What the league changed after we had stored it, and still stands: "The league has corrected 8 shots."."""
    return f"The league has corrected {count(report.corrected, 'shot')}." if report.corrected else ""


def waiting_words(report: GameReport) -> str:
    """Why some shots are not rated yet, in one sentence for both teams; nothing if all are."""
    shots = report.present[report.present["status"] == "pending"]
    if shots.empty:
        return ""
    owed = sorted({part.replace("_", " ") for missing in shots["missing"].dropna() for part in missing.split(", ")})
    waiting = int(shots["missing"].isna().sum())
    reasons = []
    if waiting and report.is_asked:
        reasons.append(f"the model needs something that the league does not tell of {count(waiting, 'attempt')}")
    elif waiting and report.latest_model not in (None, report.model):
        reasons.append(f"{count(waiting, 'attempt')} came after another model was loaded")
    elif waiting:
        reasons.append(
            f"{count(waiting, 'attempt')} wait for the model; they are kept, and the page catches up by itself"
        )
    if owed:
        number = count(len(shots) - waiting, "attempt")
        reasons.append(f"the league has not told the {' and '.join(owed)} of {number} yet")
    return sentence("; ".join(reasons))


def odds_words(report: GameReport, result: Odds) -> str:
    """What the odds say, in one line."""
    return (
        f"If each attempt scored as often as its xG says, {report.away.name} would lead in {result.away_win:.0%} of"
        f" such games and {report.home.name} in {result.home_win:.0%}."
    )


def what_counts(report: GameReport) -> str:
    """Which shots the sums hold, and what the model knows of each, in Markdown."""
    kind = "Shots on goal" if report.population == "on-goal" else "Unblocked attempts (goals, shots on goal, misses)"
    return f"""
**{kind}** in regulation and overtime. Shootout attempts never count. The switch at the top says which of them are in
all sums, curves and odds: *No empty net* leaves out attempts at an empty net, which are shown beside; *5v5* takes only
those at five against five with both goalies in; *All* takes everything, penalty shots included. A shot that cannot be
rated yet is *pending*: it is on the map and in the tables, not in the sums, and the page says so. A shot that the
league takes back leaves the sums; one that it corrects after it was rated keeps its first probability and is marked
*amended*. Expected and real goals are always of the same shots.

**Features.** Besides distance and angle to the net, a shot comes with what the league tells of it and of the game
before it: its type and place; what happened before (faceoff, hit, giveaway, takeaway or another attempt), by which
side, where, how far away and how long ago, with rebound, change of angle and speed; skaters on both sides, whether a
net is empty, seconds on the power play; the score, the period and the time. Places are turned so that every team
attacks the same net. `GET /model` of the service, and the model's card in the sidebar, tell which of them the model
uses; the column titles of *All events* give each formula.
"""


def sentence(words: str) -> str:
    """The words as a sentence of their own, which begins with a capital and ends with one sign."""
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith(('.', '?', '!')) else '.'}"


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
