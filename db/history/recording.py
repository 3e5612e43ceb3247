"""Compare an answer of the feed with what is stored of its game, and store the difference.

All functions write inside the caller's transaction.
"""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from itertools import pairwise
from operator import attrgetter
from typing import Any, Final, NamedTuple

import msgspec

from db.history.outbox import News, seen_game, write_notices
from db.history.rows import BlockedRow, Correction, GameRow, GameUpdate, ManpowerRow, Recorded, Scores, ShotRow
from db.history.strengths import subtract_strengths, sum_up_strengths
from db.words import folded

_ENDS: Final = ("over", "final")
_GAME_COLUMNS: Final = tuple(field.name for field in fields(GameRow))
_SHOT_COLUMNS: Final = tuple(field.name for field in fields(ShotRow))
_of_shot: Final = attrgetter(*_SHOT_COLUMNS)
_FEATURES: Final = _SHOT_COLUMNS.index("features")
_NEW_SHOT: Final = ("game_id", "first_seen_at", *_SHOT_COLUMNS)
_INSERT_SHOT: Final = f"INSERT INTO shots ({', '.join(_NEW_SHOT)}) VALUES ({', '.join('?' * len(_NEW_SHOT))})"  # noqa: S608
# What a row of `games` and its state have in common: whatever later pings may change and readers are shown.
_STATE_COLUMNS: Final = (
    *("start_time", "start_is_known", "game_date", "state", "period", "period_type", "seconds_left", "in_intermission"),
    *("away_score", "home_score", "overtime_seconds", "has_end", "ended_at", "problems", "model"),
)
_INSERT_STATE: Final = f"""
    INSERT OR REPLACE INTO game_states (game_id, seen_at, is_complete, {", ".join(_STATE_COLUMNS)})
    SELECT game_id, pinged_at, fingerprint IS NOT NULL, {", ".join(_STATE_COLUMNS)} FROM games WHERE game_id = ?
"""  # noqa: S608 - names are ours
_VERSION_COLUMNS: Final = ", ".join(
    ("game_id", "event_id", "retracted_at", *(c for c in _SHOT_COLUMNS if c not in ("event_id", "position")))
)
_INSERT_VERSION: Final = f"""
    INSERT OR IGNORE INTO shot_versions (replaced_at, {_VERSION_COLUMNS})
    SELECT ?, {_VERSION_COLUMNS} FROM shots WHERE game_id = ? AND event_id = ?
"""  # noqa: S608
_MANPOWER_COLUMNS: Final = tuple(field.name for field in fields(ManpowerRow))
_MANPOWER_OF_GAME: Final = (
    f"SELECT {', '.join(_MANPOWER_COLUMNS)} FROM manpower WHERE game_id = :game_id ORDER BY start_s"  # noqa: S608
)
_MANPOWER_OF_THEN: Final = f"""
    SELECT {", ".join(_MANPOWER_COLUMNS)} FROM manpower WHERE game_id = :game_id AND first_seen_at <= :wall
    UNION ALL
    SELECT {", ".join(_MANPOWER_COLUMNS)} FROM manpower_versions
    WHERE game_id = :game_id AND first_seen_at <= :wall AND replaced_at > :wall
    ORDER BY start_s
"""  # noqa: S608 - names are ours
_MANPOWER_SEEN: Final = "SELECT start_s, first_seen_at FROM manpower WHERE game_id = ?"
_DELETE_MANPOWER: Final = "DELETE FROM manpower WHERE game_id = ? AND start_s = ?"
_INSERT_MANPOWER_VERSION: Final = f"""
    INSERT OR IGNORE INTO manpower_versions (game_id, replaced_at, first_seen_at, {", ".join(_MANPOWER_COLUMNS)})
    SELECT game_id, ?, first_seen_at, {", ".join(_MANPOWER_COLUMNS)} FROM manpower WHERE game_id = ? AND start_s = ?
"""  # noqa: S608 - names are ours
_INSERT_MANPOWER: Final = (
    f"INSERT INTO manpower (game_id, first_seen_at, {', '.join(_MANPOWER_COLUMNS)})"  # noqa: S608
    f" VALUES (?, ?{', ?' * len(_MANPOWER_COLUMNS)})"
)
_BLOCKED_COLUMNS: Final = tuple(field.name for field in fields(BlockedRow))
_of_blocked: Final = attrgetter(*_BLOCKED_COLUMNS)
_BLOCKED_OF_GAME: Final = f"SELECT {', '.join(_BLOCKED_COLUMNS)}, retracted_at FROM blocked_attempts WHERE game_id = ?"  # noqa: S608
_STORE_BLOCKED: Final = (
    f"INSERT INTO blocked_attempts (game_id, first_seen_at, {', '.join(_BLOCKED_COLUMNS)})"  # noqa: S608
    f" VALUES (?, ?{', ?' * len(_BLOCKED_COLUMNS)}) ON CONFLICT DO UPDATE SET retracted_at = NULL, "
    + ", ".join(f"{column} = excluded.{column}" for column in _BLOCKED_COLUMNS[1:])
)
_RETRACT_BLOCKED: Final = "UPDATE blocked_attempts SET retracted_at = ? WHERE game_id = ? AND event_id = ?"
_INSERT_BLOCKED_VERSION: Final = f"""
    INSERT OR IGNORE INTO blocked_versions (game_id, replaced_at, {", ".join(_BLOCKED_COLUMNS)}, retracted_at)
    SELECT game_id, ?, {", ".join(_BLOCKED_COLUMNS)}, retracted_at FROM blocked_attempts
    WHERE game_id = ? AND event_id = ?
"""  # noqa: S608 - names are ours
_SUMMED_BY: Final = ("season", "game_type", "home_abbrev", "away_abbrev")  # columns of `games` that separate sums

