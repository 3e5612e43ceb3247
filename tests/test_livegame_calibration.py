"""How a model's chances are held against what came of them."""

import math
from pathlib import Path

import pytest

from db.history import History
from livegame.calibration import calibration, wilson
from tests.conftest import Service
from tests.ui_reports import SHOTS, report_of


def test_it_sums_up_every_scored_shot(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)
    chances, goals = report.shots["probability"], report.shots["outcome"] == "goal"
    assert report.model is not None
    found = calibration(History(tmp_path / "history.db"), report.model)
    assert found is not None
    assert (found.shots, found.goals) == (4, 1)
    assert found.xg == pytest.approx(chances.sum())
    assert found.log_loss == pytest.approx(-chances.where(goals, 1 - chances).map(math.log).mean())
    assert found.base_log_loss == pytest.approx(-(math.log(0.25) + 3 * math.log(0.75)) / 4)
    assert (found.steps["low"] <= found.steps["observed"]).all()
    assert (found.steps["observed"] <= found.steps["high"]).all()


def test_a_model_that_has_scored_nothing_has_none(tmp_path: Path) -> None:
    assert calibration(History(tmp_path / "history.db"), "nobody/knows:1") is None


def test_the_interval_is_that_of_the_literature() -> None:
    assert wilson(8, 10) == pytest.approx((0.4902, 0.9433), abs=1e-4)  # Brown, Cai and DasGupta, Stat. Sci. 16, 2001
    assert wilson(0, 10)[0] == 0
    assert wilson(10, 10)[1] == 1
