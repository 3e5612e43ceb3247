"""A session of the page without a browser, and what tests do with it."""

import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from html import escape, unescape
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pandas as pd
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

from tests.games import GAME_ID
from tests.helpers import ROOT

PAGE = ROOT / "ui" / "pages" / "app.py"
OpenPage = Callable[..., AppTest]


def page_opener(monkeypatch: pytest.MonkeyPatch, data_dir: Path, feed_url: str, service_url: str) -> OpenPage:
    """Return a function that opens the Game page in a new session of a new server, perhaps by a link to a game."""
    monkeypatch.setenv("XG_DATA_DIR", str(data_dir))
    monkeypatch.setenv("XG_FEED_URL", feed_url)
    monkeypatch.setenv("XG_SERVING_URL", service_url)
    monkeypatch.delenv("XG_DEMO_GAME", raising=False)
    restart()

    def open_page(game_id: str | None = None) -> AppTest:
        page = AppTest.from_file(str(PAGE), default_timeout=150).switch_page("game.py")
        if game_id is not None:
            page.query_params["game"] = game_id
        page.run()
        assert not page.exception
        return page

    return open_page


def restart() -> None:
    """Forget what a server keeps for all its sessions."""
    st.cache_resource.clear()
    st.cache_data.clear()


def field(page: AppTest, label: str) -> TextInput:
    """Return the text field of this label."""
    return next(field for field in page.text_input if field.label == label)


def ping(page: AppTest, game_id: str = str(GAME_ID)) -> AppTest:
    """Type an id and click the button beside it."""
    field(page, "Game ID").set_value(game_id)
    return click(page, next(button.label for button in page.button if button.form_id == "ping_form"))


def click(page: AppTest, label: str) -> AppTest:
    """Click the button of this label."""
    next(button for button in page.button if button.label == label).click()
    page.run()
    assert not page.exception
    return page


def get_model(page: AppTest, workspace: str, model: str, version: str = "") -> AppTest:
    """Fill in the sidebar's form and click "Get model"."""
    for label, value in (("Workspace", workspace), ("Model", model), ("Version", version)):
        field(page, label).set_value(value)
    return click(page, "Get model")


def open_view(page: AppTest, view: str) -> AppTest:
    """Open one of the views below the charts."""
    page.query_params["view"] = view
    page.run()
    assert not page.exception
    return page


def score_line(page: AppTest) -> list[str]:
    """Return the texts of the score line in order; none without a game."""
    lines = [element.proto.body for element in page.get("html") if 'class="xg-score"' in element.proto.body]
    assert len(lines) <= 1
    return [text for text in re.split(r"<[^>]*>", lines[0]) if text] if lines else []


def totals(page: AppTest) -> list[str]:
    """Return what the score line says of xG and goals: two texts per team, the away team first."""
    return [text for text in score_line(page) if re.match(r"\d+\.\d\d \(\d+\)$|.* goals (than|as) expected", text)]


def stored_totals(database: Path, game_id: int) -> list[str]:
    """Return what the score line must say of all shots in the history."""
    with closing(sqlite3.connect(database)) as connection:
        sums = connection.execute(
            """
            SELECT total(probability), sum(outcome = 'goal') FROM shots JOIN predictions USING (game_id, event_id)
            WHERE game_id = ? AND retracted_at IS NULL GROUP BY is_home ORDER BY is_home
            """,
            (game_id,),
        ).fetchall()
    return [text for xg, goals in sums for text in (f"{xg:.2f} ({goals})", _than_expected(xg - goals))]


def _than_expected(difference: float) -> str:
    return f"{abs(difference):.2f} {'fewer' if difference > 0 else 'more'} goals than expected"


def said(page: AppTest, *kinds: str) -> str:
    """Return the notices below the score: all of them, or only those of these kinds."""
    (line,) = (element.proto.body for element in page.get("html") if 'class="xg-said' in element.proto.body)
    notes = re.findall(r'<span class="xg-notice xg-(\w+)">([^<]*)</span>', line)
    return "\n".join(unescape(text) for kind, text in notes if not kinds or kind in kinds)


def notice(page: AppTest) -> str:
    """Return what the page says of the last successful ping."""
    return said(page, "success", "note").split("\n")[0].rstrip(".")


def html_table(page: AppTest, name: str) -> pd.DataFrame:
    """Return a small table by its name: the texts of its cells by row and column; a column of a team as "CAR xG"."""
    (body,) = (body for element in page.get("html") if f'aria-label="{escape(name)}"' in (body := element.proto.body))
    table = ElementTree.fromstring(body)
    lines = [
        ["".join(cell.itertext()).replace("\N{NO-BREAK SPACE}", " ") for cell in row]
        for row in table.iterfind(".//tbody/tr")
    ]
    *groups, titles = table.findall(".//thead/tr")
    teams: list[str] = []
    for group in groups:
        for cell in group:
            if "xg-wide" in cell.get("class", ""):
                teams += ["".join(cell.itertext())] * int(cell.get("colspan", 1))
    names = ["".join(cell.itertext()) for cell in titles]
    columns = [f"{team} {title}".strip() for team, title in zip(teams or [""] * len(names), names, strict=True)]
    return pd.DataFrame(lines, columns=columns).set_index(columns[0])


def words(elements: Any) -> str:
    """Return the elements' text as the reader sees it."""
    return "\n".join(str(element.value).replace("\\", "") for element in elements)
