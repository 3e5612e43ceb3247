"""Plays plans, here or in processes of their own, and says of each what came of it."""

import faulthandler
import multiprocessing
import os
import signal
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Final

from tests.simulation.plan import Plan
from tests.simulation.shrinking import shrunk
from tests.simulation.story import story
from tests.simulation.world import Result, World

LIMIT_S: Final = 120.0  # of real time for a task; a run takes some tenths of a second
SHRINK_LIMIT_S: Final = 600.0
LOG_LINES: Final = 40  # of a run that failed
SIMULATOR: Final = "simulator"  # the "rule" that a fault of the simulation itself breaks


@dataclass(frozen=True)
class Broken:
    """A rule that was broken, and how."""

    rule: str
    how: str


@dataclass(frozen=True)
class Outcome:
    """What came of one run."""

    seed: int
    broken: tuple[Broken, ...] = ()
    counts: Mapping[str, int] = field(default_factory=Counter)  # of faults that took effect and of exceptions
    states: frozenset[int] = frozenset()
    virtual_s: float = 0.0
    steps: int = 0
    log: tuple[str, ...] = ()  # the last lines, if a rule was broken
    plan: Plan | None = None  # None if it could not be played

    @classmethod
    def of(cls, world: World, result: Result) -> "Outcome":
        """Return the outcome of a world's run."""
        broken = tuple(Broken(violation.rule, violation.text) for violation in result.violations)
        return cls(
            world.plan.seed,
            broken,
            result.counts,
            frozenset(result.states),
            result.virtual_s,
            result.steps,
            tuple(story(world)[-LOG_LINES:]) if broken else (),
            world.plan,
        )

    @property
    def rules(self) -> list[str]:
        """The rules that were broken, each once, in order."""
        return list(dict.fromkeys(broken.rule for broken in self.broken))


def play(plan: Plan) -> Outcome:
    """Play one plan in this process; an error of the simulation itself counts as a broken rule."""
    try:
        world = World(plan)
        return Outcome.of(world, world.run())
    except Exception as error:  # noqa: BLE001 - whatever it is, the plan shows it again
        return failure(plan.seed, f"{SIMULATOR}, {type(error).__name__}", traceback.format_exc(), plan)


def play_seed(seed: int) -> Outcome:
    """Play the plan of a seed."""
    return play(Plan.of(seed))


def failure(seed: int, rule: str, how: str, plan: Plan | None = None) -> Outcome:
    """Return the outcome of a run that the simulation could not play to its end."""
    return Outcome(seed, (Broken(rule, how),), plan=plan)


def shrink(plan: Plan, rule: str) -> Outcome:
    """Return the outcome of the shortest plan found that breaks the same rule, without the other rules it breaks."""
    if rule not in play(plan).rules:
        return failure(plan.seed, rule, "not when it was played again: the simulation is not deterministic", plan)
    outcome = play(shrunk(plan, lambda shorter: rule in play(shorter).rules))
    return replace(outcome, broken=tuple(broken for broken in outcome.broken if broken.rule == rule))


Task = Callable[[], Outcome]


class _Player:
    """A process that plays what it is given, one task after the other."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self.answers, theirs = context.Pipe()
        self._process: BaseProcess = context.Process(target=_work, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()
        self.is_ended = False
        self.seed = 0
        self._limit = 0.0

    def give(self, seed: int, task: Task, limit_s: float) -> None:
        self.seed = seed
        self._limit = time.monotonic() + limit_s
        self.answers.send((task, limit_s))

    @property
    def left_s(self) -> float:
        """How long its task may still take."""
        return max(0.0, self._limit - time.monotonic())

    def outcome(self) -> Outcome:
        """Return what it played. Raises `EOFError` and `OSError` if it died."""
        found = self.answers.recv()
        assert isinstance(found, Outcome)
        return found

    def end(self) -> str:
        """End the process, and return how it ended if it did so by itself."""
        with suppress(OSError):
            self.answers.close()
        self._process.join(0.5)
        code = self._process.exitcode
        self._process.kill()
        self._process.join()
        self.is_ended = True
        return "the run took too long" if code is None else f"the process of the run ended with exit code {code}"


def _work(tasks: Connection) -> None:
    """Play until the other end closes."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent decides what Ctrl-C means
    while True:
        try:
            task, limit_s = tasks.recv()
        except (EOFError, ConnectionResetError):  # the parent has gone
            return
        faulthandler.dump_traceback_later(limit_s * 0.9)  # a run that hangs says where
        outcome = task()
        faulthandler.cancel_dump_traceback_later()
        tasks.send(outcome)


class Players:
    """As many processes as wanted. One that dies or hangs is replaced, and its run counts as failed."""

    def __init__(self, number: int) -> None:
        self._idle = [_Player() for _ in range(number)]
        self._busy: list[_Player] = []

    def __enter__(self) -> "Players":
        return self

    def __exit__(self, *_: object) -> None:
        for player in [*self._idle, *self._busy]:
            player.end()

    def play(self, seeds: Iterable[int]) -> Iterator[Outcome]:
        """Play the plans of the seeds, and yield what came of them in the order in which they end."""
        return self._run((seed, partial(play_seed, seed), LIMIT_S) for seed in seeds)

    def shrink(self, outcomes: Sequence[tuple[str, Outcome]]) -> Iterator[Outcome]:
        """Shrink runs that broke a rule, each given with this rule; those without a plan are yielded as they are."""
        yield from (found for _, found in outcomes if found.plan is None)
        yield from self._run(
            (found.seed, partial(shrink, found.plan, rule), SHRINK_LIMIT_S) for rule, found in outcomes if found.plan
        )

    def _run(self, tasks: Iterable[tuple[int, Task, float]]) -> Iterator[Outcome]:
        left = iter(tasks)
        while True:
            while self._idle and (following := next(left, None)) is not None:
                player = self._idle.pop()
                player.give(*following)
                self._busy.append(player)
            if not self._busy:
                return
            yield from self._answers()

    def _answers(self) -> Iterator[Outcome]:
        """Wait until something happens, and yield what was played."""
        ready = wait([player.answers for player in self._busy], min(player.left_s for player in self._busy))
        for player in [player for player in self._busy if player.answers in ready or not player.left_s]:
            self._busy.remove(player)
            try:
                outcome = player.outcome() if player.answers in ready else failure(player.seed, SIMULATOR, player.end())
            except (EOFError, OSError):  # it died
                outcome = failure(player.seed, SIMULATOR, player.end())
            self._idle.append(_Player() if player.is_ended else player)
            yield outcome


def cores() -> int:
    """Return how many processes can run at the same time."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
