"""Answers of the feed that are wrong in some way: what can be read is kept, the rest named, nothing stored lost."""

import copy
import gzip
import http.server
import json
import logging
import os
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from livegame.client import GameClient
from livegame.errors import FeedMalformed, FeedUnavailable, LiveGameError
from livegame.features.frames import shot_features
from livegame.features.situations import power_plays
from livegame.feed import RETRIES, Feed
from livegame.parsing.parse import parse_game
from livegame.parsing.readers import MAX_PROBLEM, MAX_PROBLEMS
from livegame.parsing.schedule import parse_day
from livegame.parsing.statsapi import apply_diff_patch
from livegame.plays import Game, GameState, Player, Team
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, HOME, FeedServer, as_feed, feed_server, game, play
from tests.helpers import fetched, make_client, reported, statuses
from tests.livegame.parsing.test_parse import legacy_feed

PATH = f"/v1/gamecenter/{GAME_ID}/play-by-play"
SHOTS = (11, 12, 13, 14)

# Thousands take minutes: XG_TEST_FUZZ=5000 pytest tests/livegame/parsing/test_dirty_feeds.py --timeout=3000
FUZZ = int(os.environ.get("XG_TEST_FUZZ", "0"))


def fuzzed(default: int) -> settings:
    """The same examples with every default run; others with each of the long ones."""
    return settings(
        max_examples=FUZZ or default,
        derandomize=not FUZZ,
        database=None,
        deadline=None,
        phases=[Phase.generate],  # to make an example shorter takes a long time here
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
    )


def clean() -> dict[str, Any]:
    """A small game with a bit of everything."""
    return as_feed(
        game(
            play(50, "faceoff", 0, x=0, y=0, zone="N"),
            play(11, "shot-on-goal", 12, x=60, y=-5, zone="O", shooter_id=8478427, goalie_id=1),
            play(51, "hit", 20, team=AWAY),
            play(12, "missed-shot", 30, team=AWAY, x=-80, y=12, shooter_id=8471214),
            play(52, "penalty", 40),
            play(53, "faceoff", 41, situation="1451"),
            play(13, "goal", 55, x=82, y=3, situation="1541", shooter_id=8478427),
            play(54, "blocked-shot", 70),
            play(14, "shot-on-goal", 75, x=75, y=0),
        )
    )


def changed(path: str, value: Any) -> dict[str, Any]:
    """The small game with one value in its play 13, or in its header, replaced."""
    feed = clean()
    *inner, last = path.split(".")
    target: Any = feed if path[0] == "/" else next(raw for raw in feed["plays"] if raw["eventId"] == 13)
    for key in inner:
        target = target[key.removeprefix("/")]
    target[last.removeprefix("/")] = value
    return feed


@pytest.fixture
def client(tmp_path: Path, feed: FeedServer, service: Service) -> GameClient:
    return make_client(tmp_path, feed.url, service.url)


# -- one thing wrong --------------------------------------------------------------------------------------------------


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
def test_a_play_that_cannot_be_read_is_left_out_by_name_and_the_others_are_kept(
    path: str, value: Any, words: str
) -> None:
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
def test_a_word_that_nobody_knows_is_as_good_as_none(path: str, value: str) -> None:
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
def test_a_header_with_a_wrong_part_does_not_lose_the_game(path: str, value: Any, words: str) -> None:
    read, usual = parse_game(changed(path, value)), parse_game(clean())
    assert read.plays == usual.plays
    (problem,) = read.problems
    assert words in problem
    assert (read.season, read.game_type, read.state, read.period) == (20212022, 2, GameState.LIVE, 1)
    assert datetime.fromisoformat(read.start_time).year == 2021
    assert (read.home.score, read.away.score) in ((0, 0), (1, 0))  # by its goals, where the feed's own is no number


def test_a_game_of_an_unknown_state_is_over_when_its_plays_say_so() -> None:
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
def test_a_game_without_its_id_its_teams_or_its_plays_is_none(path: str, value: Any) -> None:
    with pytest.raises(FeedMalformed, match=path.split(".")[0].strip("/")[:4]):
        parse_game(changed(path, value))


