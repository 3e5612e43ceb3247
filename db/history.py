"""history.db: games, their shots with features, what each model said of them, and what the league corrected."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from db.connection import DatabaseError, open_reader, open_writer, transaction

MIGRATIONS: Final = (
    """
    CREATE TABLE games (
        game_id INTEGER PRIMARY KEY,
        season INTEGER NOT NULL,
        game_type INTEGER NOT NULL,
        start_time TEXT NOT NULL,
        home_id INTEGER NOT NULL,
        home_abbrev TEXT NOT NULL,
        home_name TEXT NOT NULL,
        home_score INTEGER NOT NULL,
        away_id INTEGER NOT NULL,
        away_abbrev TEXT NOT NULL,
        away_name TEXT NOT NULL,
        away_score INTEGER NOT NULL,
        state TEXT NOT NULL,
        period INTEGER NOT NULL,
        period_type TEXT NOT NULL,
        seconds_left INTEGER NOT NULL,
        in_intermission INTEGER NOT NULL,
        pinged_at TEXT NOT NULL,
        model TEXT REFERENCES models (model)  -- the one that the last complete ping scored with
    ) STRICT;

    CREATE TABLE models (
        model TEXT PRIMARY KEY,  -- workspace/name:version@sha256:digest, as the service reports it
        population TEXT NOT NULL CHECK (population IN ('unblocked', 'on-goal')),
        first_used_at TEXT NOT NULL
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE shots (
        game_id INTEGER NOT NULL REFERENCES games (game_id),
        event_id INTEGER NOT NULL,
        position INTEGER NOT NULL,  -- in the feed's latest answer; the league re-orders, so it identifies nothing
        period INTEGER NOT NULL,
        seconds INTEGER NOT NULL,
        is_home INTEGER NOT NULL CHECK (is_home IN (0, 1)),  -- whether the home team shot
        shooter TEXT,
        goalie TEXT,
        outcome TEXT NOT NULL CHECK (outcome IN ('goal', 'shot-on-goal', 'missed-shot')),
        penalty_shot INTEGER NOT NULL CHECK (penalty_shot IN (0, 1)),
        empty_net INTEGER NOT NULL CHECK (empty_net IN (0, 1)),
        features TEXT NOT NULL CHECK (json_valid(features)),
        missing TEXT,  -- inputs that the feed has not told yet
        first_seen_at TEXT NOT NULL,
        amended_at TEXT,  -- since when its inputs differ from those that were scored
        retracted_at TEXT,  -- since when the feed no longer has it
        PRIMARY KEY (game_id, event_id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE predictions (
        game_id INTEGER NOT NULL,
        event_id INTEGER NOT NULL,
        model TEXT NOT NULL REFERENCES models (model),
        probability REAL NOT NULL CHECK (probability BETWEEN 0 AND 1),
        inputs TEXT NOT NULL CHECK (json_valid(inputs)),  -- the shot's features when it was scored
        predicted_at TEXT NOT NULL,
        PRIMARY KEY (game_id, event_id, model),
        FOREIGN KEY (game_id, event_id) REFERENCES shots (game_id, event_id)
    ) STRICT, WITHOUT ROWID;

    CREATE TABLE corrections (
        correction_id INTEGER PRIMARY KEY,
        game_id INTEGER NOT NULL,
        event_id INTEGER NOT NULL,
        what TEXT NOT NULL CHECK (what IN ('retracted', 'restored', 'outcome', 'amended')),
        before TEXT,
        after TEXT,
        corrected_at TEXT NOT NULL,
        FOREIGN KEY (game_id, event_id) REFERENCES shots (game_id, event_id)
    ) STRICT;
    CREATE INDEX corrections_by_game ON corrections (game_id, event_id);

    -- Every shot that a model is to score, with its probability, NULL while it is pending. A game that no model has
    -- scored yet has its shots under the model NULL.
    CREATE VIEW shot_probabilities AS
    SELECT
        s.game_id, s.event_id, s.position, s.period, s.seconds,
        format('%02d:%02d', s.seconds / 60, s.seconds % 60) AS time,
        iif(s.is_home, g.home_abbrev, g.away_abbrev) AS team, s.is_home,
        s.shooter, s.goalie, s.outcome, s.outcome = 'goal' AS is_goal,
        s.features ->> 'shot_type' AS shot_type,
        s.features ->> 'x' AS x, s.features ->> 'y' AS y,
        round(s.features ->> 'distance', 1) AS distance, round(s.features ->> 'angle', 1) AS angle,
        s.features ->> 'strength_state' AS strength, s.empty_net, s.penalty_shot,
        m.model, p.probability, p.predicted_at,
        CASE
            WHEN s.retracted_at IS NOT NULL THEN 'retracted'
            WHEN p.probability IS NULL THEN 'pending'
            WHEN s.amended_at IS NOT NULL THEN 'amended'
            ELSE 'scored'
        END AS status,
        s.missing, s.features
    FROM shots s
    JOIN games g USING (game_id)
    LEFT JOIN models m ON m.model = g.model
        OR EXISTS (SELECT 1 FROM predictions o WHERE o.game_id = s.game_id AND o.model = m.model)
    LEFT JOIN predictions p ON p.game_id = s.game_id AND p.event_id = s.event_id AND p.model = m.model
    WHERE m.population IS NOT 'on-goal' OR s.outcome <> 'missed-shot';

    -- xG beside goals, for each team of each game under each model. Sums never mix models.
    CREATE VIEW xg_by_team AS
    SELECT
        game_id, model, team, max(is_home) AS is_home,
        total(probability) AS xg, sum(is_goal) AS goals, total(probability) - sum(is_goal) AS difference,
        count(*) AS shots, sum(status = 'pending') AS pending,
        total(probability) FILTER (WHERE strength = '5v5') AS xg_5v5,
        sum(is_goal) FILTER (WHERE strength = '5v5') AS goals_5v5,
        total(probability) FILTER (WHERE empty_net) AS xg_empty_net,
        coalesce(sum(is_goal) FILTER (WHERE empty_net), 0) AS goals_empty_net,
        total(probability) FILTER (WHERE penalty_shot) AS xg_penalty_shots,
        coalesce(sum(is_goal) FILTER (WHERE penalty_shot), 0) AS goals_penalty_shots
    FROM shot_probabilities
    WHERE status <> 'retracted'
    GROUP BY game_id, model, team;

    -- Which model scored what, and when.
    CREATE VIEW scoring_log AS
    SELECT model, game_id, count(*) AS shots, min(predicted_at) AS first_scored, max(predicted_at) AS last_scored
    FROM predictions
    GROUP BY model, game_id;

    -- What the league took back or changed, in words.
    CREATE VIEW correction_log AS
    SELECT c.corrected_at, c.game_id, c.event_id, s.period,
        format('%02d:%02d', s.seconds / 60, s.seconds % 60) AS time, s.shooter, c.what, c.before, c.after
    FROM corrections c JOIN shots s USING (game_id, event_id);
    """,
)


@dataclass(frozen=True, slots=True)
class GameRow:
    """A row of `games`, as one answer of the feed tells it."""

    game_id: int
    season: int
    game_type: int
    start_time: str
    home_id: int
    home_abbrev: str
    home_name: str
    home_score: int
    away_id: int
    away_abbrev: str
    away_name: str
    away_score: int
    state: str
    period: int
    period_type: str
    seconds_left: int
    in_intermission: bool


@dataclass(frozen=True, slots=True)
class ShotRow:
    """A row of `shots`, as one answer of the feed tells it."""

    event_id: int
    position: int
    period: int
    seconds: int
    is_home: bool
    shooter: str | None
    goalie: str | None
    outcome: str
    penalty_shot: bool
    empty_net: bool
    features: Mapping[str, Any]  # finite numbers, texts and None
    missing: str | None


@dataclass(frozen=True, slots=True)
class Correction:
    """One change that the league made to a shot we had stored."""

    event_id: int
    what: str  # retracted, restored, outcome or amended
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a feed's answer changed in the history."""

    new: tuple[int, ...]  # event ids not seen before, in the feed's order
    corrections: tuple[Correction, ...]


_GAME_COLUMNS: Final = tuple(field.name for field in fields(GameRow))
_SHOT_COLUMNS: Final = tuple(field.name for field in fields(ShotRow))


class History:
    """The history of games in one SQLite file, shared by any number of processes on one machine.

    Each call opens the file, works in one transaction and closes it, so an instance may be used from any thread.
    All methods raise `db.connection.DatabaseError` when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(self, game: GameRow, shots: Sequence[ShotRow]) -> Recorded:
        """Store one whole answer of the feed, comparing it with what is there, in one transaction.

        New shots are added wherever they stand; a shot that left the feed is marked retracted, and restored when it
        returns; a changed outcome is updated; changed inputs of a shot that was scored mark it amended. Predictions
        are never touched.
        """
        now = _now()
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            _upsert(connection, "games", {**asdict(game), "pinged_at": now}, key=("game_id",))
            rows = connection.execute("SELECT * FROM shots WHERE game_id = ?", (game.game_id,))
            stored = {row["event_id"]: row for row in rows}
            corrections: list[Correction] = []
            for shot in shots:
                before = stored.get(shot.event_id)
                values = _shot_values(shot)
                changes, found = _compare(connection, game.game_id, before, values, now) if before else ({}, [])
                if before is None:
                    values |= {"game_id": game.game_id, "first_seen_at": now}
                    _upsert(connection, "shots", values, key=("game_id", "event_id"))
                elif changes:
                    changes |= {"game_id": game.game_id, "event_id": shot.event_id}
                    _update_shot(connection, changes)
                corrections += found
            present = {shot.event_id for shot in shots}
            for event_id, row in stored.items():
                if event_id not in present and row["retracted_at"] is None:
                    _update_shot(connection, {"game_id": game.game_id, "event_id": event_id, "retracted_at": now})
                    corrections.append(Correction(event_id, "retracted", row["outcome"], None))
            connection.executemany(
                "INSERT INTO corrections (game_id, event_id, what, before, after, corrected_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(game.game_id, c.event_id, c.what, c.before, c.after, now) for c in corrections],
            )
        new = tuple(shot.event_id for shot in shots if shot.event_id not in stored)
        return Recorded(new, tuple(corrections))

    def unscored(self, game_id: int, model: str, population: str) -> list[tuple[int, dict[str, Any], str | None]]:
        """Shots in the feed that this model has not scored: event id, features, and what the feed still owes."""
        rows = self._read(
            """
            SELECT event_id, features, missing FROM shots s
            WHERE game_id = :game AND retracted_at IS NULL
                AND (:population <> 'on-goal' OR outcome <> 'missed-shot')
                AND NOT EXISTS (
                    SELECT 1 FROM predictions p
                    WHERE p.game_id = s.game_id AND p.event_id = s.event_id AND p.model = :model
                )
            ORDER BY position
            """,
            {"game": game_id, "model": model, "population": population},
        )
        return [(row["event_id"], json.loads(row["features"]), row["missing"]) for row in rows]

    def store_predictions(
        self,
        game_id: int,
        model: str,
        population: str,
        predictions: Iterable[tuple[int, float, Mapping[str, Any]]],
    ) -> int:
        """Store (event id, probability, inputs) of one answer and make `model` the game's; the number of new rows.

        A shot that this model has already scored keeps its first prediction.
        """
        now = _now()
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            connection.execute("INSERT INTO models VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (model, population, now))
            stored = connection.executemany(
                "INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                [(game_id, event, model, p, _json(inputs), now) for event, p, inputs in predictions],
            ).rowcount
            connection.execute("UPDATE games SET model = ? WHERE game_id = ?", (model, game_id))
        return max(stored, 0)

    def game(self, game_id: int) -> dict[str, Any] | None:
        """The stored row of a game with its model's `population`, or None if it was never pinged."""
        rows = self._read(
            "SELECT g.*, m.population FROM games g LEFT JOIN models m USING (model) WHERE game_id = ?", (game_id,)
        )
        return rows[0] if rows else None

    def games(self) -> list[dict[str, Any]]:
        """All stored games, the latest pinged first."""
        return self._read("SELECT * FROM games ORDER BY pinged_at DESC")

    def totals(self, game_id: int, model: str | None) -> list[dict[str, Any]]:
        """The rows of `xg_by_team` for one game under one model; a team without shots has none."""
        return self._read("SELECT * FROM xg_by_team WHERE game_id = ? AND model IS ?", (game_id, model))

    def shots(self, game_id: int, model: str | None) -> list[dict[str, Any]]:
        """The rows of `shot_probabilities` for one game under one model, with each team's running sum of xG."""
        return self._read(
            """
            SELECT *, total(iif(status = 'retracted', 0, probability)) OVER (
                PARTITION BY is_home ORDER BY period, seconds, position
            ) AS running_xg
            FROM shot_probabilities WHERE game_id = ? AND model IS ?
            ORDER BY period, seconds, position
            """,
            (game_id, model),
        )

    def corrections(self, game_id: int) -> list[dict[str, Any]]:
        """The rows of `correction_log` for one game, newest first."""
        return self._read(
            "SELECT * FROM correction_log WHERE game_id = ? ORDER BY corrected_at DESC, event_id", (game_id,)
        )

    def _read(self, query: str, parameters: tuple[Any, ...] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        with closing(open_reader(self._path)) as connection:
            try:
                return [dict(row) for row in connection.execute(query, parameters)]
            except sqlite3.Error as error:
                raise DatabaseError(f"cannot read {self._path}: {error}") from error


def _compare(
    connection: sqlite3.Connection, game_id: int, before: sqlite3.Row, after: dict[str, Any], now: str
) -> tuple[dict[str, Any], list[Correction]]:
    """The columns to update and the corrections to record, for a shot that was stored before."""
    event_id = before["event_id"]
    changes = {column: after[column] for column in _SHOT_COLUMNS if before[column] != after[column]}
    corrections = []
    if before["retracted_at"] is not None:
        changes["retracted_at"] = None
        corrections.append(Correction(event_id, "restored", None, after["outcome"]))
    if "outcome" in changes:
        corrections.append(Correction(event_id, "outcome", before["outcome"], after["outcome"]))
    if "features" in changes:
        scored = connection.execute(
            "SELECT inputs FROM predictions WHERE game_id = ? AND event_id = ?", (game_id, event_id)
        ).fetchall()
        features = json.loads(after["features"])
        differs = any(not _agrees(json.loads(row["inputs"]), features) for row in scored)
        if differs:
            corrections.append(Correction(event_id, "amended", before["features"], after["features"]))
        if differs != (before["amended_at"] is not None):
            changes["amended_at"] = now if differs else None
    return changes, corrections


def _agrees(inputs: Mapping[str, Any], features: Mapping[str, Any]) -> bool:
    return all(features.get(name) == value for name, value in inputs.items())


def _shot_values(shot: ShotRow) -> dict[str, Any]:
    return {column: getattr(shot, column) for column in _SHOT_COLUMNS} | {"features": _json(shot.features)}


def _upsert(connection: sqlite3.Connection, table: str, values: Mapping[str, Any], key: Sequence[str]) -> None:
    columns, marks = ", ".join(values), ", ".join(f":{column}" for column in values)
    updates = ", ".join(f"{column} = excluded.{column}" for column in values if column not in key)
    connection.execute(
        f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT ({', '.join(key)}) DO UPDATE SET {updates}",  # noqa: S608 - names are ours
        values,
    )


def _update_shot(connection: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    updates = ", ".join(f"{column} = :{column}" for column in values if column not in ("game_id", "event_id"))
    connection.execute(
        f"UPDATE shots SET {updates} WHERE game_id = :game_id AND event_id = :event_id",  # noqa: S608 - names are ours
        values,
    )


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
