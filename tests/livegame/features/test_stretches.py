"""Manpower as stretches of a game: the league's code, and the clocks of running penalties beside it."""

from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from db.history import ManpowerRow
from livegame.features.manpower import manpower
from livegame.features.situations import PowerPlayClock
from livegame.parsing.parse import parse_game
from livegame.plays import Game, Penalty, Play
from livegame.recordings.files import find_recordings, read_recording
from livegame.reports.manpower import manpower_until
from tests.games import AWAY, HOME, as_feed, as_legacy_feed, game, play

Stretch = tuple[int, int, str | None, tuple[int, ...], tuple[int, ...]]


def at(second: int, code: str | None, kind: str = "faceoff", team: int = HOME, **more: Any) -> Play:
    return play(more.pop("event_id", second), kind, second, team, situation=code, **more)


def called(second: int, team: int, code: str = "1551", player: int = 1, **more: Any) -> Play:
    return play(5000 + player, "penalty", second, team, situation=code, player_id=player, **more)


def stretches(*plays: Play, **more: Any) -> list[Stretch]:
    rows = manpower(game(*plays, **more))
    return [(row.start_s, row.end_s, row.situation, row.away_until, row.home_until) for row in rows]


def test_minor_runs_from_the_face_off_until_its_clock_ends_it() -> None:
    """No play shows the end of the penalty for half a minute, but its clock is known."""
    assert stretches(at(0, "1551"), called(100, AWAY), at(100, "1451"), at(250, "1551"), at(300, "1551")) == [
        (0, 100, "1551", (), ()),
        (100, 220, "1451", (220,), ()),
        (220, 250, "1551", (), ()),  # the power play as the code shows it ends at 250
        (250, 300, "1551", (), ()),
    ]


def test_penalty_whose_face_off_the_feed_lacks_is_over_once_it_is_served() -> None:
    """Its end is before the next face-off, so that no stretch may begin there."""
    later = [at(300, "1451"), at(330, "1451", "hit"), at(400, "1551", "hit")]
    assert stretches(at(0, "1551"), called(100, AWAY), *later) == [
        (0, 300, "1551", (), ()),
        (300, 400, "1451", (), ()),
        (400, 400, "1551", (), ()),
    ]
    assert stretches(at(0, "1551"), called(100, AWAY), at(150, "1451"), at(160, "1451"))[-1] == (
        *(150, 160, "1451"),
        *((220,), ()),
    )


def test_running_penalty_is_known_at_the_last_play() -> None:
    assert stretches(at(0, "1551"), called(100, HOME), at(100, "1541"), at(130, "1541"))[-1] == (
        *(100, 130, "1541"),
        *((), (220,)),
    )


def test_face_off_of_the_last_second_is_the_newest_thing_known() -> None:
    assert stretches(at(0, "1551"), called(100, AWAY), at(100, "1451"))[-1] == (100, 100, "1451", (220,), ())


def test_second_penalty_makes_two_clocks_and_a_goal_ends_the_first() -> None:
    two = [called(100, AWAY), at(100, "1451"), called(130, AWAY, "1451", 2), at(130, "1351")]
    goal = [at(160, "1351", "goal"), at(160, "1451", event_id=9)]
    assert stretches(at(0, "1551"), *two, *goal, at(170, "1451", "hit"))[1:] == [
        (100, 130, "1451", (220,), ()),
        (130, 160, "1351", (220, 250), ()),
        (160, 170, "1451", (250,), ()),
    ]


def test_goal_on_the_power_play_brings_the_player_back_before_a_play_shows_it() -> None:
    goal = [called(100, AWAY), at(100, "1451"), at(150, "1451", "goal")]
    assert stretches(at(0, "1551"), *goal)[1:] == [(100, 150, "1451", (220,), ()), (150, 150, "1551", (), ())]


def test_double_minor_has_one_end_until_a_goal_ends_its_first_half() -> None:
    minor = [called(100, AWAY, minutes=4), at(100, "1451"), at(150, "1451", "goal"), at(150, "1451", event_id=9)]
    assert stretches(at(0, "1551"), *minor, at(160, "1451"))[1:] == [
        (100, 150, "1451", (340,), ()),
        (150, 160, "1451", (270,), ()),
    ]


def test_third_penalty_waits_for_the_first() -> None:
    three = [called(100, AWAY, player=number) for number in (1, 2, 3)]
    assert stretches(at(0, "1551"), *three, at(100, "1351"), at(230, "1451"), at(240, "1451"))[1:] == [
        (100, 220, "1351", (220, 340), ()),
        (220, 240, "1451", (340,), ()),
    ]


def test_coincident_minors_leave_four_a_side() -> None:
    both = [called(100, AWAY, player=1), called(100, HOME, player=2)]
    assert stretches(at(0, "1551"), *both, at(100, "1441"), at(150, "1441"))[1:] == [(100, 150, "1441", (220,), (220,))]


def test_major_outlasts_a_goal_and_a_misconduct_costs_no_player() -> None:
    calls = [called(100, AWAY, severity="MAJ", minutes=5), called(100, HOME, player=2, severity="MIS", minutes=10)]
    goal = [at(150, "1451", "goal"), at(150, "1451", event_id=9)]
    assert stretches(at(0, "1551"), *calls, at(100, "1451"), *goal, at(160, "1451"))[1:] == [
        (100, 160, "1451", (400,), ())
    ]


