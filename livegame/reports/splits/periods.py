"""Attempts and xG by period."""

from dataclasses import dataclass

from livegame.reports.game import GameReport, sums_of
from livegame.reports.sums import Sums


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """Both teams' attempts that count in one period."""

    period: int
    away: Sums
    home: Sums


def period_lines(report: GameReport) -> list[PeriodLine]:
    """Return a line per period in which there was an attempt, counted or not."""
    shots = report.counted
    return [
        PeriodLine(
            period,
            *(
                sums_of(shots[(shots["period"] == period) & (shots["team"] == team.abbrev)])
                for team in (report.away, report.home)
            ),
        )
        for period in sorted(report.present["period"].unique().tolist())
    ]
