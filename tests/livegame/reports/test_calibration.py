"""How a model's chances are compared with the goals that came of them."""

import math
from dataclasses import replace
from pathlib import Path

import pytest

from db.history import GameRow, GameUpdate, History, Scores, ShotRow
from livegame.reports.calibration import calibration, wilson
from tests.conftest import Service
from tests.reports import SHOTS, report_of
from ui.parts.calibration import diagram_words, notice, verdict


def test_calibration_sums_every_scored_shot(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    chances, goals = report.shots["probability"], report.shots["outcome"] == "goal"
    assert report.model is not None
    found = calibration(History(tmp_path / "history.db"), report.model)
    assert found is not None
    assert (found.level.shots, found.level.goals) == (4, 1)
    assert found.level.xg == pytest.approx(chances.sum())
    assert found.level.log_loss == pytest.approx(-chances.where(goals, 1 - chances).map(math.log).mean())
    deviation = math.sqrt((chances * (1 - chances)).sum())
    assert found.level.z == pytest.approx((chances.sum() - 1) / deviation)
    assert found.base_log_loss == pytest.approx(-(math.log(0.25) + 3 * math.log(0.75)) / 4)
    assert (found.steps["low"] <= found.steps["observed"]).all()
    assert (found.steps["observed"] <= found.steps["high"]).all()


def test_calibration_of_unused_model_is_none(tmp_path: Path) -> None:
    assert calibration(History(tmp_path / "history.db"), "nobody/knows:1") is None


OLD, NEW = 20202021, 20222023
MODEL = "somebody/else:1@sha256:000000000000"


def rated(path: Path, season: int, shots: int, goals: int, probability: float, game_type: int = 2) -> History:
    """Return the history with one more game, whose shots all have this probability."""
    history = History(path / "history.db")
    first, others = report_rows(shots, goals)
    game = replace(first, game_id=season // 10_000 * 1_000_000 + game_type * 10_000 + 1, season=season)
    game = replace(game, game_type=game_type)
    scores = Scores(MODEL, "unblocked", [(shot.event_id, probability, {}) for shot in others])
    history.record_all([GameUpdate(game, others, scores=scores)])
    return history


def report_rows(shots: int, goals: int) -> tuple[GameRow, list[ShotRow]]:
    game = GameRow(
        1, 1, 2, "2021-11-28T18:00:00Z", 12, "CAR", "Carolina Hurricanes", 1, 15, "WSH", "Washington Capitals", 0,
        "live", 1, "REG", 755, in_intermission=False, game_date="2021-11-28",
    )  # fmt: skip
    rows = [
        ShotRow(n, n, 1, 60, True, None, None, "goal" if n < goals else "shot-on-goal", False, False, {}, None)
        for n in range(shots)
    ]
    return game, rows


def test_levels_are_by_season_and_the_verdict_is_on_unseen_seasons(tmp_path: Path) -> None:
    rated(tmp_path, OLD, 1000, 100, 0.1)
    history = rated(tmp_path, NEW, 5000, 400, 0.1)
    found = calibration(history, MODEL, [OLD])
    assert found is not None
    assert [(s.season, s.is_learned, s.level.shots, s.level.goals) for s in found.seasons] == [
        (NEW, False, 5000, 400), (OLD, True, 1000, 100),
    ]  # fmt: skip
    assert (found.is_learned, found.level.shots, found.level.goals) == (False, 5000, 400)
    assert found.level.xg == pytest.approx(500)
    assert found.steps["shots"].tolist() == [5000]
    deviation = math.sqrt(5000 * 0.1 * 0.9)
    level = found.level
    assert level.z == pytest.approx(100 / deviation)
    assert (level.excess, level.excess_from, level.excess_to) == pytest.approx(
        (0.25, 500 / (400 + 1.96 * deviation) - 1, 500 / (400 - 1.96 * deviation) - 1), abs=1e-4
    )
    assert level.is_off
    assert verdict(found) == "On 5,000 unseen shots it expected 25.0% too many goals (95%: 13.2% to 39.5% too many)."
    assert "too high" in notice(found)


def test_calibration_of_one_season_holds_only_its_shots(tmp_path: Path) -> None:
    rated(tmp_path, OLD, 1000, 100, 0.1)
    history = rated(tmp_path, NEW, 5000, 400, 0.1)
    found = calibration(history, MODEL, [OLD], OLD)
    assert found is not None
    assert (found.is_learned, found.level.goals, len(found.seasons)) == (True, 100, 1)
    assert verdict(found).startswith("On 1,000 shots from its training seasons it expected as many goals as there were")
    assert calibration(history, MODEL, [OLD], 20182019) is None


def test_verdict_without_training_seasons_says_they_are_unknown(tmp_path: Path) -> None:
    rated(tmp_path, OLD, 1000, 100, 0.1)
    history = rated(tmp_path, NEW, 5000, 400, 0.1)
    found = calibration(history, MODEL)
    assert found is not None
    assert (found.is_learned, found.level.shots) == (None, 6000)
    assert "does not name its training seasons" in diagram_words(found)
    assert "unseen" not in verdict(found)


@pytest.mark.parametrize(
    ("shots", "goals", "is_off"),
    [
        (4000, 300, True),  # 100 goals too few, over five standard deviations
        (2990, 299, False),  # fewer than 300
        (4000, 352, False),  # 2.53
        (4000, 351, True),  # 2.58
    ],
)
def test_level_beyond_luck_is_off_from_300_goals(tmp_path: Path, shots: int, goals: int, is_off: bool) -> None:
    found = calibration(rated(tmp_path, NEW, shots, goals, 0.1 if goals != 299 else 0.2), MODEL, [])
    assert found is not None
    assert found.level.is_off == is_off


def test_verdict_with_few_goals_is_withheld(tmp_path: Path) -> None:
    found = calibration(rated(tmp_path, NEW, 10, 1, 0.1), MODEL, [])
    assert found is not None
    assert verdict(found) == "On 10 unseen shots it expected 1.0 goals and there were 1: too few to judge it."


def test_calibration_keeps_competitions_apart(tmp_path: Path) -> None:
    rated(tmp_path, NEW, 10, 1, 0.1)
    history = rated(tmp_path, NEW, 30, 2, 0.1, game_type=1)
    regular, preseason = calibration(history, MODEL), calibration(history, MODEL, competition="preseason")
    assert regular is not None
    assert preseason is not None
    assert (regular.level.shots, preseason.level.shots) == (10, 30)


def test_wilson_interval_matches_published_values() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Brown, Cai and DasGupta, Stat. Sci. 16, 2001
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1