@pytest.mark.parametrize(
    "spot", [None, [], {}, {"playerId": "1"}, {"playerId": 7, "firstName": "Al", "lastName": {"default": "B"}}]
)
def test_a_roster_spot_that_cannot_be_read_is_left_out_by_name(spot: Any) -> None:
    feed = clean()
    feed["rosterSpots"].insert(1, spot)
    read = parse_game(feed)
    assert read.players == parse_game(clean()).players
    assert read.problems[0].startswith("roster spot 2: ")


def test_of_two_plays_with_one_id_the_first_counts() -> None:
    feed = clean()
    feed["plays"].append(copy.deepcopy(feed["plays"][1]) | {"typeDescKey": "goal", "sortOrder": 99})
    read = parse_game(feed)
    assert read.plays == parse_game(clean()).plays
    assert read.problems == ("event 11 is listed twice; the first counts",)


def test_an_event_that_can_be_read_once_of_twice_is_read() -> None:
    feed = clean()
    feed["plays"].insert(0, copy.deepcopy(feed["plays"][1]) | {"timeInPeriod": None, "sortOrder": 0})
    read = parse_game(feed)
    assert (read.plays, read.unreadable) == (parse_game(clean()).plays, frozenset())


def test_plays_out_of_order_are_put_in_order() -> None:
    feed = clean()
    feed["plays"].reverse()
    assert parse_game(feed) == parse_game(clean())


def test_a_shot_after_the_shootout_in_the_list_counts_all_the_same() -> None:
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


def test_a_days_list_keeps_the_games_that_can_be_read() -> None:
    listed = parse_day(
        {
            "currentDate": "2021-11-28",
            "prevDate": "yesterday",
            "games": [None, as_feed(game()) | {"id": "x"}, as_feed(game()) | {"gameState": "HALT"}],
        }
    )
    assert [(entry.game_id, entry.state) for entry in listed.games] == [(GAME_ID, GameState.LIVE)]
    assert listed.problems == ("prevDate is 'yesterday'", "game 1: id is missing", "game 2: id is 'x'")


def test_plays_are_read_by_the_clock_where_the_feeds_order_runs_back() -> None:
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


# -- many things wrong ------------------------------------------------------------------------------------------------

JUNK = st.one_of(
    st.sampled_from(
        [
            *(
                None,
                True,
                False,
                0,
                -1,
                1.5,
                10**30,
                -(10**400),
                float("nan"),
                float("-inf"),
                [],
                {},
                [1],
                {"default": 5},
            ),
            *("", "abc", "12", "-1:30", "99:99", "\x00", "\ud800", "é" * 300, "<script>alert(1)</script>"),
            "'; DROP TABLE shots; --",
        ]
    ),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
)
MUTATIONS = st.lists(
    st.tuples(st.integers(0, 10**6), st.sampled_from(["replace", "delete", "double", "move", "insert"]), JUNK),
    min_size=1,
    max_size=6,
)
Mutations = list[tuple[int, str, Any]]


def mutate(feed: Any, mutations: Mutations) -> None:
    """Change the JSON at random places."""
    for place, what, junk in mutations:
        places = list(_places(feed))
        if not places:
            return
        container, key = places[place % len(places)]
        if what == "replace" or (what != "delete" and isinstance(container, dict)):
            container[key] = copy.deepcopy(junk)
        elif what == "delete":
            del container[key]
        elif what == "double":
            container.insert(place % (len(container) + 1), copy.deepcopy(container[key]))
        elif what == "move":
            container.insert(place % len(container), container.pop(key))
        else:
            container.insert(key, copy.deepcopy(junk))


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in list(entries):
        yield value, key
        yield from _places(inner)


def untouched(before: list[Any], after: Any, id_of: Callable[[Any], Any]) -> set[int]:
    """Ids of the plays that are in both lists just as they were, and once."""
    found = [raw for raw in after if isinstance(id_of(raw), int)] if isinstance(after, list) else []
    texts, ids = Counter(map(json.dumps, found)), Counter(map(id_of, found))
    return {id_of(raw) for raw in before if texts[json.dumps(raw)] == 1 == ids[id_of(raw)]}


def present_id(raw: Any) -> Any:
    return raw.get("eventId") if isinstance(raw, dict) else None


