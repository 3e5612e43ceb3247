"""history.db: games, their shots with features, what each model said of them, and what the league corrected."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import msgspec

from db import times
from db.connection import is_there, open_writer, reading, transaction
from db.history_schema import MIGRATIONS, SUMS_OF_SHOTS
from db.words import folded


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
    game_date: str  # the league's, ISO 8601
    problems: str | None = None
    start_is_known: bool = True
    overtime_seconds: int | None = None
    has_end: bool = True
    time_stamp: str | None = None
    events: str | None = None


@dataclass(frozen=True)  # without slots it goes twice as fast from one process to another
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


SEASON: Final = "season"  # the competition of regular season and playoffs, which season sums are of
Prediction = tuple[int, float, Mapping[str, Any]]  # event id, probability, inputs


@dataclass(frozen=True, slots=True)
class Scores:
    """What one model answered for all shots of a game that it had not scored; none is an answer too."""

    model: str
    population: str
    predictions: Sequence[Prediction]
    fingerprint: str | None = None  # of all that the game's rows were made of; see `History.confirm`
    trained_on: Sequence[int] | None = None  # the seasons that the model learned from, if its card tells


@dataclass(frozen=True, slots=True)
class GameUpdate:
    """One answer of the feed as rows, with the scores of what was new in it, if there are any yet."""

    game: GameRow
    shots: Sequence[ShotRow]
    power_plays: Sequence[PowerPlayRow] | None = ()  # None: as they were
    unreadable: Collection[int] | None = ()  # events in it that nobody can tell what they are; None: they may be any
    scores: Scores | None = None
    stale_at: str | None = None  # until when the feed has nothing newer, by its own word


@dataclass(frozen=True, slots=True)
class Correction:
    """One change that the league made to a shot we had stored."""

    event_id: int
    what: str  # retracted, restored, outcome or amended
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Recorded:
    """What an update changed in the history."""

    new: tuple[int, ...] = ()  # event ids not seen before, in the feed's order
    corrections: tuple[Correction, ...] = ()
    scored: int = 0  # new predictions
    has_new_problems: bool = False  # whether the game has problems, and other ones than before


@dataclass(frozen=True, slots=True)
class StoredGame:
    """All that is stored of one game under one model, as of one moment; rows are those of the views."""

    game: dict[str, Any]
    model: str | None
    population: str | None  # of the model
    models: tuple[str, ...]  # that of the last complete ping, and all that have scored the game; the oldest here first
    goals: list[dict[str, Any]]  # of `goal_log`, in play order
    shots: list[dict[str, Any]]  # of `shot_probabilities`, in play order, with each team's `running_xg`
    corrections: list[dict[str, Any]]  # of `correction_log`, newest first
    power_plays: tuple[PowerPlayRow, ...]


_GAME_COLUMNS: Final = tuple(field.name for field in fields(GameRow))
_SHOT_COLUMNS: Final = tuple(field.name for field in fields(ShotRow))
_of_shot: Final = attrgetter(*_SHOT_COLUMNS)
_FEATURES: Final = _SHOT_COLUMNS.index("features")
_NEW_SHOT: Final = ("game_id", "first_seen_at", *_SHOT_COLUMNS)
_INSERT_SHOT: Final = f"INSERT INTO shots ({', '.join(_NEW_SHOT)}) VALUES ({', '.join('?' * len(_NEW_SHOT))})"  # noqa: S608


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
        power_plays: Sequence[PowerPlayRow] | None = (),
        unreadable: Collection[int] | None = (),
        scores: Scores | None = None,
    ) -> Recorded:
        """`record_all` of one game."""
        return self.record_all([GameUpdate(game, shots, power_plays, unreadable, scores)])[0]

    def record_all(self, updates: Iterable[GameUpdate]) -> list[Recorded]:
        """Store whole answers of the feed, comparing each with what is there, all in one transaction.

        New shots are added wherever they stand; a shot that left the feed is marked retracted, and restored when it
        returns; a changed outcome is updated; changed inputs of a shot mark it amended for the models that scored it
        before. What is known of unreadable events stays as it is. A shot that a model has already scored keeps its
        first prediction.
        """
        now = times.now()
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            return [_record(connection, update, now) for update in updates]

    def scored(self, game_ids: Iterable[int], model: str) -> dict[int, set[int]]:
        """The event ids that a model has scored, of each of the games."""
        with self._reading() as connection:
            return {
                game_id: {row["event_id"] for row in connection.execute(_SCORED, (game_id, model))}
                if connection
                else set()
                for game_id in game_ids
            }

    def forget(self, game_id: int) -> None:
        """Remove all that is stored of a game, as if it had never been pinged."""
        if not is_there(self._path):
            return
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            _take_out(connection, game_id)
            connection.execute("PRAGMA defer_foreign_keys = ON")
            for (table,) in connection.execute(_TABLES_OF_GAMES).fetchall():
                connection.execute(f"DELETE FROM {table} WHERE game_id = ?", (game_id,))  # noqa: S608 - names are ours

    def confirm(self, game_id: int, fingerprint: str, stale_at: str | None = None) -> bool:
        """Note a ping that found what the last complete one did: the same answer, read by the same code and model.

        False, and nothing is noted, if the game's fingerprint is another one.
        """
        if not is_there(self._path):
            return False
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            values = (times.now(), stale_at, game_id, fingerprint)
            update = "UPDATE games SET pinged_at = ?, stale_at = ? WHERE game_id = ? AND fingerprint = ?"
            noted = connection.execute(update, values)
            return noted.rowcount > 0

    def note_ping(self, game_id: int, stale_at: str | None) -> None:
        """Note a ping that found nothing to store."""
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            values = (times.now(), stale_at, game_id)
            connection.execute("UPDATE games SET pinged_at = ?, stale_at = ? WHERE game_id = ?", values)

    def fingerprints(self) -> dict[str, int]:
        """Those of all games whose last ping was complete, each with the game's id."""
        rows = self._read("SELECT fingerprint, game_id FROM games WHERE fingerprint IS NOT NULL")
        return {row["fingerprint"]: row["game_id"] for row in rows}

    def state(self, game_id: int) -> str | None:
        """Where a game stands; None if it was never pinged."""
        row = self.game_row(game_id)
        return row["state"] if row else None

    def game_row(self, game_id: int) -> dict[str, Any] | None:
        """The row of a game; None if it was never pinged."""
        return self.game_rows([game_id]).get(game_id)

    def game_rows(self, game_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """The rows of some games by their ids, without those that were never pinged."""
        with self._reading() as connection:
            if connection is None:
                return {}
            query = "SELECT * FROM games WHERE game_id = ?"
            rows = (connection.execute(query, (game_id,)).fetchone() for game_id in game_ids)
            return {row["game_id"]: dict(row) for row in rows if row is not None}

    def incomplete_games(self, since: str) -> list[dict[str, Any]]:
        """The rows of games that began since then, and are over, but not official or without the end of their plays."""
        return self._read(
            "SELECT * FROM games WHERE start_time > ? AND (state = 'over' OR (state = 'final' AND NOT has_end))",
            (since,),
        )

    def finished_shots(self) -> Iterator[tuple[int, int, str, int, str, str]]:
        """The shots of all official games of regular seasons and playoffs, by game in play order.

        Game, season, the league's date, event, outcome, and the features as JSON. What the league took back is no shot.
        """
        with self._reading() as connection:
            if connection is not None:
                yield from map(tuple, connection.execute(_FINISHED_SHOTS, (SEASON,)))

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

        Each word of `search` must be found in a team's name or abbreviation, accents and case apart, or begin the
        league's date or the game's id.
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
        """The models that have scored shots, newest first.

        `model`, `population`, `trained_on` (a JSON list of seasons; None if its card does not tell), and the `games`
        and `shots` of regular seasons and playoffs.
        """
        return self._read(
            """
            SELECT model, population, trained_on, games / 2 AS games, shots  -- each game is one of two teams
            FROM (
                SELECT model, coalesce(sum(games) FILTER (WHERE competition = 'season'), 0) AS games,
                    sum(games) AS all_games
                FROM team_totals GROUP BY model
            ) JOIN (
                SELECT model, coalesce(sum(shots) FILTER (WHERE competition = 'season'), 0) AS shots
                FROM step_totals GROUP BY model
            ) USING (model)
            JOIN models USING (model)
            WHERE all_games > 0 ORDER BY first_used_at DESC
            """
        )

    def calibration(self, model: str, competition: str = SEASON) -> list[dict[str, Any]]:
        """A model's scored shots by `season` and `step` of probability, in one competition.

        `shots`, and sums of `xg`, `goals`, `log_loss` and `variance` (of the goals, were each shot a coin with its xG).
        """
        return self._read(
            """
            SELECT season, step, shots, xg, goals, log_loss, variance FROM step_totals
            WHERE model = ? AND competition = ? AND shots > 0 ORDER BY season, step
            """,
            (model, competition),
        )

    def teams(self, model: str, season: int | None = None, competition: str = SEASON) -> list[dict[str, Any]]:
        """Each team's sums over its games under a model: `games`, `xg`, `goals`, `xg_against`, `goals_against`.

        Of one competition: regular seasons and playoffs unless told otherwise. A game counts for both of its teams
        once the model has scored a shot of it.
        """
        return self._read(
            """
            SELECT team, sum(games) AS games, sum(xg) AS xg, sum(goals) AS goals,
                sum(xg_against) AS xg_against, sum(goals_against) AS goals_against
            FROM team_totals WHERE model = :model AND games > 0 AND competition = :competition
                AND (:season IS NULL OR season = :season)
            GROUP BY team ORDER BY team
            """,
            {"model": model, "season": season, "competition": competition},
        )

    def competitions(self, model: str) -> list[str]:
        """The competitions that a model has scored games of: `season`, then others by name."""
        rows = self._read(
            """
            SELECT competition FROM team_totals WHERE model = ? AND games > 0
            GROUP BY competition ORDER BY competition <> 'season', competition
            """,
            (model,),
        )
        return [row["competition"] for row in rows]

    def seasons(self) -> list[int]:
        """The seasons that the stored games are of, the latest first."""
        # from one to the next, since DISTINCT would look at every game
        rows = self._read(
            """
            WITH RECURSIVE found (season) AS (
                SELECT max(season) FROM games
                UNION ALL
                SELECT (SELECT max(season) FROM games WHERE season < found.season) FROM found WHERE season IS NOT NULL
            )
            SELECT season FROM found WHERE season IS NOT NULL
            """
        )
        return [row["season"] for row in rows]

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


_ENDS: Final = ("over", "final")
_OF_GAME: Final = "SELECT * FROM {} WHERE game_id = ? AND model IS ?"
_ID_DIGITS: Final = 10
_AMEND: Final = "UPDATE predictions SET amended_at = ? WHERE game_id = ? AND event_id = ? AND model = ?"
_FINISHED_SHOTS: Final = """
    SELECT game_id, g.season, g.game_date, s.event_id, s.outcome, s.features FROM games g JOIN shots s USING (game_id)
    WHERE g.state = 'final' AND g.competition = ? AND s.retracted_at IS NULL ORDER BY game_id, s.position
"""
_SCORED: Final = "SELECT event_id FROM predictions WHERE game_id = ? AND model = ?"
_MODELS_OF_GAME: Final = """
    SELECT m.model, m.population FROM games g JOIN models m ON m.model = g.model
        OR m.model IN (SELECT o.model FROM game_models o WHERE o.game_id = g.game_id)
    WHERE g.game_id = ? ORDER BY m.first_used_at
"""
_SHOTS_OF_GAME: Final = """
    SELECT *, total(iif(status = 'retracted', 0, probability)) OVER (
        PARTITION BY is_home ORDER BY period, seconds, position
    ) AS running_xg
    FROM shot_probabilities WHERE game_id = ? AND model IS ?
    ORDER BY period, seconds, position
"""
# what the card tells is noted when it first does so
_NOTE_MODEL: Final = """
    INSERT INTO models (model, population, first_used_at, trained_on) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET trained_on = excluded.trained_on WHERE trained_on IS NULL
"""
_TABLES_OF_GAMES: Final = """
    SELECT t.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND c.name = 'game_id'
"""
_SUMMED_BY: Final = ("season", "game_type", "home_abbrev", "away_abbrev")
_ADD_TO_STEPS: Final = """
    INSERT INTO step_totals
    SELECT t.model, season, competition, step, :sign * sum(shots), :sign * sum(xg), :sign * sum(goals),
        :sign * sum(log_loss), :sign * sum(variance)
    FROM game_totals t JOIN games USING (game_id) WHERE game_id = :game_id GROUP BY 1, 2, 3, 4
    ON CONFLICT DO UPDATE SET shots = shots + excluded.shots, xg = xg + excluded.xg, goals = goals + excluded.goals,
        log_loss = log_loss + excluded.log_loss, variance = variance + excluded.variance
"""
_ADD_TO_TEAMS: Final = """
    INSERT INTO team_totals
    SELECT model, season, competition, team, :sign, :sign * xg, :sign * goals, :sign * xg_against, :sign * goals_against
    FROM team_games WHERE game_id = :game_id
    ON CONFLICT DO UPDATE SET games = games + excluded.games, xg = xg + excluded.xg, goals = goals + excluded.goals,
        xg_against = xg_against + excluded.xg_against, goals_against = goals_against + excluded.goals_against
"""


def _search(text: str) -> tuple[str, dict[str, str | int]]:
    """The condition, and its values, for what `History.games` describes."""
    conditions: list[str] = []
    values: dict[str, str | int] = {}
    for number, word in enumerate(folded(text).split()[:10]):
        values[f"word{number}"] = word
        if not word.strip("0123456789-"):  # never in a name, and found by the indexes
            found = f"game_date BETWEEN :word{number} AND :word{number} || '~'"
            if word.isdigit() and len(word) <= _ID_DIGITS:
                found += f" OR game_id BETWEEN :low{number} AND :high{number}"
                values |= {
                    f"low{number}": int(word.ljust(_ID_DIGITS, "0")),
                    f"high{number}": int(word.ljust(_ID_DIGITS, "9")),
                }
        else:
            found = f"instr(search_names, :word{number}) > 0"
        conditions.append(f"({found})")
    return (f"WHERE {' AND '.join(conditions)}" if conditions else ""), values


def _record(connection: sqlite3.Connection, update: GameUpdate, now: str) -> Recorded:
    game_id, scores = update.game.game_id, update.scores
    game = connection.execute("SELECT * FROM games WHERE game_id = ?", (game_id,)).fetchone()
    has_new_problems = update.game.problems not in (None, game and game["problems"])
    is_summed_elsewhere = game is not None and any(game[c] != getattr(update.game, c) for c in _SUMMED_BY)
    if is_summed_elsewhere:
        _take_out(connection, game_id)
    _store_game(connection, game, update, now)
    rows = connection.execute("SELECT * FROM shots WHERE game_id = ?", (game_id,))
    stored = {row["event_id"]: row for row in rows}
    new: dict[int, tuple[Any, ...]] = {}
    corrections: list[Correction] = []
    changed_sides = False
    for shot in update.shots:
        values = _shot_values(shot)
        before = stored.get(shot.event_id)
        if before is None:
            new[shot.event_id] = (game_id, now, *values)
            continue
        changes, found = _compare(connection, game_id, before, dict(zip(_SHOT_COLUMNS, values, strict=True)), now)
        if changes:
            _update_shot(connection, changes | {"game_id": game_id, "event_id": shot.event_id})
        corrections += found
        changed_sides = changed_sides or "is_home" in changes
    connection.executemany(_INSERT_SHOT, new.values())
    present = {shot.event_id for shot in update.shots}
    present |= stored.keys() if update.unreadable is None else set(update.unreadable)
    for event_id, row in stored.items():
        if event_id not in present and row["retracted_at"] is None:
            _update_shot(connection, {"game_id": game_id, "event_id": event_id, "retracted_at": now})
            corrections.append(Correction(event_id, "retracted", row["outcome"], None))
    connection.executemany(
        "INSERT INTO corrections (game_id, event_id, what, before, after, corrected_at) VALUES (?, ?, ?, ?, ?, ?)",
        [(game_id, c.event_id, c.what, c.before, c.after, now) for c in corrections],
    )
    if update.power_plays is not None:
        _store_power_plays(connection, game_id, update.power_plays)
    scored = _store_predictions(connection, game_id, scores, update.shots, now) if scores else 0
    if corrections or changed_sides or scored or is_summed_elsewhere:
        _sum_up(connection, game_id)
    return Recorded(tuple(new), tuple(corrections), scored, has_new_problems)


def _store_game(connection: sqlite3.Connection, before: sqlite3.Row | None, update: GameUpdate, now: str) -> None:
    values = {column: getattr(update.game, column) for column in _GAME_COLUMNS}
    scores = update.scores
    names = (update.game.home_name, update.game.home_abbrev, update.game.away_name, update.game.away_abbrev)
    values |= {"search_names": folded(" ".join(names))}
    values |= {"pinged_at": now, "stale_at": update.stale_at, "fingerprint": scores.fingerprint if scores else None}
    if before is not None and before["state"] != update.game.state:
        values["ended_at"] = now if update.game.state in _ENDS else None
    if scores:
        trained_on = None if scores.trained_on is None else _json(list(scores.trained_on))
        connection.execute(_NOTE_MODEL, (scores.model, scores.population, now, trained_on))
        values["model"] = scores.model
    _upsert(connection, "games", values, key=("game_id",))


def _store_predictions(
    connection: sqlite3.Connection,
    game_id: int,
    scores: Scores,
    shots: Sequence[ShotRow],
    now: str,
) -> int:
    if not scores.predictions:
        return 0
    features = {shot.event_id: shot.features for shot in shots}
    connection.execute("INSERT INTO game_models VALUES (?, ?) ON CONFLICT DO NOTHING", (game_id, scores.model))
    return connection.executemany(
        "INSERT INTO predictions VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [
            # an answer may be told again after the league has changed what it was asked with
            (game_id, event, scores.model, p, _json(inputs), now, None if _agrees(inputs, features[event]) else now)
            for event, p, inputs in scores.predictions
        ],
    ).rowcount


