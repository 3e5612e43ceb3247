"""What happens in a run, as plain data: acts and faults."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Act:
    """What an actor does at a virtual second; `about` says to what, such as a game id or the name of a model."""

    at_s: float
    actor: str
    what: str
    about: Any = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong: from `at_s` on, after `steps` steps of `target` where it strikes a process, for `seconds`."""

    at_s: float
    kind: str
    target: str = ""
    steps: int = 0
    seconds: float = 0.0
