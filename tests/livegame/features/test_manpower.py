"""Skaters, empty nets, power play seconds, and the score before a shot."""

from typing import Any

import pandas as pd
import pytest

from livegame.features.frames import shot_features, training_frame
from livegame.plays import Play
from tests.games import AWAY, HOME, game, play


def last(*plays: Play) -> "pd.Series[Any]":
    return shot_features(game(*plays)).iloc[-1]


@pytest.mark.parametrize(
    ("code", "team", "state", "empty", "extra"),
    [
        ("1551", HOME, "5v5", 0, 0),
        ("1451", HOME, "5v4", 0, 0),
        ("1451", AWAY, "4v5", 0, 0),
        ("0651", AWAY, "6v5", 0, 1),
        ("0651", HOME, "5v6", 1, 0),
        ("1560", HOME, "6v5", 0, 1),
        ("1331", AWAY, "3v3", 0, 0),
        ("0101", HOME, "PS", 1, 0),
    ],
)
def test_manpower_features_are_those_of_the_shooters_view(
    code: str, team: int, state: str, empty: int, extra: int
) -> None:
    shot = last(play(1, "shot-on-goal", 30, team, situation=code))
    assert shot["strength_state"] == state
    assert shot["empty_net"] == empty
    assert shot["extra_attacker"] == extra


@pytest.mark.parametrize("code", [None, "", "15", "abcd"])
def test_manpower_features_of_an_unreadable_situation_are_null(code: str | None) -> None:
    shot = last(play(1, "shot-on-goal", 30, situation=code))
    assert shot["strength_state"] is None
    assert shot[["friendly_skaters", "opposing_skaters", "empty_net", "extra_attacker"]].isna().all()


def test_power_play_seconds_run_from_the_first_play_with_the_advantage() -> None:
    plays = (
        play(1, "faceoff", 100, situation="1451"),
        play(2, "hit", 110, situation="1451"),
        play(3, "shot-on-goal", 130, situation="1451"),
    )
    assert last(*plays)["power_play_seconds"] == 30
    assert last(*plays[:2], play(3, "shot-on-goal", 130, AWAY, situation="1451"))["power_play_seconds"] == 0


def test_power_play_seconds_continue_after_an_intermission() -> None:
    plays = (play(1, "faceoff", 1180, situation="1451"), play(2, "shot-on-goal", 10, situation="1451", period=2))
    assert last(*plays)["power_play_seconds"] == 30
    assert last(*plays, play(3, "shot-on-goal", 50, situation="1551", period=2))["power_play_seconds"] == 0


def test_extra_attacker_starts_no_power_play() -> None:
    shot = last(play(1, "faceoff", 100, situation="1560"), play(2, "shot-on-goal", 120, situation="1560"))
    assert shot["power_play_seconds"] == 0


def test_score_difference_is_that_before_the_shot() -> None:
    shots = shot_features(
        game(
            play(1, "goal", 10, HOME),
            play(2, "goal", 20, HOME),
            play(3, "shot-on-goal", 30, AWAY),
            play(4, "goal", 40, AWAY),
            play(5, "goal", 50, HOME),
        )
    )
    assert shots["score_difference"].tolist() == [0, 1, -2, -2, 1]
    assert shots["is_home"].tolist() == [1, 1, 0, 0, 1]


def test_shootout_attempts_have_no_row() -> None:
    shown = game(play(1, "goal", 10), play(2, "goal", 0, period=5, period_type="SO", situation="0101"))
    assert shot_features(shown).index.tolist() == [1]


def test_training_frame_holds_the_shots_of_all_games_with_their_outcomes() -> None:
    one = game(play(1, "goal", 10), play(2, "missed-shot", 20))
    two = game(play(1, "shot-on-goal", 5), game_id=2021020330)
    frame = training_frame([one, two])
    assert frame[["game_id", "event_id", "kind", "is_goal"]].to_numpy().tolist() == [
        [2021020329, 1, "goal", 1],
        [2021020329, 2, "missed-shot", 0],
        [2021020330, 1, "shot-on-goal", 0],
    ]
    pd.testing.assert_frame_equal(
        frame.loc[:1, "period":].set_index(pd.Index([1, 2], name="event_id")), shot_features(one)
    )
