"""A page that is some seconds behind is the page of then, to the last element; the time machine moves its clock."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from bottle import Bottle
from google.protobuf.json_format import MessageToDict
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import Block

from db import times
from livegame.client import GameClient
from livegame.features.rows import game_update
from livegame.plays import GameState
from livegame.recordings.replay import create_app
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, FeedServer, game, play, wsgi_server
from tests.helpers import make_client
from tests.reports import SHOTS
from tests.ui.page_session import click, open_view, page_opener, score_line, words

START = datetime(2021, 11, 28, 18, tzinfo=UTC)
DELAY_S = 40
# Seconds since the start of pings; those right before and after a moment come from the page itself. In between, the
# league takes an attempt off and gives it back, moves one, and makes a goal of another.
PINGS = (300, 900, 1300, 2050, 2600, 3600, 3900)
MOMENTS = {2120: (2110, 2140, 2158), 3945: (3941, 3975)}
VIEWS = {2120: "events", 3945: "players"}
GIVEN, MOVED, OFF = 249, 62, 218


@dataclass
class _Clock:
    """The time of the replay and of everything that is stored and shown."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds

    def utc_now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)


def corrected(replay: Bottle, clock: _Clock) -> Callable[..., Any]:
    """Return the replay with corrections by the league."""

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Any:
        if not environ["PATH_INFO"].endswith("play-by-play"):
            return replay(environ, start_response)
        kept: list[Any] = []
        body = b"".join(replay(environ, lambda *given: kept.append(given)))
        answer = json.loads(body)
        now = clock.seconds
        if 2115 < now < 2150:
            answer["plays"] = [one for one in answer["plays"] if one["eventId"] != OFF]
        for one in answer["plays"]:
            if one["eventId"] == GIVEN and now < 2145:
                one["typeDescKey"] = "shot-on-goal"
            if one["eventId"] == MOVED and now > 2130:
                one["details"]["xCoord"] -= 20
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(answer).encode()]

    return app


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    clock = _Clock()
    monkeypatch.setattr(times, "utc_now", clock.utc_now)
    return clock


