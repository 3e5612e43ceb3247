"""Which team is on the power play, and when."""

from typing import Any

from livegame.features.situations import PowerPlay, power_plays
from livegame.plays import Play
from tests.games import game, play


def at(second: int, situation: str | None, event_id: int = 0, **more: Any) -> Play:
    return play(event_id or second, "faceoff", second, situation=situation, **more)


def test_power_play_lasts_from_the_first_play_with_more_skaters_to_the_first_without() -> None:
    plays = [at(10, "1551"), at(100, "1451"), at(150, None), at(160, "1451"), at(220, "1551"), at(300, "1541")]
    assert power_plays(game(*plays, at(340, "1541"))) == (PowerPlay(True, 100, 220), PowerPlay(False, 300, 340))


def test_penalty_shot_does_not_interrupt_a_power_play() -> None:
    plays = [at(10, "1551"), at(60, "1451"), at(100, "1010", 4), at(100, "1451", 5), at(180, "1551")]
    assert power_plays(game(*plays)) == (PowerPlay(True, 60, 180),)


def test_extra_attacker_makes_no_power_play_and_a_power_play_may_change_sides() -> None:
    assert power_plays(game(at(10, "0651"), at(60, "1560"))) == ()
    changing = game(at(10, "1451"), at(50, "1541"), at(90, "1441"))
    assert power_plays(changing) == (PowerPlay(True, 10, 50), PowerPlay(False, 50, 90))


def test_power_play_continues_in_the_next_period_and_ends_before_a_shootout() -> None:
    plays = [at(1190, "1451"), at(20, "1551", 2, period=2), at(0, "0101", 3, period=5, period_type="SO")]
    assert power_plays(game(*plays)) == (PowerPlay(True, 1190, 1220),)
