"""What each table and view of history.db holds, and each of its columns, as descriptions.toml has it."""

import sqlite3
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Final

_FILE: Final = Path(__file__).with_name("descriptions.toml")


class Kind(StrEnum):
    """What the values of a column are; any of them may be NULL."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"
    BOOLEAN = "boolean"  # stored as 0 and 1
    DATE = "date"  # stored as text, ISO 8601
    TIMESTAMP = "timestamp"  # stored as text, ISO 8601, in UTC
    JSON = "json"  # stored as text


@dataclass(frozen=True, slots=True)
class Column:
    """What a column holds."""

    kind: Kind
    text: str


@dataclass(frozen=True, slots=True)
class Description:
    """What a table or view holds."""

    title: str
    text: str
    own: Mapping[str, Column]  # the columns that are described here
    shared: Mapping[str, Column]  # those that mean the same everywhere
    facets: Sequence[str]  # columns worth counting the rows by
    is_long: bool  # whether a reader should ask for one game: over many it takes seconds
    is_hidden: bool  # whether it is of use to this program alone, and to be listed last
    sort: str | None  # the column by which to sort at first, perhaps followed by "desc"

    def column(self, name: str) -> Column:
        """Return the description of a column. Raise KeyError if it has none."""
        return self.own[name] if name in self.own else self.shared[name]


@cache
def descriptions() -> Mapping[str, Description]:
    """Return the description of each table and view, by name."""
    read = tomllib.loads(_FILE.read_text(encoding="utf-8"))
    shared = _columns(read.pop("columns"))
    return {
        name: Description(
            found["title"],
            found["text"],
            _columns(found.get("columns", {})),
            shared,
            found.get("facets", ()),
            found.get("is_long", False),
            found.get("is_hidden", False),
            found.get("sort"),
        )
        for name, found in read.items()
    }


def columns_of(connection: sqlite3.Connection, name: str) -> list[str]:
    """Return the columns of a table or view in an open history, generated ones included; none if there is no such."""
    return [row["name"] for row in connection.execute("SELECT name FROM pragma_table_xinfo(?)", (name,))]


def _columns(texts: Mapping[str, str]) -> dict[str, Column]:
    split = ((name, text.partition("; ")) for name, text in texts.items())
    return {name: Column(Kind(kind), text) for name, (kind, _, text) in split}
