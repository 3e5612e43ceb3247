"""serving.db: the service's log, which model was active when, and the answers to requests with a key."""

from db.serving.activations import Activations, LastFollowed, StoredActivation
from db.serving.answers import ROW_BYTES, StoredAnswers
from db.serving.log import LogQuery, LogRow, check, insert_logs, read_logs, trim_logs
from db.serving.schema import DELETE_BATCH, FILE_NAME, MIGRATIONS, READ_TIMEOUT_S, open_serving

__all__ = [
    "DELETE_BATCH",
    "FILE_NAME",
    "MIGRATIONS",
    "READ_TIMEOUT_S",
    "ROW_BYTES",
    "Activations",
    "LastFollowed",
    "LogQuery",
    "LogRow",
    "StoredActivation",
    "StoredAnswers",
    "check",
    "insert_logs",
    "open_serving",
    "read_logs",
    "trim_logs",
]
