"""What rules compare: the evidence, the truth, and a copy of the data folder at the end."""

import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

from tests.simulation.evidence import Evidence
from tests.simulation.league import League
from tests.simulation.scheduler import Scheduler, Thread

_FILES = ("history.db", "serving.db")
_ENDINGS = ("", "-journal", "-wal")  # of files that a reader needs; SQLite makes -shm again


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule, and the facts."""

    rule: str
    text: str


class Night(Protocol):
    """What the rules need of a world."""

    @property
    def evidence(self) -> Evidence: ...
    @property
    def league(self) -> League: ...
    @property
    def scheduler(self) -> Scheduler: ...
    @property
    def counts(self) -> Counter[str]: ...
    @property
    def data_dir(self) -> Path: ...


@dataclass
class Run:
    """A run that has ended."""

    evidence: Evidence
    league: League
    counts: Counter[str]
    data_dir: Path  # a copy, outside of the simulated disk
    crashes: Sequence[tuple[Thread, BaseException]] = ()  # threads that ended with an exception

    def __post_init__(self) -> None:
        self._connections: dict[str, sqlite3.Connection] = {}

    def close(self) -> None:
        """Close the files that `rows` has opened."""
        while self._connections:
            self._connections.popitem()[1].close()

    @property
    def history(self) -> Path:
        """The file of the history."""
        return self.data_dir / "history.db"

    def admit(self, what: str) -> None:
        """Count an exception that docs/promises.md admits."""
        self.counts[f"admitted: {what}"] += 1

    def rows(self, query: str, *values: object, file: str = "history.db") -> list[dict[str, Any]]:
        """Return the rows of a query; none if there is no such file."""
        if file not in self._connections:
            path = self.data_dir / file
            if not path.exists():
                return []
            self._connections[file] = sqlite3.connect(path)  # one for all queries: each would read the schema again
            self._connections[file].row_factory = sqlite3.Row
        return [dict(row) for row in self._connections[file].execute(query, values)]

    @cached_property
    def shots(self) -> dict[tuple[int, int], dict[str, Any]]:
        """The stored shots by game and event id, retracted ones too."""
        return {(row["game_id"], row["event_id"]): row for row in self.rows("SELECT * FROM shots")}

    @cached_property
    def predictions(self) -> dict[tuple[int, int, str], dict[str, Any]]:
        """The stored predictions by game, event id and model."""
        rows = self.rows("SELECT * FROM predictions")
        return {(row["game_id"], row["event_id"], row["model"]): row for row in rows}

    @cached_property
    def loaded(self) -> tuple[str, ...]:
        """The ids of the models that are loaded at the end, the active one first; none if nobody asked."""
        if not self.evidence.loaded:
            return ()
        last = self.evidence.loaded[-1]
        return (last.active.id, *last.challengers)


@contextmanager
def copied(data_dir: Path) -> Iterator[Path]:
    """Copy the files that rules read to a folder that the simulated disk does not watch; yield it."""
    fast = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="xg-rules-", dir=fast if fast.is_dir() else None) as folder:
        for name in (name + ending for name in _FILES for ending in _ENDINGS):
            if (data_dir / name).exists():
                shutil.copyfile(data_dir / name, Path(folder) / name)
        if (data_dir / "locks").is_dir():
            shutil.copytree(data_dir / "locks", Path(folder) / "locks")
        yield Path(folder)
