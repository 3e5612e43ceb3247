"""Spies on the product: they note what simulated threads do in it, and change nothing."""

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from unittest.mock import patch

from db.connection import BUSY_TIMEOUT_S, DatabaseError
from db.history import GameUpdate, History, Outbox, Scores
from db.serving import StoredAnswers
from livegame import client
from livegame.deadline import DEADLINE_S
from livegame.feed import CONNECT_TIMEOUT_S, READ_TIMEOUT_S, RETRIES, Feed
from livegame.lock import LOCK_WAIT_S
from livegame.scoring.open_requests import PendingRequests, Request
from tests.simulation.evidence import (
    NOWHERE,
    AcceptedNotice,
    Attempt,
    Complaint,
    Evidence,
    Forgotten,
    Inputs,
    KeptAnswer,
    Loaded,
    Noted,
    Stored,
)
from xgserve import client as serving_client
from xgserve.client import ServingClient
from xgserve.web.idempotency import Answers

_DATABASE_S: Final = 4 * BUSY_TIMEOUT_S  # to open a file, choose its journal, begin and commit may each wait
_FEED_S: Final = (1 + RETRIES) * (CONNECT_TIMEOUT_S + READ_TIMEOUT_S + 1.0) + DEADLINE_S + READ_TIMEOUT_S
_WAITS: Final = (
    (Feed, "answer", "an answer of the feed", _FEED_S),
    *(
        (History, name, f"History.{name}", _DATABASE_S)
        for name in ("game_row", "confirm", "scored", "record_all", "add_scores", "note_ping", "read_game")
    ),
    *((Outbox, name, f"Outbox.{name}", _DATABASE_S) for name in ("next", "begin", "accept", "fail", "drop_late")),
)


@contextmanager
def watching(evidence: Evidence) -> Iterator[None]:
    """Have it noted what simulated threads do. Plant faults before: spies watch what is there."""
    spies = _Spies(evidence)
    with ExitStack() as patches:
        for where, name, spy in (
            (PendingRequests, "next", spies.next(PendingRequests.next)),
            (Answers, "once", spies.once(Answers.once)),
            (StoredAnswers, "keep", spies.keep(StoredAnswers.keep)),
            (StoredAnswers, "trim", spies.trim(StoredAnswers.trim)),
            (StoredAnswers, "questions", spies.questions(StoredAnswers.questions)),
            (History, "record_all", spies.record_all(History.record_all)),
            (History, "add_scores", spies.add_scores(History.add_scores)),
            (Outbox, "begin", spies.begin(Outbox.begin)),
            (Outbox, "accept", spies.accept(Outbox.accept)),
            (Outbox, "fail", spies.fail(Outbox.fail)),
            (ServingClient, "model", spies.model(ServingClient.model)),
            (ServingClient, "challengers", spies.challengers(ServingClient.challengers)),
        ):
            patches.enter_context(patch.object(where, name, spy))
        for owner, name, what, allowed_s in _WAITS:
            patches.enter_context(patch.object(owner, name, spies.timed(getattr(owner, name), what, allowed_s)))
        patches.enter_context(patch("livegame.client.game_lock", spies.lock(vars(client)["game_lock"])))
        patches.enter_context(patch.object(ServingClient, "_call", spies.call(ServingClient._call)))
        handler = _Complaints(evidence)
        logging.getLogger().addHandler(handler)
        patches.callback(logging.getLogger().removeHandler, handler)
        yield


