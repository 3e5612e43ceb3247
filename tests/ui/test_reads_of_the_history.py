"""How often the Game page reads a whole game from the history: once to draw it, never to say what a ping found."""

from typing import Any

import pytest

from db.history import History, StoredGame
from tests.games import FeedServer, game, play
from tests.reports import SHOTS
from tests.ui.page_session import OpenPage, ping


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of the games that were read, in turn."""
    ids: list[int] = []
    read_game = History.read_game

    def counted(history: History, game_id: int, *more: Any) -> StoredGame | None:
        ids.append(game_id)
        return read_game(history, game_id, *more)

    monkeypatch.setattr(History, "read_game", counted)
    return ids


def test_page_reads_a_game_once_per_drawing(open_page: OpenPage, feed: FeedServer, reads: list[int]) -> None:
    feed.show(game(*SHOTS))
    page = open_page()

    def counted(*, pinged: bool) -> int:
        reads.clear()
        _ = ping(page) if pinged else page.run()
        return len(reads)

    assert counted(pinged=True) == 1
    assert counted(pinged=False) == 1
    assert counted(pinged=True) == 2, "as it stood when the session ran again, and after the ping"
    feed.show(game(*SHOTS, play(700, "missed-shot", 200)))
    assert counted(pinged=True) == 2
    assert counted(pinged=False) == 1
