"""The views that people query and the page shows: every breakdown of a game's shots adds up to the same totals."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from db.history import GameRow, GameUpdate, History, Prediction, Scores, ShotRow

MODEL = "bundled/a:1@sha256:000000000000"
GAME = GameRow(
    2021020329, 20212022, 2, "2021-11-28T18:00:00Z", 12, "CAR", "Carolina Hurricanes", 1, 15, "WSH",
    "Washington Capitals", 0, "live", 1, "REG", 755, in_intermission=False, game_date="2021-11-28",
)  # fmt: skip
TWIN = {"shooter": "Elias Pettersson", "shooter_id": 1}
FEATURES = {"friendly_skaters": 5, "opposing_skaters": 5, "strength_state": "5v5", "extra_attacker": 0}


def shot(event_id: int, situation: dict[str, Any], **more: Any) -> ShotRow:
    values: dict[str, Any] = {
        "position": event_id, "period": 1 + event_id // 4, "seconds": 60 * event_id, "is_home": event_id % 2 == 0,
        "shooter": "A", "shooter_id": 5, "goalie": "B", "goalie_id": 9, "outcome": "shot-on-goal",
        "penalty_shot": False, "empty_net": False, "missing": None,
    }  # fmt: skip
    return ShotRow(event_id, **(values | more), features=FEATURES | situation)


SHOTS = [
    shot(0, {}, outcome="goal", **TWIN),
    shot(2, {}, outcome="missed-shot", **TWIN | {"shooter_id": 2}),
    shot(3, {"friendly_skaters": 5, "opposing_skaters": 4, "strength_state": "5v4"}, outcome="goal"),
    shot(4, {"friendly_skaters": 4, "strength_state": "4v5"}, goalie=None, goalie_id=None),
    shot(5, {"friendly_skaters": 6, "strength_state": "6v5", "extra_attacker": 1}),
    shot(6, {"friendly_skaters": 3, "opposing_skaters": 3, "strength_state": "3v3"}, outcome="goal"),
    shot(7, {"opposing_skaters": 6, "strength_state": "5v6"}, empty_net=True, outcome="goal", goalie=None),
    shot(8, {"strength_state": "PS"}, penalty_shot=True),
    shot(9, {"strength_state": None, "friendly_skaters": None, "opposing_skaters": None}, outcome="goal"),
    shot(10, {"extra_attacker": 1}),  # the goalie was pulled while short-handed
]


@pytest.fixture
def views(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    history = History(tmp_path / "history.db")
    scored: list[tuple[int, float, dict[str, Any]]] = [
        (s.event_id, 0.05 * (1 + s.event_id), {}) for s in SHOTS if s.event_id != 9
    ]
    history.record_all([GameUpdate(GAME, SHOTS, scores=Scores(MODEL, "unblocked", scored))])
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        connection.row_factory = sqlite3.Row
        yield connection


@pytest.mark.parametrize("view", ["xg_by_period", "xg_by_situation", "xg_by_shooter"])
def test_sums_of_each_view_add_up_to_the_team_totals(views: sqlite3.Connection, view: str) -> None:
    wanted = views.execute("SELECT team, shots, goals, pending, xg FROM xg_by_team ORDER BY team").fetchall()
    found = views.execute(
        f"SELECT team, sum(shots), sum(goals), sum(pending), sum(xg) FROM {view} GROUP BY team ORDER BY team"
    ).fetchall()
    assert [tuple(row)[:4] for row in found] == [tuple(row)[:4] for row in wanted]
    assert [row[4] for row in found] == pytest.approx([row["xg"] for row in wanted])
    assert [(row["team"], row["shots"], row["pending"]) for row in wanted] == [("CAR", 6, 0), ("WSH", 4, 1)]


def test_pending_goal_does_not_count_against_xg(views: sqlite3.Connection) -> None:
    ((goals, difference),) = views.execute("SELECT goals, difference FROM xg_by_team WHERE team = 'WSH'")
    assert (goals, difference) == (3, pytest.approx(0.05 * (4 + 6 + 8) - 2))  # the goal 9 is pending
    ((above,),) = views.execute("SELECT sum(goals_above_expected) FROM xg_by_shooter WHERE team = 'WSH'")
    ((saved,),) = views.execute("SELECT saved_above_expected FROM xg_by_goalie WHERE team = 'CAR'")
    assert (above, saved) == (pytest.approx(-difference), pytest.approx(0.05 * (4 + 6) - 1))  # the net was empty at 7


def test_each_shot_is_in_one_situation(views: sqlite3.Connection) -> None:
    rows = views.execute("SELECT event_id, situation FROM shot_probabilities ORDER BY event_id")
    assert [tuple(row) for row in rows] == [
        (0, "5v5"),
        (2, "5v5"),
        (3, "power play"),
        (4, "short-handed"),
        (5, "extra attacker"),
        (6, "other even"),
        (7, "empty net"),
        (8, "penalty shot"),
        (9, "not told"),
        (10, "extra attacker"),
    ]


def test_players_with_the_same_name_are_kept_apart(views: sqlite3.Connection) -> None:
    rows = views.execute(
        "SELECT shooter_id, shots, on_goal, goals, goals_above_expected AS above FROM xg_by_shooter"
        " WHERE shooter = 'Elias Pettersson' ORDER BY shooter_id"
    ).fetchall()
    assert [tuple(row)[:4] for row in rows] == [(1, 1, 1, 1), (2, 1, 0, 0)]
    assert [row["above"] for row in rows] == pytest.approx([1 - 0.05, -0.15])


def test_goalie_sums_cover_the_attempts_faced(views: sqlite3.Connection) -> None:
    rows = {row["team"]: row for row in views.execute("SELECT * FROM xg_by_goalie")}
    washington = rows["WSH"]  # faced Carolina's attempts 0, 2, 6, 8 and 10; 4 names no goalie
    assert (washington["shots"], washington["on_goal"], washington["goals"]) == (5, 4, 2)
    chances = [0.05 * (1 + event) for event in (0, 2, 6, 8, 10)]
    assert washington["xg"] == pytest.approx(sum(chances))
    assert washington["saved_above_expected"] == pytest.approx(sum(chances) - 2)
    assert washington["variance"] == pytest.approx(sum(p * (1 - p) for p in chances))
    assert rows["CAR"]["shots"] == 3  # 3, 5 and 9; the net was empty at 7


def test_goal_log_has_the_score_after_each_goal(views: sqlite3.Connection) -> None:
    rows = views.execute("SELECT event_id, away_score, home_score FROM goal_log ORDER BY period, seconds, position")
    assert [tuple(row) for row in rows] == [(0, 0, 1), (3, 1, 1), (6, 1, 2), (7, 2, 2), (9, 3, 2)]


def test_pairs_of_models_hold_the_shots_that_both_have_scored_once_in_either_order(tmp_path: Path) -> None:
    history = History(tmp_path / "history.db")
    other = "bundled/b:1@sha256:000000000000"
    for model, event_ids, chance in ((MODEL, (0, 2, 3, 4), 0.25), (other, (2, 3, 4, 5), 0.5)):
        chances: list[Prediction] = [(event_id, chance, {}) for event_id in event_ids]
        history.record_all([GameUpdate(GAME, SHOTS, scores=Scores(model, "unblocked", chances))])
    history.record_all([GameUpdate(GAME, [shot for shot in SHOTS if shot.event_id != 4])])  # it is taken back
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        found = connection.execute(
            "SELECT event_id, model, other, is_goal, situation, probability, other_probability FROM model_pairs"
            " ORDER BY model, event_id"
        ).fetchall()
    assert found == [
        (2, MODEL, other, 0, "5v5", 0.25, 0.5), (3, MODEL, other, 1, "power play", 0.25, 0.5),
        (2, other, MODEL, 0, "5v5", 0.5, 0.25), (3, other, MODEL, 1, "power play", 0.5, 0.25),
    ]  # fmt: skip
