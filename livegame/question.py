"""What the service was asked to score of a game and has not been stored yet, kept in the game's lock file.

A ping that dies after the service's answer and before storing it leaves rows that were scored and are not stored. The
next ping first asks for those very rows again, under the same key, and the service answers without scoring them.
"""

import hashlib
import secrets
from collections.abc import Mapping
from typing import IO, Any, NamedTuple, Protocol

import msgspec

from db.connection import DatabaseError

ShotId = tuple[int, int]  # game id, event id
Rows = Mapping[ShotId, Mapping[str, Any]]  # the model's inputs


class Question(NamedTuple):
    """Rows that a model is to score, and the Idempotency-Key that they are sent with."""

    key: str
    rows: Rows


class AnyQuestions(Protocol):
    """Decides what to ask for, and under which key."""

    def next(self, model_id: str, ready: Rows) -> Question:
        """What to ask for now, all or a part of what is `ready`."""

    def close(self, model_id: str) -> None:
        """The answer is stored."""


class Questions:
    """The open questions of one game, one for a model at most. `file` is the game's lock file, held."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    @property
    def are_open(self) -> bool:
        """Whether there are any."""
        return bool(self._read())

    def next(self, model_id: str, ready: Rows) -> Question:
        """What to ask for now: the open question if any of it is still wanted, else a new one for all that is `ready`.

        The league may have changed the inputs meanwhile, but a shot keeps the first answer that it was given.

        Raises:
            DatabaseError: it cannot be noted. What could not be stored is not asked for either.
        """
        noted = self._read()
        last = noted.get(model_id)
        if last is not None and not ready.keys().isdisjoint(last.rows):
            return last
        question = Question(secrets.token_hex(16), ready)
        self._write(noted | {model_id: question})
        return question

    def close(self, model_id: str) -> None:
        """Forget the model's question: its answer is stored.

        Raises:
            DatabaseError: the file cannot be written.
        """
        self._write({other: question for other, question in self._read().items() if other != model_id})

    def _read(self) -> dict[str, Question]:
        self._file.seek(0)
        try:
            noted = msgspec.json.decode(self._file.read()) or {}
            return {
                model_id: Question(key, {(game_id, event_id): inputs for game_id, event_id, inputs in rows})
                for model_id, (key, rows) in noted.items()
            }
        except (AttributeError, TypeError, ValueError, msgspec.MsgspecError):  # none, or killed while noting it
            return {}

    def _write(self, questions: Mapping[str, Question]) -> None:
        noted = {
            model_id: [question.key, [[*shot, inputs] for shot, inputs in question.rows.items()]]
            for model_id, question in questions.items()
        }
        try:
            self._file.truncate(0)
            if noted:
                self._file.write(msgspec.json.encode(noted).decode())
            self._file.flush()
        except OSError as error:
            raise DatabaseError(
                f"cannot write {self._file.name}: {error.strerror}; check the disk and XG_DATA_DIR"
            ) from error


class RepeatableQuestions:
    """Questions on recorded games, which stay as they are: the key follows from the rows, so nothing need be noted."""

    def next(self, model_id: str, ready: Rows) -> Question:
        """All that is `ready`."""
        shots = hashlib.sha256(msgspec.json.encode([model_id, list(ready)]))
        return Question(shots.hexdigest(), ready)

    def close(self, model_id: str) -> None:
        """Nothing was noted."""
