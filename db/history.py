"""history.db: games, their shots with features, what each model said of them, and what the league corrected."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from db.connection import is_there, open_writer, reading, transaction
from db.history_schema import MIGRATIONS, SUMS_OF_SHOTS


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
    problems: str | None = None


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
    shooter_id: int | None = None
    goalie_id: int | None = None


@dataclass(frozen=True, slots=True)
class PowerPlayRow:
    """A row of `power_plays`: a stretch of a game, in its seconds, in which one team had more skaters."""

    start_s: int
    end_s: int
    is_home: bool


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
    has_new_problems: bool = False  # whether the game has problems, and other ones than before


@dataclass(frozen=True, slots=True)
class StoredGame:
    """All that is stored of one game under one model, as of one moment; rows are those of the views."""

    game: dict[str, Any]
    model: str | None
    population: str | None  # of the model
    models: tuple[str, ...]  # all that have scored the game, the first to do so first
    totals: list[dict[str, Any]]  # of `xg_by_team`; a team without shots has none
    by_period: list[dict[str, Any]]
    by_situation: list[dict[str, Any]]
    by_shooter: list[dict[str, Any]]
    by_goalie: list[dict[str, Any]]
    goals: list[dict[str, Any]]  # of `goal_log`, in play order
    shots: list[dict[str, Any]]  # of `shot_probabilities`, in play order, with each team's `running_xg`
    corrections: list[dict[str, Any]]  # of `correction_log`, newest first
    power_plays: tuple[PowerPlayRow, ...]


_SHOT_COLUMNS: Final = tuple(field.name for field in fields(ShotRow))


class History:
    """The history of games in one SQLite file, shared by any number of processes on one machine.

    Each call opens the file, works in one transaction and closes it, so an instance may be used from any thread.
    All methods raise `db.connection.DatabaseError` when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record(
        self,
        game: GameRow,
        shots: Sequence[ShotRow],
        power_plays: Sequence[PowerPlayRow] = (),
        unreadable: Collection[int] | None = (),
    ) -> Recorded:
        """Store one whole answer of the feed, comparing it with what is there, in one transaction.

        New shots are added wherever they stand; a shot that left the feed is marked retracted, and restored when it
        returns; a changed outcome is updated; changed inputs of a shot that was scored mark it amended. Predictions
        are never touched. What is known of the `unreadable` events stays as it is: they are in the feed, but nobody
        can tell what they are. None means that these may be any.
        """
        now = _now()
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            row = connection.execute("SELECT problems FROM games WHERE game_id = ?", (game.game_id,)).fetchone()
            has_new_problems = game.problems is not None and (row is None or row["problems"] != game.problems)
            _upsert(connection, "games", {**asdict(game), "pinged_at": now}, key=("game_id",))
            rows = connection.execute("SELECT * FROM shots WHERE game_id = ?", (game.game_id,))
            stored = {row["event_id"]: row for row in rows}
            corrections: list[Correction] = []
            changed_sides = False
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
                changed_sides = changed_sides or "is_home" in changes
            present = {shot.event_id for shot in shots}.union(stored if unreadable is None else unreadable)
            for event_id, row in stored.items():
                if event_id not in present and row["retracted_at"] is None:
                    _update_shot(connection, {"game_id": game.game_id, "event_id": event_id, "retracted_at": now})
                    corrections.append(Correction(event_id, "retracted", row["outcome"], None))
            connection.executemany(
                "INSERT INTO corrections (game_id, event_id, what, before, after, corrected_at)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                [(game.game_id, c.event_id, c.what, c.before, c.after, now) for c in corrections],
            )
            _store_power_plays(connection, game.game_id, power_plays)
            if corrections or changed_sides:
                _sum_up(connection, game.game_id)
        new = tuple(shot.event_id for shot in shots if shot.event_id not in stored)
        return Recorded(new, tuple(corrections), has_new_problems=has_new_problems)

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
            if stored > 0:
                _sum_up(connection, game_id)
        return max(stored, 0)

    def read_game(self, game_id: int, model: str | None = None) -> StoredGame | None:
        """All that is stored of a game under a model, by default that of its last complete ping.

        None if the game was never pinged. A model that has not scored the game counts as the default.
        """
        with self._reading() as connection:
            if connection is None:
                return None

            def rows(query: str, *values: object) -> list[dict[str, Any]]:
                return [dict(row) for row in connection.execute(query, (game_id, *values))]

            game = rows("SELECT * FROM games WHERE game_id = ?")
            if not game:
                return None
            models = {row["model"]: row["population"] for row in rows(_MODELS_OF_GAME)}
            chosen = model if model in models else game[0]["model"]
            return StoredGame(
                game=game[0],
                model=chosen,
                population=models.get(chosen),
                models=tuple(models),
                totals=rows(_OF_GAME.format("xg_by_team"), chosen),
                by_period=rows(_OF_GAME.format("xg_by_period") + " ORDER BY period", chosen),
                by_situation=rows(_OF_GAME.format("xg_by_situation"), chosen),
                by_shooter=rows(_OF_GAME.format("xg_by_shooter") + " ORDER BY xg DESC, shooter", chosen),
                by_goalie=rows(_OF_GAME.format("xg_by_goalie") + " ORDER BY is_home, xg DESC", chosen),
                goals=rows(_OF_GAME.format("goal_log") + " ORDER BY period, seconds, position", chosen),
                shots=rows(_SHOTS_OF_GAME, chosen),
                corrections=rows("SELECT * FROM correction_log WHERE game_id = ? ORDER BY corrected_at DESC, event_id"),
                power_plays=tuple(
                    PowerPlayRow(row["start_s"], row["end_s"], bool(row["is_home"]))
                    for row in rows("SELECT * FROM power_plays WHERE game_id = ? ORDER BY start_s")
                ),
            )

    def games(self, search: str = "", *, limit: int = 50, offset: int = 0) -> list[dict[str, Any]]:
        """Stored games, the latest first, each a row of `games` with its rows of `xg_by_team` as `totals`.

        Each word of `search` must be found in a team's name or abbreviation, or begin the date or the game's id.
        """
        conditions, values = _search(search)
        with self._reading() as connection:
            if connection is None:
                return []
            found = connection.execute(
                f"SELECT * FROM games {conditions} ORDER BY start_time DESC, game_id DESC LIMIT :limit OFFSET :offset",  # noqa: S608 - conditions are ours
                {**values, "limit": limit, "offset": offset},
            ).fetchall()
            return [
                dict(game)
                | {
                    "totals": [
                        dict(row)
                        for row in connection.execute(_OF_GAME.format("xg_by_team"), (game["game_id"], game["model"]))
                    ]
                }
                for game in found
            ]

    def count_games(self, search: str = "") -> int:
        """How many games `games` finds in all."""
        conditions, values = _search(search)
        found = self._read(f"SELECT count(*) AS found FROM games {conditions}", values)  # noqa: S608
        return int(found[0]["found"]) if found else 0

    def models(self) -> list[dict[str, Any]]:
        """The models that have scored shots: `model`, `population`, `games` and `shots` each, the latest used first."""
        return self._read(
            """
            SELECT model, population, count(DISTINCT game_id) AS games, sum(shots) AS shots
            FROM game_totals JOIN models USING (model) GROUP BY model ORDER BY first_used_at DESC
            """
        )

    def calibration(self, model: str) -> list[dict[str, Any]]:
        """A model's scored shots by `step` of probability: `shots`, and sums of `xg`, `goals` and `log_loss`."""
        return self._read(
            """
            SELECT step, sum(shots) AS shots, sum(xg) AS xg, sum(goals) AS goals, sum(log_loss) AS log_loss
            FROM game_totals WHERE model = ? GROUP BY step ORDER BY step
            """,
            (model,),
        )

    def teams(self, model: str, season: int | None = None) -> list[dict[str, Any]]:
        """Each team's sums over its games under a model: `games`, `xg`, `goals`, `xg_against`, `goals_against`.

        A game counts for both of its teams once the model has scored a shot of it.
        """
        return self._read(
            """
            WITH sides AS (
                SELECT game_id, is_home, sum(xg) AS xg, sum(goals) AS goals
                FROM game_totals WHERE model = :model GROUP BY game_id, is_home
            ), lines AS (
                SELECT iif(side, home_abbrev, away_abbrev) AS team, iif(side, home_name, away_name) AS name, start_time,
                    coalesce(own.xg, 0) AS xg, coalesce(own.goals, 0) AS goals,
                    coalesce(other.xg, 0) AS xg_against, coalesce(other.goals, 0) AS goals_against
                FROM (SELECT DISTINCT game_id FROM sides)
                JOIN games USING (game_id)
                JOIN (SELECT 0 AS side UNION ALL SELECT 1)
                LEFT JOIN sides own ON own.game_id = games.game_id AND own.is_home = side
                LEFT JOIN sides other ON other.game_id = games.game_id AND other.is_home = 1 - side
                WHERE :season IS NULL OR season = :season
            )
            SELECT team, name, max(start_time) AS last_game, count(*) AS games, sum(xg) AS xg, sum(goals) AS goals,
                sum(xg_against) AS xg_against, sum(goals_against) AS goals_against
            FROM lines GROUP BY team ORDER BY team
            """,
            {"model": model, "season": season},
        )

    def seasons(self) -> list[int]:
        """The seasons that the stored games are of, the latest first."""
        return [row["season"] for row in self._read("SELECT DISTINCT season FROM games ORDER BY season DESC")]

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection on which all questions are answered as of one moment; None while there is no history yet."""
        if not is_there(self._path):
            yield None
            return
        with reading(self._path, MIGRATIONS) as connection:
            yield connection

    def _read(self, query: str, parameters: tuple[Any, ...] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query, parameters)] if connection else []


_OF_GAME: Final = "SELECT * FROM {} WHERE game_id = ? AND model IS ?"
_MODELS_OF_GAME: Final = """
    SELECT m.model, m.population FROM games g JOIN models m ON m.model = g.model
        OR EXISTS (SELECT 1 FROM predictions p WHERE p.game_id = g.game_id AND p.model = m.model)
    WHERE g.game_id = ? ORDER BY m.first_used_at