# the first `trained_on` that a card states is kept
_NOTE_MODEL: Final = """
    INSERT INTO models (model, population, first_used_at, trained_on) VALUES (?, ?, ?, ?)
    ON CONFLICT DO UPDATE SET trained_on = excluded.trained_on WHERE trained_on IS NULL
"""
_INSERT_PREDICTION: Final = """
    INSERT INTO predictions (game_id, event_id, model, probability, inputs, predicted_at, amended_at)
    VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_INSERT_CORRECTION: Final = """
    INSERT INTO corrections (game_id, event_id, what, before, after, corrected_at) VALUES (?, ?, ?, ?, ?, ?)
"""
_PREDICTIONS_OF_SHOT: Final = "SELECT model, inputs, amended_at FROM predictions WHERE game_id = ? AND event_id = ?"
_AMEND: Final = "UPDATE predictions SET amended_at = ? WHERE game_id = ? AND event_id = ? AND model = ?"
# The edges of the steps are those of 6.sql. Changing them takes a migration that refills the sums.
_SUM_UP_GAME: Final = """
    INSERT INTO game_totals
    SELECT game_id, model, is_home,
        (probability >= 0.01) + (probability >= 0.02) + (probability >= 0.03) + (probability >= 0.04)
            + (probability >= 0.06) + (probability >= 0.08) + (probability >= 0.1) + (probability >= 0.13)
            + (probability >= 0.17) + (probability >= 0.22) + (probability >= 0.3) + (probability >= 0.5) AS step,
        count(*), sum(probability), sum(is_goal),
        -sum(ln(max(iif(is_goal, probability, 1 - probability), 1e-15))), sum(probability * (1 - probability))
    FROM shot_probabilities WHERE probability IS NOT NULL AND status <> 'retracted' AND game_id = ?
    GROUP BY game_id, model, is_home, step
