"""Has the active model score each shot once, and stores shots and answers together."""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from db.history import GameUpdate, History, Prediction, Recorded, Scores
from livegame.errors import ModelKeepsChanging
from livegame.features.fingerprint import code_fingerprint
from livegame.scoring.inputs import ModelInputs
from livegame.scoring.open_requests import Request, Rows, ScoringRequests
from xgserve.client import ModelChanged, ModelDescription, RowsRefused, ServingClient

logger = logging.getLogger("livegame.scoring")

_SWAPS_FOLLOWED: Final = 5
RESCORE_TIMEOUT_S: Final = 120.0  # for the answer to a batch of games, by a slow model
_NOTHING: Final = Request("", {})


class Scorer:
    """Has shots scored by the service. The caller holds the games' locks."""

    def __init__(self, serving: ServingClient, history: History, feature_map: Mapping[str, str]) -> None:
        self._serving = serving
        self._history = history
        self._feature_map = feature_map

    def active_model(self) -> ModelInputs:
        """Return what the active model expects. Raises `ServingError` and `UnknownFeatures`."""
        return self.inputs_of(self._serving.model())

    def loaded_models(self) -> list[ModelDescription]:
        """Return the active model and the challengers, in this order. Raises `ServingError`."""
        return [self._serving.model(), *self._serving.challengers().challengers]

    def inputs_of(self, model: ModelDescription) -> ModelInputs:
        """Return what a model expects. Raises `UnknownFeatures`."""
        return ModelInputs.from_model(model, self._feature_map)

    def fingerprint(self, digest: str, model: ModelInputs) -> str:
        """Return a fingerprint of everything that a game's rows and predictions are made from."""
        parts = (digest, code_fingerprint(), model.model_id, sorted(self._feature_map.items()))
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()

    def record(
        self, updates: Sequence[GameUpdate], requests: ScoringRequests, model: ModelInputs | None = None
    ) -> list[Recorded]:
        """Have the active model score the shots that it has not scored, and store the games.

        Raises:
            ServingError, LiveGameError: shots are stored but not scored; the next ping asks for them.
            DatabaseError: the history or the note of a request cannot be written.
        """
        total = [Recorded(update.game.game_id) for update in updates]
        swaps = 0
        while swaps < _SWAPS_FOLLOWED:
            try:
                model = model or self.active_model()
                ready = self._unscored(updates, model)
                request = requests.next(model.model_id, ready) if ready else _NOTHING
                # `if_match` refuses another model, which may have scored these rows already
                answers = self._ask(request, requests, model, ready, {"if_match": model.model_id})
            except ModelChanged:
                swaps, model = swaps + 1, None
                continue
            except BaseException:
                self.store(updates)  # the shots are shown as pending
                raise
            is_all = ready.keys() <= request.rows.keys()
            scores = [self._scores(update, answers, model, is_all=is_all) for update in updates]
            found = self.store([replace(update, scores=of) for update, of in zip(updates, scores, strict=True)])
            total = [earlier.followed_by(later) for earlier, later in zip(total, found, strict=True)]
            if request.rows:
                requests.close(request, ready.keys())
            if is_all:
                return total
        self.store(updates)
        raise ModelKeepsChanging(
            f"the service's model changed {_SWAPS_FOLLOWED} times while games were being rated; try again"
        )

    def rescore(self, game_ids: Sequence[int], model: ModelInputs, requests: ScoringRequests) -> int:
        """Have a loaded model score the stored shots of games that it has not scored; return how many were stored.

        Nothing else of the games changes, neither the model that they are shown by nor the time of their last ping.

        Raises:
            ServingError, DatabaseError: nothing more can be scored or stored; the next rescore asks for the rest.
        """
        stored = 0
        while ready := self._unscored(self._history.stored_updates(game_ids), model):
            request = requests.next(model.model_id, ready)
            to = {"model": model.model_id, "timeout": RESCORE_TIMEOUT_S}
            answers = self._ask(request, requests, model, ready, to)
            stored += self._history.add_scores(
                {
                    game_id: Scores(model.model_id, model.population, found, trained_on=model.trained_on)
                    for game_id, found in answers.items()
                }
            )
            requests.close(request, ready.keys())
        return stored

    def store(self, updates: Sequence[GameUpdate]) -> list[Recorded]:
        """Store the games in one transaction. Raises `DatabaseError`."""
        stored = self._history.record_all(updates)
        for update, recorded in zip(updates, stored, strict=True):
            if recorded.has_new_problems:  # once, not with every ping
                logger.warning("game %d, in the feed's answer: %s", recorded.game_id, update.game.problems)
        return stored

    def _unscored(self, updates: Sequence[GameUpdate], model: ModelInputs) -> Rows:
        scored = self._history.scored((update.game.game_id for update in updates), model.model_id)
        return {
            (update.game.game_id, event_id): inputs
            for update in updates
            for event_id, inputs in model.unscored(update, scored[update.game.game_id]).items()
        }

    def _ask(
        self, request: Request, requests: ScoringRequests, model: ModelInputs, ready: Rows, to: Mapping[str, Any]
    ) -> dict[int, list[Prediction]]:
        """Send the request and return the answers by game, for the shots that are still `ready`.

        `to` are the arguments of `ServingClient.predict_rows` that say which model is asked.
        """
        answers: dict[int, list[Prediction]] = {}
        if request.rows:
            try:
                probabilities, _ = self._serving.predict_rows(
                    list(model.columns),
                    [model.as_row(inputs) for inputs in request.rows.values()],
                    idempotency_key=request.key,
                    **to,
                )
            except RowsRefused:
                requests.drop(request)
                raise
            for (shot, inputs), probability in zip(request.rows.items(), probabilities, strict=True):
                if shot in ready:  # others were retracted since; their request stays open
                    game_id, event_id = shot
                    answers.setdefault(game_id, []).append((event_id, probability, inputs))
        return answers

    def _scores(
        self, update: GameUpdate, answers: Mapping[int, list[Prediction]], model: ModelInputs, *, is_all: bool
    ) -> Scores:
        is_complete = is_all and update.digest is not None and not update.problems
        return Scores(
            model.model_id,
            model.population,
            answers.get(update.game.game_id, ()),
            self.fingerprint(update.digest, model) if is_complete and update.digest else None,
            model.trained_on,
        )
