"""The game client: finds what is new in a game, has it scored once, and stores it."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from db import times
from db.connection import DatabaseError
from db.history import GameUpdate, History, Moment, Recorded
from livegame.errors import LiveGameError, PingedMeanwhile, UnexpectedError
from livegame.features.rows import game_update
from livegame.feed import MAX_FRESH_S, Answer, Feed
from livegame.game_id import valid_game_id
from livegame.lock import LOCK_WAIT_S, batch_lock, game_lock, rescore_lock
from livegame.pace import INCOMPLETE_DAYS, is_due, is_stale, is_watched_due
from livegame.plays import GameState, GameSummary
from livegame.reports.counting import Count
from livegame.scoring.challengers import BATCH_S, PING_S
from livegame.scoring.inputs import ModelInputs, read_feature_map
from livegame.scoring.open_requests import BACKFILL, RESCORE, PendingRequests
from livegame.scoring.scorer import Scorer
from livegame.settings import ClientSettings
from livegame.staleness import believed
from xgserve.client import ModelDescription, ServingClient, ServingError

if TYPE_CHECKING:
    from livegame.reports.game import GameReport

logger = logging.getLogger("livegame.client")


@contextmanager
def known_errors() -> Iterator[None]:
    """Raise `UnexpectedError` for any error that is not translated where it happens.

    Raises:
        UnexpectedError: anything that is neither an error of the game client, nor of the service, nor of a database.
    """
    try:
        yield
    except (LiveGameError, ServingError, DatabaseError):
        raise
    except Exception as error:
        logger.exception("unexpected")
        raise UnexpectedError(error) from error


class GameClient:
    """Pings games. Any number of clients may share a data folder: threads, processes, containers on one machine."""

    def __init__(
        self,
        feed: Feed,
        serving: ServingClient,
        history: History,
        data_dir: Path,
        feature_map: Mapping[str, str] | None = None,
    ) -> None:
        self._feed = feed
        self._history = history
        self._data_dir = data_dir
        self._scorer = Scorer(serving, history, feature_map or {})

    @classmethod
    def from_settings(cls, settings: ClientSettings) -> "GameClient":
        """Return a client of the feed and the service that the settings name."""
        return cls(
            Feed(settings.feed_url, settings.user_agent),
            ServingClient(settings.serving_url),
            History(settings.history_db),
            settings.data_dir,
            read_feature_map(settings.feature_map),
        )

    @known_errors()
    def ping(self, game_id: str | int) -> Recorded:
        """Fetch the game's whole play-by-play, have every unscored shot scored once, store what is new or corrected.

        The active model and each of its challengers score each shot. What challengers do wrong costs the active model
        nothing: see `Recorded.challenger_problems`.

        The game's lock is held from fetching to storing, so that an older answer of the feed never overwrites a newer
        one, and no two pings have the same shot scored. A ping that waited while two others completed returns at once:
        what they stored is at least as new as what it would find.

        Raises:
            InvalidGameId, FeedError: the feed gave nothing usable; the history is unchanged.
            GameBusy: another ping of this game is at work.
            ServingError, UnknownFeatures: shots are stored but not scored; the next ping asks for them.
            DatabaseError: the history cannot be written.
        """
        number = valid_game_id(game_id)
        try:
            with game_lock(self._data_dir, number, LOCK_WAIT_S, is_ping=True):
                return self._ping(number)
        except PingedMeanwhile:
            return Recorded(number)

    def _ping(self, game_id: int) -> Recorded:
        stored = self._history.game_row(game_id)
        if self._is_fresh(stored):
            return Recorded(game_id)
        answer = self._feed.answer(game_id)
        stale_at = times.timestamp(times.utc_now() + timedelta(seconds=answer.fresh_s)) if answer.fresh_s else None
        try:
            models = self._scorer.models()
        except BaseException:
            if update := self._believed(game_id, answer, stale_at, stored):
                self._scorer.store([update])  # the shots are shown as pending
            raise
        requests = PendingRequests(self._data_dir, game_id)
        if self._history.confirm(game_id, self._scorer.fingerprint(answer.digest, models), stale_at):
            recorded = Recorded(game_id)
        else:
            update = self._believed(game_id, answer, stale_at, stored)
            if update is None:
                return self._pass_over(game_id, stale_at)
            (recorded,) = self._scorer.record([update], requests, PING_S, models)
        # a ping may have died between storing its answers and closing their requests, and a power cut opens them again
        self._scorer.settle(requests)
        return recorded

    def _is_fresh(self, row: Mapping[str, Any] | None) -> bool:
        """Return whether the last answer was stored completely and is still fresh by the feed's own word."""
        if row is None or row["fingerprint"] is None or row["stale_at"] is None:
            return False
        left = (datetime.fromisoformat(row["stale_at"]) - times.utc_now()).total_seconds()
        # more than MAX_FRESH_S is left only if the clock was set back
        return 0 < left <= MAX_FRESH_S and self._scorer.is_by(row["fingerprint"], self._scorer.models())

    def _believed(
        self, game_id: int, answer: Answer, stale_at: str | None, stored: Mapping[str, Any] | None
    ) -> GameUpdate | None:
        """Read an answer; None if it is older than what is stored."""
        update = game_update(self._feed.read_game(game_id, answer), answer.digest, stale_at)
        return believed(replace(update, is_pinged=True), stored)

    def _pass_over(self, game_id: int, stale_at: str | None = None) -> Recorded:
        logger.info("game %d: the answer is older than what is stored, or cut short; nothing was changed", game_id)
        self._history.note_ping(game_id, stale_at)
        return Recorded(game_id, is_older=True)

    @known_errors()
    def record(self, updates: Sequence[GameUpdate], timeout_s: float) -> list[Recorded]:
        """Store many recorded games as `ping` does a live one, with one request to the service and one transaction.

        Wait `timeout_s` seconds for each game's lock. Raise the errors of `ping` except the feed's, and `BackfillBusy`.
        """
        by_game = {update.game.game_id: update for update in updates}
        found: list[Recorded] = []
        together: list[GameUpdate] = []
        with ExitStack() as locks:
            locks.enter_context(batch_lock(self._data_dir))
            for game_id in sorted(by_game):
                locks.enter_context(game_lock(self._data_dir, game_id, timeout_s))
            batch = PendingRequests(self._data_dir, BACKFILL)
            self._scorer.settle(batch)
            stored = self._history.game_rows(by_game)
            rescored = PendingRequests(self._data_dir, RESCORE).waiting_games
            for game_id, update in sorted(by_game.items()):
                requests = PendingRequests(self._data_dir, game_id)
                fresh = believed(update, stored.get(game_id))
                if fresh is None:
                    found.append(self._pass_over(game_id))
                elif requests.are_open or game_id in rescored:  # what asked died; it must be asked again as it was
                    found += self._scorer.record([fresh], requests, BATCH_S)
                    self._scorer.settle(requests)
                else:
                    together.append(fresh)
            return found + self._scorer.record(together, batch, BATCH_S)

    @known_errors()
    def rescore(self, game_ids: Sequence[int], model: ModelInputs, timeout_s: float) -> int:
        """Have a loaded model score what it has not scored of stored games; return how many shots it scored.

        Wait `timeout_s` seconds for each game's lock. Hold `rescoring` meanwhile.

        Raises:
            GameBusy: a game is being pinged; nothing was done.
            ServingError: the service did not score; the next rescore repeats the request.
            DatabaseError: the history cannot be read or written.
        """
        with ExitStack() as locks:
            for game_id in sorted(game_ids):
                locks.enter_context(game_lock(self._data_dir, game_id, timeout_s))
            backfilled = PendingRequests(self._data_dir, BACKFILL).waiting_games
            open_of_others = {
                game_id: requests
                for game_id in game_ids
                if (requests := PendingRequests(self._data_dir, game_id)).are_open or game_id in backfilled
            }
            # a ping or a backfill died; its requests must be repeated as they were
            stored = sum(self._scorer.rescore([game], model, requests) for game, requests in open_of_others.items())
            together = [game_id for game_id in game_ids if game_id not in open_of_others]
            return stored + self._scorer.rescore(together, model, PendingRequests(self._data_dir, RESCORE))

    @known_errors()
    def loaded_models(self) -> list[ModelDescription]:
        """Return the active model and the challengers, in this order. Raises `ServingError`."""
        return self._scorer.loaded_models()

    @known_errors()
    def inputs_of(self, model: ModelDescription) -> ModelInputs:
        """Return what a model expects in terms of our features. Raises `UnknownFeatures`."""
        return self._scorer.inputs_of(model)

    @contextmanager
    def rescoring(self) -> Iterator[None]:
        """Hold the lock of rescores. Raises `RescoreRunning` and `DatabaseError`."""
        with rescore_lock(self._data_dir):
            self._scorer.settle(PendingRequests(self._data_dir, RESCORE))
            yield

    @known_errors()
    def unscored_games(self, model: ModelInputs, season: int | None, since: str | None) -> list[int]:
        """Return the stored games with shots that a model has not scored, as `History.unscored_games` describes."""
        return self._history.unscored_games(model.model_id, model.population, season, since)

    @known_errors()
    def active_model(self) -> str:
        """Return the id of the model that the service would score with now. Raises `ServingError`."""
        return self._scorer.models().active.model_id

    @known_errors()
    def already_recorded(self) -> Callable[[str], int | None]:
        """Return a lookup from an answer's digest to the game stored from it, with this code and the loaded models.

        Raises `ServingError` and `DatabaseError`.
        """
        models, known = self._scorer.models(), self._history.fingerprints()
        return lambda digest: known.get(self._scorer.fingerprint(digest, models))

    @known_errors()
    def incomplete_games(self) -> list[int]:
        """Return recent games that are over but incomplete, and due for another ping."""
        since = times.timestamp(times.utc_now() - timedelta(days=INCOMPLETE_DAYS))
        return [row["game_id"] for row in self._history.incomplete_games(since) if is_due(row)]

    @known_errors()
    def due_games(self, listed: Sequence[GameSummary], every_s: float, behind: Collection[int] = ()) -> list[int]:
        """Return those of a day's games that are due for a ping while somebody watches them.

        Each is due at most every `every_s` seconds, whoever pinged it; `is_watched_due` has the rest. So is a game in
        `behind`, with shots that the next ping can have rated. Raises `DatabaseError`.
        """
        rows = self._history.game_rows(game.game_id for game in listed)
        return [
            game.game_id
            for game in listed
            if is_watched_due(row := rows.get(game.game_id), game, every_s)
            or (game.game_id in behind and row is not None and is_stale(row, every_s))
        ]

    @known_errors()
    def is_far(self, game_id: int) -> bool:
        """Return whether a game has not begun and is not due for a ping."""
        row = self._history.game_row(game_id)
        waiting = (GameState.NOT_STARTED, GameState.POSTPONED, GameState.CANCELLED)
        return row is not None and row["state"] in waiting and not is_due(row)

    @known_errors()
    def is_over(self, game_id: int) -> bool:
        """Return whether the game is final in the history. Raises `DatabaseError`."""
        return self._history.state(game_id) == GameState.FINAL

    @known_errors()
    def report(
        self, game_id: int, model: str | None = None, count: Count = Count.ALL, moment: Moment | None = None
    ) -> "GameReport | None":
        """Return the `game_report` of a game, from the history alone; None if it was not pinged by then."""
        from livegame.reports.game import game_report  # imports pandas: half a second, saved by quiet pings

        return game_report(self._history, game_id, model, count, moment)
