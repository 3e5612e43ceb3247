"""Read a JSON frame, in the forms that pandas and its users write, into columns and row labels.

The JSON's shape determines the form. Where two forms share a shape, the model's columns decide. Ambiguous frames are
refused: rows without column names, and rows named like the columns.
"""

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any, Final

from xgserve.errors import InvalidFrame, InvalidJson
from xgserve.json_text import read_json

ACCEPTED: Final = (
    '{"column": {"0": value}} (df.to_json())',
    '[{"column": value}] (orient="records")',
    '{"columns": [...], "index": [...], "data": [[...]]} (orient="split", "index" may be left out)',
    '{"0": {"column": value}} (orient="index")',
    '{"schema": {...}, "data": [...]} (orient="table")',
    '{"column": [value]} (df.to_dict(orient="list"))',
    '{"column": value} (one row)',
    "any of these as a JSON text",
    "any of these under dataframe_split, dataframe_records, instances or inputs",
)
FORMS: Final = f"send what pandas writes: {'; '.join(ACCEPTED)}"
MAX_TEXTS: Final = 2  # a JSON text in a JSON text

WRAPPERS: Final = frozenset({"dataframe_split", "dataframe_records", "instances", "inputs"})
_SPLIT: Final = frozenset({"columns", "index", "data", "index_names", "column_names"})

# an integer as str(int) writes it, within 64 bits
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,17}")


@dataclass(frozen=True)
class ParsedFrame:
    """Columns of equal length and one label per row; `columns` is None for `[]`, which names none.

    A label is what the caller sent: text, number, null, or a list (several levels) or object (interval) of these.
    """

    columns: dict[str, list[Any]] | None
    index: Sequence[Any]


def read_frame(text: bytes, names: Set[str]) -> ParsedFrame:
    """Read a frame from JSON, for a model with columns of these names.

    Raises:
        InvalidJson: it is not JSON.
        InvalidFrame: it is not a frame in one of the forms.
    """
    body = _unwrapped(read_json(text), names)
    for _ in range(MAX_TEXTS):
        if not isinstance(body, str):
            break
        try:
            body = _unwrapped(read_json(body.encode("utf-8", "surrogatepass")), names)
        except InvalidJson as error:
            raise _no_frame(f"the body is a text that is no frame ({error})") from error
    return parse_frame(body, names)


def parse_frame(body: Any, names: Set[str]) -> ParsedFrame:
    """Read a frame from parsed JSON.

    Raises:
        InvalidFrame: it is not a frame in one of the forms.
    """
    if isinstance(body, list):
        return _records(body, range(len(body)))
    if not isinstance(body, dict):
        raise _no_frame("the body is not a frame")
    keys = body.keys()
    if len(keys) <= len(_SPLIT) and keys != names:
        if keys <= _SPLIT and {"columns", "data"} <= keys and all(isinstance(part, list) for part in body.values()):
            return _split(body["columns"], body.get("index"), body["data"])
        if keys == {"schema", "data"} and isinstance(body["schema"], dict) and isinstance(body["data"], list):
            return _table(body["schema"], body["data"])
    kinds = set(map(type, body.values()))
    if kinds <= {dict}:
        return _objects(body, names)
    return _lists(body) if kinds == {list} else _single(body)


def _unwrapped(body: Any, names: Set[str]) -> Any:
    """Return the frame inside a wrapper of MLflow's or TensorFlow's clients; return any other body unchanged."""
    if isinstance(body, dict) and len(body) <= 2 and body.keys() != names and not body.get("params"):
        for key in WRAPPERS & body.keys():
            if body.keys() <= {key, "params"}:
                return body[key]
    return body


def _records(records: list[Any], labels: Sequence[Any]) -> ParsedFrame:
    if not records:
        return ParsedFrame(None, [])
    first = records[0]
    for row, record in enumerate(records):
        if isinstance(record, list):
            raise _no_frame(f"row {row} is a list, which does not name its columns", row=row)
        if not isinstance(record, dict):
            raise _no_frame(f"row {row} is not an object", row=row)
        if record.keys() != first.keys():
            differing = sorted(record.keys() ^ first.keys())[:10]
            raise InvalidFrame(f"row {row} has other columns than row 0", row=row, columns=differing)
    return ParsedFrame({name: [record[name] for record in records] for name in first}, labels)


