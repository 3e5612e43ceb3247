"""Labels for the history's terms, and formats for numbers, dates and text from outside."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from math import isnan
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import streamlit as st

from db import times
from livegame.plays import PERIOD_SECONDS, REGULATION_PERIODS
from livegame.reports.counting import Count
from livegame.status import overtime_name
from xgserve.client import ModelEntry

EN_DASH: Final = "\N{EN DASH}"
OUTCOMES: Final = {"goal": "Goal", "shot-on-goal": "Shot on goal", "missed-shot": "Missed shot"}
ATTEMPTS: Final = OUTCOMES | {"blocked-shot": "Blocked"}
STATUS_MARKS: Final = {"scored": "✓ rated", "pending": "… pending", "amended": "✎ amended", "retracted": "✕ retracted"}
COUNTS: Final = {Count.ALL: "All", Count.NO_EMPTY_NET: "No empty net", Count.FIVE_ON_FIVE: "5v5"}
COUNTED: Final = {
    Count.ALL: "All unblocked attempts",
    Count.NO_EMPTY_NET: "Unblocked attempts, empty net excluded",
    Count.FIVE_ON_FIVE: "Unblocked attempts at 5v5",
}
STRENGTHS: Final = {  # in this order; one that is not listed is its own name: "4v4"
    "5v5": "5v5",
    "4v4": "4v4",
    "3v3": "3v3",
    "power play": "Power play",
    "short-handed": "Short-handed",
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
_MARKDOWN: Final = re.compile(r"([\\`*_{}\[\]()<>#+!|~$:&])")
_ADDRESS: Final = re.compile(r"(https?:/(?=/)|www(?=\.)|@)", re.IGNORECASE)
_WORD_JOINER: Final = "\u2060"  # invisible

# The feed's field names, dotted or in camel case, that a viewer would not understand.
_FIELD: Final = re.compile(r"\b(?:[a-z]\w*(?:\.\w+)+|[a-z]+(?:[A-Z]+[a-z]*)+)\b")
_FIELD_WORDS: Final = {
    "abbrev": "abbreviation",
    "eventId": "number",
    "eventOwnerTeamId": "team",
    "gamePk": "number",
    "goalieInNetId": "goalie",
    "homeTeamDefendingSide": "side the home team defends",
    "periodDescriptor": "period",
    "playerId": "player's number",
    "rosterSpots": "roster",
    "scoringPlayerId": "scorer",
    "secondsRemaining": "clock",
    "shootingPlayerId": "shooter",
    "startTimeUTC": "start time",
    "teamId": "team",
    "timeInPeriod": "time",
    "typeDescKey": "play type",
    "eventTypeId": "play type",
    "xCoord": "location",
    "yCoord": "location",
    "zoneCode": "zone",
}
_SIDES: Final = {"homeTeam": "home team", "home": "home team", "awayTeam": "away team", "away": "away team"}


def league_words(note: str) -> str:
    """Return a note on the feed's answer with its field names in plain words: "the start time is missing"."""

    def words(found: re.Match[str]) -> str:
        path = [part for part in found[0].split(".") if part != "default"]
        side = _SIDES.get(path[0])
        if side and len(path) == 1:
            return f"the {side}"
        name = _FIELD_WORDS.get(path[-1]) or re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path[-1]).lower()
        return f"the {side}'s {name}" if side else f"the {name}"

    return _FIELD.sub(words, note)


def plain(text: object) -> str:
    """Return the text with everything escaped that Markdown would format or turn into a link."""
    return _MARKDOWN.sub(r"\\\1", _ADDRESS.sub(rf"\1{_WORD_JOINER}", str(text)))


def count(number: int, thing: str) -> str:
    """Return a number with its noun: "1 shot", "3 shots"."""
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"


