"""Phrases about a game; every number in them comes from the report."""

from typing import Final

from db.history import Recorded
from livegame.plays import PLAYOFFS, GameState
from livegame.reports.counting import Count
from livegame.reports.flow import Flow
from livegame.reports.game import GameReport, TeamTotals
from livegame.reports.odds import Odds
from livegame.reports.sums import Sums
from livegame.reports.teams import TeamLine
from ui.words import EN_DASH, count, date_words, local_date, season_name, sentence, stretch_words

_GAME_TYPES: Final = {1: "Preseason", 2: "Regular season", 3: "Playoffs", 9: "Olympics"} | (
    dict.fromkeys((4, 12), "All-Star") | dict.fromkeys((19, 20), "4 Nations Face-Off")
)


def game_title(report: GameReport) -> str:
    """Return the title of the browser's tab: "CBJ 2-1 NJD, P3 0:50, 1.99-2.47", with dashes and dots."""
    away, home = report.away, report.home
    if not report.has_begun:
        return f"{away.abbrev} at {home.abbrev} · {date_words(report.date)}"
    parts = [f"{away.abbrev} {away.score}{EN_DASH}{home.score} {home.abbrev}", report.short_status]
    parts += [f"{away.counted.xg:.2f}{EN_DASH}{home.counted.xg:.2f}"] if report.model else []
    return " · ".join(parts)


def competition_words(report: GameReport) -> str:
    """Return what the game is part of: "Regular season 2021-22", "Playoffs 2022-23, round 2, game 6"."""
    kind = report.row["game_type"]
    words = f"{_GAME_TYPES.get(kind, 'Other competition')} {season_name(report.row['season'])}"
    digits = f"{report.game_id % 10_000:04d}"  # of a playoff game: 0, round, series and game
    is_series = kind == PLAYOFFS and digits[0] == "0" and "0" not in digits[1:]
    return f"{words}, round {digits[1]}, game {digits[3]}" if is_series else words


def no_play_words(report: GameReport) -> str:
    """Return a note on a game without play; before a game, the reader's date if it differs from the league's."""
    here = local_date(report.start_time)
    other_day = f"{date_words(here)} in your time zone" if here != report.date else ""
    return {
        GameState.NOT_STARTED: other_day if report.start_is_known else "Start time to be announced.",
        GameState.POSTPONED: "A new date will be announced.",
        GameState.CANCELLED: "This game will not be played.",
    }.get(report.state, "")


def season_words(line: TeamLine | None) -> str:
    """Return a team's season so far: "2.91 xG for, 3.02 against per game (12 games on record)"."""
    if line is None:
        return ""
    return f"{line.xg:.2f} xG for, {line.xg_against:.2f} against per game ({count(line.games, 'game')} on record)"


def ping_words(ping: Recorded) -> str:
    """Return what a ping found and did: "3 new attempts, 1 correction", or "Nothing new".

    Challengers that did not rate all attempts are mentioned; the log says why.
    """
    if ping.is_older:
        return "The league's feed sent an older version of the game; nothing changed"
    parts = [count(len(ping.new), "new attempt")] if ping.new else []
    parts += [count(len(ping.corrections), "correction")] if ping.corrections else []
    if ping.scored > len(ping.new):  # some were pending, or another model is active now
        parts += [f"{count(ping.scored, 'attempt')} rated"]
    parts = parts or ["Nothing new"]
    if failed := len(ping.challenger_problems):
        parts += [f"{count(failed, 'challenger')} did not rate everything"]
    return ", ".join(parts)


def xg_and_goals(sums: Sums) -> str:
    """Return expected goals with the actual ones in parentheses: "2.31 (2)"."""
    return f"{sums.xg:.2f} ({sums.goals})"


def with_pending(xg: float, goals: int, pending: int) -> str:
    """Return expected and actual goals, and the shots that xG does not hold yet: "2.31 (2), 1 not rated yet"."""
    return f"{xg:.2f} ({goals})" + (f", {pending} not rated yet" if pending else "")


def beside_words(team: TeamTotals, counted: Count) -> str:
    """Return what the team's xG leaves out, or how much of it is at an empty net: "+ 1.53 (2) empty net"."""
    beside, others = team.empty_net, team.others
    empty_net = f"{with_pending(beside.xg, beside.goals, beside.pending)} empty net"
    if counted is Count.ALL:
        return f"including {empty_net}" if beside.shots else ""
    parts = [f"+ {with_pending(others.xg, others.goals, others.pending)} at other strengths"] if others.shots else []
    parts += [f"+ {empty_net}"] if beside.shots else []
    return " ".join(parts)


