"""Notices: the processes that send them, and the receiver that gets them, which may be rude."""

import json
import subprocess
from collections.abc import Callable
from typing import Final
from wsgiref.types import StartResponse, WSGIEnvironment

from livegame.notices.delivery import deliver
from tests.simulation.actors.stage import Stage, exit_process, noted, settings
from tests.simulation.events import Act, Fault

HOST: Final = "receiver.sim"
NAMES: Final = ("one", "two")  # of its addresses
ADDRESSES: Final = tuple(f"json://user:secret@{HOST}/{name}" for name in NAMES)
REFUSES: Final = "refuses a message"
HANGS: Final = "hangs with a message"  # and throws it away
FORGETS: Final = "takes a message and does not say so"
RUDE: Final = (REFUSES, HANGS, FORGETS)


class Receiver:
    """A server of messages, in a process that never dies. `note` is called with each rudeness that takes effect."""

    def __init__(self, stage: Stage, note: Callable[[str, str, float], None] = lambda *_: None) -> None:
        self._stage = stage
        self._note = note
        self._armed: list[tuple[Fault, list[None]]] = []

    def start(self) -> None:
        """Take messages from now on."""
        self._stage.network.serve(HOST, self._app, self._stage.scheduler.process("receiver"))

    def arm(self, rudeness: Fault) -> None:
        """Be rude about the next `steps` messages to its target, the name of an address; any other text: to any."""
        assert rudeness.kind in RUDE, rudeness.kind
        self._armed.append((rudeness, [None] * max(rudeness.steps, 1)))

    def end(self) -> None:
        """Be polite from now on."""
        self._armed.clear()

    def _app(self, environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
        name = environ["PATH_INFO"].strip("/")
        said = json.loads(environ["wsgi.input"].read())
        rudeness = self._due(name)
        kind = rudeness.kind if rudeness else ""
        if kind in ("", FORGETS):
            self._stage.evidence.delivered(name, said["title"], said["message"])
        if rudeness and kind in (HANGS, FORGETS):
            self._stage.scheduler.sleep(rudeness.seconds)
        start_response("404 x" if kind in (REFUSES, HANGS) else "200 x", [])
        return [b""]

    def _due(self, name: str) -> Fault | None:
        for armed in self._armed:
            rudeness, left = armed
            if rudeness.target not in NAMES or rudeness.target == name:
                left.pop()
                if not left:
                    self._armed.remove(armed)
                self._note(rudeness.kind, HOST, rudeness.seconds)
                return rudeness
        return None


def notifier(stage: Stage, act: Act) -> None:
    """Run what `python -m livegame.notices` runs. `about` are for how many seconds."""
    send_for(stage, act.about)


def send_for(stage: Stage, seconds: float) -> None:
    """Deliver notices for some seconds, then end the process, whatever its threads wait for."""
    with noted(stage, "notifier", "deliver", seconds):
        deliver(settings(), seconds)
    exit_process(stage)


class Commands:
    """What `subprocess` is to those who have notices delivered: the command runs as a simulated process."""

    DEVNULL = subprocess.DEVNULL
    TimeoutExpired = subprocess.TimeoutExpired

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def Popen(self, command: list[str], **_named: object) -> "Command":  # noqa: N802 - as subprocess calls it
        """Start `python -m livegame.notices <seconds>`."""
        assert command[1:3] == ["-m", "livegame.notices"], command
        self._stage.scheduler.step("starts a notifier")
        return Command(self._stage, float(command[3]))


class Command:
    """A simulated process that a simulated process has started."""

    def __init__(self, stage: Stage, seconds: float) -> None:
        self._stage = stage
        process = stage.scheduler.process("notifier")
        self._thread = stage.scheduler.spawn(process, lambda: send_for(stage, seconds), "main")

    def wait(self, timeout: float) -> None:
        """Wait until it has ended. Raises `TimeoutExpired`."""
        if not self._stage.scheduler.join(self._thread, timeout):
            raise subprocess.TimeoutExpired("notifier", timeout)