def number(value: float) -> str:
    """Return a number at a readable length: "419,166", "29,402.7", "0.2204"."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.1f}" if abs(value) >= 10 else f"{value:.4g}"


def decimals(value: float | None, places: int = 2) -> str:
    """Return a number of expected goals as it is written everywhere: "0.52"; nothing if it is missing."""
    return "" if value is None or isnan(value) else _minus(f"{value:.{places}f}")


def signed(value: float | None) -> str:
    """Return a difference with its sign: "+0.52", or with a real minus; nothing if it is missing."""
    if value is None or isnan(value):
        return ""
    text = f"{value:+.2f}"
    return text[1:] if float(text) == 0 else _minus(text)


def percent(share: float) -> str:
    """Return a share as it is written everywhere: "52%"."""
    return f"{share:.0%}"


def clock(seconds: int) -> str:
    """Return a time of play in minutes and seconds: "12:35"."""
    return f"{seconds // 60}:{seconds % 60:02d}"


def strength_name(strength: str) -> str:
    """Return the name of a strength: "Power play", "4v4"."""
    return STRENGTHS.get(strength, strength)


def strengths_in_order(found: Iterable[str]) -> list[str]:
    """Return strengths in the order of all tables: those that are not listed come before manpower advantages."""
    order = list(STRENGTHS)
    return sorted(found, key=lambda name: (order.index(name) if name in order else order.index("3v3") + 0.5, name))


def chance_words(probability: float) -> str:
    """Return a probability in percent; what is not certain is neither 0% nor 100%."""
    if 0 < probability < 0.005:
        return "<1%"
    return ">99%" if 0.995 <= probability < 1 else f"{probability:.0%}"


def sentence(words: str) -> str:
    """Return the words as a sentence: with a capital, and one full stop or other mark at the end."""
    return f"{words[:1].upper()}{words[1:]}{'' if words.endswith(('.', '?', '!')) else '.'}"


def status_words(status: str) -> str:
    """Return a status line with a real dash: "Period 2", a dash, "10:00 left"."""
    return status.replace(" - ", " \N{EN DASH} ")


def period_name(number: int, prefix: str = "P") -> str:
    """Return a period's short name: "P1", "OT", "2OT"."""
    return f"{prefix}{number}" if number <= REGULATION_PERIODS else overtime_name(number)


def stretch_words(start_s: int, end_s: int) -> str:
    """Return a stretch of game seconds within a period: "P2 10:00", a dash, "15:00"."""
    before = (end_s - 1) // PERIOD_SECONDS
    start, end = (at - before * PERIOD_SECONDS for at in (start_s, end_s))
    return f"{period_name(before + 1)} {start // 60:02d}:{start % 60:02d}{EN_DASH}{end // 60:02d}:{end % 60:02d}"


def clock_words(second: int) -> str:
    """Return a second of the game's clock as the tables write it: "P2 14:20"; a period's last second belongs to it."""
    period = max(-(-second // PERIOD_SECONDS), 1)
    played = second - (period - 1) * PERIOD_SECONDS
    return f"{period_name(period)} {played // 60:02d}:{played % 60:02d}"


def season_name(season: int | None) -> str:
    """Return a season as it is written: "2021-22"; "All seasons" for None."""
    return "All seasons" if season is None else f"{season // 10_000}-{season % 100:02d}"


def date_words(date: str) -> str:
    """Return an ISO 8601 date as it is read: "Fri, Nov 24, 2023"."""
    day = datetime.fromisoformat(date)
    return f"{day:%a}, {day:%b} {day.day}, {day.year}"


def ago(moment: str, now: datetime | None = None) -> str:
    """Return how long ago an ISO 8601 moment was: "12 s ago"."""
    seconds = max(int(((now or times.utc_now()) - datetime.fromisoformat(moment)).total_seconds()), 0)
    for length, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= length:
            return f"{seconds // length} {unit} ago"
    return f"{seconds} s ago"


def local_date(moment: str) -> str:
    """Return the date, ISO 8601, of a moment in the reader's time zone."""
    return _local(moment).date().isoformat()


def local_time(moment: str) -> str:
    """Return the time of day of a moment in the reader's time zone: "7:00 PM"."""
    return f"{_local(moment):%I:%M %p}".lstrip("0")


def model_name(model_id: str) -> str:
    """Return `workspace/name:version` of a model's whole id."""
    return model_id.partition("@")[0]


def offer_label(offer: ModelEntry) -> str:
    """Return how the list of available models shows one of them."""
    roles = [role for role in ("active", "challenger") if getattr(offer, role)]
    notes = [offer.source, *offer.stages, *roles]
    return f"{offer.workspace}/{offer.model}:{offer.version} ({', '.join(notes)})"


def _minus(text: str) -> str:
    """Return a number's text with a real minus, and none before a zero."""
    return text.lstrip("-") if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def _local(moment: str) -> datetime:
    """Return a moment (ISO 8601, UTC) in the browser's time zone, or in UTC if that is unknown."""
    try:
        zone: tzinfo = ZoneInfo(st.context.timezone or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = UTC
    return datetime.fromisoformat(moment).astimezone(zone)
