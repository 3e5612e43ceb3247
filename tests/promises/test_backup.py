"""Copies made while games are pinged are whole, and pings resume from a copy that replaces a lost history."""

import shutil
import subprocess
import sys
from pathlib import Path

from db.serving import Activations, LogQuery, read_logs
from tests.conftest import Service
from tests.helpers import ROOT, Clock, environment, make_client, reported
from tests.promises.helpers import (
    LENGTH_S,
    contents,
    copies_of_the_sample,
    is_sound,
    replayed,
    start_script,
    stored_predictions,
    undisturbed,
)
from tests.xgserve.helpers import process
from xgserve.client import ServingClient

COPIES = 5


def back_up(env: dict[str, str], folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "scripts/backup.py", str(folder)]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)


def test_copies_made_during_pings_are_whole(tmp_path: Path) -> None:
    data, clock = tmp_path / "data", Clock()
    games = copies_of_the_sample(tmp_path / "games", 2)
    with replayed(tmp_path / "games", clock) as feed_url, process(tmp_path) as service:
        env = environment(data, feed_url, service.url)
        ServingClient(service.url).download_registry_model("bundled", "xg-distance")
        assert start_script(env, *games).wait(60) == 0
        clock.tick = LENGTH_S / 100
        pings = [start_script(env, *[game_id] * 1000) for game_id in games]
        for number in range(COPIES):
            made = back_up(env, tmp_path / f"copy{number}")
            assert (made.returncode, made.stderr, made.stdout.count("checked")) == (0, "", 2)
        assert [popen.poll() for popen in pings] == [None, None], "the pings ran all the time"
        for popen in pings:
            popen.kill()
            popen.communicate()
    stored = []
    for number in range(COPIES):
        copy, serving = (tmp_path / f"copy{number}" / name for name in ("history.db", "serving.db"))
        assert is_sound(copy)
        assert is_sound(serving)
        active = Activations(serving).latest()
        assert active is not None and active.model == "xg-distance"
        assert read_logs(serving, LogQuery(text="download_registry_model"))
        assert len(contents(copy)["shots"]) >= stored_predictions(copy)
        stored.append(stored_predictions(copy))
    assert stored == sorted(stored)


def test_restored_copy_is_completed_without_scoring_its_shots_again(tmp_path: Path, service: Service) -> None:
    data, clock = tmp_path / "data", Clock()
    games = copies_of_the_sample(tmp_path / "games", 1)
    with replayed(tmp_path / "games", clock) as feed_url:
        env = environment(data, feed_url, service.url)
        for clock.seconds in (0.0, LENGTH_S / 3):
            assert start_script(env, *games).wait(60) == 0
        assert back_up(env, tmp_path / "copy").returncode == 0

        # follow the advice that a ping gives on a damaged history
        (data / "history.db").write_bytes(b"lost" * 5000)
        popen = start_script(env, *games)
        _, said = popen.communicate(timeout=60)
        assert (popen.returncode, "Traceback" in said) == (5, False)
        assert "move it and its -journal, -wal and -shm away, and put the last copy" in said
        for path in data.glob("history.db*"):
            path.rename(tmp_path / f"damaged-{path.name}")
        shutil.copy(tmp_path / "copy" / "history.db", data / "history.db")

        held = stored_predictions(data / "history.db")
        ping = make_client(data, feed_url, service.url).ping(games[0])
        assert (ping.changed, service.rows_scored()) == (False, held)
        clock.seconds = 2.0 * LENGTH_S
        client = make_client(data, feed_url, service.url)
        ping = client.ping(games[0])
        report = reported(client, ping)
        assert (report.pending, ping.scored) == (0, len(report.shots) - held)
    assert is_sound(data / "history.db")
    assert contents(data / "history.db") == undisturbed(tmp_path / "games", tmp_path / "calm", games, service.url)