"""
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


class _Comparison(NamedTuple):
    """What a new answer changes of a stored shot."""

    event_id: int
    changes: dict[str, Any]  # columns of `shots`
    corrections: list[Correction]
    amendments: list[tuple[str | None, str]]  # `amended_at` and model of predictions


def record(connection: sqlite3.Connection, update: GameUpdate, now: str, news: News | None = None) -> Recorded:
    """Store one answer of the feed, as `History.record_all` describes."""
    game_id = update.game.game_id
    before = seen_game(connection, game_id) if update.is_pinged else None
    game = connection.execute("SELECT * FROM games WHERE game_id = ?", (game_id,)).fetchone()
    has_new_problems = update.game.problems not in (None, game and game["problems"])
    is_summed_elsewhere = game is not None and any(game[c] != getattr(update.game, c) for c in _SUMMED_BY)
    if is_summed_elsewhere:
        subtract_game(connection, game_id)
    _store_game(connection, game, update, now)
    new, corrections, changed_sides = _store_shots(connection, update, now)
    if update.blocked is not None:
        _store_blocked(connection, game_id, update.blocked, update.unreadable, now)
    has_other_manpower = update.manpower is not None and _store_manpower(connection, game_id, update.manpower, now)
    features = {shot.event_id: shot.features for shot in update.shots}
    scored = _store_predictions(connection, game_id, update.scores, features, now) if update.scores else 0
    by_challengers = sum(_store_challenger(connection, game_id, of, features, now) for of in update.challengers)
    if corrections or changed_sides or scored or by_challengers or is_summed_elsewhere:
        _sum_up_again(connection, game_id)
    elif has_other_manpower or (game is not None and game["state"] != update.game.state):
        sum_up_strengths(connection, game_id)
    if news is not None and update.is_pinged:
        write_notices(connection, before, game_id, news, now)
    return Recorded(
        game_id,
        new=tuple(new),
        corrections=tuple(corrections),
        scored=scored,
        scored_by_challengers=by_challengers,
        has_new_problems=has_new_problems,
        problems=tuple(update.problems),
    )


def add_scores(connection: sqlite3.Connection, game_id: int, scores: Scores, now: str) -> int:
    """Store one model's predictions for shots of a stored game, as `History.add_scores` describes; return how many."""
    _note_model(connection, scores, now)
    rows = connection.execute("SELECT event_id, features FROM shots WHERE game_id = ?", (game_id,))
    features = {row["event_id"]: msgspec.json.decode(row["features"]) for row in rows}
    scored = _store_predictions(connection, game_id, scores, features, now)
    if scored:
        _sum_up_again(connection, game_id)
    return scored


def stored_update(connection: sqlite3.Connection, game: sqlite3.Row) -> GameUpdate:
    """Return a stored game as an answer of the feed that changes nothing; retracted shots are left out."""
    shots = connection.execute(
        "SELECT * FROM shots WHERE game_id = ? AND retracted_at IS NULL ORDER BY event_id", (game["game_id"],)
    )
    return GameUpdate(
        GameRow(**{column: game[column] for column in _GAME_COLUMNS}),
        [
            ShotRow(**{c: msgspec.json.decode(row[c]) if c == "features" else row[c] for c in _SHOT_COLUMNS})
            for row in shots
        ],
        manpower=None,
        blocked=None,
        unreadable=None,
    )


def subtract_game(connection: sqlite3.Connection, game_id: int) -> None:
    """Subtract a game from the sums over all games, and delete its own."""
    _add_to_sums(connection, game_id, -1)
    connection.execute("DELETE FROM game_totals WHERE game_id = ?", (game_id,))
    subtract_strengths(connection, game_id)


def _sum_up_again(connection: sqlite3.Connection, game_id: int) -> None:
    subtract_game(connection, game_id)
    connection.execute(_SUM_UP_GAME, (game_id,))
    _add_to_sums(connection, game_id, 1)
    sum_up_strengths(connection, game_id)


def _add_to_sums(connection: sqlite3.Connection, game_id: int, sign: int) -> None:
    for statement in (_ADD_TO_STEPS, _ADD_TO_TEAMS):
        connection.execute(statement, {"game_id": game_id, "sign": sign})


