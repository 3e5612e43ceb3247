"""`Idempotency-Key`: a repeated request gets the answer that it had before, and is not scored twice.

This follows the IETF's draft with one difference: a key is combined with the model and the body, so the same key with
another body is another request. Each answer is written to serving.db before it is sent, so a restart forgets none.
Answers are kept for `KEPT_DAYS`, or until they fill `MAX_KEPT_BYTES`, which pings alone never do. While the database
cannot be used, new answers wait in memory, and a repeated request is refused if its answer cannot be read.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Final

from db import times
from db.connection import DatabaseError
from db.serving import DELETE_BATCH, READ_TIMEOUT_S, ROW_BYTES, StoredAnswers, open_serving
from xgserve.errors import DatabaseUnavailable
from xgserve.single_flight import SingleFlight

logger = logging.getLogger("xgserve.idempotency")

KEPT_DAYS: Final = 30
MAX_KEPT_BYTES: Final = 1_000_000_000  # a hundred times the answers to a month of pings; the oldest go first
KEPT_WHEN_FULL: Final = 0.95  # the share left after trimming, so that not every answer trims
TRIM_EVERY_S: Final = 3600.0
LOCK_TIMEOUT_S: Final = 0.25  # a prediction must not wait for an open transaction
RETRY_S: Final = 1.0  # after a failure, before the database is tried again
MAX_UNWRITTEN_BYTES: Final = 32_000_000  # of answers that wait for the database


class Answers:
    """The answers to requests with a key. Any thread may call any method."""

    def __init__(self, database: Path) -> None:
        self._store = StoredAnswers(database, LOCK_TIMEOUT_S)
        self._flights = SingleFlight[bytes]()
        self._writing = threading.Lock()
        self._unwritten: dict[bytes, bytes] = {}  # the oldest first
        self._written: set[bytes] = set()  # hashes of answered requests, known even while the file cannot be read
        self._kept_bytes = 0  # at the last trim, and written since
        self._problem: str | None = None
        self._retry_at = self._trim_at = 0.0
        with suppress(DatabaseError):  # the log says why; the first answer that can be written tries again
            open_serving(database, READ_TIMEOUT_S).close()  # so that the file exists from the service's start
            self._written = StoredAnswers(database, READ_TIMEOUT_S).questions()

    def once(self, key: str, model_id: str, body: bytes, answer: Callable[[], bytes]) -> bytes:
        """Return the result of `answer`, or the stored one for a repeated request; "" means no key.

        Waits if another thread is making the answer. Exceptions of `answer` are not stored.

        Raises:
            DatabaseUnavailable: the stored answer cannot be read now.
        """
        if not key:
            return answer()
        question = hashlib.sha256(f"{key}\n{model_id}\n".encode() + body).digest()
        return self._flights.run(question, lambda: self._find(question) or self._keep(question, answer()))

    def close(self) -> None:
        """Write the answers that are still in memory, if possible."""
        self._retry_at = 0.0
        self._write()

    def _find(self, question: bytes) -> bytes | None:
        if (unwritten := self._unwritten.get(question)) is not None:
            return unwritten
        if time.monotonic() >= self._retry_at:
            try:
                return self._store.find(question)
            except DatabaseError as error:
                self._failed(error)
        if question in self._written:
            raise DatabaseUnavailable(
                f"this request was answered before, and the answer cannot be read now: {self._problem}; nothing was"
                " scored, send it again",
                headers={"Retry-After": "1"},
            )
        return None

    def _keep(self, question: bytes, answer: bytes) -> bytes:
        with self._writing:
            self._unwritten[question] = answer
        self._write()
        return answer

    def _write(self) -> None:
        """Write all answers in memory, including those of other threads."""
        with self._writing:
            if not self._unwritten or time.monotonic() < self._retry_at:
                self._make_room()
                return
            try:
                self._store.keep(self._unwritten)
                self._written.update(self._unwritten)
                self._kept_bytes += sum(len(answer) + ROW_BYTES for answer in self._unwritten.values())
                self._unwritten.clear()
                if time.monotonic() >= self._trim_at or self._kept_bytes > MAX_KEPT_BYTES:
                    self._trim()
            except DatabaseError as error:
                self._failed(error)
                self._make_room()
                return
        if self._problem is not None:
            logger.info("the answers to requests with an Idempotency-Key can be kept again")
            self._problem = None

    def _trim(self) -> None:
        oldest = times.timestamp(times.utc_now() - timedelta(days=KEPT_DAYS))
        is_full = self._kept_bytes > MAX_KEPT_BYTES
        if self._store.trim(oldest, int(MAX_KEPT_BYTES * (KEPT_WHEN_FULL if is_full else 1))) < DELETE_BATCH:
            self._trim_at = time.monotonic() + TRIM_EVERY_S
            self._written = self._store.questions()
            self._kept_bytes = self._store.size()
        else:  # the next answer continues
            self._trim_at = 0.0

    def _make_room(self) -> None:
        size = sum(map(len, self._unwritten.values()))
        while size > MAX_UNWRITTEN_BYTES:
            size -= len(self._unwritten.pop(next(iter(self._unwritten))))

    def _failed(self, error: DatabaseError) -> None:
        self._retry_at = time.monotonic() + RETRY_S
        if self._problem is None:  # once, not per request
            logger.warning("the answers to requests with an Idempotency-Key cannot be kept for now: %s", error)
        self._problem = str(error)