def legacy_id(raw: Any) -> Any:
    about = raw.get("about") if isinstance(raw, dict) else None
    return about.get("eventId") if isinstance(about, dict) else None


def check_what_was_read(before: Game, after: Game, kept: set[int]) -> None:
    """Whatever happened to the rest, an untouched shot is there, unless its team is not in the game any more."""
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
    assert all(one.end <= other.start for one, other in pairwise(power_plays(after)))
    assert shot_features(after).index.tolist() == [shot.event_id for shot in after.shots]


@fuzzed(default=400)
@given(mutations=MUTATIONS)
def test_whatever_the_present_feed_says_the_untouched_shots_are_read(mutations: Mutations) -> None:
    feed = clean()
    mutate(feed, mutations)
    try:
        read = parse_game(feed)
    except FeedMalformed:
        return
    check_what_was_read(parse_game(clean()), read, untouched(clean()["plays"], feed["plays"], present_id))


@fuzzed(default=400)
@given(mutations=MUTATIONS)
def test_whatever_the_legacy_feed_says_the_untouched_shots_are_read(mutations: Mutations) -> None:
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
def test_whatever_a_patch_says_it_fits_or_is_refused(mutations: Mutations) -> None:
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
def test_whatever_a_days_list_says_it_is_read_or_refused(mutations: Mutations) -> None:
    answer: Any = {"currentDate": "2021-11-28", "nextDate": "2021-11-29", "games": [clean(), clean()]}
    mutate(answer, mutations)
    with suppress(FeedMalformed):
        assert len(parse_day(answer).games) <= len(answer["games"])


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["new/2022020052", "new/2018020001", "legacy/2021020329"])
def test_whatever_happens_to_a_recorded_game_the_untouched_shots_are_read(recordings: Path, name: str) -> None:
    text = gzip.decompress((recordings / "games" / f"{name}.json.gz").read_bytes())
    usual = parse_game(json.loads(text))

    @fuzzed(default=25)
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


# -- through the whole client: nothing stored is lost -----------------------------------------------------------------


def test_a_ping_loses_nothing_whatever_the_feed_says_and_the_next_clean_one_puts_all_right(
    tmp_path: Path, feed: FeedServer, service: Service
) -> None:
    feed.show(clean())
    client = make_client(tmp_path, feed.url, service.url)
    undisturbed = reported(client, client.ping(GAME_ID)).shots

    @fuzzed(default=40)
    @given(first=MUTATIONS, second=MUTATIONS)
    def check(first: Mutations, second: Mutations) -> None:
        client = make_client(tmp_path / uuid4().hex, feed.url, service.url)
        feed.show(clean())
        told = statuses(client, client.ping(GAME_ID))
        for mutations in (first, second):
            dirty = clean()
            mutate(dirty, mutations)
            feed.answer(PATH, json.dumps(dirty).encode())
            with suppress(LiveGameError):
                before, told = told, statuses(client, client.ping(GAME_ID))
                check_nothing_scored_is_lost(before, told, dirty)
        later = clean()  # a wrong clock is believed until the next play
        later["plays"].append(as_feed(game(play(9_999_999, "hit", 1190)))["plays"][0])
        feed.show(later)
        shots = reported(client, client.ping(GAME_ID)).shots
        made_up = shots[~shots["event_id"].isin(SHOTS)]  # by the dirty feed, gone with it
        assert set(made_up["status"]) <= {"retracted"}
        shots = shots[shots["event_id"].isin(SHOTS)].reset_index(drop=True)
        pd.testing.assert_frame_equal(shots, undisturbed, check_dtype=False)  # nulls of made-up shots make floats

    check()


def check_nothing_scored_is_lost(before: dict[int, str], told: dict[int, str], dirty: dict[str, Any]) -> None:
    read = parse_game(dirty)
    there = {present_id(raw) for raw in dirty["plays"] if type(present_id(raw)) is int}
    no_shots = {play.event_id for play in read.plays} - {shot.event_id for shot in read.shots}
    assert set(SHOTS) <= set(told)
    for event_id in SHOTS:
        assert told[event_id] in ("scored", "amended", "retracted")
        if told[event_id] == "retracted" != before[event_id]:
            assert read.unreadable is not None
            assert event_id not in there or event_id in no_shots


