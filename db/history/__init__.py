"""history.db: games, their shots with features, each model's predictions, and the league's corrections."""

from db.history.history import History
from db.history.moment import Moment
from db.history.outbox import Due, News, Notice, Outbox, SeenGame, SeenShot, Wish
from db.history.rows import (
    SEASON,
    BlockedRow,
    Correction,
    GameRow,
    GameUpdate,
    ManpowerRow,
    Prediction,
    Recorded,
    Scores,
    ShotRow,
    StoredGame,
)

__all__ = [
    "SEASON",
    "BlockedRow",
    "Correction",
    "Due",
    "GameRow",
    "GameUpdate",
    "History",
    "ManpowerRow",
    "Moment",
    "News",
    "Notice",
    "Outbox",
    "Prediction",
    "Recorded",
    "Scores",
    "SeenGame",
    "SeenShot",
    "ShotRow",
    "StoredGame",
    "Wish",
]
