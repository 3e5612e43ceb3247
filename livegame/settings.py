"""The settings of the game client and of everything built on it, from the environment. Read nowhere else."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from db.environment import Environment, address, number, path, setting, whole
from livegame import __version__
from livegame.errors import InvalidGameId
from livegame.game_id import valid_game_id

USER_AGENT: Final = f"live-xg/{__version__} (personal use)"
_LONGEST_HEADER: Final = 200  # characters
TOPICS: Final = ("goals", "chances", "leads", "periods", "finals")  # what notices are about
_MOST_ADDRESSES: Final = 20
_ABBREVIATION: Final = range(2, 5)  # letters
_BETWEEN_ADDRESSES: Final = re.compile(r"[\s,]+(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s\x00-\x1f\x7f\ud800-\udfff]{1,2000}")
_port: Final = whole(1, 65535)


def _header(text: str) -> str:
    if not (text.isascii() and text.isprintable() and len(text) <= _LONGEST_HEADER):
        raise ValueError(f"must be at most {_LONGEST_HEADER} printable ASCII characters, such as {USER_AGENT}")
    return text


def _game(text: str) -> str:
    try:
        return str(valid_game_id(text))
    except InvalidGameId as error:
        raise ValueError("must be a game id of ten digits, such as 2021020329") from error


def _addresses(text: str) -> tuple[str, ...]:
    """Read addresses for Apprise, separated by spaces or commas; an address may hold commas itself."""
    found = tuple(dict.fromkeys(part.rstrip(",") for part in _BETWEEN_ADDRESSES.split(text)))
    if len(found) > _MOST_ADDRESSES:
        raise ValueError(f"has {len(found)} addresses; at most {_MOST_ADDRESSES} are told")
    if not all(_ADDRESS.fullmatch(part) for part in found):
        raise ValueError("must be addresses such as ntfy://topic, separated by spaces; docs/notifications.md has more")
    return found


def _topics(text: str) -> frozenset[str]:
    found = frozenset(text.lower().replace(",", " ").split())
    if not found <= set(TOPICS):
        raise ValueError(f"must be some of {', '.join(TOPICS)}")
    return found


def _teams(text: str) -> frozenset[str]:
    found = frozenset(text.upper().replace(",", " ").split())
    if not all(team.isascii() and team.isalpha() and len(team) in _ABBREVIATION for team in found):
        raise ValueError("must be abbreviations of teams, such as CAR WSH")
    return found


@dataclass(frozen=True, kw_only=True)
class ClientSettings(Environment):
    """What a user of the client can set; docs/settings.md explains each."""

    serving_port: int = setting("XG_SERVING_PORT", 8890, _port)
    serving_address: str | None = setting("XG_SERVING_URL", None, address)
    feed_url: str = setting("XG_FEED_URL", "https://api-web.nhle.com", address)
    user_agent: str = setting("XG_USER_AGENT", USER_AGENT, _header)  # sent to the feed
    feature_map: Path | None = setting("XG_FEATURE_MAP", None, path)
    ui_port: int = setting("XG_UI_PORT", 8892, _port)
    explore_port: int = setting("XG_EXPLORE_PORT", 8893, _port)
    replay_port: int = setting("XG_REPLAY_PORT", 8891, _port)
    replay_speed: float = setting("XG_REPLAY_SPEED", 20.0, number(0.01, 100_000))
    recordings: Path = setting("XG_RECORDINGS", Path("recordings"), path)
    notify: tuple[str, ...] = setting("XG_NOTIFY", (), _addresses, is_secret=True)
    notify_about: frozenset[str] = setting("XG_NOTIFY_ABOUT", frozenset({"goals", "finals"}), _topics)
    notify_teams: frozenset[str] = setting("XG_NOTIFY_TEAMS", frozenset(), _teams)
    notify_chance: float = setting("XG_NOTIFY_CHANCE", 0.3, number(0.05, 1))  # xG
    demo_game: str = setting("XG_DEMO_GAME", "", _game)  # shown when the address names none

    @property
    def serving_url(self) -> str:
        """The address of the prediction service."""
        return self.serving_address or f"http://127.0.0.1:{self.serving_port}"

    @property
    def history_db(self) -> Path:
        """The file that holds games, shots and predictions."""
        return self.data_dir / "history.db"
