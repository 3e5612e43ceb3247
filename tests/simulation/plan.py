"""What happens in a run, as plain data: who does what and when, and which faults strike.

A seed becomes a plan, and a plan becomes a run. Leaving acts or faults out of a plan leaves the others as they were.
"""

from dataclasses import dataclass
from random import Random
from typing import Any, Final

from tests.simulation.truth import GamePlan

FIRST_GAME: Final = 2025020601
DAY_S: Final = 86_400.0
BUNDLED: Final = ("xg-default", "xg-distance", "xg-distance-angle")


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


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a run depends on. `seed` decides what is left to chance inside it, such as which thread goes first."""

    seed: int
    journal: str  # of the databases: wal or truncate
    handover: float  # the share of steps at which another thread goes first
    games: tuple[GamePlan, ...]
    acts: tuple[Act, ...]
    faults: tuple[Fault, ...]

    @classmethod
    def of(cls, seed: int) -> "Plan":
        """Return the plan of a seed."""
        random = Random(seed)
        length_s = random.uniform(60, 240)
        games = tuple(_game(random, FIRST_GAME + number, length_s) for number in range(random.choice((1, 1, 2, 3))))
        span_s = length_s * 1.4
        return cls(
            seed,
            random.choice(("truncate", "wal")),
            random.choice((0.0, 0.002, 0.02, 0.2)),
            games,
            _acts(random, [game.game_id for game in games], span_s),
            _faults(random, [game.game_id for game in games], span_s),
        )


def _game(random: Random, game_id: int, length_s: float) -> GamePlan:
    source = "sample" if random.random() < 0.03 else "made"
    return GamePlan(game_id, source, random.uniform(5, 30), length_s * random.uniform(0.6, 1.0), random.getrandbits(32))


def _acts(random: Random, games: list[int], span_s: float) -> tuple[Act, ...]:
    acts = []
    for _ in range(random.randint(6, 20)):
        actor, what, about = _act(random, games)
        acts.append(Act(round(random.uniform(0, span_s), 3), actor, what, about))
    return tuple(sorted(acts, key=lambda act: act.at_s))


def _act(random: Random, games: list[int]) -> tuple[str, str, Any]:
    match random.choices(("cron", "operator", "reader"), (10, 3, 1))[0]:
        case "operator":
            return "operator", "swap", random.choice(BUNDLED)
        case "reader":
            return "reader", "report", random.choice(games)
    return "cron", "ping", random.choice(games)


def _faults(random: Random, games: list[int], span_s: float) -> tuple[Fault, ...]:
    kinds = {_process: 6, _machine: 1, _disk: 2, _network: 3, _feed: 5}
    if random.random() < 0.1:
        return ()
    chosen = random.choices(list(kinds), list(kinds.values()), k=random.randint(1, 10))
    faults = [make(random, round(random.uniform(0, span_s), 3), games) for make in chosen]
    return tuple(sorted(faults, key=lambda fault: fault.at_s))


def _steps(random: Random) -> int:
    """Return after how many steps: any size is as likely as any other."""
    return int(2 ** random.uniform(0, 10))


def _process(random: Random, at_s: float, _games: list[int]) -> Fault:
    target = random.choice(("cron", "cron", "page", "service", "service", "notifier", "rescore", "backfill"))
    if random.random() < 0.25:
        return Fault(at_s, "stop", target, _steps(random), round(random.choice((0.5, 5, 25, 60)), 1))
    return Fault(at_s, "kill", target, _steps(random))


def _machine(random: Random, at_s: float, _games: list[int]) -> Fault:
    if random.random() < 0.4:
        seconds = random.choice((-1, 1)) * random.choice((0.5, 30, 3_600, 2 * DAY_S))
        return Fault(at_s, "clock", "", 0, seconds)
    return Fault(at_s, "power cut", "", _steps(random))


def _disk(random: Random, at_s: float, _games: list[int]) -> Fault:
    kind = random.choice(("disk full", "disk read-only", "disk slow", "disk error"))
    return Fault(at_s, kind, "", _steps(random), round(random.uniform(0.1, 20), 1))


def _network(random: Random, at_s: float, _games: list[int]) -> Fault:
    kind = random.choice(
        (
            *("lost request", "lost answer", "late request", "late answer", "repeated request"),
            *("reset before the answer", "reset in the answer", "cut answer", "refused connection"),
        )
    )
    target = random.choice(("feed.sim", "serving.sim", "serving.sim", "serving.sim", "receiver.sim"))
    return Fault(at_s, kind, target, 0, round(random.choice((0.2, 2, 8, 15)), 1))


def _feed(random: Random, at_s: float, games: list[int]) -> Fault:
    kind = random.choice(
        (
            *("stale", "stale", "stale", "empty", "short", "PRE", "FINAL", "no clock", "slow"),
            *("cut", "HTML", "404", "429", "500", "503"),
        )
    )
    target = str(random.choice(games))
    return Fault(at_s, kind, target, random.choice((1, 1, 2, 4)), round(random.choice((2, 10, 30, 60)), 1))
