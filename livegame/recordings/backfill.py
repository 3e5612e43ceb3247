"""Recorded games into the history: read on all cores, scored many at a time, written by this process alone.

A batch of games is stored in one transaction with its predictions, so that whatever ends a backfill, the next one
finds each game either complete, and passes over it, or as it was.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livegame.client import NEVER_ANSWERED, GameClient, Ping
from livegame.errors import FeedMalformed, GameBusy
from livegame.features.rows import GameRows, game_rows
from livegame.plays import GameState
from livegame.recordings.files import Recording, find_recordings, load_recording
from livegame.recordings.seasons import SEASON_FILES, season_recordings
from livegame.recordings.workers import Workers
from xgserve.client import ServingError

BATCH: Final = 64  # games; some 5,600 shots to score at a time
LOCK_WAIT_S: Final = 20.0  # for a game that another process pings


@dataclass(slots=True)
class Progress:
    """What a backfill has done so far."""

    total_bytes: int  # on disk, of all recordings
    done_bytes: int = 0
    passed_bytes: int = 0  # of `done_bytes`, those of games that were complete before
    passed: int = 0  # games that were complete before
    taken: int = 0
    failed: int = 0
    scored: int = 0  # shots


@dataclass(frozen=True, slots=True)
class _Read:
    """What a worker made of a batch."""

    games: list[GameRows]
    problems: list[str]
    disk_bytes: int


def find_sources(paths: Sequence[Path]) -> list[Path]:
    """The files of recorded games at or below some paths: whole seasons first, then single games.

    Raises:
        FeedMalformed: there is no such path, or nothing in it.
    """
    seasons, games = [], []
    for path in paths:
        if path.is_dir():
            seasons += sorted(path.rglob(SEASON_FILES))
            games += [file for _, file in sorted(find_recordings(path).items()) if file.is_relative_to(path)]
        elif path.match(SEASON_FILES):
            seasons.append(path)
        else:
            games.append(path)
    missing = [path for path in (*seasons, *games) if not path.is_file()]
    if missing or not (seasons or games):
        where = missing or paths
        raise FeedMalformed(f"no recorded games at {', '.join(map(str, where))}")
    return [*seasons, *games]


class Backfill:
    """Takes recorded games into the history that a client writes to.

    A game that is recorded more than once is taken once, from the first source that has it. A game that is over on
    record is not taken back to a recording from before its end.
    """

    def __init__(self, client: GameClient, workers: Workers, complain: Callable[[str], None]) -> None:
        self._client = client
        self._workers = workers
        self._complain = complain  # told of each game that could not be taken
        self._seen: set[int] = set()

    def run(self, sources: Sequence[Path]) -> Generator[Progress, None, None]:
        """Take all games of `find_sources`; gives the progress after each batch. May be left at any of them.

        Raises:
            ServingError, LiveGameError: nothing more can be scored; the shots of the last batch wait.
            DatabaseError: the history cannot be written.
        """
        progress = Progress(sum(path.stat().st_size for path in sources))
        model = self._client.active_model()
        busy: list[GameRows] = []
        with closing(self._workers.map(_read, self._batches(sources, progress))) as batches:
            for batch in batches:
                for problem in batch.problems:
                    self._fail(progress, problem)
                busy += self._take([rows for rows in batch.games if self._is_wanted(rows)], progress)
                progress.done_bytes += batch.disk_bytes
                yield progress
        for rows in busy:
            self._take_patiently(rows, progress)
            yield progress
        if progress.passed and self._client.active_model() != model:
            self._fail(progress, "the service's model has changed meanwhile: run it again, to score all games with it")
        yield progress

    def _batches(self, sources: Sequence[Path], progress: Progress) -> Iterator[list[Recording]]:
        """Recordings that are not in the history as they are."""
        game_of = self._client.taken()
        batch: list[Recording] = []
        for number, recording in enumerate(self._recordings(sources, progress), start=1):
            game_id = game_of(recording.digest)
            if game_id is None:
                batch.append(recording)
            else:
                progress.passed += game_id not in self._seen
                self._seen.add(game_id)
                progress.passed_bytes += recording.disk_bytes
                progress.done_bytes += recording.disk_bytes
            # by their place among all: what was asked for before a kill must come together again, whatever is passed
            if number % BATCH == 0 and batch:
                yield batch
                batch = []
        if batch:
            yield batch

    def _recordings(self, sources: Sequence[Path], progress: Progress) -> Iterator[Recording]:
        for path in sources:
            try:
                yield from season_recordings(path) if path.match(SEASON_FILES) else [load_recording(path)]
            except FeedMalformed as error:
                self._fail(progress, str(error))

    def _is_wanted(self, rows: GameRows) -> bool:
        game = rows.game
        if game.game_id in self._seen:
            return False
        self._seen.add(game.game_id)
        if game.state != GameState.FINAL and self._client.is_over(game.game_id):
            self._complain(f"game {game.game_id}: passed over, the recording ends before the game, which is on record")
            return False
        return True

    def _take(self, games: list[GameRows], progress: Progress) -> list[GameRows]:
        """Store a batch; returns the games that somebody else is at."""
        busy: list[GameRows] = []
        while games:
            try:
                self._count(self._client.take_all(games, 0), progress)
                break
            except GameBusy as error:
                busy += [rows for rows in games if rows.game.game_id == error.game_id]
                games = [rows for rows in games if rows.game.game_id != error.game_id]
            except ServingError as error:
                if error.code not in NEVER_ANSWERED:  # asked again together, it is the same request and scored once
                    raise
                for rows in games:  # one that the model cannot score must not hold up the others
                    self._take_patiently(rows, progress)
                break
        return busy

    def _take_patiently(self, rows: GameRows, progress: Progress) -> None:
        try:
            self._count(self._client.take_all([rows], LOCK_WAIT_S), progress)
        except (GameBusy, ServingError) as error:
            if isinstance(error, ServingError) and error.code not in NEVER_ANSWERED:
                raise
            self._fail(progress, f"game {rows.game.game_id}: {error}")

    def _count(self, pings: Sequence[Ping], progress: Progress) -> None:
        for ping in pings:
            if ping.is_older:
                self._complain(f"game {ping.game_id}: passed over, the recording is older than what is on record")
            else:
                progress.taken += 1
        progress.scored += sum(ping.scored for ping in pings)

    def _fail(self, progress: Progress, problem: str) -> None:
        progress.failed += 1
        self._complain(problem)


def _read(recordings: list[Recording]) -> _Read:
    games, problems = [], []
    for recording in recordings:
        try:
            games.append(game_rows(recording.game(), recording.digest))
        except FeedMalformed as error:
            problems.append(str(error))
    return _Read(games, problems, sum(recording.disk_bytes for recording in recordings))
