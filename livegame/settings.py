"""The settings of the game client and of everything built on it, from the environment. Read nowhere else."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from db.environment import Environment, address, number, path, setting, whole
from livegame import __version__
from livegame.errors import InvalidGameId
from livegame.game_id import valid_game_id

USER_AGENT: Final = f"live-xg/{__version__} (personal use)"
_LONGEST_HEADER: Final = 200  # characters
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


@dataclass(frozen=True, kw_only=True)
class ClientSettings(Environment):
    """What a user of the client can set; docs/settings.md explains each."""

    serving_port: int = setting("XG_SERVING_PORT", 8890, _port)
    serving_address: str | None = setting("XG_SERVING_URL", None, address)
    feed_url: str = setting("XG_FEED_URL", "https://api-web.nhle.com", address)
    user_agent: str = setting("XG_USER_AGENT", USER_AGENT, _header)  # sent to the feed
    feature_map: Path | None = setting("XG_FEATURE_MAP", None, path)
    ui_port: int = setting("XG_UI_PORT", 8892, _port)
    replay_port: int = setting("XG_REPLAY_PORT", 8891, _port)
    replay_speed: float = setting("XG_REPLAY_SPEED", 20.0, number(0.01, 100_000))
    recordings: Path = setting("XG_RECORDINGS", Path("recordings"), path)
    demo_game: str = setting("XG_DEMO_GAME", "", _game)  # shown when the address names none

    @property
    def serving_url(self) -> str:
        """The address of the prediction service."""
        return self.serving_address or f"http://127.0.0.1:{self.serving_port}"

    @property
    def history_db(self) -> Path:
        """The file that holds games, shots and predictions."""
        return self.data_dir / "history.db"
