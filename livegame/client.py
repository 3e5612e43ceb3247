"""The game client: finds what is new in a game, has it scored once, and stores it."""

import hashlib
import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from db.connection import DatabaseError
from db.history import Correction, GameUpdate, History, Prediction, Recorded, Scores
from db.times import timestamp
from livegame.errors import LiveGameError, ModelKeepsChanging, PingedMeanwhile, UnexpectedError
from livegame.features.fingerprint import code_fingerprint
from livegame.features.rows import GameRows, game_rows
from livegame.feed import MAX_FRESH_S, Feed, valid_game_id
from livegame.pace import INCOMPLETE_DAYS, is_due
from livegame.plays import Game, GameState
from livegame.reports.counting import Count
from livegame.scoring.inputs import ModelInputs, read_feature_map
from livegame.scoring.lock import game_lock
from livegame.scoring.open_requests import DerivedKeyRequests, PendingRequests, Request, Rows, ScoringRequests, ShotId
from livegame.settings import ClientSettings
from livegame.staleness import believed
from xgserve.client import ModelChanged, ServingClient, ServingError

if TYPE_CHECKING:
    import pandas as pd

    from livegame.reports.game import GameReport

logger = logging.getLogger("livegame.client")

LOCK_TIMEOUT_S: Final = 20.0
_SWAPS_FOLLOWED: Final = 5
NEVER_ANSWERED: Final = ("invalid_frame", "too_large")  # errors that the same rows will always have


