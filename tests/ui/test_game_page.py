"""The page, run without a browser: what it says and does with a real service, feed and history behind it."""

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest
from msgspec.structs import replace
from streamlit.testing.v1 import AppTest

from db.connection import open_writer
from db.history.schema import MIGRATIONS
from livegame.plays import Game, GameState, Shot, Team
from tests.conftest import Service, running_service
from tests.games import GAME_ID, HOME, FeedServer, as_feed, game, hanging_server, play
from tests.ui.pages import (
    OpenPage,
    click,
    field,
    get_model,
    notice,
    open_view,
    pages,
    ping,
    restart,
    said,
    score_line,
    totals,
    words,
)
from tests.ui.reports import SHOTS
from ui.words import COUNTS

DASH = "\N{EN DASH}"


@pytest.fixture
def open_page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, feed: FeedServer, service: Service) -> OpenPage:
    return pages(monkeypatch, tmp_path, feed.url, service.url)


def test_the_first_visit_says_what_to_do(open_page: OpenPage, monkeypatch: pytest.MonkeyPatch) -> None:
    page = open_page()
    assert page.title[0].value == "Live expected goals"
    assert not score_line(page)
    assert "2021020329" in words(page.caption)
    restart()  # the settings are read once in the life of a dashboard
    monkeypatch.setenv("XG_DEMO_GAME", str(GAME_ID))
    page = open_page()
    assert field(page, "Game ID").value == str(GAME_ID)
    assert "This is a demonstration" in words(page.info)


