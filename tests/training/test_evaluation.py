"""Scores, deciles, intervals by game, and the join with published xG."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.training.frames import training_rows
from training.errors import TableUnusable
from training.evaluation import (
    bootstrap_by_game,
    deciles,
    log_losses,
    ratio_by_game,
    scores,
    scores_by,
    standard_groups,
)
from training.published_xg import compare_with_published, join_published, read_published


def test_scores_equal_values_computed_by_hand() -> None:
    result = scores([0, 0, 1, 1], [0.1, 0.4, 0.35, 0.8])
    assert result["auc"] == 0.75
    assert result["log_loss"] == pytest.approx(
        -(math.log(0.9) + math.log(0.6) + math.log(0.35) + math.log(0.8)) / 4, abs=1e-5
    )
    assert result["brier"] == pytest.approx((0.01 + 0.16 + 0.4225 + 0.04) / 4, abs=1e-5)
    assert result["xg"] == 1.65
    assert result["xg_per_goal"] == 0.825


def test_single_outcome_has_a_log_loss_and_an_auc_of_one_half() -> None:
    result = scores([1, 1], [0.5, 0.5])
    assert result["auc"] == 0.5
    assert result["log_loss"] == pytest.approx(math.log(2), abs=1e-5)


def test_mean_of_row_losses_is_the_log_loss() -> None:
    random = np.random.default_rng(0)
    y, p = random.integers(0, 2, 200), random.uniform(0.01, 0.99, 200)
    assert log_losses(y, p).mean() == pytest.approx(scores(y, p)["log_loss"], abs=1e-5)
    assert np.isfinite(log_losses([0, 1], [1.0, 0.0])).all()


def test_deciles_hold_equally_many_shots_in_rising_order() -> None:
    random = np.random.default_rng(0)
    xg = random.uniform(0, 0.3, 5000)
    table = deciles(random.random(5000) < xg, xg)
    assert table["shots"].tolist() == [500] * 10
    assert table["mean_xg"].is_monotonic_increasing
    assert (table["xg_per_goal"].tail(7) - 1).abs().max() < 0.35


def test_deciles_split_ties_evenly() -> None:
    assert deciles([0, 1] * 50, [0.5] * 100)["shots"].tolist() == [10] * 10


def test_interval_is_wider_when_shots_of_a_game_are_correlated() -> None:
    random = np.random.default_rng(0)
    by_game = np.repeat(random.normal(size=50), 20)
    together = bootstrap_by_game(by_game, np.repeat(np.arange(50), 20))
    alone = bootstrap_by_game(by_game, np.arange(1000))
    assert together[1] - together[0] > 3 * (alone[1] - alone[0])
    assert together[0] < by_game.mean() < together[1]


def test_standard_groups_split_shots_by_goalie_and_season() -> None:
    frame = training_rows(800)
    frame.loc[:99, "empty_net"] = 1.0
    table = scores_by(frame, np.full(800, 0.1), standard_groups(frame))
    assert table.loc["goalie in net", "shots"] == 700
    assert table.loc["empty net", "shots"] == 100
    assert table.loc[["season 20182019", "season 20192020"], "shots"].sum() == 800


def _table(tmp_path: Path, rows: pd.DataFrame) -> Path:
    path = tmp_path / "published.csv.gz"
    rows.to_csv(path, index=False)
    return path


def test_published_shots_are_joined_by_game_period_second_and_kind_in_order(tmp_path: Path) -> None:
    frame = training_rows(6)
    frame["period_seconds"], frame["kind"], frame["game_id"] = 30.0, "shot-on-goal", 7
    frame.loc[5, "kind"] = "goal"
    published = pd.DataFrame(
        {
            "game_id": 7,
            "period": 1,
            "period_type": ["REGULAR", "REGULAR", "REGULAR", "SHOOTOUT"],
            "period_seconds": 30,
            "event_type": ["SHOT", "GOAL", "SHOT", "SHOT"],
            "event_id": [5, 5, 5, 5],
            "xg": [0.1, 0.9, 0.2, 0.3],
        }
    )
    joined = join_published(frame, read_published(_table(tmp_path, published)))
    assert joined["event_id"].tolist() == [0, 1, 5]
    assert joined["theirs"].tolist() == [0.1, 0.2, 0.9]


def test_comparison_has_the_gain_with_its_interval() -> None:
    joined = training_rows(2000).assign(theirs=0.5)
    honest = np.where(joined["is_goal"] == 1, 0.6, 0.1)
    result = compare_with_published(joined, honest)
    assert result["gain"] == pytest.approx(result["theirs"]["log_loss"] - result["ours"]["log_loss"], abs=1e-4)
    assert 0 < result["interval"][0] < result["gain"] < result["interval"][1]


@pytest.mark.parametrize(
    ("text", "message"), [("game_id,period,seconds,kind\n", "no column xg"), ("", "cannot be read")]
)
def test_unusable_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(text)
    with pytest.raises(TableUnusable, match=message):
        read_published(path)


def test_interval_of_xg_per_goal_draws_whole_games() -> None:
    random = np.random.default_rng(0)
    xg = random.uniform(0.02, 0.3, 4000)
    is_goal = (random.random(4000) < xg).astype(int)
    low, high = ratio_by_game(is_goal, xg, np.arange(4000) // 40)
    assert low < xg.sum() / is_goal.sum() < high
    alike = ratio_by_game(np.tile([1, 0, 0, 0], 100), np.full(400, 0.25), np.arange(400) // 4)
    assert alike == (1.0, 1.0), "every game is the same"
