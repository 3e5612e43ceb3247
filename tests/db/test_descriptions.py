"""Every table, view and column of the newest schema is described, and nothing else is."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from db.connection import open_writer
from db.explore.descriptions import Kind, descriptions
from db.history.schema import MIGRATIONS
from tests.conftest import Service
from tests.histories import small_history

STORED = {Kind.INTEGER: {"integer"}, Kind.NUMBER: {"integer", "real"}, Kind.BOOLEAN: {"integer"}}
Schema = dict[str, list[str]]


@pytest.fixture(scope="module")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Schema:
    with closing(open_writer(tmp_path_factory.mktemp("schema") / "history.db", MIGRATIONS)) as connection:
        return dict(_objects(connection))


def _objects(connection: sqlite3.Connection) -> Iterator[tuple[str, list[str]]]:
    found = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%'"
    )
    for (name,) in found.fetchall():
        yield name, [row["name"] for row in connection.execute(f"PRAGMA table_xinfo({name})")]


def test_every_table_and_view_is_described_and_nothing_else(schema: Schema) -> None:
    assert descriptions().keys() == schema.keys()
    assert all(found.title and found.text.endswith(".") for found in descriptions().values())


def test_every_column_is_described_and_nothing_else(schema: Schema) -> None:
    missing, strange = [], []
    for name, found in descriptions().items():
        known = schema.get(name, [])
        missing += [f"{name}.{column}" for column in known if column not in {*found.own, *found.shared}]
        sort = [found.sort.split()[0]] if found.sort else []
        strange += [f"{name}.{column}" for column in (*found.own, *found.facets, *sort) if column not in known]
    assert (missing, strange) == ([], [])


def test_no_shared_description_is_unused(schema: Schema) -> None:
    shared = next(iter(descriptions().values())).shared
    used = {column for name, known in schema.items() for column in known if column not in descriptions()[name].own}
    assert shared.keys() - used == set()


def test_descriptions_are_short_and_plain() -> None:
    texts = [
        column.text for found in descriptions().values() for column in (*found.own.values(), *found.shared.values())
    ]
    assert [text for text in texts if not text or text.endswith(".") or len(text) > 170] == []


def test_values_are_of_the_described_kind(service: Service, tmp_path: Path) -> None:
    with closing(sqlite3.connect(small_history(tmp_path, service))) as connection:
        for name, found in descriptions().items():
            names = [row[1] for row in connection.execute(f"PRAGMA table_xinfo({name})")]
            for column in names:
                kind = found.column(column).kind
                types = {kind for (kind,) in connection.execute(f"SELECT DISTINCT typeof({column}) FROM {name}")}
                assert types <= {"null", *STORED.get(kind, {"text"})}, f"{name}.{column}"
                if kind is Kind.BOOLEAN:
                    values = {value for (value,) in connection.execute(f"SELECT DISTINCT {column} FROM {name}")}
                    assert values <= {0, 1, None}, f"{name}.{column}"
