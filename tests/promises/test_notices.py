"""What somebody asked to be told of is told once: kill -9 at any moment, dead, slow and forgetful receivers."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from db import times
from db.history import Outbox
from livegame.client import GameClient
from livegame.notices.addresses import subscribe
from livegame.notices.delivery import deliver
from livegame.plays import Game, GameState, Play
from livegame.settings import ClientSettings
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, FeedServer, game, play
from tests.helpers import ROOT, Clock, environment, make_client, wait_until
from tests.promises.helpers import LENGTH_S, copies_of_the_sample, is_sound, kill, replayed, start_script
from tests.promises.test_kill import wait_until_it_pings
from tests.receiver import SECRET, Receiver, receiver

# Hundreds take some minutes: XG_TEST_KILLS=500 pytest tests/promises/test_notices.py -s --timeout=3000
KILLS = int(os.environ.get("XG_TEST_KILLS", "6"))
KILLS_A_GAME = 60
DEAD = f"json://user:{SECRET}@127.0.0.1:9"  # nothing listens there
ALL = "goals chances leads periods finals"
OPENING = play(50, "faceoff", 0, x=0, y=0)


def notified(env: dict[str, str], *addresses: str, about: str = "goals periods finals") -> dict[str, str]:
    """Return the environment with these addresses, and what to tell them of."""
    return env | {"XG_NOTIFY": " ".join(addresses), "XG_NOTIFY_ABOUT": about}


def settings_of(env: dict[str, str]) -> ClientSettings:
    return ClientSettings.from_env(env)


def start_delivery(env: dict[str, str], seconds: float = 20) -> "subprocess.Popen[str]":
    """Start what pings and the dashboard start."""
    return subprocess.Popen(
        [sys.executable, "-m", "livegame.notices", str(seconds)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def deliveries(data_dir: Path, service: str = "json") -> list[sqlite3.Row]:
    """Return the rows of all deliveries with their notices, by notice."""
    with closing(sqlite3.connect(data_dir / "history.db")) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute(
            "SELECT n.*, d.* FROM deliveries d JOIN notices n USING (notice_id) JOIN addresses a USING (address)"
            " WHERE a.service = ? ORDER BY notice_id",
            (service,),
        ).fetchall()


class Later:
    """A clock that the test sets forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._ahead = timedelta()
        now = times.utc_now
        monkeypatch.setattr(times, "utc_now", lambda: now() + self._ahead)

    def wait(self, **time: float) -> None:
        self._ahead += timedelta(**time)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Later:
    return Later(monkeypatch)


@pytest.fixture
def told() -> Iterator[Receiver]:
    with receiver() as running:
        yield running