def test_a_scored_shot_that_cannot_be_read_this_time_stays_as_it_is(
    client: GameClient, feed: FeedServer, service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    feed.show(clean())
    first = reported(client, client.ping(GAME_ID))
    feed.show(changed("details.xCoord", "abc"))
    dirty = client.ping(GAME_ID)
    assert dirty.problems == ("event 13: details.xCoord is 'abc'",)
    dirty_report = reported(client, dirty)
    assert dirty_report.problems == "event 13: details.xCoord is 'abc'"
    assert (dirty.has_new_problems, dirty.corrections, statuses(client, dirty)[13]) == (True, (), "scored")
    assert dirty_report.home.counted.goals == first.home.counted.goals == 1
    again = client.ping(GAME_ID)
    assert (again.has_new_problems, again.changed) == (False, False)
    assert reported(client, again).problems == dirty_report.problems
    feed.show(clean())
    healed = client.ping(GAME_ID)
    report = reported(client, healed)
    assert (healed.problems, report.problems, healed.has_new_problems) == ((), None, False)
    pd.testing.assert_frame_equal(report.shots, first.shots)
    assert service.rows_scored() == len(SHOTS)
    (said,) = [record for record in caplog.records if record.name == "livegame.scoring"]
    assert (said.levelno, f"game {GAME_ID}" in said.getMessage(), "details.xCoord is 'abc'" in said.getMessage()) == (
        logging.WARNING,
        True,
        True,
    )


def test_while_an_id_cannot_be_read_no_shot_is_taken_back(client: GameClient, feed: FeedServer) -> None:
    feed.show(clean())
    client.ping(GAME_ID)
    feed.show(changed("eventId", None))
    assert set(statuses(client, client.ping(GAME_ID)).values()) == {"scored"}


def test_a_shot_that_really_left_is_taken_back_while_another_cannot_be_read(
    client: GameClient, feed: FeedServer
) -> None:
    feed.show(clean())
    client.ping(GAME_ID)
    dirty = changed("timeInPeriod", None)
    dirty["plays"] = [raw for raw in dirty["plays"] if raw["eventId"] != 12]
    feed.show(dirty)
    assert statuses(client, client.ping(GAME_ID)) == {11: "scored", 12: "retracted", 13: "scored", 14: "scored"}


def test_markup_and_sql_in_names_are_text_like_any_other(client: GameClient, feed: FeedServer) -> None:
    feed.show(
        game(
            play(11, "goal", 5, shooter_id=1),
            home=Team(HOME, "<b>C", "<img src=x onerror=alert(1)>", 1),
            players={1: Player("'); DROP TABLE shots; --", HOME)},
        )
    )
    report = reported(client, client.ping(GAME_ID))
    assert report.home.name == "<img src=x onerror=alert(1)>"
    assert report.shots["shooter"].tolist() == ["'); DROP TABLE shots; --"]


# -- over HTTP --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32", "latin-1"])
def test_a_feed_is_read_in_any_encoding(feed: FeedServer, encoding: str) -> None:
    shown = clean()
    shown["rosterSpots"][0]["lastName"]["default"] = "Stützle"
    feed.answer(PATH, json.dumps(shown, ensure_ascii=False).encode(encoding))
    read = fetched(Feed(feed.url), GAME_ID)
    assert (read.players[8478427].name, len(read.shots)) == ("Sebastian Stützle", 4)


def test_a_number_longer_than_python_reads_costs_its_own_play_alone(feed: FeedServer) -> None:
    text = json.dumps(changed("details.xCoord", 424242)).replace("424242", "9" * 5000)
    feed.answer(PATH, text.encode())
    read = fetched(Feed(feed.url), GAME_ID)
    assert (len(read.shots), read.problems) == (3, ("event 13: details.xCoord is inf",))


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b"[" * 100_000, b"\xff\xfe\x00", b"null", b"{}", json.dumps(clean()).encode()[:-9]],
)
def test_what_is_no_game_leaves_the_history_as_it_was(client: GameClient, feed: FeedServer, body: bytes) -> None:
    feed.show(clean())
    before = reported(client, client.ping(GAME_ID))
    feed.answer(PATH, body)
    with pytest.raises(FeedMalformed):
        client.ping(GAME_ID)
    after = client.report(GAME_ID)
    assert after is not None
    pd.testing.assert_frame_equal(after.shots, before.shots)
    feed.show(clean())
    assert not client.ping(GAME_ID).changed


