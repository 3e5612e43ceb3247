"""A full disk and a folder that may not be written: reported in words, nothing lost, completed once that is fixed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from db.connection import open_writer
from db.history.schema import MIGRATIONS
from tests.conftest import Service
from tests.helpers import ROOT, Clock, environment, make_client, reported
from tests.promises.helpers import (
    LENGTH_S,
    contents,
    copies_of_the_sample,
    is_sound,
    replayed,
    stored_predictions,
    undisturbed,
)

ROOM_KB = (0, 48, 72, 96)  # free on the disk, so that it fills up at different steps of a ping
# For each amount: fill the disk up to it, ping, and check the database. $1 is the game, $2 the folder.
FILL = """
for room in $ROOM_KB; do
    head -c 100M /dev/zero > "$2/ballast" 2>/dev/null; truncate -s -${room}K "$2/ballast"
    echo "== $room KB"; "$PYTHON" scripts/ping_game.py $1; echo "code $?"
    rm "$2/ballast"
    "$PYTHON" -c "import sqlite3; print(*sqlite3.connect('$2/history.db').execute('PRAGMA integrity_check').fetchone())"
done
"$PYTHON" scripts/ping_game.py $1; echo "code $?"
"""


def on_a_small_disk(folder: Path, size_kb: int, env: dict[str, str], *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command with a disk of its own of that size mounted on the folder, and keep a copy of what is on it."""
    folder.mkdir()
    kept = folder.with_name(f"{folder.name}-kept")
    mounted = (
        f'mount -t tmpfs -o size={size_kb}k none "{folder}" && "$@"; status=$?; cp -r "{folder}" "{kept}"; exit $status'
    )
    namespace = ["unshare", "--map-root-user", "--mount", "--", "sh", "-c"]
    if shutil.which("unshare") is None or subprocess.run([*namespace, "true"], capture_output=True).returncode:
        pytest.skip("no disk can be mounted here: unshare --map-root-user --mount is not allowed")
    return subprocess.run(
        [*namespace, mounted, "sh", *command], cwd=ROOT, env=env, capture_output=True, text=True, timeout=120
    )


@pytest.mark.parametrize("journal", ["truncate", "wal"])
def test_disk_full_at_any_step_loses_nothing(tmp_path: Path, service: Service, journal: str) -> None:
    clock, disk = Clock(tick=LENGTH_S / (len(ROOM_KB) + 1)), tmp_path / "disk"
    (game_id,) = copies_of_the_sample(tmp_path / "games", 1)
    with closing(open_writer(tmp_path / "history.db", MIGRATIONS)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    with replayed(tmp_path / "games", clock) as feed_url:
        env = environment(disk, feed_url, service.url) | {
            "PYTHON": sys.executable, "ROOM_KB": " ".join(map(str, ROOM_KB)),
        }  # fmt: skip
        script = f'cp "{tmp_path / "history.db"}" "{disk}"; {FILL}'
        ran = on_a_small_disk(disk, 600, env, "sh", "-c", script, "sh", str(game_id), str(disk))
        clock.seconds, clock.tick = 100.0 * LENGTH_S, 0
        client = make_client(tmp_path / "disk-kept", feed_url, service.url)
        report = reported(client, client.ping(game_id))
    codes = [line for line in ran.stdout.splitlines() if line.startswith("code")]
    assert (len(codes), codes[-1], set(codes)) == (len(ROOM_KB) + 1, "code 0", {"code 0", "code 5"})
    assert ran.stdout.splitlines().count("ok") == len(ROOM_KB)
    assert "Traceback" not in ran.stderr
    complaints = ran.stderr.splitlines()
    assert len(complaints) == codes.count("code 5")
    assert all("full" in line or "No space" in line or "disk I/O error" in line for line in complaints), complaints
    assert all("make room" in line or "check the disk" in line for line in complaints), complaints
    database = tmp_path / "disk-kept" / "history.db"
    assert (report.pending, service.rows_scored()) == (0, stored_predictions(database))
    assert contents(database) == undisturbed(tmp_path / "games", tmp_path / "calm", [game_id], service.url)


def test_history_without_room_is_created_once_there_is_some(tmp_path: Path, service: Service) -> None:
    (game_id,) = copies_of_the_sample(tmp_path / "games", 1)
    disk = tmp_path / "disk"
    with replayed(tmp_path / "games", Clock(tick=LENGTH_S)) as feed_url:
        env = environment(disk, feed_url, service.url) | {"PYTHON": sys.executable, "ROOM_KB": "0 16"}
        ran = on_a_small_disk(disk, 600, env, "sh", "-c", FILL, "sh", str(game_id), str(disk))
    assert [line for line in ran.stdout.splitlines() if line.startswith("code")] == ["code 5"] * 2 + ["code 0"]
    assert "Traceback" not in ran.stderr
    assert ran.stderr.count("make room") + ran.stderr.count("check the disk") == 2
    assert is_sound(tmp_path / "disk-kept" / "history.db")


def unprivileged(command: Sequence[str]) -> list[str]:
    """Return the command, bound by the modes of files even if root runs the tests."""
    if os.geteuid() != 0:
        return list(command)
    if shutil.which("setpriv") is None:
        pytest.skip("root may write everything, and setpriv, which gives that up, is missing")
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]


