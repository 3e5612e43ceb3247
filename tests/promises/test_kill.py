"""kill -9 at any moment, of pings, of the service, of both: nothing is lost, and no shot is scored twice."""

import os
import random
import signal
import subprocess
import time
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from db.connection import open_writer
from db.history.schema import MIGRATIONS
from tests.conftest import Service, running_service
from tests.games import GAME_ID, feed_server, game, play
from tests.helpers import Clock, environment, make_client, reported
from tests.promises.helpers import (
    LENGTH_S,
    contents,
    copies_of_the_sample,
    is_sound,
    kill,
    killer_of,
    replayed,
    start_script,
    stored_predictions,
    undisturbed,
)
from tests.xgserve.helpers import Process, process
from xgserve.client import ServingClient

# Hundreds take some minutes: XG_TEST_KILLS=500 pytest tests/promises/test_kill.py -s --timeout=3000
KILLS = int(os.environ.get("XG_TEST_KILLS", "8"))
KILLS_A_GAME = 30
PINGS_A_KILL = 4  # roughly as many as one process has time for
MODELS = ("xg-distance", "xg-default")


def wait_until_it_pings(clock: Clock, popen: "subprocess.Popen[str]") -> None:
    """Wait until this process, or another one, reads the feed."""
    before, give_up = clock.readings, time.monotonic() + 120
    while clock.readings == before and popen.poll() is None:
        assert time.monotonic() < give_up, "no ping in two minutes"
        time.sleep(0.005)


