"""The situation code of legacy plays: each rule on a few plays made by hand, and games recorded from both feeds."""

import json
import lzma
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from livegame.parsing.manpower import Fact, situations
from livegame.parsing.parse import parse_game
from livegame.plays import Game
from livegame.recordings.files import read_recording
from tests.games import AWAY, HOME


def play(kind: str, seconds: int, team: int | None = None, period: int = 1) -> Fact:
    """A play other than a penalty; the fourth period is overtime, the fifth a shootout."""
    return Fact(kind, period, {4: "OT", 5: "SO"}.get(period, "REG"), seconds, team)


def penalty(
    seconds: int, team: int, player: int | None = None, severity: str = "MIN", minutes: int = 2, period: int = 1
) -> Fact:
    """A penalty; `player` is any number that identifies the player."""
    fact = play("penalty", seconds, team, period)
    return replace(fact, player_id=player, severity=severity, minutes=minutes)


def major(seconds: int, team: int, player: int | None = None) -> Fact:
    return penalty(seconds, team, player, "MAJ", 5)


def faceoff(seconds: int, period: int = 1) -> Fact:
    return play("faceoff", seconds, HOME, period)


def shot(seconds: int, team: int = HOME, period: int = 1) -> Fact:
    return play("shot-on-goal", seconds, team, period)


def goal(seconds: int, team: int, period: int = 1) -> Fact:
    return play("goal", seconds, team, period)


def codes(*facts: Fact, kind: str = "shot-on-goal", is_long_overtime: bool = False) -> list[str | None]:
    """The codes of the plays of one kind."""
    found = situations(facts, home_id=HOME, away_id=AWAY, is_long_overtime=is_long_overtime)
    return [code for fact, code in zip(facts, found, strict=True) if fact.kind == kind]


def test_game_without_penalties_is_at_even_strength() -> None:
    assert codes(faceoff(0), shot(5), shot(9, AWAY)) == ["1551", "1551"]


@pytest.mark.parametrize(
    ("severity", "minutes", "lasts"),
    [
        ("MIN", 2, 120),
        ("BEN", 2, 120),
        ("MIN", 4, 240),
        ("MAJ", 5, 300),
        ("MAT", 5, 300),
        ("MAT", 10, 300),
        ("MAT", 15, 300),
    ],
)
def test_penalty_costs_a_skater_until_it_is_served(severity: str, minutes: int, lasts: int) -> None:
    called = penalty(100, AWAY, 1, severity, minutes)
    assert codes(called, faceoff(100), shot(99 + lasts), shot(100 + lasts)) == ["1451", "1551"]


@pytest.mark.parametrize(("severity", "minutes"), [("MIS", 10), ("GAM", 10), ("PS", 0)])
def test_misconducts_and_penalty_shots_cost_no_skater(severity: str, minutes: int) -> None:
    assert codes(penalty(100, AWAY, 1, severity, minutes), faceoff(100), shot(110)) == ["1551"]


def test_penalty_changes_only_plays_after_it() -> None:
    facts = [shot(100), penalty(100, HOME), play("stoppage", 100), shot(100, AWAY), faceoff(100), shot(101)]
    assert codes(*facts) == ["1551", "1551", "1541"]
    assert codes(*facts, kind="penalty") == codes(*facts, kind="stoppage") == ["1551"]
    assert codes(*facts, kind="faceoff") == ["1541"]


def test_codes_of_a_cut_game_equal_those_of_the_whole_game() -> None:
    facts = [
        *(penalty(100, HOME, 1), faceoff(100), shot(110), penalty(120, AWAY, 2), penalty(120, HOME, 3)),
        *(faceoff(120), goal(150, AWAY), faceoff(150), shot(160), major(170, AWAY, 4), faceoff(170), shot(180)),
    ]
    whole = situations(facts, home_id=HOME, away_id=AWAY, is_long_overtime=False)
    for n in range(len(facts)):
        assert situations(facts[:n], home_id=HOME, away_id=AWAY, is_long_overtime=False) == whole[:n]


def test_penalty_at_the_end_of_a_period_continues_in_the_next() -> None:
    assert codes(penalty(1150, HOME), faceoff(1150), shot(69, period=2), shot(70, period=2)) == ["1541", "1551"]


