"""One ping of a game at a time, across threads, processes and containers that share the data folder."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from db.connection import DatabaseError
from db.files import open_no_link, why
from livegame.errors import GameBusy

_POLL_S = 0.05


class PingedMeanwhile(Exception):
    """Somebody else has made a whole ping of the game since we began to wait: there is nothing left to do."""


@contextmanager
def game_lock(data_dir: Path, game_id: int, timeout_s: float, *, is_ping: bool = False) -> Iterator[None]:
    """Hold the game's lock file, never one that a link leads to. The kernel frees it however its holder dies.

    Who holds it for a ping (`is_ping`) has that counted when it ends well, and need not wait while others do the same:
    however many want to ping a game at once, nobody waits for more than two pings.

    Raises:
        PingedMeanwhile: others have pinged, from the reading of the feed to the end, while this ping waited.
        GameBusy: somebody else has held it for `timeout_s` seconds.
        DatabaseError: the file cannot be written or locked; the message names it and says what to do.
    """
    path = data_dir / "locks" / f"{game_id}.lock"
    pings = path.with_suffix(".pings")  # one byte for each that ended well: nothing that could be read half written
    before = _size(pings)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = open(path, "ab", opener=open_no_link)  # noqa: SIM115 - `with` below
    except OSError as error:
        raise DatabaseError(f"cannot write {path}: {why(path, error)}") from error
    give_up = time.monotonic() + timeout_s
    with file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                # the first of them may have read the feed before we came, the second has not
                if is_ping and _size(pings) >= before + 2:
                    raise PingedMeanwhile from None
                if time.monotonic() >= give_up:
                    raise GameBusy(game_id, timeout_s) from None
                time.sleep(_POLL_S)
            except OSError as error:
                raise DatabaseError(f"cannot lock {path}: {why(path, error)}") from error
        yield
        if is_ping:
            # uncounted, it only lets others wait for longer
            with suppress(OSError), open(pings, "ab", opener=open_no_link) as counter:
                counter.write(b".")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
