"""Make large databases quickly, by copying rows, to measure how the product behaves with them."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

FIRST_COPY: Final = 1_900_000_001  # below any real game's id
_GAMES_AT_A_TIME: Final = 1_000
_LOGS_AT_A_TIME: Final = 100_000
_NUMBERS: Final = "WITH RECURSIVE numbers (n) AS (SELECT :first UNION ALL SELECT n + 1 FROM numbers WHERE n < :last)"
_OF_A_GAME: Final = (
    "shots", "predictions", "manpower", "blocked_attempts", "game_models", "game_totals", "game_strengths",
)  # fmt: skip
_ID: Final = {"game_id": f"{FIRST_COPY} + n"}
# each copy on a day of its own, between two of 32 teams
_GAME: Final = _ID | {
    "season": "20002001 + n % 20 * 10001",
    "start_time": "strftime('%Y-%m-%dT%H:%M:%SZ', '2001-01-01', '+' || n || ' hours')",
    "game_date": "date('2001-01-01', '+' || n || ' hours')",
    "home_abbrev": "'T' || (n % 32)",
    "home_name": "'Team ' || (n % 32)",
    "away_abbrev": "'T' || ((n * 7 + 1) % 32)",
    "away_name": "'Team ' || ((n * 7 + 1) % 32)",
    "search_names": "'team ' || (n % 32) || ' t' || (n % 32) || ' team ' || ((n * 7 + 1) % 32)",
    "fingerprint": "'copy ' || n",
}
_LOG: Final = """
    INSERT INTO logs (at, level, logger, message, request_id)
    SELECT strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-20 days', '+' || (n / 10) || ' seconds'),
        iif(n % 1000, 20, 30), 'xgserve.app',
        'POST /predict ' || iif(n % 1000, '200 in 2.1 ms: 3 rows by bundled/xg-default:1.0.0', '422 in 0.6 ms: 1 row'),
        printf('%032x', n)
    FROM numbers
"""
_SUM_UP_ALL_GAMES: Final = {
    "step_totals": """
        SELECT t.model, season, competition, step, sum(shots), sum(xg), sum(goals), sum(log_loss), sum(variance)
        FROM game_totals t JOIN games USING (game_id) GROUP BY 1, 2, 3, 4
    """,
    "team_totals": """
        SELECT model, season, competition, team, count(*), sum(xg), sum(goals), sum(xg_against), sum(goals_against)
        FROM team_games GROUP BY 1, 2, 3, 4
    """,
    "strength_totals": """
        SELECT s.model, season, competition, strength, count(DISTINCT game_id), sum(seconds), sum(shots), sum(xg),
            sum(s.goals)
        FROM game_strengths s JOIN games USING (game_id) GROUP BY 1, 2, 3, 4
    """,
}


def copy_game(path: Path, game_id: int, copies: int) -> None:
    """Store `copies` copies of one game, with everything that is stored of it, in history.db."""
    with _unguarded(path) as connection:
        for bounds in _steps(copies, _GAMES_AT_A_TIME):
            with connection:
                _copy_rows(connection, "games", _GAME, {**bounds, "game": game_id})
                for table in _OF_A_GAME:
                    _copy_rows(connection, table, _ID, {**bounds, "game": game_id})
        with connection:
            for table, sums in _SUM_UP_ALL_GAMES.items():
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - names are ours
                connection.execute(f"INSERT INTO {table} {sums}")


def add_logs(path: Path, rows: int) -> None:
    """Add made-up rows to the log of serving.db, ten for each second of the last days."""
    with _unguarded(path) as connection:
        for bounds in _steps(rows, _LOGS_AT_A_TIME):
            with connection:
                connection.execute(f"{_NUMBERS} {_LOG}", bounds)


@contextmanager
def _unguarded(path: Path) -> Iterator[sqlite3.Connection]:
    # these databases are thrown away, so nothing is guarded against a crash
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA ignore_check_constraints = ON")
        yield connection


def _steps(total: int, step: int) -> Iterator[dict[str, int]]:
    for first in range(0, total, step):
        yield {"first": first, "last": min(first + step, total) - 1}


def _copy_rows(
    connection: sqlite3.Connection, table: str, changed: Mapping[str, str], values: Mapping[str, int]
) -> None:
    columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    copied = ", ".join(changed.get(column, column) for column in columns)
    connection.execute(
        f"{_NUMBERS} INSERT INTO {table} ({', '.join(columns)})"  # noqa: S608 - names are ours
        f" SELECT {copied} FROM numbers CROSS JOIN {table} WHERE game_id = :game",
        values,
    )