def _store_game(connection: sqlite3.Connection, before: sqlite3.Row | None, update: GameUpdate, now: str) -> None:
    game, scores = update.game, update.scores
    values = {column: getattr(game, column) for column in _GAME_COLUMNS}
    names = (game.home_name, game.home_abbrev, game.away_name, game.away_abbrev)
    values |= {"search_names": folded(" ".join(names))}
    values |= {"pinged_at": now, "stale_at": update.stale_at, "fingerprint": scores.fingerprint if scores else None}
    if before is not None and before["state"] != game.state:
        values["ended_at"] = now if game.state in _ENDS else None
    if scores:
        _note_model(connection, scores, now)
        values["model"] = scores.model
    updates = ", ".join(f"{column} = excluded.{column}" for column in values if column != "game_id")
    connection.execute(
        f"INSERT INTO games ({', '.join(values)}) VALUES ({', '.join(f':{column}' for column in values)})"  # noqa: S608 - names are ours
        f" ON CONFLICT (game_id) DO UPDATE SET {updates}",
        values,
    )
    _store_state(connection, game.game_id, before)


def _store_state(connection: sqlite3.Connection, game_id: int, before: sqlite3.Row | None) -> None:
    """Store how the game stands now, if it differs from before."""
    after = connection.execute("SELECT * FROM games WHERE game_id = ?", (game_id,)).fetchone()
    if before is not None:
        was_complete, is_complete = (row["fingerprint"] is not None for row in (before, after))
        if was_complete == is_complete and all(before[column] == after[column] for column in _STATE_COLUMNS):
            return
    connection.execute(_INSERT_STATE, (game_id,))


def _note_model(connection: sqlite3.Connection, scores: Scores, now: str) -> None:
    trained_on = None if scores.trained_on is None else _json(list(scores.trained_on))
    connection.execute(_NOTE_MODEL, (scores.model, scores.population, now, trained_on))


def _store_shots(
    connection: sqlite3.Connection, update: GameUpdate, now: str
) -> tuple[Iterable[int], list[Correction], bool]:
    """Store the shots; return the ids of new ones, the corrections, and whether a shot changed sides."""
    game_id = update.game.game_id
    rows = connection.execute("SELECT * FROM shots WHERE game_id = ?", (game_id,))
    stored = {row["event_id"]: row for row in rows}
    corrections: list[Correction] = []
    changed_sides = False
    for found in _comparisons(connection, update, stored, now):
        _apply(connection, game_id, found, now)
        corrections += found.corrections
        changed_sides = changed_sides or "is_home" in found.changes
    new = {shot.event_id: (game_id, now, *_shot_values(shot)) for shot in update.shots if shot.event_id not in stored}
    connection.executemany(_INSERT_SHOT, new.values())
    connection.executemany(
        _INSERT_CORRECTION, [(game_id, c.event_id, c.what, c.before, c.after, now) for c in corrections]
    )
    return new.keys(), corrections, changed_sides


def _comparisons(
    connection: sqlite3.Connection, update: GameUpdate, stored: Mapping[int, sqlite3.Row], now: str
) -> Iterator[_Comparison]:
    """Yield each stored shot's changes; shots missing from the answer come last."""
    for shot in update.shots:
        if (before := stored.get(shot.event_id)) is not None:
            after = dict(zip(_SHOT_COLUMNS, _shot_values(shot), strict=True))
            yield _compare(before, after, _predictions_to_check(connection, before, after), now)
    present = {shot.event_id for shot in update.shots}
    present |= stored.keys() if update.unreadable is None else set(update.unreadable)
    for event_id, row in stored.items():
        if event_id not in present and row["retracted_at"] is None:
            retracted = Correction(event_id, "retracted", row["outcome"], None)
            yield _Comparison(event_id, {"retracted_at": now}, [retracted], [])


