"""Helpers of the promise tests: a replayed night, real pings of it, and what the history must hold afterwards."""

import itertools
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from msgspec.structs import replace

from db.connection import DatabaseError, open_writer, transaction
from db.history.schema import MIGRATIONS
from livegame.recordings.files import dump_compact, find_recordings, read_recording
from livegame.recordings.replay import create_app
from tests.games import GAME_ID, wsgi_server
from tests.helpers import ROOT, Clock, make_client
from xgserve.app import App

LENGTH_S = 4_200  # of the sample game, intermissions included
TABLES = (
    *("games", "models", "shots", "predictions", "manpower", "blocked_attempts", "game_models", "game_totals"),
    "corrections",
)


def copies_of_the_sample(folder: Path, number: int) -> list[int]:
    """Write the sample game under other ids, and return them."""
    sample = read_recording(find_recordings(folder)[GAME_ID])
    game_ids = list(range(2021021001, 2021021001 + number))
    folder.mkdir(exist_ok=True)
    for game_id in game_ids:
        (folder / f"{game_id}.json").write_text(dump_compact(replace(sample, game_id=game_id)))
    return game_ids


@contextmanager
def replayed(folder: Path, clock: Clock) -> Iterator[str]:
    """Replay the folder's recordings and the sample from their start, on this clock; yield the address."""
    with TemporaryDirectory() as state, wsgi_server(create_app(folder, Path(state) / "starts", 1.0, clock)) as url:
        yield url


