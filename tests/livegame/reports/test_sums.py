"""What counts is the same everywhere: each way of counting adds up, and counting all equals the SQL views."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from db.history import History
from livegame.reports.counting import Count
from livegame.reports.game import GameReport, game_report
from livegame.reports.splits.periods import period_lines
from livegame.reports.splits.strength import strength_lines
from livegame.reports.sums import Sums
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, play
from tests.reports import SHOTS, report_of

EMPTY_NET = (
    play(600, "missed-shot", 1100, x=20, y=3, period=3, situation="0651"),
    play(601, "goal", 1150, x=30, y=0, period=3, situation="0651", shooter_id=8478427),
)
POWER_PLAY = play(500, "shot-on-goal", 300, x=75, y=9, period=2, situation="1451", goalie_id=8471214)
PENALTY_SHOT = play(501, "shot-on-goal", 400, team=AWAY, x=-80, y=0, period=2, situation="0101")
UNKNOWN = play(502, "shot-on-goal", 500, team=AWAY, x=-80, y=0, period=2, situation=None)
PENDING = play(503, "goal", 600, x=None, y=None, period=2)
PLAYS = (*SHOTS, POWER_PLAY, PENALTY_SHOT, UNKNOWN, PENDING, *EMPTY_NET)


def reports(folder: Path, url: str) -> dict[Count, GameReport]:
    report_of(folder, url, *PLAYS, period=3)
    found = {count: game_report(History(folder / "history.db"), GAME_ID, count=count) for count in Count}
    return {count: report for count, report in found.items() if report is not None}


def events(report: GameReport) -> set[int]:
    return set(report.counted["event_id"])


def test_shot_counts_by_its_situation(tmp_path: Path, service: Service) -> None:
    counted = {count: events(report) for count, report in reports(tmp_path, service.url).items()}
    everything = {812, 11, 300, 301, 500, 501, 502, 503, 600, 601}
    assert counted[Count.ALL] == everything
    assert counted[Count.NO_EMPTY_NET] == everything - {600, 601}
    assert counted[Count.FIVE_ON_FIVE] == {812, 11, 300, 301, 503}


@pytest.mark.parametrize("count", Count)
def test_all_parts_of_a_report_count_the_same_shots(tmp_path: Path, service: Service, count: Count) -> None:
    report = reports(tmp_path, service.url)[count]
    for team in (report.away, report.home):
        own = report.counted[report.counted["team"] == team.abbrev]
        rated = own.dropna(subset=["probability"])
        assert (team.counted.shots, team.counted.pending) == (len(own), len(own) - len(rated))
        assert team.counted.xg == pytest.approx(rated["probability"].sum())
        assert team.counted.difference == pytest.approx(rated["probability"].sum() - (rated["outcome"] == "goal").sum())
        everything = report.present[report.present["team"] == team.abbrev]
        beside = team.empty_net.shots if count is not Count.ALL else 0
        assert team.counted.shots + team.others.shots + beside == len(everything)
        mine = report.by_shooter[report.by_shooter["team"] == team.abbrev]
        assert (mine["shots"].sum(), mine["goals"].sum()) == (team.counted.shots, team.counted.goals)
        assert mine["xg"].sum() == pytest.approx(team.counted.xg)
    assert report.home.counted.pending_goals == 1
    assert report.counted.groupby("team")["running_xg"].last().to_dict() == {
        team.abbrev: pytest.approx(team.counted.xg) for team in (report.away, report.home)
    }


def assert_same(sums: Sums, row: dict[str, Any] | None) -> None:
    """Compare sums with a row of a view; without shots there is none."""
    if row is None:
        assert sums.shots == 0
    else:
        assert (row["shots"], row["goals"], row["pending"]) == (sums.shots, sums.goals, sums.pending)
        assert row["xg"] == pytest.approx(sums.xg)


def test_report_of_all_shots_equals_the_sql_views(tmp_path: Path, service: Service) -> None:
    report = reports(tmp_path, service.url)[Count.ALL]
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        connection.row_factory = sqlite3.Row

        def view(name: str) -> list[dict[str, Any]]:
            return [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]

        for name, keys in (("xg_by_shooter", ["team", "shooter_id"]), ("xg_by_goalie", ["team", "goalie_id"])):
            wanted = pd.DataFrame(view(name)).sort_values(keys, ignore_index=True)
            wanted = wanted.drop(columns=["game_id", "model"]).astype({"is_home": bool})
            shown = getattr(report, name.removeprefix("xg_"))
            found = shown[wanted.columns].sort_values(keys, ignore_index=True).astype({"is_home": bool})
            pd.testing.assert_frame_equal(found, wanted, check_dtype=False, rtol=1e-12)
        teams = {row["team"]: row for row in view("xg_by_team")}
        by_period = {(row["team"], row["period"]): row for row in view("xg_by_period")}
        by_situation = {(row["team"], row["situation"]): row for row in view("xg_by_situation")}
    for line in period_lines(report)[:-1]:
        for team, period in ((report.away, line.away), (report.home, line.home)):
            assert_same(period.sums, by_period.get((team.abbrev, line.period)))
    for strength in strength_lines(report):
        for team, side in ((report.away, strength.away), (report.home, strength.home)):
            assert_same(side.sums, by_situation.get((team.abbrev, strength.strength)))
    for team in (report.away, report.home):
        row = teams[team.abbrev]
        sums = team.counted
        assert (row["shots"], row["goals"], row["pending"]) == (sums.shots, sums.goals, sums.pending)
        assert (row["xg"], row["difference"]) == (pytest.approx(sums.xg), pytest.approx(sums.difference))
        assert (row["xg_empty_net"], row["goals_empty_net"]) == (pytest.approx(team.empty_net.xg), team.empty_net.goals)
