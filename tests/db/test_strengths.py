"""The league's sums by strength hold finished games only, and follow each change of them."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from db.history import GameUpdate, History, ManpowerRow, Prediction, Scores
from tests.db.test_views import GAME, MODEL, SHOTS
from tests.promises.helpers import sums_are_true

CHANCES: list[Prediction] = [(shot.event_id, 0.1, {}) for shot in SHOTS]
STRETCHES = (
    ManpowerRow(0, 1000, "1551"),
    ManpowerRow(1000, 1120, "1541", power_play="away", power_play_since=1000),
    ManpowerRow(1120, 3500, "1551"),
    ManpowerRow(3500, 3600, "0651"),
)


def record(history: History, state: str = "final", **changes: Any) -> None:
    update = GameUpdate(replace(GAME, state=state), SHOTS, STRETCHES, scores=Scores(MODEL, "unblocked", CHANCES))
    history.record_all([replace(update, **changes)])


def totals(history: History) -> dict[str, tuple[Any, ...]]:
    return {row["strength"]: (row["games"], row["seconds"], row["shots"]) for row in history.strengths(MODEL)}


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history.db")


def test_finished_game_is_summed_by_the_strength_of_each_team(history: History, tmp_path: Path) -> None:
    record(history)
    found = totals(history)
    assert found["5v5"] == (1, 2 * 3380, 2)
    assert found["power play"] == found["short-handed"] == (1, 120, 1)
    assert found["extra attacker"] == (1, 100, 2)
    assert found["empty net"] == (1, 100, 1)
    assert found["3v3"] == (1, 0, 1)
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert sums_are_true(connection)


def test_live_game_is_not_in_the_sums_until_it_ends(history: History) -> None:
    record(history, "live")
    assert totals(history) == {}
    record(history, "final")
    assert totals(history)["5v5"] == (1, 2 * 3380, 2)
    record(history, "live")  # it was not the end
    assert totals(history) == {}


def test_game_without_manpower_is_left_out_until_it_is_known(history: History) -> None:
    record(history, manpower=())
    assert totals(history) == {}
    record(history)
    assert totals(history)["5v5"] == (1, 2 * 3380, 2)


def test_correction_and_forgotten_game_leave_the_sums(history: History, tmp_path: Path) -> None:
    record(history)
    record(history, shots=SHOTS[1:], manpower=STRETCHES[:3], scores=None)
    assert totals(history)["5v5"] == (1, 2 * 3380, 1)
    assert "extra attacker" in totals(history)  # its attempts stay, without time
    history.forget(GAME.game_id)
    assert totals(history) == {}
    with closing(sqlite3.connect(tmp_path / "history.db")) as connection:
        assert sums_are_true(connection)


def test_other_season_moves_the_sums(history: History) -> None:
    record(history)
    record(history, game=replace(GAME, state="final", season=20222023))
    assert history.strengths(MODEL, 20212022) == []
    assert {row["games"] for row in history.strengths(MODEL, 20222023)} == {1}
