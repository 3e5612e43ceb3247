"""Whole recorded seasons on disk, and the download of missing ones.

A season is `<first year>-<yy>.jsonl.xz`, one game per line, or a folder `<season>` of `<game id>.json.gz` files; both
hold the gamecenter feed's answers unchanged.
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
from livegame.parsing.parse import parse_game
from livegame.parsing.schedule import parse_week
from livegame.plays import PLAYOFFS, REGULAR_SEASON, Game, GameState
from livegame.recordings.files import Recording, load_recording

PAUSE_S = 0.5  # between two requests
COUNTED_GAME_TYPES: Final = (REGULAR_SEASON, PLAYOFFS)
_COMPLETE: Final = "complete"  # empty file, written last into a downloaded season's folder
_SEASON_FILE: Final = re.compile(r"(\d{4})-(\d\d)\.jsonl\.xz")
_SEASON_FOLDER: Final = re.compile(r"\d{8}")

SEASON_FILES: Final = "*.jsonl.xz"

Fetch = Callable[[str, str], Any]  # path, its content in words -> the feed's JSON answer


def find_seasons(folder: Path) -> dict[int, Path]:
    """Return the complete seasons below `folder`, by season (20222023), oldest first."""
    found: dict[int, Path] = {}
    for path in sorted(folder.rglob("*")):
        if match := _SEASON_FILE.fullmatch(path.name):
            first_year = int(match[1])
            found[first_year * 10_000 + first_year + 1] = path
        elif _SEASON_FOLDER.fullmatch(path.name) and (path / _COMPLETE).exists():
            found.setdefault(int(path.name), path)
    return dict(sorted(found.items()))


def season_recordings(path: Path) -> Iterator[Recording]:
    """Yield all recorded games of a season that `find_seasons` found, unparsed.

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
    """Return whether the game is finished and of the regular season or the playoffs; others are not used."""
    return game.state is GameState.FINAL and game.game_type in COUNTED_GAME_TYPES


def download_season(season: int, folder: Path, fetch: Fetch, *, report: Callable[[str], None] = print) -> Path:
    """Fetch the finished games of a season into `folder/<season>`, one request at a time.

    An interrupted download resumes where it stopped: a game's file appears whole or not at all. A season in progress
    can be downloaded too, but `find_seasons` finds it only after it is over.

    Returns:
        The season's folder, for `season_recordings`.

    Raises:
        FeedError: the feed did not answer, or not with games; games already fetched are kept.
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
            report(f"game {game_id} is on the schedule but has no play-by-play; skipped")
            continue
        parse_game(answer)  # only a readable answer is kept
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
    """Return the ids of the season's finished games, and whether no more will follow."""
    finished: set[int] = set()
    unfinished = 0
    monday: date | None = date(season // 10_000, 9, 1)  # before any season's first game
    last_day = date(season % 10_000, 11, 1)  # after any season's last one, 2020's late one included
    while monday is not None and monday <= last_day:
        week = parse_week(fetch(f"/v1/schedule/{monday}", f"the week of {monday}"), monday)
        for game in week.games:
            if game.season != season or game.game_type not in COUNTED_GAME_TYPES:
                continue
            if game.state is GameState.FINAL:
                finished.add(game.game_id)
            elif game.state not in (GameState.POSTPONED, GameState.CANCELLED):
                unfinished += 1
        if week.next_start is not None and week.next_start <= monday:
            raise FeedMalformed(f"the feed's schedule does not advance after the week of {monday}")
        monday = week.next_start
        time.sleep(PAUSE_S)
    is_over = bool(finished) and not unfinished and date.today() > date(season % 10_000, 7, 15)
    return sorted(finished), is_over
