"""Compiled models damaged on disk: they are compiled again, or refused, and never give other probabilities."""

import errno
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.xgserve.registry import hostile
from tests.xgserve.registry.helpers import put_in_cache, settings
from xgserve.compiler import build, child
from xgserve.errors import StorageFailed
from xgserve.model.compiled import DESCRIPTION_FILE, GRAPH_FILE, read_description
from xgserve.names import COMPILED
from xgserve.registry.bundle import FOLDER
from xgserve.registry.registry import open_registry

ROWS = {str(name): column.tolist() for name, column in hostile.ROWS.items()}


def flipped(content: bytes, bit: int) -> bytes:
    return content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :]


def test_description_with_a_flipped_bit_is_not_read(tmp_path: Path) -> None:
    content = (FOLDER / "xg-default/1.0.0" / COMPILED / DESCRIPTION_FILE).read_bytes()
    (tmp_path / DESCRIPTION_FILE).write_bytes(content)
    whole = read_description(tmp_path)
    assert whole is not None
    chance = random.Random(1)
    for _ in range(1000):
        (tmp_path / DESCRIPTION_FILE).write_bytes(flipped(content, chance.randrange(8 * len(content))))
        assert read_description(tmp_path) in (None, whole), "a bit of the white space around it does no harm"


def damage_description(folder: Path, _other: Path) -> None:
    file = folder / DESCRIPTION_FILE
    content = file.read_text()
    assert '"nullable": false' in content
    file.write_text(content.replace('"nullable": false', '"nullable": true '))


def damage_graph(folder: Path, _other: Path) -> None:
    file = folder / GRAPH_FILE
    content = file.read_bytes()
    file.write_bytes(flipped(content, 4 * len(content)))


def remove_graph(folder: Path, _other: Path) -> None:
    (folder / GRAPH_FILE).unlink()


def take_the_other(folder: Path, other: Path) -> None:
    """As another process leaves it that compiled an artifact which was replaced meanwhile."""
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


@pytest.mark.parametrize("damage", [damage_description, damage_graph, remove_graph, take_the_other])
def test_damaged_compiled_model_is_compiled_again(tmp_path: Path, damage: Callable[[Path, Path], None]) -> None:
    for version, intercept in (("1.0.0", -2.0), ("2.0.0", 2.0)):
        put_in_cache(tmp_path, version, intercept)
    folder, other = (tmp_path / "models/acme/shots" / version / COMPILED for version in ("1.0.0", "2.0.0"))
    registry = open_registry(settings(tmp_path))
    before = registry.activate("acme", "shots", "1.0.0").model
    whole = read_description(folder)
    damage(folder, other)
    again = registry.activate("acme", "shots", "1.0.0").model
    assert again.predict(ROWS, range(4)).tolist() == before.predict(ROWS, range(4)).tolist()
    assert again.columns == before.columns
    assert read_description(folder) == whole


def test_full_disk_is_not_blamed_on_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    (tmp_path / "model.skops").write_bytes(hostile.good()["model.skops"])
    request = {"artifact": str(tmp_path / "model.skops"), "workspace": "acme", "allow_pickle": False}
    monkeypatch.setattr(build, "write_compiled", no_space)
    monkeypatch.setattr(child, "limit_memory", lambda _: None)  # this process needs its memory
    with pytest.raises(StorageFailed, match="No space left"):
        child.handle(request | {"output": str(tmp_path), "environment": "", "memory_bytes": 0})
