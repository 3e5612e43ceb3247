"""The sidebar: loading a model, rolling back, following the swaps of others."""

import pytest

from tests.conftest import Service
from tests.games import FeedServer, game
from tests.reports import SHOTS
from tests.ui.page_session import (
    OpenPage,
    click,
    field,
    get_model,
    notice,
    ping,
    said,
    words,
)
from ui.clients import active_model
from ui.parts import notices

pytestmark = pytest.mark.usefixtures("without_charts")


def test_loaded_model_rates_at_the_next_ping_and_is_named(
    open_page: OpenPage, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    page = get_model(ping(open_page()), "bundled", "xg-distance")
    assert words(page.sidebar.success).startswith("bundled/xg-distance:")
    assert "bundled/xg-distance:" in words(page.sidebar.markdown)
    assert "Rated by bundled/xg-default" in said(page)
    assert "bundled/xg-distance" in said(page, "info")
    ping(page)
    assert notice(page).startswith("4 attempts rated")
    assert "Rated by bundled/xg-distance" in said(page)
    click(page, "Roll back")
    assert "bundled/xg-default" in words(page.sidebar.success)
    ping(page)
    assert service.rows_scored() == 8  # each shot once per model


def test_model_picked_from_the_list_fills_the_form(open_page: OpenPage) -> None:
    page = open_page()
    picker = page.selectbox(key="pick")
    chosen = next(option for option in picker.options if "xg-distance-angle" in option)
    picker.select(chosen)
    page.run()
    assert field(page, "Workspace").value == "bundled"
    assert field(page, "Model").value == "xg-distance-angle"
    assert field(page, "Version").value


def test_model_that_cannot_be_loaded_is_reported_with_the_active_one(open_page: OpenPage, service: Service) -> None:
    page = get_model(open_page(), "somebody", "something", "1.0.0")
    assert "COMET_API_KEY" in words(page.sidebar.error)
    assert "bundled/xg-default" in words(page.sidebar.error)
    assert service.client.model().model == "xg-default"
    get_model(page, "", "")
    assert "Enter a workspace and a model" in words(page.sidebar.error)


def test_success_notice_expires_and_the_sidebar_follows_swaps_of_others(
    open_page: OpenPage, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = get_model(open_page(), "bundled", "xg-distance")
    assert "is active, from bundled" in words(page.sidebar.success)
    monkeypatch.setattr(notices, "GOOD_NEWS_S", 0)
    page.run()
    assert not page.sidebar.success
    service.client.download_registry_model("bundled", "xg-distance-angle")
    active_model.clear()  # as after a few seconds
    page.run()
    assert "bundled/xg-distance-angle" in words(page.sidebar.markdown)
