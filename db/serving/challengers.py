"""The record of the models that are loaded beside the active one."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from db.connection import Connection, is_there, reading, transaction
from db.serving.schema import MIGRATIONS, open_serving
from db.times import now


@dataclass(frozen=True)
class StoredChallenger:
    """A row of `challengers`: a model to load at the next start, beside the active one."""

    workspace: str
    model: str
    version: str
    digest: str
    request_id: str | None = None


class Challengers:
    """The record of the challengers, the oldest first."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def all(self) -> list[StoredChallenger]:
        """Return the recorded challengers.

        Raises:
            DatabaseError: the file cannot be used.
        """
        if not is_there(self._path):
            return []
        with reading(self._path, MIGRATIONS) as connection:
            rows = connection.execute(
                "SELECT workspace, model, version, digest, request_id FROM challengers ORDER BY id"
            )
            return [StoredChallenger(**dict(row)) for row in rows]

    def add(self, challenger: StoredChallenger) -> None:
        """Record a challenger; it is on disk when this returns.

        Raises:
            DatabaseError: SQLite could not write.
        """
        with closing(open_serving(self._path)) as connection, transaction(connection):
            add_challenger(connection, challenger)

    def remove(self, workspace: str, model: str, version: str) -> None:
        """Remove a challenger from the record.

        Raises:
            DatabaseError: SQLite could not write.
        """
        with closing(open_serving(self._path)) as connection, transaction(connection):
            remove_challenger(connection, workspace, model, version)


def add_challenger(connection: Connection, challenger: StoredChallenger) -> None:
    """Record a challenger, in the caller's transaction; one of the same name is replaced, and keeps its place."""
    connection.execute(
        """
        INSERT INTO challengers (at, workspace, model, version, digest, request_id) VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (workspace, model, version) DO UPDATE
        SET at = excluded.at, digest = excluded.digest, request_id = excluded.request_id
        """,
        (
            now(),
            challenger.workspace,
            challenger.model,
            challenger.version,
            challenger.digest,
            challenger.request_id,
        ),
    )


def remove_challenger(connection: Connection, workspace: str, model: str, version: str) -> None:
    """Remove a challenger from the record, in the caller's transaction."""
    connection.execute(
        "DELETE FROM challengers WHERE workspace = ? AND model = ? AND version = ?", (workspace, model, version)
    )
