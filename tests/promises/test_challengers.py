"""Champion and challengers over recorded games, with swaps, promotions, drops and kills: each shot once per model."""

import gzip
import itertools
import lzma
import os
import random
import re
import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from livegame.recordings.seasons import find_seasons
from tests.conftest import Service, running_service
from tests.games import GAME_ID, FeedServer, game, play
from tests.helpers import Clock, environment, make_client, reported, wait_until
from tests.promises.helpers import LENGTH_S, is_sound, kill, replayed, start_script
from tests.xgserve.helpers import process
from xgserve.app import App
from xgserve.client import ServingClient, ServingError

# XG_TEST_MONTH=2023-02 pytest tests/promises/test_challengers.py -s --timeout=3000
MONTH = os.environ.get("XG_TEST_MONTH", "")
FEW = 4  # games, without a month
AT_ONCE = 16  # games that one process pings
STEPS = 8  # of a game, at which it is pinged
MODELS = ("xg-default", "xg-distance", "xg-distance-angle")

_DATE = re.compile(rb'"gameDate": ?"([\d-]+)"')
_ID = re.compile(rb'^{"id": ?(\d+)')


def write_games(recordings: Path, folder: Path) -> list[int]:
    """Write the games of the month, or a few, as recordings of their own; return their ids."""
    found: list[int] = []
    with lzma.open(list(find_seasons(recordings).values())[-1]) as lines:
        for line in lines:
            date, number = _DATE.search(line), _ID.search(line)
            if date is None or number is None or not date[1].decode().startswith(MONTH):
                continue
            found.append(int(number[1]))
            (folder / f"{found[-1]}.json.gz").write_bytes(gzip.compress(line, 1))
            if not MONTH and len(found) == FEW:
                break
    return found


def change(serving: ServingClient, chance: random.Random, done: Counter[str]) -> None:
    """Change the loaded models in one of all ways; some are refused, such as a challenger too many."""
    loaded = serving.model()
    what = chance.choice(["load", "load", "drop", "promote", "promote and keep", "roll back", "swap"])
    with suppress(ServingError):
        if what == "load":
            serving.download_registry_model("bundled", chance.choice(MODELS), role="challenger")
        elif what == "swap":
            serving.download_registry_model("bundled", chance.choice(MODELS))
        elif what == "roll back":
            serving.rollback()
        elif not loaded.challengers:
            return
        elif what == "drop":
            serving.drop_challenger(chance.choice(loaded.challengers))
        else:
            serving.promote(chance.choice(loaded.challengers), keep=what == "promote and keep")
        done[what] += 1


def load_all(serving: ServingClient) -> None:
    """Have each model loaded, as the active one or as a challenger."""
    for name in MODELS:
        loaded = serving.model()
        if f"bundled/{name}:" not in "".join([loaded.id, *loaded.challengers]):
            serving.download_registry_model("bundled", name, role="challenger")


def wait_until_it_pings(clock: Clock, before: int, popen: "subprocess.Popen[str]") -> None:
    """Wait until the feed is read, or the process has ended."""
    wait_until(lambda: clock.readings > before or popen.poll() is not None)


def stored(database: Path) -> dict[str, int]:
    """Return the number of stored predictions by model."""
    with closing(sqlite3.connect(database)) as connection:
        return dict(connection.execute("SELECT model, count(*) FROM predictions GROUP BY model"))


def nothing(_serving: ServingClient) -> None:
    """Change nothing."""


def promote(serving: ServingClient) -> None:
    serving.promote(serving.model().challengers[0])


def drop_and_load(serving: ServingClient) -> None:
    for model_id in serving.model().challengers:
        serving.drop_challenger(model_id)
    load_all(serving)


def swap(serving: ServingClient) -> None:
    serving.download_registry_model("bundled", MODELS[2])
    serving.rollback()


