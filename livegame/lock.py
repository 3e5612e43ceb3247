"""One ping of a game at a time, across threads, processes and containers that share the data folder."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from db.connection import DatabaseError
from livegame.exceptions import GameBusy

_POLL_S = 0.05


@contextmanager
def game_lock(data_dir: Path, game_id: int, timeout_s: float) -> Iterator[IO[str]]:
    """Hold the game's lock file, and give it. The kernel frees it when its holder dies, however it dies.

    Raises:
        GameBusy: somebody else has held it for `timeout_s` seconds.
        DatabaseError: the data folder cannot be written.
    """
    path = data_dir / "locks" / f"{game_id}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8")
    except OSError as error:
        raise DatabaseError(f"cannot write {path}: {error.strerror}; check XG_DATA_DIR") from error
    give_up = time.monotonic() + timeout_s
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= give_up:
                    raise GameBusy(game_id, timeout_s) from None
                time.sleep(_POLL_S)
        yield file
