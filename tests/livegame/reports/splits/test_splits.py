"""Each division of a game adds up to the team's totals, and puts each shot where it belongs."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import fields, replace
from pathlib import Path

import pytest
from hypothesis import given, settings

from db.history import BlockedRow, GameRow, GameUpdate, History, ManpowerRow, Scores
from livegame.reports.attempts import SHORT
from livegame.reports.counting import Count
from livegame.reports.every_attempt import every_attempt
from livegame.reports.game import GameReport, TeamTotals
from livegame.reports.splits.danger import danger_bands, danger_of
from livegame.reports.splits.misses import miss_lines, miss_words
from livegame.reports.splits.periods import period_lines
from livegame.reports.splits.score_states import score_states
from livegame.reports.splits.strength import NOT_TOLD, league_rates, strength_lines, time_by_strength
from livegame.reports.sums import Sums
from tests.livegame.reports.generated import CODES, GAME_ID, MODEL, report_of, reports, shot


def assert_adds_up(parts: Iterable[Sums], team: TeamTotals) -> None:
    found, whole = list(parts), team.counted
    for name in ("shots", "on_goal", "pending", "goals"):
        assert sum(getattr(part, name) for part in found) == getattr(whole, name)
    assert sum(part.xg for part in found) == pytest.approx(whole.xg)


@settings(max_examples=20, deadline=None)
@given(reports())
def test_every_division_adds_up_to_the_totals(report: GameReport) -> None:
    strengths = strength_lines(report)
    states = score_states(report)
    for side, team in (("away", report.away), ("home", report.home)):
        *periods, game = (getattr(line, side) for line in period_lines(report))
        assert_adds_up((period.sums for period in periods), team)
        assert game.sums == team.counted
        for kind in ("on_goal", "unblocked", "unblocked_without_short", "blocked", "attempts"):
            assert sum(getattr(period, kind) for period in periods) == getattr(game, kind)
        assert game.attempts == game.unblocked + game.blocked
        assert game.unblocked == team.counted.shots
        misses = [line for line in miss_lines(report) if getattr(line, side)]
        assert sum(getattr(line, side) for line in misses) == team.counted.shots - team.counted.on_goal
        short = sum(getattr(line, side) for line in misses if line.reason == SHORT)
        assert game.unblocked_without_short == game.unblocked - short
        assert_adds_up((getattr(line, side).sums for line in strengths if line.counts), team)
        assert_adds_up((getattr(state, side) for state in states), team)
        bands = [getattr(band, side) for band in danger_bands(report)]
        assert sum(band.shots for band in bands) == team.counted.rated
        assert sum(band.xg for band in bands) == pytest.approx(team.counted.xg)
        assert sum(getattr(line, side).seconds for line in strengths) == report.played_seconds
        beside = sum(getattr(line, side).sums.shots for line in strengths if not line.counts)
        left_out = team.others.shots + (0 if report.count is Count.ALL else team.empty_net.shots)
        assert beside == left_out
    assert sum(state.seconds for state in states) == report.played_seconds


@pytest.mark.parametrize(
    ("xg", "band"), [(0.0, "low"), (0.0499, "low"), (0.05, "middle"), (0.1499, "middle"), (0.15, "high"), (1.0, "high")]
)
def test_band_includes_its_lower_bound(xg: float, band: str) -> None:
    assert danger_of(xg) == band


def test_even_strengths_are_told_apart_by_skaters() -> None:
    report = report_of([shot(1, 10, "4v4"), shot(2, 20, "3v3"), shot(3, 30, "power play"), shot(4, 40)])
    assert [line.strength for line in strength_lines(report)] == ["4v4", "3v3", "power play", "5v5"]
    assert report.present["strength"].tolist() == ["4v4", "3v3", "power play", "5v5"]


def test_time_by_strength_is_that_of_the_view_and_runs_on_until_now(tmp_path: Path) -> None:
    rows = [ManpowerRow(10 * at, 10 * at + 10, code) for at, code in enumerate(CODES)]
    report = report_of([], manpower=rows)
    history = History(tmp_path / "history.db")
    about = GameRow(**{field.name: report.row[field.name] for field in fields(GameRow)})
    history.record_all([GameUpdate(about, [], rows)])
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        found = connection.execute("SELECT is_home, strength, seconds FROM time_by_strength")
        view = {(bool(is_home), strength): seconds for is_home, strength, seconds in found}
    since = report.played_seconds - rows[-1].end_s
    for is_home in (False, True):
        times = time_by_strength(report, is_home=is_home)
        times[NOT_TOLD] -= since
        assert times == {strength: seconds for (side, strength), seconds in view.items() if side is is_home}
    home = {strength: seconds for (side, strength), seconds in view.items() if side}
    assert home == {
        "5v5": 10, "4v4": 10, "3v3": 10, "power play": 20, "short-handed": 10, "empty net": 30, "extra attacker": 10,
        "not told": 10,
    }  # fmt: skip


def test_rate_per_60_is_xg_over_the_time_at_the_strength() -> None:
    rows = [ManpowerRow(0, 600, "1551"), ManpowerRow(600, 720, "1451"), ManpowerRow(720, 2845, "1551")]
    shots = [shot(1, 610, "power play"), shot(2, 700, "power play"), shot(3, 800, is_home=False)]
    report = report_of(shots, {1: 0.2, 2: 0.1, 3: 0.3}, manpower=rows)
    lines = {line.strength: line for line in strength_lines(report)}
    assert lines["power play"].home.xg_per_60 == pytest.approx(0.3 * 3600 / 120)
    assert lines["power play"].away.xg_per_60 is None
    assert (lines["short-handed"].away.seconds, lines["short-handed"].away.sums.shots) == (120, 0)
    assert lines["5v5"].away.xg_per_60 == pytest.approx(0.3 * 3600 / 2725)


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        *(("wide-of-net", "wide"), ("wide-left", "wide"), ("over-net", "over the net"), ("short", "short")),
        *(("above-crossbar", "over the net"), ("goalpost", "post or crossbar"), ("hit-left-post", "post or crossbar")),
        *(("high-and-wide-right", "high and wide"), ("failed-bank-attempt", "failed bank shot")),
        *(("something-new", "other"), (None, "unknown")),
    ],
)
def test_reason_of_a_miss_is_the_same_in_both_vocabularies(reason: str | None, words: str) -> None:
    assert miss_words(reason) == words


def test_every_attempt_has_the_blocked_ones_in_their_place() -> None:
    blocks = [
        BlockedRow(7, 1, 350, False, 1, "Ovechkin", 2, "Slavin", False, 60.0, 1.0, "1451", "4v5"),
        BlockedRow(8, 1, 900, True, 3, "Aho", 4, "Staal", True, 60.0, 1.0, "1331", "3v3"),
    ]
    shots = [shot(1, 300), replace(shot(2, 400, outcome="missed-shot"), reason="wide-left")]
    report = report_of(shots, blocked=blocks)
    found = every_attempt(report)
    assert found["event_id"].tolist() == [1, 7, 2, 8]
    assert found["outcome"].tolist() == ["goal", "blocked-shot", "missed-shot", "blocked-shot"]
    assert found["why"].tolist() == [None, "Slavin", "wide", "team-mate"]
    assert found["strength"].tolist() == ["5v5", "short-handed", "5v5", "3v3"]
    assert found["probability"].tolist() == [0.1, None, 0.1, None]
    *_, game = period_lines(report)
    assert (game.home.attempts, game.home.blocked, game.home.on_goal, game.away.attempts) == (3, 1, 1, 1)
    assert every_attempt(report_of([])).empty


def test_league_average_is_the_seasons_only_with_enough_games(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    history = History(tmp_path / "history.db")
    report = report_of([shot(1, 300)], {1: 0.5}, state="final", manpower=[ManpowerRow(0, 3600, "1551")])
    assert league_rates(history, report) is None
    about = GameRow(**{field.name: report.row[field.name] for field in fields(GameRow)})
    games = ((2020020001, 20202021, 0.25), (2021020001, 20212022, 0.75), (GAME_ID, 20212022, 1.0))
    for game_id, season, chance in games:  # the last one is the report's own
        game = replace(about, game_id=game_id, season=season)
        scores = Scores(MODEL, "unblocked", [(1, chance, {})])
        history.record_all([GameUpdate(game, [shot(1, 300)], [ManpowerRow(0, 3600, "1551")], scores=scores)])
    rates = league_rates(history, report)
    assert rates is not None
    assert (rates.games, rates.season) == (2, None)
    assert rates.xg_per_60("5v5") == pytest.approx(0.25)  # of each team: two hours per game
    monkeypatch.setattr("livegame.reports.splits.strength.ENOUGH_GAMES", 1)
    rates = league_rates(history, report)
    assert rates is not None
    assert (rates.games, rates.season) == (1, 20212022)
    assert rates.xg_per_60("5v5") == pytest.approx(0.375)
    assert rates.xg_per_60("4v4") is None


def test_score_states_by_a_worked_example() -> None:
    """Carolina leads from 5:00, by two from 10:00; Washington scores at 30:00 and 40:00; it is tied until 47:25."""
    shots = [
        shot(1, 300, is_home=True),
        shot(2, 450, is_home=False, outcome="shot-on-goal"),
        shot(3, 600, is_home=True),
        shot(4, 1000, "empty net", is_home=True, outcome="missed-shot"),
        shot(5, 1800, is_home=False),
        shot(6, 2400, is_home=False),
        shot(7, 2400, is_home=True, outcome="shot-on-goal"),  # in the second of the goal, after it
    ]
    report = report_of(shots, {1: 0.1, 2: 0.2, 3: 0.3, 4: 0.9, 5: 0.4, 6: 0.05, 7: 0.25}, Count.NO_EMPTY_NET)
    assert report.played_seconds == 2845
    found = {state.lead: state for state in score_states(report)}
    assert {lead: state.seconds for lead, state in found.items()} == {0: 300 + 445, 1: 300 + 600, 2: 1200}
    assert {lead: (state.away.xg, state.home.xg) for lead, state in found.items()} == {
        0: (0, pytest.approx(0.35)),
        1: (pytest.approx(0.25), pytest.approx(0.3)),
        2: (pytest.approx(0.4), 0),  # the miss at the empty net does not count
    }
    assert (found[0].home.goals, found[1].away.goals, found[2].away.goals) == (1, 1, 1)


def test_goal_that_does_not_count_changes_the_score() -> None:
    report = report_of([shot(1, 600, "empty net"), shot(2, 1200, outcome="shot-on-goal")], count=Count.NO_EMPTY_NET)
    found = {state.lead: state for state in score_states(report)}
    assert (found[0].seconds, found[1].seconds) == (600, 2245)
    assert (found[0].home.shots, found[1].home.shots) == (0, 1)


def test_leads_of_two_and_more_are_one_state() -> None:
    report = report_of([shot(event, 100 * event, is_home=False) for event in range(1, 5)])
    assert [(state.lead, state.seconds) for state in score_states(report)] == [(-2, 2645), (-1, 100), (0, 100)]