def _sum_up(connection: sqlite3.Connection, game_id: int) -> None:
    """Bring a game's rows of `game_totals`, and what it adds to the sums over all games, up to date."""
    _take_out(connection, game_id)
    connection.execute(f"INSERT INTO game_totals {SUMS_OF_SHOTS} AND game_id = ? GROUP BY 1, 2, 3, 4", (game_id,))
    _add_to_sums(connection, game_id, 1)


def _take_out(connection: sqlite3.Connection, game_id: int) -> None:
    """Take a game out of all sums."""
    _add_to_sums(connection, game_id, -1)
    connection.execute("DELETE FROM game_totals WHERE game_id = ?", (game_id,))


def _add_to_sums(connection: sqlite3.Connection, game_id: int, sign: int) -> None:
    for statement in (_ADD_TO_STEPS, _ADD_TO_TEAMS):
        connection.execute(statement, {"game_id": game_id, "sign": sign})


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
        told, tells = (msgspec.json.decode(row["features"]) for row in (before, after))
        shot = (game_id, event_id)
        scored = connection.execute(
            "SELECT model, inputs, amended_at FROM predictions WHERE game_id = ? AND event_id = ?", shot
        ).fetchall()
        is_amended = False
        for model, text, amended_at in scored:
            inputs = msgspec.json.decode(text)
            is_amended = is_amended or any(told.get(name) != tells.get(name) for name in inputs)
            since = None if _agrees(inputs, tells) else amended_at or now
            if since != amended_at:
                connection.execute(_AMEND, (since, *shot, model))
        if is_amended:
            corrections.append(Correction(event_id, "amended", before["features"], after["features"]))
    return changes, corrections


def _agrees(inputs: Mapping[str, Any], features: Mapping[str, Any]) -> bool:
    # the first is nearly always so, and takes a tenth of the time
    return inputs.items() <= features.items() or all(features.get(name) == value for name, value in inputs.items())


def _shot_values(shot: ShotRow) -> list[Any]:
    values = list(_of_shot(shot))
    values[_FEATURES] = _json(shot.features)
    return values


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


def _json(value: Mapping[str, Any] | list[int]) -> str:
    return msgspec.json.encode(value).decode()
