"""Answers of the feed that are wrong in some way: what can be read is kept, and the rest is named."""

import copy
import gzip
import json
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from livegame.errors import FeedMalformed, LiveGameError
from livegame.features.frames import shot_features
from livegame.features.manpower import manpower
from livegame.parsing.parse import parse_game
from livegame.parsing.readers import MAX_PROBLEM, MAX_PROBLEMS
from livegame.parsing.schedule import parse_day
from livegame.parsing.statsapi import apply_diff_patch
from livegame.plays import Game, GameState
from tests.games import AWAY, GAME_ID, as_feed, game, play
from tests.livegame.dirty import MUTATIONS, Mutations, changed, clean, fuzzed, mutate, present_id
from tests.livegame.parsing.test_parse import legacy_feed


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("eventId", "13", "eventId is '13'"),
        ("eventId", True, "eventId is True"),
        ("eventId", 10**30, "eventId is 1000000"),
        ("eventId", -13, "eventId is -13"),
        ("typeDescKey", None, "typeDescKey is missing"),
        ("typeDescKey", ["goal"], "typeDescKey is a list"),
        ("typeDescKey", "own-goal", "typeDescKey is 'own-goal'"),
        ("periodDescriptor", 1, "periodDescriptor is 1"),
        ("periodDescriptor.number", "1", "periodDescriptor.number is '1'"),
        ("periodDescriptor.number", True, "periodDescriptor.number is True"),
        ("periodDescriptor.number", 0, "periodDescriptor.number is 0"),
        ("periodDescriptor.number", 10**9, "periodDescriptor.number is 1000000000"),
        ("periodDescriptor.periodType", "HALF", "periodDescriptor.periodType is 'HALF'"),
        ("timeInPeriod", "-1:30", "timeInPeriod is '-1:30'"),
        ("timeInPeriod", "00:99", "timeInPeriod is '00:99'"),
        ("timeInPeriod", "20:01", "timeInPeriod is '20:01'"),
        ("timeInPeriod", "\u0660\u0660:\u0665\u0665", "timeInPeriod is '"),
        ("timeInPeriod", 55, "timeInPeriod is 55"),
        ("details", "none", "details is 'none'"),
        ("details.xCoord", "abc", "event 13: details.xCoord is 'abc'"),
        ("details.xCoord", "82", "details.xCoord is '82'"),
        ("details.xCoord", True, "details.xCoord is True"),
        ("details.xCoord", 4000, "details.xCoord is 4000"),
        ("details.xCoord", float("nan"), "details.xCoord is nan"),
        ("details.yCoord", float("inf"), "details.yCoord is inf"),
        ("details.yCoord", -44, "details.yCoord is -44"),
        ("details.xCoord", 10**400, "details.xCoord is a huge number"),
        ("details.eventOwnerTeamId", None, "details.eventOwnerTeamId is missing"),
        ("details.eventOwnerTeamId", 99, "details.eventOwnerTeamId is 99"),
        ("details.eventOwnerTeamId", "12", "details.eventOwnerTeamId is '12'"),
        ("details.scoringPlayerId", "Aho", "details.scoringPlayerId is 'Aho'"),
        ("details.goalieInNetId", 2**70, "details.goalieInNetId is 1180591620717411303424"),
        ("details.shotType", "\ud800", r"details.shotType is '\ud800'"),
        ("details.shotType", "w" * 500, "details.shotType is 'wwww"),
        ("details.zoneCode", {}, "details.zoneCode is an object"),
        ("situationCode", 1541, "situationCode is 1541"),
        ("homeTeamDefendingSide", 1, "homeTeamDefendingSide is 1"),
    ],
)
def test_unreadable_play_is_left_out_and_named_and_the_others_are_kept(path: str, value: Any, words: str) -> None:
    read = parse_game(changed(path, value))
    assert [shot.event_id for shot in read.shots] == [11, 12, 14]
    assert len(read.problems) == 1
    assert words in read.problems[0]
    assert read.problems[0].isprintable()
    assert read.unreadable == (None if path == "eventId" else {13})
    assert len(shot_features(read)) == 3


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("situationCode", "9999"),
        ("situationCode", "\u0660" * 4),
        ("homeTeamDefendingSide", "top"),
        ("details.zoneCode", "X"),
    ],
)
def test_unknown_word_counts_as_missing(path: str, value: str) -> None:
    feed = changed(path, value)
    untold = copy.deepcopy(feed)
    raw = next(raw for raw in untold["plays"] if raw["eventId"] == 13)
    (raw["details"] if "." in path else raw).pop(path.rpartition(".")[2])
    assert parse_game(feed) == parse_game(untold)


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("/gameState", "HALT", "gameState is 'HALT'; treated as live"),
        ("/gameState", ["LIVE"], "gameState is a list; treated as live"),
        ("/season", "2021", "season is '2021'"),
        ("/gameType", None, "gameType is missing"),
        ("/startTimeUTC", 5, "startTimeUTC is 5"),
        ("/startTimeUTC", "tonight", "startTimeUTC is 'tonight'"),
        ("/startTimeUTC", "0001-01-01T00:00:00Z", "startTimeUTC is 1"),
        ("/periodDescriptor", [], "periodDescriptor is a list"),
        ("/periodDescriptor./number", "1", "periodDescriptor.number is '1'"),
        ("/periodDescriptor./periodType", 1, "periodDescriptor.periodType is 1"),
        ("/clock", "12:35", "clock is '12:35'"),
        ("/clock./secondsRemaining", -5, "clock.secondsRemaining is -5"),
        ("/clock./inIntermission", "no", "clock.inIntermission is 'no'"),
        ("/homeTeam./score", "1", "homeTeam.score is '1'"),
        ("/awayTeam./score", 10**30, "awayTeam.score is 1000000"),
        ("/homeTeam./name", "Hurricanes", "homeTeam.name is 'Hurricanes'"),
        ("/homeTeam./name", {"default": 5}, "homeTeam.name.default is 5"),
        ("/rosterSpots", {}, "rosterSpots is an object"),
    ],
)
def test_header_with_an_unreadable_part_keeps_the_game(path: str, value: Any, words: str) -> None:
    read, usual = parse_game(changed(path, value)), parse_game(clean())
    assert read.plays == usual.plays
    (problem,) = read.problems
    assert words in problem
    assert (read.season, read.game_type, read.state, read.period) == (20212022, 2, GameState.LIVE, 1)
    assert datetime.fromisoformat(read.start_time).year == 2021
    assert (read.home.score, read.away.score) in ((0, 0), (1, 0))  # by its goals, where the feed's own is no number


