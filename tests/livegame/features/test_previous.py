"""The event before a shot: which one counts, and where it was."""

import math
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from livegame.features.frames import shot_features
from livegame.parsing.parse import parse_game
from livegame.plays import Game, Play
from tests.games import AWAY, HOME, as_feed, as_legacy_feed, game, play

Read = Callable[[Game], Game]
FEEDS: tuple[Read, ...] = (lambda shown: parse_game(as_feed(shown)), lambda shown: parse_game(as_legacy_feed(shown)))


def last(*plays: Play) -> "pd.Series[Any]":
    return shot_features(game(*plays)).iloc[-1]


def test_event_before_is_turned_with_the_shot() -> None:
    shot = last(play(1, "takeaway", 10, AWAY, x=30, y=8), play(2, "goal", 16, AWAY, x=-80, y=3))
    assert (shot["prev_x"], shot["prev_y"]) == (-30, -8)
    assert shot["prev_distance"] == pytest.approx(math.hypot(110, 5))
    assert shot["prev_seconds"] == 6
    assert shot["speed"] == pytest.approx(math.hypot(110, 5) / 6)
    assert shot["prev_play"] == "own takeaway"
    assert shot["prev_same_team"] == 1


@pytest.mark.parametrize("y", [0.0, 3.0, -3.0])
def test_event_before_has_the_same_features_at_either_end(y: float) -> None:
    def shot(end: int, home_defends: str) -> "pd.Series[Any]":
        before = play(1, "shot-on-goal", 10, x=end * 70, y=end * 20, home_defends=home_defends)
        return last(before, play(2, "goal", 12, x=end * 80, y=end * y + 0.0, home_defends=home_defends))

    there, back = shot(1, "left"), shot(-1, "right")
    pd.testing.assert_series_equal(there, back)
    assert there["prev_offset"] == (-20 if y < 0 else 20)


@pytest.mark.parametrize("kind", ["penalty", "delayed-penalty", "period-start"])
def test_events_that_do_not_move_the_puck_are_skipped(kind: str) -> None:
    shot = last(play(1, "hit", 10, AWAY), play(2, kind, 15), play(3, "goal", 16))
    assert shot["prev_type"] == "hit"
    assert shot["prev_play"] == "opposing hit"


def test_first_shot_after_an_intermission_has_no_event_before() -> None:
    shot = last(play(1, "hit", 1190), play(2, "shot-on-goal", 3, period=2))
    assert shot["prev_type"] is None
    assert shot["prev_play"] is None
    assert shot[["prev_x", "prev_y", "prev_seconds", "prev_distance", "speed"]].isna().all()
    assert shot["rebound"] == 0


def begins_anew(shot: Any) -> bool:
    """Return whether the shot has no event before it."""
    places = ["prev_x", "prev_y", "prev_offset", "prev_seconds", "prev_distance", "speed"]
    none = shot["prev_type"] is None and shot["prev_play"] is None and bool(shot[places].isna().all())
    return none and not shot[["prev_same_team", "rebound", "angle_change"]].any()


@pytest.mark.parametrize("read", FEEDS)
def test_shot_after_a_stoppage_has_no_event_before(read: Read) -> None:
    plays = (play(1, "shot-on-goal", 14, y=-20), play(2, "stoppage", 15), play(3, "goal", 16))
    assert begins_anew(shot_features(read(game(*plays))).loc[3])


@pytest.mark.parametrize("read", FEEDS)
def test_faceoff_after_a_stoppage_is_the_event_before(read: Read) -> None:
    plays = (play(1, "hit", 14), play(2, "stoppage", 15), play(3, "faceoff", 15, AWAY), play(4, "goal", 17))
    shot = shot_features(read(game(*plays))).loc[4]
    assert (shot["prev_play"], shot["prev_seconds"]) == ("opposing faceoff", 2)


