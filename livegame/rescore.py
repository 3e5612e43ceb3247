"""Has stored games scored by further models, such as challengers: each shot once, however often it is interrupted.

A batch of games is one request, noted on disk before it is sent, and its answers are stored in one transaction: the
next run repeats a request whose answers were not stored, and the service answers it without scoring again.
"""

import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Final

from livegame.client import GameClient
from livegame.errors import GameBusy
from livegame.lock import LOCK_WAIT_S
from livegame.scoring.inputs import ModelInputs
from xgserve.client import RowsRefused, ServingError

BATCH: Final = 64  # games at most, with about 5,600 shots to score
FIRST_BATCH: Final = 8
QUICK_S: Final = 1.0  # a batch that takes less may grow
SLOW_S: Final = 4.0  # one that takes more must shrink: pings of its games wait meanwhile, for LOCK_WAIT_S at most
BUSY_CODES: Final = ("challengers_busy", "busy")  # errors of the service that pass
BUSY_WAIT_S: Final = 60.0
_PAUSE_S: Final = 1.0


@dataclass(slots=True)
class Progress:
    """What a rescore by one model has done so far."""

    total: int  # games with shots that the model had not scored
    done: int = 0  # games
    scored: int = 0  # shots
    failed: int = 0  # games


class Rescore:
    """Has one model score stored games. Hold `GameClient.rescoring` meanwhile."""

    def __init__(self, client: GameClient, model: ModelInputs, complain: Callable[[str], None]) -> None:
        self._client = client
        self._model = model
        self._complain = complain  # gets a message for each game that is not scored

    def run(self, season: int | None = None, since: str | None = None) -> Generator[Progress, None, None]:
        """Score the games of a season, or of all, from a date on; yield the progress after each batch.

        The latest games come first. The caller may stop after any batch. Games that are being pinged come last.

        Raises:
            ServingError: nothing more can be scored.
            DatabaseError: the history cannot be read or written.
        """
        games = self._client.unscored_games(self._model, season, since)
        progress = Progress(len(games))
        yield progress
        busy: list[int] = []
        start, size = 0, FIRST_BATCH
        while start < len(games):
            begun = time.monotonic()
            busy += self._together(games[start : start + size], progress)
            start, size = start + size, next_size(size, time.monotonic() - begun)
            yield progress
        for game_id in busy:
            self._alone(game_id, progress)
            yield progress

    def _together(self, games: Sequence[int], progress: Progress) -> list[int]:
        """Score a batch; return the games that another process is pinging."""
        busy: list[int] = []
        while games:
            try:
                progress.scored += self._scored(games, 0)
                progress.done += len(games)
                break
            except GameBusy as error:
                busy.append(error.game_id)
                games = [game_id for game_id in games if game_id != error.game_id]
            except RowsRefused:  # one game that the model cannot score must not hold up the others
                for game_id in games:
                    self._alone(game_id, progress)
                break
        return busy

    def _alone(self, game_id: int, progress: Progress) -> None:
        try:
            progress.scored += self._scored([game_id], LOCK_WAIT_S)
        except (GameBusy, RowsRefused) as error:
            progress.failed += 1
            self._complain(f"game {game_id}: not rated by {self._model.model_id}: {error}")
        progress.done += 1

    def _scored(self, games: Sequence[int], timeout_s: float) -> int:
        """Score games; wait while the service has no thread left for challengers."""
        give_up = time.monotonic() + BUSY_WAIT_S
        while True:
            try:
                return self._client.rescore(games, self._model, timeout_s)
            except ServingError as error:
                if error.code not in BUSY_CODES or time.monotonic() >= give_up:
                    raise
                time.sleep(_PAUSE_S)


def next_size(size: int, took_s: float) -> int:
    """Return how many games to score together after a batch of `size` that took so many seconds."""
    if took_s > SLOW_S:
        return max(size // 4, 1)
    return min(2 * size, BATCH) if took_s < QUICK_S else size