def _split(names: list[Any], index: list[Any] | None, data: list[Any]) -> ParsedFrame:
    names = [str(name) if type(name) is int else name for name in names]  # the other forms write numbers as text
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        raise InvalidFrame("columns must be texts, each one once")
    if index is None:
        index = list(range(len(data)))
    if len(index) != len(data):
        raise InvalidFrame(f"index has {len(index)} labels for {len(data)} rows of data")
    for row, label in enumerate(index):
        if not _is_label(label):
            raise InvalidFrame("the labels of the index are nested too deeply", row=row)
    for row, values in enumerate(data):
        if not isinstance(values, list) or len(values) != len(names):
            raise InvalidFrame(f"row {row} of data must be a list of {len(names)} values", row=row)
    columns = zip(*data, strict=True) if data else ([] for _ in names)
    return ParsedFrame({name: list(column) for name, column in zip(names, columns, strict=True)}, index)


def _is_label(label: Any, depth: int = 2) -> bool:
    """Return whether pandas can have written this label: a plain value, an interval, or a tuple of these."""
    if not isinstance(label, list | dict):
        return True
    parts = label.values() if isinstance(label, dict) else label
    return depth > 0 and all(_is_label(part, depth - 1) for part in parts)


def _table(schema: dict[str, Any], data: list[Any]) -> ParsedFrame:
    """Read orient="table"; the columns of the primary key hold the row labels."""
    keys = schema.get("primaryKey", [])
    keys = [keys] if isinstance(keys, str) else keys
    if not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise _no_frame("the primaryKey of the schema is no list of texts")
    frame = _records(data, range(len(data)))
    if frame.columns is None or not keys:
        return frame
    missing = [key for key in keys if key not in frame.columns]
    if missing:
        raise InvalidFrame(f"the data have no {missing[0][:100]!r}, which the schema names as a key")
    levels = [frame.columns.pop(key) for key in keys]
    labels = levels[0] if len(levels) == 1 else [list(label) for label in zip(*levels, strict=True)]
    return _split(list(frame.columns), labels, [list(row) for row in zip(*frame.columns.values(), strict=True)])


def _lists(body: dict[str, list[Any]]) -> ParsedFrame:
    rows = len(next(iter(body.values())))
    for name, column in body.items():
        if len(column) != rows:
            raise InvalidFrame(
                f"column {name[:100]!r} has {len(column)} values, the first column has {rows}", column=name[:100]
            )
    return ParsedFrame(body, range(rows))


def _single(body: dict[str, Any]) -> ParsedFrame:
    """Read one row, as `df.iloc[0].to_json()` writes it."""
    for name, value in body.items():
        if isinstance(value, dict | list):
            raise _no_frame(f"column {name[:100]!r} is of another form than others", column=name[:100])
    return ParsedFrame({name: [value] for name, value in body.items()}, range(1))


def _objects(body: dict[str, dict[str, Any]], names: Set[str]) -> ParsedFrame:
    """Read column -> row -> value or row -> column -> value; the model's columns decide which."""
    first = next(iter(body.values()), {})
    is_by_column, is_by_row = body.keys() == names, first.keys() == names
    if is_by_column and is_by_row:
        raise _no_frame("the rows are named like the columns, so this can be read in two ways")
    if is_by_row or (not is_by_column and names.isdisjoint(body) and not names.isdisjoint(first)):
        return _records(list(body.values()), _labels(list(body)))
    return _columns(body)


def _columns(body: dict[str, dict[str, Any]]) -> ParsedFrame:
    labels: list[str] = []
    columns: dict[str, list[Any]] = {}
    for number, (name, column) in enumerate(body.items()):
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
    return ParsedFrame(columns, _labels(labels))


def _labels(labels: list[str]) -> Sequence[Any]:
    if labels == [str(row) for row in range(len(labels))]:  # pandas' default, found in a third of the time
        return range(len(labels))
    if all(map(_INTEGER.fullmatch, labels)):
        return [int(label) for label in labels]
    return labels


def _no_frame(why: str, **details: Any) -> InvalidFrame:
    return InvalidFrame(f"{why}; {FORMS}", accepted=list(ACCEPTED), **details)
