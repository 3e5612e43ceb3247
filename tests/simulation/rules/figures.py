"""The rules `undisturbed` and `sums`: after one clean ping, all figures are those of a run that nothing disturbed."""

import json
import sqlite3
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from functools import cache
from itertools import groupby
from math import isclose
from pathlib import Path
from typing import Any, Final

from db.connection import DatabaseError, open_writer
from db.history import GameUpdate, History, Prediction, Scores
from db.history.schema import MIGRATIONS
from livegame.errors import UnknownFeatures
from livegame.features.rows import game_update
from livegame.parsing.parse import parse_game
from livegame.scoring.inputs import ModelInputs
from tests.promises.helpers import sums_are_true
from tests.simulation.league import as_answer
from tests.simulation.rules.models import bundled, inputs_from, inputs_of
from tests.simulation.rules.run import Run, Violation
from tests.simulation.truth import Version

_TABLES: Final = {
    "games": "SELECT * FROM games",
    "shots": "SELECT * FROM shots WHERE retracted_at IS NULL",
    "blocked attempts": "SELECT * FROM blocked_attempts WHERE retracted_at IS NULL",
    "manpower": "SELECT * FROM manpower",
}
_LEFT_OUT: Final = ("model", "fingerprint", "events")  # and all times: they tell how a game was seen, not how it is
_SUMS: Final = {
    "game_totals": ("game_id", "model", "is_home", "step"),
    "game_strengths": ("game_id", "model", "is_home", "strength"),
}
_OF_ROWS: Final = """
    SELECT game_id, model, is_home, count(*) AS shots, sum(probability) AS xg, sum(is_goal) AS goals
    FROM shot_probabilities WHERE probability IS NOT NULL AND status <> 'retracted' GROUP BY 1, 2, 3
"""
_OF_TOTALS: Final = """
    SELECT game_id, model, is_home, sum(shots) AS shots, sum(xg) AS xg, sum(goals) AS goals
    FROM game_totals GROUP BY 1, 2, 3
"""
Row = dict[str, Any]


def undisturbed(run: Run) -> list[Violation]:
    """Compare the history with one that saw nothing but the final answers."""
    finals = [final_update(run.league.final(game_id)) for game_id in run.league.game_ids]
    with tempfile.TemporaryDirectory(dir=run.data_dir) as folder:
        fresh = Path(folder) / "fresh.db"
        try:
            _write_fresh(run, fresh, finals)
        except DatabaseError as error:
            return [Violation("undisturbed", f"the final answers cannot be stored: {error.__cause__}")]
        found = [
            Violation("undisturbed", f"{table}: {difference}")
            for table, query in _TABLES.items()
            for difference in _differences(run.rows(query), run.rows(query, file=f"{fresh.parent.name}/fresh.db"))
        ]
        for table, key in _SUMS.items():
            kept, true = (_sums(run, table, key, file) for file in ("history.db", f"{fresh.parent.name}/fresh.db"))
            rated = {row[:2] for row in true}  # a model whose shots are all retracted has no sums in the fresh history
            kept = {row: values for row, values in kept.items() if row[:2] in rated}
            found += [Violation("sums", f"{table}: {said}") for said in _unequal(kept, true)]
    return [*found, *_unrated(run, finals), *_predictions(run)]


def final_update(version: Version) -> GameUpdate:
    """Return the rows of a version, as a ping would read them."""
    return game_update(parse_game(json.loads(json.dumps(as_answer(version)))))


def _write_fresh(run: Run, path: Path, finals: list[GameUpdate]) -> None:
    """Store the final answers with the predictions that the history has of their shots: each keeps its first one."""
    path.write_bytes(_empty_history())
    populations = {row["model"]: row["population"] for row in run.rows("SELECT model, population FROM models")}
    updates = []
    for final in finals:
        game_id, present = final.game.game_id, {shot.event_id for shot in final.shots}
        own = sorted((m, e, row) for (g, e, m), row in run.predictions.items() if g == game_id and e in present)
        scores = [
            Scores(model, populations[model], [_prediction(event, row) for _, event, row in rows])
            for model, rows in groupby(own, key=lambda entry: entry[0])
        ]
        updates.append(replace(final, challengers=tuple(scores)))
    History(path).record_all(updates)


def _prediction(event: int, row: Row) -> Prediction:
    return event, row["probability"], json.loads(row["inputs"])


@cache
def _empty_history() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "empty.db"
        open_writer(path, MIGRATIONS).close()
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA journal_mode = DELETE")
        return path.read_bytes()


def _differences(found: list[Row], true: list[Row]) -> Iterator[str]:
    """Yield where rows differ, without columns that tell how they were seen."""
    ours, theirs = ({_key(row): _shown(row) for row in rows} for rows in (found, true))
    for key in sorted(ours.keys() | theirs.keys()):
        here, there = ours.get(key), theirs.get(key)
        if here is None or there is None:
            yield f"{key} is {'missing' if here is None else 'too much'}"
        elif here != there:
            different = {name: (value, there[name]) for name, value in here.items() if value != there[name]}
            yield f"{key} differs from the undisturbed run in {different}"


def _key(row: Row) -> tuple[int, ...]:
    return tuple(row[name] for name in ("game_id", "event_id", "start_s") if name in row)


def _shown(row: Row) -> Row:
    return {name: value for name, value in row.items() if not name.endswith("_at") and name not in _LEFT_OUT}


# -- predictions -------------------------------------------------------------------------------------------------------


