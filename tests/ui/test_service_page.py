"""The Service page, run without a browser."""

from pathlib import Path

import pytest

from tests.conftest import Service, running_service
from tests.games import FeedServer
from tests.helpers import wait_until
from tests.ui.page_session import (
    OpenPage,
    html_table,
    page_opener,
    words,
)


def test_service_page_of_a_pinned_service_has_no_swaps_on_record(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = {"XG_MODEL": "bundled/xg-distance:1.0.0"}  # a pinned service records no swaps
    with running_service(tmp_path / "pinned", settings=pin) as pinned:
        monkeypatch.setenv("XG_SERVING_URL", pinned.url)
        page = open_page()
        page.switch_page("service.py")
        page.run()
    assert "bundled/xg-distance:1.0.0" in words(page.main.markdown)
    assert "No swaps are on record." in words(page.main.caption)
    assert "default" not in words(page.main.caption)


def test_service_page_shows_what_the_service_follows_and_why_it_cannot(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    follow = {
        "XG_FOLLOW": "acme/shots:Production",
        "COMET_API_KEY": "k" * 20,
        "COMET_URL_OVERRIDE": "http://127.0.0.1:9",
    }
    with running_service(tmp_path / "following", settings=follow) as service:
        wait_until(lambda: (following := service.client.ready().following) and following.problem)
        monkeypatch.setenv("XG_SERVING_URL", service.url)
        page = open_page()
        page.switch_page("service.py")
        page.run()
    assert "Follows acme/shots:Production; asked at 20" in words(page.main.caption).replace("\\", "")
    assert "cannot be reached" in words(page.main.warning)


def test_log_has_what_was_done_and_no_reads_of_the_page(open_page: OpenPage, service: Service) -> None:
    service.client.download_registry_model("bundled", "xg-distance", None)
    page = open_page()
    page.switch_page("service.py")
    page.run()
    messages = html_table(page, "The service's log")["Message"]
    assert messages.str.contains("POST /download_registry_model 200").any()
    assert not messages.str.startswith("GET ").any()
    swaps = html_table(page, "Which model was made active, and when")
    assert swaps["Model"].iloc[0] == "bundled/xg-distance:1.0.0"


def test_service_page_without_a_service_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, feed: FeedServer
) -> None:
    page = page_opener(monkeypatch, tmp_path, feed.url, "http://127.0.0.1:9")()
    page.switch_page("service.py")
    page.run()
    assert "is it running? Start it with make serve" in words(page.main.error).replace("\\", "")


def test_service_page_shows_the_seasons_and_columns_of_the_model(open_page: OpenPage) -> None:
    page = open_page()
    page.switch_page("service.py")
    page.run()
    said = words(page.main.markdown)
    assert "Trained on: 2018-19, 2019-20, 2020-21, 2022-23" in said
    assert "Rates: unblocked attempts" in said
    columns = html_table(page, "The columns that the model needs")
    assert columns["Kind"]["shot_type"] == "category"
    assert columns["Meaning"]["distance"]
