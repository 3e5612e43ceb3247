"""The outbox: notices written in the transaction of a ping, and their delivery to each address.

An address is known here by a keyed digest; see `livegame.notices.addresses`.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import msgspec

from db import times
from db.connection import is_there, open_writer, reading, transaction
from db.history.schema import MIGRATIONS

_SEEN_EVERY: Final = timedelta(hours=1)  # how exact `seen_at` is
_USED_FOR: Final = timedelta(days=1)  # after it was last seen, nothing more is written for an address
_LATE_ALLOWED: Final = timedelta(days=1)  # for how long a result or a correction is worth telling
_LATE_ALLOWED_OTHERS: Final = timedelta(hours=3)
_LASTING: Final = ("taken back", "restored", "final", "resumed")
_REST: Final = timedelta(seconds=15)  # of an address after a failure
_LONGEST_PAUSE: Final = timedelta(minutes=15)

_SHOTS: Final = """
    SELECT s.event_id, s.position, s.period, s.seconds, s.is_home, s.shooter, s.outcome, s.first_seen_at,
        s.retracted_at IS NULL AS is_there, p.probability,
        (SELECT count(*) FROM corrections c
            WHERE c.game_id = s.game_id AND c.event_id = s.event_id AND c.what <> 'amended') AS corrections
    FROM shots s JOIN games g USING (game_id)
    LEFT JOIN predictions p ON p.game_id = s.game_id AND p.event_id = s.event_id AND p.model = g.model
    WHERE s.game_id = ?
"""
_INSERT_NOTICE: Final = """
    INSERT INTO notices (game_id, key, kind, event_id, facts, noticed_at) VALUES (?, ?, ?, ?, ?, ?)
    ON CONFLICT DO NOTHING
"""
_INSERT_DELIVERY: Final = "INSERT INTO deliveries (notice_id, address, next_try_at) VALUES (?, ?, ?)"
_OPEN: Final = "d.accepted_at IS NULL AND d.dropped_at IS NULL"
# What was corrected is told after what it corrects. A pause longer than any that we make was noted by a wrong clock.
_NEXT: Final = f"""
    SELECT n.notice_id, n.game_id, n.kind, n.event_id, n.facts, n.noticed_at, d.attempts, g.home_abbrev, g.away_abbrev
    FROM deliveries d JOIN notices n USING (notice_id) JOIN games g USING (game_id)
    WHERE d.address = :address AND {_OPEN} AND (d.next_try_at <= :now OR d.next_try_at > :latest)
        AND NOT EXISTS (
            SELECT 1 FROM deliveries d JOIN notices earlier USING (notice_id)
            WHERE d.address = :address AND {_OPEN} AND earlier.game_id = n.game_id
                AND earlier.event_id IS n.event_id AND earlier.notice_id < n.notice_id
        )
    ORDER BY n.notice_id LIMIT 1
"""  # noqa: S608 - the pieces are ours
# of a goal that has waited for its rating
_RELEASE: Final = """
    UPDATE deliveries SET next_try_at = ? WHERE attempts = 0 AND next_try_at > ? AND notice_id IN (
        SELECT notice_id FROM notices WHERE game_id = ? AND event_id = ?
    )
"""
_TOO_LATE: Final = f"""
    UPDATE deliveries AS d SET dropped_at = :now
    WHERE {_OPEN} AND notice_id IN (
        SELECT notice_id FROM notices
        WHERE noticed_at < iif(kind IN (SELECT value FROM json_each(:lasting)), :lasting_limit, :limit)
    )
    RETURNING address
"""  # noqa: S608 - the pieces are ours
_REMEMBER: Final = """
    INSERT INTO addresses (address, service, topics, teams, chance, seen_at)
    VALUES (:address, :service, :topics, :teams, :chance, :now)
    ON CONFLICT DO UPDATE SET topics = excluded.topics, teams = excluded.teams, chance = excluded.chance,
        seen_at = excluded.seen_at
