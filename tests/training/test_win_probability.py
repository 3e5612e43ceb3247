"""How win probability is fitted and evaluated: the moments of games, and its calibration on recorded ones."""

from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from livegame.features.frames import training_frame
from livegame.plays import GameState
from livegame.recordings.seasons import find_seasons, season_recordings
from livegame.win_probability.parameters import bundled, card
from livegame.win_probability.strength import SeasonSums
from tests.games import AWAY, GAME_ID, game, play
from training.win_probability.evaluation import brier, home_wins, tenths, undecided
from training.win_probability.moments import (
    facts_frame,
    game_fact,
    game_moments,
    level_before,
    moments_frame,
    season_sums,
)

NO_SHOTS = training_frame([]).astype({"game_id": int, "is_home": int}).assign(xg=0.0)


def test_moments_show_a_game_after_the_plays_of_each_second() -> None:
    shots = pd.DataFrame(
        {"game_id": GAME_ID, "is_home": [1.0, 1.0, 0.0], "game_seconds": [50.0, 55.0, 70.0], "empty_net": 0.0,
         "extra_attacker": 0.0, "strength_state": ["5v5", "5v5", "5v4"], "xg": [0.1, 0.2, 0.4]}
    )  # fmt: skip
    plays = (
        *(play(1, "faceoff", 0), play(2, "shot-on-goal", 50), play(3, "goal", 55)),
        *(play(4, "penalty", 60), play(5, "faceoff", 60, situation="1541")),
        play(6, "goal", 70, team=AWAY, situation="1541"),
    )
    found = moments_frame(game_moments(game(*plays)), shots)
    assert found["second"].tolist() == [0, 50, 55, 60, 70]
    assert found["plays"].tolist() == [1, 1, 1, 2, 1]
    assert found["lead"].tolist() == [0, 0, 1, 1, 0]
    assert found["home_xg"].tolist() == pytest.approx([0, 0.1, 0.3, 0.3, 0.3])
    assert found["away_xg"].tolist() == [0] * 5
    assert found["situation"].tolist() == ["1551", "1551", "1551", "1541", "1551"]
    assert found["home_until"].tolist()[3] == (180,)


def test_before_a_game_only_earlier_days_of_its_season_are_known() -> None:
    days = ("2021-11-20", "2021-11-20", "2021-11-22")
    final = [
        game(play(1, "goal", 9), game_id=n, state=GameState.FINAL, start_time=f"{day}T20:00:00Z")
        for n, day in enumerate(days)
    ]
    facts = facts_frame(map(game_fact, final))
    shots = pd.DataFrame({"game_id": [0, 1, 2], "is_home": 1, "xg": 0.3, "is_goal": 1})
    sums = season_sums(facts, shots)
    assert sums[0] == sums[1] == (SeasonSums(), SeasonSums())
    assert sums[2] == (SeasonSums(2, 0.6, 0.0, 2, 0), SeasonSums(2, 0.0, 0.6, 0, 2))
    assert level_before(facts).to_numpy().tolist() == [[0, 0], [0, 0], [2, 2]]


def test_tenths_of_certain_predictions_are_right_and_count_each_play() -> None:
    moments = pd.DataFrame({"game_id": [1, 1, 2, 2], "plays": [2, 1, 1, 1]})
    wins = np.array([1.0, 1.0, 0.0, 0.0])
    rows = tenths(moments, np.array([0.95, 0.95, 0.05, 0.35]), wins, both_teams=False)
    assert [(row["tenth"], row["plays"], row["games"], row["observed"]) for row in rows] == [
        *((1, 1, 1, 0.0), (4, 1, 1, 0.0), (10, 3, 1, 1.0)),
    ]
    both = tenths(moments, np.array([0.95, 0.95, 0.05, 0.35]), wins, both_teams=True)
    assert sum(row["plays"] for row in both) == 10


@pytest.mark.recordings
def test_calibration_on_a_sample_of_unseen_games_is_that_of_the_card(recordings: Path) -> None:
    """The figures of the card are for the whole season; these are for its first games, without any prior."""
    season = card()["tested_on"]["season"]
    games = [recording.game() for recording in islice(season_recordings(find_seasons(recordings)[season]), 100)]
    facts = facts_frame(map(game_fact, games))
    moments = undecided(moments_frame((row for one in games for row in game_moments(one)), NO_SHOTS))
    wins = moments["game_id"].map(facts["is_home_win"]).to_numpy(float)
    home = home_wins(bundled(), moments, facts, dict.fromkeys(facts.index, (SeasonSums(), SeasonSums())))
    plays = moments["plays"].to_numpy()
    assert abs(np.average(home - wins, weights=plays)) < 3 * 0.5 / np.sqrt(len(games))
    found = brier(moments, wins, home, {"even": np.full(len(home), 0.5)})
    assert found["ours"] < 0.2
    assert found["even"]["low"] > 0.03
    for row in tenths(moments, home, wins, both_teams=True):
        assert abs(row["observed"] - row["predicted"]) < 0.15
