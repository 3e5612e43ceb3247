"""Whole recorded seasons on disk, and the download of those that are not there yet.

A season is `<first year>-<yy>.jsonl.xz`, one game a line, or a folder `<season>` of `<game id>.json.gz` files; both
hold the present feed's answers as they came.
"""

import gzip
import json
import lzma
import re
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, Final

from livegame.errors import FeedMalformed, GameNotFound
from livegame.parsing.gamecenter import game_state
from livegame.parsing.parse import parse_game
from livegame.plays import Game, GameState
from livegame.recordings.files import Recording, load_recording

PAUSE_S = 0.5  # between two requests
COUNTED_GAME_TYPES: Final = (2, 3)  # regular season and playoffs
_COMPLETE: Final = "complete"  # empty file in a downloaded season's folder, put there last
_SEASON_FILE: Final = re.compile(r"(\d{4})-(\d\d)\.jsonl\.xz")
_SEASON_FOLDER: Final = re.compile(r"\d{8}")

SEASON_FILES: Final = "*.jsonl.xz"

Fetch = Callable[[str, str], Any]  # path, what it is in words -> the feed's JSON answer


def find_seasons(folder: Path) -> dict[int, Path]:
    """The complete seasons below `folder`, by season (20222023), in their order."""
    found: dict[int, Path] = {}
    for path in sorted(folder.rglob("*")):
        if match := _SEASON_FILE.fullmatch(path.name):
            first_year = int(match[1])
            found[first_year * 10_000 + first_year + 1] = path
        elif _SEASON_FOLDER.fullmatch(path.name) and (path / _COMPLETE).exists():
            found.setdefault(int(path.name), path)
    return dict(sorted(found.items()))


def read_season(path: Path) -> Iterator[Game]:
    """The finished games of a season that `find_seasons` found, regular season and playoffs.

    Raises:
        FeedMalformed: a file does not hold a recorded game; the message names it.
    """
    for recording in season_recordings(path):
        game = recording.game()
        if is_counted(game):
            yield game


def season_recordings(path: Path) -> Iterator[Recording]:
    """All recorded games of a season that `find_seasons` found, unread.

    Raises:
        FeedMalformed: a file cannot be read; the message names it.
    """
    try:
        if path.is_dir():
            yield from map(load_recording, sorted(path.glob("*.json.gz")))
        else:
            with path.open("rb") as file, lzma.open(file) as lines:
                read = 0
                for number, line in enumerate(lines, start=1):
                    yield Recording(f"{path}, line {number}", line, file.tell() - read)
                    read = file.tell()
    except (OSError, EOFError, lzma.LZMAError) as error:
        raise FeedMalformed(f"{path} cannot be read: {error}; fetch it again") from error


def is_counted(game: Game) -> bool:
    """Whether it is a finished game of the regular season or the playoffs: the rest of a season is not used."""
    return game.state is GameState.FINAL and game.game_type in COUNTED_GAME_TYPES


def download_season(season: int, folder: Path, fetch: Fetch, *, report: Callable[[str], None] = print) -> Path:
    """Fetch the finished games of a season into `folder/<season>`, one request at a time.

    An interrupted download goes on where it stopped: a game's file appears whole or not at all. A season that is
    still being played can be downloaded as far as it got; only one that is over is found by `find_seasons`.

    Returns:
        The season's folder, for `read_season`.

    Raises:
        FeedError: the feed did not answer, or not with games; what was fetched is kept.
    """
    target = folder / str(season)
    target.mkdir(parents=True, exist_ok=True)
    game_ids, is_over = _finished_games(season, fetch)
    missing = [game_id for game_id in game_ids if not _file(target, game_id).exists()]
    report(f"season {season}: {len(game_ids)} finished games, {len(missing)} to fetch")
    for number, game_id in enumerate(missing, start=1):
        try:
            answer = fetch(f"/v1/gamecenter/{game_id}/play-by-play", f"game {game_id}")
        except GameNotFound:
            report(f"game {game_id} is on the schedule but has no play-by-play; left out")
            continue
        parse_game(answer)  # nothing is kept that cannot be read again
        part = target / f"{game_id}.part"
        part.write_bytes(gzip.compress(json.dumps(answer, separators=(",", ":")).encode(), mtime=0))
        part.replace(_file(target, game_id))
        if number % 20 == 0 or number == len(missing):
            report(f"season {season}: {number} of {len(missing)} fetched")
        time.sleep(PAUSE_S)
    if is_over:
        (target / _COMPLETE).touch()
    return target


def _file(folder: Path, game_id: int) -> Path:
    return folder / f"{game_id}.json.gz"


def _finished_games(season: int, fetch: Fetch) -> tuple[list[int], bool]:
    """Ids of the season's finished games, and whether no more will come."""
    finished: set[int] = set()
    unfinished = 0
    monday: str | None = f"{season // 10_000}-09-01"  # before any season's first game
    last_day = f"{season % 10_000}-11-01"  # after any season's last one, those of 2020 included
    while monday is not None and monday <= last_day:
        week = fetch(f"/v1/schedule/{monday}", f"the week of {monday}")
        try:
            games = [
                game
                for day in week["gameWeek"]
                for game in day["games"]
                if game["season"] == season and game["gameType"] in COUNTED_GAME_TYPES
            ]
            states = {game["id"]: game_state(game) for game in games}
            following: str | None = week.get("nextStartDate")
        except (KeyError, TypeError) as error:
            raise FeedMalformed(f"the feed's week of {monday} is not a schedule: no {error}") from error
        if following is not None and following <= monday:
            raise FeedMalformed(f"the feed's schedule does not go on after the week of {monday}")
        monday = following
        finished |= {game_id for game_id, state in states.items() if state is GameState.FINAL}
        unfinished += sum(
            state in (GameState.NOT_STARTED, GameState.LIVE, GameState.OVER, None) for state in states.values()
        )
        time.sleep(PAUSE_S)
    is_over = bool(finished) and not unfinished and f"{date.today()}" > f"{season % 10_000}-07-15"
    return sorted(finished), is_over
