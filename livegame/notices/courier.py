"""Have notices delivered by a process of its own, beside whatever a command or the dashboard does."""

import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from db.connection import DatabaseError
from db.history import Outbox
from livegame.notices.addresses import Address, check, subscribe
from livegame.settings import ClientSettings

logger = logging.getLogger("livegame.notices")

PING_S: Final = 10.0  # for deliveries after the pings of a command
_SERVER_S: Final = 30.0
_GRACE_S: Final = 3.0  # of that, to start
_LEAST_S: Final = 2.0  # of that, to begin messages
_POLL_S: Final = 2.0
_REMEMBER_S: Final = 600.0
_ROOT: Final = Path(__file__).resolve().parents[2]


def deliver_due(settings: ClientSettings, found: Sequence[Address], seconds: float) -> None:
    """Have what is due delivered, and wait for it `seconds` at most; do nothing if that is too short.

    A message that was begun by then is finished by the other process.

    Raises:
        DatabaseError: the history cannot be read.
        OSError: no process can be started.
    """
    seconds -= _GRACE_S
    outbox = Outbox(settings.history_db)
    if seconds < _LEAST_S or not outbox.is_due(address.wish.address for address in found):
        return
    path = os.pathsep.join(filter(None, (str(_ROOT), os.environ.get("PYTHONPATH"))))
    process = subprocess.Popen(  # noqa: S603 - our own interpreter
        [sys.executable, "-m", "livegame.notices", str(seconds)],
        env=os.environ | {"PYTHONPATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C in the terminal is not for it: it may be in the middle of a message
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds + _GRACE_S)


def keep_delivering(settings: ClientSettings) -> None:
    """Start a thread that has notices delivered as long as this process lives, if there are addresses.

    Raises:
        SettingsError: an address cannot be used.
    """
    if settings.notify:
        check(settings.notify)
        threading.Thread(target=_keep_delivering, args=(settings,), name="notices", daemon=True).start()


def _keep_delivering(settings: ClientSettings) -> None:
    found: list[Address] = []
    said, remembered = "", time.monotonic()
    while True:
        try:
            if not found or time.monotonic() - remembered > _REMEMBER_S:
                found, remembered = subscribe(settings), time.monotonic()
            deliver_due(settings, found, _SERVER_S)
        except (DatabaseError, OSError) as error:  # what is not sent now is sent later
            if str(error) != said:
                said = str(error)
                logger.warning("notices wait: %s", said)
        time.sleep(_POLL_S)
