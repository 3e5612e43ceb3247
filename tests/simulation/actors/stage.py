"""What every actor needs of the world it acts in, and how it notes what it does."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any, Final, Protocol

from livegame.settings import ClientSettings
from scripts.command import OUR_ERRORS
from tests.simulation import evidence
from tests.simulation.league import League
from tests.simulation.network import Network
from tests.simulation.scheduler import Process, Scheduler, current
from tests.simulation.service import Service

FEED_URL: Final = "http://feed.sim"
SERVING_URL: Final = "http://serving.sim"


class Stage(Protocol):
    """The world, as far as actors see it."""

    scheduler: Scheduler
    network: Network
    evidence: evidence.Evidence
    league: League
    service: Service
    data_dir: Path
    desk: Path  # a folder on another disk, which has no faults
    chance: Random


def settings() -> ClientSettings:
    """Return the settings of all clients of this world."""
    return ClientSettings.from_env()


@contextmanager
def noted(stage: Stage, actor: str, what: str, about: Any = None) -> Iterator[evidence.Act]:
    """Note something that the caller does. An error that a user would read ends it, and is noted."""
    with suppress(*OUR_ERRORS), stage.evidence.act(actor, what, about) as act:
        yield act
        stage.scheduler.step(f"has done: {what} {about}")  # a process that died meanwhile has seen nothing


def own_process() -> Process:
    """Return the process of the caller."""
    thread = current()
    assert thread is not None
    return thread.process


def exit_process(stage: Stage) -> None:
    """End the caller's process with all its threads, as a process ends whose main thread ends."""
    process = own_process()
    stage.scheduler.step("ends")
    stage.evidence.died(process, "ended")
    stage.scheduler.kill(process)
