"""Pings the games that somebody watches, in the background: no page waits for the feed."""

import threading
import time
from collections.abc import Collection, Sequence
from queue import SimpleQueue
from typing import Final

from db.connection import DatabaseError
from livegame.client import GameClient
from livegame.errors import GameBusy, LiveGameError
from livegame.plays import GameSummary
from xgserve.client import ServingError

WATCHED_S: Final = 30.0  # between pings of a game; the feed's answers change every 20 s at most
_AT_ONCE: Final = 4  # games that are pinged at the same time

Problem = LiveGameError | ServingError | DatabaseError


class Watch:
    """Pings each watched game once an interval, however many readers, pages and threads call `ping_due`."""

    def __init__(self, client: GameClient, every_s: float = WATCHED_S) -> None:
        self._client = client
        self._every_s = every_s
        self._lock = threading.Lock()
        self._queue: SimpleQueue[int] = SimpleQueue()
        self.at_work: set[int] = set()  # games queued, or being pinged
        self._tried_at: dict[int, float] = {}  # monotonic
        self._problems: dict[int, Problem] = {}
        self._threads: list[threading.Thread] = []

    def ping_due(self, games: Sequence[GameSummary], behind: Collection[int] = ()) -> None:
        """Have those of a day's games pinged that are due, and return at once; `GameClient.due_games` has the rule.

        `behind` are the ids of games with shots that the next ping can have rated. A game whose ping failed is tried
        again after an interval. Raises `DatabaseError`.
        """
        due = self._client.due_games(games, self._every_s, behind)
        with self._lock:
            now = time.monotonic()
            for game_id in due:
                waited = now - self._tried_at.get(game_id, float("-inf"))
                if game_id in self.at_work or waited < self._every_s:
                    continue
                self.at_work.add(game_id)
                self._tried_at[game_id] = now
                self._queue.put(game_id)
                if len(self._threads) < _AT_ONCE:
                    # a ping may be ended at any point, so nothing has to wait for these at the end of the program
                    self._threads.append(threading.Thread(target=self._work, name="watch", daemon=True))
                    self._threads[-1].start()

    def problem(self, game_id: int) -> Problem | None:
        """Return why the game's last ping from here failed; None if it did not."""
        return self._problems.get(game_id)

    def _work(self) -> None:
        while True:
            game_id = self._queue.get()
            try:
                self._client.ping(game_id)
            except GameBusy:
                pass  # somebody else is pinging it
            except (LiveGameError, ServingError, DatabaseError) as error:
                self._problems[game_id] = error.with_traceback(None)
            else:
                self._problems.pop(game_id, None)
            finally:
                with self._lock:
                    self.at_work.discard(game_id)
