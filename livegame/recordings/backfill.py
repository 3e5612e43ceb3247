"""Imports recorded games into the history: read on all cores, scored in batches, written by this process alone.

A batch is stored with its predictions in one transaction: when a backfill is interrupted, each game is either complete,
and skipped the next time, or unchanged.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from db.history import GameUpdate, Recorded
from livegame.client import GameClient
from livegame.errors import FeedMalformed, GameBusy
from livegame.features.rows import game_update
from livegame.lock import LOCK_WAIT_S
from livegame.plays import GameState
from livegame.recordings.files import Recording, find_recordings, load_recording
from livegame.recordings.seasons import SEASON_FILES, season_recordings
from livegame.recordings.workers import Workers
from xgserve.client import RowsRefused

BATCH: Final = 64  # games, with about 5,600 shots to score


@dataclass(slots=True)
class Progress:
    """What a backfill has done so far."""

    total_bytes: int  # on disk, of all recordings
    done_bytes: int = 0
    passed_bytes: int = 0  # of `done_bytes`, those of games that were complete before
    passed: int = 0  # games that were complete before
    stored: int = 0
    failed: int = 0
    scored: int = 0  # shots
    scored_by_challengers: int = 0
    problems: set[str] = field(default_factory=set)  # of challengers


@dataclass(frozen=True, slots=True)
class _Read:
    """A batch as a worker read it."""

    games: list[GameUpdate]
    problems: list[str]
    disk_bytes: int


def find_sources(paths: Sequence[Path]) -> list[Path]:
    """Return the files of recorded games at or below some paths: whole seasons first, then single games.

    Raises:
        FeedMalformed: a path is missing, or nothing is recorded there.
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
    """Imports recorded games into the history that a client writes to.

    A game that is recorded more than once is imported once, from the first source that has it. A game that the history
    has as final is not replaced by a recording from before its end.
    """

    def __init__(self, client: GameClient, workers: Workers, complain: Callable[[str], None]) -> None:
        self._client = client
        self._workers = workers
        self._complain = complain  # gets a message for each game that is not imported
        self._seen: set[int] = set()

    def run(self, sources: Sequence[Path]) -> Generator[Progress, None, None]:
        """Import all games of `find_sources`; yield the progress after each batch. The caller may stop after any.

        Raises:
            ServingError, LiveGameError: nothing more can be scored; the shots of the last batch are stored as pending.
            DatabaseError: the history cannot be written.
        """
        progress = Progress(sum(path.stat().st_size for path in sources))
        model = self._client.active_model()
        busy: list[GameUpdate] = []
        with closing(self._workers.map(_read, self._batches(sources, progress))) as batches:
            for batch in batches:
                for problem in batch.problems:
                    self._fail(progress, problem)
                busy += self._record([update for update in batch.games if self._is_wanted(update)], progress)
                progress.done_bytes += batch.disk_bytes
                yield progress
        for update in busy:
            self._record_patiently(update, progress)
            yield progress
        if progress.passed and self._client.active_model() != model:
            self._fail(progress, "the service's model has changed meanwhile: run it again to rate all games with it")
        yield progress

    def _batches(self, sources: Sequence[Path], progress: Progress) -> Iterator[list[Recording]]:
        """Yield batches of the recordings from which the history was not made already."""
        game_of = self._client.already_recorded()
        batch: list[Recording] = []
        for recording in self._recordings(sources, progress):
            game_id = game_of(recording.digest)
            if game_id is None:
                batch.append(recording)
            else:
                progress.passed += game_id not in self._seen
                self._seen.add(game_id)
                progress.passed_bytes += recording.disk_bytes
                progress.done_bytes += recording.disk_bytes
            if len(batch) == BATCH:
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

    def _is_wanted(self, update: GameUpdate) -> bool:
        game = update.game
        if game.game_id in self._seen:
            return False
        self._seen.add(game.game_id)
        if game.state != GameState.FINAL and self._client.is_over(game.game_id):
            self._complain(
                f"game {game.game_id}: skipped, the recording ends before the game, which is final in the history"
            )
            return False
        return True

    def _record(self, games: list[GameUpdate], progress: Progress) -> list[GameUpdate]:
        """Store a batch; return the games that another process is pinging."""
        busy: list[GameUpdate] = []
        while games:
            try:
                self._count(self._client.record(games, 0), progress)
                break
            except GameBusy as error:
                busy += [update for update in games if update.game.game_id == error.game_id]
                games = [update for update in games if update.game.game_id != error.game_id]
            except RowsRefused:  # after any other refusal the next run repeats the request, which is scored once
                for update in games:  # one game that the model cannot score must not hold up the others
                    self._record_patiently(update, progress)
                break
        return busy

    def _record_patiently(self, update: GameUpdate, progress: Progress) -> None:
        try:
            self._count(self._client.record([update], LOCK_WAIT_S), progress)
        except (GameBusy, RowsRefused) as error:
            self._fail(progress, f"game {update.game.game_id}: {error}")

    def _count(self, found: Sequence[Recorded], progress: Progress) -> None:
        for recorded in found:
            if recorded.is_older:
                self._complain(f"game {recorded.game_id}: skipped, the recording is older than what the history has")
            else:
                progress.stored += 1
            for problem in set(recorded.challenger_problems) - progress.problems:  # once, not for every game
                self._complain(f"game {recorded.game_id}: not rated by the challenger {problem}")
                progress.problems.add(problem)
        progress.scored += sum(recorded.scored for recorded in found)
        progress.scored_by_challengers += sum(recorded.scored_by_challengers for recorded in found)

    def _fail(self, progress: Progress, problem: str) -> None:
        progress.failed += 1
        self._complain(problem)


def _read(recordings: list[Recording]) -> _Read:
    games, problems = [], []
    for recording in recordings:
        try:
            games.append(game_update(recording.game(), recording.digest))
        except FeedMalformed as error:
            problems.append(str(error))
    return _Read(games, problems, sum(recording.disk_bytes for recording in recordings))
