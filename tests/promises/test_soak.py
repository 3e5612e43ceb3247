"""A whole night: all games of one day together, with pings, page views, swaps and log reading, and what that costs."""

import gzip
import itertools
import json
import lzma
import multiprocessing
import os
import random
import re
import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from livegame.recordings.replay import create_app
from livegame.recordings.seasons import find_seasons
from tests.conftest import Service
from tests.games import wsgi_server
from tests.helpers import environment, make_client, reported
from tests.promises.helpers import LENGTH_S, is_sound, ping_forever, start_script, stored_predictions
from tests.xgserve.helpers import process
from xgserve.client import ServingClient

# XG_TEST_SOAK=12 pytest tests/promises/test_soak.py -s --timeout=1500
MINUTES = float(os.environ.get("XG_TEST_SOAK", "0"))
pytestmark = [
    pytest.mark.recordings,
    pytest.mark.skipif(MINUTES == 0, reason="set XG_TEST_SOAK to the number of minutes that it may take"),
]
MODELS = ("xg-distance", "xg-default", "xg-distance-angle")

FACTS = {"day": rb'"gameDate": ?"([\d-]+)"', "id": rb'^{"id": ?(\d+)'}


def busiest_day(recordings: Path) -> tuple[str, dict[int, bytes]]:
    """Return the day with the most games of the newest recorded season, and its feeds by game id."""
    by_day: dict[str, dict[int, bytes]] = {}
    with lzma.open(list(find_seasons(recordings).values())[-1]) as lines:
        for line in lines:  # a season is too large to parse whole
            found = {key: re.search(pattern, line) for key, pattern in FACTS.items()}
            if (day := found["day"]) and (game_id := found["id"]):
                by_day.setdefault(day[1].decode(), {})[int(game_id[1])] = line
    return max(by_day.items(), key=lambda entry: len(entry[1]))


def yardstick() -> float:
    """Return how many seconds a fixed piece of work takes right now: the machine may be busy."""
    started = time.monotonic()
    for _ in range(5):
        json.loads(json.dumps([{"n": number, "text": str(number)} for number in range(5_000)]))
    return time.monotonic() - started


@dataclass
class Night:
    """Work beside the pings, each in a thread of its own, until the night is over."""

    over: threading.Event = field(default_factory=threading.Event)
    done: Counter[str] = field(default_factory=Counter)
    trouble: list[str] = field(default_factory=list)
    threads: list[threading.Thread] = field(default_factory=list)

    def repeat(self, name: str, every_s: float, work: Callable[[], object]) -> None:
        def run() -> None:
            while not self.over.wait(every_s):
                try:
                    work()
                    self.done[name] += 1
                except Exception as error:  # noqa: BLE001 - any trouble must be shown
                    self.trouble.append(f"{name}: {error!r}")

        self.threads.append(threading.Thread(target=run, name=name))
        self.threads[-1].start()

    def end(self) -> None:
        self.over.set()
        for thread in self.threads:
            thread.join(120)


@dataclass
class Watch:
    """Memory, open files, file sizes and ping times during the night, one line per look."""

    service: psutil.Process
    pinger: psutil.Process
    data: Path
    times: Path
    read: int = 0
    lines: list[tuple[float, ...]] = field(default_factory=list)

    def look(self, minute: float) -> None:
        took = sorted(map(float, self.times.read_text().split()[self.read :]))
        self.read += len(took)
        line = (
            minute,
            self.service.memory_info().rss / 1e6,
            self.pinger.memory_info().rss / 1e6,
            self.service.num_fds(),
            self.pinger.num_fds(),
            (self.data / "history.db").stat().st_size / 1e6,
            (self.data / "serving.db").stat().st_size / 1e6,
            statistics.median(took) * 1e3,
            took[-1] * 1e3,
            statistics.median(took) / yardstick(),
        )
        self.lines.append(line)
        print(  # noqa: T201
            "{:5.1f} min: service {:.0f} MB, pinger {:.0f} MB; open files {}, {}; history {:.1f} MB, log {:.1f} MB; "
            "a ping {:.0f} ms (median), {:.0f} ms (longest), {:.1f} yardsticks".format(*line),
            flush=True,
        )


def test_night_of_all_games_scores_each_shot_once_within_bounds(tmp_path: Path, recordings: Path) -> None:
    day, feeds = busiest_day(recordings)
    for game_id, feed in feeds.items():
        (tmp_path / f"{game_id}.json.gz").write_bytes(gzip.compress(feed))
    games, data, chance, night = sorted(feeds), tmp_path / "data", random.Random(7), Night()
    speed = 1.3 * LENGTH_S / (MINUTES * 60)
    print(f"\n{day}: {len(games)} games at {speed:.0f} times their speed")  # noqa: T201
    with (
        wsgi_server(create_app(tmp_path, tmp_path / "replay.json", speed)) as feed_url,
        process(tmp_path) as service,
    ):
        times = tmp_path / "times"
        pinger = multiprocessing.get_context("spawn").Process(
            target=ping_forever, args=(data, feed_url, service.url, games, times)
        )
        pinger.start()
        page, serving, models = (
            make_client(data, feed_url, service.url),
            ServingClient(service.url),
            itertools.cycle(MODELS),
        )
        complaints: deque[str] = deque(maxlen=20)

        def cron() -> None:
            popen = start_script(environment(data, feed_url, service.url), *games)
            _, stderr = popen.communicate(timeout=120)
            if popen.returncode or stderr:
                complaints.append(stderr)

        def view() -> None:
            report = page.report(chance.choice(games))
            if report is not None:
                assert report.away.counted.shots + report.home.counted.shots == len(report.present)

        try:
            while not times.exists() or len(times.read_text().split()) < len(games):
                time.sleep(0.2)
            night.repeat("page views", 0.2, view)
            night.repeat("log readings", 1, lambda: serving.logs(limit=1000))
            night.repeat("swaps", 20, lambda: serving.download_registry_model("bundled", next(models)))
            night.repeat("cron", 15, cron)
            assert pinger.pid is not None
            watch = Watch(psutil.Process(service.popen.pid), psutil.Process(pinger.pid), data, times)
            steps = max(4, round(MINUTES))
            for step in range(1, steps + 1):
                time.sleep(MINUTES * 60 / steps)
                watch.look(step * MINUTES / steps)
        finally:
            night.end()
            pinger.kill()
            pinger.join()
        for model in MODELS:
            serving.download_registry_model("bundled", model)
            reports = [reported(page, page.ping(game_id)) for game_id in games]
        asked = Service(service.url, serving).rows_scored()
    stored = stored_predictions(data / "history.db")
    shots = sum(len(report.shots) for report in reports)
    print(  # noqa: T201
        f"{watch.read} pings by one process, {dict(night.done)}: {stored} predictions of {shots} shots by"
        f" {len(MODELS)} models, {asked - stored} asked twice"
    )
    assert (night.trouble, list(complaints)) == ([], [])
    assert (asked, stored) == (stored, len(MODELS) * shots)
    assert all(report.is_over and report.pending == 0 for report in reports)
    assert is_sound(data / "history.db")
    assert is_sound(data / "serving.db")
    early, last = watch.lines[len(watch.lines) // 4], watch.lines[-1]
    assert last[1] < early[1] + 60
    assert last[2] < early[2] + 60
    assert last[3:5] <= (early[3] + 10, early[4] + 10)
