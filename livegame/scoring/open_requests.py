"""A write-ahead note, in a file beside the game's lock, of rows sent to the service but not yet stored.

If a ping dies after the service has answered, its rows are scored but not stored. The next ping that needs one of them
repeats the request under the same key, and the service answers without scoring again. A request stays open until each
of its rows is stored: the league may retract a shot before its answer is stored, and restore it later.
"""

import os
import secrets
from collections.abc import Iterable, Mapping, Set
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from db.connection import DatabaseError
from db.files import open_no_link, sync_folder, why

RESCORE: Final = "rescore"  # holds the open requests of all games that a rescore sends
BACKFILL: Final = "backfill"  # and those that a backfill sends
ShotId = tuple[int, int]  # game id, event id
Rows = Mapping[ShotId, Mapping[str, Any]]  # the model's inputs


class Request(NamedTuple):
    """Rows for a model to score, and the Idempotency-Key that they are sent with."""

    key: str
    rows: Rows


class _Open(NamedTuple):
    """A request as it is noted; `waiting` are the rows whose answer is not stored."""

    model_id: str
    request: Request
    waiting: frozenset[ShotId]

    def is_answerable(self, ready: Rows) -> bool:
        """Return whether its rows have the inputs of `ready`; the feature map may have changed since."""
        wanted = next(iter(ready.values())).keys()
        return all(inputs.keys() == wanted for inputs in self.request.rows.values())


class PendingRequests:
    """The open requests of one game, or of many games of a rescore or a backfill, for the holder of the lock.

    The file is replaced as a whole: whenever its writer dies, it holds either the old requests or the new ones.
    """

    def __init__(self, data_dir: Path, holder: int | str) -> None:
        self._path = data_dir / "locks" / f"{holder}.questions"
        others = () if holder in (RESCORE, BACKFILL) else (RESCORE, BACKFILL)
        self._of_many = [PendingRequests(data_dir, other) for other in others]
        self._dropped: set[str] = set()  # keys, also of requests that only another holder may forget

    @property
    def are_open(self) -> bool:
        """Whether any request is open."""
        return bool(self._read())

    @property
    def open(self) -> list[tuple[str, Request]]:
        """The open requests, each with the id of its model."""
        return [(noted.model_id, noted.request) for noted in self._read()]

    @property
    def waiting_games(self) -> set[int]:
        """The games with rows whose answer is not stored."""
        return {game_id for noted in self._read() for game_id, _ in noted.waiting}

    def next(self, model_id: str, ready: Rows) -> Request:
        """Return an open request if one of its rows is needed, else a new one for all that is `ready`.

        An open request of a rescore or a backfill that died is repeated as well; the next one closes it. The league may
        have changed the inputs meanwhile, but a shot keeps the first answer that it was given.

        Raises:
            DatabaseError: the request cannot be noted, and must not be sent.
        """
        noted = self._read()
        for other in [*noted, *(of_many for holder in self._of_many for of_many in holder._read())]:
            wanted = other.model_id == model_id and not other.waiting.isdisjoint(ready)
            if wanted and other.is_answerable(ready) and other.request.key not in self._dropped:
                return other.request
        request = Request(secrets.token_hex(16), ready)
        # rows of the new request no longer wait for an older one
        rest = [other._replace(waiting=other.waiting - (ready.keys() if other.model_id == model_id else set()))
                for other in noted]  # fmt: skip
        self._write([*rest, _Open(model_id, request, frozenset(ready))])
        return request

    def close(self, answered: Mapping[str, Set[ShotId]]) -> None:
        """Note that these rows are stored, by the key of their request; forget a request once all of its rows are.

        Raises:
            DatabaseError: the file cannot be written.
        """
        self._write(
            other._replace(waiting=other.waiting - answered.get(other.request.key, frozenset()))
            for other in self._read()
        )

    def drop(self, request: Request) -> None:
        """Forget a request that the service will never answer.

        Raises:
            DatabaseError: the file cannot be written.
        """
        self._dropped.add(request.key)
        self._write(other for other in self._read() if other.request.key != request.key)

    def drop_all(self) -> None:
        """Forget all requests: the game itself is forgotten.

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
                    Request(key, {(game_id, event_id): inputs for game_id, event_id, inputs in rows}),
                    frozenset((game_id, event_id) for game_id, event_id in waiting),
                )
                for model_id, key, rows, waiting in noted
            ]
        except FileNotFoundError:
            return []
        except (TypeError, ValueError, msgspec.MsgspecError):  # not a file of ours; what was sent is unknown
            return []
        except OSError as error:
            raise self._unusable("read", error) from error

    def _write(self, requests: Iterable[_Open]) -> None:
        noted = [
            [model_id, request.key, [[*shot, inputs] for shot, inputs in request.rows.items()], sorted(waiting)]
            for model_id, request, waiting in requests
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
            for folder in (self._path.parent, self._path.parent.parent):  # its name too, in a folder that may be new
                sync_folder(folder)
        except OSError as error:
            raise self._unusable("write", error) from error

    def _unusable(self, what: str, error: OSError) -> DatabaseError:
        return DatabaseError(f"cannot {what} {self._path}: {why(self._path, error)}")