"""
_SHOTS_OF_GAME: Final = """
    SELECT *, total(iif(status = 'retracted', 0, probability)) OVER (
        PARTITION BY is_home ORDER BY period, seconds, position
    ) AS running_xg
    FROM shot_probabilities WHERE game_id = ? AND model IS ?
    ORDER BY period, seconds, position
"""


def _search(text: str) -> tuple[str, dict[str, str]]:
    """The condition, and its values, for what `History.games` describes."""
    words = {f"word{number}": word.lower() for number, word in enumerate(text.split()[:10])}
    found = [
        f"(instr(lower(home_name || ' ' || home_abbrev || ' ' || away_name || ' ' || away_abbrev), :{name}) > 0"
        f" OR substr(start_time, 1, length(:{name})) = :{name} OR substr(game_id, 1, length(:{name})) = :{name})"
        for name in words
    ]
    return (f"WHERE {' AND '.join(found)}" if found else ""), words


def _sum_up(connection: sqlite3.Connection, game_id: int) -> None:
    """Bring a game's rows of `game_totals` up to date."""
    connection.execute("DELETE FROM game_totals WHERE game_id = ?", (game_id,))
    connection.execute(f"INSERT INTO game_totals {SUMS_OF_SHOTS} AND game_id = ? GROUP BY 1, 2, 3, 4", (game_id,))


def _store_power_plays(connection: sqlite3.Connection, game_id: int, power_plays: Sequence[PowerPlayRow]) -> None:
    rows = connection.execute("SELECT start_s, end_s, is_home FROM power_plays WHERE game_id = ?", (game_id,))
    if {tuple(row) for row in rows} == {(p.start_s, p.end_s, p.is_home) for p in power_plays}:
        return
    connection.execute("DELETE FROM power_plays WHERE game_id = ?", (game_id,))
    connection.executemany(
        "INSERT INTO power_plays (game_id, start_s, end_s, is_home) VALUES (?, ?, ?, ?)",
        [(game_id, p.start_s, p.end_s, p.is_home) for p in power_plays],
    )


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
