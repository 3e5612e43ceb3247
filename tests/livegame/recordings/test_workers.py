"""Work split over processes or a Dask cluster of two workers: the same results, and clear errors."""

import operator
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from livegame.errors import WorkersUnavailable
from livegame.features.frames import training_frame
from livegame.recordings.backfill import BATCH
from livegame.recordings.seasons import find_seasons
from livegame.recordings.workers import open_workers
from livegame.settings import ClientSettings
from tests.conftest import Service
from tests.games import season_games
from tests.helpers import ROOT
from tests.livegame.recordings.test_backfill import SHOTS, contents, make_client, run, write_season
from training.training_set import load_frame


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a scheduler on loopback with two workers, each a process of its own."""
    pytest.importorskip("distributed", reason="the cluster is Dask's: pip install -e '.[dask]'")
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    folder = tmp_path_factory.mktemp("dask")
    here = ["--host", "127.0.0.1", "--no-dashboard"]
    worker = ["worker", address, *here, "--nthreads", "1", "--no-nanny", "--local-directory", str(folder)]
    processes = [dask("scheduler", *here, "--port", address.rpartition(":")[2]), dask(*worker), dask(*worker)]
    try:
        wait_for_workers(address, 2)
        yield address
    finally:
        for process in processes:
            process.kill()
            process.wait()


def dask(*arguments: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "dask", *arguments],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def wait_for_workers(address: str, number: int) -> None:
    give_up = time.monotonic() + 60
    while True:
        try:
            with open_workers(address) as workers:
                if workers.count == number:
                    return
        except WorkersUnavailable:  # not up yet
            assert time.monotonic() < give_up, "no cluster in a minute"
        time.sleep(0.1)


def test_cluster_backfill_equals_a_local_one(tmp_path: Path, service: Service, cluster: str) -> None:
    season = write_season(tmp_path / "2022-23.jsonl.xz", 3 * BATCH)
    for place, address in (("here", None), ("there", cluster)):
        with open_workers(address) as workers:
            assert workers.count == (2 if address else len(os.sched_getaffinity(0)))
            progress, _ = run(make_client(tmp_path / place, service.url), workers, season)
        assert (progress.stored, progress.scored) == (3 * BATCH, 3 * BATCH * SHOTS)
    assert contents(tmp_path / "here") == contents(tmp_path / "there")


def test_training_frame_of_a_cluster_equals_that_of_one_process(tmp_path: Path, cluster: str) -> None:
    season = write_season(tmp_path / "2022-23.jsonl.xz", 3 * BATCH)
    settings = ClientSettings.from_env({"XG_RECORDINGS": str(tmp_path)})
    alone = training_frame(season_games(find_seasons(tmp_path)[20222023]))
    assert len(alone) == 3 * BATCH * SHOTS
    for address in (None, cluster):
        pd.testing.assert_frame_equal(load_frame(settings, [], print, address), alone)
    assert season.exists()


def test_results_are_in_order_and_items_are_taken_as_needed() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    with open_workers() as workers:
        results = workers.map(abs, items())
        assert next(results) == 0
        assert len(taken) <= 2 * workers.count + 2
        assert list(results) == list(range(1, 100))


def test_single_item_starts_no_process() -> None:
    with open_workers() as workers:
        assert list(workers.map(operator.call, [os.getpid])) == [os.getpid()]
        assert os.getpid() not in list(workers.map(operator.call, [os.getpid, os.getpid]))


def test_killed_worker_raises_workers_unavailable() -> None:
    with pytest.raises(WorkersUnavailable, match="ended from outside"), open_workers() as workers:
        list(workers.map(os._exit, [1, 1]))


def test_missing_cluster_raises_workers_unavailable() -> None:
    pytest.importorskip("distributed", reason="the cluster is Dask's: pip install -e '.[dask]'")
    with pytest.raises(WorkersUnavailable, match="no Dask cluster at nonsense"), open_workers("nonsense"):
        pass
