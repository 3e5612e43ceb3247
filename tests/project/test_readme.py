"""What the README promises: every setting is in its table, every query runs, every file that it names is there."""

import json
import re
from contextlib import closing
from pathlib import Path

import pytest
import requests

from db.connection import open_reader, open_writer
from db.history.schema import MIGRATIONS
from tests.conftest import ROOT, Service

README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTING = re.compile(r"\b(?:XG_[A-Z_]+|COMET_[A-Z_]+)\b")


def test_every_setting_is_in_the_table() -> None:
    read = {
        name
        for file in ("xgserve/settings.py", "livegame/settings.py")
        for name in SETTING.findall((ROOT / file).read_text(encoding="utf-8"))
    }
    table = {name for line in README.splitlines() if line.startswith("| `") for name in SETTING.findall(line)}
    assert read == table


def test_settings_are_read_nowhere_else() -> None:
    rooms = ("db", "livegame", "training", "ui", "xgserve")
    places = [path for room in rooms for path in (ROOT / room).rglob("*.py") if path.name != "settings.py"]
    readers = [path.name for path in places if re.search(r"environ.*XG_", path.read_text(encoding="utf-8"))]
    assert readers == []


def test_every_query_runs(tmp_path: Path) -> None:
    queries = re.findall(r'^\$ sqlite3 .*?history\.db "(.+)"$', README, re.MULTILINE)
    assert len(queries) >= 5
    open_writer(tmp_path / "history.db", MIGRATIONS).close()
    with closing(open_reader(tmp_path / "history.db")) as connection:
        for query in queries:
            connection.execute(query)


def test_the_examples_over_http_answer_what_it_says(service: Service) -> None:
    asked = re.findall(r"localhost:8890/predict --json '(.+)'\n(.+)", README)
    assert len(asked) == 2
    service.client.download_registry_model("bundled", "xg-distance")
    for body, printed in asked:
        answer = requests.post(f"{service.url}/predict", json=json.loads(body), timeout=10).json()
        if "error" in answer:
            assert answer["error"]["message"] in printed
        else:
            assert answer["predictions"] == pytest.approx(json.loads(re.findall(r"\[.+?\]", printed)[0]))
            assert answer["model"]["id"] in printed


def test_what_it_links_to_is_there() -> None:
    linked = re.findall(r"\]\(([^)#:]+)\)", README) + re.findall(r"`(scripts/\w+\.py|\w+\.sh)\b", README)
    assert "docs/page.png" in linked
    assert [name for name in linked if not (ROOT / name).exists()] == []