@pytest.mark.parametrize("journal", ["truncate", "wal"])
def test_pings_killed_at_any_moment_lose_nothing_and_score_nothing_twice(
    tmp_path: Path, service: Service, journal: str
) -> None:
    chance, clock = random.Random(journal), Clock()
    games = copies_of_the_sample(tmp_path / "games", -(-KILLS // 2 // KILLS_A_GAME))
    database = tmp_path / "data" / "history.db"
    with closing(open_writer(database, MIGRATIONS)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    kills = 0
    with replayed(tmp_path / "games", clock) as feed_url:
        env = environment(tmp_path / "data", feed_url, service.url)
        for number, game_id in enumerate(games):
            left = (KILLS // 2 - kills) // (len(games) - number)
            clock.tick = LENGTH_S / (left * PINGS_A_KILL)
            service.client.download_registry_model("bundled", chance.choice(MODELS))
            for _ in range(left // 2):
                pair = [start_script(env, *[game_id] * 200) for _ in range(2)]
                wait_until_it_pings(clock, pair[0])
                for popen in pair:
                    time.sleep(chance.uniform(0, 0.12))
                    kill(popen)
                    kills += 1
                assert is_sound(database)
        clock.seconds, clock.tick = 100.0 * LENGTH_S, 0.0
        client = make_client(tmp_path / "data", feed_url, service.url)
        for model in MODELS:  # answers of either may not have been stored
            service.client.download_registry_model("bundled", model)
            reports = {game_id: reported(client, client.ping(game_id)) for game_id in games}
    asked, stored = service.rows_scored(), stored_predictions(database)
    expected = undisturbed(tmp_path / "games", tmp_path / "calm", games, service.url)
    found = contents(database)
    lost = len(expected["shots"] - found["shots"]) + len(expected["predictions"] - found["predictions"])
    print(f"{kills} kills of pings ({journal}): {stored} predictions, {lost} lost, {asked - stored} asked twice")  # noqa: T201
    assert is_sound(database)
    assert (lost, asked) == (0, stored)
    assert [report.pending for report in reports.values()] == [0] * len(games)
    compared = ("games", "shots", "manpower", "blocked_attempts", "corrections")
    assert {table: found[table] for table in compared} == {table: expected[table] for table in compared}


def test_ping_killed_before_storing_its_answer_is_completed_without_scoring_again(tmp_path: Path) -> None:
    victims: list[subprocess.Popen[str]] = []

    clock = Clock(LENGTH_S / 10)
    (game_id,) = copies_of_the_sample(tmp_path / "games", 1)
    with replayed(tmp_path / "games", clock) as feed_url, running_service(tmp_path, killer_of(victims)) as service:
        client = make_client(tmp_path / "data", feed_url, service.url)
        client.ping(game_id)
        for _ in range(3):
            clock.seconds += LENGTH_S / 5
            popen = start_script(environment(tmp_path / "data", feed_url, service.url), game_id)
            victims.append(popen)
            assert popen.wait(30) == -signal.SIGKILL
            clock.seconds += LENGTH_S / 20  # further shots, which the killed ping had not sent
        report = reported(client, client.ping(game_id))
        assert (report.pending, len(report.shots)) == (0, service.rows_scored())


def kill_a_ping_after_its_answer(data_dir: Path, feed_url: str) -> int:
    """Let the service kill the first ping that it answers, and stop; return how many rows it scored."""
    victims: list[subprocess.Popen[str]] = []
    with running_service(data_dir, killer_of(victims)) as service:
        victims.append(start_script(environment(data_dir / "data", feed_url, service.url), GAME_ID))
        assert victims[0].wait(30) == -signal.SIGKILL
        return service.rows_scored()


def test_killed_ping_scores_nothing_twice_with_the_service_restarted_in_between(tmp_path: Path) -> None:
    shots = [play(10, "goal", 20), play(11, "shot-on-goal", 40, x=60), play(12, "missed-shot", 70, x=-70)]
    with feed_server() as feed:
        feed.show(game(*shots))
        assert kill_a_ping_after_its_answer(tmp_path, feed.url) == 3
        with running_service(tmp_path) as service:
            client = make_client(tmp_path / "data", feed.url, service.url)
            ping = client.ping(GAME_ID)
            assert (ping.scored, reported(client, ping).pending, service.rows_scored()) == (3, 0, 0)
            feed.show(game(*shots, play(13, "goal", 90)))
            assert (client.ping(GAME_ID).scored, service.rows_scored()) == (1, 1)
    assert not list((tmp_path / "data" / "locks").glob("*.questions"))


@pytest.mark.parametrize("left", [[10, 11], [], [13], [13, 12]], ids=["some", "none", "others", "some and others"])
def test_killed_ping_scores_nothing_twice_with_shots_taken_back_in_between(tmp_path: Path, left: list[int]) -> None:
    kinds = {10: "goal", 11: "shot-on-goal", 12: "missed-shot", 13: "goal"}
    shots = {event_id: play(event_id, kind, 2 * event_id) for event_id, kind in kinds.items()}
    with feed_server() as feed:
        feed.show(game(*(shots[event_id] for event_id in (10, 11, 12))))
        asked = kill_a_ping_after_its_answer(tmp_path, feed.url)
        with running_service(tmp_path) as service:
            client = make_client(tmp_path / "data", feed.url, service.url)
            feed.show(game(play(9, "faceoff", 1), *(shots[event_id] for event_id in left)))
            assert reported(client, client.ping(GAME_ID)).pending == 0
            feed.show(game(*shots.values()))
            report = reported(client, client.ping(GAME_ID))
            assert (report.pending, len(report.shots)) == (0, 4)
            assert asked + service.rows_scored() == 4
    assert not list((tmp_path / "data" / "locks").glob("*.questions"))


def test_killed_ping_scores_nothing_twice_with_another_model_in_between(tmp_path: Path) -> None:
    with feed_server() as feed:
        feed.show(game(play(10, "goal", 20), play(11, "shot-on-goal", 40, x=60)))
        assert kill_a_ping_after_its_answer(tmp_path, feed.url) == 2
        with running_service(tmp_path) as service:
            client = make_client(tmp_path / "data", feed.url, service.url)
            service.client.download_registry_model("bundled", "xg-distance")
            assert (client.ping(GAME_ID).scored, service.rows_scored()) == (2, 2)
            service.client.rollback()
            assert (client.ping(GAME_ID).scored, service.rows_scored()) == (2, 2)


def test_pings_killed_at_random_score_nothing_twice_with_the_service_restarted_in_between(tmp_path: Path) -> None:
    """The rows scored, by the services' own counts, are as many as the shots."""
    chance, restarts, asked = random.Random(12), max(2, KILLS // 4), 0
    clock = Clock(tick=LENGTH_S / (restarts * PINGS_A_KILL * 4))
    (game_id,) = copies_of_the_sample(tmp_path / "games", 1)
    port: dict[str, str] = {}
    with replayed(tmp_path / "games", clock) as feed_url:
        for _ in range(restarts):
            with process(tmp_path, port) as running:
                port["XG_SERVING_PORT"] = running.url.rpartition(":")[2]
                for _ in range(2):
                    pair = [start_script(environment(tmp_path / "data", feed_url, running.url), *[game_id] * 200)
                            for _ in range(2)]  # fmt: skip
                    wait_until_it_pings(clock, pair[0])
                    for popen in pair:
                        time.sleep(chance.uniform(0, 0.12))
                        kill(popen)
                asked += Service(running.url, ServingClient(running.url)).rows_scored()
                running.stop(chance.choice([signal.SIGTERM, signal.SIGKILL]))
        with process(tmp_path, port) as running:
            clock.seconds, clock.tick = 100.0 * LENGTH_S, 0.0
            client = make_client(tmp_path / "data", feed_url, running.url)
            report = reported(client, client.ping(game_id))
            asked += Service(running.url, ServingClient(running.url)).rows_scored()
            expected = undisturbed(tmp_path / "games", tmp_path / "calm", [game_id], running.url)
    print(f"{4 * restarts} kills of pings, {restarts} restarts: {asked} rows for {len(report.shots)} shots")  # noqa: T201
    assert (report.pending, asked) == (0, len(report.shots))
    assert contents(tmp_path / "data" / "history.db") == expected


def test_killed_ping_scores_nothing_twice_with_shots_corrected_in_between(tmp_path: Path) -> None:
    victims: list[subprocess.Popen[str]] = []
    shots = [play(10, "goal", 20), play(11, "shot-on-goal", 40, x=60), play(12, "missed-shot", 70, x=-70)]
    with feed_server() as feed, running_service(tmp_path, killer_of(victims)) as service:
        feed.show(game(*shots))
        victims.append(start_script(environment(tmp_path / "data", feed.url, service.url), GAME_ID))
        assert victims[0].wait(30) == -signal.SIGKILL
        feed.show(game(shots[0], replace(shots[1], x=50), play(13, "goal", 90)))  # one moved, one gone, one new
        client = make_client(tmp_path / "data", feed.url, service.url)
        ping = client.ping(GAME_ID)
        stored = reported(client, ping).shots
        assert dict(zip(stored["event_id"], stored["status"], strict=True)) == {
            10: "scored", 11: "amended", 13: "scored",
        }  # fmt: skip
        assert (ping.scored, service.rows_scored()) == (3, 4)  # the one that is gone was scored, once
        assert client.ping(GAME_ID).scored == 0


def test_service_killed_with_or_without_the_ping_loses_nothing(tmp_path: Path) -> None:
    chance, clock = random.Random(3), Clock(tick=LENGTH_S / max(KILLS, 20))
    kills = {"service": 0, "both": 0}
    (game_id,) = copies_of_the_sample(tmp_path / "games", 1)
    database = tmp_path / "data" / "history.db"

    def until_a_kill(service: Process, feed_url: str, what: str) -> None:
        env = environment(tmp_path / "data", feed_url, service.url)
        popen = start_script(env, "--timeout", 3, *[game_id] * 500)
        wait_until_it_pings(clock, popen)
        time.sleep(chance.uniform(0, 0.2))
        for victim in chance.sample([popen, service.popen], 2) if what == "both" else [service.popen]:
            victim.kill()
            time.sleep(chance.uniform(0, 0.02))
        kills[what] += 1
        _, stderr = popen.communicate(timeout=60)
        assert "Traceback" not in stderr
        assert is_sound(database)

    port: dict[str, str] = {}
    with replayed(tmp_path / "games", clock) as feed_url:
        for number in range(max(2, KILLS // 6)):
            with process(tmp_path, port) as service:
                port["XG_SERVING_PORT"] = service.url.rpartition(":")[2]
                until_a_kill(service, feed_url, ("service", "both")[number % 2])
        with process(tmp_path, port) as service:
            clock.seconds, clock.tick = 100.0 * LENGTH_S, 0.0
            client = make_client(tmp_path / "data", feed_url, service.url)
            report = reported(client, client.ping(game_id))
            expected = undisturbed(tmp_path / "games", tmp_path / "calm", [game_id], service.url)
    print(f"kills: {kills}; {stored_predictions(database)} predictions of {len(report.shots)} shots")  # noqa: T201
    assert contents(database) == expected
    assert is_sound(database)
    assert is_sound(tmp_path / "data" / "serving.db")