def test_game_in_an_unknown_state_is_final_if_its_plays_end_it() -> None:
    feed = as_feed(game(play(11, "goal", 5), play(90, "game-end", 60))) | {"gameState": "DONE"}
    assert parse_game(feed).state is GameState.FINAL


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("/id", "2021020329"),
        ("/id", True),
        ("/id", None),
        ("/id", 5),
        ("/homeTeam", []),
        ("/homeTeam./id", "12"),
        ("/homeTeam./id", AWAY),
        ("/awayTeam", None),
        ("/awayTeam./abbrev", None),
        ("/awayTeam./abbrev", ""),
        ("/plays", {}),
    ],
)
def test_game_without_its_id_teams_or_plays_is_malformed(path: str, value: Any) -> None:
    with pytest.raises(FeedMalformed, match=path.split(".")[0].strip("/")[:4]):
        parse_game(changed(path, value))


@pytest.mark.parametrize(
    "spot", [None, [], {}, {"playerId": "1"}, {"playerId": 7, "firstName": "Al", "lastName": {"default": "B"}}]
)
def test_unreadable_roster_spot_is_left_out_and_named(spot: Any) -> None:
    feed = clean()
    feed["rosterSpots"].insert(1, spot)
    read = parse_game(feed)
    assert read.players == parse_game(clean()).players
    assert read.problems[0].startswith("roster spot 2: ")