def test_coincident_minors_at_full_strength_make_four_on_four() -> None:
    facts = [penalty(100, HOME, 1), penalty(100, AWAY, 2), faceoff(100), shot(110), shot(220)]
    assert codes(*facts) == ["1441", "1551"]


def test_coincident_minors_as_a_penalty_ends_make_four_on_four() -> None:
    called = [penalty(220, HOME, 2), penalty(220, AWAY, 3), faceoff(220), shot(230)]
    assert codes(penalty(100, HOME, 1), faceoff(100), *called) == ["1441"]


def test_coincident_minors_with_a_misconduct_make_four_on_four() -> None:
    facts = [penalty(100, HOME, 1), penalty(100, HOME, 1, "MIS", 10), penalty(100, AWAY, 2)]
    assert codes(*facts, faceoff(100), shot(110)) == ["1441"]


def test_coincident_minors_while_a_team_is_short_cancel_out() -> None:
    short = [penalty(50, HOME, 1), faceoff(50)]
    facts = [*short, penalty(100, HOME, 2), penalty(100, AWAY, 3), faceoff(100), shot(110), shot(170)]
    assert codes(*facts) == ["1541", "1551"]


@pytest.mark.parametrize("call", [penalty, major])
def test_two_equal_penalties_each_cancel_out(call: Callable[[int, int, int], Fact]) -> None:
    called = [call(100, team, player) for player, team in enumerate([HOME, HOME, AWAY, AWAY])]
    assert codes(*called, faceoff(100), shot(110)) == ["1551"]


def test_majors_of_a_fight_cancel_out_and_the_instigators_minor_stays() -> None:
    called = [major(100, HOME, 1), penalty(100, HOME, 1), major(100, AWAY, 2)]
    assert codes(*called, faceoff(100), shot(110), shot(220)) == ["1541", "1551"]


def test_penalties_of_one_stoppage_cancel_out_despite_a_hit_listed_between_them() -> None:
    called = [major(100, HOME, 1), play("hit", 100, AWAY), major(100, AWAY, 2)]
    assert codes(*called, faceoff(100), shot(110)) == ["1551"]


def test_minor_against_a_major_does_not_cancel_it() -> None:
    facts = [penalty(100, HOME, 1), major(100, AWAY, 2), faceoff(100), shot(110), shot(230), shot(400)]
    assert codes(*facts) == ["1441", "1451", "1551"]


def test_double_minor_against_a_minor_leaves_one_minor() -> None:
    facts = [penalty(100, HOME, 1, minutes=4), penalty(100, AWAY, 2), faceoff(100), shot(110), shot(220)]
    assert codes(*facts) == ["1541", "1551"]


def test_minors_of_both_teams_at_different_times_run_side_by_side() -> None:
    facts = [penalty(100, HOME, 1), faceoff(100), penalty(160, AWAY, 2), faceoff(160), shot(170), shot(220), shot(280)]
    assert codes(*facts) == ["1441", "1451", "1551"]


def test_third_penalty_starts_when_the_first_ends() -> None:
    called = [fact for n in range(3) for fact in (penalty(100 + 10 * n, HOME, n), faceoff(100 + 10 * n))]
    assert codes(*called, shot(125), shot(225), shot(235), shot(339), shot(340)) == [
        *("1531", "1531", "1541", "1541", "1551")
    ]


def test_two_minors_of_one_player_are_served_one_after_the_other() -> None:
    facts = [penalty(100, HOME, 1), penalty(100, HOME, 1), faceoff(100), shot(110), shot(339), shot(340)]
    assert codes(*facts) == ["1541", "1541", "1551"]


def test_two_minors_of_unnamed_players_are_served_at_once() -> None:
    facts = [penalty(100, HOME, None, "BEN"), penalty(100, HOME, None, "BEN"), faceoff(100), shot(110)]
    assert codes(*facts) == ["1531"]


def test_player_serves_his_major_before_his_minor() -> None:
    facts = [penalty(100, HOME, 1), major(100, HOME, 1), faceoff(100)]
    # the goal is scored during the major, which no goal ends, while the minor waits
    assert codes(*facts, goal(150, AWAY), faceoff(150), shot(460), shot(520)) == ["1541", "1551"]


