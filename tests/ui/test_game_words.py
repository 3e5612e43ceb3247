"""What the page says about a game, word for word."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from db.history import History, Recorded
from livegame.plays import GameState
from livegame.reports.counting import Count
from livegame.reports.game import game_report
from livegame.reports.sums import Sums
from tests.conftest import Service
from tests.games import GAME_ID, play
from tests.reports import SHOTS, report_of
from ui.game_words import (
    beside_words,
    competition_words,
    correction_words,
    difference_words,
    game_title,
    pending_words,
    ping_words,
    waiting_words,
    xg_and_goals,
)
from ui.parts.game.corrections import correction_sentence
from ui.words import date_words
from xgserve.client import ServiceUnavailable


def test_tab_has_the_score_the_clock_and_xg(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    xg = f"{report.away.counted.xg:.2f}\N{EN DASH}{report.home.counted.xg:.2f}"
    assert game_title(report) == f"WSH 0\N{EN DASH}0 CAR · P1 12:35 · {xg}"
    before = report_of(tmp_path / "before", service.url, state=GameState.NOT_STARTED)
    assert game_title(before) == "WSH at CAR · Sun, Nov 28, 2021"


def test_ping_is_summed_up_in_numbers(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    events = tuple(report.shots["event_id"])
    nothing = Recorded(report.game_id)
    assert ping_words(nothing) == "Nothing new"
    assert ping_words(replace(nothing, new=events, scored=4)) == "4 new attempts"
    assert ping_words(replace(nothing, new=events[:1], scored=4)) == "1 new attempt, 4 attempts rated"
    assert ping_words(replace(nothing, scored=4)) == "4 attempts rated"
    failed = replace(nothing, challenger_problems=("a model: too slow",))
    assert ping_words(failed) == "Nothing new, 1 challenger did not rate everything"


def test_team_totals_are_shown_with_their_difference_in_words(tmp_path: Path, service: Service) -> None:
    counted = report_of(tmp_path, service.url, *SHOTS).home.counted

    def sums(**changed: float) -> Sums:
        expected: dict[str, Any] = {"xg": 2.314, "goals": 2, "difference": 0.314}
        return replace(counted, **expected | changed)

    assert xg_and_goals(sums()) == "2.31 (2)"
    assert difference_words(sums()) == "0.31 fewer goals than expected"
    assert difference_words(sums(difference=-0.31)) == "0.31 more goals than expected"
    assert difference_words(sums(difference=-0.001)) == "as many goals as expected"
    assert difference_words(sums(pending=3, pending_goals=0)) == "0.31 fewer goals than expected"
    assert difference_words(sums(pending=3, pending_goals=1)) == ""


def test_attempts_outside_the_total_are_shown_beside_it(tmp_path: Path, service: Service) -> None:
    team = report_of(tmp_path, service.url, *SHOTS).home
    assert all(beside_words(team, counted) == "" for counted in Count)
    team = replace(team, empty_net=Sums(shots=2, xg=1.534, goals=1), others=Sums(shots=3, xg=0.2, pending=1))
    assert beside_words(team, Count.ALL) == "including 1.53 (1) empty net"
    assert beside_words(replace(team, others=Sums()), Count.NO_EMPTY_NET) == "+ 1.53 (1) empty net"
    assert beside_words(team, Count.FIVE_ON_FIVE) == (
        "+ 0.20 (0), 1 not rated yet at other strengths + 1.53 (1) empty net"
    )


def test_pending_shots_are_shown_with_team_and_reason(tmp_path: Path, service: Service) -> None:
    with pytest.raises(ServiceUnavailable):
        report_of(tmp_path, "http://127.0.0.1:9", *SHOTS)
    report = game_report(History(tmp_path / "history.db"), GAME_ID)
    assert report is not None
    assert pending_words(report.home.counted) == "+ 2 not rated yet (including 1 goal)"
    assert pending_words(report.away.counted) == "+ 2 not rated yet"
    assert waiting_words(report) == ("4 attempts waiting for the model; saved, and rated as soon as it answers.")
    untyped = play(900, "shot-on-goal", 100, x=70, y=1, shot_type=None)
    report = report_of(tmp_path, service.url, *SHOTS, untyped, play(901, "missed-shot", 120, x=None, y=None))
    assert pending_words(report.away.counted) == ""
    assert pending_words(report.home.counted) == "+ 2 not rated yet"
    assert waiting_words(report) == "The league has not reported the coordinates and shot type of 2 attempts yet."


@pytest.mark.parametrize(
    ("game_id", "game_type", "text"),
    [
        (2021020329, 2, "Regular season 2021-22"),
        (2021030236, 3, "Playoffs 2021-22, round 2, game 6"),
        (2021030002, 3, "Playoffs 2021-22"),
        (2021010012, 1, "Preseason 2021-22"),
        (2021190001, 19, "4 Nations Face-Off 2021-22"),
        (2021990001, 99, "Other competition 2021-22"),
    ],
)
def test_competition_has_a_name(tmp_path: Path, service: Service, game_id: int, game_type: int, text: str) -> None:
    report = report_of(tmp_path, service.url, *SHOTS, game_id=game_id, game_type=game_type)
    assert competition_words(report) == text
    assert date_words(report.date) == "Sun, Nov 28, 2021"


def test_corrected_shots_are_counted_until_they_are_as_before(tmp_path: Path, service: Service) -> None:
    faceoff, shot, miss, goal, other = SHOTS
    report = report_of(tmp_path, service.url, *SHOTS)
    assert correction_words(report) == ""
    report = report_of(tmp_path, service.url, *SHOTS[:4], structs.replace(other, x=-30))
    assert correction_words(report) == "The league has corrected 1 shot."
    report = report_of(tmp_path, service.url, faceoff, shot, miss, structs.replace(goal, kind="shot-on-goal"))
    assert correction_words(report) == "The league has corrected 2 shots."
    report = report_of(tmp_path, service.url, *SHOTS)
    assert {*report.corrections["what"]} == {"amended", "retracted", "restored", "outcome"}
    assert correction_words(report) == ""


@pytest.mark.parametrize(
    ("what", "before", "after", "text"),
    [
        ("retracted", "shot-on-goal", None, "P1 02:42 Tomasino: removed (shot on goal)"),
        ("restored", None, "goal", "P1 02:42 Tomasino: restored (goal)"),
        ("outcome", "goal", "shot-on-goal", "P1 02:42 Tomasino: Goal, now shot on goal"),
        (
            "amended",
            {"x": 76, "y": 3, "distance": 13.3, "shot_type": "wrist"},
            {"x": 60, "y": 3, "distance": 29.2, "shot_type": None},
            "P1 02:42 Tomasino: moved, 13 ft to 29 ft from the net, type wrist, now unknown; xG stays 0.14",
        ),
        (
            "amended",
            {"score_difference": 0},
            {"score_difference": 1},
            "P1 02:42 Tomasino: the play before it or the score was corrected; xG stays 0.14",
        ),
    ],
)
def test_correction_is_listed_in_words(what: str, before: Any, after: Any, text: str) -> None:
    row = {"period": 1, "time": "02:42", "shooter": "Tomasino", "what": what}
    told = {
        name: json.dumps(value) if isinstance(value, dict) else value
        for name, value in (("before", before), ("after", after))
    }
    assert correction_sentence(row | told, 0.14) == text
