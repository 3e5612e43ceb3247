"""Where notices are sent: addresses for Apprise, known elsewhere by a digest alone, since they hold secrets."""

import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from db.connection import DatabaseError
from db.environment import SettingsError
from db.files import open_no_link, sync_folder, why
from db.history import Outbox, Wish
from livegame.settings import ClientSettings

if TYPE_CHECKING:
    from apprise import Apprise

_KEY: Final = "notify.key"
_KEY_BYTES: Final = 32
_DIGEST: Final = 12  # hexadecimal digits: there are a handful of addresses
SEND_S: Final = 20.0  # for one message to one address: some mail servers take their time
_STATUS: Final = re.compile(r"\berror=(\d{3})\b")


@dataclass(frozen=True, slots=True)
class Address:
    """One address of XG_NOTIFY."""

    secret: str = field(repr=False)  # the address itself
    wish: Wish

    @property
    def name(self) -> str:
        """What it is called wherever it is mentioned."""
        return f"{self.wish.service} {self.wish.address[:6]}"


def addresses(settings: ClientSettings) -> list[Address]:
    """Return the addresses of the settings; none if there are none.

    Raises:
        DatabaseError: the key that names them cannot be read or written.
    """
    if not settings.notify:
        return []
    key = _key(settings.data_dir)
    return [
        Address(
            secret,
            Wish(
                hmac.new(key, secret.encode(), hashlib.sha256).hexdigest()[:_DIGEST],
                secret.partition("://")[0].lower(),
                settings.notify_about,
                settings.notify_teams,
                settings.notify_chance,
            ),
        )
        for secret in settings.notify
    ]


def subscribe(settings: ClientSettings) -> list[Address]:
    """Have pings write notices for the addresses of the settings, whichever process pings; return them.

    An address that is new here is checked first.

    Raises:
        SettingsError: an address cannot be used.
        DatabaseError: the history cannot be read or written.
    """
    found = addresses(settings)
    if found:
        outbox = Outbox(settings.history_db)
        if outbox.unknown(address.wish for address in found):
            check(settings.notify)
        outbox.remember([address.wish for address in found])
    return found


def check(secrets_: Sequence[str]) -> None:
    """Raise `SettingsError`, with its number but never with the address, if one cannot be used."""
    for number, secret in enumerate(secrets_, 1):
        if not opened(secret):
            raise SettingsError(
                f"XG_NOTIFY: address {number} of {len(secrets_)} cannot be used: no service is known by its beginning,"
                " or something is missing in it; docs/notifications.md has examples"
            )


def opened(secret: str) -> "Apprise | None":
    """Return a sender to an address, without connecting to it; None if it cannot be used."""
    from apprise import Apprise, AppriseAsset  # takes half a second, and is not needed by a ping without news

    # its messages may quote addresses; what matters of them is in the answer of `send`
    logging.getLogger("apprise").propagate = False
    asset = AppriseAsset(app_id="live-xg", storage_mode="memory")
    service = Apprise.instantiate(secret, asset=asset)
    return None if service is None else Apprise(service, asset=asset)


def send(sender: "Apprise", title: str, body: str) -> str | None:
    """Send a message; return None if it was accepted, else why not, without secrets."""
    from apprise import NotifyFormat

    result = sender.notify(body=body, title=title, body_format=NotifyFormat.TEXT, timeout=SEND_S)
    if result:
        return None
    if result.timeout_count:
        return f"no answer within {SEND_S:g} s"
    statuses = {status for entry in result.logs() for status in _STATUS.findall(entry.message)}
    return f"refused with HTTP {min(statuses)}" if statuses else "not reached, or refused"


def _key(data_dir: Path) -> bytes:
    """Return the key of the digests: without it, a digest cannot be compared with a guessed address."""
    path = data_dir / _KEY
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            _create(path, secrets.token_bytes(_KEY_BYTES))
        with open(path, "rb", opener=open_no_link) as file:
            return file.read()
    except OSError as error:
        raise DatabaseError(f"cannot read or write {path}: {why(path, error)}") from error


def _create(path: Path, content: bytes) -> None:
    """Write a file that others either see whole or not at all; keep one that another process made meanwhile."""
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # with another key, nothing would be told of what waits for the same address
        with suppress(FileExistsError):
            os.link(unfinished, path)
        sync_folder(path.parent)
    finally:
        unfinished.unlink()


def names(found: Iterable[Address]) -> dict[str, str]:
    """Return what each address is called, by its digest."""
    return {address.wish.address: address.name for address in found}
