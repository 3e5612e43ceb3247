"""What happens in a run, as plain data: who does what and when, and which faults strike.

A seed becomes a plan, and a plan becomes a run. Leaving acts or faults out of a plan leaves the others as they were.
"""

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Final

from tests.simulation import scenes
from tests.simulation.events import Act, Fault
from tests.simulation.scenes import CRON_S, any_size
from tests.simulation.truth import GamePlan

__all__ = ["Act", "Fault", "Plan"]

FIRST_GAME: Final = 2025020601
SHORT_FROM: Final = 1_000_000  # seeds of short plans, for tests
DAY_S: Final = 86_400.0


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
        """Return the plan of a seed: a short one from SHORT_FROM on."""
        random = Random(seed)
        is_short = seed >= SHORT_FROM
        length_s = random.uniform(30, 90) if is_short else random.uniform(60, 240)
        number = random.choice((1, 1, 1, 2) if is_short else (1, 1, 2, 3))
        games = tuple(_game(random, FIRST_GAME + which, length_s) for which in range(number))
        ids = [game.game_id for game in games]
        span_s = length_s * 1.4
        acts = _acts(random, ids, span_s, random.randint(*((0, 2) if is_short else (3, 10))))
        faults = _faults(random, ids, span_s, random.randint(1, 3 if is_short else 8))
        for _ in range(random.choice((0, 1, 1) if is_short else (0, 1, 1, 2, 3))):
            scene = scenes.play(random, ids, random.uniform(10, span_s))
            acts += scene.acts
            faults += scene.faults
        if not is_short:
            _add_rarities(Random(f"{seed} rarities"), acts, faults)
        return cls(
            seed,
            random.choice(("truncate", "wal")),
            random.choice((0.0, 0.002, 0.02, 0.2)),
            games,
            tuple(sorted(acts, key=lambda act: act.at_s)),
            tuple(sorted(faults, key=lambda fault: fault.at_s)),
        )


def _game(random: Random, game_id: int, length_s: float) -> GamePlan:
    source = "sample" if random.random() < 0.03 else "made"
    return GamePlan(game_id, source, random.uniform(5, 30), length_s * random.uniform(0.6, 1.0), random.getrandbits(32))


def _acts(random: Random, games: list[int], span_s: float, number: int) -> list[Act]:
    acts = []
    if random.random() < 0.4:
        acts.append(Act(round(random.uniform(1, 20), 3), "operator", "load", random.choice(scenes.CHAMPIONS[1:])))
    if random.random() < 0.4:
        acts.append(Act(round(random.uniform(0, span_s), 3), "page", "watch", round(random.uniform(15, 60), 1)))
    for _ in range(number):
        make = random.choices(list(_ACTS), list(_ACTS.values()))[0]
        acts.append(make(random, round(random.uniform(0, span_s), 3), games))
    return acts


def _add_rarities(random: Random, acts: list[Act], faults: list[Fault]) -> None:
    """Have a model there that was trained here, and a clock that is ahead by more than the service keeps answers."""
    if random.random() < 0.4:
        version = random.choice(scenes.VERSIONS)
        acts.append(Act(round(random.uniform(1, 5), 3), "retraining", "publish", (version, random.randrange(6))))
        if random.random() < 0.5:
            role = random.choice(("load", "swap"))
            acts.append(Act(round(random.uniform(6, 20), 3), "operator", role, f"local/xg-default:{version}"))
    if random.random() < 0.03:
        at_s, ahead_s = random.uniform(10, 200), 40 * DAY_S
        faults.append(Fault(round(at_s, 3), "clock", "", 0, ahead_s))
        acts.append(Act(round(at_s + 1, 3), "operator", "restart"))
        faults.append(Fault(round(at_s + random.uniform(5, 60), 3), "clock", "", 0, -ahead_s))


def _cron(random: Random, at_s: float, games: list[int]) -> Act:
    chosen = random.choice(((), (random.choice(games),), (random.choice(games),), tuple(games)))
    return Act(at_s, "cron", "run", (CRON_S, *chosen))


def _operator(random: Random, at_s: float, games: list[int]) -> Act:
    if random.random() < 0.3:
        return Act(at_s, "operator", random.choice(("look", "read the log", "restart")))
    scene = scenes.Scene(random, games, at_s)
    scene.change(0)
    return scene.acts[0]


def _reader(random: Random, at_s: float, games: list[int]) -> Act:
    game = random.choice(games)
    about = {"report": game, "report of earlier": (game, round(random.uniform(1, 60), 1))}
    what = random.choice(("report", "report of earlier", "games", "evening"))
    return Act(at_s, "reader", what, about.get(what))


def _other(random: Random, at_s: float, games: list[int]) -> Act:
    database = random.choice(("history.db", "serving.db"))
    return random.choice(
        (
            Act(at_s, "backfill", "import", tuple(games)),
            Act(at_s, "backup", "copy", database),
            Act(at_s, "notifier", "deliver", 5.0),
            Act(at_s, "rescore", "rescore"),
            Act(at_s, "retraining", "publish", (random.choice(scenes.VERSIONS), random.randrange(6))),
            Act(at_s, "shell", random.choice(("read", "write")), (database, random.choice((1.0, 4.0, 14.0)))),
        )
    )


_ACTS: Final[dict[Callable[[Random, float, list[int]], Act], int]] = {_cron: 8, _operator: 2, _reader: 1, _other: 2}


def _faults(random: Random, games: list[int], span_s: float, number: int) -> list[Fault]:
    kinds = {_process: 6, _machine: 1, _disk: 2, _network: 3, _feed: 5}
    if random.random() < 0.1:
        return []
    chosen = random.choices(list(kinds), list(kinds.values()), k=number)
    return [make(random, round(random.uniform(0, span_s), 3), games) for make in chosen]


def _process(random: Random, at_s: float, _games: list[int]) -> Fault:
    target = random.choice(
        ("cron", "cron", "page", "service", "service", "notifier", "rescore", "backfill", "operator")
    )
    if random.random() < 0.25:
        return Fault(at_s, "stop", target, any_size(random), round(random.choice((0.5, 5, 25, 60)), 1))
    return Fault(at_s, "kill", target, any_size(random))


def _machine(random: Random, at_s: float, _games: list[int]) -> Fault:
    if random.random() < 0.4:
        seconds = random.choice((-1, 1)) * random.choice((0.5, 30, 3_600, 2 * DAY_S))
        return Fault(at_s, "clock", "", 0, seconds)
    return Fault(at_s, "power cut", "", any_size(random))


def _disk(random: Random, at_s: float, _games: list[int]) -> Fault:
    kind = random.choice(("disk full", "disk read-only", "disk slow", "disk error"))
    return Fault(at_s, kind, "", any_size(random), round(random.uniform(0.1, 20), 1))


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
            *("unreadable", "no id", "twice", "cut", "HTML", "404", "429", "500", "503"),
        )
    )
    target = str(random.choice(games))
    return Fault(at_s, kind, target, random.choice((1, 1, 2, 4)), round(random.choice((2, 10, 30, 60)), 1))
