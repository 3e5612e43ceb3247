"""The demonstration: one recorded game that is replayed, in a data folder of its own, and can be played again.

Playing again forgets the game. That is why the folder says itself that it is the demonstration's: `scripts/demo.py`
marks the one that it made, and nothing is forgotten in any other.
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
from livegame.recordings.replay import RESTART_HEADER
from livegame.scoring.lock import game_lock
from livegame.scoring.open_requests import PendingRequests
from livegame.settings import ClientSettings

BEGIN_S: Final = 300  # of game time that are over when it is first asked for, so that there is something to see
_MARK: Final = "demo.json"
_TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Demo:
    """The demonstration that a data folder holds."""

    game_id: int
    data_dir: Path
    feed_url: str

    @classmethod
    def of(cls, settings: ClientSettings) -> "Demo | None":
        """The demonstration that these settings are for: a marked folder, and a replay on this machine; else None."""
        try:
            marked = json.loads((settings.data_dir / _MARK).read_bytes())["game"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        is_it = str(marked) == settings.demo_game and _is_loopback(settings.feed_url)
        return cls(int(settings.demo_game), settings.data_dir, settings.feed_url) if is_it else None

    def play_again(self) -> None:
        """Have the replay begin anew, and forget what was stored of the game.

        Raises:
            FeedUnavailable: the replay cannot be told; nothing was forgotten.
            GameBusy, DatabaseError: the game cannot be forgotten now; do it again.
        """
        with game_lock(self.data_dir, self.game_id, _TIMEOUT_S):
            address = f"{self.feed_url}/replay/{self.game_id}/restart"
            try:
                answer = requests.post(address, headers={RESTART_HEADER: "restart"}, timeout=_TIMEOUT_S)
                answer.raise_for_status()
            except requests.RequestException as error:
                raise FeedUnavailable(f"the replay cannot be begun anew ({error}); is it running?") from error
            _forget(self.data_dir, self.game_id)


def begin(data_dir: Path, game_id: int, *, anew: bool) -> None:
    """Make a folder the demonstration's, and with `anew` forget what it holds of the game.

    Raises:
        ReplayError: the folder holds other games, so it is somebody's history.
        DatabaseError: it cannot be used.
    """
    history = History(data_dir / "history.db")
    known = history.count_games() - bool(history.game_row(game_id))
    if known:
        raise ReplayError(f"{data_dir} holds {known} other games; move it away, or name another XG_DATA_DIR")
    mark = data_dir / _MARK
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"game": game_id}))
        if anew:
            (data_dir / "replay.json").unlink(missing_ok=True)
    except OSError as error:
        raise DatabaseError(f"cannot use {mark}: {why(mark, error)}") from error
    if anew:
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