def attempts_words(team: TeamTotals) -> str:
    """Return how often the team shot, at an empty net and at every strength: "28 shots on goal, 58 attempts"."""
    return f"{count(team.attempts.on_goal, 'shot')} on goal, {count(team.attempts.attempts, 'attempt')}"


def difference_words(sums: Sums) -> str:
    """Return how goals compare with xG: "0.73 more goals than expected"; nothing until all goals are rated."""
    if sums.pending_goals or not sums.rated:
        return ""
    apart = f"{abs(sums.difference):.2f}"
    if apart == "0.00":
        return "as many goals as expected"
    return f"{apart} {'fewer' if sums.difference > 0 else 'more'} goals than expected"


def pending_words(sums: Sums) -> str:
    """Return what xG does not hold yet: "+ 11 not rated yet (including 2 goals)"."""
    goals = f" (including {count(sums.pending_goals, 'goal')})" if sums.pending_goals else ""
    return f"+ {sums.pending} not rated yet{goals}" if sums.pending else ""


def correction_words(report: GameReport) -> str:
    """Return how many shots the league has changed since they were stored: "The league has corrected 8 shots."."""
    return f"The league has corrected {count(report.corrected, 'shot')}." if report.corrected else ""


def waiting_words(report: GameReport) -> str:
    """Return why some shots of either team are not rated yet, in one sentence; nothing if all are."""
    unrated, reasons = report.unrated, []
    attempts = count(unrated.complete, "attempt")
    if unrated.complete and report.is_asked:
        reasons.append(f"{attempts} cannot be rated: the league does not report what the model needs")
    elif unrated.complete and report.latest_model not in (None, report.model):
        reasons.append(f"{attempts} came after another model was loaded")
    elif unrated.complete:
        reasons.append(f"{attempts} waiting for the model; saved, and rated as soon as it answers")
    if unrated.incomplete:
        missing = " and ".join(unrated.missing).replace("_", " ")
        reasons.append(f"the league has not reported the {missing} of {count(unrated.incomplete, 'attempt')} yet")
    return sentence("; ".join(reasons)) if reasons else ""


def flow_words(report: GameReport, flow: Flow) -> str:
    """Return who had the better of the last five minutes, or of the best five of a game that is over."""
    stretch = flow.best if report.is_over else flow.last
    sides = [(report.away.abbrev, stretch.away), (report.home.abbrev, stretch.home)]
    (better, more), (other, less) = sorted(sides, key=lambda side: -side[1])
    numbers = f"{better} {more:.2f} {EN_DASH} {less:.2f} {other}"
    if report.is_over:
        return f"Best 5 minutes: {numbers}, {stretch_words(stretch.start_s, stretch.end_s)}"
    return f"Last 5 minutes: {numbers}"


def odds_words(report: GameReport, odds: Odds) -> str:
    """Return what the odds mean, in one sentence."""
    return (
        f"If each attempt went in as often as its xG says, {report.away.name} would lead in {odds.away_win:.0%} of"
        f" such games and {report.home.name} in {odds.home_win:.0%}."
    )


def what_counts(report: GameReport) -> str:
    """Return as Markdown which shots the totals hold, and what the model knows about each."""
    kind = "Shots on goal" if report.population == "on-goal" else "Unblocked attempts (goals, shots on goal, misses)"
    return f"""
**{kind}** in regulation and overtime. Shootout attempts never count. The switch at the top applies to every total,
curve and the odds: *No empty net* leaves out attempts at an empty net and shows them beside the total; *5v5* counts
only attempts at five on five with both goalies in; *All* counts everything, penalty shots included. A shot that cannot
be rated yet is *pending*: it is on the map and in the tables, not in the totals, and the page says so. A shot that the
league retracts leaves the totals. One that it corrects after it was rated keeps its first probability and is marked
*amended*. Expected and actual goals are always of the same shots.

**Features.** Besides distance and angle to the net, a shot has its type and location; the play before it (faceoff, hit,
giveaway, takeaway or another attempt): by which team, where, how far away and how long before, with rebound, change of
angle and speed; skaters on both sides, empty net, seconds on the power play; score, period and time.
Coordinates are turned so that every team attacks the same net. Which of these a model uses is on its card in the
sidebar; the column headers of *Every attempt* give each formula.
"""