def _predictions_to_check(
    connection: sqlite3.Connection, before: sqlite3.Row, after: Mapping[str, Any]
) -> list[sqlite3.Row]:
    """Return the predictions that a change of the shot's features may affect."""
    if before["features"] == after["features"]:
        return []
    return connection.execute(_PREDICTIONS_OF_SHOT, (before["game_id"], before["event_id"])).fetchall()


def _compare(
    before: sqlite3.Row, after: Mapping[str, Any], predictions: Sequence[sqlite3.Row], now: str
) -> _Comparison:
    """Return what changes of a stored shot; `after` has the columns of the new answer, features as JSON."""
    event_id = before["event_id"]
    changes = {column: after[column] for column in _SHOT_COLUMNS if before[column] != after[column]}
    corrections = []
    if before["retracted_at"] is not None:
        changes["retracted_at"] = None
        corrections.append(Correction(event_id, "restored", None, after["outcome"]))
    if "outcome" in changes:
        corrections.append(Correction(event_id, "outcome", before["outcome"], after["outcome"]))
    is_amended, amendments = _compare_inputs(before["features"], after["features"], predictions, now)
    if is_amended:
        corrections.append(Correction(event_id, "amended", before["features"], after["features"]))
    return _Comparison(event_id, changes, corrections, amendments)


def _compare_inputs(
    before: str, after: str, predictions: Sequence[sqlite3.Row], now: str
) -> tuple[bool, list[tuple[str | None, str]]]:
    """Return whether a prediction's input changed, and each changed `amended_at` with its model."""
    if not predictions:
        return False, []
    before_features, after_features = msgspec.json.decode(before), msgspec.json.decode(after)
    is_amended = False
    amendments = []
    for model, text, amended_at in predictions:
        inputs = msgspec.json.decode(text)
        is_amended = is_amended or any(before_features.get(name) != after_features.get(name) for name in inputs)
        since = None if _agrees(inputs, after_features) else amended_at or now
        if since != amended_at:
            amendments.append((since, model))
    return is_amended, amendments


def _apply(connection: sqlite3.Connection, game_id: int, found: _Comparison, now: str) -> None:
    if found.changes.keys() - {"position"}:
        connection.execute(_INSERT_VERSION, (now, game_id, found.event_id))
    if found.changes:
        connection.execute(
            f"UPDATE shots SET {', '.join(f'{column} = :{column}' for column in found.changes)}"  # noqa: S608 - names are ours
            " WHERE game_id = :game_id AND event_id = :event_id",
            {**found.changes, "game_id": game_id, "event_id": found.event_id},
        )
    for since, model in found.amendments:
        connection.execute(_AMEND, (since, game_id, found.event_id, model))


def _agrees(inputs: Mapping[str, Any], features: Mapping[str, Any]) -> bool:
    # the first test nearly always holds, and takes a tenth of the time
    return inputs.items() <= features.items() or all(features.get(name) == value for name, value in inputs.items())


def _shot_values(shot: ShotRow) -> list[Any]:
    values = list(_of_shot(shot))
    values[_FEATURES] = _json(shot.features)
    return values


def _store_blocked(
    connection: sqlite3.Connection,
    game_id: int,
    blocked: Sequence[BlockedRow],
    unreadable: Collection[int] | None,
    now: str,
) -> None:
    """Add and correct blocked attempts; retract those missing from the answer, and restore those that return."""
    stored = {row["event_id"]: tuple(row) for row in connection.execute(_BLOCKED_OF_GAME, (game_id,))}
    present = {row.event_id: (*_of_blocked(row), None) for row in blocked}
    changed = [event_id for event_id, values in present.items() if stored.get(event_id) != values]
    gone = set() if unreadable is None else stored.keys() - present.keys() - set(unreadable)
    retracted = [event_id for event_id in gone if stored[event_id][-1] is None]
    replaced = [*(event_id for event_id in changed if event_id in stored), *retracted]
    connection.executemany(_INSERT_BLOCKED_VERSION, [(now, game_id, event_id) for event_id in replaced])
    connection.executemany(_STORE_BLOCKED, [(game_id, now, *present[event_id][:-1]) for event_id in changed])
    connection.executemany(_RETRACT_BLOCKED, [(now, game_id, event_id) for event_id in retracted])


