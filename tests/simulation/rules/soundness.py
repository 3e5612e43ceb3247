"""The rule `sound`: each file passes SQLite's checks, its foreign keys hold, and its states are those of its games."""

import sqlite3
from contextlib import closing

from tests.promises.helpers import states_are_true
from tests.simulation.rules.run import Run, Violation


def sound(run: Run) -> list[Violation]:
    """Check the files as they are now."""
    names = [name for name in ("history.db", "serving.db") if (run.data_dir / name).exists()]
    return [Violation("sound", f"{name}: {problem}") for name in names if (problem := _problem(run, name))]


def _problem(run: Run, name: str) -> str | None:
    try:
        with closing(sqlite3.connect(run.data_dir / name)) as connection:
            checked = [row[0] for row in connection.execute("PRAGMA integrity_check")]
            if checked != ["ok"]:
                return "; ".join(checked[:3])
            if broken := connection.execute("PRAGMA foreign_key_check").fetchall():
                return f"foreign keys: {broken[:3]}"
            # the newest state is the one with the latest time, which a clock that was set back leaves on another
            was_set_back = any(fault.kind == "clock" and fault.seconds < 0 for fault in run.evidence.faults)
            if name == "history.db" and not was_set_back and not states_are_true(connection):
                return "the newest state of a game is not that of its row"
    except sqlite3.Error as error:
        return f"{type(error).__name__}: {error}"
    return None