def test_stoppage_in_the_shots_own_second_leaves_the_event_before() -> None:
    """Within a second the order says little, and goals are listed after their own stoppage more often than saves."""
    shot = last(play(1, "hit", 14, AWAY), play(2, "stoppage", 16), play(3, "goal", 16))
    assert shot["prev_play"] == "opposing hit"


@pytest.mark.parametrize("read", FEEDS)
def test_shot_after_a_goal_has_no_event_before(read: Read) -> None:
    plays = (play(1, "goal", 15), play(2, "shot-on-goal", 16))
    assert begins_anew(shot_features(read(game(*plays))).loc[2])


@pytest.mark.parametrize("read", FEEDS)
@pytest.mark.parametrize("kind", ["shot-on-goal", "missed-shot", "hit", "faceoff"])
def test_penalty_shot_has_no_event_before_and_no_rebound(kind: str, read: Read) -> None:
    called = play(2, "penalty", 15, AWAY, x=None, y=None)
    alone = play(3, "shot-on-goal", 15, y=-20, situation="1010")
    shots = shot_features(read(game(play(1, kind, 14), called, alone, play(4, "missed-shot", 16))))
    assert shots.loc[3, "strength_state"] == "PS"
    assert begins_anew(shots.loc[3])
    assert begins_anew(shots.loc[4])


def test_first_event_of_a_game_has_no_event_before() -> None:
    assert last(play(1, "goal", 0))["prev_type"] is None


def test_event_before_is_chosen_by_the_clock() -> None:
    disordered = (play(1, "faceoff", 60), play(2, "shot-on-goal", 100), play(3, "goal", 70, x=80, y=0))
    goal = shot_features(parse_game(as_feed(game(*disordered)))).loc[3]
    assert (goal["prev_type"], goal["prev_seconds"], goal["rebound"]) == ("faceoff", 10, 0)


@pytest.mark.parametrize(
    ("kind", "team", "gap", "is_rebound"),
    [
        ("shot-on-goal", HOME, 0, 1),
        ("shot-on-goal", HOME, 3, 1),
        ("blocked-shot", HOME, 2, 1),
        ("missed-shot", HOME, 2, 1),
        ("shot-on-goal", HOME, 4, 0),
        ("shot-on-goal", AWAY, 2, 0),
        ("hit", HOME, 1, 0),
    ],
)
def test_rebound_follows_an_own_attempt_within_three_seconds(kind: str, team: int, gap: int, is_rebound: int) -> None:
    shot = last(play(1, kind, 50, team, x=69, y=20), play(2, "goal", 50 + gap, x=69, y=-20))
    assert shot["rebound"] == is_rebound
    assert shot["angle_change"] == pytest.approx(90 * is_rebound)


def test_event_before_without_coordinates_still_has_its_kind() -> None:
    shot = last(play(1, "giveaway", 10, AWAY, x=None, y=None), play(2, "goal", 12))
    assert shot["prev_play"] == "opposing giveaway"
    assert shot[["prev_x", "prev_offset", "prev_distance"]].isna().all()
    assert shot["prev_seconds"] == 2


def test_features_are_the_same_whatever_the_outcome() -> None:
    before = (play(1, "faceoff", 5), play(2, "hit", 9, AWAY))
    frames = [shot_features(game(*before, play(3, kind, 12))) for kind in ("goal", "shot-on-goal", "missed-shot")]
    pd.testing.assert_frame_equal(frames[0], frames[1])
    pd.testing.assert_frame_equal(frames[0], frames[2])


def test_features_are_the_same_whatever_follows() -> None:
    plays = [
        play(n, kind, n * 7, (HOME, AWAY)[n % 2], x=60 - n, y=n)
        for n, kind in enumerate(("faceoff", "shot-on-goal", "hit", "goal", "missed-shot", "takeaway", "goal"))
    ]
    whole = shot_features(game(*plays))
    for end in range(1, len(plays) + 1):
        cut = shot_features(game(*plays[:end]))
        pd.testing.assert_frame_equal(cut, whole.loc[cut.index])