@pytest.mark.parametrize(("status", "asked"), [(403, 1), (418, 1), (500, 1 + RETRIES), (503, 1 + RETRIES)])
def test_a_feed_that_fails_is_asked_again_only_where_that_may_help(feed: FeedServer, status: int, asked: int) -> None:
    feed.answer(PATH, b"<html>no</html>", status=status)
    with pytest.raises(FeedUnavailable, match=str(status)):
        fetched(Feed(feed.url), GAME_ID)
    assert len(feed.requests) == asked


def test_a_feed_that_asks_for_patience_is_left_alone(feed: FeedServer) -> None:
    feed.answers[PATH] = (429, {"Retry-After": "3600"}, b"")
    with pytest.raises(FeedUnavailable, match="3600 s"):  # told at once, or the test would take an hour
        fetched(Feed(feed.url), GAME_ID)
    assert len(feed.requests) == 1


@pytest.mark.parametrize("moved", ["/v1/score/2021-11-28", "{url}/v1/score/2021-11-28"])
def test_a_redirect_within_the_feed_is_followed(feed: FeedServer, moved: str) -> None:
    feed.answers["/v1/score/now"] = (307, {"Location": moved.format(url=feed.url)}, b"")
    feed.answer("/v1/score/2021-11-28", json.dumps({"currentDate": "2021-11-28", "games": []}).encode())
    assert Feed(feed.url).day().games == ()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_to_anybody_else_is_not_followed(feed: FeedServer, status: int) -> None:
    with feed_server() as other:
        other.show(clean())
        feed.answers[PATH] = (status, {"Location": other.url + PATH}, b"")
        with pytest.raises(FeedUnavailable, match="XG_FEED_URL"):
            fetched(Feed(feed.url), GAME_ID)
        assert other.requests == []


@pytest.mark.parametrize(
    "target", ["file:///etc/passwd", "//169.254.169.254/", "http://[::1", "http://a:b/", "gopher:"]
)
def test_an_odd_redirect_is_an_error_in_words(feed: FeedServer, target: str) -> None:
    feed.answers[PATH] = (302, {"Location": target}, b"")
    with pytest.raises(FeedUnavailable):
        fetched(Feed(feed.url), GAME_ID)


def test_redirects_in_a_circle_end(feed: FeedServer) -> None:
    feed.answers[PATH] = (302, {"Location": PATH}, b"")
    with pytest.raises(FeedUnavailable, match="one address to the next"):
        fetched(Feed(feed.url), GAME_ID)
    assert len(feed.requests) < 6


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "head",
    [b"", b"HTTP/1.1 200 OK\r\nX: ", HEAD + b"Content-Length: 100000\r\n\r\n", HEAD + b"\r\n"],
    ids=["status line", "header", "body", "body without end"],
)
def test_a_feed_that_trickles_is_given_up(head: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livegame.deadline.DEADLINE_S", 0.5)
    with trickling(head) as url, pytest.raises(FeedUnavailable, match=r"0\.5 s"):  # nothing else would end it
        fetched(Feed(url), GAME_ID)


@contextmanager
def trickling(head: bytes) -> Iterator[str]:
    """A server that sends these bytes at once and then one byte every 50 ms, for ever."""
    stop = threading.Event()

    class Trickle(http.server.BaseHTTPRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            try:
                self.request.sendall(head)
                while not stop.wait(0.05):
                    self.request.sendall(b"1")
            except OSError:  # hung up on us, as it should
                pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Trickle)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        stop.set()
        server.shutdown()
        server.server_close()
        thread.join(5)


@pytest.mark.parametrize(
    "answer",
    [
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
        b"HTTP/1.1 99999 Odd\r\n\r\n",
        b"",
    ],
)
def test_what_is_hardly_http_is_an_error_in_words(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65_536)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        with pytest.raises((FeedUnavailable, FeedMalformed)):
            fetched(Feed(f"http://127.0.0.1:{listener.getsockname()[1]}"), GAME_ID)
        listener.shutdown(socket.SHUT_RDWR)
