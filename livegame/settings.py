"""The settings of the game client and of everything built on it, from the environment. Read nowhere else."""

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from livegame import __version__

USER_AGENT: Final = f"live-xg/{__version__} (personal use)"
_LONGEST_ADDRESS: Final = 2_000  # characters
_SHOWN: Final = 100  # characters of a value in a message
_ID_DIGITS: Final = 10


class SettingsError(Exception):
    """A setting has a value that cannot be used; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set; docs/settings.md explains each."""

    data_dir: Path
    serving_port: int
    serving_url: str
    serving_token: str | None
    feed_url: str
    user_agent: str  # what the feed is told of who asks
    feature_map: Path | None
    ui_port: int
    allowed_hosts: tuple[str, ...]  # under which the dashboard is opened, besides this machine's own names
    replay_port: int
    replay_speed: float
    recordings: Path
    demo_game: str  # what the dashboard offers to a visitor who named no game

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read the settings.

        Raises:
            SettingsError: a variable has a value that cannot be used.
        """
        serving_port = _port(environ, "XG_SERVING_PORT", "8890")
        return cls(
            data_dir=_path(environ, "XG_DATA_DIR", "data"),
            serving_port=serving_port,
            serving_url=_url(environ, "XG_SERVING_URL", f"http://127.0.0.1:{serving_port}"),
            serving_token=_token(environ, "XG_ADMIN_TOKEN"),
            feed_url=_url(environ, "XG_FEED_URL", "https://api-web.nhle.com"),
            user_agent=_header(environ, "XG_USER_AGENT", USER_AGENT),
            feature_map=_path(environ, "XG_FEATURE_MAP", "") if environ.get("XG_FEATURE_MAP") else None,
            ui_port=_port(environ, "XG_UI_PORT", "8892"),
            allowed_hosts=tuple(
                name.strip() for name in environ.get("XG_ALLOWED_HOSTS", "").split(",") if name.strip()
            ),
            replay_port=_port(environ, "XG_REPLAY_PORT", "8891"),
            replay_speed=_number(environ, "XG_REPLAY_SPEED", "20", low=0.01, high=100_000),
            recordings=_path(environ, "XG_RECORDINGS", "recordings"),
            demo_game=_game(environ, "XG_DEMO_GAME"),
        )

    @property
    def history_db(self) -> Path:
        """The file that holds games, shots and predictions."""
        return self.data_dir / "history.db"


def _url(environ: Mapping[str, str], name: str, default: str) -> str:
    value = (environ.get(name) or default).strip().rstrip("/")
    if not _is_address(value):
        raise SettingsError(f"{name} must be an http(s) address such as {default}, not {_short(value)}")
    return value


def _header(environ: Mapping[str, str], name: str, default: str) -> str:
    value = (environ.get(name) or "").strip() or default
    if not (value.isascii() and value.isprintable() and len(value) <= 200):
        raise SettingsError(f"{name} must be at most 200 plain ASCII characters such as {default}, not {value[:60]!r}")
    return value


def _is_address(value: str) -> bool:
    """Whether paths can be added to it, and a library for HTTP finds a host in it."""
    if not value.startswith(("http://", "https://")) or len(value) > _LONGEST_ADDRESS or not value.isprintable():
        return False
    try:
        parts = urlsplit(value)
        _ = parts.port
        is_host = bool((parts.hostname or "").encode("idna"))  # no empty or overlong part
    except ValueError:
        return False
    return is_host and not set(" ?#\\") & set(value)


def _path(environ: Mapping[str, str], name: str, default: str) -> Path:
    path = Path(environ.get(name) or default)
    try:
        path.lstat()
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.ELOOP):  # all others may change until it is used
            raise SettingsError(f"{name} cannot be a path, {_short(str(path))}: {error.strerror}") from None
    return path


def _token(environ: Mapping[str, str], name: str) -> str | None:
    value = environ.get(name, "").strip()
    if not value.isascii() or not value.isprintable():
        raise SettingsError(f"{name} must be of ASCII characters: clients disagree on how to send others")
    return value or None


def _game(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name, "").strip()
    if value and not (value.isascii() and value.isdecimal() and len(value) == _ID_DIGITS):
        raise SettingsError(f"{name} must be a game's number of ten digits, such as 2021020329, not {_short(value)}")
    return value


def _short(value: str) -> str:
    return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}... ({len(value):,} characters)"


def _port(environ: Mapping[str, str], name: str, default: str) -> int:
    number = _number(environ, name, default, low=1, high=65535)
    if number != int(number):
        raise SettingsError(f"{name} must be a whole number such as {default}, not {number:g}")
    return int(number)


def _number(environ: Mapping[str, str], name: str, default: str, *, low: float, high: float) -> float:
    value = environ.get(name) or default
    try:
        number = float(value)
    except ValueError:
        raise SettingsError(f"{name} must be a number such as {default}, not {_short(value)}") from None
    if not low <= number <= high:
        raise SettingsError(f"{name} must lie between {low:g} and {high:g}, not {_short(value)}")
    return number