def test_first_of_two_plays_with_one_id_counts() -> None:
    feed = clean()
    feed["plays"].append(copy.deepcopy(feed["plays"][1]) | {"typeDescKey": "goal", "sortOrder": 99})
    read = parse_game(feed)
    assert read.plays == parse_game(clean()).plays
    assert read.problems == ("event 11 is listed twice; the first counts",)


def test_event_listed_twice_and_readable_once_is_read() -> None:
    feed = clean()
    feed["plays"].insert(0, copy.deepcopy(feed["plays"][1]) | {"timeInPeriod": None, "sortOrder": 0})
    read = parse_game(feed)
    assert (read.plays, read.unreadable) == (parse_game(clean()).plays, frozenset())


def test_plays_out_of_order_are_sorted() -> None:
    feed = clean()
    feed["plays"].reverse()
    assert parse_game(feed) == parse_game(clean())


def test_shot_listed_after_the_shootout_counts() -> None:
    feed = as_feed(game(play(20, "goal", 0, period=5, period_type="SO", situation="1010"), play(11, "goal", 5)))
    del feed["plays"][0]["sortOrder"]
    read = parse_game(feed)
    assert shot_features(read).index.tolist() == [11]


def test_problems_are_bounded_in_number_and_length() -> None:
    shots = [play(event_id, "shot-on-goal", 5) for event_id in range(1, 301)]
    feed = as_feed(game(*shots))
    for raw in feed["plays"]:
        raw["timeInPeriod"] = "x" * 10_000
    read = parse_game(feed)
    assert len(read.problems) == MAX_PROBLEMS + 1
    assert read.problems[-1] == f"and {300 - MAX_PROBLEMS} more"
    assert max(map(len, read.problems)) <= MAX_PROBLEM
    assert read.unreadable == frozenset(range(1, 301))


def test_days_list_keeps_its_readable_games() -> None:
    listed = parse_day(
        {
            "currentDate": "2021-11-28",
            "prevDate": "yesterday",
            "games": [None, as_feed(game()) | {"id": "x"}, as_feed(game()) | {"gameState": "HALT"}],
        }
    )
    assert [(entry.game_id, entry.state) for entry in listed.games] == [(GAME_ID, GameState.LIVE)]
    assert listed.problems == ("prevDate is 'yesterday'", "game 1: id is missing", "game 2: id is 'x'")


def test_plays_whose_order_runs_back_are_sorted_by_the_clock() -> None:
    by_clock = (
        play(3, "faceoff", 10),
        play(4, "hit", 10),
        play(1, "hit", 60),
        play(5, "faceoff", 0, period=2),
        play(2, "hit", 30, period=2),
    )
    read = parse_game(as_feed(game(*sorted(by_clock, key=lambda each: each.event_id))))
    assert [each.event_id for each in read.plays] == [3, 4, 1, 5, 2]
    legacy = legacy_feed()
    legacy["liveData"]["plays"]["allPlays"].reverse()
    assert parse_game(legacy).plays == parse_game(legacy_feed()).plays


def untouched(before: list[Any], after: Any, id_of: Callable[[Any], Any]) -> set[int]:
    """Return the ids of the plays that occur once, and unchanged, in both lists."""
    found = [raw for raw in after if isinstance(id_of(raw), int)] if isinstance(after, list) else []
    texts, ids = Counter(map(json.dumps, found)), Counter(map(id_of, found))
    return {id_of(raw) for raw in before if texts[json.dumps(raw)] == 1 == ids[id_of(raw)]}


def legacy_id(raw: Any) -> Any:
    about = raw.get("about") if isinstance(raw, dict) else None
    return about.get("eventId") if isinstance(about, dict) else None


