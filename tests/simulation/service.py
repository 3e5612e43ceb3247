"""The prediction service as a simulated process: the real app, started, stopped and killed."""

import json
import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest.mock import patch

from bottle import request

from tests.simulation.evidence import BadAnswer, Evidence, called
from tests.simulation.network import Listener, Network
from tests.simulation.scheduler import Process, Scheduler, Thread, current
from xgserve.app import App, create_app
from xgserve.log import handler
from xgserve.log.handler import LogHandler
from xgserve.model import graph
from xgserve.model.model import Model
from xgserve.settings import ServiceSettings
from xgserve.web import service as web

HOST: Final = "serving.sim"
URL: Final = f"http://{HOST}"
BUNDLED_MODELS: Final = ("xg-default", "xg-distance", "xg-distance-angle")
DRAIN_S: Final = 5.0  # as xgserve.web.server
REQUEST_S: Final = 0.001  # that scoring takes, at most twice as long
ROW_S: Final = 0.000_05


class Service:
    """Starts, stops and kills the service of a data folder. `slow_s` are seconds more for each request it scores."""

    def __init__(
        self, scheduler: Scheduler, network: Network, evidence: Evidence, data_dir: Path, chance: Random
    ) -> None:
        self.process: Process | None = None  # the present or last one
        self.slow_s = 0.0
        self._scheduler = scheduler
        self._network = network
        self._evidence = evidence
        self._data_dir = data_dir
        self._chance = chance
        self._stopping: set[Process] = set()
        self._main: Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether its process has neither died nor ended."""
        return self.process is not None and not self.process.is_dead and self.process.is_running

    @property
    def is_listening(self) -> bool:
        """Whether it has started and takes connections."""
        listener = self._network.listener(HOST)
        return listener is not None and listener.is_open

    def start(self) -> Process:
        """Start a process with the service; it takes requests a little later."""
        assert not self.is_running
        self.process = process = self._scheduler.process("service")
        self._main = self._scheduler.spawn(process, lambda: self._run(process), "main")
        return process

    def stop(self) -> None:
        """Ask the service to stop, as SIGTERM does: it answers what is under way, and writes the rest of its log."""
        if self.process is not None and self._main is not None:
            self._stopping.add(self.process)
            self._scheduler.unpark(self._main)

    def kill(self) -> None:
        """Kill it, as SIGKILL does."""
        if self.process is not None and self.is_running:
            self._evidence.died(self.process, "killed")
            self._scheduler.kill(self.process)

    def wait_until(self, is_so: Callable[[], bool], seconds: float) -> bool:
        """Wait until something is so, such as `is_listening`; return whether it is."""
        give_up = self._scheduler.now + seconds
        while not is_so() and self._scheduler.now < give_up:
            self._scheduler.sleep(0.05)
        return is_so()

    def _run(self, process: Process) -> None:
        """Serve until told to stop, then end the process, whatever other threads it has."""
        try:
            self._serve(process)
        except Exception as error:  # noqa: BLE001 - a service that cannot start ends with a traceback
            self._scheduler.note_crash(process.threads[0], error)
        self._evidence.died(process, "ended")
        self._scheduler.kill(process)

    def _serve(self, process: Process) -> None:
        settings = ServiceSettings.from_env({"XG_DATA_DIR": str(self._data_dir), "XG_ALLOWED_HOSTS": HOST})
        app = create_app(settings)
        self._spy_on(app, process)
        listener = self._network.serve(HOST, self._watched(app, process), process)
        while process not in self._stopping:
            self._scheduler.park()
        listener.close()
        self._drain(listener)
        app.close()

    def _drain(self, listener: Listener) -> None:
        give_up = self._scheduler.now + DRAIN_S
        while listener.is_busy and self._scheduler.now < give_up:
            self._scheduler.sleep(0.05)

    def _spy_on(self, app: App, process: Process) -> None:
        """Have scoring take virtual time, and note the rows that the service counts as scored."""
        score, count = app._score, app.metrics.rows_scored

        def slow_score(model: Model, body: bytes) -> bytes:
            rows = body.count(b"],[") + 1
            seconds = (REQUEST_S + ROW_S * rows) * self._chance.uniform(0.5, 2.0) + self.slow_s
            self._scheduler.step(f"scores about {rows} rows by {model.id}", seconds)
            return score(model, body)

        def noted_count(model: Model, rows: int) -> None:
            key = str(request.environ.get("HTTP_IDEMPOTENCY_KEY", "")).strip('"')
            self._evidence.scored(process.number, model.id, key, rows)
            count(model, rows)

        app._score = slow_score  # type: ignore[method-assign]
        app.metrics.rows_scored = noted_count  # type: ignore[method-assign]

    def _watched(self, app: App, process: Process) -> Callable[..., Iterable[bytes]]:
        """Return the app, which notes its answers with status 500 or more."""

        def watched(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            statuses: list[int] = []

            def start(line: str, headers: Any, exc_info: Any = None) -> Any:
                statuses.append(int(line[:3]))
                return start_response(line, headers, exc_info)

            body: Iterable[bytes] = app(environ, start)
            if statuses[-1] >= 500:
                body = list(body)
                code = json.loads(b"".join(body)).get("error", {}).get("code", "")
                self._evidence.bad_answers.append(
                    BadAnswer(self._scheduler.now, called(process), environ["PATH_INFO"], statuses[-1], code)
                )
            return body

        return watched

    def _print(self, text: str, _stream: Any = None) -> None:
        self._scheduler.step(f"prints: {text.strip()}")

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Keep the services of simulated processes apart, in what is global in Python."""
        with ExitStack() as patches:
            for where, name, value in (
                (web, "LogHandler", _OwnLog),
                (handler, "_print", self._print),
                (graph, "_PROCESSORS", 1),  # its other threads are real ones
                (logging, "logThreads", False),  # it makes objects for threads that it does not know
            ):
                patches.enter_context(patch.object(where, name, value))
            yield


class _OwnLog(LogHandler):
    """Takes the records of its own process alone: logging is one for all simulated processes."""

    def __init__(self, *args: Any) -> None:
        thread = current()
        assert thread is not None
        self._process = thread.process
        self._process.at_death.append(lambda: logging.getLogger().removeHandler(self))
        super().__init__(*args)

    def handle(self, record: logging.LogRecord) -> bool:
        thread = current()
        is_ours = thread is not None and thread.process is self._process and not self._process.is_dead
        return super().handle(record) if is_ours else False

    def flush(self) -> None:
        if not self._process.is_dead:  # Python flushes the handlers that it knows when it ends
            super().flush()

    def close(self) -> None:
        if not self._process.is_dead:
            super().close()
