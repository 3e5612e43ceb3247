"""What is promised to outlive a power cut, beside the databases."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

from db.backup import backup
from livegame.lock import game_lock
from livegame.notices.addresses import addresses
from livegame.scoring.open_requests import PendingRequests
from livegame.settings import ClientSettings
from tests.promises.helpers import contents
from tests.simulation.one_disk import Machine
from tests.simulation.test_disk import record
from xgserve.names import ModelName
from xgserve.registry.cache import ModelCache

GAME_ID = 2021020329
POWER_CUTS = 12  # each leaves something else of what was not synced
Seen = TypeVar("Seen")


def before_and_after(root: Path, seed: int, use: Callable[[], Seen], see: Callable[[], Seen]) -> tuple[Seen, Seen]:
    """Return what `use` returns in a new folder, and what `see` returns after a power cut."""
    machine, seen = Machine(root, seed), list[Seen]()
    machine.run(lambda: seen.append(use()), after=partial(machine.disk.power_cut, machine.random))
    return seen[0], see()


def test_key_of_a_request_outlives_a_power_cut_as_its_answer_does(folder: Path) -> None:
    for seed in range(POWER_CUTS):
        root = folder / str(seed)
        root.mkdir()

        def ask(root: Path = root) -> str:
            with game_lock(root, GAME_ID, 1.0):
                return PendingRequests(root, GAME_ID).next("model", {(GAME_ID, 1): {"distance": 10.0}}).key

        def noted(root: Path = root) -> str:
            return "".join(request.key for _, request in PendingRequests(root, GAME_ID).open)

        before, after = before_and_after(root, seed, ask, noted)
        assert after == before


def test_addresses_have_the_same_digests_after_a_power_cut(folder: Path) -> None:
    for seed in range(POWER_CUTS):
        root = folder / str(seed)
        root.mkdir()
        settings = ClientSettings(data_dir=root, notify=("json://receiver.example/",))
        before, after = before_and_after(root, seed, partial(addresses, settings), partial(addresses, settings))
        assert after == before


def test_finished_copy_outlives_a_power_cut(folder: Path) -> None:
    for seed in range(POWER_CUTS):
        root = folder / str(seed)
        (root / "copies").mkdir(parents=True)
        record(root / "history.db", 2)
        copy = root / "copies" / "history.db"
        before_and_after(root, seed, partial(backup, root / "history.db", copy), lambda: None)
        assert contents(copy) == contents(root / "history.db")


def test_cached_model_outlives_a_power_cut_as_its_activation_does(folder: Path) -> None:
    name = ModelName("workspace", "model", "1.0.0")

    def is_cached(cache: ModelCache) -> bool:
        return cache.find(name) is not None

    for seed in range(POWER_CUTS):
        cache = ModelCache(folder / str(seed) / "models")

        def publish(cache: ModelCache = cache) -> bool:
            with cache.temporary() as made:
                (made / "model.skops").write_bytes(b"0" * 5_000)
                cache.publish(made, name, "model.skops")
            return True

        (folder / str(seed)).mkdir()
        assert before_and_after(folder / str(seed), seed, publish, partial(is_cached, cache)) == (True, True)
