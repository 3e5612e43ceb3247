"""Reads and changes the history of games."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from db import times
from db.connection import is_there, open_writer, reading, transaction
from db.history import recording
from db.history.as_of import AsOf, game_as_of
from db.history.moment import Moment
from db.history.outbox import News
from db.history.rows import SEASON, GameUpdate, Recorded, Scores, StoredGame
from db.history.schema import MIGRATIONS
from db.words import folded

_ID_DIGITS: Final = 10
_OF_GAME: Final = "SELECT * FROM {} WHERE game_id = :game_id AND model IS :model"
_SCORED: Final = "SELECT event_id FROM predictions WHERE game_id = ? AND model = ?"
_TABLES_OF_GAMES: Final = """
    SELECT t.name FROM sqlite_schema t, pragma_table_info(t.name) c WHERE t.type = 'table' AND c.name = 'game_id'
"""
_FINISHED_SHOTS: Final = """
    SELECT game_id, g.season, g.game_date, s.event_id, s.outcome, s.features FROM games g JOIN shots s USING (game_id)
    WHERE g.state = 'final' AND g.competition = ? AND s.retracted_at IS NULL ORDER BY game_id, s.position
"""
_UNSCORED_GAMES: Final = """
    SELECT game_id FROM games
    WHERE (:season IS NULL OR season = :season) AND (:since IS NULL OR game_date >= :since) AND EXISTS (
        SELECT 1 FROM shots s WHERE s.game_id = games.game_id AND retracted_at IS NULL
            AND (:population <> 'on-goal' OR outcome <> 'missed-shot') AND NOT EXISTS (
                SELECT 1 FROM predictions p
                WHERE p.game_id = s.game_id AND p.event_id = s.event_id AND p.model = :model
            )
    )
    ORDER BY start_time DESC, game_id DESC
"""
# MATERIALIZED and CROSS JOIN: find the games first, since predictions are many
_PAIRS: Final = """
    WITH chosen AS MATERIALIZED (
        SELECT game_id FROM game_models o JOIN games USING (game_id)
        WHERE o.model IN (:one, :other) AND state = 'final' AND competition = :competition
            AND (:season IS NULL OR season = :season) AND season NOT IN (SELECT value FROM json_each(:without))
        GROUP BY game_id HAVING count(*) = 2 ORDER BY start_time DESC, game_id DESC LIMIT :latest
    )
    SELECT p.game_id, p.season, p.is_goal, p.situation, p.probability, p.other_probability
    FROM chosen CROSS JOIN model_pairs p USING (game_id) WHERE p.model = :one AND p.other = :other
"""
_BEFORE: Final = """
    SELECT {} FROM games
    WHERE season = :season AND game_date < :before AND state = 'final' AND competition = 'season'
"""
_LEAGUE_BEFORE: Final = _BEFORE.format("count(*) AS games, coalesce(sum(home_score + away_score), 0) AS goals")
# CROSS JOIN: find the games first, since their sums are many
_TEAMS_BEFORE: Final = f"""
    WITH earlier AS MATERIALIZED ({_BEFORE.format("game_id, home_id, away_id")}),
    own AS (
        SELECT game_id, home_id AS team_id, 1 AS side FROM earlier WHERE home_id IN (:home_id, :away_id)
        UNION ALL
        SELECT game_id, away_id, 0 FROM earlier WHERE away_id IN (:home_id, :away_id)
    )
    SELECT team_id, count(DISTINCT game_id) AS games,
        total(xg) FILTER (WHERE is_home = side) AS xg,
        coalesce(sum(goals) FILTER (WHERE is_home = side), 0) AS goals,
        total(xg) FILTER (WHERE is_home <> side) AS xg_against,
        coalesce(sum(goals) FILTER (WHERE is_home <> side), 0) AS goals_against
    FROM own CROSS JOIN game_totals USING (game_id) WHERE model = :model GROUP BY team_id
