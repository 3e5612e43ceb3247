"""What is on now, in words: who has more skaters, for how long, and whose net is empty."""

from itertools import groupby, takewhile

from livegame.plays import PERIOD_SECONDS, REGULATION_PERIODS
from livegame.reports.flow import power_play_xg
from livegame.reports.game import GameReport, TeamTotals
from livegame.reports.manpower import Now, Step
from ui.words import clock

_FULL = 5  # skaters of a team without penalties


def situation_words(report: GameReport, now: Now) -> str:
    """Return what is on: "NJD power play, 5v4, 1:23 left, xG 0.11", "CBJ net empty since 18:02, 5v6", "5v5"."""
    parts = [*_empty_nets(report, now)]
    if now.power_play is not None:
        parts.insert(0, _power_play_words(report, now))
    else:
        skaters = f"{now.away_skaters}v{now.home_skaters}"
        is_overtime = report.played_seconds > REGULATION_PERIODS * PERIOD_SECONDS
        is_short = not parts and max(now.away_skaters, now.home_skaters) < _FULL
        words = f"{skaters} overtime" if is_overtime and is_short else skaters
        parts.append(words + _then(report, now))
    return " · ".join(parts)


def _power_play_words(report: GameReport, now: Now) -> str:
    team = report.home if now.power_play == "home" else report.away
    run = list(takewhile(lambda step: step.power_play == now.power_play, now.steps))
    stages = [
        (skaters, sum(step.seconds for step in steps))
        for skaters, steps in groupby(run, key=lambda step: _skaters(step, team))
    ]
    if not stages:  # its clock is unknown
        how_long = _skaters(now, team)
    elif len(stages) == 1:
        how_long = f"{stages[0][0]}, {clock(stages[0][1])} left"
    else:
        how_long = ", then ".join(f"{skaters} for {clock(seconds)}" for skaters, seconds in stages)
    xg = power_play_xg(report)
    return f"{team.abbrev} power play, {how_long}" + ("" if xg is None else f" · xG {xg:.2f}")


def _then(report: GameReport, now: Now) -> str:
    """Return how long even manpower lasts, and what follows: ", 0:30 left, then NJD 5v4"."""
    if not now.steps:
        return ""
    run = list(takewhile(lambda step: step.power_play is None, now.steps))
    left = f", {clock(sum(step.seconds for step in run))} left" if run else ""
    if len(run) == len(now.steps):
        return left
    step = now.steps[len(run)]
    team = report.home if step.power_play == "home" else report.away
    return f"{left}, then {team.abbrev} {_skaters(step, team)}"


def _empty_nets(report: GameReport, now: Now) -> list[str]:
    words = []
    for team, digit, in_net in ((report.away, 0, now.away_goalie), (report.home, 3, now.home_goalie)):
        if not in_net:
            pulled = takewhile(lambda row: row.situation and row.situation[digit] == "0", reversed(report.manpower))  # noqa: B023
            since = min((row.start_s for row in pulled), default=report.played_seconds)
            words.append(f"{team.abbrev} net empty since {clock(since % PERIOD_SECONDS)}")
    return words


def _skaters(step: Now | Step, team: TeamTotals) -> str:
    """Return the skaters as this team sees them: "5v4"."""
    mine, others = (step.home_skaters, step.away_skaters) if team.is_home else (step.away_skaters, step.home_skaters)
    return f"{mine}v{others}"
