"""serving.db: the log, which model was active when, the challengers, and the answers to requests with a key."""

from db.serving.activations import Activations, LastFollowed, StoredActivation
from db.serving.answers import ROW_BYTES, StoredAnswers
from db.serving.challengers import Challengers, StoredChallenger
from db.serving.log import LogQuery, LogRow, check, insert_logs, read_logs, trim_logs
from db.serving.schema import DELETE_BATCH, FILE_NAME, MIGRATIONS, READ_TIMEOUT_S, open_serving

__all__ = [
    "DELETE_BATCH",
    "FILE_NAME",
    "MIGRATIONS",
    "READ_TIMEOUT_S",
    "ROW_BYTES",
    "Activations",
    "Challengers",
    "LastFollowed",
    "LogQuery",
    "LogRow",
    "StoredActivation",
    "StoredAnswers",
    "StoredChallenger",
    "check",
    "insert_logs",
    "open_serving",
    "read_logs",
    "trim_logs",
]