def check_what_was_read(before: Game, after: Game, kept: set[int]) -> None:
    """Check that every untouched shot is kept, unless its team is no longer in the game."""
    shots = {shot.event_id: shot for shot in after.shots}
    same_teams = {before.home.team_id, before.away.team_id} == {after.home.team_id, after.away.team_id}
    for shot in before.shots:
        if shot.event_id in kept:
            found = shots.get(shot.event_id)
            if found is None:
                assert not same_teams
                assert after.unreadable is None or shot.event_id in after.unreadable
            else:
                assert (found.kind, found.game_seconds, found.x, found.y, found.shot_type) == (
                    *(shot.kind, shot.game_seconds, shot.x, shot.y),
                    shot.shot_type,
                )
    assert all(len(problem) <= MAX_PROBLEM and problem.isprintable() for problem in after.problems)
    assert len(after.problems) <= MAX_PROBLEMS + 1
    assert all(one.end_s == other.start_s for one, other in pairwise(manpower(after)))
    assert shot_features(after).index.tolist() == [shot.event_id for shot in after.shots]


@fuzzed(default=400)
@given(mutations=MUTATIONS)
def test_mutated_gamecenter_answer_keeps_its_untouched_shots(mutations: Mutations) -> None:
    feed = clean()
    mutate(feed, mutations)
    try:
        read = parse_game(feed)
    except FeedMalformed:
        return
    check_what_was_read(parse_game(clean()), read, untouched(clean()["plays"], feed["plays"], present_id))


@fuzzed(default=400)
@given(mutations=MUTATIONS)
def test_mutated_legacy_answer_keeps_its_untouched_shots(mutations: Mutations) -> None:
    feed = legacy_feed()
    mutate(feed, mutations)
    try:
        read = parse_game(feed)
    except FeedMalformed:
        return
    plays = feed["liveData"]["plays"]["allPlays"]
    kept = untouched(legacy_feed()["liveData"]["plays"]["allPlays"], plays, legacy_id)
    check_what_was_read(parse_game(legacy_feed()), read, kept)


@fuzzed(default=200)
@given(mutations=MUTATIONS)
def test_mutated_diff_patch_fits_or_is_malformed(mutations: Mutations) -> None:
    answer: Any = [
        {
            "diff": [
                {"op": "replace", "path": "/metaData/timeStamp", "value": "20211128_181000"},
                {"op": "replace", "path": "/liveData/plays/allPlays/3/coordinates/x", "value": -83.0},
                {"op": "move", "from": "/liveData/plays/allPlays/0", "path": "/liveData/plays/allPlays/1"},
            ]
        }
    ]
    mutate(answer, mutations)
    with suppress(LiveGameError):
        parse_game(apply_diff_patch(legacy_feed(), answer))


@fuzzed(default=200)
@given(mutations=MUTATIONS)
def test_mutated_days_list_is_read_or_malformed(mutations: Mutations) -> None:
    answer: Any = {"currentDate": "2021-11-28", "nextDate": "2021-11-29", "games": [clean(), clean()]}
    mutate(answer, mutations)
    with suppress(FeedMalformed):
        assert len(parse_day(answer).games) <= len(answer["games"])


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["new/2022020052", "new/2018020001", "legacy/2021020329"])
def test_mutated_recording_keeps_its_untouched_shots(recordings: Path, name: str) -> None:
    text = gzip.decompress((recordings / "games" / f"{name}.json.gz").read_bytes())
    usual = parse_game(json.loads(text))

    @fuzzed(default=15)
    @given(mutations=MUTATIONS)
    def check(mutations: Mutations) -> None:
        before, feed = json.loads(text), json.loads(text)
        mutate(feed, mutations)
        try:
            read = parse_game(feed)
        except FeedMalformed:
            return
        if "plays" in before:
            kept = untouched(before["plays"], feed["plays"], present_id)
        else:
            plays = feed["liveData"]["plays"]["allPlays"]
            kept = untouched(before["liveData"]["plays"]["allPlays"], plays, legacy_id)
        check_what_was_read(usual, read, kept)

    check()
