"""Attempts and xG by strength: five on five, power play, three on three ..."""

from dataclasses import dataclass

import pandas as pd

from livegame.reports.game import GameReport, sums_of
from livegame.reports.sums import Sums


@dataclass(frozen=True, slots=True)
class StrengthLine:
    """Both teams' attempts at one strength, each as that team sees it: one team's power play is not the other's."""

    strength: str  # as `counting.strength_of` names it
    counts: bool  # whether its attempts are in the report's sums
    away: Sums
    home: Sums


def strength_lines(report: GameReport) -> list[StrengthLine]:
    """Return a line per strength at which either team had an attempt, counted or not; the first seen comes first."""
    shots = report.present
    counts = shots.groupby("strength", sort=False)["counts"].first()  # a strength counts as a whole
    return [
        StrengthLine(strength, bool(counts[strength]), *_both(report, shots[shots["strength"] == strength]))
        for strength in counts.index
    ]


def _both(report: GameReport, shots: pd.DataFrame) -> tuple[Sums, Sums]:
    away, home = (sums_of(shots[shots["team"] == team.abbrev]) for team in (report.away, report.home))
    return away, home
