"""Replayed games: the compact form loses nothing, and the clock runs like a game's."""

import gzip
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from livegame.feed import Feed
from livegame.parsing.parse import parse_game
from livegame.plays import Game, GameState
from livegame.recordings.files import SAMPLE_FOLDER, dump_compact, find_recordings, load_compact, read_recording
from livegame.recordings.replay import INTERMISSION_S, create_app, play_by_play, standing
from tests.games import GAME_ID, game, play, wsgi_server
from tests.helpers import Clock, fetched


@contextmanager
def replay(recordings: Path, state: Path, clock: Clock) -> Iterator[str]:
    with wsgi_server(create_app(recordings, state, speed=10, now=clock)) as url:
        yield url


def sample() -> Game:
    return read_recording(SAMPLE_FOLDER / f"{GAME_ID}.json")


def test_sample_is_the_capitals_win_in_carolina() -> None:
    shown = sample()
    assert shown.title == "Washington Capitals at Carolina Hurricanes"
    goals = [shot.team_id for shot in shown.shots if shot.is_goal]
    assert (goals.count(shown.away.team_id), goals.count(shown.home.team_id)) == (shown.away.score, shown.home.score)
    assert (shown.away.score, shown.home.score) == (4, 2)


def test_game_in_compact_form_loses_nothing() -> None:
    assert load_compact(json.loads(dump_compact(sample()))) == sample()


def test_game_replayed_to_its_end_equals_the_recorded_one() -> None:
    shown = sample()
    replayed = parse_game(play_by_play(shown, standing(shown, 1e9)))
    assert (replayed.plays, replayed.home, replayed.away) == (shown.plays, shown.home, shown.away)
    assert replayed.state is GameState.FINAL


def test_replays_clock_runs_through_periods_and_intermissions() -> None:
    shown = sample()

    def at(elapsed: float) -> tuple[str, int, int, bool]:
        now = standing(shown, elapsed)
        return now.state, now.period, now.seconds_left, now.in_intermission

    assert at(-1) == ("FUT", 1, 1200, False)
    assert at(445) == ("LIVE", 1, 755, False)
    assert at(1200) == ("LIVE", 1, INTERMISSION_S, True)
    assert at(1200 + INTERMISSION_S) == ("LIVE", 2, 1200, False)
    assert at(3 * 1200 + 2 * INTERMISSION_S - 1) == ("CRIT", 3, 1, False)
    assert at(3 * 1200 + 2 * INTERMISSION_S)[0] == "OFF"


def test_replay_shows_only_plays_up_to_its_clock() -> None:
    shown = sample()
    for elapsed in (0, 100, 1300, 2500):
        now = standing(shown, elapsed)
        later = [p for p in now.plays if (p.period, p.seconds) > (now.period, now.seconds)]
        assert later == []
    counts = [len(standing(shown, elapsed).plays) for elapsed in range(0, 4100, 50)]
    assert counts == sorted(counts)
    assert counts[-1] == len(shown.plays)


def test_replayed_shootout_is_shown_attempt_by_attempt() -> None:
    attempts = [play(n, "goal", 0, period=5, period_type="SO", situation="1010") for n in (21, 22, 23)]
    shown = game(play(11, "faceoff", 0), *attempts)
    start = INTERMISSION_S
    assert [len(standing(shown, start + s).plays) for s in (0, 29, 30, 60, 90)] == [2, 2, 3, 4, 4]
    assert standing(shown, start + 30).period_type == "SO"
    assert standing(shown, start + 90).state == "OFF"


def test_replayed_game_starts_with_the_first_request(tmp_path: Path) -> None:
    clock = Clock(1_000)
    with replay(tmp_path, tmp_path / "replay.json", clock) as url:
        feed = Feed(url)
        assert [(entry.game_id, entry.state) for entry in feed.day().games] == [(GAME_ID, GameState.NOT_STARTED)]
        assert fetched(feed, GAME_ID).seconds_left == 1200
        clock.seconds += 44.5
        assert fetched(feed, GAME_ID).seconds_left == 755
        assert feed.day().games[0].state is GameState.LIVE


def test_killed_replay_resumes_where_the_game_would_be(tmp_path: Path) -> None:
    clock = Clock(1_000)
    with replay(tmp_path, tmp_path / "replay.json", clock) as url:
        fetched(Feed(url), GAME_ID)
    clock.seconds += 44.5
    with replay(tmp_path, tmp_path / "replay.json", clock) as url:
        assert fetched(Feed(url), GAME_ID).seconds_left == 755


def test_replay_whose_clock_is_set_back_stands_still(tmp_path: Path) -> None:
    clock = Clock(1_000)
    with replay(tmp_path, tmp_path / "replay.json", clock) as url:
        fetched(Feed(url), GAME_ID)
        clock.seconds += 44.5
        before = fetched(Feed(url), GAME_ID)
        clock.seconds -= 3600
        assert fetched(Feed(url), GAME_ID) == before
    with replay(tmp_path, tmp_path / "replay.json", clock) as url:
        assert fetched(Feed(url), GAME_ID).state is GameState.LIVE


def test_unchanged_replay_answers_not_modified(tmp_path: Path) -> None:
    with replay(tmp_path, tmp_path / "replay.json", Clock(1_000)) as url:
        address = f"{url}/v1/gamecenter/{GAME_ID}/play-by-play"
        with urllib.request.urlopen(address) as first:
            etag = first.headers["ETag"]
        again = urllib.request.Request(address, headers={"If-None-Match": etag})
        with pytest.raises(urllib.error.HTTPError, match="304"):
            urllib.request.urlopen(again)


def test_recordings_of_both_shapes_are_found_and_damaged_ones_are_named(tmp_path: Path) -> None:
    shown = play_by_play(sample(), standing(sample(), 1e9))
    (tmp_path / "2022020001.json").write_text(json.dumps(shown | {"id": 2022020001}))
    (tmp_path / "2022020002.json.gz").write_bytes(gzip.compress(json.dumps(shown | {"id": 2022020002}).encode()))
    (tmp_path / "2022020003.json.gz").write_bytes(b"not gzip")
    (tmp_path / "notes.json").write_text("{}")
    assert sorted(find_recordings(tmp_path)) == [GAME_ID, 2022020001, 2022020002, 2022020003]
    with replay(tmp_path, tmp_path / "replay.json", Clock(1_000)) as url:
        feed = Feed(url)
        assert {entry.game_id for entry in feed.day().games} == {GAME_ID, 2022020001, 2022020002}
        assert fetched(feed, 2022020002).title == sample().title


@pytest.mark.recordings
def test_every_recorded_game_replayed_equals_itself(recordings: Path) -> None:
    paths = sorted(find_recordings(recordings / "games").values())
    assert len(paths) > 15
    for path in paths:
        shown = read_recording(path)
        replayed = parse_game(play_by_play(shown, standing(shown, 1e9)))
        assert replayed.plays == shown.plays, path.name
        assert (replayed.home, replayed.away) == (shown.home, shown.away), path.name
        assert load_compact(json.loads(dump_compact(shown))) == shown


def test_unusable_setting_of_the_replay_is_named() -> None:
    command = [sys.executable, "-m", "scripts.replay"]
    ran = subprocess.run(
        command, env=os.environ | {"XG_REPLAY_SPEED": "fast"}, capture_output=True, text=True, timeout=60
    )
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (2, "", 1)
    assert "XG_REPLAY_SPEED" in ran.stderr
