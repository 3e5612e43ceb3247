"""The record of which model was made active when."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from db.connection import BUSY_TIMEOUT_S, is_there, reading, transaction
from db.serving.challengers import StoredChallenger, add_challenger, remove_challenger
from db.serving.schema import MIGRATIONS, open_serving
from db.times import now


@dataclass(frozen=True)
class StoredActivation:
    """A row of `activations`: a model that was made active, and when."""

    at: str
    workspace: str
    model: str
    version: str
    digest: str
    source: str
    request_id: str | None
    followed: str | None


@dataclass(frozen=True)
class LastFollowed:
    """What following made active last: its version, and whether another activation has come after it."""

    version: str
    is_overruled: bool


class Activations:
    """The record of which model was made active when, newest last."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(
        self,
        *,
        workspace: str,
        model: str,
        version: str,
        digest: str,
        source: str,
        request_id: str | None = None,
        followed: str | None = None,
        keep: StoredChallenger | None = None,
    ) -> None:
        """Append an activation; it is on disk when this returns.

        `followed` is what the service follows, if that made it active. The model is no challenger any more; the former
        active one is, if it is to be kept (`keep`).

        Raises:
            DatabaseError: SQLite could not write.
        """
        with closing(open_serving(self._path)) as connection, transaction(connection):
            connection.execute(
                """
                INSERT INTO activations (at, workspace, model, version, digest, source, request_id, followed)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                """,
                (now(), workspace, model, version, digest, source, request_id, followed),
            )
            remove_challenger(connection, workspace, model, version)
            if keep is not None:
                add_challenger(connection, keep)

    def latest(self) -> StoredActivation | None:
        """Return the newest activation; None if there never was one.

        Raises:
            DatabaseError: the file cannot be used.
        """
        return next(iter(self.newest(1)), None)

    def previous(self) -> StoredActivation | None:
        """Return the newest activation of another model than the latest one; None if there is none.

        Raises:
            DatabaseError: the file cannot be used.
        """
        found = self._all(
            """
            SELECT * FROM activations
            WHERE (workspace, model, version) IS NOT (
                SELECT workspace, model, version FROM activations ORDER BY id DESC LIMIT 1)
            ORDER BY id DESC LIMIT 1
            """
        )
        return next(iter(found), None)

    def last_followed(self, followed: str) -> LastFollowed | None:
        """Return what following made active last; None if that was nothing, or if it followed something else then.

        Raises:
            DatabaseError: the file cannot be used.
        """
        rows = self._all("SELECT * FROM activations WHERE followed IS NOT NULL ORDER BY id DESC LIMIT 1")
        if not rows or rows[0].followed != followed:
            return None
        return LastFollowed(rows[0].version, is_overruled=self.latest() != rows[0])

    def newest(self, limit: int, timeout_s: float = BUSY_TIMEOUT_S) -> list[StoredActivation]:
        """Return up to `limit` activations, newest first; wait `timeout_s` for a lock.

        Raises:
            DatabaseError: the file cannot be used.
        """
        return self._all("SELECT * FROM activations ORDER BY id DESC LIMIT ?", limit, timeout_s=timeout_s)

    def _all(self, select: str, *values: int, timeout_s: float = BUSY_TIMEOUT_S) -> list[StoredActivation]:
        if not is_there(self._path):
            return []
        with reading(self._path, MIGRATIONS, timeout_s) as connection:
            rows = [dict(row) for row in connection.execute(select, values)]
        return [StoredActivation(**{key: value for key, value in row.items() if key != "id"}) for row in rows]