"""


@dataclass(frozen=True, slots=True)
class SeenShot:
    """A shot as stored at one moment."""

    event_id: int
    position: int
    period: int
    seconds: int
    is_home: bool
    shooter: str | None
    outcome: str
    first_seen_at: str
    is_there: bool  # False while it is retracted
    probability: float | None  # by the model of the game's last complete ping
    corrections: int  # how often the league has taken it back, restored it, or changed its outcome

    @property
    def is_goal(self) -> bool:
        """Whether it is a goal that counts."""
        return self.is_there and self.outcome == "goal"


@dataclass(frozen=True, slots=True)
class SeenGame:
    """A game as stored at one moment."""

    row: Mapping[str, Any]  # of `games`
    shots: Mapping[int, SeenShot]  # by event id
    keys: frozenset[str]  # of the notices written of it


@dataclass(frozen=True, slots=True)
class Notice:
    """Something to be told of a game."""

    kind: str
    key: str  # unique in its game
    topics: frozenset[str]  # an address that wants one of them is told
    facts: Mapping[str, Any] = field(default_factory=dict)
    event_id: int | None = None
    xg: float | None = None  # of a missed chance
    not_before: str | None = None  # when to tell it at the earliest, unless its shot is rated earlier


News = Callable[[SeenGame | None, SeenGame, str], Sequence[Notice]]
"""Returns what to tell of a game, given how it was stored before and after a ping, and the time."""


@dataclass(frozen=True, slots=True)
class Wish:
    """An address by its digest, and what it is to be told of."""

    address: str
    service: str
    topics: frozenset[str]
    teams: frozenset[str]  # abbreviations; empty: all
    chance: float  # the least xG of a missed chance


@dataclass(frozen=True, slots=True)
class Due:
    """A notice that is to be sent to an address now."""

    notice_id: int
    game_id: int
    kind: str
    event_id: int | None
    facts: dict[str, Any]
    noticed_at: str
    attempts: int  # before this one
    teams: tuple[str, str]  # away, home: abbreviations


# -- inside the transaction of a ping ----------------------------------------------------------------------------------


def seen_game(connection: sqlite3.Connection, game_id: int) -> SeenGame | None:
    """Return a game as it is stored; None if it is not stored, or if no address is told of anything."""
    since = times.timestamp(times.utc_now() - _USED_FOR)
    if connection.execute("SELECT 1 FROM addresses WHERE seen_at > ? LIMIT 1", (since,)).fetchone() is None:
        return None
    row = connection.execute("SELECT * FROM games WHERE game_id = ?", (game_id,)).fetchone()
    if row is None:
        return None
    shots = {}
    for shot in connection.execute(_SHOTS, (game_id,)):
        values = dict(shot)
        values |= {"is_home": bool(values["is_home"]), "is_there": bool(values["is_there"])}
        shots[values["event_id"]] = SeenShot(**values)
    keys = connection.execute("SELECT key FROM notices WHERE game_id = ?", (game_id,))
    return SeenGame(dict(row), shots, frozenset(key for (key,) in keys))


def write_notices(connection: sqlite3.Connection, before: SeenGame | None, game_id: int, news: News, now: str) -> None:
    """Write what a ping has changed of a game, for the addresses that want to be told."""
    after = seen_game(connection, game_id)
    if after is None:
        return
    if before is not None:
        rated = [shot for shot in before.shots.values() if shot.probability is None]
        rated = [shot for shot in rated if after.shots[shot.event_id].probability is not None]
        connection.executemany(_RELEASE, [(now, now, game_id, shot.event_id) for shot in rated])
    found = news(before, after, now)
    if not found:
        return
    since = times.timestamp(times.utc_now() - _USED_FOR)
    wishes = [_wish(row) for row in connection.execute("SELECT * FROM addresses WHERE seen_at > ?", (since,))]
    teams = {after.row["away_abbrev"], after.row["home_abbrev"]}
    for notice in found:
        if wanted_by := [wish.address for wish in wishes if _wants(wish, notice, teams)]:
            values = (game_id, notice.key, notice.kind, notice.event_id, _json(notice.facts), now)
            added = connection.execute(_INSERT_NOTICE, values)
            if added.rowcount:
                next_try_at = notice.not_before or now
                connection.executemany(
                    _INSERT_DELIVERY, [(added.lastrowid, address, next_try_at) for address in wanted_by]
                )


def _wants(wish: Wish, notice: Notice, teams: set[str]) -> bool:
    is_chance = notice.xg is None or notice.xg >= wish.chance
    return is_chance and bool(wish.topics & notice.topics) and (not wish.teams or bool(wish.teams & teams))


def _wish(row: sqlite3.Row) -> Wish:
    topics, teams = (frozenset(msgspec.json.decode(row[column], type=list[str])) for column in ("topics", "teams"))
    return Wish(row["address"], row["service"], topics, teams, row["chance"])


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


# -- delivery ----------------------------------------------------------------------------------------------------------


class Outbox:
    """The notices of one history and their delivery. All methods raise `DatabaseError`, as those of `History` do."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def unknown(self, wishes: Iterable[Wish]) -> list[Wish]:
        """Return the addresses that have never been remembered."""
        known = {row["address"] for row in self._read("SELECT address FROM addresses")}
        return [wish for wish in wishes if wish.address not in known]

    def remember(self, wishes: Sequence[Wish]) -> None:
        """Have pings write notices for these addresses from now on, whichever process pings."""
        now = times.utc_now()
        recently = times.timestamp(now - _SEEN_EVERY)
        fresh = {_wish(row) for row in self._read("SELECT * FROM addresses WHERE seen_at > ?", (recently,))}
        missing = [wish for wish in wishes if wish not in fresh]
        if not missing:
            return
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            connection.executemany(
                _REMEMBER,
                [
                    {
                        "address": wish.address,
                        "service": wish.service,
                        "topics": _json(sorted(wish.topics)),
                        "teams": _json(sorted(wish.teams)),
                        "chance": wish.chance,
                        "now": times.timestamp(now),
                    }
                    for wish in missing
                ],
            )

    def is_due(self, addresses: Iterable[str]) -> bool:
        """Return whether something can be sent to one of these addresses now."""
        return any(self.next(address) is not None for address in addresses)

    def next(self, address: str) -> Due | None:
        """Return the oldest notice that can be sent to an address now; None if there is none."""
        now = times.utc_now()
        values = {"address": address, "now": times.timestamp(now), "latest": times.timestamp(now + _LONGEST_PAUSE)}
        for row in self._read(_NEXT, values):
            return Due(
                notice_id=row["notice_id"],
                game_id=row["game_id"],
                kind=row["kind"],
                event_id=row["event_id"],
                facts=msgspec.json.decode(row["facts"]),
                noticed_at=row["noticed_at"],
                attempts=row["attempts"],
                teams=(row["away_abbrev"], row["home_abbrev"]),
            )
        return None

    def begin(self, due: Due, address: str) -> None:
        """Note that an attempt begins, so that one that is killed is not repeated at once."""
        pause = min(_REST * 2 ** min(due.attempts, 10), _LONGEST_PAUSE)
        self._write(
            "UPDATE deliveries SET attempts = attempts + 1, next_try_at = ? WHERE notice_id = ? AND address = ?",
            (times.timestamp(times.utc_now() + pause), due.notice_id, address),
        )

    def accept(self, due: Due, address: str) -> None:
        """Note that an address has accepted a notice: it is never sent there again."""
        self._write(
            "UPDATE deliveries SET accepted_at = ?, problem = NULL WHERE notice_id = ? AND address = ?",
            (times.now(), due.notice_id, address),
        )

    def fail(self, due: Due, address: str, problem: str) -> None:
        """Note why an address has not accepted a notice, and leave the address alone for a moment."""
        rest = times.timestamp(times.utc_now() + _REST)
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            values = (problem, due.notice_id, address)
            connection.execute("UPDATE deliveries SET problem = ? WHERE notice_id = ? AND address = ?", values)
            connection.execute(
                f"UPDATE deliveries AS d SET next_try_at = max(next_try_at, ?) WHERE address = ? AND {_OPEN}",  # noqa: S608
                (rest, address),
            )

    def withdraw(self, due: Due, address: str) -> None:
        """Note that a notice need not be sent any more."""
        statement = "UPDATE deliveries SET dropped_at = ?, problem = NULL WHERE notice_id = ? AND address = ?"
        self._write(statement, (times.now(), due.notice_id, address))

    def drop_late(self) -> dict[str, int]:
        """Give up what is too old to be told; return how many notices by address. Each is returned once."""
        now = times.utc_now()
        values = {
            "now": times.timestamp(now),
            "lasting": _json(_LASTING),
            "lasting_limit": times.timestamp(now - _LATE_ALLOWED),
            "limit": times.timestamp(now - _LATE_ALLOWED_OTHERS),
        }
        if not is_there(self._path):
            return {}
        dropped: dict[str, int] = {}
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            for row in connection.execute(_TOO_LATE, values).fetchall():
                dropped[row["address"]] = dropped.get(row["address"], 0) + 1
        return dropped

    def open_deliveries(self) -> list[dict[str, Any]]:
        """Return what waits to be sent, the oldest first: columns of `notices` and `deliveries`, and the teams."""
        rows = self._read(
            f"""
            SELECT n.game_id, n.kind, n.event_id, n.facts, n.noticed_at, d.address, a.service, d.attempts,
                d.next_try_at, d.problem, g.away_abbrev, g.home_abbrev
            FROM deliveries d JOIN notices n USING (notice_id) JOIN addresses a USING (address)
            JOIN games g USING (game_id) WHERE {_OPEN} ORDER BY n.notice_id, a.service, d.address
            """  # noqa: S608
        )
        return [dict(row) for row in rows]

    def _write(self, statement: str, values: tuple[Any, ...]) -> None:
        with closing(open_writer(self._path, MIGRATIONS)) as connection, transaction(connection):
            connection.execute(statement, values)

    def _read(self, query: str, values: tuple[Any, ...] | Mapping[str, Any] = ()) -> list[sqlite3.Row]:
        if not is_there(self._path):
            return []
        with reading(self._path, MIGRATIONS) as connection:
            return connection.execute(query, values).fetchall()