"""  # noqa: S608 - the queries are ours
_MODELS_OF_GAME: Final = """
    SELECT m.model, m.population FROM games g JOIN models m ON m.model = g.model
        OR m.model IN (SELECT o.model FROM game_models o WHERE o.game_id = g.game_id)
    WHERE g.game_id = :game_id ORDER BY m.first_used_at
"""
_ATTEMPTS_OF_GAME: Final = "SELECT * FROM attempts WHERE game_id = :game_id ORDER BY period, seconds, event_id"
_BLOCKED_OF_GAME: Final = """
    SELECT * FROM blocked_attempts WHERE game_id = :game_id AND retracted_at IS NULL ORDER BY period, seconds, event_id
"""
_SHOTS_OF_GAME: Final = """
    SELECT *, total(iif(status = 'retracted', 0, probability)) OVER (
        PARTITION BY is_home ORDER BY period, seconds, position
    ) AS running_xg
    FROM shot_probabilities WHERE game_id = :game_id AND model IS :model
    ORDER BY period, seconds, position
"""
_LAST_SHOT: Final = """
    SELECT max((period - 1) * 1200 + seconds) AS second FROM {} WHERE game_id = :game_id AND retracted_at IS NULL
"""
_WAS_FOLLOWED: Final = """
    SELECT EXISTS (SELECT 1 FROM game_states WHERE game_id = :game_id AND state = 'live') AS followed
"""
_GOAL_MARKS: Final = """
    SELECT (period - 1) * 1200 + seconds AS second, is_home FROM {}
    WHERE game_id = :game_id AND outcome = 'goal' AND retracted_at IS NULL ORDER BY 1, position
"""
_FIRST_SEEN: Final = "SELECT min(seen_at) FROM game_states WHERE game_id = :game_id"
# a goal is first seen with its shot, or when the league makes a goal of the shot
_LAST_GOAL_SEEN: Final = """
    SELECT max(coalesce(
        (
            SELECT max(c.corrected_at) FROM corrections c
            WHERE c.game_id = s.game_id AND c.event_id = s.event_id AND c.what = 'outcome' AND c.after = 'goal'
        ),
        s.first_seen_at
    ))
    FROM shots s WHERE s.game_id = :game_id AND s.outcome = 'goal' AND s.retracted_at IS NULL
        AND s.first_seen_at > (SELECT min(seen_at) FROM game_states WHERE game_id = :game_id)
"""
_CORRECTIONS_OF_GAME: Final = """
    SELECT * FROM correction_log WHERE game_id = :game_id ORDER BY corrected_at DESC, event_id
