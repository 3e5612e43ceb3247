"""Whole tables and views of the history, as batches of rows, while others write to it."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

from db.connection import DatabaseError, connect, explained, open_reader
from db.explore.descriptions import Column, columns_of, descriptions
from db.files import why
from db.history.schema import MIGRATIONS

ROWS: Final = 10_000  # per batch
_NAMES: Final = "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%' ORDER BY 1"


class NotInHistory(DatabaseError):
    """The history has no such table or view, or it cannot be filtered in this way; the message says what there is."""


class Export(NamedTuple):
    """A table or view: its columns, and its rows in batches of at most `ROWS`."""

    columns: Mapping[str, Column]
    batches: Iterator[Sequence[tuple[Any, ...]]]


@contextmanager
def exporting(
    path: Path, name: str, folder: Path, *, season: int | None = None, game: int | None = None
) -> Iterator[Export]:
    """Open a table or view of the history as of one moment; all of it, or one season's, or one game's.

    It is read from a copy, which takes as much room in `folder` as the history and is gone at the end however this
    process ends: without WAL, a reader delays everyone who writes, and an export may take minutes.

    Raises:
        NotInHistory: there is no such table or view, or it has no seasons or games.
        DatabaseError: the history cannot be read or copied.
    """
    with _copy(path, folder) as connection, explained(f"cannot read {path}", path):
        names = [str(row[0]) for row in connection.execute(_NAMES)]
        if name not in names:
            raise NotInHistory(f"the history has no table or view {name}; it has {', '.join(names)}")
        columns = {column: descriptions()[name].column(column) for column in columns_of(connection, name)}
        where = _where(name, columns, season=season, game=game)
        rows = connection.execute(
            f"SELECT * FROM {name} {where}",  # noqa: S608 - one of its own names
            {"season": season, "game": game},
        )
        yield Export(columns, _batches(rows))


def _where(name: str, columns: Mapping[str, Column], *, season: int | None, game: int | None) -> str:
    conditions = []
    if game is not None:
        if "game_id" not in columns:
            raise NotInHistory(f"{name} has no games to choose from")
        conditions.append("game_id = :game")
    if season is not None:
        if "season" in columns:
            conditions.append("season = :season")
        elif "game_id" in columns:
            conditions.append("game_id IN (SELECT game_id FROM games WHERE season = :season)")
        else:
            raise NotInHistory(f"{name} has no seasons to choose from")
    return f"WHERE {' AND '.join(conditions)}" if conditions else ""


def _batches(rows: sqlite3.Cursor) -> Iterator[Sequence[tuple[Any, ...]]]:
    rows.row_factory = None
    while batch := rows.fetchmany(ROWS):
        yield batch


@contextmanager
def _copy(path: Path, folder: Path) -> Iterator[sqlite3.Connection]:
    """Copy the history into `folder`, and delete the copy as soon as it is open."""
    try:
        with TemporaryDirectory(prefix=".history-", dir=folder) as place:
            target = Path(place) / path.name
            with closing(open_reader(path, MIGRATIONS)) as source:
                copy = connect(target, "rwc", None)
                with explained(f"cannot copy {path} into {folder}", target):
                    source.backup(copy)
                    copy.execute("SELECT 1 FROM games").fetchone()  # opens the file
    except OSError as error:
        raise DatabaseError(f"cannot copy {path} into {folder}: {why(folder, error)}") from error
    with closing(copy):
        yield copy
