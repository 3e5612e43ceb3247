"""Wrong answers of the feed through the whole client: nothing stored is lost."""

import json
import logging
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pandas as pd
import pytest
from hypothesis import given

from livegame.client import GameClient
from livegame.errors import FeedMalformed, LiveGameError
from livegame.parsing.parse import parse_game
from livegame.plays import Player, Team
from tests.conftest import Service
from tests.games import GAME_ID, HOME, FeedServer, as_feed, game, play
from tests.helpers import make_client, reported, statuses
from tests.livegame.dirty import MUTATIONS, PATH, SHOTS, Mutations, changed, clean, fuzzed, mutate, present_id


@pytest.fixture
def client(tmp_path: Path, feed: FeedServer, service: Service) -> GameClient:
    return make_client(tmp_path, feed.url, service.url)


def test_pings_of_mutated_answers_lose_nothing_and_a_clean_one_restores_all(
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


def test_scored_shot_that_becomes_unreadable_is_kept(
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


def test_no_shot_is_retracted_while_an_id_is_unreadable(client: GameClient, feed: FeedServer) -> None:
    feed.show(clean())
    client.ping(GAME_ID)
    feed.show(changed("eventId", None))
    assert set(statuses(client, client.ping(GAME_ID)).values()) == {"scored"}


def test_shot_that_left_the_feed_is_retracted_while_another_is_unreadable(client: GameClient, feed: FeedServer) -> None:
    feed.show(clean())
    client.ping(GAME_ID)
    dirty = changed("timeInPeriod", None)
    dirty["plays"] = [raw for raw in dirty["plays"] if raw["eventId"] != 12]
    feed.show(dirty)
    assert statuses(client, client.ping(GAME_ID)) == {11: "scored", 12: "retracted", 13: "scored", 14: "scored"}


def test_markup_and_sql_in_names_are_stored_as_text(client: GameClient, feed: FeedServer) -> None:
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


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>busy</html>", b"[" * 100_000, b"\xff\xfe\x00", b"null", b"{}", json.dumps(clean()).encode()[:-9]],
)
def test_answer_that_is_no_game_leaves_the_history_unchanged(client: GameClient, feed: FeedServer, body: bytes) -> None:
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
