"""Those who ping games: the dashboard's server, cron, and a backfill."""

import json
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from livegame.client import GameClient
from livegame.feed import Feed
from livegame.notices.courier import keep_delivering
from livegame.plays import Day
from livegame.recordings.backfill import Backfill, find_sources
from livegame.recordings.workers import Workers
from livegame.watch import Watch
from scripts import ping_game
from tests.simulation.actors.stage import Stage, exit_process, noted, own_process, settings
from tests.simulation.events import Act
from tests.simulation.league import as_answer

TICK_S: Final = 5.0  # between two looks of a reader's page
LISTED_EVERY: Final = 9  # looks
REPORT_AT: Final = (3, 12)  # looks that read a whole report: it takes longer than a ping


@dataclass
class Page:
    """What the dashboard's server makes once, and how many readers it has."""

    client: GameClient
    feed: Feed
    watch: Watch
    listed: Day | None = None
    readers: int = 0


class Pages:
    """The dashboard: one server for all readers, which ends when the last one leaves. `about` are seconds."""

    def __init__(self) -> None:
        self._servers: dict[int, Page] = {}  # by the number of their process

    def watch(self, stage: Stage, act: Act) -> None:
        """Watch the day's games."""
        number = own_process().number
        server = self._servers.get(number) or self._servers.setdefault(number, self._start())
        server.readers += 1
        leaves_at = stage.scheduler.now + act.about
        look = 0
        while stage.scheduler.now < leaves_at:
            self._look(stage, server, look)
            stage.scheduler.sleep(TICK_S)
            look += 1
        server.readers -= 1
        if not server.readers:
            exit_process(stage)

    def _start(self) -> Page:
        ours = settings()
        keep_delivering(ours)
        client = GameClient.from_settings(ours)
        return Page(client, Feed(ours.feed_url, ours.user_agent), Watch(client))

    def _look(self, stage: Stage, server: Page, look: int) -> None:
        if look % LISTED_EVERY == 0 or server.listed is None:
            with noted(stage, "page", "list"):
                server.listed = server.feed.day()
        games = server.listed.games if server.listed else ()
        with noted(stage, "page", "look"):
            server.watch.ping_due(games)
        if look in REPORT_AT and games:
            game_id = games[look % len(games)].game_id
            with noted(stage, "page", "report", game_id):
                report = server.client.report(game_id)
                if report is not None:
                    stage.scheduler.step("")
                    stage.evidence.saw(report)


def cron(stage: Stage, act: Act) -> None:
    """Run `scripts/ping_game.py`. `about` are the seconds that it may take, then game ids; without any, --today."""
    limit_s, *games = act.about
    arguments = ["--timeout", str(limit_s), *(map(str, games) if games else ["--today"])]
    with noted(stage, "cron", "run", tuple(arguments)) as run:
        run.result = ping_game.main(arguments)
        stage.scheduler.step(f"exits with {run.result}")
    exit_process(stage)


def backfill(stage: Stage, act: Act) -> None:
    """Run what `scripts/backfill.py` runs, with the league's answers of now. `about` are game ids."""
    folder = stage.desk / f"recordings-{own_process().number}"
    folder.mkdir()
    for game_id in act.about:
        _record(stage, folder, game_id)
    with noted(stage, "backfill", "import", act.about) as run:
        said: list[str] = []
        client = GameClient.from_settings(settings())
        for progress in Backfill(client, Workers(Executor(), 1), said.append).run(find_sources([folder])):
            stage.scheduler.step(f"imported {progress.stored} games")
        run.result = (progress.stored, progress.failed, tuple(said))
    exit_process(stage)


def _record(stage: Stage, folder: Path, game_id: int) -> None:
    shown = as_answer(stage.league.truth(game_id, stage.scheduler.now))
    (folder / f"{game_id}.json").write_text(json.dumps(shown))
