"""Has the active model and its challengers score each shot once, and stores shots and answers together."""

import hashlib
import json
import logging
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from db.connection import DatabaseError
from db.history import GameUpdate, History, Prediction, Recorded, Scores
from livegame.errors import ModelKeepsChanging
from livegame.features.fingerprint import code_fingerprint
from livegame.notices.news import news
from livegame.scoring.challengers import Challengers, Turn
from livegame.scoring.inputs import ModelInputs
from livegame.scoring.open_requests import PendingRequests, Request, Rows
from xgserve.client import (
    ModelChanged,
    ModelDescription,
    ModelNotLoaded,
    RowsRefused,
    ServiceUnavailable,
    ServingClient,
    ServingError,
)

logger = logging.getLogger("livegame.scoring")

_SWAPS_FOLLOWED: Final = 5
RESCORE_TIMEOUT_S: Final = 120.0  # for the answer to a batch of games, by a slow model
_NOTHING: Final = Request("", {})


@dataclass(frozen=True, slots=True)
class Models:
    """The models that the service has loaded: what the active one expects, and the ids of its challengers."""

    active: ModelInputs
    challengers: tuple[str, ...]


class _Answer(NamedTuple):
    """What a model answered to a request."""

    model: ModelInputs
    request: Request
    games: frozenset[int]
    ready: Rows  # what it could score of them and had not scored; the request may have less, or more
    predictions: Mapping[int, list[Prediction]]  # by game, for the shots that are still ready

    @property
    def is_all(self) -> bool:
        """Whether all that was ready is answered."""
        return self.ready.keys() <= self.request.rows.keys()


