"""Faults planted in the product for one run, to prove that the simulation finds them: at least one for each rule.

Only simulated threads run the faulty code; the rules themselves use the product as it is.
"""

import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final
from unittest.mock import patch

import msgspec
import requests

import livegame.client
import livegame.feed
import livegame.lock
from db import connection, times
from db.history import GameUpdate, History, Outbox, recording
from db.history.outbox import seen_game, write_notices
from livegame.scoring.open_requests import PendingRequests, Request, Rows, _Open
from livegame.scoring.scorer import Scorer
from tests.simulation.plan import Plan
from tests.simulation.scheduler import current
from tests.simulation.world import World
from xgserve.client import ServingClient
from xgserve.registry.active import Active

Change = tuple[Any, str, Callable[[Callable[..., Any]], Callable[..., Any]]]  # owner, name, real function -> faulty one
FOREVER_S: Final = 1e6
PATIENT_S: Final = 300.0


@dataclass(frozen=True)
class Fault:
    """A fault, and the rules of which one must report it."""

    what: str
    rules: tuple[str, ...]
    changes: tuple[Change, ...]

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Have simulated threads run the faulty code meanwhile."""
        with ExitStack() as patches:
            for owner, name, faulty in self.changes:
                real = getattr(owner, name)
                patches.enter_context(patch.object(owner, name, _in_simulation(real, faulty(real))))
            yield


def _in_simulation(real: Callable[..., Any], faulty: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(real)
    def call(*arguments: Any, **named: Any) -> Any:
        return (real if current() is None else faulty)(*arguments, **named)

    return call


def _returning(value: Any) -> Callable[[Any], Callable[..., Any]]:
    return lambda _real: lambda *_arguments, **_named: value


# -- requests ----------------------------------------------------------------------------------------------------------


def _new_key(_real: Callable[..., Request]) -> Callable[..., Request]:
    def next_request(pending: PendingRequests, model_id: str, ready: Rows) -> Request:
        request = Request(secrets.token_hex(16), ready)
        pending._write([_Open(model_id, request, frozenset(ready))])
        return request

    return next_request


def _no_key(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **named: real(*arguments, **named | {"idempotency_key": None})


def _without_sync(_real: Callable[..., None]) -> Callable[..., None]:
    def write(pending: PendingRequests, noted: Iterable[_Open]) -> None:
        open_ones = [
            [model, request.key, [[*shot, inputs] for shot, inputs in request.rows.items()], sorted(waiting)]
            for model, request, waiting in noted
            if waiting
        ]
        if not open_ones:
            pending._path.unlink(missing_ok=True)
            return
        part = pending._path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(open_ones))
        part.replace(pending._path)

    return write


def _inputs_of_now(real: Callable[..., Any]) -> Callable[..., Any]:
    """Have the answer to a repeated request stored with the inputs that the shots have by now."""

    def ask(*arguments: Any, **named: Any) -> Any:
        answer = real(*arguments, **named)
        given = {
            game: [(event, probability, answer.ready[game, event]) for event, probability, _ in predictions]
            for game, predictions in answer.predictions.items()
        }
        return answer._replace(predictions=given)

    return ask


# -- transactions ------------------------------------------------------------------------------------------------------


_LOOKS: Final = 30  # in between, so that a ping may die there


def _sums_later(_real: Callable[..., Any]) -> Callable[..., Any]:
    """Have the sums written by a transaction of their own."""

    def record_all(history: History, updates: Any, news: Any = None) -> Any:
        thread = current()
        assert thread is not None
        late = thread.local["late"] = list[int]()
        now = times.now()
        with history._writing() as writing:
            found = [recording.record(writing, update, now, news) for update in updates]
        del thread.local["late"]
        for game_id in late * _LOOKS:
            history.read_game(game_id)
        with history._writing() as writing:
            for game_id in late:
                recording._sum_up_again(writing, game_id)
        return found

    return record_all


def _later(real: Callable[..., None]) -> Callable[..., None]:
    def sum_up_again(writing: sqlite3.Connection, game_id: int) -> None:
        thread = current()
        late = None if thread is None else thread.local.get("late")
        if late is None:
            real(writing, game_id)
        else:
            late.append(game_id)

    return sum_up_again


def _notices_after(real: Callable[..., Any]) -> Callable[..., Any]:
    """Have notices written by a transaction of their own, after that of the ping."""

    def record_all(history: History, updates: Any, news: Any = None) -> Any:
        updates = list(updates)
        with history._writing() as reading:
            before = {update.game.game_id: seen_game(reading, update.game.game_id) for update in updates}
        found = real(history, updates)
        with history._writing() as writing:
            for update in updates:
                if news is not None and update.is_pinged:
                    write_notices(writing, before[update.game.game_id], update.game.game_id, news, times.now())
        return found

    return record_all


def _notices_before(real: Callable[..., Any]) -> Callable[..., Any]:
    """Have notices written by a transaction of their own, before that of the ping."""

    def record_all(history: History, updates: Any, news: Any = None) -> Any:
        updates = list(updates)
        written: dict[str, list[tuple[Any, ...]]] = {"notices": [], "deliveries": []}
        with history._writing() as writing:
            writing.execute("SAVEPOINT ping")
            known = {table: set(map(tuple, writing.execute(f"SELECT * FROM {table}"))) for table in written}
            games = {row[0] for row in writing.execute("SELECT game_id FROM games")}
            for update in updates:
                recording.record(writing, update, times.now(), news)
            for table, rows in written.items():
                rows += sorted(set(map(tuple, writing.execute(f"SELECT * FROM {table}"))) - known[table], key=str)
            writing.execute("ROLLBACK TO ping")
            if all(row[1] in games for row in written["notices"]):
                for table, rows in written.items():
                    for row in rows:
                        writing.execute(f"INSERT OR IGNORE INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        return real(history, updates, news)

    return record_all


class _Overlooked(list[Any]):
    """Corrections that nobody adds up."""

    def __bool__(self) -> bool:
        return False


def _corrections_overlooked(real: Callable[..., Any]) -> Callable[..., Any]:
    def store_shots(*arguments: Any) -> Any:
        new, corrections, _ = real(*arguments)
        return new, _Overlooked(corrections), False

    return store_shots


def _without_notes(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments: real(*arguments)._replace(corrections=[])


def _without_syncs(real: Callable[..., None]) -> Callable[..., None]:
    def choose_journal(opened: sqlite3.Connection, **named: Any) -> None:
        real(opened, **named)
        opened.execute("PRAGMA synchronous = OFF")

    return choose_journal


# -- the service, errors and waits -------------------------------------------------------------------------------------


def _record_later(_real: Callable[..., None]) -> Callable[..., None]:
    """Have an activation acknowledged before it is recorded."""

    def record_and_swap(active: Active, activation: Any, *, keep: bool = False) -> None:
        name = activation.model.name

        def record() -> None:
            time.sleep(30.0)
            active.record.record(
                workspace=name.workspace,
                model=name.name,
                version=name.version,
                digest=activation.model.digest,
                source=activation.source,
            )

        active.swap(activation.model, keep=keep)
        threading.Thread(target=record).start()

    return record_and_swap


def _other_error(real: Callable[..., Any]) -> Callable[..., Any]:
    def read_json(body: bytes) -> Any:
        try:
            return real(body)
        except ValueError as error:
            raise LookupError(str(error)) from error

    return read_json


def _too_patient(real: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *arguments, **named: real(*arguments, **named | {"timeout": PATIENT_S})


def _patient_lock(real: Callable[..., AbstractContextManager[None]]) -> Callable[..., AbstractContextManager[None]]:
    return lambda data_dir, game_id, _timeout_s, **named: real(data_dir, game_id, FOREVER_S, **named)


def _later_clock(real: Callable[..., Any]) -> Callable[..., Any]:
    """Have answers of a live game believed only if the clock has moved."""
    names = ("state", "period", "in_intermission", "seconds_left")

    def believed(update: GameUpdate, stored: Mapping[str, Any] | None) -> GameUpdate | None:
        stands = stored is not None and all(stored[name] == getattr(update.game, name) for name in names)
        return None if stands and update.game.state == "live" else real(update, stored)

    return believed


def _believed(_real: Callable[..., Any]) -> Callable[..., Any]:
    """Have every answer believed."""
    return lambda update, _stored: update


_LATE: Final = (recording, "_sum_up_again", _later)

FAULTS: Final[Mapping[str, Fault]] = {
    fault.what: fault
    for fault in (
        Fault("forgets the lock of a game", ("once", "forward"), ((livegame.lock, "_locked", _returning(True)),)),
        Fault("asks again under another key", ("once",), ((PendingRequests, "next", _new_key),)),
        Fault("does not note its requests", ("once",), ((PendingRequests, "_write", _returning(None)),)),
        Fault("sends no key", ("once",), ((ServingClient, "predict_rows", _no_key),)),
        Fault("does not sync the note of a request", ("once",), ((PendingRequests, "_write", _without_sync),)),
        Fault("never closes a request", ("closed",), ((PendingRequests, "close", _returning(None)),)),
        Fault("stores inputs that were not rated", ("undisturbed",), ((Scorer, "_ask", _inputs_of_now),)),
        Fault("commits the sums later", ("sums",), (_LATE, (History, "record_all", _sums_later))),
        Fault("keeps no notes of corrections", ("corrected",), ((recording, "_compare", _without_notes),)),
        Fault("does not add up corrections", ("sums",), ((recording, "_store_shots", _corrections_overlooked),)),
        Fault("trusts an old answer", ("forward",), ((livegame.client, "believed", _believed),)),
        Fault("takes no correction in a stoppage", ("prompt",), ((livegame.client, "believed", _later_clock),)),
        Fault("tells after it has committed", ("told",), ((History, "record_all", _notices_after),)),
        Fault("tells before it commits", ("told",), ((History, "record_all", _notices_before),)),
        Fault("forgets what was accepted", ("kept",), ((Outbox, "accept", _returning(None)),)),
        Fault("does not sync its databases", ("sound",), ((connection, "_choose_journal", _without_syncs),)),
        Fault("acknowledges before it records", ("recorded model",), ((Active, "record_and_swap", _record_later),)),
        Fault("waits for a lock without end", ("bounded",), ((livegame.client, "game_lock", _patient_lock),)),
        Fault("waits too long for an answer", ("bounded",), ((requests.Session, "request", _too_patient),)),
        Fault("raises what nobody expects", ("clean",), ((livegame.feed, "read_json", _other_error),)),
    )
}


def found_by(fault: Fault, seed: int) -> str | None:
    """Play a seed with the fault planted; return what the right rule says of it, None if it does not notice."""
    with fault.planted():
        result = World(Plan.of(seed)).run()
    return next((violation.text for violation in result.violations if violation.rule in fault.rules), None)
