"""What the address says, and what goes along from one page to another."""

from streamlit.testing.v1 import AppTest

from tests.games import GAME_ID, FeedServer, game
from tests.reports import SHOTS
from tests.ui.page_session import PAGE, OpenPage, ping, totals

CHOICES = {"game": str(GAME_ID), "delay": "40", "day": "2021-11-28"}


def said(page: AppTest) -> dict[str, str]:
    """Return what the page's address says."""
    return {name: value[0] if isinstance(value, list) else value for name, value in page.query_params.items()}


def test_old_link_to_a_game_opens_it_with_all_that_it_says(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    ping(open_page())
    page = AppTest.from_file(str(PAGE), default_timeout=150)
    for name, value in (CHOICES | {"count": "5v5"}).items():
        page.query_params[name] = value
    page.run()
    assert len(totals(page)) == 4
    assert said(page) == CHOICES | {"count": "5v5"}


def test_choices_go_along_to_the_other_page_and_back_to_the_game(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    for name, value in (CHOICES | {"model": "nonsense"}).items():
        page.query_params[name] = value
    page.run()
    page.query_params.clear()  # as the links at the top do
    page.switch_page("tonight.py")
    page.run()
    assert said(page) == {name: value for name, value in CHOICES.items() if name != "game"}
    page.query_params.clear()
    page.switch_page("game.py")
    page.run()
    assert said(page) == CHOICES | {"model": "nonsense"}
    page.query_params.clear()
    page.query_params["game"] = "2021020330"
    page.switch_page("tonight.py")
    page.run()
    page.switch_page("game.py")
    page.query_params["game"] = "2021020330"
    page.query_params.pop("model", None)
    page.run()
    assert "model" not in said(page)  # it belongs to the other game
