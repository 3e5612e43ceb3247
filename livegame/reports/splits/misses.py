"""Misses by their reason, in the words of both of the league's vocabularies: until 2022-23 and since."""

from dataclasses import dataclass
from typing import Final

from livegame.reports.attempts import SHORT
from livegame.reports.game import GameReport

_MISS: Final = "missed-shot"
OTHER: Final = "other"
UNKNOWN: Final = "unknown"
# What people call the league's reasons; the first ones of each line are those until 2022-23.
_REASONS: Final = {
    "wide": ("wide-of-net", "wide-left", "wide-right"),
    "over the net": ("over-net", "above-crossbar"),
    "high and wide": ("high-and-wide-left", "high-and-wide-right"),
    "post or crossbar": ("goalpost", "hit-crossbar", "hit-left-post", "hit-right-post"),
    SHORT: (SHORT,),
    "failed bank shot": ("failed-bank-attempt",),
}
MISSES: Final = (*_REASONS, OTHER, UNKNOWN)
_WORDS: Final = {reason: words for words, reasons in _REASONS.items() for reason in reasons}


@dataclass(frozen=True, slots=True)
class MissLine:
    """How many misses of either team had one reason."""

    reason: str  # one of `MISSES`
    away: int
    home: int


def miss_words(reason: str | None) -> str:
    """Return the reason of a miss in plain words: "wide", "post or crossbar"."""
    return UNKNOWN if not isinstance(reason, str) else _WORDS.get(reason, OTHER)


def miss_lines(report: GameReport) -> list[MissLine]:
    """Return how many misses that count had each reason, in the order of `MISSES`; without reasons that none had."""
    misses = report.counted[report.counted["outcome"] == _MISS]
    words = misses["reason"].map(miss_words).astype(object)
    away, home = (words[misses["team"] == team.abbrev].value_counts() for team in (report.away, report.home))
    lines = [MissLine(reason, int(away.get(reason, 0)), int(home.get(reason, 0))) for reason in MISSES]
    return [line for line in lines if line.away or line.home]
