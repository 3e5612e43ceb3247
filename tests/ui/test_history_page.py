"""The History page, run without a browser."""

from pathlib import Path
from typing import Any

import pandas as pd
from streamlit.testing.v1 import AppTest

from db.history import History
from tests.games import GAME_ID, FeedServer, game, play
from tests.reports import SHOTS
from tests.ui.page_session import OpenPage, get_model, html_table, ping, restart, words
from ui.words import model_name


def box(page: AppTest, label: str) -> Any:
    """Return the list with this label."""
    return next(found for found in page.selectbox if found.label == label)


def teams(page: AppTest) -> pd.DataFrame:
    """Return the table of teams."""
    return html_table(page, "Each team's expected and actual goals per game, for and against")


def games(page: AppTest) -> pd.DataFrame:
    """Return the table of games."""
    return html_table(page, "Games with scores and expected goals")


def test_history_page_starts_with_the_active_model_and_keeps_the_readers_choice(
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


def test_season_choice_applies_to_calibration_and_teams(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    feed.show(game(*SHOTS[:2], game_id=2022020329, season=20222023))
    page = ping(ping(open_page()), "2022020329")
    page.switch_page("history.py")
    page.run()
    by_season = html_table(page, "Level by season").reset_index()
    assert by_season[["Season", "Training"]].values.tolist() == [
        ["2022-23", "seen"], ["2021-22", "unseen"],
    ]  # fmt: skip
    assert teams(page)["Games"].tolist() == ["2", "2"]
    assert "unseen shots" in words(page.markdown)
    assert "a season that it had not seen, teams won as often as it said" in words(page.markdown)
    box(page, "Season").select(20222023)
    page.run()
    by_season = html_table(page, "Level by season").reset_index()
    assert (by_season["Season"].tolist(), teams(page)["Games"].tolist()) == (["2022-23"], ["1", "1"])
    assert "from its training seasons" in words(page.markdown)


def test_other_competition_is_a_choice_and_never_summed_with_the_season(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    feed.show(game(*SHOTS, game_id=2021010001, game_type=1))
    page = ping(ping(open_page()), "2021010001")
    page.switch_page("history.py")
    page.run()
    assert teams(page)["Games"].tolist() == ["1", "1"]
    states = games(page).set_index("ID")["Status"]
    assert states.str.contains("Preseason").to_dict() == {str(GAME_ID): False, "2021010001": True}
    box(page, "Competition").select("preseason")
    page.run()
    assert teams(page)["Games"].tolist() == ["1", "1"]
    assert "On 4 unseen shots" in words(page.markdown)


def test_game_list_xg_leaves_out_the_empty_net(open_page: OpenPage, feed: FeedServer, tmp_path: Path) -> None:
    feed.show(game(*SHOTS, play(400, "missed-shot", 1100, x=20, y=0, situation="0651")))
    page = ping(open_page())
    page.switch_page("history.py")
    page.run()
    (stored,) = History(tmp_path / "history.db").games()
    (home,) = [total for total in stored["totals"] if total["is_home"]]
    assert home["xg_empty_net"] > 0
    (away,) = [total for total in stored["totals"] if not total["is_home"]]
    (listed,) = games(page)["xG"]
    assert listed == f"{away['xg']:.2f} : {home['xg'] - home['xg_empty_net']:.2f}"
    (text,) = (
        element.proto.body
        for element in page.get("html")
        if "xg-table" in element.proto.body and "href" in element.proto.body
    )
    assert f'<a href="game?game={GAME_ID}" aria-label="Washington Capitals at Carolina Hurricanes">' in text


def test_history_page_drops_the_game_from_its_address(open_page: OpenPage, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    page = ping(open_page())
    page.switch_page("history.py")
    page.query_params["game"] = str(GAME_ID)  # as the browser's way back leads to
    page.run()
    assert "game" not in page.query_params
    assert page.title[0].value == "History"
