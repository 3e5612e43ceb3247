"""Spies on the product: they note what simulated threads do in it, and change nothing."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch

from db.connection import DatabaseError
from db.history import GameUpdate, History, Outbox
from db.serving import StoredAnswers
from livegame.scoring.open_requests import DerivedKeyRequests, PendingRequests, Request
from tests.simulation.evidence import (
    NOWHERE,
    AcceptedNotice,
    Complaint,
    Evidence,
    Forgotten,
    KeptAnswer,
    Noted,
    Stored,
)
from xgserve.web.idempotency import Answers


@contextmanager
def watching(evidence: Evidence) -> Iterator[None]:
    """Have it noted what simulated threads do. Plant faults before: spies watch what is there."""
    spies = _Spies(evidence)
    with ExitStack() as patches:
        for where, name, spy in (
            (PendingRequests, "next", spies.next(PendingRequests.next, is_derived=False)),
            (DerivedKeyRequests, "next", spies.next(DerivedKeyRequests.next, is_derived=True)),
            (Answers, "once", spies.once(Answers.once)),
            (StoredAnswers, "keep", spies.keep(StoredAnswers.keep)),
            (StoredAnswers, "trim", spies.trim(StoredAnswers.trim)),
            (StoredAnswers, "questions", spies.questions(StoredAnswers.questions)),
            (History, "record_all", spies.record_all(History.record_all)),
            (History, "add_scores", spies.add_scores(History.add_scores)),
            (Outbox, "accept", spies.accept(Outbox.accept)),
        ):
            patches.enter_context(patch.object(where, name, spy))
        handler = _Complaints(evidence)
        logging.getLogger().addHandler(handler)
        patches.callback(logging.getLogger().removeHandler, handler)
        yield


class _Spies:
    """Wrappers of methods, by the name of the method."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._keys: dict[bytes, tuple[str, str]] = {}  # by question: key and model

    def next(self, real: Callable[..., Request], *, is_derived: bool) -> Callable[..., Request]:
        def spy(requests: Any, model_id: str, ready: Any) -> Request:
            request = real(requests, model_id, ready)
            if (process := self._evidence.who()) is not None:
                self._evidence.requests.append(
                    Noted(self._evidence.now(), process, request.key, model_id, request.rows, is_derived)
                )
            return request

        return spy

    def once(self, real: Callable[..., bytes]) -> Callable[..., bytes]:
        def spy(answers: Answers, key: str, model_id: str, body: bytes, answer: Callable[[], bytes]) -> bytes:
            question = hashlib.sha256(f"{key}\n{model_id}\n".encode() + body).digest()
            self._keys[question] = (key, model_id)
            return real(answers, key, model_id, body, answer)

        return spy

    def keep(self, real: Callable[..., None]) -> Callable[..., None]:
        def spy(store: StoredAnswers, answers: Mapping[bytes, bytes]) -> None:
            questions = list(answers)
            real(store, answers)
            if (process := self._evidence.who()) is not None:
                for question in questions:
                    key, model = self._keys[question]
                    self._evidence.kept.append(KeptAnswer(self._evidence.now(), process, key, model))

        return spy

    def trim(self, real: Callable[..., int]) -> Callable[..., int]:
        def spy(store: StoredAnswers, oldest: str, max_bytes: int) -> int:
            trimmed = real(store, oldest, max_bytes)
            if trimmed:
                self._evidence.forgotten.append(
                    Forgotten(self._evidence.now(), self._evidence.who() or NOWHERE, is_trim=True)
                )
            return trimmed

        return spy

    def questions(self, real: Callable[..., set[bytes]]) -> Callable[..., set[bytes]]:
        def spy(store: StoredAnswers) -> set[bytes]:
            try:
                return real(store)
            except DatabaseError:
                self._evidence.forgotten.append(
                    Forgotten(self._evidence.now(), self._evidence.who() or NOWHERE, is_trim=False)
                )
                raise

        return spy

    def record_all(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def spy(history: History, updates: Any, news: Any = None) -> Any:
            updates = list(updates)
            found = real(history, updates, news)
            if (process := self._evidence.who()) is not None:
                for update in updates:
                    self._evidence.stored.append(
                        _stored(update, self._evidence.now(), process, is_told=news is not None)
                    )
            return found

        return spy

    def add_scores(self, real: Callable[..., int]) -> Callable[..., int]:
        def spy(history: History, scores: Any) -> int:
            count = real(history, scores)
            if (process := self._evidence.who()) is not None:
                for game_id, of_game in scores.items():
                    predictions = {
                        (event, of_game.model): (p, dict(inputs)) for event, p, inputs in of_game.predictions
                    }
                    nothing: frozenset[int] = frozenset()
                    self._evidence.stored.append(
                        Stored(self._evidence.now(), process, game_id, None, nothing, nothing, predictions)
                    )
            return count

        return spy

    def accept(self, real: Callable[..., None]) -> Callable[..., None]:
        def spy(outbox: Outbox, due: Any, address: str) -> None:
            real(outbox, due, address)
            if (process := self._evidence.who()) is not None:
                self._evidence.accepted.append(AcceptedNotice(self._evidence.now(), process, due.notice_id, address))

        return spy


def _stored(update: GameUpdate, at_s: float, process: str, *, is_told: bool) -> Stored:
    predictions = {
        (event, scores.model): (probability, dict(inputs))
        for scores in (*((update.scores,) if update.scores else ()), *update.challengers)
        for event, probability, inputs in scores.predictions
    }
    return Stored(
        at_s,
        process,
        update.game.game_id,
        str(update.game.state),
        frozenset(shot.event_id for shot in update.shots),
        frozenset(row.event_id for row in update.blocked or ()),
        predictions,
        is_told=is_told,
    )


class _Complaints(logging.Handler):
    """Notes errors and tracebacks that simulated threads log."""

    def __init__(self, evidence: Evidence) -> None:
        super().__init__(logging.DEBUG)
        self._evidence = evidence
        self._format = logging.Formatter()

    def handle(self, record: logging.LogRecord) -> bool:
        """Note the record if it is one; without the lock of handlers, which simulated threads may not wait for."""
        process = self._evidence.who()
        if process is not None and (record.levelno >= logging.ERROR or record.exc_info):
            traceback = self._format.formatException(record.exc_info) if record.exc_info else None
            at_s, said = self._evidence.now(), record.getMessage()
            self._evidence.complaints.append(Complaint(at_s, process, record.name, record.levelno, said, traceback))
        return True