class _Spies:
    """Wrappers of methods, by the name of the method."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence
        self._keys: dict[bytes, tuple[str, str]] = {}  # by question: key and model

    def next(self, real: Callable[..., Request]) -> Callable[..., Request]:
        def spy(requests: Any, model_id: str, ready: Any) -> Request:
            request = real(requests, model_id, ready)
            if (process := self._evidence.who()) is not None:
                self._evidence.requests.append(
                    Noted(self._evidence.now(), process, request.key, model_id, request.rows)
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
                self._evidence.stored += [_stored(update, self._evidence.now(), process) for update in updates]
            return found

        return spy

    def add_scores(self, real: Callable[..., int]) -> Callable[..., int]:
        def spy(history: History, scores: Mapping[int, Scores]) -> int:
            count = real(history, scores)
            if (process := self._evidence.who()) is not None:
                at_s = self._evidence.now()
                self._evidence.stored += [Stored(at_s, process, game, _by(of)) for game, of in scores.items()]
            return count

        return spy

    def timed(self, real: Callable[..., Any], what: str, allowed_s: float) -> Callable[..., Any]:
        def spy(*arguments: Any, **named: Any) -> Any:
            with self._evidence.waiting(what, allowed_s):
                return real(*arguments, **named)

        return spy

    def lock(self, real: Callable[..., Any]) -> Callable[..., Any]:
        @contextmanager
        def spy(data_dir: Path, game_id: int, timeout_s: float, *, is_ping: bool = False) -> Iterator[None]:
            lock = real(data_dir, game_id, timeout_s, is_ping=is_ping)
            with ExitStack() as held:
                with self._evidence.waiting(f"the lock of game {game_id}", min(timeout_s, LOCK_WAIT_S)):
                    held.enter_context(lock)
                yield

        return spy

    def call(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def spy(serving: ServingClient, kind: Any, method: str, path: str, **named: Any) -> Any:
            timeout = named.get("timeout") or serving.timeout
            connect_s, retries = min(serving_client.CONNECT_TIMEOUT_S, timeout), 2
            read_s = timeout * (1 + retries) if method == "GET" else timeout
            with self._evidence.waiting(f"{method} {path}", (1 + retries) * (connect_s + 1.0) + read_s):
                return real(serving, kind, method, path, **named)

        return spy

    def model(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def spy(serving: ServingClient) -> Any:
            found = real(serving)
            if (process := self._evidence.who()) is not None:
                self._evidence.described[found.id] = found
                self._evidence.loaded.append(Loaded(self._evidence.now(), process, found, tuple(found.challengers)))
            return found

        return spy

    def challengers(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def spy(serving: ServingClient, **named: Any) -> Any:
            found = real(serving, **named)
            if self._evidence.who() is not None:
                self._evidence.described |= {model.id: model for model in found.challengers}
            return found

        return spy

    def begin(self, real: Callable[..., None]) -> Callable[..., None]:
        def spy(outbox: Outbox, due: Any, address: str) -> None:
            if (process := self._evidence.who()) is not None:
                self._evidence.attempts.append(Attempt(self._evidence.now(), process, due.notice_id, address))
            real(outbox, due, address)

        return spy

    def fail(self, real: Callable[..., None]) -> Callable[..., None]:
        def spy(outbox: Outbox, due: Any, address: str, problem: str) -> None:
            real(outbox, due, address, problem)
            if (process := self._evidence.who()) is not None:
                self._evidence.refused.append(Attempt(self._evidence.now(), process, due.notice_id, address))

        return spy

    def accept(self, real: Callable[..., None]) -> Callable[..., None]:
        def spy(outbox: Outbox, due: Any, address: str) -> None:
            real(outbox, due, address)
            if (process := self._evidence.who()) is not None:
                self._evidence.accepted.append(AcceptedNotice(self._evidence.now(), process, due.notice_id, address))

        return spy


def _stored(update: GameUpdate, at_s: float, process: str) -> Stored:
    given = (*((update.scores,) if update.scores else ()), *update.challengers)
    predictions = {key: prediction for scores in given for key, prediction in _by(scores).items()}
    return Stored(
        at_s,
        process,
        update.game.game_id,
        predictions,
        update.game,
        update.digest,
        {shot.event_id: shot.features for shot in update.shots},
        frozenset(row.event_id for row in update.blocked or ()),
    )


def _by(scores: Scores) -> dict[tuple[int, str], tuple[float, Inputs]]:
    return {(event, scores.model): (probability, inputs) for event, probability, inputs in scores.predictions}


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