# What the page does: it reads, or says why it cannot.
SHOW = """
import sys
from pathlib import Path
from db.connection import DatabaseError
from db.history import History
from livegame.reports.game import game_report
try:
    print(game_report(History(Path(sys.argv[1])), int(sys.argv[2])).title)
except DatabaseError as error:
    print("cannot:", error)
"""


@pytest.mark.parametrize(
    ("modes", "words"),
    [
        ({"history.db": 0o444}, "readonly database; let uid "),
        ({".": 0o555}, "XG_DATA_DIR"),
        ({"locks": 0o555, "locks/2021021001.lock": 0o444}, "Permission denied; let uid "),
        ({"history.db": 0o000}, "cannot open"),
        ({".": 0o000}, "XG_DATA_DIR"),
    ],
    ids=["file", "folder", "locks", "unreadable file", "unreadable folder"],
)
def test_files_without_permission_are_named_and_unchanged(
    tmp_path: Path, service: Service, modes: dict[str, int], words: str
) -> None:
    (game_id,) = copies_of_the_sample(tmp_path / "games", 1)
    data, clock = tmp_path / "data", Clock()
    with replayed(tmp_path / "games", clock) as feed_url:
        env = environment(data, feed_url, service.url)
        command = unprivileged([sys.executable, "scripts/ping_game.py", str(game_id)])
        client = make_client(data, feed_url, service.url)
        for clock.seconds in (0.0, LENGTH_S / 2):
            client.ping(game_id)
        before = contents(data / "history.db")
        (data / "history.db-journal").unlink(missing_ok=True)  # a ping has to create it, which the folder may not allow
        usual = {name: (data / name).stat().st_mode for name in modes}
        for name, mode in modes.items():
            (data / name).chmod(mode)
        clock.seconds = 2.0 * LENGTH_S
        show = unprivileged([sys.executable, "-c", SHOW, str(data / "history.db"), str(game_id)])
        try:
            ran, shown = (
                subprocess.run(work, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60)
                for work in (command, show)
            )
        finally:
            for name in reversed(modes):
                (data / name).chmod(usual[name])
        assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (5, "", 1)
        assert words in ran.stderr
        assert "XG_DATA_DIR" in ran.stderr
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "Washington Capitals" in shown.stdout or "XG_DATA_DIR" in shown.stdout
        assert contents(data / "history.db") == before
        client.ping(game_id)
    assert service.rows_scored() == stored_predictions(data / "history.db")
    assert contents(data / "history.db") == undisturbed(tmp_path / "games", tmp_path / "calm", [game_id], service.url)
