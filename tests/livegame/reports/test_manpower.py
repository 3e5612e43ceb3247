"""What is on at one moment: skaters, goalies, and the clock of the power play."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db.history import History, ManpowerRow
from livegame.features.rows import game_update
from livegame.plays import GameState
from livegame.reports.game import game_report
from livegame.reports.manpower import PowerPlay, Step, manpower_until, power_plays, what_is_on
from tests.games import AWAY, GAME_ID, game, play

EVEN = ManpowerRow(0, 100, "1551")
MINOR = ManpowerRow(100, 130, "1451", (220,), (), "home", 100)
TWO = ManpowerRow(130, 150, "1351", (220, 250), (), "home", 100)


def test_nothing_is_known_before_the_first_code() -> None:
    assert what_is_on([], 0) is None
    assert what_is_on([ManpowerRow(0, 10, None)], 5) is None


def test_even_strength_has_no_clock() -> None:
    now = what_is_on([EVEN], 50)
    assert now is not None
    assert (now.away_skaters, now.home_skaters, now.power_play, now.seconds_left, now.steps) == (5, 5, None, None, ())
    assert (now.away_goalie, now.home_goalie) == (True, True)


def test_power_play_has_the_seconds_left_of_its_penalty() -> None:
    now = what_is_on([EVEN, MINOR], 140)
    assert now is not None
    assert (now.away_skaters, now.home_skaters, now.power_play, now.seconds_left) == (4, 5, "home", 80)
    assert now.steps == (Step(4, 5, "home", 80),)


def test_two_penalties_make_two_steps() -> None:
    now = what_is_on([EVEN, MINOR, TWO], 180)
    assert now is not None
    assert (now.away_skaters, now.seconds_left) == (3, 70)
    assert now.steps == (Step(3, 5, "home", 40), Step(4, 5, "home", 30))


def test_penalty_that_ended_since_the_last_play_is_over() -> None:
    later = what_is_on([EVEN, MINOR, TWO], 230)
    assert later is not None
    assert (later.away_skaters, later.power_play, later.seconds_left) == (4, "home", 20)
    over = what_is_on([EVEN, MINOR, TWO], 260)
    assert over is not None
    assert (over.away_skaters, over.power_play, over.seconds_left, over.steps) == (5, None, None, ())


def test_power_play_that_follows_four_a_side_is_told_apart_from_it() -> None:
    """The home team gets its player back first."""
    now = what_is_on([ManpowerRow(100, 130, "1441", (260,), (220,))], 200)
    assert now is not None
    assert (now.power_play, now.seconds_left) == (None, None)
    assert now.steps == (Step(4, 4, None, 20), Step(4, 5, "home", 40))


def test_power_play_without_a_known_clock_has_no_seconds() -> None:
    now = what_is_on([EVEN, ManpowerRow(100, 130, "1541", (), (), "away", 100)], 120)
    assert now is not None
    assert (now.home_skaters, now.power_play, now.seconds_left, now.steps) == (4, "away", None, ())


@pytest.mark.parametrize(
    ("code", "goalies", "power_play"),
    [("0651", (False, True), None), ("1560", (True, False), None), ("0641", (False, True), "away")],
)
def test_pulled_goalie_is_no_power_play_of_its_own(
    code: str, goalies: tuple[bool, bool], power_play: str | None
) -> None:
    now = what_is_on([ManpowerRow(3500, 3540, code)], 3550)
    assert now is not None
    assert ((now.away_goalie, now.home_goalie), now.power_play) == (goalies, power_play)


def test_moment_in_the_past_has_what_was_known_then() -> None:
    now = what_is_on([EVEN, MINOR, TWO], 110)
    assert now is not None
    assert (now.away_skaters, now.seconds_left) == (4, 110)


def test_stretches_up_to_a_moment_are_those_that_were_known_then() -> None:
    stored = [EVEN, MINOR, TWO, ManpowerRow(150, 300, "1351", (220, 250), (), "home", 100)]
    assert manpower_until(stored, 110) == (EVEN, replace(MINOR, end_s=110))
    assert manpower_until(stored, 150)[-1] == replace(stored[3], end_s=150)
    assert manpower_until((), 100) == ()


def test_last_stretch_runs_on_after_the_last_play_while_penalties_end() -> None:
    assert manpower_until([EVEN, MINOR, TWO], 270)[2:] == (
        replace(TWO, end_s=220),
        ManpowerRow(220, 250, "1451", (250,), (), "home", 100),
        ManpowerRow(250, 270, "1551", (), (), "home", 100),
    )


def test_power_play_of_an_unknown_situation_does_not_run_on() -> None:
    unknown = ManpowerRow(100, 220, None, (), (), "home", 100)
    assert manpower_until([unknown], 3600) == (unknown,)
    assert manpower_until([unknown], 150) == (replace(unknown, end_s=150),)


POWER_PLAY = (
    play(1, "faceoff", 0),
    play(2, "penalty", 100, AWAY, player_id=1),
    play(3, "faceoff", 100, situation="1451"),
    play(4, "hit", 130, situation="1451"),
)


@pytest.mark.parametrize(
    ("stands", "seconds_left"),
    [
        ({"state": GameState.LIVE, "seconds_left": 1060}, 80),
        ({"state": GameState.LIVE, "seconds_left": 1060, "in_intermission": True}, None),  # 20:00 played: it is over
        ({"state": GameState.OVER, "seconds_left": 0}, None),
        ({"state": GameState.LIVE, "period": 5, "period_type": "SO"}, None),
    ],
)
def test_report_says_what_is_on_at_the_clock_of_the_last_ping(
    tmp_path: Path, stands: dict[str, Any], seconds_left: int | None
) -> None:
    history = History(tmp_path / "history.db")
    history.record_all([game_update(game(*POWER_PLAY, **stands))])
    report = game_report(history, GAME_ID)
    assert report is not None
    assert (report.now and report.now.seconds_left) == seconds_left


def test_game_that_has_not_begun_has_nobody_on_the_ice(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    history.record_all([game_update(game(state=GameState.NOT_STARTED, period=0))])
    report = game_report(history, GAME_ID)
    assert report is not None
    assert report.now is None


def test_power_play_ends_with_the_clock_of_its_penalty_before_a_play_shows_it() -> None:
    rows = [EVEN, MINOR, replace(MINOR, start_s=130, end_s=220), ManpowerRow(220, 290, "1551", (), (), "home", 100)]
    assert power_plays(rows) == (PowerPlay(100, 220, is_home=True),)


def test_power_play_that_begins_as_another_ends_is_one_of_its_own() -> None:
    after_goal = ManpowerRow(130, 200, "1451", (250,), (), "home", 130)
    assert power_plays([EVEN, MINOR, after_goal]) == (
        PowerPlay(100, 130, is_home=True),
        PowerPlay(130, 200, is_home=True),
    )


def test_power_play_that_a_clock_begins_is_the_one_that_a_play_shows_later() -> None:
    rows = [
        ManpowerRow(100, 220, "1441", (260,), (220,)),
        ManpowerRow(220, 230, "1451", (260,)),
        ManpowerRow(230, 260, "1451", (260,), (), "home", 230),
    ]
    assert power_plays(rows) == (PowerPlay(220, 260, is_home=True),)


def test_power_play_of_an_earlier_version_has_no_situation_but_is_one() -> None:
    assert power_plays([ManpowerRow(100, 220, None, (), (), "away", 100)]) == (PowerPlay(100, 220, is_home=False),)


@pytest.mark.parametrize(
    "rows",
    [
        [replace(EVEN, start_s=0), MINOR, TWO, ManpowerRow(150, 250, "1551", (), (), "home", 100)],
        [EVEN, replace(MINOR, end_s=160), ManpowerRow(160, 280, "1451", (280,), (), "home", 160)],
        [ManpowerRow(0, 60, "1441", (60,), (90,)), ManpowerRow(60, 90, "1541", (), (90,)), replace(EVEN, start_s=90)],
        [ManpowerRow(0, 60, "1560"), ManpowerRow(60, 90, "1460", (180,), (), "home", 60)],
        [ManpowerRow(100, 220, None, (), (), "away", 100), ManpowerRow(220, 300, None, (), (), "away", 220)],
        [ManpowerRow(0, 60, None), replace(EVEN, start_s=60), ManpowerRow(100, 100, "1451", (220,), (), "home", 100)],
    ],
)
def test_view_has_the_power_plays_of_the_page(tmp_path: Path, rows: list[ManpowerRow]) -> None:
    history = History(tmp_path / "history.db")
    history.record_all([replace(game_update(game()), manpower=rows)])
    found = history._read("SELECT start_s, end_s, is_home FROM power_plays WHERE game_id = ?", (GAME_ID,))
    assert [PowerPlay(row["start_s"], row["end_s"], bool(row["is_home"])) for row in found] == list(power_plays(rows))
