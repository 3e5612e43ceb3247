"""The demonstration: it starts in mid-game, on the game's own date, and can be played again."""

import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest

from db.history import History
from livegame.client import GameClient
from livegame.errors import FeedUnavailable, LiveGameError
from livegame.feed import Feed
from livegame.plays import GameState
from livegame.recordings import demo
from livegame.recordings.demo import Demo
from livegame.recordings.replay import create_app
from livegame.settings import ClientSettings
from tests.conftest import Service
from tests.games import GAME_ID, game, play, wsgi_server
from tests.helpers import Clock, make_client, record, reported
from tests.promises.helpers import is_sound
from tests.ui.page_session import click, page_opener, ping, restart, score_line

SPEED = 20


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000)


@pytest.fixture
def replay(tmp_path: Path, clock: Clock) -> Iterator[str]:
    """The replay as the demonstration runs it."""
    state = tmp_path / "demo" / "replay.json"
    with wsgi_server(create_app(tmp_path, state, SPEED, clock, begin_s=demo.BEGIN_S, only=GAME_ID)) as url:
        yield url


def settings(tmp_path: Path, feed_url: str, demo_game: str = str(GAME_ID)) -> ClientSettings:
    return ClientSettings.from_env(
        {"XG_DATA_DIR": str(tmp_path / "demo"), "XG_FEED_URL": feed_url, "XG_DEMO_GAME": demo_game}
    )


@pytest.fixture
def client(tmp_path: Path, replay: str, service: Service) -> GameClient:
    demo.begin(tmp_path / "demo", GAME_ID, restart=True)
    return make_client(tmp_path / "demo", replay, service.url)


def test_each_click_in_the_demo_shows_new_attempts(client: GameClient, clock: Clock) -> None:
    seen = [reported(client, client.ping(GAME_ID))]
    for _ in range(4):
        clock.seconds += 5
        seen.append(reported(client, client.ping(GAME_ID)))
    assert seen[0].status == "Period 1 - 15:00 left"
    assert seen[0].away.counted.xg + seen[0].home.counted.xg > 0
    shots = [len(report.present) for report in seen]
    assert shots == sorted(shots)
    assert shots[0] > 3
    assert shots[-1] > shots[0] + 3


def test_demos_game_is_listed_on_its_own_date(client: GameClient, replay: str, clock: Clock) -> None:
    feed = Feed(replay)
    before = feed.day()
    assert (before.day, [entry.game_id for entry in before.games]) == (date(2021, 11, 28), [GAME_ID])
    clock.seconds += 600
    assert reported(client, client.ping(GAME_ID)).status == "Period 1 - 15:00 left", "to be listed started nothing"
    clock.seconds += 5
    (entry,) = feed.day().games
    assert (entry.state, entry.status) == (GameState.LIVE, reported(client, client.ping(GAME_ID)).status)


def test_demo_played_again_starts_over_with_an_empty_history(
    client: GameClient, tmp_path: Path, replay: str, clock: Clock, service: Service
) -> None:
    first = reported(client, client.ping(GAME_ID))
    clock.seconds += 1_000
    assert reported(client, client.ping(GAME_ID)).status == "Final"
    shown = Demo.of(settings(tmp_path, replay))
    assert shown is not None
    shown.play_again()
    history = History(tmp_path / "demo" / "history.db")
    assert (client.report(GAME_ID), history.count_games(), history.models()) == (None, 0, [])
    assert is_sound(tmp_path / "demo" / "history.db")
    clock.seconds += 500
    again = reported(client, client.ping(GAME_ID))
    assert (again.status, len(again.present), again.pending) == (first.status, len(first.present), 0)
    assert again.home.counted.xg == pytest.approx(first.home.counted.xg)
    assert list((tmp_path / "demo" / "locks").glob("*.questions")) == []
    assert is_sound(tmp_path / "demo" / "history.db")
    assert service.rows_scored() > 0


def test_demo_started_again_starts_over_unless_told_to_continue(client: GameClient, tmp_path: Path) -> None:
    client.ping(GAME_ID)
    demo.begin(tmp_path / "demo", GAME_ID, restart=False)
    assert client.report(GAME_ID) is not None
    assert (tmp_path / "demo" / "replay.json").exists()
    demo.begin(tmp_path / "demo", GAME_ID, restart=True)
    assert client.report(GAME_ID) is None
    assert not (tmp_path / "demo" / "replay.json").exists()


def test_folder_with_other_games_is_refused_for_the_demo(tmp_path: Path, replay: str, service: Service) -> None:
    client = make_client(tmp_path / "demo", replay, service.url)
    record(client, game(play(1, "goal", 30), game_id=2021020330))
    record(client, game(play(1, "goal", 30)))
    assert Demo.of(settings(tmp_path, replay)) is None, "the folder is not marked"
    for is_restart in (True, False):
        with pytest.raises(LiveGameError, match="holds 1 other game"):
            demo.begin(tmp_path / "demo", GAME_ID, restart=is_restart)
    assert Demo.of(settings(tmp_path, replay)) is None
    assert History(tmp_path / "demo" / "history.db").count_games() == 2


def test_demo_needs_a_marked_folder_its_game_and_a_local_replay(tmp_path: Path, replay: str) -> None:
    demo.begin(tmp_path / "demo", GAME_ID, restart=True)
    assert Demo.of(settings(tmp_path, replay)) is not None
    assert Demo.of(settings(tmp_path, replay.replace("127.0.0.1", "localhost"))) is not None
    assert Demo.of(settings(tmp_path, "https://api-web.nhle.com")) is None
    assert Demo.of(settings(tmp_path, replay, "")) is None
    assert Demo.of(settings(tmp_path, replay, "2021020330")) is None
    assert Demo.of(settings(tmp_path / "other", replay)) is None
    (tmp_path / "demo" / "demo.json").write_text("[]")
    assert Demo.of(settings(tmp_path, replay)) is None


def test_demo_without_its_replay_keeps_its_history(client: GameClient, tmp_path: Path) -> None:
    client.ping(GAME_ID)
    gone = Demo.of(settings(tmp_path, "http://127.0.0.1:9"))
    assert gone is not None
    with pytest.raises(FeedUnavailable, match="is it running"):
        gone.play_again()
    assert client.report(GAME_ID) is not None


def test_restart_without_the_header_is_refused(client: GameClient, replay: str, clock: Clock) -> None:
    client.ping(GAME_ID)
    clock.seconds += 5
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{replay}/replay/{GAME_ID}/restart", data=b"")
    assert reported(client, client.ping(GAME_ID)).status != "Period 1 - 15:00 left"


def test_demos_page_refreshes_often_and_plays_the_game_again(
    tmp_path: Path, replay: str, clock: Clock, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_page = page_opener(monkeypatch, tmp_path / "demo", replay, service.url)
    monkeypatch.setenv("XG_DEMO_GAME", str(GAME_ID))
    page = ping(open_page())
    assert "Play again" not in [button.label for button in page.button], "the folder is not marked"
    demo.begin(tmp_path / "demo", GAME_ID, restart=True)
    restart()
    page = ping(open_page())
    assert next(box for box in page.selectbox if box.label == "Refresh").value == 5
    assert "Period 1 \N{EN DASH} 15:00 left" in score_line(page)
    clock.seconds += 1_000
    page = ping(page)
    assert "Final" in score_line(page)
    assert "Period 1 \N{EN DASH} 15:00 left" in score_line(click(page, "Play again"))
