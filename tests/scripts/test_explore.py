"""Datasette over a real history: every query answers through JSON what sqlite3 answers, and nothing can be changed."""

import json
import re
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from bench.servers import free_port
from db.explore.descriptions import descriptions
from db.explore.queries import metadata, queries
from tests.conftest import Service
from tests.helpers import ROOT, environment
from tests.histories import SAMPLE, small_history

BLANK = {"season": "", "model": "", "game_id": ""}


class Explored(NamedTuple):
    url: str
    path: Path

    def get(self, address: str, host: str = "localhost", **parameters: object) -> Any:
        url = f"{self.url}/{address}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(urllib.request.Request(url, headers={"Host": host}), timeout=20) as answer:
            body = answer.read().decode()
        return json.loads(body) if ".json" in address else body

    def sqlite3(self, sql: str, **parameters: object) -> list[list[Any]]:
        with closing(sqlite3.connect(self.path)) as connection:
            return [list(row) for row in connection.execute(sql, parameters)]


@pytest.fixture(scope="module")
def explored(session_service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Explored]:
    pytest.importorskip("datasette", reason="Datasette is not installed: the extra explore")
    session_service.begin()
    folder, port = tmp_path_factory.mktemp("explored"), free_port()
    path = small_history(folder, session_service)
    (folder / "serving.db").write_bytes(path.read_bytes())  # a database that is not to be shown
    server = subprocess.Popen(
        [sys.executable, "-m", "scripts.explore"],
        env=environment(folder) | {"XG_EXPLORE_PORT": str(port), "XG_ALLOWED_HOSTS": "xg.example.org"},
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        assert server.stdout.readline() == f"the history on http://localhost:{port}, Ctrl-C stops it\n"
        yield Explored(f"http://127.0.0.1:{port}", path)
    finally:
        server.terminate()
        server.wait(30)


@pytest.mark.parametrize("query", list(queries()), ids=lambda query: query.name)
def test_query_answers_through_json_what_sqlite3_answers(explored: Explored, query: Any) -> None:
    asked = {name: "" for name in BLANK if f":{name}" in query.sql}
    wanted = explored.sqlite3(query.sql, **asked)
    assert wanted or query.name in ("luckiest_goalies", "deserved_better")
    answered = explored.get(f"history/{query.name}.json", _shape="arrays", **asked)
    assert answered["rows"] == wanted
    lines = explored.get(f"history/{query.name}.csv", **asked).splitlines()
    assert len(lines) == 1 + len(wanted)


def test_parameters_choose_season_model_and_game(explored: Explored) -> None:
    (models,) = zip(*explored.sqlite3("SELECT model FROM models ORDER BY model"), strict=True)
    for model in models:
        found = explored.get("history/game.json", _shape="objects", game_id=SAMPLE, model=model)["rows"]
        wanted = explored.sqlite3(
            "SELECT team, round(xg, 2), goals FROM xg_by_team"
            " WHERE game_id = :game AND model = :model ORDER BY is_home",
            game=SAMPLE,
            model=model,
        )
        assert [[row["team"], row["xg"], row["goals"]] for row in found] == wanted
    assert explored.get("history/league_table.json", season=19981999)["rows"] == []


def test_pages_show_titles_and_descriptions(explored: Explored) -> None:
    page = explored.get("history")
    assert all(query.title in page for query in queries())
    page = explored.get("history/xg_by_team", game_id=SAMPLE)
    assert descriptions()["xg_by_team"].text in page
    assert descriptions()["xg_by_team"].column("difference").text in page
    assert descriptions()["xg_by_team"].column("shot_type").text not in page  # of another view


def test_no_other_database_is_shown(explored: Explored) -> None:
    assert [database["name"] for database in explored.get("-/databases.json")] == ["history"]


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM games",
        "PRAGMA user_version = 1",
        "ATTACH 'serving.db' AS other",
        "SELECT load_extension('x')",
        "WITH a AS (SELECT 1) UPDATE games SET season = 1",
        "WITH RECURSIVE a (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a) SELECT max(n) FROM a",
        "SELECT length(randomblob(2000000))",  # a longer one takes half a minute, whatever the time limit
    ],
)
def test_sql_that_changes_opens_or_never_ends_is_refused(explored: Explored, sql: str) -> None:
    before = explored.path.read_bytes()
    with pytest.raises(urllib.error.HTTPError, match="400"):
        explored.get("history.json", sql=sql)
    assert explored.path.read_bytes() == before


@pytest.mark.parametrize("host", ["rebound.example.com", "localhost.example.com", "[", ""])
def test_request_under_a_foreign_host_name_is_refused(explored: Explored, host: str) -> None:
    with pytest.raises(urllib.error.HTTPError, match=r"4(21|00)"):
        explored.get("history.json", host=host)


def test_request_under_an_own_or_allowed_name_is_answered(explored: Explored) -> None:
    for host in ("localhost:8893", "127.0.0.1", "[::1]:8893", "a.localhost", "xg.example.org"):
        assert explored.get("-/versions.json", host=host)


def test_one_query_runs_at_a_time_and_not_for_long(explored: Explored) -> None:
    """Two that read by turns would hold SQLite's lock for ever, and a ping would give up; one delays it by its time."""
    settings = explored.get("-/settings.json")
    assert (settings["num_sql_threads"], settings["sql_time_limit_ms"]) == (1, 2_000)


def test_metadata_is_of_this_datasette(explored: Explored) -> None:
    """Datasette 1 moves queries and facets elsewhere, and would ignore them here."""
    from datasette.version import __version__

    assert __version__.startswith("0.")
    assert metadata(explored.path)["queries"].keys() == {query.name for query in queries()}


def test_page_lists_every_query() -> None:
    page = (ROOT / "docs" / "explore.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == [query.name for query in queries()]


def test_without_a_history_it_says_so(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "scripts.explore"], env=environment(tmp_path), capture_output=True, text=True, timeout=60
    )
    assert ran.returncode == 5
    assert "there is no such file; check XG_DATA_DIR" in ran.stderr
