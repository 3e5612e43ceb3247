"""What is on now, in words, and who has the better of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from db.history import ManpowerRow
from livegame.reports.flow import flow_of, power_play_xg
from livegame.reports.game import GameReport
from tests.conftest import Service
from tests.games import AWAY, play
from tests.reports import SHOTS, report_of
from ui.colours import TeamColours
from ui.game_words import flow_words
from ui.parts.game.situation import situation_line
from ui.situation_words import situation_words
from ui.words import EN_DASH

COLOURS = TeamColours("#44618b", "#cc0000")


@pytest.fixture
def report(tmp_path: Path, service: Service) -> GameReport:
    """Return a game of Washington at Carolina, 445 s old."""
    return report_of(tmp_path, service.url, *SHOTS)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        (ManpowerRow(0, 445, "1551"), "5v5"),
        (ManpowerRow(400, 445, "1451", (528,), (), "home", 400), "CAR power play, 5v4, 1:23 left · xG 0.00"),
        (ManpowerRow(400, 445, "1451", (), (), "home", 400), "CAR power play, 5v4 · xG 0.00"),
        (
            ManpowerRow(400, 445, "1531", (), (485, 555), "away", 400),
            "WSH power play, 5v3 for 0:40, then 5v4 for 1:10 · xG 0.00",
        ),
        (ManpowerRow(400, 445, "1441", (455,), (475,), None, None), "4v4, 0:10 left, then WSH 5v4"),
        (ManpowerRow(400, 445, "0651"), "WSH net empty since 6:40 · 6v5"),
        (
            ManpowerRow(400, 445, "0641", (), (475,), "away", 400),
            "WSH power play, 6v4, 0:30 left · xG 0.00 · WSH net empty since 6:40",
        ),
    ],
)
def test_situation_is_said_in_words(report: GameReport, row: ManpowerRow, says: str) -> None:
    shown = replace(report, manpower=(row,))
    assert shown.now is not None
    assert situation_words(shown, shown.now) == says


def test_three_on_three_in_overtime_is_called_so(report: GameReport) -> None:
    shown = replace(report, played_seconds=3700, manpower=(ManpowerRow(3600, 3700, "1331"),))
    assert shown.now is not None
    assert situation_words(shown, shown.now) == "3v3 overtime"


def test_situation_line_without_anything_to_say_keeps_its_place(report: GameReport) -> None:
    assert situation_line(replace(report, manpower=()), COLOURS) == '<div class="xg-situation">&nbsp;</div>'
    line = situation_line(replace(report, manpower=(ManpowerRow(0, 445, "1451", (528,), (), "home", 400),)), COLOURS)
    assert COLOURS.home in line


def test_flow_has_a_step_per_five_minutes_and_says_who_was_better(report: GameReport) -> None:
    flow = flow_of(report)
    assert flow.steps["start_s"].tolist() == [0, 300]
    for team, side in ((report.away, "away"), (report.home, "home")):
        assert flow.steps[side].sum() == pytest.approx(team.counted.xg)
    assert (flow.last.start_s, flow.last.end_s) == (145, 446)
    better, worse = sorted((flow.last.away, flow.last.home), reverse=True)
    assert f"{better:.2f} {EN_DASH} {worse:.2f}" in flow_words(report, flow)


def test_power_play_has_the_expected_goals_since_it_began(tmp_path: Path, service: Service) -> None:
    before = play(600, "shot-on-goal", 90)
    on = [
        play(601, "penalty", 100, team=AWAY),
        play(602, "faceoff", 100, situation="1451"),
        play(603, "shot-on-goal", 110, situation="1451"),
        play(604, "shot-on-goal", 115, team=AWAY, situation="1451"),
    ]
    report = report_of(tmp_path, service.url, before, *on, seconds_left=1080)
    chances = report.present.set_index("event_id")["probability"]
    assert power_play_xg(report) == pytest.approx(chances[603])
