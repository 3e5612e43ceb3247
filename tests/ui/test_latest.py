"""The line of what just happened."""

import re
from dataclasses import replace
from pathlib import Path

from livegame.plays import GameState
from tests.conftest import Service
from tests.reports import SHOTS, report_of
from ui.colours import TeamColours
from ui.parts.game.latest import latest_line

COLOURS = TeamColours("#44618b", "#cc0000")


def items(line: str) -> list[str]:
    return [re.sub(r"<[^>]*>", "", item) for item in re.findall(r"<li>(.*?)</li>", line)]


def test_newest_attempts_come_first_and_a_final_game_shows_its_biggest(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    live = latest_line(report, COLOURS)
    assert [item.split()[:3] for item in items(live)] == [
        ["WSH", "P1", "01:30"],
        ["CAR", "P1", "00:55"],
        ["WSH", "P1", "00:30"],
        ["CAR", "P1", "00:12"],
    ]
    assert 'aria-live="polite"' in live
    over = items(latest_line(replace(report, state=GameState.FINAL), COLOURS))
    chances = [float(found[0]) for item in over if (found := re.findall(r"\d\.\d\d", item))]
    assert chances == sorted(chances, reverse=True)
    assert len(chances) == 4


def test_names_in_the_line_are_escaped(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    named = report.present.assign(shooter="<script>")
    assert "<script>" not in latest_line(replace(report, present=named), COLOURS)
