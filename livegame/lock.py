"""Locks of the data folder: one ping of a game at a time, one rescore, one batch of backfills, one delivery of notices.

They hold among threads, processes and containers that share the folder.
"""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from db.connection import DatabaseError
from db.files import open_no_link, why
from livegame.errors import BackfillBusy, GameBusy, PingedMeanwhile, RescoreRunning

LOCK_WAIT_S: Final = 20.0  # for a game that another process pings
BATCH_WAIT_S: Final = 60.0  # for the batch of another backfill
_LOCK_POLL_S: Final = 0.05


@contextmanager
def game_lock(data_dir: Path, game_id: int, timeout_s: float, *, is_ping: bool = False) -> Iterator[None]:
    """Hold the game's lock file, which is never opened through a link. The kernel frees it however its holder dies.

    Successful pings (`is_ping`) are counted, so that a waiting ping can give up once two others have completed:
    however many want to ping a game at once, none waits for more than two.

    Raises:
        PingedMeanwhile: two others completed while this ping waited; the second read the feed meanwhile.
        GameBusy: another has held the lock for `timeout_s` seconds.
        DatabaseError: the file cannot be written or locked; the message names it and says what to do.
    """
    path = data_dir / "locks" / f"{game_id}.lock"
    pings = path.with_suffix(".pings")  # one byte per ping, so that no count is ever half written
    before = _size(pings)
    give_up = time.monotonic() + timeout_s
    with _opened(path) as file:
        while not _locked(file, path):
            # the first may have read the feed before we came; the second read it since
            if is_ping and _size(pings) >= before + 2:
                raise PingedMeanwhile
            if time.monotonic() >= give_up:
                raise GameBusy(game_id, timeout_s)
            time.sleep(_LOCK_POLL_S)
        yield
        if is_ping:
            # a ping that is not counted only makes others wait longer
            with suppress(OSError), open(pings, "ab", opener=open_no_link) as counter:
                counter.write(b".")


@contextmanager
def rescore_lock(data_dir: Path) -> Iterator[None]:
    """Hold the lock of rescores, whose open requests are in one file for all games.

    Raises:
        RescoreRunning: another process holds it.
        DatabaseError: as `game_lock`.
    """
    path = data_dir / "locks" / "rescore.lock"
    with _opened(path) as file:
        if not _locked(file, path):
            raise RescoreRunning
        yield


@contextmanager
def batch_lock(data_dir: Path) -> Iterator[None]:
    """Hold the lock of a backfill's batch, whose open requests are in one file for all games.

    Raises:
        BackfillBusy: another backfill has held it for `BATCH_WAIT_S` seconds.
        DatabaseError: as `game_lock`.
    """
    path = data_dir / "locks" / "backfill.lock"
    give_up = time.monotonic() + BATCH_WAIT_S
    with _opened(path) as file:
        while not _locked(file, path):
            if time.monotonic() >= give_up:
                raise BackfillBusy(BATCH_WAIT_S)
            time.sleep(_LOCK_POLL_S)
        yield


@contextmanager
def delivery_lock(data_dir: Path, address: str) -> Iterator[bool]:
    """Hold the lock of deliveries to an address, known by its digest; yield False if another process holds it.

    Raises:
        DatabaseError: as `game_lock`.
    """
    path = data_dir / "locks" / f"notify-{address}.lock"
    with _opened(path) as file:
        yield _locked(file, path)


def _opened(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return open(path, "ab", opener=open_no_link)
    except OSError as error:
        raise DatabaseError(f"cannot write {path}: {why(path, error)}") from error


def _locked(file: BinaryIO, path: Path) -> bool:
    """Lock the file; return False if another holds the lock."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise DatabaseError(f"cannot lock {path}: {why(path, error)}") from error
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
