"""A frame as JSON, in the three orients that pandas' `to_json` writes, to columns and row labels.

Which orient it is shows from the outermost shape alone: a list is "records"; an object whose keys are exactly
`columns`, `index` and `data`, each a list, is "split"; any other object is pandas' default, column -> index -> value.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from xgserve.errors import InvalidFrame

FORMS = (
    'send what pandas writes: {"column": {"0": value}} (df.to_json()), [{"column": value}] (orient="records") or '
    '{"columns": [...], "index": [...], "data": [[...]]} (orient="split")'
)

Label = str | int | float | bool

# what str(int) writes, within 64 bits
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class ParsedFrame:
    """Columns of equal length and a label for each row; `columns` is None for `[]`, which has none to check."""

    columns: dict[str, list[Any]] | None
    index: Sequence[Label]


def parse_frame(body: Any) -> ParsedFrame:
    """Read a frame from parsed JSON.

    Raises:
        InvalidFrame: it is not a frame in one of the three orients.
    """
    if isinstance(body, list):
        return _records(body)
    if not isinstance(body, dict):
        raise InvalidFrame(f"the body is not a frame: {FORMS}")
    if body.keys() == {"columns", "index", "data"} and all(isinstance(part, list) for part in body.values()):
        return _split(body["columns"], body["index"], body["data"])
    return _columns(body)


def _records(records: list[Any]) -> ParsedFrame:
    if not records:
        return ParsedFrame(None, [])
    first = records[0]
    for row, record in enumerate(records):
        if not isinstance(record, dict):
            raise InvalidFrame(f"row {row} is not an object: {FORMS}", row=row)
        if record.keys() != first.keys():
            differing = sorted(record.keys() ^ first.keys())[:10]
            raise InvalidFrame(f"row {row} has other columns than row 0", row=row, columns=differing)
    return ParsedFrame({name: [record[name] for record in records] for name in first}, range(len(records)))


def _split(names: list[Any], index: list[Any], data: list[Any]) -> ParsedFrame:
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise InvalidFrame("columns must be texts, each one once")
    if len(index) != len(data):
        raise InvalidFrame(f"index has {len(index)} labels for {len(data)} rows of data")
    for row, label in enumerate(index):
        if not isinstance(label, Label):
            raise InvalidFrame("the labels of the index must be texts or numbers", row=row)
    for row, values in enumerate(data):
        if not isinstance(values, list) or len(values) != len(names):
            raise InvalidFrame(f"row {row} of data must be a list of {len(names)} values", row=row)
    columns = zip(*data, strict=True) if data else ([] for _ in names)
    return ParsedFrame({name: list(column) for name, column in zip(names, columns, strict=True)}, index)


def _columns(body: dict[str, Any]) -> ParsedFrame:
    labels: list[str] = []
    columns: dict[str, list[Any]] = {}
    for number, (name, column) in enumerate(body.items()):
        if not isinstance(column, dict):
            raise InvalidFrame(f"column {name[:100]!r} is not an object: {FORMS}", column=name[:100])
        found = list(column)
        if number == 0:
            labels = found
        if found == labels:
            columns[name] = list(column.values())
        elif column.keys() == set(labels):
            columns[name] = [column[label] for label in labels]
        else:
            differing = sorted(column.keys() ^ set(labels))[:10]
            raise InvalidFrame(
                f"column {name[:100]!r} has other rows than the first column", column=name[:100], rows=differing
            )
    if labels == [str(row) for row in range(len(labels))]:  # as pandas numbers rows, and told in a third of the time
        return ParsedFrame(columns, range(len(labels)))
    if all(map(_INTEGER.fullmatch, labels)):
        return ParsedFrame(columns, [int(label) for label in labels])
    return ParsedFrame(columns, labels)
