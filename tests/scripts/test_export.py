"""What scripts/export.py writes is what sqlite3 reads, with types, while others write."""

import csv
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from db.explore import export as db_export
from db.explore.descriptions import Kind, descriptions
from scripts.export import export, main
from tests.conftest import Service
from tests.helpers import ROOT
from tests.histories import SAMPLE, small_history

DOCS = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.+?)^```", DOCS, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def history(session_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    session_service.begin()
    yield small_history(tmp_path_factory.mktemp("small"), session_service)


def rows(history: Path, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(history)) as connection:
        return connection.execute(query).fetchall()


@pytest.mark.parametrize("name", sorted(descriptions()))
def test_parquet_and_csv_equal_sqlite3(
    history: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db_export, "ROWS", 100)  # several batches
    stored = rows(history, f"SELECT * FROM {name}")
    for kind in ("csv", "parquet"):
        assert export(history, name, tmp_path / f"a.{kind}", kind) == len(stored)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        header, *lines = csv.reader(file)
    assert lines == [["" if value is None else str(value) for value in row] for row in stored]
    columns = [descriptions()[name].column(column) for column in header]
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.column_names == header
    read = [tuple(row.values()) for row in table.to_pylist()]
    assert read == [tuple(map(meant, row, (column.kind for column in columns))) for row in stored]
    with duckdb.connect() as connection:
        found = connection.sql(f"SELECT count(*) FROM '{tmp_path / 'a.parquet'}'").fetchall()
    assert found == [(len(stored),)]


def meant(value: Any, kind: Kind) -> Any:
    if value is None:
        return None
    if kind is Kind.BOOLEAN:
        return bool(value)
    if kind is Kind.DATE:
        return date.fromisoformat(value)
    return datetime.fromisoformat(value).astimezone(UTC) if kind is Kind.TIMESTAMP else value


@pytest.mark.parametrize("example", EXAMPLES, ids=["duckdb", "pandas"])
def test_example_of_the_docs_equals_sqlite3(
    history: Path, tmp_path: Path, example: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    export(history, "xg_by_team", Path("xg_by_team.parquet"), "parquet")
    names: dict[str, Any] = {}
    exec(example, names)
    found: pd.DataFrame = names["found"]
    stored = rows(history, "SELECT team, sum(xg), sum(goals) FROM xg_by_team GROUP BY team ORDER BY team")
    assert [tuple(row) for row in found.itertuples(index=False)] == [
        (team, pytest.approx(xg, rel=1e-12), goals) for team, xg, goals in stored
    ]


@pytest.mark.parametrize(
    ("chosen", "where"),
    [({"game": SAMPLE}, f"game_id = {SAMPLE}"), ({"season": 20212022}, "1"), ({"season": 20222023}, "0")],
)
@pytest.mark.parametrize("name", ["goal_log", "team_games"])
def test_only_the_chosen_game_or_season_is_written(
    history: Path, tmp_path: Path, name: str, chosen: dict[str, int], where: str
) -> None:
    (wanted,) = rows(history, f"SELECT count(*) FROM {name} WHERE {where}")
    assert (export(history, name, tmp_path / "a.csv", "csv", **chosen),) == wanted


def test_a_write_during_the_export_waits_for_nothing_and_is_not_in_it(history: Path, tmp_path: Path) -> None:
    with (
        db_export.exporting(history, "models", tmp_path) as found,
        closing(sqlite3.connect(history, timeout=0)) as other,
    ):
        assert list(tmp_path.iterdir()) == []  # the copy is gone even if this process is killed
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE models SET trained_on = '[1]'")
        other.commit()
        assert [row[-1] for batch in found.batches for row in batch] != ["[1]", "[1]"]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["shot", "--to", "a.csv"], 2, "no table or view shot; it has addresses, "),
        (["models", "--to", "a.csv", "--season", "20212022"], 2, "models has no seasons to choose from"),
        (["models", "--to", "a.csv", "--game", "12"], 2, "is not a game id"),
        (["models", "--to", "a.xlsx"], 2, "a.xlsx ends neither in .parquet nor in .csv"),
        (["models"], 2, "name a table or view and a file"),
        (["models", "--to", "there.csv"], 3, "there.csv exists already"),
        (["models", "--to", "no/a.csv"], 5, "No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_said_and_leaves_nothing(
    history: Path,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("XG_DATA_DIR", str(history.parent))
    monkeypatch.chdir(tmp_path)
    Path("there.csv").write_text("kept")
    try:
        found = main(arguments)
    except SystemExit as ended:  # by argparse
        found = ended.code if isinstance(ended.code, int) else -1
    assert found == code
    assert says in capsys.readouterr().err.replace("\n", " ")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["kept"]


def test_without_a_history_it_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XG_DATA_DIR", str(tmp_path))
    assert main(["models", "--to", str(tmp_path / "a.csv")]) == 5
    assert "there is no such file; check XG_DATA_DIR" in capsys.readouterr().err


def test_list_names_every_table_and_view(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in listed] == sorted(descriptions())
