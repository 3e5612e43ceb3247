"""Odd folders and file systems: trouble with a file is reported with advice, and stops the ping of one game only."""

import errno
import fcntl
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import IO

import pytest

from db.connection import DatabaseError, open_writer, transaction
from db.history import History
from livegame.client import GameClient
from livegame.errors import FeedUnavailable, UnexpectedError
from livegame.feed import Feed
from livegame.lock import game_lock
from scripts import ping_game
from tests.conftest import Service
from tests.games import GAME_ID, FeedServer, game, play
from tests.helpers import environment, fetched, make_client, record
from xgserve.client import ServiceUnavailable, ServingClient

SHOTS = (play(50, "faceoff", 0), play(11, "goal", 30), play(12, "shot-on-goal", 60))
OTHER_ID = GAME_ID + 1


@pytest.mark.parametrize("code", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO, errno.EACCES, errno.ESTALE])
def test_unusable_lock_is_named_and_other_games_are_pinged(
    code: int,
    tmp_path: Path,
    feed: FeedServer,
    service: Service,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    for game_id in (GAME_ID, OTHER_ID):
        feed.show(game(*SHOTS, game_id=game_id))
    for name, value in (("DATA_DIR", str(tmp_path)), ("FEED_URL", feed.url), ("SERVING_URL", service.url)):
        monkeypatch.setenv(f"XG_{name}", value)
    really = fcntl.flock

    def flock(file: IO[bytes], operation: int) -> None:
        """Fail for one of the games, as on a file system without locks."""
        if f"{GAME_ID}" in str(Path(f"/proc/self/fd/{file.fileno()}").readlink()):
            raise OSError(code, os.strerror(code))
        really(file, operation)

    monkeypatch.setattr(fcntl, "flock", flock)
    assert ping_game.main([str(GAME_ID), str(OTHER_ID)]) == 5
    said = capsys.readouterr()
    assert "2 new shots, 2 " in said.out
    assert f"{GAME_ID}.lock: {os.strerror(code)}" in said.err
    assert "XG_DATA_DIR" in said.err
    assert History(tmp_path / "history.db").count_games() == 1


def make_link(lock: Path) -> None:
    (lock.parent / "precious").write_text("precious")
    lock.symlink_to("precious")


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (make_link, "a symbolic link is not followed here; remove it"),
        (os.mkfifo, "it is no ordinary file"),
        (Path.mkdir, "it is no ordinary file; remove it"),
    ],
    ids=["link", "pipe", "folder"],
)
@pytest.mark.parametrize("name", [f"{GAME_ID}.lock", f"{GAME_ID}.part"])
def test_object_in_place_of_a_lock_file_is_named_and_left_alone(
    spoil: Callable[[Path], None], words: str, name: str, tmp_path: Path, feed: FeedServer, service: Service
) -> None:
    feed.show(game(*SHOTS))
    (tmp_path / "locks").mkdir()
    spoil(tmp_path / "locks" / name)
    client = make_client(tmp_path, feed.url, service.url)
    with pytest.raises(DatabaseError, match=words):
        client.ping(GAME_ID)
    if (tmp_path / "locks" / "precious").exists():
        assert (tmp_path / "locks" / "precious").read_text() == "precious"


def test_ping_counter_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "locks").mkdir()
    make_link(tmp_path / "locks" / f"{GAME_ID}.pings")
    with game_lock(tmp_path, GAME_ID, 0, is_ping=True):
        pass
    assert (tmp_path / "locks" / "precious").read_text() == "precious"


def test_moved_folder_is_reported_as_moved(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with closing(open_writer(folder / "some.db", {1: "CREATE TABLE numbers (n);"})) as connection:
        folder.rename(tmp_path / "moved")
        moved = pytest.raises(DatabaseError, match=r"some\.db: the file was moved or removed")
        with moved as raised, transaction(connection):
            connection.execute("INSERT INTO numbers VALUES (1)")
    assert "readonly" not in str(raised.value)


def test_folder_whose_name_is_not_text_works(tmp_path: Path, feed: FeedServer, service: Service) -> None:
    feed.show(game(*SHOTS))
    data = tmp_path / os.fsdecode(b"caf\xe9?#%41")
    assert make_client(data, feed.url, service.url).ping(GAME_ID).scored == 2
    with closing(sqlite3.connect(data / "history.db")) as connection:
        assert connection.execute("SELECT count(*) FROM shots").fetchone() == (2,)


def test_unforeseen_exception_is_an_unexpected_error_and_the_next_ping_works(
    tmp_path: Path, feed: FeedServer, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    feed.show(game(*SHOTS))
    client = make_client(tmp_path, feed.url, service.url)

    def fail(*_: object) -> None:
        raise KeyError("nothing")

    with monkeypatch.context() as spoiled:
        spoiled.setattr("livegame.client.believed", fail)
        with pytest.raises(UnexpectedError, match="unexpected KeyError: 'nothing'"):
            client.ping(GAME_ID)
        with pytest.raises(UnexpectedError, match="unexpected KeyError: 'nothing'"):
            record(client, game(*SHOTS))
    assert client.ping(GAME_ID).scored == 2


@pytest.mark.parametrize(
    "url",
    [
        "http://" + "a" * 70_000,
        "http://" + "a" * 70 + ".example",
        "http://\udc80",
        "http://[",
        "http://a:99999",
        "http://a..b",
        "http://",
        "http:// /",
        "http://\u2024\u2024",
    ],
)
def test_invalid_address_is_reported_in_words(url: str) -> None:
    with pytest.raises(FeedUnavailable, match="XG_FEED_URL"):
        fetched(Feed(url), GAME_ID)
    with pytest.raises(ServiceUnavailable):
        ServingClient(url).model()


@pytest.mark.parametrize("answer", [b"{}", b'{"features": [{}]}', b'{"id": 1, "features": 3}', b"[" * 100_000])
def test_foreign_service_is_reported_and_the_game_is_stored(answer: bytes, tmp_path: Path, feed: FeedServer) -> None:
    feed.show(game(*SHOTS))
    feed.answer("/model", answer)
    client = GameClient(Feed(feed.url), ServingClient(feed.url), History(tmp_path / "history.db"), tmp_path)
    with pytest.raises(ServiceUnavailable, match="prediction service"):
        client.ping(GAME_ID)
    assert History(tmp_path / "history.db").count_games() == 1, "the shots are pending"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user")
def test_folder_of_another_user_is_reported_with_both_uids(tmp_path: Path, feed: FeedServer, service: Service) -> None:
    tmp_path.chmod(0o755)
    for parent in tmp_path.parents[:3]:
        parent.chmod(0o755)
    data = tmp_path / "data"
    data.mkdir()
    os.chown(data, 4711, 4711)
    ran = subprocess.run(
        ["setpriv", "--bounding-set=-all", "--reuid=10001", sys.executable, "scripts/ping_game.py", str(GAME_ID)],
        env=environment(data, feed.url, service.url),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.returncode, ran.stderr.count("\n")) == (5, 1)
    assert f"{data} belongs to uid 4711, and we are uid 10001: sudo chown -R 10001 {data}" in ran.stderr
