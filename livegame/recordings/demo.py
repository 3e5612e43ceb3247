"""The demonstration: one recorded game, replayed in a data folder of its own, as often as you like.

Playing it again deletes the game from the history. So `scripts/demo.py` marks the folder that it creates, and games
are deleted only in marked folders.
"""

import json
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import requests

from db.connection import DatabaseError
from db.files import why
from db.history import History
from livegame.errors import FeedUnavailable, ReplayError
from livegame.lock import game_lock
from livegame.recordings.replay import RESTART_HEADER
from livegame.scoring.open_requests import PendingRequests
from livegame.settings import ClientSettings

BEGIN_S: Final = 300  # game time already played when the page first asks, so that there is something to see
_MARK: Final = "demo.json"
_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Demo:
    """The demonstration in a data folder."""

    game_id: int
    data_dir: Path
    feed_url: str

    @classmethod
    def of(cls, settings: ClientSettings) -> "Demo | None":
        """Return the demonstration of these settings: a marked folder and a replay on this machine; else None."""
        try:
            marked = json.loads((settings.data_dir / _MARK).read_bytes())["game"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        is_it = str(marked) == settings.demo_game and _is_loopback(settings.feed_url)
        return cls(int(settings.demo_game), settings.data_dir, settings.feed_url) if is_it else None

    def play_again(self) -> None:
        """Restart the replay, and delete the game from the history.

        Raises:
            FeedUnavailable: the replay did not restart; nothing was deleted.
            GameBusy, DatabaseError: the game was not deleted; try again.
        """
        with game_lock(self.data_dir, self.game_id, _TIMEOUT_S):
            address = f"{self.feed_url}/replay/{self.game_id}/restart"
            try:
                answer = requests.post(address, headers={RESTART_HEADER: "restart"}, timeout=_TIMEOUT_S)
                answer.raise_for_status()
            except requests.RequestException as error:
                raise FeedUnavailable(f"the replay cannot be restarted ({error}); is it running?") from error
            _forget(self.data_dir, self.game_id)


def begin(data_dir: Path, game_id: int, *, restart: bool) -> None:
    """Mark a folder as the demonstration's; with `restart`, delete the game from its history.

    Raises:
        ReplayError: the folder holds other games, so it is not a demonstration's.
        DatabaseError: the folder cannot be used.
    """
    history = History(data_dir / "history.db")
    known = history.count_games() - bool(history.game_row(game_id))
    if known:
        raise ReplayError(f"{data_dir} holds {known} other games; move it away, or name another XG_DATA_DIR")
    mark = data_dir / _MARK
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"game": game_id}))
        if restart:
            (data_dir / "replay.json").unlink(missing_ok=True)
    except OSError as error:
        raise DatabaseError(f"cannot use {mark}: {why(mark, error)}") from error
    if restart:
        with game_lock(data_dir, game_id, _TIMEOUT_S):
            _forget(data_dir, game_id)


def _forget(data_dir: Path, game_id: int) -> None:
    PendingRequests(data_dir, game_id).drop_all()
    History(data_dir / "history.db").forget(game_id)


def _is_loopback(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
