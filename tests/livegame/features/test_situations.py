"""Which team is on the power play, and when."""

from typing import Any

from livegame.features.manpower import manpower
from livegame.plays import Game, Play
from livegame.reports.manpower import PowerPlay, power_plays
from tests.games import game, play


def at(second: int, situation: str | None, event_id: int = 0, **more: Any) -> Play:
    return play(event_id or second, "faceoff", second, situation=situation, **more)


def found(shown: Game) -> tuple[PowerPlay, ...]:
    return power_plays(manpower(shown))


def test_power_play_lasts_from_the_first_play_with_more_skaters_to_the_first_without() -> None:
    plays = [at(10, "1551"), at(100, "1451"), at(150, None), at(160, "1451"), at(220, "1551"), at(300, "1541")]
    assert found(game(*plays, at(340, "1541"))) == (
        PowerPlay(100, 220, is_home=True),
        PowerPlay(300, 340, is_home=False),
    )


def test_penalty_shot_does_not_interrupt_a_power_play() -> None:
    plays = [at(10, "1551"), at(60, "1451"), at(100, "1010", 4), at(100, "1451", 5), at(180, "1551")]
    assert found(game(*plays)) == (PowerPlay(60, 180, is_home=True),)


def test_extra_attacker_makes_no_power_play_and_a_power_play_may_change_sides() -> None:
    assert found(game(at(10, "0651"), at(60, "1560"))) == ()
    changing = game(at(10, "1451"), at(50, "1541"), at(90, "1441"))
    assert found(changing) == (PowerPlay(10, 50, is_home=True), PowerPlay(50, 90, is_home=False))


def test_power_play_continues_in_the_next_period_and_ends_before_a_shootout() -> None:
    plays = [at(1190, "1451"), at(20, "1551", 2, period=2), at(0, "0101", 3, period=5, period_type="SO")]
    assert found(game(*plays)) == (PowerPlay(1190, 1220, is_home=True),)
