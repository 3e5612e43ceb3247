"""The answers to requests with an Idempotency-Key."""

from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from db.connection import reading, transaction
from db.serving.schema import DELETE_BATCH, MIGRATIONS, open_serving
from db.times import now

ROW_BYTES: Final = 500  # what an answer takes on disk and in memory besides its own bytes


class StoredAnswers:
    """The answers by question, a request's digest. Calls wait at most `timeout_s` seconds for a lock."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s

    def find(self, question: bytes) -> bytes | None:
        """Return the answer to a question; None if there is none.

        Raises:
            DatabaseError: the file cannot be used.
        """
        with reading(self._path, MIGRATIONS, self._timeout_s) as connection:
            found = connection.execute("SELECT answer FROM answers WHERE question = ?", (question,)).fetchone()
        return bytes(found["answer"]) if found else None

    def keep(self, answers: Mapping[bytes, bytes]) -> None:
        """Store answers by question; they are on disk when this returns.

        Raises:
            DatabaseError: SQLite could not write; none was stored.
        """
        at = now()
        with closing(open_serving(self._path, self._timeout_s)) as connection, transaction(connection):
            connection.executemany(
                "INSERT OR REPLACE INTO answers (question, at, answer) VALUES (?, ?, ?)",
                [(question, at, answer) for question, answer in answers.items()],
            )

    def questions(self) -> set[bytes]:
        """Return all questions that have an answer.

        Raises:
            DatabaseError: the file cannot be used.
        """
        with reading(self._path, MIGRATIONS, self._timeout_s) as connection:
            return {bytes(row["question"]) for row in connection.execute("SELECT question FROM answers")}

    def size(self) -> int:
        """Return how many bytes the answers take.

        Raises:
            DatabaseError: the file cannot be used.
        """
        with reading(self._path, MIGRATIONS, self._timeout_s) as connection:
            found = connection.execute("SELECT count(*) AS rows, total(length(answer)) AS bytes FROM answers")
            row = found.fetchone()
            return int(row["bytes"]) + ROW_BYTES * int(row["rows"])

    def trim(self, oldest: str, max_bytes: int) -> int:
        """Delete up to `DELETE_BATCH` answers from before `oldest`, or the oldest beyond `max_bytes`; return how many.

        Raises:
            DatabaseError: SQLite could not write.
        """
        excess = self.size() - max_bytes
        with closing(open_serving(self._path, self._timeout_s)) as connection, transaction(connection):
            return connection.execute(
                """
                DELETE FROM answers WHERE question IN (
                    SELECT question FROM (
                        SELECT question, at, sum(length(answer) + :row) OVER (ORDER BY at, question) AS so_far,
                            length(answer) + :row AS own
                        FROM (SELECT question, at, answer FROM answers ORDER BY at, question LIMIT :batch))
                    WHERE at < :oldest OR so_far - own < :excess)
                """,
                {"batch": DELETE_BATCH, "oldest": oldest, "excess": excess, "row": ROW_BYTES},
            ).rowcount
