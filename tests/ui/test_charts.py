"""The charts: which shots are where, how they are told apart, where lines end, a rink by the rule book."""

import math
from pathlib import Path
from typing import Any

import altair
import pytest

from db.history import History
from livegame.plays import GameState
from livegame.reports.calibration import calibration
from livegame.reports.counting import Count
from livegame.reports.flow import flow_of
from livegame.reports.game import GameReport, game_report
from livegame.reports.odds import odds, odds_of
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, HOME, play
from tests.reports import GOAL, SHOTS, report_of
from ui.charts import timeline
from ui.charts.flow import xg_flow
from ui.charts.model import reliability
from ui.charts.odds import goal_odds, no_odds
from ui.charts.race import xg_race
from ui.charts.rink import boards
from ui.charts.shot_map import from_farther_out, half_rink
from ui.colours import TeamColours

COLOURS = TeamColours("#44618b", "#cc0000")


def halves(report: GameReport) -> list[dict[str, Any]]:
    return [half_rink(report, team, report.present, COLOURS, "") for team in (report.away, report.home)]


def marks(report: GameReport) -> dict[int, dict[str, Any]]:
    """Return the marks of both halves by event id."""
    return {
        row["event_id"]: row
        for chart in halves(report)
        for layer in chart["layer"]
        for row in records(chart, layer)
        if "event_id" in row
    }


def race(report: GameReport) -> dict[str, Any]:
    return xg_race(report, COLOURS)


def rows(chart: dict[str, Any], column: str) -> list[dict[str, Any]]:
    """Return the data of the first layer that has the column."""
    return next(rows for rows in (records(chart, layer) for layer in chart["layer"]) if rows and column in rows[0])


def records(chart: dict[str, Any], layer: dict[str, Any]) -> list[dict[str, Any]]:
    name = (layer if "data" in layer else chart)["data"]["name"]
    data: list[dict[str, Any]] = chart["datasets"][name]
    return data


def test_shot_map_in_every_period_has_each_team_at_its_own_end(tmp_path: Path, service: Service) -> None:
    second_period = [
        play(500, "shot-on-goal", 10, x=-70, y=8, period=2, home_defends="right"),
        play(501, "shot-on-goal", 20, team=AWAY, x=75, y=9, period=2, home_defends="right"),
    ]
    report = report_of(tmp_path, service.url, *SHOTS, *second_period, period=2)
    points = {event: (row["x"], row["y"]) for event, row in marks(report).items()}
    assert points == {
        812: (60, -5),
        300: (82, 3),
        11: (-80, 12),
        301: (-85, -2),
        500: (70, -8),
        501: (-75, -9),
    }


def test_retracted_shot_is_in_no_chart(tmp_path: Path, service: Service) -> None:
    report_of(tmp_path, service.url, *SHOTS)
    report = report_of(tmp_path, service.url, *(shot for shot in SHOTS if shot is not GOAL))
    assert "retracted" in report.shots["status"].tolist()
    assert 300 not in marks(report)
    lines = [row for row in rows(race(report), "running_xg") if row["team"] == "CAR"]
    assert [row["game_seconds"] for row in lines] == [0, 12, 445]
    assert lines[-1]["running_xg"] == pytest.approx(report.home.counted.xg)


def test_pending_shot_is_drawn_smallest_and_marked_pending(tmp_path: Path, service: Service) -> None:
    untyped = play(900, "shot-on-goal", 100, x=70, y=1, shot_type=None)
    report = report_of(tmp_path, service.url, *SHOTS, untyped)
    found = marks(report)
    assert (found[900]["area"], found[900]["chance"], found[900]["status"]) == (0.0, "pending", "pending")
    assert found[900]["shot_type"] == "unknown"
    assert found[300]["chance"] == f"{found[300]['area']:.2f}" != "0.00"


def test_tooltip_of_missing_values_says_unknown(tmp_path: Path, service: Service) -> None:
    bare = play(1, "shot-on-goal", 5, shot_type=None, situation=None)
    (point,) = marks(report_of(tmp_path, service.url, bare)).values()
    assert {point[name] for name in ("shooter", "shot_type", "strength_state")} == {"unknown"}


def test_csv_of_shots_with_missing_ids_keeps_whole_numbers(tmp_path: Path, service: Service) -> None:
    shots = (play(1, "shot-on-goal", 5, goalie_id=8471214), play(2, "shot-on-goal", 9))
    table = report_of(tmp_path, service.url, *shots).shots.to_csv(columns=["goalie_id"], index=False)
    assert table.split("\n") == ["goalie_id", "8471214", '""', ""]