"""


class History:
    """The history of games in one SQLite file, shared by any number of processes on one machine.

    Each call opens the file, works in one transaction and closes it, so an instance may be used from any thread.
    All methods raise `db.connection.DatabaseError` when the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def record_all(self, updates: Iterable[GameUpdate], news: News | None = None) -> list[Recorded]:
        """Compare whole answers of the feed with what is stored, and store what changed, in one transaction.

        New shots are added wherever they stand. A shot that is missing from the feed is marked retracted, and restored
        when it returns. A changed outcome is updated. Changed inputs mark a shot amended for the models that had scored
        it. Unreadable events stay as stored. A shot that a model has already scored keeps its first prediction.

        Of what a ping changes, `news` finds what to tell; it is written for the addresses that want it.
        """
        now = times.now()
        with self._writing() as connection:
            return [recording.record(connection, update, now, news) for update in updates]

    def add_scores(self, scores: Mapping[int, Scores]) -> int:
        """Store a model's predictions for shots of stored games, by game id, in one transaction; return how many.

        Nothing else of the games changes. A shot that the model has already scored keeps its first prediction.
        """
        now = times.now()
        with self._writing() as connection:
            return sum(recording.add_scores(connection, game_id, of_game, now) for game_id, of_game in scores.items())

    def forget(self, game_id: int) -> None:
        """Delete everything stored of a game, as if it had never been pinged."""
        if not is_there(self._path):
            return
        with self._writing() as connection:
            recording.subtract_game(connection, game_id)
            connection.execute("PRAGMA defer_foreign_keys = ON")
            for (table,) in connection.execute(_TABLES_OF_GAMES).fetchall():
                connection.execute(f"DELETE FROM {table} WHERE game_id = ?", (game_id,))  # noqa: S608 - names are ours

    def confirm(self, game_id: int, fingerprint: str, stale_at: str | None = None) -> bool:
        """Note a ping with the fingerprint of the last complete one; return False if the game's is different."""
        if not is_there(self._path):
            return False
        with self._writing() as connection:
            values = (times.now(), stale_at, game_id, fingerprint)
            update = "UPDATE games SET pinged_at = ?, stale_at = ? WHERE game_id = ? AND fingerprint = ?"
            return connection.execute(update, values).rowcount > 0

    def note_ping(self, game_id: int, stale_at: str | None) -> None:
        """Note a ping that found nothing to store."""
        with self._writing() as connection:
            values = (times.now(), stale_at, game_id)
            connection.execute("UPDATE games SET pinged_at = ?, stale_at = ? WHERE game_id = ?", values)

    def scored(self, game_ids: Iterable[int], model: str) -> dict[int, set[int]]:
        """Return the event ids that a model has scored, by game."""
        with self._reading() as connection:
            return {
                game_id: {row["event_id"] for row in connection.execute(_SCORED, (game_id, model))}
                if connection
                else set()
                for game_id in game_ids
            }

    def unscored_games(
        self, model: str, population: str, season: int | None = None, since: str | None = None
    ) -> list[int]:
        """Return the games with a shot of the model's population that it has not scored, the latest first.

        They are of one season or all, from the league's date `since` (ISO 8601) on. Some of their shots may lack
        inputs that the model requires.
        """
        values = {"model": model, "population": population, "season": season, "since": since}
        return [row["game_id"] for row in self._read(_UNSCORED_GAMES, values)]

    def stored_updates(self, game_ids: Iterable[int]) -> list[GameUpdate]:
        """Return stored games as answers of the feed that change nothing; retracted shots are left out."""
        with self._reading() as connection:
            if connection is None:
                return []
            query = "SELECT * FROM games WHERE game_id = ?"
            games = (connection.execute(query, (game_id,)).fetchone() for game_id in game_ids)
            return [recording.stored_update(connection, game) for game in games if game is not None]

    def fingerprints(self) -> dict[str, int]:
        """Return the ids of the games whose last ping was complete, by fingerprint."""
        rows = self._read("SELECT fingerprint, game_id FROM games WHERE fingerprint IS NOT NULL")
        return {row["fingerprint"]: row["game_id"] for row in rows}

    def state(self, game_id: int) -> str | None:
        """Return the state of a game; None if it was never pinged."""
        row = self.game_row(game_id)
        return row["state"] if row else None

    def game_row(self, game_id: int) -> dict[str, Any] | None:
        """Return the row of a game; None if it was never pinged."""
        return self.game_rows([game_id]).get(game_id)

    def game_rows(self, game_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
        """Return the rows of games by their ids; games that were never pinged are left out."""
        with self._reading() as connection:
            if connection is None:
                return {}
            query = "SELECT * FROM games WHERE game_id = ?"
            rows = (connection.execute(query, (game_id,)).fetchone() for game_id in game_ids)
            return {row["game_id"]: dict(row) for row in rows if row is not None}

    def games_at(self, game_ids: Iterable[int], moment: Moment | None) -> dict[int, dict[str, Any]]:
        """Return the rows of games as of a moment by their ids: state, clock and score as the pings had seen them.

        Games that were first pinged later are left out: nothing may be shown of them but teams and start.
        """
        with self._reading() as connection:
            if connection is None:
                return {}
            wall = moment.wall if moment else None
            rows = {game_id: game_as_of(connection, game_id, wall) for game_id in game_ids}
            return {game_id: row for game_id, row in rows.items() if row is not None}

    def first_seen(self, game_id: int) -> str | None:
        """Return when a game was first pinged; None if it never was."""
        found: str | None = self._first(_FIRST_SEEN, game_id)
        return found

    def last_goal_seen(self, game_id: int) -> str | None:
        """Return when the goal of a game was first seen that was seen last; None if it has none.

        What the first ping found does not count: nothing says how old it was.
        """
        found: str | None = self._first(_LAST_GOAL_SEEN, game_id)
        return found

    def incomplete_games(self, since: str) -> list[dict[str, Any]]:
        """Return the rows of games started after `since` that are over but not official, or lack their "game-end"."""
        return self._read(
            "SELECT * FROM games WHERE start_time > ? AND (state = 'over' OR (state = 'final' AND NOT has_end))",
            (since,),
        )

    def finished_shots(self) -> Iterator[tuple[int, int, str, int, str, str]]:
        """Yield the shots of all official games of regular seasons and playoffs, by game in play order.

        Each is game id, season, the league's date, event id, outcome, and the features as JSON. Retracted shots are
        left out.
        """
        with self._reading() as connection:
            if connection is not None:
                yield from map(tuple, connection.execute(_FINISHED_SHOTS, (SEASON,)))

    def read_game(self, game_id: int, model: str | None = None, moment: Moment | None = None) -> StoredGame | None:
        """Return everything stored of a game under a model; None if the game was never pinged.

        The model is that of the last complete ping if `model` is None or has not scored the game. With a moment, the
        game is returned as of then; None if it was first pinged later.
        """
        with self._reading() as connection:
            if connection is None:
                return None
            game = game_as_of(connection, game_id, moment.wall if moment else None)
            if game is None:
                return None
            rows = AsOf(connection, game, moment).rows if moment else _rows_of(connection, game_id)
            models = {row["model"]: row["population"] for row in rows(_MODELS_OF_GAME)}
            known = "known_shots" if moment else "shots"
            chosen = model if model in models else game["model"]
            return StoredGame(
                game=game,
                model=chosen,
                population=models.get(chosen),
                models=tuple(models),
                goals=rows(_OF_GAME.format("goal_log") + " ORDER BY period, seconds, position", model=chosen),
                shots=rows(_SHOTS_OF_GAME, model=chosen),
                last_shot_s=rows(_LAST_SHOT.format(known))[0]["second"] or 0,
                was_followed=bool(rows(_WAS_FOLLOWED)[0]["followed"]),
                goal_marks=tuple((row["second"], bool(row["is_home"])) for row in rows(_GOAL_MARKS.format(known))),
                corrections=rows(_CORRECTIONS_OF_GAME),
                attempts=rows(_ATTEMPTS_OF_GAME),
                blocked=rows(_BLOCKED_OF_GAME),
                manpower=recording.stored_manpower(connection, game_id, moment.wall if moment else None),
            )

    def games(
        self, search: str = "", *, limit: int = 50, offset: int = 0, moment: Moment | None = None
    ) -> list[dict[str, Any]]:
        """Return games, the latest first, each a row of `games` with its rows of `xg_by_team` as `totals`.

        With a moment, they are as of then; a game that was first pinged later looks as if it had not begun.

        Each word of `search` must be part of a team's name or abbreviation (accents and case are ignored), or begin the
        league's date or the game's id.
        """
        conditions, values = _search(search)
        with self._reading() as connection:
            if connection is None:
                return []
            query = (
                f"SELECT * FROM games {conditions} ORDER BY start_time DESC, game_id DESC LIMIT :limit OFFSET :offset"  # noqa: S608 - conditions are ours
            )
            found = connection.execute(query, {**values, "limit": limit, "offset": offset}).fetchall()
            return [_with_totals(connection, game, moment) for game in found]

    def count_games(self, search: str = "") -> int:
        """Return how many games `games` finds without a limit."""
        conditions, values = _search(search)
        found = self._read(f"SELECT count(*) AS found FROM games {conditions}", values)  # noqa: S608
        return int(found[0]["found"]) if found else 0

    def models(self) -> list[dict[str, Any]]:
        """Return the models that have scored shots: that of the latest game first, then the newest.

        So the active model comes before challengers that were loaded later. Each has `model`, `population`,
        `trained_on` (a JSON list of seasons; None if its card does not say), and the number of `games` and `shots` of
        regular seasons and playoffs.
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
            WHERE all_games > 0 ORDER BY
                model IS (SELECT g.model FROM games g ORDER BY g.start_time DESC, g.game_id DESC LIMIT 1) DESC,
                first_used_at DESC
            """
        )

    def calibration(self, model: str, competition: str = SEASON) -> list[dict[str, Any]]:
        """Return sums of a model's scored shots by `season` and `step` of probability, in one competition.

        The sums are `shots`, `xg`, `goals`, `log_loss` and `variance` (of the goals, with each shot as a Bernoulli
        trial of probability xG).
        """
        return self._read(
            """
            SELECT season, step, shots, xg, goals, log_loss, variance FROM step_totals
            WHERE model = ? AND competition = ? AND shots > 0 ORDER BY season, step
            """,
            (model, competition),
        )

    def teams(
        self, model: str, season: int | None = None, competition: str = SEASON, *, without: int | None = None
    ) -> list[dict[str, Any]]:
        """Return each team's sums under a model: `games`, `xg`, `goals`, `xg_against`, `goals_against`.

        They leave out the game `without`.

        They cover one competition, by default regular seasons and playoffs, in one season or in all. A game counts for
        both of its teams once the model has scored a shot of it.
        """
        return self._read(
            """
            SELECT team, sum(games) AS games, sum(xg) AS xg, sum(goals) AS goals,
                sum(xg_against) AS xg_against, sum(goals_against) AS goals_against
            FROM (
                SELECT model, competition, season, team, games, xg, goals, xg_against, goals_against FROM team_totals
                UNION ALL
                SELECT model, competition, season, team, -1, -xg, -goals, -xg_against, -goals_against FROM team_games
                WHERE game_id = :without
            )
            WHERE model = :model AND competition = :competition AND (:season IS NULL OR season = :season)
            GROUP BY team HAVING sum(games) > 0 ORDER BY team
            """,
            {"model": model, "season": season, "competition": competition, "without": without},
        )

    def strengths(
        self, model: str, season: int | None = None, competition: str = SEASON, *, without: int | None = None
    ) -> list[dict[str, Any]]:
        """Return sums of the finished games that a model has rated, by `strength`, over both teams.

        The sums are `games`, `seconds`, `shots`, `xg` and `goals`; games whose manpower is unknown are left out, and so
        is the game `without`. They cover one competition, in one season or in all.
        """
        return self._read(
            """
            SELECT strength, sum(games) AS games, sum(seconds) AS seconds, sum(shots) AS shots, sum(xg) AS xg,
                sum(goals) AS goals
            FROM (
                SELECT strength, games, seconds, shots, xg, goals FROM strength_totals
                WHERE model = :model AND games > 0 AND competition = :competition
                    AND (:season IS NULL OR season = :season)
                UNION ALL
                SELECT strength, -1, -sum(seconds), -sum(shots), -sum(xg), -sum(s.goals)
                FROM game_strengths s JOIN games USING (game_id)
                WHERE game_id = :without AND s.model = :model AND competition = :competition
                    AND (:season IS NULL OR season = :season)
                GROUP BY strength
            )
            GROUP BY strength HAVING sum(games) > 0
            """,
            {"model": model, "season": season, "competition": competition, "without": without},
        )

    def season_before(self, game: Mapping[str, Any], model: str | None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """Return what was played of a game's season before its date: of the league, and of its two teams.

        `game` is the game's row. The league's row has `games` and their `goals`; each row of a team has `team_id`,
        `games`, `xg`, `goals`, `xg_against` and `goals_against` over the games that the model has rated.
        """
        values = {"season": game["season"], "before": game["game_date"], "model": model}
        teams = {"home_id": game["home_id"], "away_id": game["away_id"]}
        league = self._read(_LEAGUE_BEFORE, values)
        return league[0] if league else {"games": 0, "goals": 0}, self._read(_TEAMS_BEFORE, values | teams)

    def pairs(
        self,
        one: str,
        other: str,
        season: int | None = None,
        competition: str = SEASON,
        *,
        without: Collection[int] = (),
        latest: int,
    ) -> Iterator[tuple[int, int, int, str, float, float]]:
        """Yield the shots of official games that two models have both rated, the latest game first.

        Each is game id, season, whether it is a goal, its situation, and the two probabilities. They cover one
        competition, one season or all but those in `without`, and at most the `latest` games.
        """
        values = {"one": one, "other": other, "season": season, "competition": competition, "latest": latest}
        with self._reading() as connection:
            if connection is not None:
                yield from map(tuple, connection.execute(_PAIRS, values | {"without": json.dumps(sorted(without))}))

    def competitions(self, model: str) -> list[str]:
        """Return the competitions in which a model has scored games: `season`, then others by name."""
        rows = self._read(
            """
            SELECT competition FROM team_totals WHERE model = ? AND games > 0
            GROUP BY competition ORDER BY competition <> 'season', competition
            """,
            (model,),
        )
        return [row["competition"] for row in rows]

    def seasons(self) -> list[int]:
        """Return the seasons of the stored games, the latest first."""
        # steps from one season to the next, since DISTINCT would read every game
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
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """Open the history for one transaction."""
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            yield connection

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """Open the history as of one moment; None while there is no history yet."""
        if not is_there(self._path):
            yield None
            return
        with reading(self._path, MIGRATIONS) as connection:
            yield connection

    def _first(self, query: str, game_id: int) -> Any:
        """Return the first value that a query finds of a game."""
        rows = self._read(query, {"game_id": game_id})
        return next(iter(rows[0].values())) if rows else None

    def _read(self, query: str, parameters: tuple[Any, ...] | Mapping[str, Any] = ()) -> list[dict[str, Any]]:
        with self._reading() as connection:
            return [dict(row) for row in connection.execute(query, parameters)] if connection else []


def _rows_of(connection: sqlite3.Connection, game_id: int) -> Callable[..., list[dict[str, Any]]]:
    """Return a function that returns the rows of a query, which may use `:game_id` and further named values."""

    def rows(query: str, **values: object) -> list[dict[str, Any]]:
        return [dict(row) for row in connection.execute(query, {"game_id": game_id, **values})]

    return rows


def _with_totals(connection: sqlite3.Connection, row: sqlite3.Row, moment: Moment | None) -> dict[str, Any]:
    """Return a row of `games` with its rows of `xg_by_team`, as of a moment."""
    game, query = dict(row), _OF_GAME.format("xg_by_team")
    if moment is None or moment.wall is None or game["pinged_at"] <= moment.wall:
        return game | {"totals": _rows_of(connection, game["game_id"])(query, model=game["model"])}
    then = game_as_of(connection, game["game_id"], moment.wall)
    if then is None:
        return game | {"state": "not started", "away_score": 0, "home_score": 0, "totals": []}
    return then | {"totals": AsOf(connection, then, moment).rows(query, model=then["model"])}


def _search(text: str) -> tuple[str, dict[str, str | int]]:
    """Return a WHERE clause with its values for the search that `History.games` describes."""
    conditions: list[str] = []
    values: dict[str, str | int] = {}
    for number, word in enumerate(folded(text).split()[:10]):
        values[f"word{number}"] = word
        if not word.strip("0123456789-"):  # a date or an id, which the indexes find
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
