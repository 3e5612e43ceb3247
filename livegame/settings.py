"""The settings of the game client and of everything built on it, from the environment. Read nowhere else."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livegame import __version__

USER_AGENT: Final = f"live-xg/{__version__} (personal use)"


class SettingsError(Exception):
    """A setting has a value that cannot be used; the message names it and says what it takes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What can be set; the README's table tells the variables, their defaults and meaning."""

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
            data_dir=Path(environ.get("XG_DATA_DIR") or "data"),
            serving_port=serving_port,
            serving_url=_url(environ, "XG_SERVING_URL", f"http://127.0.0.1:{serving_port}"),
            serving_token=environ.get("XG_ADMIN_TOKEN") or None,
            feed_url=_url(environ, "XG_FEED_URL", "https://api-web.nhle.com"),
            user_agent=_header(environ, "XG_USER_AGENT", USER_AGENT),
            feature_map=Path(environ["XG_FEATURE_MAP"]) if environ.get("XG_FEATURE_MAP") else None,
            ui_port=_port(environ, "XG_UI_PORT", "8892"),
            allowed_hosts=tuple(
                name.strip() for name in environ.get("XG_ALLOWED_HOSTS", "").split(",") if name.strip()
            ),
            replay_port=_port(environ, "XG_REPLAY_PORT", "8891"),
            replay_speed=_number(environ, "XG_REPLAY_SPEED", "20", low=0.01, high=100_000),
            recordings=Path(environ.get("XG_RECORDINGS") or "recordings"),
            demo_game=environ.get("XG_DEMO_GAME", ""),
        )

    @property
    def history_db(self) -> Path:
        """The file that holds games, shots and predictions."""
        return self.data_dir / "history.db"


def _url(environ: Mapping[str, str], name: str, default: str) -> str:
    value = (environ.get(name) or default).rstrip("/")
    if not value.startswith(("http://", "https://")):
        raise SettingsError(f"{name} must be an http(s) address such as {default}, not {value!r}")
    return value


def _header(environ: Mapping[str, str], name: str, default: str) -> str:
    value = (environ.get(name) or "").strip() or default
    if not (value.isascii() and value.isprintable() and len(value) <= 200):
        raise SettingsError(f"{name} must be at most 200 plain ASCII characters such as {default}, not {value[:60]!r}")
    return value


def _port(environ: Mapping[str, str], name: str, default: str) -> int:
    return int(_number(environ, name, default, low=1, high=65535))


def _number(environ: Mapping[str, str], name: str, default: str, *, low: float, high: float) -> float:
    value = environ.get(name) or default
    try:
        number = float(value)
    except ValueError:
        raise SettingsError(f"{name} must be a number such as {default}, not {value!r}") from None
    if not low <= number <= high:
        raise SettingsError(f"{name} must lie between {low:g} and {high:g}, not {value}")
    return number