def test_goals_are_told_once_with_pings_and_deliveries_killed_at_any_moment(
    tmp_path: Path, service: Service, told: Receiver
) -> None:
    chance, clock = random.Random(7), Clock()
    told.pause_s = 0.02  # so that kills hit deliveries between an acceptance and its note
    games = copies_of_the_sample(tmp_path / "games", -(-KILLS // KILLS_A_GAME))
    kills: Counter[str] = Counter()
    messages, twice, database = 0, 0, tmp_path / "data" / "history.db"
    with replayed(tmp_path / "games", clock) as feed_url:
        env = notified(environment(tmp_path / "data", feed_url, service.url), told.address, DEAD, about=ALL)
        env["XG_NOTIFY_CHANCE"] = "0.1"
        subscribe(settings_of(env))
        client = make_client(tmp_path / "data", feed_url, service.url)
        for number, game_id in enumerate(games):
            clock.tick, told.got = 0.0, []
            client.ping(game_id)
            rounds = max((KILLS - kills.total()) // (len(games) - number) // 3, 2)
            clock.tick = LENGTH_S / (rounds * 4)
            for _ in range(rounds):
                pings = [start_script(env, *[game_id] * 200) for _ in range(2)]
                wait_until_it_pings(clock, pings[0])
                for popen in pings:
                    time.sleep(chance.uniform(0, 0.12))
                    kill(popen)
                    kills["ping"] += 1
                due_now(database)
                asked, delivery = told.asked, start_delivery(env)
                wait_until(lambda: told.asked > asked or delivery.poll() is not None)  # noqa: B023
                time.sleep(chance.uniform(0, 0.1))
                kills["delivery"] += delivery.poll() is None
                kill(delivery)
                assert is_sound(database)
            clock.tick = 0.0
            clock.seconds += 10 * LENGTH_S
            client.ping(game_id)
            finish(database, env)
            found, again = told_at_least_once(told, tmp_path / "data", game_id, told.address)
            messages, twice = messages + found, twice + again
    print(f"kills: {dict(kills)}; {messages} notices of {len(games)} games, {twice} sent again after a kill")  # noqa: T201
    assert twice <= kills["delivery"]
    assert no_secret_in(tmp_path / "data")


def finish(database: Path, env: dict[str, str]) -> None:
    """Deliver until nothing waits for the live address."""
    due_now(database)
    deliver(settings_of(env), 60)


def due_now(database: Path) -> None:
    """Have attempts that were killed wait no longer."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("UPDATE deliveries SET next_try_at = '' WHERE accepted_at IS NULL")


def told_at_least_once(told: Receiver, data_dir: Path, game_id: int, address: str) -> tuple[int, int]:
    """Check what the receiver got of a game; return how many messages, and how many of them were sent again."""
    digest = subscribe(settings_of({"XG_DATA_DIR": str(data_dir), "XG_NOTIFY": address}))[0].wish.address
    rows = [row for row in deliveries(data_dir) if row["game_id"] == game_id and row["address"] == digest]
    with closing(sqlite3.connect(data_dir / "history.db")) as connection:
        goals = connection.execute(
            "SELECT away_score, home_score, shooter FROM goal_log WHERE game_id = ? ORDER BY away_score + home_score",
            (game_id,),
        ).fetchall()
    counted = Counter((title, body.partition(". ")[0]) for title, body in told.got)  # with the time of the shot
    expected = [f"WSH {away} - {home} CAR: goal, {shooter}" for away, home, shooter in goals]
    assert sorted(title for title, _ in counted if ": goal, " in title) == sorted(expected)
    assert sum(title.startswith("Final") for title, _ in counted) == 1
    assert all(row["accepted_at"] for row in rows)
    assert len(counted) == len(rows)
    again = sum(count - 1 for count in counted.values())
    assert again <= sum(row["attempts"] - 1 for row in rows)  # each belongs to an attempt whose answer nobody noted
    return len(counted), again


def no_secret_in(folder: Path) -> bool:
    return not any(SECRET.encode() in path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_goal_taken_back_and_given_again_is_told_each_time_once(
    tmp_path: Path, service: Service, feed: FeedServer, told: Receiver
) -> None:
    """Two processes ping an answer at the same time, and one of them is killed."""
    env = notified(environment(tmp_path, feed.url, service.url), told.address)
    subscribe(settings_of(env))
    client = make_client(tmp_path, feed.url, service.url)
    goal, save = play(60, "goal", 70, AWAY), play(60, "shot-on-goal", 70, AWAY)
    answers: list[list[Play]] = [[], [goal], [], [goal], [save], [goal]]
    for number, plays in enumerate(answers):
        requests = len(feed.requests)
        feed.show(game(OPENING, *plays, play(70 + number, "faceoff", 80 + number), seconds_left=1100 - number))
        if number == 2:
            killed, other = (start_script(env, GAME_ID) for _ in range(2))
            wait_until(lambda: len(feed.requests) > requests)  # noqa: B023
            kill(killed)
            assert other.wait(60) == 0
        client.ping(GAME_ID)
    finish(tmp_path / "history.db", env)
    assert told.titles == [
        "WSH 1 - 0 CAR: goal, shooter not reported yet",
        "WSH 0 - 0 CAR: goal taken back, shooter not reported yet",
        "WSH 1 - 0 CAR: goal counts after all, shooter not reported yet",
        "WSH 0 - 0 CAR: goal taken back, shooter not reported yet",
        "WSH 1 - 0 CAR: goal counts after all, shooter not reported yet",
    ]


def ping_goals(client: GameClient, feed: FeedServer, number: int, **more: Any) -> None:
    """Ping a game before its first goal and after each of them."""
    goals = [play(60 + n, "goal", 60 + n) for n in range(number)]
    for known in range(number + 1):
        feed.show(game(OPENING, *goals[:known], seconds_left=1100 - known, **more))
        client.ping(GAME_ID)


def test_dead_address_delays_neither_the_ping_nor_the_other_and_gets_all_once_it_lives(
    tmp_path: Path, service: Service, feed: FeedServer, told: Receiver, later: Later
) -> None:
    with receiver("refuses") as dead:
        settings = settings_of(notified(environment(tmp_path), told.address, dead.address))
        subscribe(settings)
        ping_goals(make_client(tmp_path, feed.url, service.url), feed, 3)
        deliver(settings, 20)
        assert (len(told.got), dead.asked) == (3, 1)  # after a failure, the address rests
        for _ in range(3):
            later.wait(minutes=1)
            deliver(settings, 20)
        assert (len(told.got), len(dead.got)) == (3, 0)
        refused = [row for row in deliveries(tmp_path) if not row["accepted_at"]]
        assert {row["problem"] for row in refused} <= {"refused with HTTP 404", None}
        dead.manner = "accepts"
        later.wait(minutes=15)
        deliver(settings, 20)
        assert dead.counted() == told.counted()
        assert all("minutes ago." in body for _, body in dead.got)
        later.wait(minutes=15)
        deliver(settings, 20)
        assert (len(told.got), len(dead.got)) == (3, 3)
    assert no_secret_in(tmp_path)


def test_message_whose_answer_is_lost_is_sent_again_once_it_is_answered(
    tmp_path: Path, service: Service, feed: FeedServer, later: Later
) -> None:
    with receiver("loses the answer") as told:
        settings = settings_of(notified(environment(tmp_path), told.address))
        subscribe(settings)
        ping_goals(make_client(tmp_path, feed.url, service.url), feed, 1)
        deliver(settings, 20)
        told.manner = "accepts"
        for _ in range(4):
            later.wait(minutes=5)
            deliver(settings, 20)
        assert list(told.counted().values()) == [2]
        (row,) = deliveries(tmp_path)
        assert (row["attempts"], row["problem"]) == (2, None)


def test_ping_goes_on_while_a_receiver_hangs(
    tmp_path: Path, service: Service, feed: FeedServer, told: Receiver
) -> None:
    with receiver("hangs") as hanging:
        env = notified(environment(tmp_path, feed.url, service.url), f"{hanging.address}?rto=1", told.address)
        subscribe(settings_of(env))
        client = make_client(tmp_path, feed.url, service.url)
        feed.show(game(OPENING, seconds_left=1100))
        client.ping(GAME_ID)
        feed.show(game(OPENING, play(60, "goal", 60), seconds_left=1000))
        popen = start_script(env, GAME_ID)
        wait_until(lambda: hanging.asked and told.got)
        feed.show(game(OPENING, play(60, "goal", 60), play(61, "goal", 90), seconds_left=900))
        assert client.ping(GAME_ID).new == (61,)  # the lock is free
        wait_until(lambda: len(told.got) == 2)  # and the other address is told meanwhile
        assert (popen.wait(60), hanging.got) == (0, [])
        assert "Traceback" not in str(popen.communicate())


def test_two_pings_at_once_write_each_notice_once(
    tmp_path: Path, service: Service, feed: FeedServer, told: Receiver
) -> None:
    settings = settings_of(notified(environment(tmp_path), told.address))
    subscribe(settings)
    clients = [make_client(tmp_path, feed.url, service.url) for _ in range(3)]
    for number in range(4):
        goals = [play(60 + n, "goal", 60 + n) for n in range(number)]
        feed.show(game(OPENING, *goals, seconds_left=1100 - number))
        threads = [threading.Thread(target=client.ping, args=(GAME_ID,)) for client in clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    deliver(settings, 20)
    assert list(told.counted().values()) == [1, 1, 1]


def test_attempt_that_was_killed_is_repeated_after_pauses_that_grow(
    tmp_path: Path, service: Service, feed: FeedServer, later: Later
) -> None:
    (address,) = subscribe(settings_of(notified(environment(tmp_path), DEAD)))
    ping_goals(make_client(tmp_path, feed.url, service.url), feed, 1)
    outbox, digest = Outbox(tmp_path / "history.db"), address.wish.address
    for pause_s in (15, 30, 60, 120, 240, 480, 900, 900):
        due = outbox.next(digest)
        assert due is not None
        outbox.begin(due, digest)
        later.wait(seconds=pause_s - 2)
        assert outbox.next(digest) is None
        later.wait(seconds=3)
    assert outbox.next(digest) is not None


def test_attempt_by_a_clock_that_was_ahead_is_repeated_once_it_is_right(
    tmp_path: Path, service: Service, feed: FeedServer, later: Later
) -> None:
    (address,) = subscribe(settings_of(notified(environment(tmp_path), DEAD)))
    outbox, digest = Outbox(tmp_path / "history.db"), address.wish.address
    later.wait(hours=2)
    ping_goals(make_client(tmp_path, feed.url, service.url), feed, 1)
    due = outbox.next(digest)
    assert due is not None
    outbox.begin(due, digest)
    assert outbox.next(digest) is None
    later.wait(hours=-2)
    assert outbox.next(digest) is not None


def test_two_deliveries_at_once_send_each_message_once(
    tmp_path: Path, service: Service, feed: FeedServer, told: Receiver
) -> None:
    told.pause_s = 0.1
    settings = settings_of(notified(environment(tmp_path), told.address))
    subscribe(settings)
    ping_goals(make_client(tmp_path, feed.url, service.url), feed, 3)
    threads = [threading.Thread(target=deliver, args=(settings, 20)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(told.counted().values()) == [1, 1, 1]


def test_late_notice_says_so_and_one_that_is_too_late_is_given_up_and_logged_once(
    tmp_path: Path,
    service: Service,
    feed: FeedServer,
    told: Receiver,
    later: Later,
    caplog: pytest.LogCaptureFixture,
) -> None:
    settings = settings_of(notified(environment(tmp_path), told.address))
    subscribe(settings)
    client = make_client(tmp_path, feed.url, service.url)
    ping_goals(client, feed, 1)
    later.wait(minutes=25)
    deliver(settings, 20)
    ((_, body),) = told.got
    assert body.startswith("25 minutes ago. CAR, Period 1 01:00.")
    feed.show(game(OPENING, play(60, "goal", 60), play(61, "goal", 61), seconds_left=1000))
    later.wait(seconds=1)
    client.ping(GAME_ID)
    later.wait(hours=4)
    for _ in range(2):
        deliver(settings, 20)
    assert len(told.got) == 1
    assert [record.getMessage() for record in caplog.records if record.name == "livegame.notices"] == [
        f"1 notices to {subscribe(settings)[0].name} were given up: too late to be told"
    ]


@pytest.mark.parametrize("how", ["backfill", "rescore", "another model", "challenger"])
def test_what_no_ping_of_the_active_model_finds_is_not_told(
    tmp_path: Path, service: Service, feed: FeedServer, told: Receiver, how: str
) -> None:
    settings = settings_of(notified(environment(tmp_path), told.address, about=ALL))
    subscribe(settings)
    client = make_client(tmp_path, feed.url, service.url)
    missed = play(61, "missed-shot", 95, x=86, y=0)
    feed.show(game(OPENING, missed, seconds_left=500))
    client.ping(GAME_ID)
    shown: Game = game(OPENING, missed, seconds_left=480)
    if how == "backfill":
        from livegame.features.rows import game_update

        ended = game(OPENING, missed, play(62, "goal", 100), play(63, "game-end", 1200), state=GameState.FINAL)
        client.record([game_update(ended)], 20)
    elif how == "another model":
        service.client.download_registry_model("bundled", "xg-distance")
    elif how == "challenger":
        service.client.download_registry_model("bundled", "xg-distance", role="challenger")
    else:
        (model,) = client.loaded_models()
        with client.rescoring():
            client.rescore([GAME_ID], client.inputs_of(model), 20)
    feed.show(replace(shown, seconds_left=470))
    if how != "backfill":
        client.ping(GAME_ID)
    deliver(settings, 20)
    assert (told.got, deliveries(tmp_path)) == ([], [])


def test_goal_of_a_service_that_is_down_is_told_without_xg(
    tmp_path: Path, feed: FeedServer, told: Receiver, later: Later
) -> None:
    settings = settings_of(notified(environment(tmp_path), told.address))
    subscribe(settings)
    client = make_client(tmp_path, feed.url, "http://127.0.0.1:9")
    for plays in ([], [play(60, "goal", 60)]):
        feed.show(game(OPENING, *plays, seconds_left=1100))
        with pytest.raises(Exception, match="service"):
            client.ping(GAME_ID)
    deliver(settings, 20)
    assert told.got == []
    later.wait(seconds=46)
    deliver(settings, 20)
    ((title, body),) = told.got
    assert (title, "xG of the shot" in body) == ("WSH 0 - 1 CAR: goal, shooter not reported yet", False)


def test_dashboard_delivers_what_other_processes_have_stored(
    tmp_path: Path, service: Service, feed: FeedServer, told: Receiver
) -> None:
    env = notified(environment(tmp_path), told.address)
    code = (
        "import time; from livegame.settings import ClientSettings; from livegame.notices.courier import"
        " keep_delivering; keep_delivering(ClientSettings.from_env()); time.sleep(120)"
    )
    server = subprocess.Popen([sys.executable, "-c", code], env=env, cwd=tmp_path)
    try:
        outbox = Outbox(tmp_path / "history.db")
        wait_until(lambda: not outbox.unknown(address.wish for address in subscribe(settings_of(env))))
        ping_goals(make_client(tmp_path, feed.url, service.url), feed, 2)
        wait_until(lambda: len(told.got) == 2)
    finally:
        server.send_signal(signal.SIGKILL)
        server.wait()