def test_a_ping_shows_the_game(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    assert notice(page) == "4 new attempts"
    line = score_line(page)
    assert {"Washington Capitals", "Carolina Hurricanes", "Period 1 \N{EN DASH} 12:35 left"} <= set(line)
    assert {"Sun 28 Nov 2021 · Regular season 2021-22", "updated 0 s ago"} <= set(line)
    _, _, home, difference = totals(page)
    xg, goals = home.rstrip(")").split(" (")
    assert goals == "1"
    assert difference == f"{1 - float(xg):.2f} more goals than expected"
    assert page.query_params["game"] in (str(GAME_ID), [str(GAME_ID)])
    table = events(page)
    assert "Data used for predictions (and predictions)" in words(page.subheader)
    assert table["event_id"].tolist() == [301, 300, 11, 812]
    assert table.columns[-1] == "probability"


def test_a_second_ping_adds_only_what_is_new(open_page: OpenPage, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    ping(page)
    assert notice(page) == "Nothing new"
    feed.show(game(*SHOTS, play(700, "missed-shot", 200)))
    ping(page)
    assert notice(page) == "1 new attempt"
    assert service.rows_scored() == 5


def test_another_reader_sees_the_same_without_a_ping(open_page: OpenPage, feed: FeedServer, service: Service) -> None:
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


@pytest.mark.parametrize(
    ("game_id", "says"),
    [
        ("abc", "'abc' is not a game id"),
        ("2021029999", "No game 2021029999 in the league's feed; check the number."),
        ("", "is not a game id"),
        ("2021020329 or 2021020330", f"Game {GAME_ID} stays."),
    ],
)
def test_a_bad_id_is_told_and_the_game_stays(open_page: OpenPage, feed: FeedServer, game_id: str, says: str) -> None:
    feed.show(game(*SHOTS))
    page = ping(ping(open_page()), game_id)
    assert says in said(page, "error")
    assert len(totals(page)) == 4
    assert page.query_params["game"] in (str(GAME_ID), [str(GAME_ID)])


@pytest.mark.parametrize(
    "text", [" 2021 020 329\t", "https://www.nhl.com/gamecenter/wsh-vs-car/2021/11/28/2021020329/playbyplay"]
)
def test_any_text_with_one_id_in_it_will_do(open_page: OpenPage, feed: FeedServer, text: str) -> None:
    feed.show(game(*SHOTS))
    assert notice(ping(open_page(), text)) == "4 new attempts"


def test_one_state_has_one_message(open_page: OpenPage, feed: FeedServer) -> None:
    page = ping(open_page("2021029999"), "2021029999")
    assert said(page) == "No game 2021029999 in the league's feed; check the number."
    assert not page.info
    feed.show(game(*SHOTS))
    before = totals(ping(page))
    feed.answers.clear()
    ping(page)
    assert said(page, "info") == "The league's feed does not have this game any more; what is stored stays."
    assert totals(page) == before


def test_a_model_that_has_not_rated_the_game_is_told(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    page.query_params["model"] = "nonsense"
    page.run()
    assert "No model 'nonsense' has rated this game; the numbers are by bundled/xg-default:" in said(page, "warning")


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("FUT", {"Not started", "18:00", "Sun 28 Nov 2021 · Regular season 2021-22"}),
        ("PPD", {"Postponed", "The league will name another day."}),
        ("CNCL", {"Cancelled", "It will not be played."}),
    ],
)
def test_a_game_without_play_has_no_numbers_but_its_start_and_the_season(
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
    assert f"{xg[2].split()[0]} xG for, {xg[0].split()[0]} against a game (1 game on record)" in line
    assert not [text for text in line if "xG (goals)" in text]
    assert not page.get("vega_lite_chart")


def test_what_is_told_of_one_game_is_not_told_of_another(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(ping(open_page()), "abc")
    assert "is not a game id" in said(page, "error")
    page.query_params["game"] = "2021020330"
    page.run()
    assert not said(page)
    assert "2021020330 has not been pinged yet" in words(page.info)


@pytest.mark.parametrize("game_id", ["<b>x", "2021020329' OR 1=1", "99999999999999999999", "../..", "\u0662\u0660"])
def test_an_odd_id_in_the_address_is_told_once(open_page: OpenPage, game_id: str) -> None:
    page = open_page(game_id)
    assert "is not a game id" in said(page)
    assert len(said(page).split("\n")) == 1


def test_a_feed_that_fails_is_told_and_the_game_stays(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    before = totals(page)
    feed.answer(f"/v1/gamecenter/{GAME_ID}/play-by-play", b"<html>")
    ping(page)
    assert "HTML instead of JSON" in said(page, "error")
    assert totals(page) == before


def test_without_the_service_shots_are_pending_not_lost(
    open_page: OpenPage, feed: FeedServer, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.show(game(*SHOTS))
    monkeypatch.setenv("XG_SERVING_URL", "http://127.0.0.1:9")
    page = ping(open_page())
    assert "kept, not rated" in said(page, "warning")
    assert "4 attempts wait for the model" in said(page, "warning")
    assert "+ 2 not rated yet (1 goal among them)" in score_line(page)
    assert totals(page) == ["0.00 (0)", "0.00 (1)"]  # beside no difference
    assert "No odds" in words(page.caption)
    open_view(page, "Periods and strength")
    assert page.main.table[0].value["CAR xG (goals)"]["Period 1"] == "0.00 (1), 2 not rated yet"
    assert "Pending" in open_view(page, "Players").main.dataframe[0].value.columns
    assert "cannot be reached" in words(page.error)  # in the sidebar, too
    assert len(events(page)) == 4
    monkeypatch.setenv("XG_SERVING_URL", service.url)
    restart()
    page = ping(open_page(str(GAME_ID)))
    assert "4 attempts rated" in notice(page)
    assert not said(page, "warning")


def test_a_history_that_cannot_be_read_is_told(open_page: OpenPage, tmp_path: Path) -> None:
    (tmp_path / "history.db").write_bytes(b"this is no database" * 100)
    page = open_page(str(GAME_ID))
    assert "history.db" in said(page, "error")


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
    assert "Rated by bundled/xg-default" in said(page)
    assert "bundled/xg-distance" in said(page, "info")
    ping(page)
    assert notice(page).startswith("4 attempts rated")
    assert "Rated by bundled/xg-distance" in said(page)
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


def test_refreshing_ends_a_while_after_the_game(open_page: OpenPage, feed: FeedServer, tmp_path: Path) -> None:
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


def test_the_page_pings_by_itself_when_nobody_has_for_the_chosen_time(
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
    """Put the last ping, of this page or another, into the past."""
    page.session_state["tried_at"] = float("-inf")
    with closing(open_writer(data_dir / "history.db", MIGRATIONS)) as connection:
        connection.execute("UPDATE games SET pinged_at = '2021-11-28T18:00:00.000Z'")


def test_how_often_to_ping_is_kept_while_something_else_is_shown(
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


def test_one_switch_says_what_counts_on_the_whole_page(open_page: OpenPage, feed: FeedServer) -> None:
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
        ("All", even + more + empty, 2, f"{empty:.2f} (1) of it at an empty net"),
        ("No empty net", even + more, 1, f"+ {empty:.2f} (1) empty net"),
        ("5v5", even, 1, f"+ {more:.2f} (0) at other strengths + {empty:.2f} (1) empty net"),
    ):
        table = shown("Players", count).main.dataframe[0].value.set_index("Player")
        assert totals(page)[2] == f"{xg:.2f} ({goals})"
        assert beside in score_line(page)
        late_xg = xg - even
        found = table["xG"].get("Sebastian Aho", 0.0)
        assert found == pytest.approx(late_xg)
        periods, strength = (table.value.to_dict() for table in shown("Periods and strength", count).main.table)
        assert (
            strength["CAR xG (goals)"]["**Total**"]
            == periods["CAR xG (goals)"]["**Total**"]
            == f"**{xg:.2f} ({goals})**"
        )
        row = "Empty net" if count == "All" else ":gray[Not counted: Empty net]"
        assert strength["CAR xG (goals)"][row] == f"{empty:.2f} (1)"
        assert strength["WSH xG (goals)"][row] == ""
    assert strength["CAR attempts (on goal)"]["**Total**"] == "**2 (2)**"
    open_view(page, "What counts")
    assert "Shootout attempts never count" in words(page.markdown)
    assert "Features." in words(page.markdown)


def test_goals_players_and_goalies(open_page: OpenPage, feed: FeedServer) -> None:
    aho, ovechkin = 8478427, 8471214
    shots = [replace(shot, shooter_id=aho, goalie_id=ovechkin) if isinstance(shot, Shot) else shot for shot in SHOTS]
    feed.show(game(*shots))
    page = open_view(ping(open_page()), "Goals")
    goals = page.main.dataframe[0].value
    assert goals[["Period", "Time", "Score", "Team", "Scorer"]].values.tolist() == [
        ["P1", "00:55", "0\N{EN DASH}1", "CAR", "Sebastian Aho"]
    ]
    chances = events(page).set_index("event_id")["probability"]
    assert goals["xG"].tolist() == [chances[300]]
    players = open_view(page, "Players").main.dataframe[0].value.set_index("Team")
    assert list(players[["Player", "Unblocked attempts", "Goals"]].loc["CAR"]) == ["Sebastian Aho", 2, 1]
    assert players["xG"]["CAR"] == pytest.approx(chances[300] + chances[812])
    goalies = open_view(page, "Goalies").main.dataframe[0].value.set_index("Team")
    assert list(goalies[["Unblocked attempts faced", "Goals against"]].loc["WSH"]) == [2, 1]
    assert goalies["Goals saved above expected"]["WSH"] == pytest.approx(chances[300] + chances[812] - 1)
    assert "Small sample" in words(page.warning)


def test_events_are_searched(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = open_view(ping(open_page()), "All events")
    field(page, "Search").set_value("wsh missed")
    page.run()
    assert page.main.dataframe[0].value["event_id"].tolist() == [11]
    assert "1 of 4 attempts" in words(page.caption)


def test_two_models_are_shown_side_by_side(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    first = totals(page)
    open_view(page, "Two models")
    assert "One model has rated this game so far" in words(page.info)
    second = totals(ping(get_model(page, "bundled", "xg-distance")))
    assert first[0] != second[0]
    sums = page.main.table[0].value
    assert sums["Washington Capitals"].tolist() == [second[0], first[0]]
    shots = page.main.dataframe[0].value
    assert len(shots) == 4
    assert shots["Difference"].abs().is_monotonic_decreasing
    model = next(box for box in page.selectbox if box.label == "Numbers by")
    model.select(next(option for option in model.options if "xg-default" in option))
    page.run()
    assert totals(page) == first
    assert "xg-default" in str(page.query_params["model"])


def test_a_correction_is_told_and_listed(open_page: OpenPage, feed: FeedServer) -> None:
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


def test_a_game_whose_shots_were_all_taken_back_can_still_be_seen(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(get_model(ping(open_page()), "bundled", "xg-distance"))
    feed.show(game(SHOTS[0]))
    ping(page)
    assert totals(page) == ["0.00 (0)", "0.00 (0)"]
    for view in ("Periods and strength", "Players"):
        assert "No attempts to sum up here" in words(open_view(page, view).main.caption)
    for view in ("Goals", "Goalies", "All events", "Two models", "What counts"):
        open_view(page, view)
    assert events(page)["status"].eq("✕ retracted").all()


def test_what_could_not_be_read_is_named(open_page: OpenPage, feed: FeedServer) -> None:
    broken = as_feed(game(*SHOTS))
    broken["plays"][1]["details"]["xCoord"] = "far"
    feed.show(broken)
    page = ping(open_page())
    assert notice(page) == "3 new attempts"
    assert "event 812: the place is 'far'" in said(page, "warning")


def test_names_from_the_feed_are_no_markup(open_page: OpenPage, feed: FeedServer) -> None:
    odd = Team(HOME, "<i>", "<script>alert(1)</script> **bold** $x$", 0)
    feed.show(game(*SHOTS, home=odd))
    page = ping(open_page())
    assert "&lt;script&gt;alert(1)&lt;/script&gt; **bold** $x$" in score_line(page)
    for view in ("Goals", "Periods and strength", "Players", "Goalies", "All events", "What counts"):
        open_view(page, view)


def events(page: AppTest) -> pd.DataFrame:
    """The table of all events."""
    return open_view(page, "All events").main.dataframe[0].value


def test_the_service_page_claims_no_more_than_is_on_record(
    open_page: OpenPage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pin = {"XG_MODEL": "bundled/xg-distance:1.0.0"}  # a pinned service records no swaps
    with running_service(tmp_path / "pinned", settings=pin) as pinned:
        monkeypatch.setenv("XG_SERVING_URL", pinned.url)
        page = open_page()
        page.switch_page("service.py")
        page.run()
    assert "bundled/xg-distance:1.0.0" in words(page.main.markdown)
    assert "No swap is on record." in words(page.main.caption)
    assert "default" not in words(page.main.caption)


# -- the strip of games -----------------------------------------------------------------------------------------------


def day(feed: FeedServer, name: str, *games: Game, **nearest: str) -> None:
    listed = [as_feed(shown) for shown in games]
    answer = {"currentDate": "2021-11-28" if name == "now" else name, "games": listed, **nearest}
    feed.answer(f"/v1/score/{name}", json.dumps(answer).encode())


def test_the_days_games_are_a_click_away(open_page: OpenPage, feed: FeedServer) -> None:
    live = game(*SHOTS, home=Team(HOME, "CAR", "Carolina Hurricanes", 1))
    later = game(game_id=2021020330, state=GameState.NOT_STARTED)
    day(feed, "now", live, later, prevDate="2021-11-27")
    day(feed, "2021-11-27", game(game_id=2021020320, state=GameState.FINAL), nextDate="2021-11-28")
    feed.show(live)
    page = open_page()
    labels = [button.label for button in page.button if "CAR" in button.label]
    assert labels == [
        f"WSH **0{DASH}1** CAR  \n:small[P1 {DASH} 12\\:35]",
        "WSH **at** CAR  \n:small[18\\:00]",
    ]
    next(button for button in page.button if button.label == labels[0]).click()
    page.run()
    assert notice(page) == "4 new attempts"
    assert page.query_params["game"] in (str(GAME_ID), [str(GAME_ID)])
    next(button for button in page.button if "chevron_left" in button.label).click()
    page.run()
    assert [button.label for button in page.button if "CAR" in button.label] == [
        f"WSH **0{DASH}0** CAR  \n:small[Final]"
    ]
    assert len(totals(page)) == 4  # the game stays


def test_without_a_list_of_games_one_is_opened_by_its_id(open_page: OpenPage, feed: FeedServer) -> None:
    page = open_page()
    assert "A game can still be opened by its ID" in words(page.caption)
    feed.show(game(*SHOTS))
    assert len(totals(ping(page))) == 4


def test_a_feed_that_hangs_is_not_waited_for_again_and_again(
    open_page: OpenPage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegame.feed.READ_TIMEOUT_S", 0.1)
    with hanging_server() as hanging:
        monkeypatch.setenv("XG_FEED_URL", hanging.url)
        page = open_page()
        assert "A game can still be opened by its ID" in words(page.caption)
        asked = len(hanging.requests)
        assert asked > 0
        page.run()
        assert "A game can still be opened by its ID" in words(page.caption)
        assert len(hanging.requests) == asked