def test_power_play_goal_ends_the_minor() -> None:
    facts = [penalty(100, HOME), faceoff(100), goal(150, AWAY), faceoff(150), shot(160)]
    assert codes(*facts, kind="goal") == ["1541"]  # the goal itself was scored on the power play
    assert codes(*facts) == ["1551"]


def test_power_play_goal_ends_the_earlier_of_two_minors() -> None:
    called = [penalty(100, HOME, 1), faceoff(100), penalty(160, HOME, 2), faceoff(160)]
    assert codes(*called, goal(170, AWAY), faceoff(170), shot(225), shot(280)) == ["1541", "1551"]


def test_power_play_goal_starts_the_second_half_of_a_double_minor() -> None:
    facts = [penalty(100, HOME, 1, minutes=4), faceoff(100), goal(150, AWAY), faceoff(150)]
    assert codes(*facts, shot(269), shot(270)) == ["1541", "1551"]


def test_power_play_goal_ends_no_major() -> None:
    assert codes(major(100, HOME), faceoff(100), goal(150, AWAY), faceoff(150), shot(399)) == ["1541"]


def test_short_handed_goal_ends_no_penalty() -> None:
    assert codes(penalty(100, HOME), faceoff(100), goal(150, HOME), faceoff(150), shot(160)) == ["1541"]


def test_goal_at_four_on_four_ends_no_penalty() -> None:
    called = [penalty(100, HOME, 1), faceoff(100), penalty(130, AWAY, 2), faceoff(130)]
    assert codes(*called, goal(150, AWAY), faceoff(150), shot(160)) == ["1441"]


def test_goal_at_four_on_three_ends_the_minor_that_is_not_coincident() -> None:
    called = [penalty(100, HOME, 1), penalty(100, AWAY, 2), faceoff(100), penalty(150, HOME, 3), faceoff(150)]
    facts = [*called, shot(155), goal(160, AWAY), faceoff(160), shot(170), shot(220)]
    assert codes(*facts) == ["1431", "1441", "1551"]


@pytest.mark.parametrize(("fouls", "shoots", "code"), [(HOME, AWAY, "0101"), (AWAY, HOME, "1010")])
def test_penalty_shot_has_one_skater_and_the_other_teams_goalie(fouls: int, shoots: int, code: str) -> None:
    facts = [penalty(100, fouls, 1, "PS", 0), play("stoppage", 100), shot(100, shoots), shot(104, shoots)]
    assert codes(*facts) == [code, "1551"]


def test_unrecorded_penalty_shot_is_over_at_the_next_face_off() -> None:
    assert codes(penalty(100, HOME, 1, "PS", 0), faceoff(100), shot(104, AWAY)) == ["1551"]


def test_goal_from_a_penalty_shot_ends_no_minor() -> None:
    called = [penalty(90, HOME, 1), faceoff(90), penalty(100, HOME, 2, "PS", 0)]
    assert codes(*called, goal(100, AWAY), faceoff(100), shot(110)) == ["1541"]


def test_overtime_in_the_regular_season_is_three_on_three() -> None:
    facts = [play("period-start", 0, period=4), faceoff(0, period=4), shot(5, period=4)]
    assert codes(*facts) == ["1331"]
    assert codes(*facts, is_long_overtime=True) == ["1551"]


def test_penalty_in_overtime_gives_the_other_team_a_skater() -> None:
    called = [penalty(10, HOME, 1, period=4), faceoff(10, period=4), shot(20, period=4)]
    called += [penalty(30, HOME, 2, period=4), faceoff(30, period=4), shot(40, period=4)]
    assert codes(faceoff(0, period=4), *called) == ["1431", "1531"]


def test_player_out_of_the_box_in_overtime_stays_on_until_the_next_face_off() -> None:
    facts = [faceoff(0, period=4), penalty(10, HOME, period=4), faceoff(10, period=4)]
    after = [shot(131, period=4), faceoff(140, period=4), shot(141, period=4)]
    assert codes(*facts, *after) == ["1441", "1331"]


def test_penalty_of_the_third_period_continues_in_overtime() -> None:
    facts = [penalty(1150, AWAY, period=3), faceoff(1150, period=3), faceoff(0, period=4), shot(10, period=4)]
    assert codes(*facts) == ["1341"]


