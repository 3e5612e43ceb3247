"""Those who read: reports and lists, somebody with a shell on the database, and a backup."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from db import times
from db.backup import backup as copy_database
from db.connection import DatabaseError
from db.history import History, Moment
from livegame.client import GameClient
from livegame.feed import Feed
from livegame.reports.counting import Count
from livegame.reports.tonight import Evening
from tests.simulation.actors.stage import Stage, exit_process, noted, own_process, settings
from tests.simulation.events import Act

_SHELL_WAIT_S: Final = 5.0
_OF_HISTORY: Final = "SELECT count(*) FROM games"
_OF_SERVING: Final = "SELECT count(*) FROM answers"


def reader(stage: Stage, act: Act) -> None:
    """Read the history once: a report, one as of earlier, all games, or the evening.

    `about` is a game id; for a report as of earlier with how many seconds ago.
    """
    _READS[act.what](stage, act.about)
    exit_process(stage)


def _report(stage: Stage, game_id: int) -> None:
    with noted(stage, "reader", "report", game_id):
        report = GameClient.from_settings(settings()).report(game_id)
        if report is not None:
            stage.scheduler.step("")
            stage.evidence.saw(report)


def _report_of_earlier(stage: Stage, about: tuple[int, float]) -> None:
    game_id, ago_s = about
    with noted(stage, "reader", "report of earlier", about) as read:
        then = Moment(wall=times.timestamp(times.utc_now() - timedelta(seconds=ago_s)))
        report = GameClient.from_settings(settings()).report(game_id, moment=then)
        if report is not None:
            sums = [side.counted for side in (report.away, report.home)]
            shots = (sum(side.shots for side in sums), len(report.present))
            xg = (sum(side.xg for side in sums), float(report.present["probability"].sum()))
            read.result = (then.wall, shots, xg)


def _games(stage: Stage, _about: object) -> None:
    with noted(stage, "reader", "games") as read:
        games = History(settings().history_db).games()
        read.result = {game["game_id"]: (game["state"], game["away_score"], game["home_score"]) for game in games}


def _evening(stage: Stage, _about: object) -> None:
    ours = settings()
    with noted(stage, "reader", "evening") as read:
        listed = Feed(ours.feed_url, ours.user_agent).day()
        lines = Evening(History(ours.history_db)).lines(listed.games, Count.ALL)
        read.result = {line.game_id: line.short_status for line in lines}


_READS: Final[dict[str, Callable[[Stage, Any], None]]] = {
    "report": _report,
    "report of earlier": _report_of_earlier,
    "games": _games,
    "evening": _evening,
}


def shell(stage: Stage, act: Act) -> None:
    """Hold a transaction in `sqlite3`, open for reading or for writing. `about` are a file and for how many seconds."""
    name, seconds = act.about
    path = stage.data_dir / name
    with noted(stage, "shell", act.what, act.about) as held:
        try:
            with closing(_connected(path)) as connection:
                connection.execute("BEGIN IMMEDIATE" if act.what == "write" else "BEGIN")
                count = _OF_SERVING if name == "serving.db" else _OF_HISTORY
                before = connection.execute(count).fetchone()
                stage.scheduler.step(f"holds a transaction of {name} for {seconds:g} s", seconds)
                held.result = (before, connection.execute(count).fetchone())
                connection.execute("ROLLBACK")
        except sqlite3.Error as error:  # somebody reads it and tries again
            raise DatabaseError(str(error)) from error
    exit_process(stage)


def _connected(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(bytes(path))}?mode=rw", uri=True, timeout=_SHELL_WAIT_S, isolation_level=None)


def backup(stage: Stage, act: Act) -> None:
    """Copy a database as `scripts/backup.py` does. `about` is its file."""
    target = stage.data_dir / "copies" / f"{own_process().number}-{act.about}"
    with noted(stage, "backup", "copy", act.about) as copied:
        try:
            target.parent.mkdir(exist_ok=True)
        except OSError as error:  # the command ends with its text
            raise DatabaseError(str(error)) from error
        copy_database(stage.data_dir / act.about, target)
        copied.result = target.name
    exit_process(stage)
