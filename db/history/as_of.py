"""Read the tables and views of one game as of a moment.

The views' own SQL stays the only definition: it is read from the file, and the names of the tables in it are taken by
common table expressions that hold what the tables held then.
"""

import re
import sqlite3
from collections.abc import Mapping
from typing import Any, Final

from db.history.moment import Moment

_EVER: Final = "9999"  # later than any time
_LAST_SECOND: Final = 1 << 31  # later than any second of a game

_STATE: Final = "SELECT * FROM game_states WHERE game_id = ? AND seen_at <= ? ORDER BY seen_at DESC LIMIT 1"
_PINGED: Final = "SELECT max(pinged_at) FROM recent_pings WHERE game_id = ? AND pinged_at <= ?"

# `replaced` holds the versions of then of the shots that changed later
_TABLES: Final = """
    replaced AS MATERIALIZED (
        SELECT *, min(replaced_at) FROM main.shot_versions
        WHERE game_id = :game_id AND replaced_at > :wall GROUP BY event_id
    ),
    known_shots AS (
        SELECT {now} FROM main.shots s
        WHERE s.game_id = :game_id AND s.first_seen_at <= :wall AND s.event_id NOT IN (SELECT event_id FROM replaced)
        UNION ALL
        SELECT {then} FROM replaced v JOIN main.shots s USING (game_id, event_id) WHERE s.first_seen_at <= :wall
    ),
    shots AS (SELECT * FROM known_shots WHERE (period - 1) * 1200 + seconds <= :game_s),
    predictions AS (
        SELECT p.game_id, p.event_id, p.model, p.probability, p.inputs, p.predicted_at,
            CASE
                WHEN v.event_id IS NULL THEN p.amended_at
                WHEN EXISTS (
                    SELECT 1 FROM json_each(p.inputs) i WHERE i.value IS NOT v.features ->> ('$."' || i.key || '"')
                ) THEN coalesce(p.amended_at, p.predicted_at)
            END AS amended_at
        FROM main.predictions p LEFT JOIN replaced v USING (game_id, event_id)
        WHERE p.game_id = :game_id AND p.predicted_at <= :wall
    ),
    game_models AS (
        SELECT DISTINCT game_id, model FROM main.predictions WHERE game_id = :game_id AND predicted_at <= :wall
    ),
    replaced_blocked AS MATERIALIZED (
        SELECT *, min(replaced_at) FROM main.blocked_versions
        WHERE game_id = :game_id AND replaced_at > :wall GROUP BY event_id
    ),
    known_blocked AS (
        SELECT {blocked_now} FROM main.blocked_attempts s
        WHERE s.game_id = :game_id AND s.first_seen_at <= :wall
            AND s.event_id NOT IN (SELECT event_id FROM replaced_blocked)
        UNION ALL
        SELECT {blocked_then} FROM replaced_blocked v JOIN main.blocked_attempts s USING (game_id, event_id)
        WHERE s.first_seen_at <= :wall
    ),
    blocked_attempts AS (SELECT * FROM known_blocked WHERE (period - 1) * 1200 + seconds <= :game_s),
    corrections AS (SELECT * FROM main.corrections WHERE game_id = :game_id AND corrected_at <= :wall)
"""
_HEAD_OF_VIEW: Final = re.compile(r"^CREATE VIEW \w+ AS")
_VIEWS: Final = ("shot_probabilities", "xg_by_team", "goal_log", "correction_log", "attempts")


def game_as_of(connection: sqlite3.Connection, game_id: int, wall: str | None) -> dict[str, Any] | None:
    """Return the row of a game as the pings had seen it by a time; None if it was first pinged later."""
    found = connection.execute("SELECT * FROM games WHERE game_id = ?", (game_id,)).fetchone()
    if found is None:
        return None
    game = dict(found)
    if wall is None or (game["pinged_at"] <= wall and not _changes_later(connection, game_id, wall)):
        return game
    state = connection.execute(_STATE, (game_id, wall)).fetchone()
    if state is None:
        return None
    (pinged_at,) = connection.execute(_PINGED, (game_id, wall)).fetchone()
    last = game["pinged_at"] if game["pinged_at"] <= wall else ""
    game |= {column: state[column] for column in state.keys() if column in game}  # noqa: SIM118 - a row has no `in`
    game["pinged_at"] = max(last, pinged_at or "", state["seen_at"])
    game["stale_at"] = None
    game["fingerprint"] = (game["fingerprint"] or "of then") if state["is_complete"] else None
    return game


def _changes_later(connection: sqlite3.Connection, game_id: int, wall: str) -> bool:
    """Return whether a state is newer than a time: a clock that was set back writes such rows."""
    query = "SELECT 1 FROM game_states WHERE game_id = ? AND seen_at > ?"
    return connection.execute(query, (game_id, wall)).fetchone() is not None


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row["name"] for row in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]


class AsOf:
    """A game's tables and views as of a moment, for queries that end with `WHERE game_id = :game_id` or more."""

    def __init__(self, connection: sqlite3.Connection, game: Mapping[str, Any], moment: Moment) -> None:
        self._connection = connection
        self._values = {
            "game_id": game["game_id"],
            "wall": _EVER if moment.wall is None else moment.wall,
            "game_s": _LAST_SECOND if moment.game_s is None else moment.game_s,
        }
        columns, of_blocked = (_columns(connection, table) for table in ("shots", "blocked_attempts"))
        kept = ("position", "first_seen_at")
        tables = _TABLES.format(
            now=", ".join(f"s.{column}" for column in columns),
            blocked_now=", ".join(f"s.{column}" for column in of_blocked),
            blocked_then=", ".join(f"{'s' if column in kept else 'v'}.{column}" for column in of_blocked),
            then=", ".join(f"{'s' if column in kept else 'v'}.{column}" for column in columns),
        )
        self._values |= {f"game_{column}": value for column, value in game.items()}
        of_game = ", ".join(f":game_{column}" for column in game)
        self._with = f"WITH games ({', '.join(game)}) AS (VALUES ({of_game})), {tables}"
        for name in _VIEWS:
            (sql,) = connection.execute("SELECT sql FROM sqlite_schema WHERE name = ?", (name,)).fetchone()
            self._with += f", {name} AS ({_HEAD_OF_VIEW.sub('', sql)})"

    def rows(self, query: str, **values: object) -> list[dict[str, Any]]:
        """Return the rows of a query, which may use `:game_id`."""
        found = self._connection.execute(f"{self._with} {query}", self._values | values)
        return [dict(row) for row in found]
