"""An abstraction of the whole world at one moment, so that different ones can be counted.

What makes two moments different: of each game its state and period, how many of its shots are stored, retracted and
pending, and how many each model has scored, and has scored from other inputs than today's; the active model and the
challengers by the service's record, and whether the service runs; how many requests are open, and how many notices.
Not the time, not the figures, not the processes.
"""

import json
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from hashlib import blake2b
from pathlib import Path
from typing import Final

_ENDINGS: Final = ("", "-wal", "-journal")
_GAMES: Final = """
    SELECT game_id, state, period, has_end,
        (SELECT count(*) FROM shots s WHERE s.game_id = g.game_id),
        (SELECT count(*) FROM shots s WHERE s.game_id = g.game_id AND retracted_at IS NOT NULL),
        (SELECT count(*) FROM shots s WHERE s.game_id = g.game_id AND retracted_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM predictions p WHERE p.game_id = s.game_id AND p.event_id = s.event_id AND p.model = g.model
        )),
        (SELECT group_concat(n, ' ') FROM (
            SELECT model || ' ' || count(*) || ' ' || count(amended_at) AS n FROM predictions p
            WHERE p.game_id = g.game_id GROUP BY model ORDER BY model
        ))
    FROM games g ORDER BY game_id
"""
_OPEN_NOTICES: Final = "SELECT count(*) FROM deliveries WHERE accepted_at IS NULL AND dropped_at IS NULL"
_ACTIVE: Final = "SELECT model, version FROM activations ORDER BY id DESC LIMIT 1"
_CHALLENGERS: Final = "SELECT model, version FROM challengers ORDER BY model, version"


class States:
    """Collects the states that a world has been in. Its files are read as copies, so that reading changes nothing."""

    def __init__(self, data_dir: Path, copies: Path) -> None:
        """`copies` is a folder outside the world."""
        self.found: set[int] = set()
        self._data_dir = data_dir
        self._copies = copies
        self._known: dict[str, tuple[object, object]] = {}  # by name: the bytes that were read, and what they held

    def note(self, *, service_is_up: bool) -> None:
        """Add the present state. No simulated thread may be at work, nor be the one that calls."""
        history = self._rows("history.db", _GAMES, _OPEN_NOTICES)
        serving = self._rows("serving.db", _ACTIVE, _CHALLENGERS)
        state = json.dumps([history, serving, self._open_requests(), service_is_up])
        self.found.add(int.from_bytes(blake2b(state.encode(), digest_size=8).digest(), "big"))

    def _rows(self, name: str, *selects: str) -> object:
        contents = {ending: _contents(self._data_dir / f"{name}{ending}") for ending in _ENDINGS}
        if self._known.get(name, (None, None))[0] != contents:
            self._known[name] = contents, self._read(name, contents, selects)
        return self._known[name][1]

    def _read(self, name: str, contents: Mapping[str, bytes | None], selects: Iterable[str]) -> object:
        """Return the rows of a copy, or a word for a file that cannot be read as it is now."""
        copy = self._copies / name
        copy.with_name(f"{name}-shm").unlink(missing_ok=True)
        for ending, content in contents.items():
            file = copy.with_name(name + ending)
            file.unlink(missing_ok=True)
            if content is not None:
                file.write_bytes(content)
        if not copy.exists():
            return "absent"
        try:
            with closing(sqlite3.connect(copy)) as connection:
                return [connection.execute(select).fetchall() for select in selects]
        except sqlite3.Error:  # not made yet, or damaged: the rules say whether it may be
            return "unreadable"

    def _open_requests(self) -> list[object]:
        """Return the number of rows that wait, for each open request of each game."""
        found: list[object] = []
        for path in sorted((self._data_dir / "locks").glob("*.questions")):
            try:
                found.append([path.stem, *(len(waiting) for *_, waiting in json.loads(path.read_bytes()))])
            except ValueError:  # cut off by a power cut
                found.append([path.stem, "unreadable"])
        return found


def _contents(path: Path) -> bytes | None:
    return path.read_bytes() if path.exists() else None