def stored_manpower(connection: sqlite3.Connection, game_id: int, wall: str | None = None) -> tuple[ManpowerRow, ...]:
    """Return a game's rows of `manpower` in order, as they were at `wall` (None: now).

    The last one of then may have become longer since.
    """
    values = {"game_id": game_id} if wall is None else {"game_id": game_id, "wall": wall}
    rows = [
        ManpowerRow(start, end, situation, _until(away), _until(home), *power_play)
        for start, end, situation, away, home, *power_play in connection.execute(
            _MANPOWER_OF_GAME if wall is None else _MANPOWER_OF_THEN, values
        )
    ]
    if wall is not None:  # there were no gaps, except between power plays of an unknown situation
        ends = [row.end_s if row.situation is None else after.start_s for row, after in pairwise(rows)]
        rows = [*map(_ending, rows, ends), *rows[-1:]]
    return tuple(rows)


def _ending(row: ManpowerRow, end_s: int) -> ManpowerRow:
    return row if row.end_s == end_s else replace(row, end_s=end_s)


def _store_manpower(connection: sqlite3.Connection, game_id: int, manpower: Sequence[ManpowerRow], now: str) -> bool:
    """Store a game's rows of `manpower`; return whether any is different.

    A stretch that only became longer keeps when it was first seen.
    """
    stored = set(stored_manpower(connection, game_id))
    seen_at = dict(tuple(row) for row in connection.execute(_MANPOWER_SEEN, (game_id,)))
    begun = {replace(row, end_s=row.start_s): seen_at[row.start_s] for row in stored}
    kept = {replace(row, end_s=row.start_s) for row in manpower}
    gone = stored.difference(manpower)
    replaced = [(now, game_id, row.start_s) for row in gone if replace(row, end_s=row.start_s) not in kept]
    connection.executemany(_INSERT_MANPOWER_VERSION, replaced)
    connection.executemany(_DELETE_MANPOWER, [(game_id, row.start_s) for row in gone])
    new = [(begun.get(replace(row, end_s=row.start_s), now), row) for row in manpower if row not in stored]
    connection.executemany(_INSERT_MANPOWER, [(game_id, seen, *_manpower_values(row)) for seen, row in new])
    return stored != set(manpower)


def _manpower_values(row: ManpowerRow) -> list[Any]:
    values = (getattr(row, column) for column in _MANPOWER_COLUMNS)
    return [_json(list(value)) if isinstance(value, tuple) else value for value in values]


def _until(text: str) -> tuple[int, ...]:
    return tuple(msgspec.json.decode(text))


def _store_challenger(
    connection: sqlite3.Connection, game_id: int, scores: Scores, features: Mapping[int, Mapping[str, Any]], now: str
) -> int:
    """Store a challenger's new predictions; return how many. The game stays one of the active model."""
    if scores.predictions:
        _note_model(connection, scores, now)
    return _store_predictions(connection, game_id, scores, features, now)


def _store_predictions(
    connection: sqlite3.Connection,
    game_id: int,
    scores: Scores,
    features: Mapping[int, Mapping[str, Any]],
    now: str,
) -> int:
    """Store the new predictions; return how many. `features` are the shots' present ones, by event id."""
    if not scores.predictions:
        return 0
    connection.execute("INSERT INTO game_models VALUES (?, ?) ON CONFLICT DO NOTHING", (game_id, scores.model))
    return connection.executemany(
        _INSERT_PREDICTION,
        [
            # the league may have changed the shot since a repeated answer was first given
            (game_id, event, scores.model, p, _json(inputs), now, None if _agrees(inputs, features[event]) else now)
            for event, p, inputs in scores.predictions
        ],
    ).rowcount


def _json(value: Mapping[str, Any] | list[int]) -> str:
    return msgspec.json.encode(value).decode()