@pytest.fixture
def titles(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the titles that pages give their tab, as they do so."""
    found: list[str] = []
    configure = st.set_page_config

    def noted(page_title: str | None = None, *rest: Any, **more: Any) -> None:
        found.append(page_title or "")
        configure(page_title, *rest, **more)

    monkeypatch.setattr(st, "set_page_config", noted)
    return found


def everything(page: AppTest) -> Iterator[str]:
    """Yield each element of the page with its content, and its address, without the delay itself and its control."""
    yield from _below(page.main)
    yield from _below(page.sidebar)
    yield str({name: value for name, value in page.query_params.items() if name != "delay"})


def _below(block: Block) -> Iterator[str]:
    if "delay_popover" in str(block.proto):
        return
    yield f"{block.type} {block.proto}"
    for node in block.children.values():
        if isinstance(node, Block):
            yield from _below(node)
        else:
            shown = MessageToDict(node.proto)
            shown.pop("deferredFileId", None)  # different each time
            yield f"{node.type} {json.dumps(shown, sort_keys=True)}".replace(f"&delay={DELAY_S}", "")  # of a link


def pages_of(
    monkeypatch: pytest.MonkeyPatch, folder: Path, clock: _Clock, service: Service, titles: list[str], delay_s: int
) -> dict[int, list[str]]:
    """Follow the game on a page that is `delay_s` behind; return its content for each moment, drawn that much later."""
    clock.seconds = 0
    found = {}
    replay = create_app(folder / "no-recordings", folder / "replay.json", 1.0, clock)
    with wsgi_server(corrected(replay, clock)) as feed_url:
        client = make_client(folder, feed_url, service.url)
        open_page = page_opener(monkeypatch, folder, feed_url, service.url)
        client.ping(GAME_ID)
        page, tonight = open_page(str(GAME_ID)), open_page().switch_page("tonight.py")
        if delay_s:
            page.query_params["delay"] = tonight.query_params["delay"] = str(delay_s)
        done = 0
        for second, clicks in MOMENTS.items():
            for clock.seconds in [at for at in PINGS if done < at < second]:
                client.ping(GAME_ID)
            for clock.seconds in [at for at in clicks if at <= second + delay_s]:
                click(page, "Ping game")
            clock.seconds = done = second + delay_s
            st.cache_data.clear()
            found[second] = [*everything(open_view(page, VIEWS[second])), titles[-1]]
            found[second] += [*everything(tonight.run()), titles[-1]]
    return found


def test_delayed_page_is_the_page_of_then(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: _Clock, service: Service, titles: list[str]
) -> None:
    stopped = pages_of(monkeypatch, tmp_path / "stopped", clock, service, titles, 0)
    delayed = pages_of(monkeypatch, tmp_path / "delayed", clock, service, titles, DELAY_S)
    for second, then in stopped.items():
        now = delayed[second]
        assert [(number, one) for number, one in enumerate(now) if one not in then[number : number + 1]] == []
        assert len(now) == len(then) > 50
        assert any("xg-card" in one for one in then)
        assert then != stopped[next(other for other in stopped if other != second)]


@dataclass
class _Page:
    """A page with what it is a page of."""

    app: AppTest
    client: GameClient
    feed: FeedServer
    clock: _Clock


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, clock: _Clock, service: Service, feed: FeedServer) -> _Page:
    """Return the page of a running game that was pinged once."""
    open_page = page_opener(monkeypatch, tmp_path, feed.url, service.url)
    client = make_client(tmp_path, feed.url, service.url)
    feed.show(game(*SHOTS, seconds_left=1100))
    client.ping(GAME_ID)
    return _Page(open_page(str(GAME_ID)), client, feed, clock)


def status(page: _Page) -> str:
    page.app.run()
    assert not page.app.exception
    return next(text for text in score_line(page.app) if "left" in text or "Final" in text or "Intermission" in text)


def test_goal_on_tv_sets_the_delay_to_its_age(page: _Page) -> None:
    goal = play(700, "goal", 150, team=AWAY, x=-80, y=1)
    page.clock.seconds = 1000
    click(page.app, "Now! (a goal just happened on TV)")
    assert "No goal" in page.app.info[0].value
    page.feed.show(game(*SHOTS, goal, seconds_left=1040))
    page.client.ping(GAME_ID)
    page.clock.seconds += 37.4
    click(page.app, "Now! (a goal just happened on TV)")
    assert page.app.query_params["delay"] == "37"
    assert status(page).endswith("17:20 left")
    page.clock.seconds -= 0.5
    assert status(page).endswith("18:20 left")


def test_game_first_pinged_within_the_delay_is_cut_by_its_clock(page: _Page) -> None:
    page.app.query_params["delay"] = "60"
    page.clock.seconds = 15
    assert status(page).endswith("19:05 left"), "45 s before the first ping"
    page.clock.seconds = 60
    assert status(page).endswith("18:20 left")


def test_delayed_page_moves_on_by_itself_until_the_last_ping(page: _Page, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks: list[object] = []
    fragment: Callable[..., Any] = st.fragment

    def noted(func: Callable[..., Any], **more: Any) -> Any:
        if func.__name__ == "_watch":
            ticks.append(more["run_every"])
        return fragment(func, **more)

    monkeypatch.setattr(st, "fragment", noted)
    end = play(999, "game-end", 1200, period=3)
    page.client.record([game_update(game(*SHOTS, end, state=GameState.FINAL, period=3))], 20)
    page.clock.seconds = 2000
    page.client.ping(GAME_ID)  # finds nothing that is newer
    for delay, seconds in ((0, 2059), (60, 2059), (60, 2061)):
        page.app.query_params["delay"] = str(delay)
        page.clock.seconds = seconds
        status(page)
    assert [tick is not None for tick in ticks[-3:]] == [False, True, False]


def test_time_machine_shows_the_game_at_a_second(page: _Page) -> None:
    page.client.record([game_update(game(*SHOTS, state=GameState.FINAL, period=3))], 20)
    page.app.query_params["at"] = "54"
    assert status(page).endswith("19:06 left")
    (slider,) = page.app.select_slider
    assert slider.value == 54
    slider.set_value(60)
    assert status(page).endswith("19:00 left")
    assert page.app.query_params["at"] == "60"
    click(page.app, "Whole game")
    assert "at" not in page.app.query_params
    assert status(page) == "Final"
    click(page.app, "Play")
    assert page.app.query_params["at"] == "0"
    assert status(page).endswith("20:00 left")
    click(page.app, "Pause")


def test_first_second_before_any_attempt_is_drawn(page: _Page) -> None:
    page.app.query_params["at"] = "0"
    assert status(page).endswith("20:00 left")
    assert "By the game's clock" in words(page.app.caption)
