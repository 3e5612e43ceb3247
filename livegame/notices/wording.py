"""A notice in words, with the xG and the win probability that the history gives for its moment."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import pandas as pd

from db import times
from db.history import Due, History, Moment
from livegame.plays import PERIOD_SECONDS, REGULATION_PERIODS
from livegame.reports.counting import FIVE_ON_FIVE
from livegame.reports.game import GameReport, game_report
from livegame.reports.odds import odds_of
from livegame.reports.sums import GOAL
from livegame.reports.win_probability import game_prior, win_now

LATE_S: Final = 600.0  # from then on, a message says how old its notice is
_USUAL: Final = (FIVE_ON_FIVE, "not told")  # situations that are not mentioned
_WORDS: Final = {
    "goal": "goal, {shooter}",
    "restored": "goal counts after all, {shooter}",
    "taken back": "goal taken back, {shooter}",
    "chance": "chance {outcome}, {shooter}",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent to an address."""

    title: str
    body: str


def message(due: Due, history: History) -> Message | None:
    """Return a notice in words; None if it was held back and is not true any more, so that nobody need know.

    Raises:
        DatabaseError: the history cannot be read.
    """
    # a clock that was set back may put the moment before the first ping
    report = game_report(history, due.game_id, moment=_moment(due)) or game_report(history, due.game_id)
    if report is None or (due.kind == "final" and not due.attempts and not report.is_over):
        return None
    title, *sentences = _SAID.get(due.kind, _of_shot)(due, report, history)
    age_s = (times.utc_now() - datetime.fromisoformat(due.noticed_at)).total_seconds()
    late = (f"{_ago(age_s)}.",) if age_s >= LATE_S else ()
    if due.kind in ("goal", "restored") and not _is_goal(report, due.event_id):
        sentences.append("It has been taken back since.")
    return Message(title, " ".join((*late, *filter(None, sentences))))


def _moment(due: Due) -> Moment | None:
    """Return the moment that the numbers of a message are of; None: as they are known now."""
    if due.kind in ("final", "summary"):
        return None
    if due.kind in ("goal", "restored"):  # its rating may have come later than the goal
        return Moment(game_s=(due.facts["period"] - 1) * PERIOD_SECONDS + due.facts["seconds"])
    return Moment(wall=due.noticed_at)


def _is_goal(report: GameReport, event_id: int | None) -> bool:
    present = report.present
    return bool(((present["event_id"] == event_id) & (present["outcome"] == GOAL)).any())


# -- each kind of notice: a title and sentences, of which some may be empty --------------------------------------------


def _of_shot(due: Due, report: GameReport, history: History) -> tuple[str, ...]:
    facts = due.facts
    shots = report.shots[report.shots["event_id"] == due.event_id]
    shot = None if shots.empty else shots.iloc[0]
    known = shot["shooter"] if shot is not None and isinstance(shot["shooter"], str) else facts["shooter"]
    shooter = known or "shooter not reported yet"
    outcome = "saved" if shot is not None and shot["outcome"] == "shot-on-goal" else "missed"
    place = f"{facts['team']}, {_period(facts['period'])} {_clock(facts['seconds'])}"
    if shot is not None and shot["situation"] not in _USUAL:
        place += f", {shot['situation']}"
    is_rated = shot is not None and due.kind != "taken back" and not pd.isna(shot["probability"])
    own = f"xG of the shot {shot['probability']:.2f}." if shot is not None and is_rated else ""
    is_as_said = due.kind in ("taken back", "chance") or _is_goal(report, due.event_id)
    return (
        f"{_score(due)}: {_WORDS[due.kind].format(shooter=shooter, outcome=outcome)}",
        f"{place}.",
        own,
        _xg(report),
        _chances_to_win(report, history) if is_as_said else "",
    )


def _of_period(due: Due, report: GameReport, history: History) -> tuple[str, ...]:
    return f"{_score(due)} after {_period(due.facts['period']).lower()}", _xg(report), _chances_to_win(report, history)


def _of_final(due: Due, report: GameReport, _history: History) -> tuple[str, ...]:
    how = {"OT": " in overtime", "SO": " in a shootout"}.get(report.row["period_type"], "")
    return f"Final: {_score(due, (report.away.score, report.home.score))}{how}", _xg(report), _deserved(report)


def _of_resumed(due: Due, report: GameReport, history: History) -> tuple[str, ...]:
    return f"{_score(due)}: not over after all", f"{report.status}.", _chances_to_win(report, history)


def _of_summary(due: Due, report: GameReport, history: History) -> tuple[str, ...]:
    facts = due.facts
    goals = ", ".join(
        f"{goal['team']} {goal['shooter'] or 'not reported yet'} ({_period(goal['period'])} {_clock(goal['seconds'])})"
        for goal in facts["goals"]
    )
    title = _score(due, (report.away.score, report.home.score))
    return (
        f"Final: {title}" if report.is_over else f"{title}: {report.status}",
        f"Goals since the last look, {facts['since'][11:16]} UTC: {goals}." if goals else "",
        _xg(report),
        _deserved(report) if report.is_over else _chances_to_win(report, history),
    )


_SAID: Final[Mapping[str, Callable[[Due, GameReport, History], tuple[str, ...]]]] = {
    "period": _of_period,
    "final": _of_final,
    "resumed": _of_resumed,
    "summary": _of_summary,
}


# -- parts of them -----------------------------------------------------------------------------------------------------


def _score(due: Due, score: tuple[int, int] | None = None) -> str:
    away, home = due.teams
    away_score, home_score = score or due.facts["score"]
    return f"{away} {away_score} - {home_score} {home}"


def _xg(report: GameReport) -> str:
    away, home = report.away, report.home
    return f"xG {away.abbrev} {away.counted.xg:.2f}, {home.abbrev} {home.counted.xg:.2f}."


def _chances_to_win(report: GameReport, history: History) -> str:
    chances = win_now(report, game_prior(history, report))
    if chances is None:
        return ""
    return f"To win: {report.away.abbrev} {_percent(chances.away)}, {report.home.abbrev} {_percent(chances.home)}."


def _deserved(report: GameReport) -> str:
    odds = odds_of(report)
    if odds is None:
        return ""
    away, home = report.away.abbrev, report.home.abbrev
    results = f"{away} {_percent(odds.away_win)}, tie {_percent(odds.tie)}, {home} {_percent(odds.home_win)}"
    return f"Deserved to win, by xG: {results}."


def _percent(share: float) -> str:
    """Return a whole percentage that is 0 or 100 only if it is certain."""
    if 0 < share < 0.01:
        return "<1%"
    return ">99%" if 0.99 < share < 1 else f"{share:.0%}"


def _period(number: int) -> str:
    if number <= REGULATION_PERIODS:
        return f"Period {number}"
    return "Overtime" if number == REGULATION_PERIODS + 1 else f"Overtime {number - REGULATION_PERIODS}"


def _clock(seconds: int) -> str:
    return f"{seconds // 60:02d}:{seconds % 60:02d}"


def _ago(seconds: float) -> str:
    minutes = round(seconds / 60)
    return f"{minutes} minutes ago" if minutes < 100 else f"{round(minutes / 60)} hours ago"
