"""Attempts of all kinds, by team and period."""

import gzip
from pathlib import Path

from db.history import History, Moment
from livegame.features.rows import game_update
from livegame.parsing.json_bytes import read_json
from livegame.recordings.files import load_recording
from livegame.reports.counting import Count
from livegame.reports.game import GameReport, game_report
from tests.games import AWAY, GAME_ID, HOME, game, play

PLAYS = (
    play(1, "goal", 10),
    play(2, "shot-on-goal", 20, AWAY, x=-70),
    play(3, "missed-shot", 30, reason="short"),
    play(4, "missed-shot", 40, reason="wide-left"),
    play(5, "blocked-shot", 50, shooter_id=8478427, blocker_id=8471214),
    play(6, "blocked-shot", 60, AWAY, situation="0651"),
    play(7, "missed-shot", 30, HOME, period=2, situation="1451"),
)


def report(tmp_path: Path, count: Count = Count.ALL, moment: Moment | None = None) -> GameReport:
    history = History(tmp_path / "history.db")
    history.record_all([game_update(game(*PLAYS))])
    found = game_report(history, GAME_ID, count=count, moment=moment)
    assert found is not None
    return found


def counts(shown: GameReport) -> list[list[object]]:
    return shown.attempts.drop(columns="is_home").values.tolist()


def test_attempts_are_counted_by_period_and_team(tmp_path: Path) -> None:
    assert counts(report(tmp_path)) == [
        ["WSH", 1, 0, 1, 1, 1, 1, 2],
        ["CAR", 1, 1, 1, 3, 2, 1, 4],
        ["CAR", 2, 0, 0, 1, 1, 0, 1],
    ]


def test_attempts_of_a_situation_are_counted_as_the_reader_chose(tmp_path: Path) -> None:
    assert counts(report(tmp_path, Count.FIVE_ON_FIVE)) == [["WSH", 1, 0, 1, 1, 1, 0, 1], ["CAR", 1, 1, 1, 3, 2, 1, 4]]


def test_attempts_up_to_a_moment_leave_out_later_ones(tmp_path: Path) -> None:
    shown = report(tmp_path, moment=Moment(game_s=50))
    assert counts(shown) == [["WSH", 1, 0, 1, 1, 1, 0, 1], ["CAR", 1, 1, 1, 3, 2, 1, 4]]
    assert shown.blocked["event_id"].tolist() == [5]


def test_blocked_attempts_are_named_and_counted_as_chosen(tmp_path: Path) -> None:
    blocked = report(tmp_path, Count.FIVE_ON_FIVE).blocked
    assert blocked[["team", "time", "situation", "counts"]].values.tolist() == [
        ["CAR", "00:50", "5v5", True],
        ["WSH", "01:00", "extra attacker", False],
    ]
    assert list(blocked.loc[0, ["shooter", "blocker"]]) == ["Sebastian Aho", "Alex Ovechkin"]
    assert set(report(tmp_path).shots["reason"].dropna()) == {"short", "wide-left"}


def test_recorded_games_have_the_shots_on_goal_that_the_league_counts(tmp_path: Path, recordings: Path) -> None:
    history = History(tmp_path / "history.db")
    official: dict[tuple[int, int], int] = {}
    for path in sorted((recordings / "games" / "new").iterdir()):
        recording = load_recording(path)
        history.record_all([game_update(recording.game())])
        feed = read_json(gzip.decompress(recording.content))
        official |= {(feed["id"], feed[side]["id"]): feed[side]["sog"] for side in ("homeTeam", "awayTeam")}
    counted = history._read(
        "SELECT game_id, iif(is_home, home_id, away_id) AS team, sum(on_goal) AS shots"
        " FROM attempts_by_team JOIN games USING (game_id) GROUP BY 1, 2"
    )
    assert {(row["game_id"], row["team"]): row["shots"] for row in counted} == official
    assert len(official) >= 20
