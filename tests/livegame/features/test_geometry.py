"""Where a shot was taken from: distance, angle, and which way the teams attack, whatever the feed says."""

import math

import pandas as pd
import pytest
from msgspec.structs import replace

from livegame.features.features import FEATURES
from livegame.features.frames import shot_features
from livegame.plays import Game, Play
from livegame.rink import angle_to_net, distance_to_net
from tests.games import AWAY, HOME, game, play


def features(*plays: Play) -> pd.DataFrame:
    return shot_features(game(*plays))


def test_distance_and_angle_of_known_places() -> None:
    assert distance_to_net(89, 0) == 0
    assert distance_to_net(59, 40) == 50
    assert angle_to_net(59, 0) == 0
    assert angle_to_net(69, 20) == pytest.approx(45)
    assert angle_to_net(69, -20) == pytest.approx(45)
    assert angle_to_net(89, 5) == pytest.approx(90)


def test_angle_behind_the_net_is_beyond_90_degrees() -> None:
    assert angle_to_net(94, 5) == pytest.approx(135)
    assert angle_to_net(94, 5) != pytest.approx(angle_to_net(84, 5))


@pytest.mark.parametrize(
    ("team", "defends", "x", "y"), [(HOME, "left", 70, 10), (HOME, "right", -70, -10), (AWAY, "left", -70, -10)]
)
def test_every_shot_attacks_the_net_at_89(team: int, defends: str, x: float, y: float) -> None:
    shot = features(play(1, "shot-on-goal", 30, team, x=x, y=y, home_defends=defends)).loc[1]
    assert (shot["x"], shot["y"]) == (70, 10)
    assert shot["distance"] == pytest.approx(math.hypot(19, 10))


def test_shot_without_a_side_is_turned_by_its_zone() -> None:
    shots = features(
        play(1, "shot-on-goal", 30, HOME, x=-70, y=5, home_defends=None, zone="O"),
        play(2, "missed-shot", 40, AWAY, x=-60, y=5, home_defends=None, zone="D"),
    )
    assert shots.loc[1, "x"] == 70
    assert shots.loc[2, "x"] == -60, "the away team attacks towards +x and shoots the length of the ice"


def test_shot_from_the_neutral_zone_is_turned_by_earlier_shots() -> None:
    attacks = [play(n, "shot-on-goal", n, HOME, x=-70, y=5, home_defends=None) for n in range(1, 4)]
    shots = features(*attacks, play(4, "shot-on-goal", 50, HOME, x=10, y=5, home_defends=None, zone="N"))
    assert shots.loc[4, "x"] == -10


def test_shot_of_the_next_period_is_turned_the_other_way() -> None:
    attacks = [play(n, "shot-on-goal", n, HOME, x=-70, y=5, home_defends=None) for n in range(1, 4)]
    later = play(4, "shot-on-goal", 50, HOME, x=10, y=5, home_defends=None, period=2)
    assert features(*attacks, later).loc[4, "x"] == 10


def test_side_that_is_wrong_throughout_is_overruled_by_the_shots() -> None:
    shots = [play(n, "shot-on-goal", n, HOME, x=70, y=5, home_defends="right") for n in range(1, 6)]
    assert (features(*shots)["x"].tail(3) == 70).all()


def test_wrong_zone_is_overruled_by_the_shots_of_the_period() -> None:
    shots = [play(n, "shot-on-goal", n, HOME, x=70, y=5, zone="O") for n in range(1, 6)]
    assert features(*shots, play(9, "goal", 60, HOME, x=82, y=0, zone="D")).loc[9, "x"] == 82


def test_single_long_shot_does_not_swap_the_ends() -> None:
    shots = [play(n, "shot-on-goal", n, HOME, x=70, y=5) for n in range(1, 6)]
    assert features(*shots, play(9, "goal", 60, HOME, x=-60, y=0, zone="D")).loc[9, "x"] == -60


def test_shot_without_coordinates_has_all_other_features() -> None:
    shot = features(play(1, "faceoff", 10), play(2, "shot-on-goal", 20, x=None, y=None)).loc[2]
    places = ["x", "y", "offset", "distance", "angle", "prev_distance", "prev_offset", "speed"]
    assert shot[places].isna().all()
    assert shot["prev_type"] == "faceoff"
    assert shot["prev_x"] == 70
    assert shot["shot_type"] == "wrist"


def test_offset_is_the_same_on_both_sides_and_prev_offset_tells_them_apart() -> None:
    shots = features(play(1, "hit", 10, y=20), play(2, "shot-on-goal", 20, y=10), play(3, "shot-on-goal", 30, y=-7))
    assert shots["offset"].tolist() == [10, 7]
    assert shots["prev_offset"].tolist() == [20, -10]


def test_mirrored_game_differs_only_in_the_signs_of_y() -> None:
    shown = _any_game()
    mirrored = replace(shown, plays=tuple(replace(p, y=None if p.y is None else -p.y) for p in shown.plays))
    one, other = shot_features(shown), shot_features(mirrored)
    pd.testing.assert_frame_equal(one.drop(columns=["y", "prev_y"]), other.drop(columns=["y", "prev_y"]))
    assert (one["y"] == -other["y"]).all()


def test_game_on_a_turned_rink_has_the_same_features() -> None:
    shown = _any_game()
    turned = replace(
        shown, plays=tuple(replace(p, x=-(p.x or 0), y=-(p.y or 0), home_defends="right") for p in shown.plays)
    )
    pd.testing.assert_frame_equal(shot_features(shown), shot_features(turned))


def test_feature_frame_has_its_columns_and_types_even_if_empty() -> None:
    frame, empty = shot_features(_any_game()), shot_features(game())
    assert list(frame.columns) == list(empty.columns) == [feature.name for feature in FEATURES]
    for feature in FEATURES:
        assert frame[feature.name].dtype == ("float64" if feature.kind == "number" else object), feature.name


def _any_game() -> Game:
    return game(
        play(1, "faceoff", 0, x=0, y=0),
        play(2, "hit", 12, AWAY, x=40, y=-30),
        play(3, "shot-on-goal", 20, HOME, x=71, y=12),
        play(4, "missed-shot", 23, HOME, x=80, y=-4),
        play(5, "giveaway", 40, HOME, x=-50, y=8),
        play(6, "goal", 44, AWAY, x=-85, y=3),
    )