def test_reliability_diagram_has_its_line_at_one_goal_per_expected_goal(tmp_path: Path, service: Service) -> None:
    report_of(tmp_path, service.url, *SHOTS)
    found = calibration(History(tmp_path / "history.db"), service.client.model().id)
    assert found is not None
    spec = reliability(found, "#000")
    for axis in "xy":
        scales = [layer["encoding"][axis]["scale"] for layer in spec["layer"]]
        assert len(scales) == 3
        assert all(scale == scales[0] for scale in scales)
    line, _, points = (spec["datasets"][layer["data"]["name"]] for layer in spec["layer"])
    assert [point["ratio"] for point in line] == [1, 1]
    assert [point["ratio"] for point in points] == pytest.approx(found.steps["goals"] / found.steps["xg"])


def test_shot_without_location_is_not_drawn(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS, play(900, "shot-on-goal", 100, x=None, y=None))
    assert 900 in report.present["event_id"].tolist()
    assert 900 not in marks(report)


def test_xg_race_ends_at_the_present_with_the_totals(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    lines = rows(race(report), "running_xg")
    for team in (report.away, report.home):
        line = [(row["game_seconds"], row["running_xg"]) for row in lines if row["team"] == team.abbrev]
        assert line[0] == (0, 0.0)
        assert (
            line[-1] == (report.played_seconds, pytest.approx(team.counted.xg)) == (445, pytest.approx(team.counted.xg))
        )
        assert line == sorted(line)
    goals = rows(race(report), "result")
    assert [(row["event_id"], row["team"]) for row in goals] == [(300, "CAR")]


def test_names_of_equal_lines_do_not_cover_each_other(tmp_path: Path, service: Service) -> None:
    ends = rows(race(report_of(tmp_path, service.url)), "name")
    assert {row["name"] for row in ends} >= {"CAR 0.00", "WSH 0.00"}
    assert abs(ends[0]["running_xg"] - ends[1]["running_xg"]) == pytest.approx(0.14)


@pytest.mark.parametrize(
    ("stands", "periods"),
    [
        ({"period": 4, "period_type": "OT", "seconds_left": 200}, [("OT", 3900)]),
        ({"period": 4, "period_type": "OT", "seconds_left": 200, "game_type": 3}, [("OT", 4600)]),
        ({"period": 5, "period_type": "OT", "seconds_left": 1100, "game_type": 3}, [("OT", 4800), ("2OT", 5100)]),
        ({"period": 5, "period_type": "SO", "state": GameState.FINAL}, [("OT", 3900)]),
    ],
)
def test_overtime_that_has_begun_is_on_the_axis(
    tmp_path: Path, service: Service, stands: dict[str, Any], periods: list[tuple[str, int]]
) -> None:
    report = report_of(tmp_path, service.url, *SHOTS, **stands)
    shown = timeline.periods(report)
    assert list(zip(shown["name"], shown["end"], strict=True))[3:] == periods
    assert timeline.game_end(report) == periods[-1][1]


def test_axis_ends_with_the_period_that_is_being_played(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    assert timeline.game_end(report) == 1200
    (second,) = (report_of(tmp_path, service.url, *SHOTS, period=2, seconds_left=1199),)
    assert timeline.periods(second)["name"].tolist() == ["P1", "P2"]


def test_teams_and_outcomes_differ_by_more_than_colour(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    for chart in halves(report):
        encoding = chart["layer"][-1]["encoding"]
        assert len(set(encoding["shape"]["scale"]["range"])) == 4
        assert encoding["stroke"]["scale"]["range"] == [COLOURS.away, COLOURS.home]
    assert {row["name"][:3] for row in rows(race(report), "name")} == {"WSH", "CAR"}  # at the ends of the lines


def test_rink_has_the_rule_books_measures() -> None:
    outline = boards()
    assert outline[0] == outline[-1]
    assert max(x for x, _ in outline) == pytest.approx(100)
    assert max(y for _, y in outline) == pytest.approx(42.5)
    # 45 degrees into a corner: 28 ft from its centre at (72, 14.5)
    corner = (72 + 28 * math.sqrt(0.5), 14.5 + 28 * math.sqrt(0.5))
    assert min(math.dist(corner, point) for point in outline) < 1.5
    assert all(math.dist((72, 14.5), (x, y)) == pytest.approx(28) for x, y in outline if x > 72 and y > 14.5)


def test_game_without_shots_still_has_charts(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url)
    for chart in (*halves(report), race(report), xg_flow(report, flow_of(report), COLOURS)):
        assert chart["layer"]


def test_every_chart_is_valid(tmp_path: Path, service: Service) -> None:
    """The page itself does not check its charts, which takes longer than to build them."""
    report = report_of(tmp_path, service.url, *SHOTS)
    result = odds_of(report)
    assert result is not None
    odds_charts = (goal_odds(report, result, COLOURS), no_odds())
    for chart in (*halves(report), race(report), xg_flow(report, flow_of(report), COLOURS), *odds_charts):
        altair.LayerChart.from_dict(chart)


def test_shot_from_beyond_the_blue_line_is_drawn_at_the_edge(tmp_path: Path, service: Service) -> None:
    far = (play(600, "missed-shot", 100, x=-60, y=3), play(601, "shot-on-goal", 110, x=10, y=-4))
    report = report_of(tmp_path, service.url, *SHOTS, *far)
    found = marks(report)
    assert [(found[event]["x"], found[event]["y"]) for event in (600, 601)] == [(21, 3), (21, -4)]
    assert from_farther_out(report.present) == 2


def test_power_play_is_shaded_in_the_colour_of_the_team_with_more_skaters(tmp_path: Path, service: Service) -> None:
    short = [play(600, "faceoff", 100, situation="1451"), play(601, "faceoff", 160, situation="1551")]
    report = report_of(tmp_path, service.url, *SHOTS, *short)
    assert [(row["team"], row["start"], row["end"]) for row in rows(race(report), "start")] == [("CAR", 100, 160)]


def test_goal_odds_show_every_number_of_goals_and_mark_the_actual_one(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    scored = report.present
    result = odds(*(scored.loc[scored["team"] == team, "probability"] for team in ("WSH", "CAR")))
    shown = rows(goal_odds(report, result, COLOURS), "chance")
    assert [(row["team"], row["goals"]) for row in shown if row["real"]] == [("WSH", 0), ("CAR", 1)]
    assert sum(row["chance"] for row in shown if row["team"] == "CAR") == pytest.approx(1)


def test_empty_net_attempt_has_its_own_mark_and_a_fixed_size(tmp_path: Path, service: Service) -> None:
    far = play(600, "missed-shot", 100, x=-60, y=3, situation="0651")
    near = play(601, "goal", 110, x=80, y=0, situation="0651")
    points = marks(report_of(tmp_path, service.url, *SHOTS, far, near))
    assert [points[event]["mark"] for event in (300, 600, 601)] == ["Goal", "Empty net", "Empty net"]
    assert points[600]["area"] == points[601]["area"] < points[300]["area"]
    assert points[600]["chance"] != points[601]["chance"]


@pytest.mark.parametrize("count", Count)
def test_xg_race_at_each_count_holds_what_counts(tmp_path: Path, service: Service, count: Count) -> None:
    net = play(601, "goal", 110, x=80, y=0, situation="0651")
    report_of(tmp_path, service.url, *SHOTS, net)
    report = game_report(History(tmp_path / "history.db"), GAME_ID, count=count)
    assert report is not None
    line = [row["running_xg"] for row in rows(race(report), "running_xg") if row["team"] == "CAR"]
    assert line[-1] == report.home.counted.xg
    assert {row["event_id"]: row["counts"] for row in rows(race(report), "result")} == {300: True, 601: count == "all"}


def test_chart_words_are_never_in_a_team_colour(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    for spec in (*halves(report), race(report), xg_flow(report, flow_of(report), COLOURS)):
        words = [layer for layer in spec["layer"] if layer["mark"]["type"] == "text"]
        in_colour = [layer for layer in words if "color" in layer["encoding"]]
        assert {layer["encoding"]["text"]["field"] for layer in in_colour} <= {"arrow"}  # a sign, no word
        assert any(layer["mark"].get("color") == COLOURS.ink for layer in words)


def test_blocked_attempts_are_crosses_where_they_were_blocked(tmp_path: Path, service: Service) -> None:
    block = play(700, "blocked-shot", 100, x=-60, y=5, team=HOME)
    report = report_of(tmp_path, service.url, *SHOTS, block)
    (blocked,) = report.blocked.to_dict("records")
    team = report.home if blocked["team"] == "CAR" else report.away
    chart = half_rink(report, team, report.present, COLOURS, "", report.blocked)
    found = rows(chart, "blocker")
    assert [(row["team"], row["when"]) for row in found] == [(team.abbrev, "P1 01:40")]


def test_manpower_of_the_whole_game_is_marked(tmp_path: Path, service: Service) -> None:
    plays = [
        play(600, "faceoff", 100, situation="1441"),
        play(601, "faceoff", 160, situation="1551"),
        play(602, "hit", 200, situation="0651"),
        play(603, "hit", 230, situation="1551"),
    ]
    report = report_of(tmp_path, service.url, *SHOTS, *plays)
    fewer, empty = timeline.fewer_skaters(report), timeline.empty_nets(report)
    assert fewer.to_numpy().tolist() == [[100, 160]]
    assert empty.to_numpy().tolist() == [["WSH", 200, 230]]
