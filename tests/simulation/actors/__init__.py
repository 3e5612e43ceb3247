"""Those who act on a night. Each act runs the product's own code in a simulated process of its own.

What cannot run in one is replaced: the subprocess that sends notices by a simulated process, the alarm of
`scripts/ping_game.py` by virtual time, and the compiler of models by a look at what it would make.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch

import livegame.notices.courier
import livegame.notices.delivery
import livegame.reports.tonight
import livegame.rescore
import scripts.command
import xgserve.registry.sources
from db.history import Due, History, Outbox
from livegame.client import GameClient
from livegame.notices import wording
from livegame.notices.addresses import opened, subscribe
from livegame.notices.delivery import deliver
from scripts import ping_game
from tests.simulation.actors import notices, operators, pings, readers
from tests.simulation.actors.alarm import Alarm
from tests.simulation.actors.models import TRAINED, compiler, trained
from tests.simulation.actors.notices import ADDRESSES, Commands, Receiver
from tests.simulation.actors.stage import FEED_URL, SERVING_URL, Stage, exit_process, noted, settings
from tests.simulation.events import Act
from tests.simulation.scheduler import current

Actor = Callable[[Stage, Act], None]
Wording = Callable[[Due, History], wording.Message | None]
CLEAN: Final = "clean"  # the process that does what makes everything complete
BATCH: Final = 2  # games that a rescore begins with: a night has few
_NOTICES_TRIES: Final = 40
_PAUSE_S: Final = 60.0
WORDED: Final = 5  # of so many notices one is worded with a whole report, which takes longer than all else of it
REPORTED: Final = 0.1  # the share of a cron's lines for which a whole report is made, which takes longer than its ping
# Messages take the longest, so that few nights have all of them.
_NOTIFY: Final[tuple[tuple[Sequence[str], str], ...]] = (
    ((), ""),
    (ADDRESSES[:1], "goals finals"),
    (ADDRESSES[:1], "goals leads periods"),
    (ADDRESSES, "goals"),
    (ADDRESSES, "goals chances leads periods finals"),
)


class Cast:
    """Has acts played in a world."""

    def __init__(self, world: Any, chance: Random) -> None:
        _warm_up()
        self.scheduler = world.scheduler
        self.network = world.network
        self.evidence = world.evidence
        self.league = world.league
        self.service = world.service
        self.data_dir: Path = world.data_dir
        self.desk = Path()
        self.chance = chance
        self._seed: int = world.plan.seed
        self.receiver = Receiver(self, world.took_effect)
        self._pages = pings.Pages()
        self._actors: dict[str, Actor] = {
            "backfill": pings.backfill,
            "backup": readers.backup,
            "cron": pings.cron,
            "notifier": notices.notifier,
            "operator": operators.operator,
            "page": self._pages.watch,
            "reader": readers.reader,
            "rescore": operators.rescore,
            "retraining": operators.retraining,
            "shell": readers.shell,
        }

    def begin(self, act: Act) -> None:
        """Start an act in a process of its own; a page is one for all its readers."""
        play = self._actors[act.actor]
        running = self.scheduler.alive("page") if act.actor == "page" else []
        process = running[0] if running else self.scheduler.process(act.actor)
        self.scheduler.spawn(process, lambda: play(self, act), act.what)

    @property
    def are_at_work(self) -> bool:
        """Whether an act has not ended."""
        return any(self.scheduler.alive(name) for name in (*self._actors, CLEAN))

    def finish(self) -> None:
        """Do once what makes everything complete: ping each game, then deliver what there is to tell."""
        process = self.scheduler.process(CLEAN)
        self.scheduler.spawn(process, self._finish, "main")
        while self.are_at_work:
            self.scheduler.sleep(0.1)

    def _finish(self) -> None:
        ours = settings()
        client = GameClient.from_settings(ours)
        for game_id in self.league.game_ids:
            with noted(self, CLEAN, "clean ping", game_id) as ping:
                ping.result = client.ping(game_id)
        with noted(self, CLEAN, "deliver"):
            subscribe(ours)
            outbox = Outbox(ours.history_db)
            for _ in range(_NOTICES_TRIES):
                deliver(ours, _PAUSE_S)
                if not outbox.open_deliveries():
                    break
                self.scheduler.sleep(_PAUSE_S)
        exit_process(self)

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Set the settings of this world, and replace what cannot run in a simulated process."""
        alarm = Alarm(self.scheduler)
        with ExitStack() as patches:
            self.desk = Path(patches.enter_context(tempfile.TemporaryDirectory()))
            patches.enter_context(_environment(self.data_dir, *_NOTIFY[self._seed % len(_NOTIFY)]))
            patches.enter_context(alarm.installed())
            for where, name, value in (
                (livegame.notices.courier, "subprocess", Commands(self)),
                (livegame.rescore, "FIRST_BATCH", BATCH),
                (sys, "argv", ["ping_game"]),
                (ping_game, "signal", alarm),
                (ping_game, "print_line", self._print),
                (ping_game, "write_stderr", self._print),
                (ping_game, "_report", self._sometimes(ping_game._report)),
                (ping_game, "_as_line", _line(ping_game._as_line)),
                (livegame.notices.delivery, "message", _in_short(wording.message)),
                (scripts.command, "write_stderr", self._print),
                (xgserve.registry.sources, "compile_artifact", compiler(self)),
                (GameClient, "ping", self._ping(GameClient.ping)),
                (GameClient, "record", self._record(GameClient.record)),
                (GameClient, "rescore", self._rescore(GameClient.rescore)),
                (shutil, "_USE_CP_SENDFILE", False),  # a copy is made of writes
                (tempfile, "_get_candidate_names", self._names(tempfile._get_candidate_names)),  # type: ignore[attr-defined]
                (os, "getpid", _number(os.getpid)),
            ):
                patches.enter_context(patch.object(where, name, value))
            yield

    def _print(self, text: str) -> int:
        self.scheduler.step(f"prints: {text}")
        return 0

    def _sometimes(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that returns None for most calls."""
        return lambda *args: real(*args) if self.chance.random() < REPORTED else None

    def _names(self, real: Callable[[], Iterator[str]]) -> Callable[[], Iterator[str]]:
        """Return a source of names for temporary files."""

        def names() -> Iterator[str]:
            while current() is not None:
                yield self.chance.randbytes(4).hex()
            yield from real()

        return names

    def _ping(self, real: Callable[..., Any]) -> Callable[..., Any]:
        """Return `GameClient.ping`, whose calls are noted."""

        def ping(client: GameClient, game_id: Any) -> Any:
            return self._noted("ping", game_id, lambda: real(client, game_id))

        return ping

    def _record(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def record(client: GameClient, updates: Any, timeout_s: float) -> Any:
            games = tuple(sorted(update.game.game_id for update in updates))
            return self._noted("record", games, lambda: real(client, updates, timeout_s))

        return record

    def _rescore(self, real: Callable[..., Any]) -> Callable[..., Any]:
        def rescore(client: GameClient, game_ids: Any, model: Any, timeout_s: float) -> Any:
            about = (model.model_id, *game_ids)
            return self._noted("rescore batch", about, lambda: real(client, game_ids, model, timeout_s))

        return rescore

    def _noted(self, what: str, about: Any, call: Callable[[], Any]) -> Any:
        """Note a call of the product; its errors are noted and raised again."""
        thread = current()
        if thread is None:
            return call()
        with self.evidence.act(thread.process.name, what, about) as act:
            act.result = call()
            self.scheduler.step(f"has done: {what} {about}")
        return act.result


@contextmanager
def _environment(data_dir: Path, addresses: Sequence[str], about: str) -> Iterator[None]:
    """Set what the settings are read from."""
    ours = {
        "XG_DATA_DIR": str(data_dir),
        "XG_FEED_URL": FEED_URL,
        "XG_SERVING_URL": SERVING_URL,
        "XG_NOTIFY": " ".join(addresses),
        "XG_NOTIFY_ABOUT": about,
    }
    with patch.dict(os.environ, ours):
        for name in [name for name in os.environ if name.startswith(("XG_", "COMET_")) and name not in ours]:
            del os.environ[name]
        yield


def _in_short(
    real: Callable[[Due, History], wording.Message | None],
) -> Callable[[Due, History], wording.Message | None]:
    """Return what words a notice: most of them without a whole report, except where that decides whether to tell it."""

    def message(due: Due, history: History) -> wording.Message | None:
        if current() is None or due.kind == "final" or due.notice_id % WORDED == 0:
            return real(due, history)
        return wording.Message(f"game {due.game_id}: {due.kind}", f"notice {due.notice_id}, shot {due.event_id}")

    return message


def _line(real: Callable[..., str]) -> Callable[..., str]:
    """Return what makes cron's line of a ping, where there is no report as well."""
    return lambda report, ping: real(report, ping) if report else f"{ping.game_id}: {ping.scored} rated"


def _number(real: Callable[[], int]) -> Callable[[], int]:
    """Return `os.getpid`, with a number of their own for simulated processes."""

    def number() -> int:
        thread = current()
        return real() if thread is None else 1_000 + thread.scheduler.processes.index(thread.process)

    return number


@cache
def _warm_up() -> None:
    """Import and make what a simulated thread must not be the first to need."""
    opened(ADDRESSES[0])
    for number in range(TRAINED):
        trained(number)
