"""Short series of acts and faults that meet: a ping dies, and another one follows; a model goes in the middle of one.

Chance alone would seldom have them meet, since a ping takes a tenth of a second of a night.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from tests.simulation.events import Act, Fault

SERVING: Final = "serving.sim"
CHAMPIONS: Final = tuple(f"bundled/{name}:1.0.0" for name in ("xg-default", "xg-distance", "xg-distance-angle"))
VERSIONS: Final = ("2026.1.2", "2026.1.3")  # of models that are trained during the night
TRAINED: Final = tuple(f"local/xg-default:{version}" for version in VERSIONS)
CRON_S: Final = 55


@dataclass
class Scene:
    """Gathers what happens around a moment."""

    random: Random
    games: Sequence[int]
    at_s: float

    def __post_init__(self) -> None:
        self.acts: list[Act] = []
        self.faults: list[Fault] = []

    # -- what scenes are made of ---------------------------------------------------------------------------------------

    def act(self, after_s: float, actor: str, what: str, about: Any = None) -> None:
        """Add an act some seconds after the moment."""
        self.acts.append(Act(round(self.at_s + after_s, 3), actor, what, about))

    def cron(self, after_s: float = 0.0, *games: int, limit_s: int = CRON_S) -> None:
        """Ping games, by default one."""
        self.act(after_s, "cron", "run", (limit_s, *(games or (self.random.choice(self.games),))))

    def fault(
        self, after_s: float, kind: str, target: str = "", seconds: float = 0.0, steps: int | None = None
    ) -> None:
        """Add a fault; one that strikes a process does so after any number of its steps."""
        number = any_size(self.random) if steps is None else steps
        self.faults.append(Fault(round(self.at_s + after_s, 3), kind, target, number, round(seconds, 1)))

    def soon(self) -> float:
        """Return how many seconds later something happens that meets what is under way, or just misses it."""
        return self.random.choice((0.005, 0.03, 0.1, 0.5, 3.0)) * self.random.uniform(0.5, 1.5)

    def model(self) -> str:
        """Return the name of a model."""
        return self.random.choice((*CHAMPIONS, *CHAMPIONS, *TRAINED))

    def change(self, after_s: float) -> None:
        """Have an operator change the models."""
        what = self.random.choice(("swap", "load", "load", "promote", "promote and keep", "drop", "roll back"))
        needs_none = what in ("drop", "roll back") or (what.startswith("promote") and self.random.random() < 0.5)
        self.act(after_s, "operator", what, None if needs_none else self.model())


def any_size(random: Random) -> int:
    """Return after how many steps: any order of magnitude is as likely as any other."""
    return int(2 ** random.uniform(0, 10))


# -- scenes ------------------------------------------------------------------------------------------------------------


def ping_dies(scene: Scene) -> None:
    """A ping dies, and one of the same game follows."""
    game = scene.random.choice(scene.games)
    scene.fault(0, "kill", "cron")
    scene.cron(0.001, game)
    scene.cron(scene.soon(), game)
    scene.cron(5.0, game)


def answer_is_lost(scene: Scene) -> None:
    """The service has answered, and the ping never hears of it; perhaps the service dies as well."""
    game = scene.random.choice(scene.games)
    scene.fault(0, scene.random.choice(("lost answer", "reset in the answer", "late answer")), SERVING, 12.0, 0)
    if scene.random.random() < 0.5:
        scene.fault(0.01, "kill", scene.random.choice(("service", "cron")))
    scene.cron(0.001, game)
    scene.cron(scene.random.choice((0.5, 5.0, 15.0)), game)


def models_change_in_mid_ping(scene: Scene) -> None:
    """A model comes or goes while games are pinged."""
    scene.act(0, "operator", "load", scene.model())
    scene.cron(1.0, *scene.games)
    scene.change(1.0 + scene.soon())
    scene.cron(1.0 + scene.soon(), *scene.games)


def change_dies(scene: Scene) -> None:
    """The service or the operator dies while models change; a ping follows."""
    scene.act(0, "operator", "load", scene.model())
    scene.fault(1.0, "kill", scene.random.choice(("service", "service", "operator")), steps=any_size(scene.random) // 8)
    scene.act(1.0, "operator", scene.random.choice(("promote", "promote and keep", "swap")), scene.model())
    scene.cron(1.0 + scene.soon(), *scene.games)
    scene.cron(10.0, *scene.games)


def rescore_dies(scene: Scene) -> None:
    """A rescore dies, a ping follows, and a rescore again."""
    scene.cron(0, *scene.games)
    scene.act(1.0, "operator", "load", scene.model())
    scene.fault(2.0, scene.random.choice(("kill", "kill", "power cut")), "rescore")
    scene.act(2.0, "rescore", "rescore")
    scene.cron(2.0 + scene.soon(), *scene.games)
    scene.act(8.0, "rescore", "rescore", scene.random.choice((None, scene.model())))


def all_ping_one_game(scene: Scene) -> None:
    """Many ping the same game at the same time, and one of them is stopped with the lock in its hand."""
    game = scene.random.choice(scene.games)
    for _ in range(scene.random.randint(2, 4)):
        scene.cron(scene.soon() / 5, game)
    scene.fault(0, "stop", "cron", scene.random.choice((0.5, 15.0, 40.0)))
    scene.act(scene.soon(), "backfill", "import", (game,))


def service_restarts(scene: Scene) -> None:
    """The service is restarted while a game is pinged."""
    scene.cron(0, *scene.games)
    scene.act(scene.soon(), "operator", "restart")
    scene.cron(scene.soon(), *scene.games)


def disk_fails(scene: Scene) -> None:
    """The disk fails, or somebody holds the database, while a game is pinged."""
    if scene.random.random() < 0.4:
        about = (scene.random.choice(("history.db", "serving.db")), scene.random.choice((1.0, 4.0, 14.0)))
        scene.act(0, "shell", scene.random.choice(("read", "write", "write")), about)
    else:
        kind = scene.random.choice(("disk full", "disk read-only", "disk slow", "disk error"))
        scene.fault(0, kind, "", scene.random.uniform(0.05, 5.0))
    scene.cron(scene.soon() / 5, *scene.games)
    scene.fault(scene.soon(), "kill", scene.random.choice(("cron", "service")))
    scene.cron(6.0, *scene.games)


def power_fails(scene: Scene) -> None:
    """The power fails while a game is pinged; then it is pinged again."""
    scene.cron(0, *scene.games)
    scene.fault(scene.soon() / 5, "power cut")
    scene.cron(8.0, *scene.games)


def training_is_published(scene: Scene) -> None:
    """A training publishes a model, perhaps over an older one, while an operator loads it."""
    version = scene.random.choice(VERSIONS)
    scene.act(0, "retraining", "publish", (version, scene.random.randrange(6)))
    if scene.random.random() < 0.5:
        scene.fault(0, "kill", scene.random.choice(("retraining", "service")))
    role = scene.random.choice(("load", "swap"))
    scene.act(scene.random.choice((0.002, 1.0, 3.0)), "operator", role, f"local/xg-default:{version}")
    scene.act(scene.random.uniform(0, 3), "retraining", "publish", (version, scene.random.randrange(6)))
    if scene.random.random() < 0.5:
        scene.act(4.0, "operator", "restart")
    scene.cron(6.0, *scene.games)


def notices_are_sent(scene: Scene) -> None:
    """Goals are told while notifiers die and the receiver is rude."""
    scene.cron(0, *scene.games)
    rude = ("refuses a message", "hangs with a message", "takes a message and does not say so")
    scene.fault(0, scene.random.choice(rude), scene.random.choice(("one", "two", "")), 15.0, steps=1)
    if scene.random.random() < 0.6:
        scene.fault(0, "kill", "notifier")
    for _ in range(scene.random.randint(1, 3)):
        scene.act(scene.soon(), "notifier", "deliver", scene.random.choice((3.0, 10.0)))


def clock_jumps(scene: Scene) -> None:
    """The clock jumps, and perhaps comes back, between pings."""
    jump_s = scene.random.choice((-1, 1)) * scene.random.choice((0.5, 30.0, 3_600.0, 172_800.0))
    scene.cron(0, *scene.games)
    scene.fault(scene.soon() / 5, "clock", "", jump_s)
    scene.cron(2.0, *scene.games)
    if scene.random.random() < 0.6:
        scene.fault(4.0, "clock", "", -jump_s)
    scene.cron(6.0, *scene.games)


def cron_is_in_haste(scene: Scene) -> None:
    """Something is slow, and a ping has hardly any time."""
    if scene.random.random() < 0.5:
        scene.fault(0, "slow", str(scene.random.choice(scene.games)), 10.0, 1)
    else:
        scene.fault(0, scene.random.choice(("late answer", "late request")), SERVING, scene.random.uniform(0.5, 8.0), 0)
    for _ in range(2):
        scene.cron(scene.soon(), *scene.games, limit_s=scene.random.randint(1, 4))
    scene.cron(10.0, *scene.games)


SCENES: Final[tuple[tuple[Callable[[Scene], None], int], ...]] = (
    (ping_dies, 4),
    (answer_is_lost, 4),
    (models_change_in_mid_ping, 3),
    (change_dies, 3),
    (rescore_dies, 3),
    (all_ping_one_game, 2),
    (service_restarts, 2),
    (disk_fails, 3),
    (power_fails, 2),
    (training_is_published, 2),
    (notices_are_sent, 2),
    (clock_jumps, 1),
    (cron_is_in_haste, 1),
)


def play(random: Random, games: Sequence[int], at_s: float) -> Scene:
    """Return a scene at a moment, chosen by chance."""
    scene = Scene(random, games, at_s)
    random.choices([make for make, _ in SCENES], [weight for _, weight in SCENES])[0](scene)
    return scene