def start_script(env: dict[str, str], *arguments: object) -> "subprocess.Popen[str]":
    """Start `scripts/ping_game.py` as cron does."""
    return subprocess.Popen(
        [sys.executable, "scripts/ping_game.py", *map(str, arguments)],
        cwd=ROOT,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def contents(database: Path, *but: str) -> dict[str, set[tuple[Any, ...]]]:
    """Return all rows of the history by table, without the times of writing and the columns in `but`.

    Numbers are rounded: the last digit of a probability depends on how many rows were rated with it.
    """
    found = {}
    with closing(sqlite3.connect(database)) as connection:
        for table in TABLES:
            columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
            left_out = ("correction_id", "model_id", *but)
            wanted = ", ".join(c for c in columns if not c.endswith("_at") and c not in left_out)
            rows = connection.execute(f"SELECT {wanted} FROM {table}")
            found[table] = {tuple(round(v, 9) if isinstance(v, float) else v for v in row) for row in rows}
    return found


def is_sound(database: Path) -> bool:
    """Return whether the file passes SQLite's checks, foreign keys included, and its sums and states are right."""
    with closing(sqlite3.connect(database)) as connection:
        return (
            connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            and connection.execute("PRAGMA foreign_key_check").fetchall() == []
            and sums_are_true(connection)
            and states_are_true(connection)
        )


def states_are_true(connection: sqlite3.Connection) -> bool:
    """Return whether each game's newest state is that of its row; True for a file that has no states."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'game_states'").fetchall():
        return True
    columns = {row[1] for row in connection.execute("PRAGMA table_info(game_states)")}
    shared = sorted(columns & {row[1] for row in connection.execute("PRAGMA table_info(games)")})
    newest = "seen_at = (SELECT max(seen_at) FROM game_states o WHERE o.game_id = s.game_id)"
    states = connection.execute(f"SELECT {', '.join(shared)} FROM game_states s WHERE {newest}").fetchall()
    return set(connection.execute(f"SELECT {', '.join(shared)} FROM games")) == set(states)


def sums_are_true(connection: sqlite3.Connection) -> bool:
    """Return whether the sums over all games equal those of the games; True for a file that has no such sums."""
    if not connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'team_totals'").fetchall():
        return True

    def sums(select: str) -> dict[tuple[Any, ...], tuple[Any, ...]]:
        return {row[:4]: row[4:] for row in connection.execute(select)}

    by_step, by_team = "t.model, season, competition, step", "model, season, competition, team"
    kept = sums(f"SELECT {by_step}, shots, goals, xg, log_loss, variance FROM step_totals t WHERE shots > 0")
    kept |= sums(f"SELECT {by_team}, games, goals, xg, xg_against FROM team_totals WHERE games > 0")
    true = sums(
        f"SELECT {by_step}, sum(shots), sum(goals), sum(xg), sum(log_loss), sum(variance)"
        " FROM game_totals t JOIN games USING (game_id) GROUP BY 1, 2, 3, 4"
    )
    true |= sums(
        f"SELECT {by_team}, count(*), sum(goals), sum(xg), sum(xg_against) FROM team_games GROUP BY 1, 2, 3, 4"
    )
    if connection.execute("SELECT 1 FROM sqlite_schema WHERE name = 'strength_totals'").fetchall():
        by_strength = "s.model, season, competition, strength"
        kept |= sums(f"SELECT {by_strength}, games, seconds, shots, goals, xg FROM strength_totals s WHERE games > 0")
        true |= sums(
            f"SELECT {by_strength}, count(DISTINCT game_id), sum(seconds), sum(shots), sum(s.goals), sum(xg)"
            " FROM game_strengths s JOIN games USING (game_id) GROUP BY 1, 2, 3, 4"
        )
    return kept == {key: pytest.approx(values) for key, values in true.items()}


def stored_predictions(database: Path) -> int:
    """Return the number of stored predictions."""
    with closing(sqlite3.connect(database)) as connection:
        return int(connection.execute("SELECT count(*) FROM predictions").fetchone()[0])


def undisturbed(folder: Path, data_dir: Path, game_ids: list[int], serving_url: str) -> dict[str, set[tuple[Any, ...]]]:
    """Return what one undisturbed client stores when it pings the folder's games from start to end."""
    clock = Clock()
    with replayed(folder, clock) as feed_url:
        client = make_client(data_dir, feed_url, serving_url)
        for clock.seconds in (0.0, LENGTH_S / 3, LENGTH_S / 2, 2.0 * LENGTH_S):
            for game_id in game_ids:
                client.ping(game_id)
    return contents(data_dir / "history.db")


# -- run in processes of their own, which would take long to import a test module --------------------------------------


def ping_until(end: Path, data_dir: Path, feed_url: str, serving_url: str, games: list[int], seed: int) -> list[float]:
    """Ping games at random until the file `end` exists; return how many seconds each ping took."""
    client, chance = make_client(data_dir, feed_url, serving_url), random.Random(seed)
    took: list[float] = []
    end.with_name(f"ping-{seed}").touch()
    while not end.exists() or not took:
        started = time.monotonic()
        client.ping(chance.choice(games))
        took.append(time.monotonic() - started)
    return took


def read_until(end: Path, data_dir: Path, feed_url: str, serving_url: str, games: list[int], seed: int) -> int:
    """Read reports until the file `end` exists; return how many had sums that were not those of their shots."""
    client, chance, torn = make_client(data_dir, feed_url, serving_url), random.Random(seed), 0
    end.with_name(f"page-{seed}").touch()
    while not end.exists():
        report = client.report(chance.choice(games))
        if report is not None:
            away, home = report.away.counted, report.home.counted
            sums = (away.shots + home.shots, round(away.xg + home.xg, 6))
            torn += sums != (len(report.present), round(float(report.present["probability"].sum()), 6))
    return torn


def write_as_the_old_version(path: Path, started: Path) -> tuple[int, str]:
    """Write as version 1 does until it is refused; return how many rows were stored, and the error."""
    written = 0
    with closing(open_writer(path, {1: MIGRATIONS[1]})) as connection:  # open all the time, as the service's log is
        started.touch()
        while True:
            try:
                with transaction(connection):
                    name = f"{started.name}-{written}"
                    connection.execute("INSERT INTO models VALUES (?, 'unblocked', '')", (name,))
            except DatabaseError as error:
                return written, str(error)
            written += 1
            time.sleep(0.002)


def ping_forever(data_dir: Path, feed_url: str, serving_url: str, games: list[int], times: Path) -> None:
    """Ping the games in turn, and append the seconds that each ping took to the file `times`."""
    client = make_client(data_dir, feed_url, serving_url)
    with times.open("a", buffering=1) as file:
        for game_id in itertools.cycle(games):
            started = time.monotonic()
            client.ping(game_id)
            file.write(f"{time.monotonic() - started:.4f}\n")
            time.sleep(0.1)


def kill(popen: "subprocess.Popen[str]") -> None:
    popen.kill()
    popen.communicate()


def killer_of(victims: "list[subprocess.Popen[str]]") -> Callable[[App], Any]:
    """Return a wrapper of the service that kills a victim once it has an answer for it."""

    def killer(app: App) -> Any:
        def killing(environ: dict[str, object], start_response: object) -> object:
            answer = app(environ, start_response)
            if environ["PATH_INFO"] == "/predict" and victims:
                kill(victims.pop())
            return answer

        return killing

    return killer
