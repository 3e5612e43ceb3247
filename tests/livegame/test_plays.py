"""What a game is made of cannot be changed, and survives being sent to another process."""

import pickle
from datetime import date
from typing import Any

import pytest

from livegame.plays import Day, GameState, GameSummary, Player, Team
from tests.games import game, play

TEAM = Team(12, "CAR", "Carolina Hurricanes", 0)
SUMMARY = GameSummary(
    2021020329, "2021-11-28T18:00:00Z", TEAM, TEAM, GameState.LIVE, "Period 1 - 12:35 left", "P1 12:35"
)
PARTS = [
    play(50, "faceoff", 0),
    play(11, "goal", 5),
    game(play(11, "goal", 5)),
    TEAM,
    Player("Sebastian Aho", 12),
    SUMMARY,
    Day(date(2021, 11, 28), (SUMMARY,), None, None),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_assigning_to_any_field_of_a_play_or_game_raises(part: Any) -> None:
    for name in part.__struct_fields__:
        before = getattr(part, name)
        with pytest.raises(AttributeError, match="immutable"):
            setattr(part, name, "changed")
        assert getattr(part, name) is before


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
def test_pickled_play_or_game_equals_the_original(part: Any) -> None:
    assert pickle.loads(pickle.dumps(part)) == part
