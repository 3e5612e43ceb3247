"""The README and the docs are right: settings are in their table, queries and examples run, files and links exist."""

import json
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import fields
from pathlib import Path

import pytest
import requests

from db.connection import open_reader, open_writer
from db.history.schema import MIGRATIONS
from livegame.settings import ClientSettings
from tests.conftest import Service
from tests.helpers import ROOT
from xgserve.errors import ServiceError
from xgserve.settings import ServiceSettings

PAGES = {
    path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
    for path in (*ROOT.glob("[CRS]*.md"), *(ROOT / "docs").glob("*.md"))
    if path.name != "CHANGELOG.md"
}
SETTING = re.compile(r"\b(?:XG_[A-Z_]+|COMET_[A-Z_]+)\b")
PACKAGES = "bench|db|livegame|scripts|training|ui|xgserve"
PATH = re.compile(rf"(?<![\w./-])(?:{PACKAGES}|docs|requirements|tests|\.ci)/[\w./*-]*(?![\w<])")
FILE = re.compile(r"`([\w-]+\.(?:py|sh|toml|in|css|tpl))`")
MODULE = re.compile(rf"python -m ((?:{PACKAGES})[\w.]*)")
QUERY = re.compile(r'^\$ sqlite3 .*?history\.db "(.+)"$', re.MULTILINE)


def test_settings_page_lists_every_setting() -> None:
    declared = {field.metadata["variable"] for kind in (ClientSettings, ServiceSettings) for field in fields(kind)}
    lines = PAGES["docs/settings.md"].splitlines()
    assert declared == {name for line in lines if line.startswith("| `") for name in SETTING.findall(line)}


def test_settings_page_has_the_defaults_of_the_code() -> None:
    rows = [line.split("|")[1:3] for line in PAGES["docs/settings.md"].splitlines() if line.startswith("| `")]
    written = {
        name: default.strip().strip("`")
        for names, defaults in rows
        for name, default in zip(SETTING.findall(names), defaults.split(","), strict=False)
    }
    for kind in (ClientSettings, ServiceSettings):
        for field in fields(kind):
            if field.default:  # the others are computed, or empty
                variable, read = field.metadata["variable"], field.metadata["read"]
                assert read(written[variable]) == field.default, variable


def test_settings_named_in_the_docs_exist() -> None:
    compose = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    known = {*SETTING.findall(PAGES["docs/settings.md"]), *SETTING.findall(compose)}
    named = {name for text in PAGES.values() for name in SETTING.findall(text) if not name.startswith("XG_TEST_")}
    assert named - known == set()


def test_settings_are_read_in_settings_modules_only() -> None:
    rooms = ("db", "livegame", "training", "ui", "xgserve")
    places = [path for room in rooms for path in (ROOT / room).rglob("*.py") if path.name != "settings.py"]
    readers = [path.name for path in places if re.search(r"environ.*XG_", path.read_text(encoding="utf-8"))]
    assert readers == []


def test_documented_queries_run_and_every_view_is_listed(tmp_path: Path) -> None:
    assert len(QUERY.findall(PAGES["docs/queries.md"])) >= 5
    queries = [query for text in PAGES.values() for query in QUERY.findall(text)]
    open_writer(tmp_path / "history.db", MIGRATIONS).close()
    with closing(open_reader(tmp_path / "history.db")) as connection:
        for query in queries:
            connection.execute(query)
        views = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'view'")}
    cells = [line.split("|")[1] for line in PAGES["docs/queries.md"].splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"\w+", cell)} == views


@pytest.mark.parametrize(("page", "examples"), [("README.md", 1), ("docs/http.md", 2)])
def test_http_examples_answer_as_printed(service: Service, page: str, examples: int) -> None:
    asked = re.findall(r"localhost:8890/predict --json '(.+)'\n(.+)", PAGES[page])
    assert len(asked) == examples
    service.client.download_registry_model("bundled", "xg-distance")
    for body, printed in asked:
        answer = requests.post(f"{service.url}/predict", json=json.loads(body), timeout=10).json()
        if "error" in answer:
            assert answer["error"]["message"] in printed
        else:
            assert answer["predictions"] == pytest.approx(json.loads(re.findall(r"\[.+?\]", printed)[0]))
            assert answer["model"]["id"] in printed


def test_http_page_lists_every_error_code_with_its_status() -> None:
    cells = (line.split("|")[1:3] for line in PAGES["docs/http.md"].splitlines() if re.match(r"\| \d{3}", line))
    listed = {(int(status), code) for statuses, codes in cells for status, code in _pairs(statuses, codes)}
    assert listed == {(kind.status, kind.code) for kind in ServiceError.kinds()}


def _pairs(statuses: str, codes: str) -> Iterator[tuple[str, str]]:
    """Return each code with its status: one status for all of them, or one for each."""
    numbers, names = re.findall(r"\d+", statuses), re.findall(r"\w+", codes)
    yield from zip(numbers * len(names) if len(numbers) == 1 else numbers, names, strict=True)


def test_python_example_returns_as_printed(service: Service) -> None:
    (example,) = re.findall(r"^```python\n(.+?)^```", PAGES["README.md"], re.MULTILINE | re.DOTALL)
    *statements, last = example.replace("http://127.0.0.1:8890", service.url).splitlines()
    expression, _, printed = last.partition("  # ")
    names: dict[str, object] = {}
    exec("\n".join(statements), names)
    returned = eval(expression, names)
    assert ", ".join(f"{probability:.3f}" for probability in returned) == printed


def test_links_lead_to_existing_pages_and_anchors() -> None:
    assert "docs/game.gif" in PAGES["README.md"]
    assert [f"{page}: {link}" for page, link in _links() if not _leads_somewhere(page, link)] == []


def _links() -> Iterator[tuple[str, str]]:
    for page, text in PAGES.items():
        for link in re.findall(r"\]\(([^)]+)\)", text):
            if not link.startswith("https://"):
                yield page, link


def _leads_somewhere(page: str, link: str) -> bool:
    name, _, anchor = link.partition("#")
    target = (ROOT / page).parent / name if name else ROOT / page
    return target.exists() and (not anchor or anchor in _anchors(target))


def _anchors(page: Path) -> set[str]:
    """Return the anchors that a forge gives to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_files_named_in_the_docs_exist() -> None:
    files = {path.name for folder in (ROOT, *(ROOT / name for name in PACKAGES.split("|"))) for path in _files(folder)}
    missing = []
    for page, text in PAGES.items():
        missing += [f"{page}: {path}" for path in PATH.findall(text) if not any(ROOT.glob(path.rstrip("./")))]
        missing += [f"{page}: {name}" for name in FILE.findall(text) if name not in files]
        modules = (module.rstrip(".").replace(".", "/") for module in MODULE.findall(text))
        missing += [f"{page}: {module}" for module in modules if not _is_module(ROOT / module)]
    assert missing == []


def _files(folder: Path) -> Iterator[Path]:
    return folder.glob("*") if folder == ROOT else folder.rglob("*")


def _is_module(path: Path) -> bool:
    return path.with_suffix(".py").exists() or (path / "__main__.py").exists()
