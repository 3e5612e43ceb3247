"""Copy a database that is in use."""

import time
from contextlib import closing, suppress
from pathlib import Path
from secrets import token_hex
from typing import Final

from db.connection import DAMAGED, Connection, DatabaseError, connect, explained, open_reader
from db.files import sync_folder, why

ABANDONED_AFTER_S: Final = 86_400  # seconds since the last write to an unfinished copy


def backup(source: Path, target: Path) -> None:
    """Copy a database that others may be using into a new file, as of one moment, and check the copy.

    The copy equals the source page by page, so checking it checks the source too.

    Raises:
        DatabaseError: there is no such database, it is damaged, the target exists already, or it cannot be written.
            No copy is left.
    """
    if target.exists():
        raise DatabaseError(f"{target} exists already; name a new place for the copy")
    part = target.with_name(f"{target.name}.{token_hex(4)}.part")  # another process may be copying to the same place
    try:
        for other in target.parent.glob(f"{target.name}.*.part"):
            with suppress(FileNotFoundError):  # its writer has just finished
                if time.time() - other.stat().st_mtime > ABANDONED_AFTER_S:
                    other.unlink()  # left by a killed copy
        with closing(open_reader(source)) as connection, closing(connect(part, "rwc", None)) as copy:
            with explained(f"cannot copy {source} to {target}", target):
                connection.backup(copy)
            _check(copy, source)
        part.rename(target)
        sync_folder(target.parent)
    except OSError as error:
        raise DatabaseError(f"cannot copy {source} to {target}: {why(target, error)}") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def _check(copy: Connection, source: Path) -> None:
    with explained(f"cannot check the copy of {source}", copy.path):
        problems = [str(row[0]) for row in copy.execute("PRAGMA integrity_check(3)")]
        orphans = [f"a row of {row[0]} without its row of {row[2]}" for row in copy.execute("PRAGMA foreign_key_check")]
    if found := [problem for problem in problems if problem != "ok"] + orphans[:3]:
        raise DatabaseError(f"{source} is not whole, so no copy of it was kept: {'; '.join(found)}; {DAMAGED}")