def _unrated(run: Run, finals: list[GameUpdate]) -> Iterator[Violation]:
    """Yield the present shots that a loaded model can rate and has not."""
    for model_id in run.loaded:
        description = run.evidence.described.get(model_id)
        if description is None:
            yield Violation("undisturbed", f"nobody has asked what the challenger {model_id} expects")
            continue
        try:
            inputs = inputs_from(description)
        except UnknownFeatures:
            continue
        for final in finals:
            game_id = final.game.game_id
            scored = {event for game, event, model in run.predictions if game == game_id and model == model_id}
            if left := inputs.unscored(final, scored):
                yield Violation("undisturbed", f"game {game_id}: {model_id} has not rated {', '.join(map(str, left))}")


def _predictions(run: Run) -> Iterator[Violation]:
    """Compare each prediction with the model's own for its inputs, and these with what the league has shown."""
    by_model: dict[str, list[tuple[int, int, Row]]] = defaultdict(list)
    for (game_id, event, by), row in run.predictions.items():
        by_model[by].append((game_id, event, row))
    shown = _Shown(run)
    for model_id, rows in sorted(by_model.items()):
        model = bundled().get(model_id)
        if model is None:
            continue
        inputs = inputs_of(model)
        given = [json.loads(row["inputs"]) for *_, row in rows]
        values = {name: [one[ours] for one in given] for name, ours in inputs.columns.items()}
        own = model.predict(values, list(range(len(rows)))).tolist()
        for (game_id, event, row), one, probability in zip(rows, given, own, strict=True):
            where = f"game {game_id}, shot {event}, {model_id}"
            if not isclose(row["probability"], probability, abs_tol=1e-6):
                yield Violation("undisturbed", f"{where}: rated {row['probability']}, its inputs give {probability}")
            if not shown.has(game_id, event, one, inputs):
                yield Violation("undisturbed", f"{where}: rated with {one}, which the league never showed")


class _Shown:
    """The features of all shots in the league's versions, and in spoiled answers; read as far as needed."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._read: dict[int, list[Mapping[int, Mapping[str, Any]]]] = {}  # by game: the features by event
        self._unread: dict[int, Iterator[Mapping[int, Mapping[str, Any]]]] = {}

    def has(self, game_id: int, event: int, given: Mapping[str, Any], inputs: ModelInputs) -> bool:
        row = self._run.shots.get((game_id, event))
        if row is not None and inputs.inputs_of(json.loads(row["features"])) == given:
            return True
        return any(
            event in features and inputs.inputs_of(features[event]) == given for features in self._features(game_id)
        )

    def _features(self, game_id: int) -> Iterator[Mapping[int, Mapping[str, Any]]]:
        if game_id not in self._read:
            self._read[game_id], self._unread[game_id] = [], self._collect(game_id)
        yield from self._read[game_id]
        for features in self._unread[game_id]:
            self._read[game_id].append(features)
            yield features

    def _collect(self, game_id: int) -> Iterator[Mapping[int, Mapping[str, Any]]]:
        versions = self._run.league.versions(game_id)
        sent = dict.fromkeys(a.version for a in self._run.league.answers if a.game_id == game_id)
        # few were sent; others may have been imported from a file
        for number in dict.fromkeys((*(n for n in sent if n is not None), *range(len(versions)))):
            yield {shot.event_id: shot.features for shot in final_update(versions[number]).shots}
        spoiled = [a for a in self._run.league.answers if a.game_id == game_id and a.spoiled]
        for digest in dict.fromkeys(answer.digest for answer in spoiled):
            if digest is not None and (shown := self._run.league.shown(digest)) is not None:
                yield {shot.event_id: shot.features for shot in game_update(shown).shots}


# -- sums --------------------------------------------------------------------------------------------------------------


def sums(run: Run) -> list[Violation]:
    """Compare stored sums with their rows, and what readers saw with the rows that they saw."""
    return [*(Violation("sums", f"a reader's report: {said}") for said in _seen_sums(run)), *sums_of_files(run)]


def sums_of_files(run: Run) -> list[Violation]:
    """Compare stored sums with their rows."""
    key = ("game_id", "model", "is_home")
    kept, true = ({tuple(r[k] for k in key): r for r in run.rows(query)} for query in (_OF_TOTALS, _OF_ROWS))
    found = [Violation("sums", f"game_totals: {said}") for said in _unequal(kept, true)]
    with closing(sqlite3.connect(run.history)) as connection:
        if not sums_are_true(connection):
            found.append(Violation("sums", "the sums over all games are not those of the games"))
    return found


def _seen_sums(run: Run) -> Iterator[str]:
    for seen in run.evidence.seen:
        if seen.counted != seen.row_sums or not isclose(seen.xg, seen.row_xg, abs_tol=1e-9):
            sums_, rows = (*seen.counted, seen.xg), (*seen.row_sums, seen.row_xg)
            yield f"at {seen.at_s:.3f} s game {seen.game_id} had the sums {sums_}, its rows {rows}"
    for act in run.evidence.acts:
        if act.what == "report of earlier" and act.result is not None:
            wall, shots, xg = act.result
            if shots[0] != shots[1] or not isclose(*xg, abs_tol=1e-9):
                yield f"of {act.about}, as of {wall}: {shots[0]} shots and {xg[0]} xG, its rows {shots[1]} and {xg[1]}"


def _sums(run: Run, table: str, key: tuple[str, ...], file: str) -> dict[tuple[Any, ...], Row]:
    rows = run.rows(f"SELECT * FROM {table}", file=file)
    return {tuple(row[name] for name in key): row for row in rows}


def _unequal(kept: dict[tuple[Any, ...], Row], true: dict[tuple[Any, ...], Row]) -> Iterator[str]:
    for key in sorted(kept.keys() | true.keys()):
        here, there = kept.get(key), true.get(key)
        if here is None or there is None or not all(_equal(value, there[name]) for name, value in here.items()):
            yield f"{key} has {here}, its rows give {there}"


def _equal(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float | int):
        return isclose(one, other, abs_tol=1e-9)
    return one == other
