"""Fixtures for tests of the dashboard without a browser."""

from pathlib import Path

import pytest

from tests.conftest import Service
from tests.games import FeedServer
from tests.ui.page_session import OpenPage, page_opener


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, feed: FeedServer, service: Service) -> OpenPage:
    """Return a function that opens the page in a new session, with a real service, feed and history."""
    return page_opener(monkeypatch, tmp_path, feed.url, service.url)


@pytest.fixture
def without_charts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the charts, most of the work of drawing a page, in tests of its words and tables."""
    for name in ("draw", "draw_deserved"):
        monkeypatch.setattr(f"ui.parts.game.charts.{name}", lambda *_: None)
