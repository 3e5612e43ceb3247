"""Models compared on the History page, and challengers on the Service page, run without a browser."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from livegame.features.rows import game_update
from livegame.plays import GameState
from livegame.reports.bootstrap import Estimate
from livegame.reports.challenge import Challenge, compare_pairs
from livegame.rescore import Rescore
from tests.conftest import Service
from tests.games import game
from tests.helpers import NOWHERE, make_client
from tests.livegame.reports.shots import ONE, OTHER, simulated
from tests.reports import SHOTS
from tests.ui.page_session import OpenPage, click, field, html_table, words
from ui.charts.model import gains, reliability_of_two
from ui.parts.comparison import covered, figures


@pytest.fixture(autouse=True)
def _no_challengers_left(service: Service) -> Iterator[None]:
    yield
    for loaded in service.client.challengers().challengers:
        service.client.drop_challenger(loaded.id)


def rated_by_both(data_dir: Path, service: Service, games: int = 31) -> None:
    """Store games of a season that no model was trained on, rated by the active model and by the challengers."""
    client = make_client(data_dir, NOWHERE, service.url)
    numbers = range(2021020001, 2021020001 + games)
    client.record([game_update(game(*SHOTS, game_id=number, state=GameState.FINAL)) for number in numbers], 0)
    for model in client.loaded_models()[1:]:
        list(Rescore(client, client.inputs_of(model), print).run())


def history_page(open_page: OpenPage) -> AppTest:
    page = open_page()
    page.switch_page("history.py")
    page.run()
    assert not page.exception
    return page


def test_history_page_compares_the_active_model_with_the_loaded_challenger(
    open_page: OpenPage, tmp_path: Path, service: Service
) -> None:
    service.client.download_registry_model("bundled", "xg-distance", role="challenger")
    rated_by_both(tmp_path, service)
    page = history_page(open_page)
    said = words(page.main.markdown)
    assert "bundled/xg-default:1.0.0 is better than bundled/xg-distance:1.0.0: its log loss is lower by" in said
    assert "on 124 shots of 31 games." in said
    table = html_table(page, "Figures of both models")
    assert list(table.columns) == ["xg-default:1.0.0", "xg-distance:1.0.0", "Difference"]
    assert list(table.index) == ["Log loss", "AUC", "xG per goal", "xG"]
    assert "124 shots of 31 finished games that both have rated, 31 goals" in words(page.main.caption)
    next(box for box in page.main.multiselect if box.label == "Compared with").set_value([])
    page.run()
    assert "is better than" not in words(page.main.markdown)


def test_history_page_with_one_model_says_how_to_get_a_challenger(
    open_page: OpenPage, tmp_path: Path, service: Service
) -> None:
    rated_by_both(tmp_path, service, 1)
    assert "One model has rated games so far. Load a challenger" in words(history_page(open_page).main.caption)


def test_models_that_rated_different_games_are_not_compared(
    open_page: OpenPage, tmp_path: Path, service: Service
) -> None:
    rated_by_both(tmp_path, service, 1)
    service.client.download_registry_model("bundled", "xg-distance")
    client = make_client(tmp_path, NOWHERE, service.url)
    client.record([game_update(game(*SHOTS, game_id=2021020099, state=GameState.FINAL))], 0)
    assert "have rated no shots of the same finished games here" in words(history_page(open_page).main.markdown)


def test_challenger_is_loaded_in_the_sidebar_promoted_and_dropped_on_the_service_page(
    open_page: OpenPage, service: Service
) -> None:
    page = open_page()
    page.switch_page("service.py")
    page.run()
    assert "0 of at most 3." in words(page.main.caption)
    field(page, "Workspace").set_value("bundled")
    field(page, "Model").set_value("xg-distance")
    click(page, "Load as challenger")
    assert "bundled/xg-distance:1.0.0 is a challenger, from bundled." in words(page.sidebar.success)
    assert "1 of at most 3." in words(page.main.caption)
    assert service.client.model().model == "xg-default"
    click(page, "Promote")
    assert service.client.model().model == "xg-distance"
    assert service.client.challengers().challengers == []
    assert "bundled/xg-distance:1.0.0 is active now." in words(page.sidebar.success)
    field(page, "Model").set_value("xg-default")
    click(page, "Load as challenger")
    click(page, "Drop")
    assert service.client.challengers().challengers == []
    assert "bundled/xg-default:1.0.0 was dropped." in words(page.main.success)


def test_challenger_that_is_the_active_model_already_is_refused_with_a_reason(open_page: OpenPage) -> None:
    page = open_page()
    click(page, "Load as challenger")
    assert "Enter a workspace and a model" in words(page.sidebar.error)
    field(page, "Workspace").set_value("bundled")
    field(page, "Model").set_value("xg-default")
    click(page, "Load as challenger")
    assert "was not loaded: bundled/xg-default" in words(page.sidebar.error)


@pytest.fixture
def found() -> Challenge:
    return compare_pairs(simulated(40), ONE, OTHER)


def test_charts_hold_both_models_and_the_gain_of_each_challenger(found: Challenge) -> None:
    both = reliability_of_two(found, {"one": "#3b82c4", "other": "#d55e00"})
    points = next(rows for rows in both["datasets"].values() if "model" in rows[0])
    assert [row["model"] for row in points] == ["one"] * len(found.champion.steps) + ["other"] * len(
        found.challenger.steps
    )
    shown = gains({"a": found, "b": found}, "#3b82c4")
    rows = next(rows for rows in shown["datasets"].values() if "name" in rows[0])
    assert [(row["name"], row["low"], row["gain"], row["high"]) for row in rows] == [
        (name, found.gain.low, found.gain.value, found.gain.high) for name in ("a", "b")
    ]


def test_difference_of_log_losses_is_the_challenger_s_minus_the_champion_s(found: Challenge) -> None:
    rows = figures(replace(found, gain=Estimate(0.002, -0.001, 0.004), auc_gain=None))
    table = {row.cells[0]: row.cells[1:] for row in rows}
    assert table["Log loss"][2] == "\N{MINUS SIGN}0.0020 (\N{MINUS SIGN}0.0040 to +0.0010)"
    assert table["AUC"][2] == ""
    assert table["xG"][0] == f"{found.champion.xg:,.1f}"


def test_unknown_training_seasons_are_named_below_the_table(found: Challenge) -> None:
    assert "The training seasons of us/champion:1.0.0 are unknown" in covered(replace(found, unknown=(ONE,)))
    assert "are left out" not in covered(replace(found, learned=(ONE,)))
