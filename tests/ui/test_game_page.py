"""The Game page, run without a browser, with a real service, feed and history behind it."""

import re
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from msgspec.structs import replace
from streamlit.testing.v1 import AppTest

from db.connection import open_writer
from db.history import History, StoredGame
from db.history.schema import MIGRATIONS
from livegame.plays import GameState, Player, Shot, Team
from livegame.recordings.files import read_recording
from livegame.reports.counting import Count
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, HOME, FeedServer, as_feed, game, play
from tests.helpers import NOWHERE, make_client, record
from tests.reports import SHOTS
from tests.ui.page_session import (
    OpenPage,
    click,
    field,
    get_model,
    html_table,
    notice,
    open_view,
    ping,
    restart,
    said,
    score_line,
    stored_totals,
    totals,
    words,
)
from ui.clients import connect
from ui.words import COUNTS

DASH = "\N{EN DASH}"


def test_first_visit_says_what_to_do(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page()
    assert page.title[0].value == "Live expected goals"
    assert not score_line(page)
    assert "2021020329" in words(page.caption)
    restart()  # the settings are read once in the life of a dashboard
    monkeypatch.setenv("XG_DEMO_GAME", str(GAME_ID))
    page = open_page()
    assert field(page, "Game ID").value == str(GAME_ID)
    assert "This is a demo" in words(page.info)


def test_first_ping_shows_the_game(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    assert notice(page) == "4 new attempts"
    line = score_line(page)
    assert {"Washington Capitals", "Carolina Hurricanes", "Period 1 \N{EN DASH} 12:35 left"} <= set(line)
    assert "Sun, Nov 28, 2021 · Regular season 2021-22" in line
    assert any(re.search(r"Updated \d+ s ago", element.proto.body) for element in page.get("html"))
    _, _, home, difference = totals(page)
    xg, goals = home.rstrip(")").split(" (")
    assert goals == "1"
    assert difference == f"{1 - float(xg):.2f} more goals than expected"
    assert page.query_params["game"] in (str(GAME_ID), [str(GAME_ID)])
    table = events(page)
    assert "Data used for predictions (and predictions)" in words(page.subheader)
    assert table["event_id"].tolist() == [301, 300, 11, 812]
    assert table.columns[-1] == "probability"


@pytest.mark.usefixtures("without_charts")
def test_second_ping_adds_only_what_is_new(open_page: OpenPage, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    ping(page)
    assert notice(page) == "Nothing new"
    feed.show(game(*SHOTS, play(700, "missed-shot", 200)))
    ping(page)
    assert notice(page) == "1 new attempt"
    assert service.rows_scored() == 5


@pytest.mark.usefixtures("without_charts")
def test_second_reader_sees_the_same_without_a_ping(open_page: OpenPage, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    first = ping(open_page())
    asked = games_asked_for(feed)
    restart()
    second = open_page(str(GAME_ID))
    assert totals(second) == totals(first) != []
    assert events(second).equals(events(first))
    assert (games_asked_for(feed), service.rows_scored()) == (asked, 4)


def games_asked_for(feed: FeedServer) -> int:
    return sum("play-by-play" in path for path, _ in feed.requests)


def test_page_reads_a_game_once_and_once_more_after_a_ping(
    open_page: OpenPage, feed: FeedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[int] = []
    read_game = History.read_game

    def counted(history: History, game_id: int, *which: Any) -> StoredGame | None:
        reads.append(game_id)
        return read_game(history, game_id, *which)

    def reads_of(act: Callable[[], object]) -> int:
        reads.clear()
        act()
        return len(reads)

    monkeypatch.setattr(History, "read_game", counted)
    feed.show(game(*SHOTS))
    page = open_page()
    assert reads_of(lambda: ping(page)) == 1
    assert reads_of(page.run) == 1
    assert reads_of(lambda: ping(page)) == 2, "before the ping, and after it"
    feed.show(game(*SHOTS, play(700, "missed-shot", 200)))
    assert reads_of(lambda: ping(page)) == 2
    assert notice(page) == "1 new attempt"
    page.segmented_control(key="count").set_value(Count.FIVE_ON_FIVE)
    assert reads_of(page.run) == 1
    assert any("at 5v5; " in element.proto.body for element in page.get("html"))


@pytest.mark.usefixtures("without_charts")
def test_invalid_id_is_reported_beside_the_game(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    for game_id, says in (
        ("abc", "'abc' is not a game id"),
        ("2021029999", "No game 2021029999 in the league's feed; check the number."),
        ("", "is not a game id"),
        ("2021020329 or 2021020330", f"Still showing game {GAME_ID}."),
    ):
        ping(page, game_id)
        assert says in said(page, "error"), game_id
        assert len(totals(page)) == 4
        assert page.query_params["game"] in (str(GAME_ID), [str(GAME_ID)])


@pytest.mark.usefixtures("without_charts")
@pytest.mark.parametrize(
    "text", [" 2021 020 329\t", "https://www.nhl.com/gamecenter/wsh-vs-car/2021/11/28/2021020329/playbyplay"]
)
def test_text_with_one_id_in_it_is_understood(open_page: OpenPage, feed: FeedServer, text: str) -> None:
    feed.show(game(*SHOTS))
    assert notice(ping(open_page(), text)) == "4 new attempts"


@pytest.mark.usefixtures("without_charts")
def test_game_unknown_to_the_feed_has_one_message(open_page: OpenPage, feed: FeedServer) -> None:
    page = ping(open_page("2021029999"), "2021029999")
    assert said(page) == "No game 2021029999 in the league's feed; check the number."
    assert not page.info
    feed.show(game(*SHOTS))
    before = totals(ping(page))
    feed.answers.clear()
    ping(page)
    assert said(page, "info") == "The league's feed no longer has this game; what is stored stays."
    assert totals(page) == before


@pytest.mark.usefixtures("without_charts")
def test_model_in_the_address_that_has_not_rated_the_game_is_reported(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    page.query_params["model"] = "nonsense"
    page.run()
    assert "No model 'nonsense' has rated this game; these numbers are by bundled/xg-default:" in said(page, "warning")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("FUT", {"Not started", "6:00 PM", "Sun, Nov 28, 2021 · Regular season 2021-22"}),
        ("PPD", {"Postponed", "A new date will be announced."}),
        ("CNCL", {"Cancelled", "This game will not be played."}),
    ],
)
def test_game_without_play_shows_its_start_and_the_season_only(
    open_page: OpenPage, feed: FeedServer, state: str, words: set[str]
) -> None:
    feed.show(game(*SHOTS, game_id=2021020300, state=GameState.FINAL))
    xg = totals(ping(open_page(), "2021020300"))
    shown = as_feed(game(state=GameState.NOT_STARTED))
    feed.show(shown if state == "FUT" else shown | {"gameScheduleState": state})
    page = ping(open_page())
    line = score_line(page)
    assert words <= set(line)
    assert not totals(page)
    assert f"{xg[2].split()[0]} xG for, {xg[0].split()[0]} against per game (1 game on record)" in line
    assert not [text for text in line if "xG (goals)" in text]
    assert not page.get("vega_lite_chart")


@pytest.mark.usefixtures("without_charts")
def test_notice_about_one_game_is_not_shown_with_another(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(ping(open_page()), "abc")
    assert "is not a game id" in said(page, "error")
    page.query_params["game"] = "2021020330"
    page.run()
    assert not said(page)
    assert "2021020330 has not been pinged yet" in words(page.info)


@pytest.mark.parametrize("game_id", ["<b>x", "2021020329' OR 1=1", "99999999999999999999", "../..", "\u0662\u0660"])
def test_invalid_id_in_the_address_is_reported_once(open_page: OpenPage, game_id: str) -> None:
    page = open_page(game_id)
    assert "is not a game id" in said(page)
    assert len(said(page).split("\n")) == 1


@pytest.mark.usefixtures("without_charts")
def test_failing_feed_is_reported_and_the_game_stays(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    before = totals(page)
    feed.answer(f"/v1/gamecenter/{GAME_ID}/play-by-play", b"<html>")
    ping(page)
    assert "HTML instead of JSON" in said(page, "error")
    assert totals(page) == before


def test_shots_without_the_service_are_pending_until_it_is_back(
    open_page: OpenPage, feed: FeedServer, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.show(game(*SHOTS))
    monkeypatch.setenv("XG_SERVING_URL", "http://127.0.0.1:9")
    page = ping(open_page())
    assert "saved but not rated" in said(page, "warning")
    assert "4 attempts waiting for the model" in said(page, "warning")
    assert "+ 2 not rated yet (including 1 goal)" in score_line(page)
    assert totals(page) == ["0.00 (0)", "0.00 (1)"]  # beside no difference
    assert "No odds" in words(page.caption)
    danger = open_view(page, "Attempts")
    assert "4 not rated yet" in words(danger.main.caption)
    assert "Pending" in html_table(open_view(page, "Players"), "Players").columns
    assert "cannot be reached" in words(page.error)  # in the sidebar, too
    assert len(events(page)) == 4
    monkeypatch.setenv("XG_SERVING_URL", service.url)
    restart()
    page = ping(open_page(str(GAME_ID)))
    assert "4 attempts rated" in notice(page)
    assert not said(page, "warning")


def test_unreadable_history_is_reported(open_page: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"this is no database" * 100)
    page = open_page(str(GAME_ID))
    assert "history.db" in said(page, "error")


def test_invalid_setting_is_reported(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XG_FEED_URL", "nonsense")
    page = open_page()
    assert "XG_FEED_URL" in words(page.error)


@pytest.mark.usefixtures("without_charts")
def test_refresh_ends_a_while_after_the_game(open_page: OpenPage, feed: FeedServer, tmp_path: Path) -> None:
    final = game(*SHOTS, play(990, "game-end", 0, period=3), state=GameState.FINAL, period=3, seconds_left=0)
    feed.show(game(*SHOTS))
    page = ping(open_page())
    assert (page.selectbox(key="every").value, page.selectbox(key="every").disabled) == (30, False)
    feed.show(final)
    ping(page)
    long_ago(page, tmp_path)
    feed.show(game(*SHOTS, play(700, "missed-shot", 200)))  # it was not the end
    page.run()
    assert len(events(page)) == 5
    feed.show(final)
    ping(page)
    with closing(open_writer(tmp_path / "history.db", MIGRATIONS)) as connection:
        connection.execute("UPDATE games SET ended_at = '2021-11-28T21:00:00.000Z'")
    page.run()
    assert page.selectbox(key="every").disabled
    asked = games_asked_for(feed)
    long_ago(page, tmp_path)
    page.session_state["tried_at"] = float("-inf")
    page.run()
    assert games_asked_for(feed) == asked


@pytest.mark.usefixtures("without_charts")
def test_page_pings_by_itself_after_the_chosen_time_without_a_ping(
    open_page: OpenPage, feed: FeedServer, tmp_path: Path
) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    feed.show(game(*SHOTS, play(700, "missed-shot", 200)))

    def a_minute_passes() -> None:
        long_ago(page, tmp_path)
        page.run()

    page.selectbox(key="every").set_value(0)
    page.run()
    a_minute_passes()
    assert len(events(page)) == 4  # the reader wants to ping by hand
    page.session_state["tried_at"] = float("-inf")
    with closing(open_writer(tmp_path / "history.db", MIGRATIONS)) as connection:
        connection.execute("UPDATE games SET pinged_at = ?", (datetime.now(UTC).isoformat(),))
    page.selectbox(key="every").set_value(30)
    page.run()
    assert len(events(page)) == 4  # somebody else has just done it
    a_minute_passes()
    assert notice(page) == "1 new attempt"
    assert len(events(page)) == 5


def long_ago(page: AppTest, data_dir: Path) -> None:
    """Move the last ping, of this page or another, into the past."""
    page.session_state["tried_at"] = float("-inf")
    with closing(open_writer(data_dir / "history.db", MIGRATIONS)) as connection:
        connection.execute("UPDATE games SET pinged_at = '2021-11-28T18:00:00.000Z'")


@pytest.mark.usefixtures("without_charts")
def test_refresh_interval_is_kept_while_other_pages_are_shown(
    open_page: OpenPage, feed: FeedServer, tmp_path: Path
) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    page.selectbox(key="every").set_value(0)
    page.run()
    page.query_params["game"] = "2021020330"  # not pinged, so there is nothing to refresh
    page.run()
    assert not [box for box in page.selectbox if box.key == "every"]
    page.query_params["game"] = str(GAME_ID)
    page.run()
    assert page.selectbox(key="every").value == 0
    page.switch_page("history.py")
    page.run()
    assert page.title[0].value == "History"
    asked = games_asked_for(feed)
    long_ago(page, tmp_path)
    page.query_params["game"] = str(GAME_ID)  # History forgets which game was opened from it
    page.switch_page("game.py")
    page.run()
    assert page.selectbox(key="every").value == 0
    assert games_asked_for(feed) == asked


def test_count_switch_applies_to_the_whole_page(open_page: OpenPage, feed: FeedServer) -> None:
    aho = 8478427
    late = {"period": 3, "shooter_id": aho}
    power_play = play(699, "missed-shot", 1100, situation="1451", **late)
    empty_net = play(700, "goal", 1190, x=20, y=0, situation="0651", **late)
    feed.show(game(*SHOTS, power_play, empty_net, period=3, state=GameState.FINAL, seconds_left=0))
    page = ping(open_page())
    chances = events(page).set_index("event_id")["probability"]
    even, more, empty = chances[300] + chances[812], chances[699], chances[700]

    def shown(view: str, count: str) -> AppTest:
        page.query_params["count"] = count
        page.query_params["view"] = view
        page.session_state["count"] = next(option for option, words in COUNTS.items() if words == count)
        page.run()
        assert not page.exception
        return page

    for count, xg, goals, beside in (
        ("All", even + more + empty, 2, f"including {empty:.2f} (1) empty net"),
        ("No empty net", even + more, 1, f"+ {empty:.2f} (1) empty net"),
        ("5v5", even, 1, f"+ {more:.2f} (0) at other strengths + {empty:.2f} (1) empty net"),
    ):
        players = html_table(shown("Players", count), "Players")
        assert totals(page)[2] == f"{xg:.2f} ({goals})"
        assert beside in score_line(page)
        late_xg = xg - even
        assert players["xG"].get("Sebastian Aho (CAR)", "0.00") == f"{late_xg:.2f}"
        periods = html_table(shown("Attempts", count), "Attempts, xG and goals by period")
        danger = html_table(page, "Chances by danger")
        strength = html_table(shown("Strength and score", count), "By strength")
        states = html_table(page, "Attempts, xG and goals by score")
        for table, total in ((periods, "Game"), (danger, "All"), (strength, "Total"), (states, "Whole game")):
            assert (table["CAR xG"][total], table["CAR Goals"][total]) == (f"{xg:.2f}", str(goals))
        row = "Empty net" if count == "All" else "Not counted: Empty net"
        assert (strength["CAR xG"][row], strength["CAR Goals"][row]) == (f"{empty:.2f}", "1")
        assert strength["WSH Attempts"][row] == "0"
    assert (periods["CAR Unblocked"]["Game"], periods["CAR SOG"]["Game"]) == ("2", "2")
    open_view(page, "What counts")
    assert "Shootout attempts never count" in words(page.markdown)
    assert "Features." in words(page.markdown)


@pytest.mark.usefixtures("without_charts")
def test_goals_players_and_goalies_views_show_the_reports_sums(open_page: OpenPage, feed: FeedServer) -> None:
    aho, ovechkin = 8478427, 8471214
    shots = [replace(shot, shooter_id=aho, goalie_id=ovechkin) if isinstance(shot, Shot) else shot for shot in SHOTS]
    feed.show(game(*shots))
    page = open_view(ping(open_page()), "Goals")
    goals = html_table(page, "Goals")
    assert "The last goal was 6:30 of play ago." in words(page.main.caption)
    chances = events(page).set_index("event_id")["probability"]
    assert goals[["After", "Score", "Scorer", "xG", "Type"]].values.tolist() == [
        ["0:55", "WSH 0\N{EN DASH}1 CAR", "Sebastian Aho", f"{chances[300]:.2f}", "Wrist"]
    ]
    xg = chances[300] + chances[812]
    players = html_table(open_view(page, "Players"), "Players").to_dict("index")
    aho_line = players["Sebastian Aho (CAR)"]
    assert (aho_line["Unblocked attempts"], aho_line["xG"], aho_line["Goals"]) == ("2", f"{xg:.2f}", "1")
    page.segmented_control(key=f"sort_{GAME_ID}").set_value("Goals")
    page.run()
    assert html_table(page, "Players").index[0] == "Sebastian Aho (CAR)"
    goalies = html_table(open_view(page, "Goalies"), "Goalies").to_dict("index")
    ovechkin_line = goalies["Alex Ovechkin (WSH)"]
    assert (ovechkin_line["Unblocked attempts faced"], ovechkin_line["Goals against"]) == ("2", "1")
    assert ovechkin_line["Goals saved above expected"] == f"\N{MINUS SIGN}{1 - xg:.2f}"
    assert "Small sample" in words(page.caption)


@pytest.mark.recordings
def test_score_line_numbers_equal_sums_over_the_stored_rows(
    open_page: OpenPage, service: Service, recordings: Path, tmp_path: Path
) -> None:
    client = make_client(tmp_path, NOWHERE, service.url)
    games = (2022020007, 2022020052, 2022030311, 2018020001, 2024020001)
    for game_id in games:
        record(client, read_recording(recordings / "games" / "new" / f"{game_id}.json.gz"))
    page = open_page()
    page.query_params["count"] = "All"
    for game_id in games:
        page.query_params["game"] = str(game_id)
        page.run()
        assert totals(page) == stored_totals(tmp_path / "history.db", game_id)


@pytest.mark.usefixtures("without_charts")
def test_event_search_finds_every_word(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = open_view(ping(open_page()), "Every attempt")
    field(page, "Search").set_value("wsh missed")
    page.run()
    assert html_table(page, "Every attempt")[["Team", "Outcome"]].to_dict("index") == {
        "P1 00:30": {"Team": "WSH", "Outcome": "Missed shot"}
    }
    assert "1 of 4 attempts" in words(page.caption)
    for search, found in (("goal", 1), ("shots on goal", 2), ("saved", 2), ("5v5", 4), ("goa", 0), ("hurricane", 0)):
        field(page, "Search").set_value(search)
        page.run()
        assert len(html_table(page, "Every attempt")) == found, search


@pytest.mark.usefixtures("without_charts")
def test_attempts_view_has_blocked_attempts_and_misses_by_reason(open_page: OpenPage, feed: FeedServer) -> None:
    miss = play(810, "missed-shot", 40, reason="short")
    block = play(811, "blocked-shot", 45, team=AWAY, x=-60, shooter_id=8471214, blocker_id=8478427)
    feed.show(game(*SHOTS, miss, block))
    page = open_view(ping(open_page()), "Attempts")
    periods = html_table(page, "Attempts, xG and goals by period").to_dict("index")["Game"]
    assert [periods[f"CAR {kind}"] for kind in ("SOG", "Unblocked", "Blocked", "All")] == ["2", "3", "0", "3"]
    assert [periods[f"WSH {kind}"] for kind in ("SOG", "Unblocked", "Blocked", "All")] == ["1", "2", "1", "3"]
    assert html_table(page, "Misses by reason").to_dict("index")["Short"] == {"WSH": "0", "CAR": "1"}
    assert "they count 2 unblocked attempts of WSH and 2 of CAR" in words(page.caption)
    attempts = html_table(open_view(page, "Every attempt"), "Every attempt").to_dict("index")
    block_line = attempts["P1 00:45"]
    assert (block_line["Team"], block_line["xG"], block_line["Outcome"]) == ("WSH", "", "Blocked by Sebastian Aho")
    assert "6 attempts, 1 of them blocked" in words(page.caption)


def test_two_models_view_shows_both_side_by_side(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    first = totals(page)
    open_view(page, "Two models")
    assert "One model has rated this game so far" in words(page.caption)
    second = totals(ping(get_model(page, "bundled", "xg-distance")))
    assert first[0] != second[0]
    sums = html_table(page, "Totals by two models")
    assert sums["WSH xG"].tolist()[1:] == [second[0].split()[0], first[0].split()[0]]
    shots = html_table(page, "Largest disagreements")
    differences = [abs(float(text.replace("\N{MINUS SIGN}", "-"))) for text in shots.index]
    assert len(differences) == 4
    assert differences == sorted(differences, reverse=True)
    model = next(box for box in page.selectbox if box.label == "Rated by")
    model.select(next(option for option in model.options if "xg-default" in option))
    page.run()
    assert totals(page) == first
    assert "xg-default" in str(page.query_params["model"])


def test_game_is_rated_by_another_model_in_the_tab_itself(
    open_page: OpenPage, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    page = open_view(ping(open_page()), "Two models")
    feed.answers.clear()  # the league no longer has the game: it is rated as it is stored
    offered = next(box for box in page.selectbox if box.label == "Another model")
    assert not [option for option in offered.options if "xg-default:" in option]
    offered.select_index(next(i for i, option in enumerate(offered.options) if "xg-distance:" in option))
    first = totals(page)
    click(page, "Rate this game with it")
    assert "Difference" in html_table(page, "Totals by two models").index
    assert totals(page) == first, "what the page shows by default stays"
    assert (service.rows_scored(), len(service.client.challengers().challengers)) == (8, 1)


@pytest.mark.usefixtures("without_charts")
def test_correction_is_reported_and_listed(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    feed.show(game(*SHOTS[:3], SHOTS[4]))
    ping(page)
    assert notice(page) == "2 corrections"  # the goal, and the score before the next shot
    assert totals(page)[2].endswith("(0)")
    assert "The league has corrected 2 shots." in said(page)
    table = events(page)
    assert "Corrections by the league (2)" in words(page.markdown)
    assert dict(zip(table["event_id"], table["status"], strict=True)) == {
        812: "✓ rated",
        11: "✓ rated",
        300: "✕ retracted",
        301: "✎ amended",
    }


def test_game_with_all_shots_retracted_can_still_be_viewed(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(get_model(ping(open_page()), "bundled", "xg-distance"))
    feed.show(game(SHOTS[0]))
    ping(page)
    assert totals(page) == ["0.00 (0)", "0.00 (0)"]
    for view in ("Attempts", "Strength and score", "Players"):
        assert "No attempts to add up here" in words(open_view(page, view).main.caption)
    for view in ("Goals", "Goalies", "Every attempt", "Two models", "What counts"):
        open_view(page, view)
    assert events(page)["status"].eq("✕ retracted").all()


def test_unreadable_value_of_the_feed_is_named(open_page: OpenPage, feed: FeedServer) -> None:
    broken = as_feed(game(*SHOTS))
    broken["plays"][1]["details"]["xCoord"] = "far"
    feed.show(broken)
    page = ping(open_page())
    assert notice(page) == "3 new attempts"
    assert "event 812: the location is 'far'" in said(page, "warning")


def test_markup_in_a_team_name_is_escaped(open_page: OpenPage, feed: FeedServer) -> None:
    odd = Team(HOME, "<i>", "<script>alert(1)</script> **bold** $x$", 0)
    feed.show(game(*SHOTS, home=odd))
    page = ping(open_page())
    assert "&lt;script&gt;alert(1)&lt;/script&gt; **bold** $x$" in score_line(page)
    for view in ("Goals", "Attempts", "Strength and score", "Players", "Goalies", "Every attempt", "What counts"):
        open_view(page, view)


def events(page: AppTest) -> pd.DataFrame:
    """Return the table of every attempt with all features."""
    open_view(page, "Every attempt")
    next(toggle for toggle in page.toggle if toggle.label == "All features").set_value(True)
    page.run()
    return page.main.dataframe[0].value


@pytest.mark.usefixtures("without_charts")
def test_event_search_ignores_accents_and_case(open_page: OpenPage, feed: FeedServer) -> None:
    shots = [replace(shot, shooter_id=8482116) if isinstance(shot, Shot) else shot for shot in SHOTS]
    feed.show(game(*shots, players={8482116: Player("Tim St\u00fctzle", HOME)}))
    page = open_view(ping(open_page()), "Every attempt")
    for search, found in (("stutzle", 4), ("ST\u00dcTZLE", 4), ("stuzle", 0)):
        field(page, "Search").set_value(search)
        page.run()
        assert len(html_table(page, "Every attempt")) == found


def test_page_is_drawn_again_only_if_something_has_changed(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    ping(open_page())
    clients = connect()

    def content() -> str:
        report = clients.game.report(GAME_ID)
        assert report is not None
        return report.content

    before = content()
    assert clients.game.ping(GAME_ID).new == ()
    assert content() == before, "a ping that finds nothing changes nothing"
    feed.show(game(*SHOTS, play(700, "blocked-shot", 200)))
    clients.game.ping(GAME_ID)
    with_block = content()
    assert with_block != before
    feed.show(game(*SHOTS, play(700, "blocked-shot", 200), seconds_left=700))
    clients.game.ping(GAME_ID)
    assert content() != with_block