def test_coincident_minors_in_overtime_change_nothing() -> None:
    carried = [penalty(1150, HOME, 1, period=3), penalty(1150, AWAY, 2, period=3), faceoff(1150, period=3)]
    called = [penalty(10, HOME, 1, period=4), penalty(10, AWAY, 2, period=4), faceoff(10, period=4)]
    start = faceoff(0, period=4)
    assert codes(*carried, start, shot(60, period=4), shot(80, period=4)) == ["1331", "1331"]
    assert codes(start, *called, shot(60, period=4), shot(140, period=4)) == ["1331", "1331"]


def test_empty_net_goal_has_a_pulled_goalie_in_its_code() -> None:
    facts = [replace(goal(1190, AWAY, 3), at_empty_net=True), faceoff(1190, 3), shot(1195, AWAY, 3)]
    assert codes(*facts, kind="goal") == ["1560"]
    assert codes(*facts) == ["1551"]  # nothing shows that the goalie left again


def test_miss_without_a_goalie_is_at_an_empty_net_once_misses_name_goalies() -> None:
    unnamed = play("missed-shot", 1190, HOME, 3)
    named = replace(unnamed, seconds=20, names_goalie=True)
    assert codes(named, unnamed, kind="missed-shot") == ["1551", "0651"]
    assert codes(unnamed, unnamed, kind="missed-shot") == ["1551", "1551"]  # in older seasons no miss names one


def test_only_attempts_of_a_shootout_have_a_code() -> None:
    start = play("period-start", 0, period=5)
    facts = [start, shot(0, AWAY, 5), shot(0, HOME, 5), play("shootout-complete", 0, period=5)]
    assert situations(facts, home_id=HOME, away_id=AWAY, is_long_overtime=False) == [None, "0101", "1010", None]


def _held_in_both_shapes(recordings: Path) -> Iterator[tuple[Game, Game]]:
    seasons = {2019020007: "2019-20", 2022020799: "2022-23", 2022030236: "2022-23"}
    wanted = {f'{{"id":{game_id},' for game_id in seasons}
    for season in sorted(set(seasons.values())):
        with lzma.open(recordings / "seasons" / f"{season}.jsonl.xz", "rt", encoding="utf-8") as lines:
            for line in lines:
                if line[:17] in wanted and (game := parse_game(json.loads(line))):
                    legacy = recordings / "games" / "legacy" / f"{game.game_id}.json.gz"
                    yield read_recording(legacy), game


@pytest.mark.recordings
def test_codes_of_recorded_games_agree_with_the_leagues_own(recordings: Path) -> None:
    extra_attacker = {  # the shooting team has pulled its goalie, which no legacy play shows
        2019020007: {499: "1560", 729: "1460", 731: "1460", 734: "1560", 735: "1560"},
        2022020799: {497: "0651", 500: "0651"},
        2022030236: {803: "0651", 804: "0651"},
    }
    others = {
        2019020007: {732: "1460"},  # a miss at an empty net; misses of that season name no goalie
        2022020799: {235: "1541"},  # in the second in which the penalty ends; here it has ended
        2022030236: {},
    }
    compared = {}
    for legacy, present in _held_in_both_shapes(recordings):
        ours = {shot.event_id: shot.situation for shot in legacy.shots}
        league = {shot.event_id: shot.situation for shot in present.shots}
        assert ours.keys() == league.keys()
        different = {event_id: code for event_id, code in league.items() if ours[event_id] != code}
        assert different == extra_attacker[present.game_id] | others[present.game_id]
        compared[present.game_id] = len(league)
    assert compared == {2019020007: 88, 2022020799: 79, 2022030236: 87}


@pytest.mark.recordings
def test_misses_of_a_recorded_game_at_an_empty_net_are_found(recordings: Path) -> None:
    game = read_recording(recordings / "games" / "legacy" / "2021020329.json.gz")
    empty = [(shot.period, shot.seconds, shot.kind) for shot in game.shots if shot.situation == "1560"]
    assert empty == [(3, 1099, "goal"), (3, 1132, "missed-shot"), (3, 1152, "missed-shot")]