class Scorer:
    """Has shots scored by the service. The caller holds the games' locks."""

    def __init__(self, serving: ServingClient, history: History, feature_map: Mapping[str, str]) -> None:
        self._serving = serving
        self._history = history
        self._feature_map = feature_map
        self._challengers = Challengers(serving, feature_map)

    def models(self) -> Models:
        """Return the models that are loaded now. Raises `ServingError` and `UnknownFeatures`."""
        model = self._serving.model()
        return Models(self.inputs_of(model), tuple(model.challengers))

    def loaded_models(self) -> list[ModelDescription]:
        """Return the active model and the challengers, in this order. Raises `ServingError`."""
        return [self._serving.model(), *self._serving.challengers().challengers]

    def inputs_of(self, model: ModelDescription) -> ModelInputs:
        """Return what a model expects. Raises `UnknownFeatures`."""
        return ModelInputs.from_model(model, self._feature_map)

    def fingerprint(self, digest: str, models: Models, without: Container[str] = ()) -> str:
        """Return a fingerprint of everything that a game's rows and predictions are made from.

        The challengers `without` have not scored all of its shots.
        """
        return f"{_hashed(digest, code_fingerprint())}-{self._mark(models, without)}"

    def is_by(self, fingerprint: str, models: Models) -> bool:
        """Return whether a game of this fingerprint was scored by all of these models, and by no other."""
        return fingerprint.endswith(f"-{self._mark(models)}")

    def _mark(self, models: Models, without: Container[str] = ()) -> str:
        challengers = sorted(model_id for model_id in models.challengers if model_id not in without)
        return _hashed(models.active.model_id, challengers, sorted(self._feature_map.items()))

    def record(
        self,
        updates: Sequence[GameUpdate],
        requests: PendingRequests,
        challengers_s: float,
        models: Models | None = None,
    ) -> list[Recorded]:
        """Have each model score the shots that it has not scored, and store the games.

        All challengers together may take `challengers_s` seconds. One that fails or is too slow scores its shots at the
        next ping.

        Raises:
            ServingError, LiveGameError: shots are stored but not scored; the next ping asks for them.
            DatabaseError: the history or the note of a request cannot be written.
        """
        total = [Recorded(update.game.game_id) for update in updates]
        swaps, turn = 0, Turn(challengers_s)
        while swaps < _SWAPS_FOLLOWED:
            try:
                models = models or self.models()
                answers = [self._ask(models.active, updates, requests)]
            except ModelChanged:
                swaps, models = swaps + 1, None
                continue
            except BaseException:
                self.store(updates)  # the shots are shown as pending
                raise
            try:
                for answer in self._ask_challengers(models.challengers, updates, requests, turn):
                    answers.append(answer)  # noqa: PERF402 - what was answered before an error must be stored
            finally:  # also if the ping runs out of time meanwhile
                found = self._store_answers(updates, models, answers, turn)
                if answered := {answer.request.key: answer.ready.keys() for answer in answers if answer.request.rows}:
                    requests.close(answered)
            total = [earlier.followed_by(later) for earlier, later in zip(total, found, strict=True)]
            if all(answer.is_all for answer in answers):
                return total
        self.store(updates)
        raise ModelKeepsChanging(
            f"the service's model changed {_SWAPS_FOLLOWED} times while games were being rated; try again"
        )

    def rescore(self, game_ids: Sequence[int], model: ModelInputs, requests: PendingRequests) -> int:
        """Have a loaded model score the stored shots of games that it has not scored; return how many were stored.

        Nothing else of the games changes, neither the model that they are shown by nor the time of their last ping.

        Raises:
            ServingError, DatabaseError: nothing more can be scored or stored; the next rescore asks for the rest.
        """
        stored = 0
        while True:
            answer = self._ask(model, self._history.stored_updates(game_ids), requests, RESCORE_TIMEOUT_S)
            if not answer.ready:
                return stored
            stored += self._history.add_scores({game_id: _scores(answer, game_id) for game_id in answer.predictions})
            requests.close({answer.request.key: answer.ready.keys()})

    def settle(self, requests: PendingRequests) -> None:
        """Close what others have stored meanwhile of open requests. Raises `DatabaseError`."""
        stored = {}
        for model_id, request in requests.open:
            scored = self._history.scored({game_id for game_id, _ in request.rows}, model_id)
            stored[request.key] = {(game_id, event_id) for game_id, events in scored.items() for event_id in events}
        if stored:
            requests.close(stored)

    def store(self, updates: Sequence[GameUpdate]) -> list[Recorded]:
        """Store the games in one transaction. Raises `DatabaseError`."""
        stored = self._history.record_all(updates, news)
        for update, recorded in zip(updates, stored, strict=True):
            if recorded.has_new_problems:  # once, not with every ping
                logger.warning("game %d, in the feed's answer: %s", recorded.game_id, update.game.problems)
        return stored

    def _store_answers(
        self, updates: Sequence[GameUpdate], models: Models, answers: Sequence[_Answer], turn: Turn
    ) -> list[Recorded]:
        """Store the games with the answers, that of the active model first, in one transaction."""
        active, *challengers = answers
        unusable = self._challengers.unusable(models.challengers)
        done = {(answer.model.model_id, game_id) for answer in challengers if answer.is_all for game_id in answer.games}
        scored = []
        for update in updates:
            game_id = update.game.game_id
            fingerprint = None
            if active.is_all and update.digest is not None and not update.problems:
                left = {of for of in models.challengers if of not in unusable and (of, game_id) not in done}
                fingerprint = self.fingerprint(update.digest, models, without=left)
            by_challengers = [_scores(answer, game_id) for answer in challengers if game_id in answer.games]
            scored.append(
                replace(update, scores=_scores(active, game_id, fingerprint), challengers=tuple(by_challengers))
            )
        return [
            replace(recorded, challenger_problems=(*unusable.values(), *turn.problems_of(recorded.game_id).values()))
            for recorded in self.store(scored)
        ]

    def _ask_challengers(
        self, ids: Sequence[str], updates: Sequence[GameUpdate], requests: PendingRequests, turn: Turn
    ) -> Iterator[_Answer]:
        """Yield the answers of the challengers, each of which gets an equal share of the time that is left."""
        if not ids:
            return
        games = [update.game.game_id for update in updates]
        models = self._challengers.to_ask(ids, games, turn)
        for number, model in enumerate(models):
            others = len(models) - number - 1
            yield from self._ask_challenger(model, updates, requests, turn, turn.left_s * others / (others + 1))

    def _ask_challenger(
        self,
        model: ModelInputs,
        updates: Sequence[GameUpdate],
        requests: PendingRequests,
        turn: Turn,
        leave_s: float,
    ) -> Iterator[_Answer]:
        """Yield the answer of a challenger, by game if it refuses rows of some; leave `leave_s` of the turn's time."""
        try:
            yield self._ask(model, updates, requests, turn.left_s - leave_s)
        except (ServingError, DatabaseError) as error:
            if isinstance(error, RowsRefused) and len(updates) > 1:
                for update in updates:
                    yield from self._ask_challenger(model, [update], requests, turn, leave_s)
            else:
                self._challengers.note_failure(model.model_id, [update.game.game_id for update in updates], error, turn)

    def _ask(
        self,
        model: ModelInputs,
        updates: Sequence[GameUpdate],
        requests: PendingRequests,
        timeout: float | None = None,
    ) -> _Answer:
        """Have a model score what it has not scored: the active one, or with `timeout`, whatever it is by now."""
        ready = self._unscored(updates, model)
        games = frozenset(update.game.game_id for update in updates)
        if not ready:
            return _Answer(model, _NOTHING, games, ready, {})
        if timeout is not None and timeout <= 0:
            raise ServiceUnavailable("no time was left for it", code="timeout")
        request = requests.next(model.model_id, ready)
        try:
            probabilities, _ = self._serving.predict_rows(
                list(model.columns),
                [model.as_row(inputs) for inputs in request.rows.values()],
                model=None if timeout is None else model.model_id,
                if_match=model.model_id,  # refuses another model, which may have scored these rows already
                idempotency_key=request.key,
                timeout=timeout,
            )
        except RowsRefused:
            requests.drop(request)
            if request.rows is not ready:  # the refused ones may be others
                return self._ask(model, updates, requests, timeout)
            raise
        except ModelNotLoaded:
            if request.rows is ready:  # it is new, so nothing of it was ever scored
                requests.drop(request)
            raise
        predictions: dict[int, list[Prediction]] = {}
        for (shot, inputs), probability in zip(request.rows.items(), probabilities, strict=True):
            if shot in ready:  # others were retracted since; their request stays open
                game_id, event_id = shot
                predictions.setdefault(game_id, []).append((event_id, probability, inputs))
        return _Answer(model, request, games, ready, predictions)

    def _unscored(self, updates: Sequence[GameUpdate], model: ModelInputs) -> Rows:
        scored = self._history.scored((update.game.game_id for update in updates), model.model_id)
        return {
            (update.game.game_id, event_id): inputs
            for update in updates
            for event_id, inputs in model.unscored(update, scored[update.game.game_id]).items()
        }


def _scores(answer: _Answer, game_id: int, fingerprint: str | None = None) -> Scores:
    model = answer.model
    predictions = answer.predictions.get(game_id, ())
    return Scores(model.model_id, model.population, predictions, fingerprint, model.trained_on)


def _hashed(*parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]
