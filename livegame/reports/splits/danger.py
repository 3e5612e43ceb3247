"""Chances by danger: bands of the model's own xG."""

from dataclasses import dataclass
from typing import Final

from livegame.reports.game import SUMMED, GameReport, sums_of
from livegame.reports.sums import Sums

MIDDLE_FROM: Final = 0.05
HIGH_FROM: Final = 0.15
_EDGES: Final = {"high": (HIGH_FROM, 1.0), "middle": (MIDDLE_FROM, HIGH_FROM), "low": (0.0, MIDDLE_FROM)}


@dataclass(frozen=True, slots=True)
class DangerBand:
    """Both teams' chances whose xG lies in one band."""

    name: str  # high, middle or low
    from_xg: float  # inclusive
    to_xg: float  # exclusive, except in the highest band
    away: Sums
    home: Sums


def danger_of(xg: float) -> str:
    """Return the band of a chance: low below .05, middle below .15, else high."""
    return next(name for name, (low, _) in _EDGES.items() if xg >= low)


def danger_bands(report: GameReport) -> list[DangerBand]:
    """Return the bands from high to low, over the shots that count and are rated."""
    rated = report.counted[["team", *SUMMED]].dropna(subset=["probability"])
    bands = rated["probability"].map(danger_of).astype(object)

    def sums(name: str, team: str) -> Sums:
        return sums_of(rated[(bands == name) & (rated["team"] == team)])

    return [
        DangerBand(name, low, high, sums(name, report.away.abbrev), sums(name, report.home.abbrev))
        for name, (low, high) in _EDGES.items()
    ]
