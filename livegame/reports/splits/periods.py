"""Attempts of all kinds and xG by period."""

from dataclasses import dataclass
from typing import Final

from livegame.reports.game import SUMMED, GameReport, TeamTotals, sums_of
from livegame.reports.sums import Sums

_KINDS: Final = ("on_goal", "unblocked", "unblocked_without_short", "blocked", "attempts")


@dataclass(frozen=True, slots=True)
class PeriodSide:
    """One team's attempts that count, in one period or in the game."""

    sums: Sums  # of those that the model rates
    on_goal: int  # as the league counts shots on goal
    unblocked: int
    unblocked_without_short: int  # as those count who leave out misses that fell short
    blocked: int  # by the other team, or by a team-mate
    attempts: int  # all of them


@dataclass(frozen=True, slots=True)
class PeriodLine:
    """Both teams' attempts that count in one period; None for the whole game."""

    period: int | None
    away: PeriodSide
    home: PeriodSide


def period_lines(report: GameReport) -> list[PeriodLine]:
    """Return a line per period in which there was an attempt, counted or not, and one for the game."""
    periods = sorted({*report.present["period"].tolist(), *report.blocked["period"].tolist()})
    return [
        PeriodLine(period, _side(report, report.away, period), _side(report, report.home, period))
        for period in (*periods, None)
    ]


def _side(report: GameReport, team: TeamTotals, period: int | None) -> PeriodSide:
    shots, attempts = report.counted[["team", "period", *SUMMED]], report.attempts
    shots = shots[shots["team"] == team.abbrev]
    attempts = attempts[attempts["team"] == team.abbrev]
    if period is not None:
        shots, attempts = shots[shots["period"] == period], attempts[attempts["period"] == period]
    return PeriodSide(sums_of(shots), *(int(attempts[kind].sum()) for kind in _KINDS))
