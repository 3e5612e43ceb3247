"""The challengers of the active model: what they expect, how long they may take, and which of them failed.

A challenger must never cost the active model anything: it is asked after it, within a time limit, and whatever it does
wrong leaves its own shots unscored until the next ping.
"""

import logging
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from livegame.errors import UnknownFeatures
from livegame.scoring.inputs import ModelInputs
from xgserve.client import ModelNotLoaded, ServingClient, ServingError

logger = logging.getLogger("livegame.scoring")

PING_S: Final = 3.0  # that all challengers together may add to a ping
BATCH_S: Final = 30.0  # and to the recording of many games
RESTS_S: Final = 30.0  # how long one that took too long is not asked, so that many pings in a row do not wait for it
_SHORTEST_S: Final = 0.5  # for an answer that the service has at hand


class Turn:
    """The challengers' part in recording some games: the time that is left, and which could not score which games."""

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._stop_at: float | None = None
        self._problems: dict[str, dict[int, str]] = {}  # by model and game

    @property
    def left_s(self) -> float:
        """The seconds left, counted from the first time that they are asked for."""
        if self._stop_at is None:
            self._stop_at = time.monotonic() + self._limit_s
        return self._stop_at - time.monotonic()

    def fail(self, model_id: str, games: Iterable[int], problem: str) -> None:
        """Note why a challenger could not score these games."""
        self._problems.setdefault(model_id, {}).update(dict.fromkeys(games, problem))

    def has_failed(self, model_id: str) -> bool:
        """Return whether the challenger is not to be asked again in this turn."""
        return model_id in self._problems

    def problems_of(self, game_id: int) -> dict[str, str]:
        """Return the challengers that could not score a game, and why."""
        return {model: games[game_id] for model, games in self._problems.items() if game_id in games}


class Challengers:
    """What is known of the service's challengers. Any thread may call any method."""

    def __init__(self, serving: ServingClient, feature_map: Mapping[str, str]) -> None:
        self._serving = serving
        self._feature_map = feature_map
        self._inputs: dict[str, ModelInputs] = {}  # an id names exactly one artifact, so it is asked for once
        self._unusable: dict[str, str] = {}  # why, by id
        self._rests_until: dict[str, float] = {}
        self._reported: set[tuple[str, str]] = set()

    def to_ask(self, ids: Sequence[str], games: Sequence[int], turn: Turn) -> list[ModelInputs]:
        """Return what the challengers of these ids expect; the turn has the problems of those that cannot be asked.

        One that expects columns that we do not have is not among its problems: it will never score anything.
        """
        if any(model_id not in self._inputs and model_id not in self._unusable for model_id in ids):
            self._learn(ids, games, turn)
        now = time.monotonic()
        for model_id in ids:
            if self._rests_until.get(model_id, now) > now:
                turn.fail(model_id, games, f"{model_id} took too long a moment ago")
        return [
            self._inputs[model_id] for model_id in ids if model_id in self._inputs and not turn.has_failed(model_id)
        ]

    def unusable(self, ids: Iterable[str]) -> dict[str, str]:
        """Return the challengers among these that will never score anything for this client, and why."""
        return {model_id: self._unusable[model_id] for model_id in ids if model_id in self._unusable}

    def note_failure(self, model_id: str, games: Sequence[int], error: Exception, turn: Turn) -> None:
        """Note that a challenger could not score these games; the log has each kind of failure once."""
        code = error.code if isinstance(error, ServingError) else type(error).__name__
        if code == "timeout":
            self._rests_until[model_id] = time.monotonic() + RESTS_S
        turn.fail(model_id, games, f"{model_id}: {error}")
        self._report(model_id, code, error)

    def _learn(self, ids: Sequence[str], games: Sequence[int], turn: Turn) -> None:
        """Ask the service what its challengers expect."""
        try:
            answer = self._serving.challengers(timeout=max(turn.left_s, _SHORTEST_S))
        except ServingError as error:
            for model_id in ids:
                self.note_failure(model_id, games, error, turn)
            return
        described = {model.id: model for model in answer.challengers}
        for model_id in ids:
            if model_id not in described:  # dropped in between
                turn.fail(model_id, games, f"{model_id} is not loaded any more")
                continue
            try:
                self._inputs[model_id] = ModelInputs.from_model(described[model_id], self._feature_map)
            except UnknownFeatures as error:
                self._unusable[model_id] = str(error)
                self._report(model_id, "unknown_features", error)

    def _report(self, model_id: str, code: str, error: Exception) -> None:
        if (model_id, code) not in self._reported:
            self._reported.add((model_id, code))
            level = logging.INFO if isinstance(error, ModelNotLoaded) else logging.WARNING
            logger.log(
                level, "the challenger %s did not score its shots, the next ping asks again: %s", model_id, error
            )
