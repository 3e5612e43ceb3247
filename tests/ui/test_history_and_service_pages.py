"""The pages of past games and of the service, run without a browser."""

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from streamlit.testing.v1 import AppTest

from db.history import History
from livegame.plays import Player, Shot
from tests.conftest import Service
from tests.games import GAME_ID, HOME, FeedServer, game, play
from tests.ui.pages import OpenPage, field, get_model, open_view, pages, ping, restart, words
from tests.ui.reports import SHOTS
from ui.words import model_name


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, feed: FeedServer, service: Service) -> OpenPage:
    return pages(monkeypatch, tmp_path, feed.url, service.url)


def box(page: AppTest, label: str) -> Any:
    """The list of this label."""
    return next(found for found in page.selectbox if found.label == label)


def test_events_are_searched_without_accents(open_page: OpenPage, feed: FeedServer) -> None:
    shots = [replace(shot, shooter_id=8482116) if isinstance(shot, Shot) else shot for shot in SHOTS]
    feed.show(game(*shots, players={8482116: Player("Tim St\u00fctzle", HOME)}))
    page = open_view(ping(open_page()), "All events")
    for search, found in (("stutzle", 4), ("ST\u00dcTZLE", 4), ("stuzle", 0)):
        field(page, "Search").set_value(search)
        page.run()
        assert f"{found} of 4 events" in words(page.caption) or found == len(page.main.dataframe[0].value)


def test_history_starts_with_the_active_model_and_keeps_the_readers_choice(
    open_page: OpenPage, feed: FeedServer
) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    ping(get_model(page, "bundled", "xg-distance"))
    get_model(page, "bundled", "xg-default")
    restart()  # as the first page of a new server, which has not asked the service yet
    fresh = open_page()
    fresh.switch_page("history.py")
    fresh.run()
    assert model_name(box(fresh, "Model").value).startswith("bundled/xg-default")
    other = next(model for model in box(fresh, "Model").options if "xg-distance" in model)
    box(fresh, "Model").select(other)
    fresh.run()
    get_model(fresh, "bundled", "xg-distance-angle")
    assert "xg-distance:" in box(fresh, "Model").value


def test_the_season_acts_on_both_halves_of_history(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    feed.show(game(*SHOTS[:2], game_id=2022020329, season=20222023))
    page = ping(ping(open_page()), "2022020329")
    page.switch_page("history.py")
    page.run()
    by_season, teams = page.main.table[0].value, page.main.dataframe[0].value
    assert by_season[["Season", "Training"]].values.tolist() == [
        ["2022-23", "learned from"], ["2021-22", "never seen"],
    ]  # fmt: skip
    assert teams["Games"].tolist() == [2, 2]
    assert "unseen shots" in words(page.markdown)
    box(page, "Season").select(20222023)
    page.run()
    by_season, teams = page.main.table[0].value, page.main.dataframe[0].value
    assert (by_season["Season"].tolist(), teams["Games"].tolist()) == (["2022-23"], [1, 1])
    assert "shots of seasons it learned from" in words(page.markdown)


def test_other_competitions_are_chosen_and_never_summed_with_the_season(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    feed.show(game(*SHOTS, game_id=2021010001, game_type=1))
    page = ping(ping(open_page()), "2021010001")
    page.switch_page("history.py")
    page.run()
    assert page.main.dataframe[0].value["Games"].tolist() == [1, 1]
    states = page.main.dataframe[1].value.set_index("ID")["State"]
    assert states.str.contains("Preseason").to_dict() == {GAME_ID: False, 2021010001: True}
    box(page, "Competition").select("preseason")
    page.run()
    assert page.main.dataframe[0].value["Games"].tolist() == [1, 1]
    assert "On 4 unseen shots" in words(page.markdown)


def test_the_list_of_games_leaves_out_the_empty_net_as_the_headline_does(
    open_page: OpenPage, feed: FeedServer, tmp_path: Path
) -> None:
    feed.show(game(*SHOTS, play(400, "missed-shot", 1100, x=20, y=0, situation="0651")))
    page = ping(open_page())
    page.switch_page("history.py")
    page.run()
    (stored,) = History(tmp_path / "history.db").games()
    (home,) = [total for total in stored["totals"] if total["is_home"]]
    assert home["xg_empty_net"] > 0
    listed = page.main.dataframe[1].value.iloc[0]
    assert listed["Home xG"] == pytest.approx(home["xg"] - home["xg_empty_net"])


def test_the_service_page_says_what_is_wrong_in_whole_sentences(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, feed: FeedServer
) -> None:
    page = pages(monkeypatch, tmp_path, feed.url, "http://127.0.0.1:9")()
    page.switch_page("service.py")
    page.run()
    assert "is it running? Start it with make serve" in words(page.main.error).replace("\\", "")


def test_the_service_page_tells_what_the_model_learned_from(open_page: OpenPage) -> None:
    page = open_page()
    page.switch_page("service.py")
    page.run()
    said = words(page.main.markdown)
    assert "Learned from: 2018-19, 2019-20, 2020-21, 2022-23" in said
    assert "Rates: unblocked attempts" in said
    assert ["Column", "Meaning", "Kind", "Nullable"] in [list(table.value.columns) for table in page.main.dataframe]


def test_a_game_that_was_opened_from_history_leaves_its_address(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    page.switch_page("history.py")
    page.query_params["game"] = str(GAME_ID)  # as the browser's way back leads to
    page.run()
    assert "game" not in page.query_params
    assert page.title[0].value == "History"
