"""The curve of who will win: it is valid, ends at the present, and has the goals on its line."""

from pathlib import Path
from typing import Any

import altair
import pytest

from db.history import History
from livegame.features.rows import game_update
from livegame.plays import Play
from livegame.reports.game import GameReport, game_report
from livegame.reports.win_probability import Prior, win_curve, win_now
from livegame.win_probability.parameters import card
from tests.games import AWAY, GAME_ID, game, play
from ui.charts.model import win_reliability
from ui.charts.win import win_curve_chart
from ui.colours import TeamColours
from ui.parts.win_card import diagram_words, verdict

COLOURS = TeamColours("#44618b", "#cc0000")
PLAYS = (play(1, "faceoff", 0), play(2, "goal", 200, team=AWAY), play(3, "goal", 300), play(4, "goal", 400))


def report_of(folder: Path, *plays: Play) -> GameReport:
    """Return the report of a game that nothing has rated."""
    history = History(folder / "history.db")
    history.record_all([game_update(game(*plays))])
    report = game_report(history, GAME_ID)
    assert report is not None
    return report


def chart_of(report: GameReport) -> dict[str, Any]:
    return win_curve_chart(win_curve(report, Prior()), report, COLOURS)


def rows_with(chart: dict[str, Any], column: str) -> list[dict[str, Any]]:
    return next(rows for rows in chart["datasets"].values() if rows and column in rows[0])


@pytest.mark.parametrize("plays", [PLAYS, ()])
def test_win_chart_is_valid(tmp_path: Path, plays: tuple[Any, ...]) -> None:
    altair.LayerChart.from_dict(chart_of(report_of(tmp_path, *plays)))


def test_win_chart_ends_at_the_present_with_the_number_of_the_score_line(tmp_path: Path) -> None:
    report = report_of(tmp_path, *PLAYS)
    now, last = win_now(report, Prior()), rows_with(chart_of(report), "away_words")[-1]
    assert now is not None
    assert (last["home_words"], last["away_words"]) == (f"{now.home:.0%}", f"{now.away:.0%}")
    assert (last["game_seconds"], last["when"], last["score"]) == (445, "P1 07:25", "1\N{EN DASH}2")
    assert rows_with(chart_of(report), "words")[0]["words"] == f"CAR {now.home:.0%}"


def test_goals_stand_on_the_line_of_the_win_chart(tmp_path: Path) -> None:
    chart = chart_of(report_of(tmp_path, *PLAYS))
    line = {row["game_seconds"]: row["away"] for row in rows_with(chart, "away_words")}
    goals = rows_with(chart, "event_id")
    assert [goal["away"] for goal in goals] == [line[200], line[300], line[400]]
    assert line[200] > 0.5 > line[400]


def test_reliability_diagram_has_the_tenths_of_the_card() -> None:
    tenths = card()["figures"]["tenths"]["all plays"]["home_team"]
    chart = win_reliability(tenths, "#3b82c4")
    altair.LayerChart.from_dict(chart)
    assert [row["observed"] for row in rows_with(chart, "words")] == [row["observed"] for row in tenths]


def test_verdict_says_the_figures_of_the_card() -> None:
    all_plays = card()["figures"]["tenths"]["all plays"]
    assert f"within {100 * all_plays['worst_each_team']:.1f} percentage points in every tenth" in verdict(card())
    assert f"{all_plays['plays']:,} plays" in verdict(card())
    assert f"{card()['figures']['brier']['ours']:.4f}" in diagram_words(card())