@contextmanager
def named() -> Iterator[None]:
    """Let no exception out that callers do not know; the one place where those of libraries are translated.

    What can be foreseen is told where it happens, with the file or the address and advice.

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


@dataclass(frozen=True)
class Ping:
    """What one ping found and did."""

    game_id: int
    new: tuple[int, ...]  # event ids that this ping saw for the first time, in the feed's order
    corrections: tuple[Correction, ...]
    scored: int  # shots that the service was asked for, and answered
    _history: History = field(repr=False)
    problems: tuple[str, ...] = ()  # what of the feed's answer could not be read
    has_new_problems: bool = False  # whether there are problems, and other ones than at the last ping
    is_older: bool = False  # whether the feed's answer was older than what is stored, or cut short, and changed nothing

    @property
    def changed(self) -> bool:
        """Whether the history holds more, or other, shots and predictions than before."""
        return bool(self.new or self.corrections or self.scored)

    def followed_by(self, other: "Ping") -> "Ping":
        """Both as one: what the second found is what had been stored by the first already."""
        return replace(
            other,
            new=self.new + other.new,
            corrections=self.corrections + other.corrections,
            scored=self.scored + other.scored,
            has_new_problems=self.has_new_problems or other.has_new_problems,
        )

    @cached_property
    def report(self) -> "GameReport":
        """What the history says of the game, read when it is first asked for."""
        report = _report(self._history, self.game_id)
        assert report is not None, "the game was recorded"  # noqa: S101
        return report

    @property
    def new_shots(self) -> "pd.DataFrame":
        """The rows of `report.shots` that this ping saw for the first time."""
        return self.report.shots[self.report.shots["event_id"].isin(self.new)]


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
        self._serving = serving
        self._history = history
        self._data_dir = data_dir
        self._feature_map = feature_map or {}

    @classmethod
    def from_settings(cls, settings: ClientSettings) -> "GameClient":
        """A client of the feed and the service that the settings name."""
        return cls(
            Feed(settings.feed_url, settings.user_agent),
            ServingClient(settings.serving_url),
            History(settings.history_db),
            settings.data_dir,
            read_feature_map(settings.feature_map),
        )

    @named()
    def ping(self, game_id: str | int) -> Ping:
        """Read the game's whole play-by-play, store what is new or corrected, have every unscored shot scored once.

        The game's lock is held from the reading to the storing, so that an older answer of the feed never overwrites
        a newer one, and no two pings ask for the same shot. A ping that had to wait while others pinged the game gives
        what these have stored.

        Raises:
            InvalidGameId, FeedError: the feed gave nothing usable; the history is as it was.
            GameBusy: another ping of this game is at work.
            ServingError: shots are stored but not scored; the next ping asks for them.
            DatabaseError: the history cannot be written.
        """
        number = valid_game_id(game_id)
        try:
            with game_lock(self._data_dir, number, LOCK_TIMEOUT_S, is_ping=True):
                return self._ping(number, PendingRequests(self._data_dir, number))
        except PingedMeanwhile:
            return Ping(number, (), (), 0, self._history)

    @named()
    def take(self, game: Game) -> Ping:
        """Do with a recorded game what `ping` does with a live one. Raises the same errors but those of the feed."""
        with game_lock(self._data_dir, game.game_id, LOCK_TIMEOUT_S):
            rows = self._believed([game_rows(game)], self._history.game_rows([game.game_id]))
            requests = PendingRequests(self._data_dir, game.game_id)
            return self._take(rows, requests)[0] if rows else self._older(game.game_id)

    @named()
    def take_all(self, games: Sequence[GameRows], timeout_s: float) -> list[Ping]:
        """Do with many recorded games what `take` does with one: one request to the service, one transaction.

        `timeout_s` is how long each game's lock is waited for. Raises the same errors as `take`.
        """
        pings: list[Ping] = []
        together: list[GameRows] = []
        with ExitStack() as locks:
            game_ids = sorted(rows.game.game_id for rows in games)
            for game_id in game_ids:
                locks.enter_context(game_lock(self._data_dir, game_id, timeout_s))
            found = {rows.game.game_id: rows for rows in self._believed(games, self._history.game_rows(game_ids))}
            for game_id in game_ids:
                requests = PendingRequests(self._data_dir, game_id)
                if game_id not in found:
                    pings.append(self._older(game_id))
                elif requests.are_open:  # a ping died; what it asked for is to be asked for alone
                    pings += self._take([found[game_id]], requests)
                else:
                    together.append(found[game_id])
            return pings + self._take(together, DerivedKeyRequests())

    @named()
    def active_model(self) -> str:
        """The id of the model that the service would score with now. Raises `ServingError`."""
        return self._ask_model().model_id

    @named()
    def taken(self) -> Callable[[str], int | None]:
        """Tells of an answer's digest which game's last complete ping took that answer, if any did.

        It goes by this code and the model that is active now. Raises `ServingError` and `DatabaseError`.
        """
        model, known = self._ask_model(), self._history.fingerprints()
        return lambda digest: known.get(self._fingerprint(digest, model))

    @named()
    def incomplete_games(self) -> list[int]:
        """Games of the last days that ended without all that an end has, and that it is time to ask for again."""
        since = timestamp(datetime.now(UTC) - timedelta(days=INCOMPLETE_DAYS))
        return [row["game_id"] for row in self._history.incomplete_games(since) if is_due(row)]

    @named()
    def is_far(self, game_id: int) -> bool:
        """Whether a game has not begun and was asked for not long ago, for how far away it is."""
        row = self._history.game_row(game_id)
        waiting = (GameState.NOT_STARTED, GameState.POSTPONED, GameState.CANCELLED)
        return row is not None and row["state"] in waiting and not is_due(row)

    @named()
    def is_over(self, game_id: int) -> bool:
        """Whether the history has the game, as final. Raises `DatabaseError`."""
        return self._history.state(game_id) == GameState.FINAL

    def report(self, game_id: int, model: str | None = None, count: Count = Count.ALL) -> "GameReport | None":
        """What the history says of a game, without asking anybody else; None if it was never pinged.

        `model` is the one to report on, if it has scored the game; by default that of the last complete ping. `count`
        says which shots are in the sums.
        """
        return _report(self._history, game_id, model, count)

    def _ping(self, game_id: int, requests: PendingRequests) -> Ping:
        stored = self._history.game_rows([game_id])
        if self._is_fresh(stored.get(game_id)):
            return Ping(game_id, (), (), 0, self._history)
        answer = self._feed.answer(game_id)
        stale_at = timestamp(datetime.now(UTC) + timedelta(seconds=answer.fresh_s)) if answer.fresh_s else None

        def rows() -> list[GameRows]:
            read = self._feed.read_game(game_id, answer)
            return self._believed([game_rows(read, answer.digest, stale_at)], stored)

        try:
            model = self._ask_model()
        except BaseException:
            self._record(rows())  # the shots wait, where everybody sees them
            raise
        if self._history.confirm(game_id, self._fingerprint(answer.digest, model), stale_at):
            return Ping(game_id, (), (), 0, self._history)
        found = rows()
        return self._take(found, requests, model)[0] if found else self._older(game_id, stale_at)

    def _is_fresh(self, row: Mapping[str, Any] | None) -> bool:
        """Whether all is stored of an answer that is still the newest by the feed's word, whoever had it."""
        if row is None or row["fingerprint"] is None or row["stale_at"] is None:
            return False
        left = (datetime.fromisoformat(row["stale_at"]) - datetime.now(UTC)).total_seconds()
        # more than that is left only on a clock that was set back
        return 0 < left <= MAX_FRESH_S and row["model"] == self._ask_model().model_id

    def _believed(self, games: Sequence[GameRows], stored: Mapping[int, Mapping[str, Any]]) -> list[GameRows]:
        """What of these answers is to be recorded; those that are older than what is stored are left out."""
        found = (believed(rows, stored.get(rows.game.game_id)) for rows in games)
        return [rows for rows in found if rows is not None]

    def _older(self, game_id: int, stale_at: str | None = None) -> Ping:
        logger.info(
            "game %d: the feed's answer is older than what is stored, or cut short; nothing was changed", game_id
        )
        self._history.note_ping(game_id, stale_at)
        return Ping(game_id, (), (), 0, self._history, is_older=True)

    def _take(
        self, games: Sequence[GameRows], requests: ScoringRequests, model: ModelInputs | None = None
    ) -> list[Ping]:
        """Have the shots of some games scored that the active model has not scored, and store all there is of them."""
        pings = [Ping(rows.game.game_id, (), (), 0, self._history) for rows in games]
        swaps = 0
        while swaps < _SWAPS_FOLLOWED:
            try:
                model = model or self._ask_model()
                ready = self._ready(games, model)
                request = requests.next(model.model_id, ready) if ready else Request("", {})
                scores = self._ask(request, requests, model, ready)
            except ModelChanged:
                swaps, model = swaps + 1, None
                continue
            except BaseException:
                self._record(games)  # the shots wait, where everybody sees them
                raise
            is_all = ready.keys() <= request.rows.keys()
            found = self._record(games, [self._scores_of(rows, scores, model, is_all=is_all) for rows in games])
            pings = [earlier.followed_by(later) for earlier, later in zip(pings, found, strict=True)]
            if request.rows:
                requests.close(request, ready.keys())
            if is_all:
                return pings
        self._record(games)
        raise ModelKeepsChanging(
            f"the service's model changed {_SWAPS_FOLLOWED} times while games were being rated; try again"
        )

    def _ready(self, games: Sequence[GameRows], model: ModelInputs) -> dict[ShotId, Mapping[str, Any]]:
        scored = self._history.scored((rows.game.game_id for rows in games), model.model_id)
        return {
            (rows.game.game_id, event_id): inputs
            for rows in games
            for event_id, inputs in model.unscored(rows, scored[rows.game.game_id]).items()
        }

    def _ask(
        self, request: Request, requests: ScoringRequests, model: ModelInputs, ready: Rows
    ) -> dict[int, list[Prediction]]:
        """The answer by game, to what is still `ready`."""
        answers: dict[int, list[Prediction]] = {}
        if request.rows:
            # refused unless this very model is still loaded: no row is scored for a model that has it already
            try:
                probabilities, _ = self._serving.predict_rows(
                    list(model.columns),
                    [model.as_row(inputs) for inputs in request.rows.values()],
                    if_match=model.model_id,
                    idempotency_key=request.key,
                )
            except ServingError as error:
                if error.code in NEVER_ANSWERED:
                    requests.drop(request)
                raise
            for (shot, inputs), probability in zip(request.rows.items(), probabilities, strict=True):
                if shot in ready:  # others were taken back since they were asked for; their request stays open
                    game_id, event_id = shot
                    answers.setdefault(game_id, []).append((event_id, probability, inputs))
        return answers

    def _scores_of(
        self, rows: GameRows, answers: Mapping[int, list[Prediction]], model: ModelInputs, *, is_all: bool
    ) -> Scores:
        is_complete = is_all and rows.digest is not None and not rows.problems
        return Scores(
            model.model_id,
            model.population,
            answers.get(rows.game.game_id, ()),
            self._fingerprint(rows.digest, model) if is_complete and rows.digest else None,
            model.trained_on,
        )

    def _record(self, games: Sequence[GameRows], scores: Sequence[Scores] = ()) -> list[Ping]:
        updates = [
            GameUpdate(rows.game, rows.shots, rows.power_plays, rows.unreadable, answer, rows.stale_at)
            for rows, answer in zip_longest(games, scores)
        ]
        return [
            self._ping_of(rows, recorded)
            for rows, recorded in zip(games, self._history.record_all(updates), strict=True)
        ]

    def _ping_of(self, rows: GameRows, recorded: Recorded) -> Ping:
        game_id, has_new_problems = rows.game.game_id, recorded.has_new_problems
        if has_new_problems:  # once, not with every ping
            logger.warning("game %d, in the feed's answer: %s", game_id, rows.game.problems)
        return Ping(
            game_id,
            recorded.new,
            recorded.corrections,
            recorded.scored,
            self._history,
            rows.problems,
            has_new_problems,
        )

    def _ask_model(self) -> ModelInputs:
        return ModelInputs.from_model(self._serving.model(), self._feature_map)

    def _fingerprint(self, digest: str, model: ModelInputs) -> str:
        """Of everything that the stored rows and predictions of a game are made of."""
        parts = (digest, code_fingerprint(), model.model_id, sorted(self._feature_map.items()))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@named()
def _report(history: History, game_id: int, model: str | None = None, count: Count = Count.ALL) -> "GameReport | None":
    from livegame.reports.game import (
        game_report,  # brings pandas, half a second that a quiet ping from cron does not need
    )

    return game_report(history, game_id, model, count)
