"""The page, run without a browser: what it says and does with a real service, feed and history behind it."""

from pathlib import Path

import pytest

from livegame.plays import GameState
from tests.conftest import Service
from tests.games import GAME_ID, FeedServer, game, play
from tests.ui_pages import OpenPage, click, field, get_model, pages, ping, restart, words
from tests.ui_reports import SHOTS


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, feed: FeedServer, service: Service) -> OpenPage:
    return pages(monkeypatch, tmp_path, feed.url, service.url)


def test_the_first_visit_says_what_to_do(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page()
    assert page.title[0].value == "Live expected goals"
    assert not page.metric
    assert "2021020329" in words(page.caption)
    restart()  # the settings are read once in the life of a dashboard
    monkeypatch.setenv("XG_DEMO_GAME", str(GAME_ID))
    page = open_page()
    assert field(page, "Game ID").value == str(GAME_ID)
    assert "This is a demonstration" in words(page.info)


def test_a_ping_shows_the_game(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    assert words(page.success) == "4 new shots"
    assert page.title[0].value == "Washington Capitals at Carolina Hurricanes"
    assert "Period 1 - 12:35 left" in words(page.markdown)
    away, home = page.metric
    assert (away.label, home.label) == ("Washington Capitals xG (actual)", "Carolina Hurricanes xG (actual)")
    xg, goals = home.value.rstrip(")").split(" (")
    assert goals == "1"
    assert home.delta == f"{float(xg) - 1:+.2f}"
    assert "Data used for predictions (and predictions)" in words(page.subheader)
    table = page.main.dataframe[-1].value
    assert len(table) == 4
    assert table.columns[-1] == "probability"
    assert table["event_id"].tolist() == [301, 300, 11, 812]
    assert page.query_params["game"] in (str(GAME_ID), [str(GAME_ID)])


def test_a_second_ping_adds_only_what_is_new(open_page: OpenPage, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    ping(page)
    assert words(page.info) == "Nothing new"
    feed.show(game(*SHOTS, play(700, "missed-shot", 200)))
    ping(page)
    assert words(page.success) == "1 new shot"
    assert service.rows_scored() == 5


def test_another_reader_sees_the_same_without_a_ping(open_page: OpenPage, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    first = ping(open_page())
    asked = len(feed.requests)
    restart()
    second = open_page(str(GAME_ID))
    assert [(m.label, m.value, m.delta) for m in second.metric] == [(m.label, m.value, m.delta) for m in first.metric]
    assert second.main.dataframe[-1].value.equals(first.main.dataframe[-1].value)
    assert "Last ping" in words(second.caption)
    assert (len(feed.requests), service.rows_scored()) == (asked, 4)


@pytest.mark.parametrize(
    ("game_id", "says"), [("abc", "is not a game id"), ("2021029999", "check the number"), ("", "is not a game id")]
)
def test_a_bad_id_is_told_and_the_game_stays(open_page: OpenPage, feed: FeedServer, game_id: str, says: str) -> None:
    feed.show(game(*SHOTS))
    page = ping(ping(open_page()), game_id)
    assert says in words(page.error)
    assert len(page.metric) == 2
    assert page.query_params["game"] in (str(GAME_ID), [str(GAME_ID)])


def test_a_feed_that_fails_is_told_and_the_game_stays(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    before = [metric.value for metric in page.metric]
    feed.answer(f"/v1/gamecenter/{GAME_ID}/play-by-play", b"<html>")
    ping(page)
    assert "HTML instead of JSON" in words(page.error)
    assert [metric.value for metric in page.metric] == before


def test_without_the_service_shots_are_pending_not_lost(
    open_page: OpenPage, feed: FeedServer, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.show(game(*SHOTS))
    monkeypatch.setenv("XG_SERVING_URL", "http://127.0.0.1:9")
    page = ping(open_page())
    assert "stored but not scored" in words(page.warning)
    assert "2 shots pending" in words(page.warning)
    assert "cannot be reached" in words(page.error)  # in the sidebar, too
    assert len(page.main.dataframe[-1].value) == 4
    monkeypatch.setenv("XG_SERVING_URL", service.url)
    restart()
    page = ping(open_page(str(GAME_ID)))
    assert "4 shots scored" in words(page.success)
    assert "pending" not in words(page.warning)


def test_a_history_that_cannot_be_read_is_told(open_page: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"this is no database" * 100)
    page = open_page(str(GAME_ID))
    assert "history.db" in words(page.error)


def test_a_setting_that_cannot_be_used_is_told(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XG_FEED_URL", "nonsense")
    page = open_page()
    assert "XG_FEED_URL" in words(page.error)


def test_a_model_is_fetched_and_the_page_says_which_scored_what(
    open_page: OpenPage, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    page = get_model(ping(open_page()), "bundled", "xg-distance")
    assert words(page.sidebar.success).startswith("bundled/xg-distance:")
    assert "bundled/xg-distance:" in words(page.sidebar.markdown)
    assert "Scored by bundled/xg-default" in words(page.info)
    assert "bundled/xg-distance" in words(page.info)
    ping(page)
    assert words(page.success).startswith("4 shots scored")
    assert "Scored by bundled/xg-distance" in words(page.caption)
    click(page, "Roll back")
    assert "bundled/xg-default" in words(page.sidebar.success)
    ping(page)
    assert service.rows_scored() == 8  # each shot once per model


def test_the_list_of_models_fills_the_form(open_page: OpenPage) -> None:
    page = open_page()
    picker = page.selectbox(key="pick")
    chosen = next(option for option in picker.options if "xg-distance-angle" in option)
    picker.select(chosen)
    page.run()
    assert field(page, "Workspace").value == "bundled"
    assert field(page, "Model").value == "xg-distance-angle"
    assert field(page, "Version").value


def test_a_model_that_cannot_be_had_is_told_with_the_one_that_stays(open_page: OpenPage, service: Service) -> None:
    page = get_model(open_page(), "somebody", "something", "1.0.0")
    assert "COMET_API_KEY" in words(page.sidebar.error)
    assert "bundled/xg-default" in words(page.sidebar.error)
    assert service.client.model()["model"] == "xg-default"
    get_model(page, "", "")
    assert "Name a workspace and a model" in words(page.sidebar.error)


def test_pinging_on_its_own_ends_with_the_game(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    toggle = page.toggle(key="every")
    assert (toggle.label, toggle.disabled) == ("Ping every 30 s", False)
    toggle.set_value(True)
    page.run()
    assert page.toggle(key="every").value is True
    feed.show(game(*SHOTS, state=GameState.FINAL, period=3, seconds_left=0))
    ping(page)
    assert (page.toggle(key="every").value, page.toggle(key="every").disabled) == (False, True)


def test_pinging_on_its_own_pings(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    feed.show(game(*SHOTS, play(700, "missed-shot", 200)))
    page.session_state["tried_at"] = float("-inf")  # as if 30 s had passed
    page.toggle(key="every").set_value(True)
    page.run()
    assert words(page.success) == "1 new shot"
    assert len(page.main.dataframe[-1].value) == 5


def test_what_counts_is_said(open_page: OpenPage, feed: FeedServer) -> None:
    empty_net = play(700, "goal", 1190, x=20, y=0, period=3, situation="0651")
    feed.show(game(*SHOTS, empty_net, period=3, state=GameState.FINAL, seconds_left=0))
    page = ping(open_page())
    assert "Shootout attempts never count" in words(page.caption)
    breakdown = page.table[0].value.to_dict()
    assert breakdown["CAR xG (goals)"]["Empty net"].endswith("(1)")
    assert breakdown["WSH xG (goals)"]["Empty net"] == "0.00 (0)"
    assert breakdown["CAR xG (goals)"]["All that counts"].endswith("(2)")


def test_a_correction_is_told_and_listed(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    feed.show(game(*SHOTS[:3], SHOTS[4]))
    ping(page)
    assert words(page.success) == "2 corrections"  # the goal, and the score before the next shot
    assert page.metric[1].value.endswith("(0)")
    assert "Corrections by the league (2)" in [expander.label for expander in page.expander]
    table = page.main.dataframe[1].value
    assert dict(zip(table["event_id"], table["status"], strict=True)) == {
        812: "✓ scored",
        11: "✓ scored",
        300: "✕ retracted",
        301: "✎ amended",
    }
