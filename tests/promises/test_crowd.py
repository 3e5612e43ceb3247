"""Sixteen processes ping and read the same games during play: each shot is scored once, and no process fails."""

import multiprocessing
import os
import random
import statistics
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from db.connection import open_writer
from db.history.schema import MIGRATIONS
from tests.conftest import Service
from tests.helpers import Clock, environment, make_client
from tests.promises.helpers import (
    LENGTH_S,
    contents,
    copies_of_the_sample,
    is_sound,
    ping_until,
    read_until,
    replayed,
    start_script,
    stored_predictions,
    undisturbed,
)

# XG_TEST_CROWD_S=120 pytest tests/promises/test_crowd.py -s --timeout=600
SECONDS = float(os.environ.get("XG_TEST_CROWD_S", "3"))
JOURNALS = ["truncate", "wal"] if "XG_TEST_CROWD_S" in os.environ else ["truncate"]
SCRIPTS, LIBRARIES, PAGES = 8, 6, 2


def _run_scripts_until(end: Path, env: dict[str, str], games: list[int], seed: int) -> list[str]:
    """Start the script over and over, as an impatient cron would; return its complaints."""
    chance, complaints = random.Random(seed), []
    while not end.exists():
        popen = start_script(env, *chance.choices(games, k=5))
        _, stderr = popen.communicate(timeout=120)
        if popen.returncode or stderr:
            complaints.append(f"{popen.returncode}: {stderr}")
    return complaints


@pytest.mark.parametrize("journal", JOURNALS)
def test_concurrent_pings_and_page_views_score_each_shot_once(tmp_path: Path, service: Service, journal: str) -> None:
    clock, end = Clock(), tmp_path / "end"
    games = copies_of_the_sample(tmp_path / "games", 4)
    often_the_same = [*games, *games[:1] * 4]
    database = tmp_path / "data" / "history.db"
    with closing(open_writer(database, MIGRATIONS)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    with replayed(tmp_path / "games", clock) as feed_url:
        env = environment(tmp_path / "data", feed_url, service.url)
        common = (end, tmp_path / "data", feed_url, service.url, often_the_same)
        with (
            ProcessPoolExecutor(LIBRARIES + PAGES, multiprocessing.get_context("spawn")) as processes,
            ThreadPoolExecutor(SCRIPTS) as threads,
        ):
            try:
                pings = [processes.submit(ping_until, *common, seed) for seed in range(LIBRARIES)]
                pages = [processes.submit(read_until, *common, seed) for seed in range(PAGES)]
                while len([*tmp_path.glob("ping-*"), *tmp_path.glob("page-*")]) < LIBRARIES + PAGES:
                    time.sleep(0.05)  # they import for seconds, which scripts beside them would make many
                scripts = [
                    threads.submit(_run_scripts_until, end, env, often_the_same, seed) for seed in range(SCRIPTS)
                ]
                for _ in range(100):
                    time.sleep(SECONDS / 100)
                    clock.seconds += LENGTH_S / 80
            finally:
                end.touch()
            took = sorted(seconds for ping in pings for seconds in ping.result())
            torn = sum(page.result() for page in pages)
            complaints = [complaint for script in scripts for complaint in script.result()]
        for game_id in games:
            make_client(tmp_path / "data", feed_url, service.url).ping(game_id)
    asked, stored = service.rows_scored(), stored_predictions(database)
    print(  # noqa: T201
        f"{SCRIPTS + LIBRARIES + PAGES} processes ({journal}): {stored} predictions, {asked - stored} asked twice;"
        f" {LIBRARIES} of them made {len(took)} pings, of {statistics.median(took):.2f} s (median),"
        f" {took[len(took) * 99 // 100]:.2f} s (99 %), {took[-1]:.2f} s (longest)"
    )
    assert complaints == []
    assert (torn, asked) == (0, stored)
    assert is_sound(database)
    assert contents(database) == undisturbed(tmp_path / "games", tmp_path / "calm", games, service.url)
