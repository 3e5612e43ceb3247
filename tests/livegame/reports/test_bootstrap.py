"""Intervals by game: they hold what they promise, for games whose shots are alike."""

import math
from operator import attrgetter

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import roc_auc_score

from livegame.reports.bootstrap import RUNS, drawn_sums, estimate, games_to_tell, placements
from livegame.reports.challenge import compare_pairs
from tests.livegame.reports.shots import simulated


def test_interval_by_game_holds_the_true_difference_in_19_of_20_histories() -> None:
    truth = compare_pairs(simulated(40_000, np.random.default_rng(1)), "a", "b")
    random = np.random.default_rng(2)
    found = [compare_pairs(simulated(100, random), "a", "b") for _ in range(200)]
    for what in ("gain", "auc_gain", "champion.log_loss", "champion.auc", "challenger.xg_per_goal"):
        figure = attrgetter(what)
        true = figure(truth).value
        held = np.mean([of.low <= true <= of.high for of in map(figure, found)])
        assert 0.91 <= held <= 0.99, what  # 0.95 with a standard error of 0.015


def test_auc_interval_is_that_of_auc_recomputed_on_resampled_games() -> None:
    random = np.random.default_rng(3)
    shots = simulated(150, random)
    games = [frame for _, frame in shots.groupby("game_id")]
    drawn = []
    for _ in range(400):
        again = pd.concat([games[i] for i in random.integers(len(games), size=len(games))])
        drawn.append([roc_auc_score(again["is_goal"], again[side]) for side in ("one", "other")])
    found = compare_pairs(shots, "a", "b")
    assert found.champion.auc is not None
    assert found.auc_gain is not None
    assert found.champion.auc.value == pytest.approx(roc_auc_score(shots["is_goal"], shots["one"]))
    width = found.champion.auc.high - found.champion.auc.low  # type: ignore[operator]
    low, high = np.quantile([one for one, _ in drawn], [0.025, 0.975])
    assert (found.champion.auc.low, found.champion.auc.high) == pytest.approx((low, high), abs=0.1 * width)


def test_placement_with_equal_chances_counts_one_half() -> None:
    is_goal = np.array([True, True, False, False, False])
    placed = placements(is_goal, np.array([0.3, 0.1, 0.1, 0.2, 0.1]))
    assert placed.tolist() == pytest.approx([1, 1 / 3, 0.75, 0.5, 0.75])
    assert placed[is_goal].mean() == placed[~is_goal].mean() == pytest.approx(2 / 3)


def test_difference_is_significant_in_80_of_100_histories_of_the_games_it_takes() -> None:
    random = np.random.default_rng(4)

    def history(games: int) -> pd.DataFrame:
        shots = random.integers(60, 110, games).astype(float)
        return pd.DataFrame({"shots": shots, "gain": shots * random.normal(0.002, 0.01, games)})

    many = history(200_000)
    needed = games_to_tell(many["gain"], many["shots"])
    assert 150 < needed < 250
    found = 0
    for _ in range(250):
        by_game = history(round(needed))
        drawn = drawn_sums(by_game)
        found += estimate(0, drawn["gain"] / drawn["shots"]).differs_from_zero
    assert 0.73 <= found / 250 <= 0.87  # 0.8 with a standard error of 0.025


def test_no_difference_takes_infinitely_many_games() -> None:
    assert games_to_tell(pd.Series([0.0, 0.0]), pd.Series([80.0, 90.0])) == math.inf
    assert games_to_tell(pd.Series([1.0, -1.0]), pd.Series([80.0, 80.0])) == math.inf
    assert games_to_tell(pd.Series([1.0]), pd.Series([80.0])) == math.inf


def test_interval_of_many_games_drawn_in_runs_is_as_wide() -> None:
    random = np.random.default_rng(5)
    by_game = pd.DataFrame({"gain": random.normal(1, 1, 4 * RUNS)})
    low, high = np.quantile(drawn_sums(by_game)["gain"] / len(by_game), [0.025, 0.975])
    half = 1.96 * by_game["gain"].std() / math.sqrt(len(by_game))
    assert (low, high) == pytest.approx((by_game["gain"].mean() - half, by_game["gain"].mean() + half), abs=0.1 * half)


def test_same_history_has_the_same_interval_each_time() -> None:
    shots = simulated(50)
    assert compare_pairs(shots, "a", "b").gain == compare_pairs(shots, "a", "b").gain


def test_undefined_resample_leaves_the_interval_open() -> None:
    assert estimate(0.5, pd.Series([0.4, math.nan])) == estimate(0.5, pd.Series([0.4, math.inf]))
    assert estimate(0.5, pd.Series([0.4, math.nan])).low is None