@pytest.mark.parametrize("between", [nothing, promote, drop_and_load, swap])
@pytest.mark.parametrize("answers", [1, 2, 3])
def test_ping_killed_after_the_answer_of_any_model_scores_nothing_twice(
    tmp_path: Path, feed: FeedServer, answers: int, between: Callable[[ServingClient], None]
) -> None:
    """The service kills the ping once it has that many answers; the service is restarted, or its models change."""
    victims: list[subprocess.Popen[str]] = []

    def killer(app: App) -> Any:
        given = itertools.count(1)

        def killing(environ: dict[str, Any], start_response: Any) -> Any:
            answer = app(environ, start_response)
            if environ["PATH_INFO"] == "/predict" and next(given) == answers:
                kill(victims.pop())
            return answer

        return killing

    shots = [play(10, "goal", 20), play(11, "shot-on-goal", 40, x=60), play(12, "missed-shot", 70, x=-70)]
    feed.show(game(*shots))
    data = tmp_path / "data"
    with running_service(tmp_path, killer) as service:
        load_all(service.client)
        victims.append(start_script(environment(data, feed.url, service.url), GAME_ID))
        assert victims[0].wait(30) == -signal.SIGKILL
        asked = service.rows_scored()
        assert asked == answers * len(shots)
    with running_service(tmp_path) as service:
        wait_until(lambda: len(service.client.model().challengers) == 2)
        between(service.client)
        client = make_client(data, feed.url, service.url)
        feed.show(game(*shots, play(13, "goal", 90)))
        client.ping(GAME_ID)
        load_all(service.client)
        client.ping(GAME_ID)
        assert asked + service.rows_scored() == 4 * len(MODELS)
        assert set(stored(data / "history.db").values()) == {4}
        assert len(stored(data / "history.db")) == len(MODELS)
    assert not list((data / "locks").glob("*.questions"))
    assert is_sound(data / "history.db")


@pytest.mark.recordings
def test_every_model_is_asked_for_each_shot_once_whatever_changes_and_dies(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("livegame.client.PING_S", 60.0)  # of the last pings, which leave nothing out
    folder, data = tmp_path / "games", tmp_path / "data"
    folder.mkdir()
    games = write_games(recordings, folder)
    chance, clock, done = random.Random(14), Clock(), Counter[str]()
    with replayed(folder, clock) as feed_url, process(tmp_path) as running:
        serving = ServingClient(running.url)
        env = environment(data, feed_url, running.url)
        client = make_client(data, feed_url, running.url)
        load_all(serving)
        for step in range(STEPS):
            clock.seconds = LENGTH_S * (step + 0.5) / STEPS
            for batch in batches(games):
                before = clock.readings
                victim, other = (start_script(env, *chance.sample(batch, len(batch))) for _ in range(2))
                wait_until_it_pings(clock, before, victim)
                for _ in range(chance.randint(1, 4)):
                    time.sleep(chance.uniform(0, 0.1))
                    change(serving, chance, done)
                time.sleep(chance.uniform(0, 0.2))
                done["killed"] += victim.poll() is None
                kill(victim)
                _, stderr = other.communicate(timeout=120)
                assert "Traceback" not in stderr
            assert is_sound(data / "history.db")
        clock.seconds = 1e6
        load_all(serving)
        asked_before = Service(running.url, serving).rows_scored()
        reports = [reported(client, client.ping(game_id)) for game_id in games]
        shots = sum(len(report.shots) for report in reports)
        by_model = stored(data / "history.db")
        asked = Service(running.url, serving).rows_scored()
        print(  # noqa: T201
            f"{len(games)} games, {shots} shots, {len(MODELS)} models, {dict(done)}: {asked} rows asked"
            f" ({asked - asked_before} of them at the end), {sum(by_model.values())} stored,"
            f" {asked - shots * len(MODELS)} doubled"
        )
        assert by_model == dict.fromkeys([serving.model().id, *serving.model().challengers], shots)
        assert asked == shots * len(MODELS)
        assert [report.pending for report in reports] == [0] * len(games)
        for model_id in serving.model().challengers:
            serving.promote(model_id, keep=True)
            for game_id in games:
                report = reported(client, client.ping(game_id))
                assert (report.model, report.pending) == (model_id, 0)
        assert Service(running.url, serving).rows_scored() == asked, "a promotion scores nothing"
    assert is_sound(data / "history.db")
    assert is_sound(tmp_path / "data" / "serving.db")
    assert not list((data / "locks").glob("*.questions"))


def batches(games: list[int]) -> list[list[int]]:
    return [games[start : start + AT_ONCE] for start in range(0, len(games), AT_ONCE)]
