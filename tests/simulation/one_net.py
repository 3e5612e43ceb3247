"""A network with one service and one client, for tests."""

import gc
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

from livegame.errors import FeedMalformed, FeedUnavailable
from tests.simulation import machine, spies
from tests.simulation.events import Fault
from tests.simulation.evidence import Evidence, called
from tests.simulation.network import Network
from tests.simulation.scheduler import Process, Scheduler, Thread, current
from tests.simulation.service import URL, Service
from xgserve.client import ServiceUnavailable, ServingClient


def fault(kind: str, target: str = "serving.sim", seconds: float = 0.0) -> Fault:
    return Fault(0.0, kind, target, 0, seconds)


class Net:
    """A scheduler, a network and a service in a folder; `play` runs a director."""

    def __init__(self, folder: Path, seed: int = 1, handover: float = 0.1) -> None:
        self.lines: list[str] = []
        self.counts: Counter[str] = Counter()
        self.scheduler = Scheduler(Random(seed), handover, self._log)
        self.network = Network(self.scheduler, Random(seed + 1), self._count)
        self.evidence = Evidence(lambda: self.scheduler.now, _caller)
        self.service = Service(self.scheduler, self.network, self.evidence, folder, Random(seed + 2))
        self.found: list[Any] = []
        self.crashes: list[Exception] = []  # that are expected

    def _log(self, thread: Thread, what: str) -> None:
        self.lines.append(f"{self.scheduler.now:.6f} {thread.process} {thread.name} {what}")

    def _count(self, kind: str, _host: str, _seconds: float) -> None:
        self.counts[kind] += 1

    def utc_now(self) -> datetime:
        return datetime(2024, 1, 6, tzinfo=UTC) + timedelta(seconds=self.scheduler.now)

    def play(self, director: Callable[[], None]) -> "Net":
        with ExitStack() as patches:
            for installed in (
                machine.installed(self.scheduler, self, Random(1)),
                self.network.installed(),
                self.service.installed(),
                spies.watching(self.evidence),
            ):
                patches.enter_context(installed)
            gc.disable()  # what it closes takes steps
            patches.callback(gc.enable)
            self.scheduler.run(director)
        assert [error for _, error in self.scheduler.crashes] == self.crashes
        assert self.evidence.complaints == []
        assert self.evidence.bad_answers == []
        return self

    def start(self) -> None:
        self.service.start()
        assert self.service.wait_until(lambda: self.service.is_listening, 10)

    def client(self, call: Callable[[], Any], name: str = "ping") -> tuple[Process, Thread]:
        """Start a process that keeps in `found` what a call returns or raises."""

        def run() -> None:
            try:
                self.found.append(call())
            except (ServiceUnavailable, FeedUnavailable, FeedMalformed) as error:
                self.found.append(error)

        process = self.scheduler.process(name)
        return process, self.scheduler.spawn(process, run, "main")

    def ask(self, call: Callable[[], Any]) -> Any:
        """Return what a call returns or raises in a process of its own."""
        self.scheduler.join(self.client(call)[1])
        return self.found[-1]

    @property
    def rows(self) -> list[tuple[int, str, int]]:
        return [(found.incarnation, found.key, found.rows) for found in self.evidence.scorings]


def _caller() -> str | None:
    thread = current()
    return called(thread.process) if thread and not thread.process.is_dead else None


def predict(key: str | None = "key") -> list[float]:
    """Have the active model score two rows, under a key."""
    client = ServingClient(URL, timeout=10)
    columns = [column.name for column in client.model().features]
    return client.predict_rows(columns, [[None] * len(columns)] * 2, idempotency_key=key)[0]
