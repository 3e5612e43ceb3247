"""A feed that swaps the ends in the middle of a period: coordinates and sides together, or coordinates alone."""

import gzip
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from msgspec.structs import replace

from livegame.features.frames import shot_features
from livegame.parsing.parse import parse_game
from livegame.plays import Game, Play
from tests.games import AWAY, HOME, as_feed, as_legacy_feed, game, play

OTHER = {"left": "right", "right": "left"}
KINDS = (
    *("shot-on-goal", "missed-shot", "blocked-shot", "shot-on-goal", "hit", "faceoff", "missed-shot", "giveaway"),
    *("shot-on-goal", "goal", "takeaway"),
)
ENDS = ["x", "y", "offset", "distance", "angle"]


def zone_of(x: float) -> str:
    return "O" if x > 25 else "D" if x < -25 else "N"


def made_game(seed: int, *, own_half: float = 0.08) -> Game:
    """Three periods of plays at random places, as a correct feed sends them."""
    dice = random.Random(seed)

    def plays() -> Iterator[Play]:
        for number in range(180):
            period, team = number // 60 + 1, dice.choice((HOME, AWAY))
            kind = dice.choice(KINDS)
            attacked = dice.uniform(26, 95) if dice.random() >= own_half else dice.uniform(-90, 25)
            x, y = round(attacked), round(dice.uniform(-40, 40))
            home_defends = "left" if period % 2 else "right"
            turn = (1 if team == HOME else -1) * (1 if period % 2 else -1)
            zone = None if kind == "blocked-shot" else zone_of(x)
            where: dict[str, Any] = {
                "x": turn * x,
                "y": turn * y,
                "home_defends": home_defends,
                "zone": zone,
                "period": period,
            }
            yield play(number, kind, number % 60 * 19 + 3, team, **where)

    return game(*plays(), period=3)


def turned_round(shown: Game, seed: int, *, earliest: int = 0, sides: bool = True) -> Game:
    """The game with ends swapped from a random second of each period: coordinates and sides, or coordinates alone."""
    dice = random.Random(seed)
    at = {period: dice.uniform(earliest, 1200) for period in range(1, 20)}

    def turned(one: Play) -> Play:
        if one.seconds < at[one.period]:
            return one
        side = OTHER.get(one.home_defends or "") if sides else one.home_defends
        return replace(one, x=None if one.x is None else -one.x, y=None if one.y is None else -one.y, home_defends=side)

    return replace(shown, plays=tuple(map(turned, shown.plays)))


@pytest.mark.parametrize("seed", range(20))
def test_ends_swapped_together_with_the_sides_change_no_feature(seed: int) -> None:
    shown = made_game(seed)
    before = shot_features(parse_game(as_feed(shown)))
    after = shot_features(parse_game(as_feed(turned_round(shown, seed))))
    assert (before["x"] > 25).mean() > 0.8
    pd.testing.assert_frame_equal(before, after)


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["2019020249", "2019020611", "2022020007", "2022030311", "2024020001", "2024020202"])
def test_recorded_games_with_swapped_ends_keep_their_features(recordings: Path, name: str) -> None:
    shown = parse_game(json.loads(gzip.decompress((recordings / "games" / "new" / f"{name}.json.gz").read_bytes())))
    for seed in range(5):
        pd.testing.assert_frame_equal(shot_features(shown), shot_features(turned_round(shown, seed)))


@pytest.mark.parametrize("x", [74, -74])
def test_zone_that_agrees_with_the_side_outweighs_all_attempts(x: float) -> None:
    """From 15 ft, not from 163: the other attempts of the period have the ends swapped."""
    before = [play(n, "shot-on-goal", n, HOME, x=70, y=5, zone="O") for n in range(1, 30)]
    zone = "O" if x < 0 else "D"
    shot = shot_features(game(*before, play(90, "goal", 60, HOME, x=x, y=0, zone=zone, home_defends="right"))).loc[90]
    assert shot["distance"] == (15 if x < 0 else 163)


def test_play_before_a_swap_is_turned_by_its_own_side() -> None:
    before = play(1, "hit", 10, AWAY, x=60, y=8)
    shot = shot_features(game(before, play(2, "goal", 12, HOME, x=-80, y=-3, home_defends="right", zone="O"))).loc[2]
    assert (shot["x"], shot["prev_x"], shot["prev_y"]) == (80, 60, 8)


@pytest.mark.parametrize("seed", range(20))
def test_side_stated_once_per_period_is_reversed_after_three_contrary_attempts(seed: int) -> None:
    """The legacy feed has no zones, so nothing can place the first attempts after a swap."""
    shown = made_game(seed, own_half=0)
    after = turned_round(shown, seed, earliest=300, sides=False)
    right = shot_features(parse_game(as_legacy_feed(shown)))
    read = shot_features(parse_game(as_legacy_feed(after)))
    moved = {one.event_id for one, other in zip(shown.plays, after.plays, strict=True) if one.x != other.x}
    wrong = (right[ENDS] != read[ENDS]).any(axis=1)
    for period in (1, 2, 3):
        attempts = [p.event_id for p in shown.plays if p.period == period and p.kind in (*KINDS[:3], "goal")]
        first = [event_id for event_id in attempts if event_id in moved][:2]
        assert [event_id for event_id in attempts if wrong.get(event_id)] == [e for e in first if e in right.index]


def test_stated_side_survives_two_attempts_from_the_own_half() -> None:
    before = [play(n, "shot-on-goal", n, HOME, x=70, y=5) for n in range(1, 4)]
    clears = [play(n, "missed-shot", 50 + n, HOME, x=-60, y=5) for n in (4, 5)]
    assert shot_features(game(*before, *clears))["x"].tolist() == [70, 70, 70, -60, -60]


@pytest.mark.parametrize("period", [2, 4])
def test_side_reversed_in_mid_period_is_believed_again_in_the_next(period: int) -> None:
    first = [play(n, "shot-on-goal", n, HOME, x=70, y=5) for n in range(1, 6)]
    turned = [play(n, "shot-on-goal", n, HOME, x=-70, y=5) for n in range(6, 12)]
    shot = play(20, "shot-on-goal", 9, HOME, x=-70, y=5, period=period, home_defends="right")
    shots = shot_features(game(*first, *turned, shot))["x"].tolist()
    assert shots == [70] * 5 + [-70] * 2 + [70] * 5


def test_without_sides_only_the_offensive_zone_outweighs_the_attempts() -> None:
    before = [play(n, "shot-on-goal", n, HOME, x=70, y=5, home_defends=None, zone="O") for n in range(1, 9)]
    turned = play(10, "shot-on-goal", 50, HOME, x=-80, y=5, home_defends=None, zone="O")
    slip = play(11, "goal", 60, HOME, x=82, y=0, home_defends=None, zone="D")
    clear = play(12, "missed-shot", 70, HOME, x=-60, y=0, home_defends=None, zone="D")
    assert shot_features(game(*before, turned, slip, clear)).loc[10:, "x"].tolist() == [80, 82, -60]
