"""Recorded seasons: found, read, and downloaded once in spite of interruptions."""

import gzip
import json
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from livegame.errors import FeedMalformed, FeedUnavailable
from livegame.feed import Feed
from livegame.plays import Game, GameState
from livegame.recordings.seasons import download_season, find_seasons
from tests.games import FeedServer, as_feed, game, play, season_games

SEASON = 20182019


def finished(number: int, **more: Any) -> Game:
    """A finished game of the season with one shot."""
    values = {"game_id": 2018020000 + number, "season": SEASON, "state": GameState.FINAL} | more
    return game(play(1, "shot-on-goal", 30), **values)


def week(*games: Game, next_start: str | None = None, state: str = "OFF") -> bytes:
    entries = [
        {"id": g.game_id, "season": g.season, "gameType": g.game_type, "gameState": state, "gameScheduleState": "OK"}
        for g in games
    ]
    after = {"nextStartDate": next_start} if next_start else {}
    return json.dumps({"gameWeek": [{"date": "2018-10-03", "games": entries}], **after}).encode()


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("livegame.recordings.seasons.PAUSE_S", 0)


@pytest.fixture
def season_feed(feed: FeedServer) -> FeedServer:
    """A season of three games over two weeks, with a preseason game and one of another season on the schedule."""
    games = [finished(n) for n in (1, 2, 3)]
    others = [finished(9, game_id=2018010009, game_type=1), finished(8, game_id=2017030008, season=20172018)]
    feed.answer("/v1/schedule/2018-09-01", week(*others, *games[:2], next_start="2018-10-08"))
    feed.answer("/v1/schedule/2018-10-08", week(games[2]))
    for shown in games:
        feed.show(shown)
    return feed


def download(feed: FeedServer, folder: Path, report: Callable[[str], None] = lambda _: None) -> Path:
    return download_season(SEASON, folder, Feed(feed.url).read, report=report)


def test_downloaded_season_is_found_and_read(season_feed: FeedServer, tmp_path: Path) -> None:
    said: list[str] = []
    download(season_feed, tmp_path, said.append)
    assert list(find_seasons(tmp_path)) == [SEASON]
    games = list(season_games(find_seasons(tmp_path)[SEASON]))
    assert [g.game_id for g in games] == [2018020001, 2018020002, 2018020003]
    assert said[0] == "season 20182019: 3 finished games, 3 to fetch"
    assert said[-1] == "season 20182019: 3 of 3 fetched"


def test_interrupted_download_resumes_where_it_stopped(season_feed: FeedServer, tmp_path: Path) -> None:
    path = "/v1/gamecenter/2018020002/play-by-play"
    good = season_feed.answers[path]
    season_feed.answer(path, b"{}", status=403)
    with pytest.raises(FeedUnavailable):
        download(season_feed, tmp_path)
    assert find_seasons(tmp_path) == {}, "half a season is not taken for one"
    season_feed.answers[path] = good
    season_feed.requests.clear()
    download(season_feed, tmp_path)
    asked = [path for path, _ in season_feed.requests if "gamecenter" in path]
    assert asked == [path, "/v1/gamecenter/2018020003/play-by-play"]
    assert list(find_seasons(tmp_path)) == [SEASON]


def test_malformed_game_is_not_kept(season_feed: FeedServer, tmp_path: Path) -> None:
    season_feed.answer("/v1/gamecenter/2018020001/play-by-play", b'{"plays": []}')
    with pytest.raises(FeedMalformed):
        download(season_feed, tmp_path)
    assert not list((tmp_path / str(SEASON)).iterdir())


def test_season_in_progress_is_kept_but_not_found(feed: FeedServer, tmp_path: Path) -> None:
    feed.answer("/v1/schedule/2018-09-01", week(finished(1), next_start="2018-10-08"))
    feed.answer("/v1/schedule/2018-10-08", week(finished(2), state="FUT"))
    feed.show(finished(1))
    folder = download(feed, tmp_path)
    assert [g.game_id for g in season_games(folder)] == [2018020001]
    assert find_seasons(tmp_path) == {}


def test_schedule_that_does_not_advance_is_malformed(feed: FeedServer, tmp_path: Path) -> None:
    feed.answer("/v1/schedule/2018-09-01", week(finished(1), next_start="2018-09-01"))
    feed.show(finished(1))
    with pytest.raises(FeedMalformed, match="does not advance"):
        download(feed, tmp_path)


def test_season_in_one_file_counts_no_unfinished_or_preseason_games(tmp_path: Path) -> None:
    games = [finished(1), finished(2, state=GameState.LIVE), finished(3, game_type=1), finished(4, game_type=3)]
    with lzma.open(tmp_path / "2018-19.jsonl.xz", "wt") as file:
        file.writelines(json.dumps(as_feed(g)) + "\n" for g in games)
    found = find_seasons(tmp_path)
    assert list(found) == [SEASON]
    assert [g.game_id for g in season_games(found[SEASON])] == [2018020001, 2018020004]


@pytest.mark.parametrize("content", [b"not a gzip file", gzip.compress(b"[]", mtime=0), gzip.compress(b"{", mtime=0)])
def test_damaged_recording_is_malformed_and_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "2018020001.json.gz").write_bytes(content)
    with pytest.raises(FeedMalformed, match=r"20180200|" + str(tmp_path)):
        list(season_games(tmp_path))


def test_seasons_are_found_oldest_first(tmp_path: Path) -> None:
    for name in ("2022-23", "1999-00", "2018-19"):
        (tmp_path / f"{name}.jsonl.xz").touch()
    (tmp_path / "20202021").mkdir()
    assert list(find_seasons(tmp_path)) == [19992000, 20182019, 20222023]


def test_downloaded_game_equals_the_one_served(season_feed: FeedServer, tmp_path: Path) -> None:
    [first, *_] = season_games(download(season_feed, tmp_path))
    assert replace(first, players={}).plays == finished(1).plays
