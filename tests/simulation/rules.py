"""The rules that every run must keep."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken rule, and the facts."""

    rule: str
    text: str


def check(world: Any) -> list[Violation]:
    """Return how the run broke rules; its processes have ended."""
    return [Violation("clean", f"{thread.process}: {error!r}") for thread, error in world.scheduler.crashes]
