"""A write-ahead note, beside the game's lock file, of rows sent to the service but not yet stored.

A ping that dies after the service's answer and before storing it leaves rows that were scored and are not stored. The
next ping that wants one of them sends those very rows again, under the same key, and the service answers without
scoring them. A question stays open until each of its rows is stored: the league may take a shot back before its answer
could be stored, and bring it again later.
"""

import hashlib
import os
import secrets
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec

from db.connection import DatabaseError
from db.files import open_no_link, why

ShotId = tuple[int, int]  # game id, event id
Rows = Mapping[ShotId, Mapping[str, Any]]  # the model's inputs


class Question(NamedTuple):
    """Rows that a model is to score, and the Idempotency-Key that they are sent with."""

    key: str
    rows: Rows


class AnyQuestions(Protocol):
    """Decides what to ask for, and under which key."""

    def next(self, model_id: str, ready: Rows) -> Question:
        """What to ask for now, all or a part of what is `ready`, and perhaps more."""

    def close(self, question: Question, stored: Set[ShotId]) -> None:
        """The answers for these rows of the question are stored."""

    def drop(self, question: Question) -> None:
        """The question is useless: it can have no answer."""


class _Open(NamedTuple):
    """A question as it is noted; `waiting` are the rows whose answer is not stored."""

    model_id: str
    question: Question
    waiting: frozenset[ShotId]

    def is_answerable(self, ready: Rows) -> bool:
        """Whether the rows hold what the model is given now, which the feature map may have changed."""
        wanted = next(iter(ready.values())).keys()
        return all(inputs.keys() == wanted for inputs in self.question.rows.values())


class Questions:
    """The open questions of one game, for the holder of its lock.

    The file is replaced as a whole: whenever its writer dies, it holds what it held before or what it is to hold now.
    """

    def __init__(self, data_dir: Path, game_id: int) -> None:
        self._path = data_dir / "locks" / f"{game_id}.questions"

    @property
    def are_open(self) -> bool:
        """Whether there are any."""
        return bool(self._read())

    def next(self, model_id: str, ready: Rows) -> Question:
        """What to ask for now: an open question if one of its rows is wanted, else a new one for all that is `ready`.

        The league may have changed the inputs meanwhile, but a shot keeps the first answer that it was given.

        Raises:
            DatabaseError: it cannot be noted. What could not be stored is not asked for either.
        """
        noted = self._read()
        for other in noted:
            wanted = other.model_id == model_id and not other.waiting.isdisjoint(ready)
            if wanted and other.is_answerable(ready):
                return other.question
        question = Question(secrets.token_hex(16), ready)
        # what is asked for anew waits for no older question
        rest = [other._replace(waiting=other.waiting - (ready.keys() if other.model_id == model_id else set()))
                for other in noted]  # fmt: skip
        self._write([*rest, _Open(model_id, question, frozenset(ready))])
        return question

    def close(self, question: Question, stored: Set[ShotId]) -> None:
        """Forget the question when all of its rows are stored: these, and those that were before.

        Raises:
            DatabaseError: the file cannot be written.
        """
        self._write(
            other._replace(waiting=other.waiting - stored) if other.question.key == question.key else other
            for other in self._read()
        )

    def drop(self, question: Question) -> None:
        """Forget the question, which can have no answer.

        Raises:
            DatabaseError: the file cannot be written.
        """
        self._write(other for other in self._read() if other.question.key != question.key)

    def drop_all(self) -> None:
        """Forget all questions: the game itself is forgotten.

        Raises:
            DatabaseError: the file cannot be removed.
        """
        self._write(())

    def _read(self) -> list[_Open]:
        try:
            noted = msgspec.json.decode(self._path.read_bytes())
            return [
                _Open(
                    model_id,
                    Question(key, {(game_id, event_id): inputs for game_id, event_id, inputs in rows}),
                    frozenset((game_id, event_id) for game_id, event_id in waiting),
                )
                for model_id, key, rows, waiting in noted
            ]
        except FileNotFoundError:
            return []
        except (TypeError, ValueError, msgspec.MsgspecError):  # no file of ours; nobody can tell what was asked
            return []
        except OSError as error:
            raise self._unusable("read", error) from error

    def _write(self, questions: Iterable[_Open]) -> None:
        noted = [
            [model_id, question.key, [[*shot, inputs] for shot, inputs in question.rows.items()], sorted(waiting)]
            for model_id, question, waiting in questions
            if waiting
        ]
        try:
            if not noted:
                self._path.unlink(missing_ok=True)
                return
            part = self._path.with_suffix(".part")
            with open(part, "wb", opener=open_no_link) as file:
                file.write(msgspec.json.encode(noted))
                file.flush()
                os.fsync(file.fileno())  # the service's answer outlives a power cut, and so must its key
            part.replace(self._path)
        except OSError as error:
            raise self._unusable("write", error) from error

    def _unusable(self, what: str, error: OSError) -> DatabaseError:
        return DatabaseError(f"cannot {what} {self._path}: {why(self._path, error)}")


class RepeatableQuestions:
    """Questions on recorded games, which stay as they are: the key follows from the rows, so nothing need be noted."""

    def next(self, model_id: str, ready: Rows) -> Question:
        """All that is `ready`."""
        shots = hashlib.sha256(msgspec.json.encode([model_id, list(ready)]))
        return Question(shots.hexdigest(), ready)

    def close(self, question: Question, stored: Set[ShotId]) -> None:
        """Nothing was noted."""

    def drop(self, question: Question) -> None:
        """Nothing was noted."""
