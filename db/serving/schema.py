"""The schema of serving.db, in the numbered .sql files beside this one."""

from pathlib import Path
from typing import Final

from db.connection import BUSY_TIMEOUT_S, Connection, open_writer

FILE_NAME: Final = "serving.db"
# No script undoes another's work, so none was squashed.
MIGRATIONS: Final = {version: Path(__file__).with_name(f"{version}.sql").read_text("utf-8") for version in range(1, 6)}

DELETE_BATCH: Final = 1000  # rows that one transaction deletes, so that it does not hold the write lock for long
READ_TIMEOUT_S: Final = 2.0  # how long to wait for a lock while a caller waits for the answer


def open_serving(path: Path, timeout_s: float = BUSY_TIMEOUT_S) -> Connection:
    """Open serving.db for writing; create it if it is missing. Use one connection per thread.

    Raises:
        DatabaseError: the file or its folder cannot be written, or is not a database.
    """
    return open_writer(path, MIGRATIONS, timeout_s)
