"""Reports of small games, rated by the real service."""

from pathlib import Path
from typing import Any

from db.history import History
from livegame.client import GameClient
from livegame.feed import Feed
from livegame.plays import Play
from livegame.reports.game import GameReport
from tests.games import AWAY, game, play
from tests.helpers import record, reported
from xgserve.client import ServingClient

GOAL = play(300, "goal", 55, x=82, y=3)
SHOTS = (
    play(50, "faceoff", 0, x=0, y=0),
    play(812, "shot-on-goal", 12, x=60, y=-5),
    play(11, "missed-shot", 30, team=AWAY, x=-80, y=12),
    GOAL,
    play(301, "shot-on-goal", 90, team=AWAY, x=-85, y=-2),
)


def report_of(folder: Path, url: str, *plays: Play, **stands: Any) -> GameReport:
    """Return the report of a game with these plays, rated by the service at `url` (which may be down)."""
    client = GameClient(Feed("http://127.0.0.1:9"), ServingClient(url), History(folder / "history.db"), folder)
    return reported(client, record(client, game(*plays, **stands)))
