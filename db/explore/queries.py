"""What a reader of history.db is shown beside its rows: descriptions, and queries with names."""

import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from db.connection import reading
from db.explore.descriptions import Description, columns_of, descriptions
from db.history.schema import MIGRATIONS

_QUERIES: Final = Path(__file__).with_name("queries.toml")


class Query(NamedTuple):
    """A question to the history."""

    name: str
    title: str
    text: str
    sql: str  # its parameters have names, and a blank one takes the newest


def queries() -> Iterator[Query]:
    """Yield the queries of queries.toml."""
    read = tomllib.loads(_QUERIES.read_text(encoding="utf-8"))
    asked = read.pop("queries")
    for name, found in asked.items():
        sql = found["sql"]
        for part, text in read.items():
            sql = sql.replace(f"{{{part}}}", text.strip())
        yield Query(name, found["title"], found["text"], sql.strip())


def is_old(path: Path) -> bool:
    """Return whether an earlier version of this program wrote the history, so that it lacks what is described here.

    Raises:
        DatabaseError: it cannot be read.
    """
    with reading(path) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0]) < max(MIGRATIONS)


def metadata(path: Path) -> dict[str, Any]:
    """Return titles, descriptions and queries as Datasette's metadata for the history at `path`.

    Raises:
        DatabaseError: it cannot be read.
    """
    with reading(path, MIGRATIONS) as connection:
        columns = {name: columns_of(connection, name) for name in descriptions()}
    return {
        "title": "Live expected goals: the history",
        "description": "Games, attempts, predictions of each model, and the league's corrections; read-only.",
        "tables": {name: _table(found, columns[name]) for name, found in descriptions().items()},
        "queries": {
            query.name: {"title": query.title, "description": query.text, "sql": query.sql, "hide_sql": True}
            for query in queries()
        },
    }


def _table(found: Description, columns: Iterable[str]) -> dict[str, Any]:
    described = {name: found.column(name) for name in columns}
    table = {
        "title": found.title,
        "description": f"{found.text} Filter by game_id: many games take too long." if found.is_long else found.text,
        "columns": {name: f"{column.text} ({column.kind})" for name, column in described.items()},
        "facets": list(found.facets),
        "hidden": found.is_hidden,
    }
    if found.sort:
        column, _, direction = found.sort.partition(" ")
        table["sort_desc" if direction else "sort"] = column
    return table
