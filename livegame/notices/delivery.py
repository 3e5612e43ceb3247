"""Send the notices that are due. An address that is dead or slow holds up neither the others nor any ping."""

import logging
import threading
import time
from typing import Final

from db.connection import DatabaseError
from db.history import History, Outbox
from livegame.lock import delivery_lock
from livegame.notices.addresses import SEND_S, Address, addresses, names, opened, send
from livegame.notices.wording import message
from livegame.settings import ClientSettings

logger = logging.getLogger("livegame.notices")

_POLL_S: Final = 0.2


def deliver(settings: ClientSettings, seconds: float) -> None:
    """Send what is due to each address, in threads of their own, until nothing is left.

    Begin nothing more after some seconds, and leave alone what has no answer in the end; the caller ends the process.

    Raises:
        DatabaseError: the history cannot be read or written.
    """
    until = time.monotonic() + seconds
    found, outbox = addresses(settings), Outbox(settings.history_db)
    _drop_late(outbox, names(found))
    running: dict[str, threading.Thread] = {}
    elsewhere: set[str] = set()  # addresses that another process serves
    while time.monotonic() < until + SEND_S:
        running = {digest: thread for digest, thread in running.items() if thread.is_alive()}
        for address in found:
            digest = address.wish.address
            is_free = digest not in elsewhere | running.keys()
            if is_free and time.monotonic() < until and outbox.next(digest) is not None:
                running[digest] = threading.Thread(
                    target=_serve, args=(address, settings, until, elsewhere), daemon=True
                )
                running[digest].start()
        if not running:
            return
        time.sleep(_POLL_S)


def _serve(address: Address, settings: ClientSettings, until: float, elsewhere: set[str]) -> None:
    """Send an address what is due, the oldest first, until it fails; add it to `elsewhere` if another process does."""
    try:
        with delivery_lock(settings.data_dir, address.wish.address) as is_ours:
            if is_ours:
                _send_all(address, settings, until)
            else:
                elsewhere.add(address.wish.address)
    except DatabaseError as error:
        logger.error("%s: %s", address.name, error)


def _send_all(address: Address, settings: ClientSettings, until: float) -> None:
    sender = opened(address.secret)
    outbox, history = Outbox(settings.history_db), History(settings.history_db)
    digest = address.wish.address
    while time.monotonic() < until and (due := outbox.next(digest)) is not None:
        outbox.begin(due, digest)
        said = message(due, history)
        if said is None:
            outbox.withdraw(due, digest)
            continue
        problem = "cannot be used" if sender is None else send(sender, said.title, said.body)
        if problem is None:
            outbox.accept(due, digest)
        else:
            outbox.fail(due, digest, problem)
            return


def _drop_late(outbox: Outbox, called: dict[str, str]) -> None:
    for digest, number in outbox.drop_late().items():
        which = called.get(digest, f"an address that XG_NOTIFY has no more ({digest[:6]})")
        logger.warning("%d notices to %s were given up: too late to be told", number, which)
