"""The cron command, run as cron runs it: quiet, bounded, with an exit code for each kind of trouble."""

import json
import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from db.connection import open_writer
from db.history import History
from db.history.schema import MIGRATIONS
from livegame.dates import LEAGUE_ZONE
from livegame.lock import game_lock
from livegame.plays import GameState, Team
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, HOME, FeedServer, as_feed, game, play
from tests.helpers import ROOT

SCRIPT = ROOT / "scripts" / "ping_game.py"
SHOTS = [play(50, "faceoff", 0), play(11, "goal", 30), play(12, "shot-on-goal", 60)]


@pytest.fixture
def environment(tmp_path: Path, feed: FeedServer, service: Service) -> dict[str, str]:
    settings = {"XG_DATA_DIR": str(tmp_path), "XG_FEED_URL": feed.url, "XG_SERVING_URL": service.url}
    return {name: value for name, value in os.environ.items() if not name.startswith("XG_")} | settings


def run(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments], env=environment, capture_output=True, text=True, timeout=120
    )


def test_changed_game_prints_a_line_and_unchanged_game_nothing(environment: dict[str, str], feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    first = run(environment, str(GAME_ID))
    assert (first.returncode, first.stderr, first.stdout.count("\n")) == (0, "", 1)
    assert "Washington Capitals at Carolina Hurricanes: Period 1 - 12:35 left" in first.stdout
    assert "2 new shots, 2 rated" in first.stdout
    second = run(environment, str(GAME_ID))
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_full_output_does_not_stop_the_other_pings(
    environment: dict[str, str], feed: FeedServer, tmp_path: Path
) -> None:
    for game_id in (GAME_ID, GAME_ID + 1):
        feed.show(game(*SHOTS, game_id=game_id))
    command = [sys.executable, str(SCRIPT), str(GAME_ID), str(GAME_ID + 1)]
    with Path("/dev/full").open("w") as full:
        ended = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (1, "ping_game: cannot print: No space left on device\n")
    assert History(tmp_path / "history.db").count_games() == 2


@pytest.mark.parametrize("encoding", ["ascii", "iso8859-2", "cp437", "utf-16", "utf-8"])
@pytest.mark.parametrize("how", [(), ("--json",)])
def test_name_that_the_output_cannot_encode_stops_no_ping(
    environment: dict[str, str], feed: FeedServer, encoding: str, how: tuple[str, ...]
) -> None:
    away = Team(AWAY, "MTL", "Montréal Ł Canadiens \N{ICE HOCKEY STICK AND PUCK}", 0)
    for game_id in (GAME_ID, GAME_ID + 1):
        feed.show(game(*SHOTS, game_id=game_id, away=away))
    command = [sys.executable, str(SCRIPT), str(GAME_ID), str(GAME_ID + 1), *how]
    narrow = environment | {"PYTHONIOENCODING": encoding}
    ended = subprocess.run(command, env=narrow, capture_output=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (0, b"")
    said = ended.stdout.decode(encoding)
    assert said.count("\n") == 2
    assert ("Montréal" in said) == (encoding != "ascii" and not how)


def test_closed_output_does_not_stop_the_other_pings(
    environment: dict[str, str], feed: FeedServer, tmp_path: Path
) -> None:
    for game_id in (GAME_ID, GAME_ID + 1):
        feed.show(game(*SHOTS, game_id=game_id))
    command = f"exec {sys.executable} {SCRIPT} {GAME_ID} {GAME_ID + 1} >&-"
    ended = subprocess.run(["sh", "-c", command], env=environment, stderr=subprocess.PIPE, text=True, timeout=120)
    assert (ended.returncode, ended.stderr) == (1, "ping_game: cannot print: Bad file descriptor\n")
    assert History(tmp_path / "history.db").count_games() == 2


def test_unreadable_plays_are_reported_once_in_short(environment: dict[str, str], feed: FeedServer) -> None:
    shown = as_feed(game(*SHOTS))
    for raw in shown["plays"][:2]:
        raw["timeInPeriod"] = "soon"
    feed.show(shown)
    first = run(environment, str(GAME_ID))
    assert (first.returncode, "1 new shots, 1 rated" in first.stdout) == (0, True)
    assert first.stderr == f"ping_game: game {GAME_ID}: event 50: timeInPeriod is 'soon' (and 1 more)\n"
    second = run(environment, str(GAME_ID))
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")


def test_today_with_json_prints_an_object_per_begun_game(environment: dict[str, str], feed: FeedServer) -> None:
    begun = game(*SHOTS)
    later = as_feed(game(game_id=2021020330, state=GameState.NOT_STARTED))
    feed.show(begun)
    feed.answer("/v1/score/now", json.dumps({"currentDate": "2021-11-28", "games": [as_feed(begun), later]}).encode())
    result = run(environment, "--today", "--json")
    assert result.returncode == 0
    answer = json.loads(result.stdout)
    assert (answer["game_id"], answer["date"]) == (GAME_ID, "2021-11-28")
    assert (answer["game_id"], answer["new_shots"], answer["scored"], answer["pending"]) == (GAME_ID, [11, 12], 2, 0)
    assert answer["home"]["difference"] == pytest.approx(answer["home"]["xg"] - 1)


@pytest.mark.parametrize(
    ("arguments", "changes", "code", "words"),
    [
        ((), {}, 2, "required"),
        (("12",), {}, 2, "ten digits"),
        ((str(GAME_ID), "--timeout", "0"), {}, 2, "whole seconds"),
        ((str(GAME_ID),), {"XG_FEED_URL": "nowhere"}, 2, "XG_FEED_URL"),
        ((str(GAME_ID),), {"XG_FEATURE_MAP": "/nowhere.json"}, 2, "feature map"),
        (("2021020999",), {}, 3, "2021020999"),
        ((str(GAME_ID),), {"XG_FEED_URL": "http://127.0.0.1:9"}, 3, "XG_FEED_URL"),
        ((str(GAME_ID),), {"XG_SERVING_URL": "http://127.0.0.1:9"}, 4, "cannot be reached"),
        ((str(GAME_ID),), {"XG_DATA_DIR": "/proc/none"}, 5, "XG_DATA_DIR"),
    ],
)
def test_each_kind_of_trouble_has_its_code_and_its_words(
    environment: dict[str, str],
    feed: FeedServer,
    arguments: tuple[str, ...],
    changes: dict[str, str],
    code: int,
    words: str,
) -> None:
    feed.show(game(*SHOTS))
    result = run(environment | changes, *arguments)
    assert (result.returncode, result.stdout) == (code, "")
    assert words in result.stderr
    assert "Traceback" not in result.stderr


def test_failing_game_does_not_stop_the_other_pings(environment: dict[str, str], feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    result = run(environment, "2021020999", str(GAME_ID))
    assert result.returncode == 3
    assert "2 rated" in result.stdout


def test_run_ends_at_its_timeout_and_frees_the_lock(environment: dict[str, str], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:  # takes connections, never answers
        url = f"http://127.0.0.1:{mute.getsockname()[1]}"
        result = run(environment | {"XG_FEED_URL": url}, str(GAME_ID), "--timeout", "2")
    assert (result.returncode, "out of time" in result.stderr) == (6, True)
    with game_lock(tmp_path, GAME_ID, 0):  # and nothing stays locked
        pass


def test_simultaneous_runs_score_each_shot_once(
    environment: dict[str, str], feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    with ThreadPoolExecutor(3) as threads:
        results = list(threads.map(lambda _: run(environment, str(GAME_ID)), range(3)))
    assert [result.returncode for result in results] == [0, 0, 0]
    assert sorted(len(result.stdout.splitlines()) for result in results) == [0, 0, 1]
    assert service.rows_scored() == 2


def test_a_ping_that_finds_nothing_new_loads_no_pandas(environment: dict[str, str], feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    code = (
        "import sys; from scripts.ping_game import main; code = main(sys.argv[1:]);"
        " print(code, sorted({'pandas', 'numpy'} & set(sys.modules)))"
    )
    told = [
        subprocess.run(
            [sys.executable, "-c", code, str(GAME_ID)], cwd=ROOT, env=environment, capture_output=True, text=True
        ).stdout
        for _ in range(2)
    ]
    assert told[0].endswith("0 ['numpy', 'pandas']\n"), "the first one has a line to show"
    assert told[1] == "0 []\n"


def asked_for(feed: FeedServer) -> list[int]:
    """Return the games that were requested, in turn."""
    return [int(path.split("/")[3]) for path, _ in feed.requests if "gamecenter" in path]


def test_today_pings_the_current_list_and_the_leagues_today(environment: dict[str, str], feed: FeedServer) -> None:
    today = datetime.now(LEAGUE_ZONE).date()
    shown = {GAME_ID: GameState.OVER, GAME_ID + 1: GameState.LIVE, GAME_ID + 2: GameState.NOT_STARTED}
    games = [game(game_id=game_id, state=state) for game_id, state in shown.items()]
    for listed in games:
        feed.show(listed)
    late = {"currentDate": str(today - timedelta(days=1)), "nextDate": str(today), "games": [as_feed(games[0])]}
    feed.answer("/v1/score/now", json.dumps(late).encode())
    early = {"currentDate": str(today), "games": [as_feed(listed) for listed in games[1:]]}
    feed.answer(f"/v1/score/{today}", json.dumps(early).encode())
    assert run(environment, "--today").returncode == 0
    assert asked_for(feed) == [GAME_ID, GAME_ID + 1]


def test_incomplete_recent_game_is_pinged_again_an_hour_later(
    environment: dict[str, str], feed: FeedServer, tmp_path: Path
) -> None:
    start = f"{datetime.now(UTC) - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
    final: dict[str, Any] = {"state": GameState.FINAL, "period": 3, "seconds_left": 0, "start_time": start}
    feed.answer("/v1/score/now", json.dumps({"currentDate": "2021-11-28", "games": []}).encode())
    feed.show(game(*SHOTS, **final))
    run(environment, str(GAME_ID))
    run(environment, "--today")
    assert asked_for(feed) == [GAME_ID]

    def an_hour_passes() -> None:
        with closing(open_writer(tmp_path / "history.db", MIGRATIONS)) as connection:
            connection.execute("UPDATE games SET pinged_at = '2021-11-28T18:00:00.000Z'")

    an_hour_passes()
    feed.show(game(*SHOTS, play(13, "goal", 90), play(99, "game-end", 1200, period=3), **final))
    assert "1 new shots" in run(environment, "--today").stdout
    an_hour_passes()
    run(environment, "--today")
    assert asked_for(feed) == [GAME_ID, GAME_ID]


def test_far_away_game_is_pinged_once_an_hour(environment: dict[str, str], feed: FeedServer) -> None:
    start = f"{datetime.now(UTC) + timedelta(days=90):%Y-%m-%dT%H:%M:%SZ}"
    feed.show(game(state=GameState.NOT_STARTED, period=0, start_time=start))
    for _ in range(2):
        far = run(environment, str(GAME_ID))
        assert (far.returncode, far.stdout, far.stderr) == (0, "", "")
    assert asked_for(feed) == [GAME_ID]


def test_score_that_contradicts_the_goals_is_reported(environment: dict[str, str], feed: FeedServer) -> None:
    cut = game(*SHOTS, state=GameState.FINAL, period=3, seconds_left=0, home=Team(HOME, "CAR", "Carolina", 4))
    feed.show(cut)
    said = run(environment, str(GAME_ID), "--json")
    words = "the score is WSH 0, CAR 4, but the plays hold 0 and 1 goals"
    assert words in said.stderr
    assert words in json.loads(said.stdout)["problems"][0]
    feed.show(game(*SHOTS, play(14, "missed-shot", 95), state=GameState.FINAL, home=Team(HOME, "CAR", "Carolina", 4)))
    assert words in run(environment, str(GAME_ID)).stdout