def test_code_wins_over_a_penalty_that_it_does_not_show() -> None:
    """Without a clock to rely on, none is claimed."""
    assert stretches(at(0, "1551"), called(100, AWAY), at(100, "1551"), at(130, "1451"), at(150, "1541")) == [
        (0, 130, "1551", (), ()),
        (130, 150, "1451", (220,), ()),
        (150, 150, "1541", (), ()),
    ]
    # the player is back by his penalty's clock, but a later play shows that he is not
    late = stretches(at(0, "1551"), called(100, AWAY), at(100, "1451"), at(230, "1451"), at(240, "1451"))
    assert late[1:] == [(100, 220, "1451", (220,), ()), (220, 230, "1551", (), ()), (230, 240, "1451", (), ())]


def test_penalty_gives_the_other_team_a_player_in_a_short_overtime() -> None:
    begun = [at(0, "1551"), play(2, "faceoff", 0, situation="1331", period=4, period_type="OT")]
    more: dict[str, Any] = {"period": 4, "period_type": "OT"}
    minor = play(3, "penalty", 60, AWAY, situation="1331", player_id=1, **more)
    codes = [(4, 60, "1341"), (5, 100, "1341"), (6, 200, "1441"), (7, 210, "1441")]
    plays = [minor, *(play(number, "faceoff", second, situation=code, **more) for number, second, code in codes)]
    assert stretches(*begun, *plays, overtime_seconds=300)[1:] == [
        (3600, 3660, "1331", (), ()),
        (3660, 3780, "1341", (3780,), ()),
        (3780, 3800, "1441", (), ()),
        (3800, 3810, "1441", (), ()),  # no power play by the code either
    ]


def test_goalie_pulled_on_the_power_play_does_not_hide_its_clock() -> None:
    pulled = [called(100, AWAY), at(100, "1451"), at(150, "1460", "hit"), at(160, "1460", "hit")]
    assert stretches(at(0, "1551"), *pulled)[-1] == (150, 160, "1460", (220,), ())


def test_game_without_plays_or_without_codes_has_no_situation() -> None:
    assert stretches() == []
    assert stretches(at(0, None), at(10, None)) == [(0, 10, None, (), ())]


def test_shootout_is_no_part_of_it() -> None:
    shootout = play(3, "goal", 0, period=5, period_type="SO", situation="0101")
    assert stretches(at(0, "1551"), at(10, "1551"), shootout) == [(0, 10, "1551", (), ())]


@pytest.mark.parametrize("as_answer", [as_feed, as_legacy_feed])
def test_both_feeds_say_who_was_penalised_and_how(as_answer: Any) -> None:
    shown = game(at(0, "1551"), called(100, AWAY, player=8471214), at(100, "1451"), at(130, "1451"))
    parsed = parse_game(as_answer(shown))
    assert [row.away_until for row in manpower(parsed)] == [(), (220,)]
    (penalty,) = (found for found in parsed.plays if isinstance(found, Penalty))
    assert (penalty.severity, penalty.minutes, penalty.team_id) == ("MIN", 2, AWAY)


# -- recorded games ---------------------------------------------------------------------------------------------------


def by_the_code_alone(shown: Game) -> list[tuple[int, int, bool]]:
    """The power plays as the first versions of the history stored them."""
    clock, last = PowerPlayClock(), 0
    found: list[tuple[int, int, bool]] = []
    for each in shown.plays:
        if each.period_type != "SO":
            side, since, last = clock.is_home, clock.since, each.game_seconds
            clock.advance(each)
            if side is not None and (clock.is_home, clock.since) != (side, since):
                found.append((since, last, side))
    if clock.is_home is not None:
        found.append((clock.since, last, clock.is_home))
    return [stretch for stretch in found if stretch[1] > stretch[0]]


def by_the_columns(rows: tuple[ManpowerRow, ...]) -> list[tuple[int, int, bool]]:
    """What the columns `power_play` and `power_play_since` make of these rows."""
    with_more = [row for row in rows if row.power_play]
    groups = groupby(with_more, key=lambda row: (row.power_play_since or 0, row.power_play == "home"))
    found = [(since, max(row.end_s for row in group), is_home) for (since, is_home), group in groups]
    return [stretch for stretch in found if stretch[1] > stretch[0]]


def test_recorded_games_have_the_power_plays_of_the_code_and_clocks_that_hold(recordings: Path) -> None:
    advantage = clocked = 0
    for path in find_recordings(recordings / "games").values():
        shown = read_recording(path)
        rows = manpower(shown)
        assert by_the_columns(rows) == by_the_code_alone(shown), path.name
        assert all(one.end_s == other.start_s for one, other in pairwise(rows)), path.name
        for row in rows:
            if row.situation in ("1451", "1541", "1351", "1531"):
                advantage += row.end_s - row.start_s
                clocked += (row.end_s - row.start_s) * bool(row.away_until or row.home_until)
            assert all(end > row.start_s for end in row.away_until + row.home_until), path.name
    assert clocked / advantage > 0.97


@pytest.mark.parametrize("name", ["2022030236", "2022030311", "2024020223"])
def test_what_is_on_at_a_moment_of_a_finished_game_is_what_a_live_answer_said_then(recordings: Path, name: str) -> None:
    shown = read_recording(recordings / "games" / "new" / f"{name}.json.gz")
    whole = manpower(shown)
    plays = [each for each in shown.plays if each.period_type != "SO"]
    for number, each in enumerate(plays[:-1]):
        now, later = each.game_seconds, plays[number + 1].game_seconds
        if later > now:
            live = manpower(replace(shown, plays=tuple(plays[: number + 1])))
            for second in (now, later - 1):
                assert manpower_until(live, second) == manpower_until(whole, second), second
