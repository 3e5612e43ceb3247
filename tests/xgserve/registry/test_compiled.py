"""The compiled model beside an artifact: when it is used, and when it is made again."""

import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.xgserve.registry import hostile
from tests.xgserve.registry.helpers import put_in_cache, settings
from xgserve.model.compiled import DESCRIPTION_FILE, GRAPH_FILE, environment, read_description, write_compiled
from xgserve.names import COMPILED, ModelName
from xgserve.registry import compilation
from xgserve.registry.cache import digest_of
from xgserve.registry.registry import Registry, open_registry


def activate(data_dir: Path, name: ModelName) -> Registry:
    registry = open_registry(settings(data_dir))
    registry.activate(name.workspace, name.name, name.version)
    return registry


def compiled(data_dir: Path, name: ModelName) -> Path:
    return data_dir / "models" / name.workspace / name.name / name.version / COMPILED


def test_compiled_model_is_used_as_it_is(tmp_path: Path) -> None:
    name = put_in_cache(tmp_path, "1.0.0", 0.5)
    before = (compiled(tmp_path, name) / DESCRIPTION_FILE).stat().st_ino
    activate(tmp_path, name)
    assert (compiled(tmp_path, name) / DESCRIPTION_FILE).stat().st_ino == before


def test_model_compiled_with_other_libraries_is_compiled_again(tmp_path: Path) -> None:
    name = put_in_cache(tmp_path, "1.0.0", 0.5)
    description = read_description(compiled(tmp_path, name))
    assert description is not None
    graph = (compiled(tmp_path, name) / GRAPH_FILE).read_bytes()
    write_compiled(compiled(tmp_path, name), msgspec.structs.replace(description, environment="older"), graph)
    activate(tmp_path, name)
    again = read_description(compiled(tmp_path, name))
    assert again is not None and again.environment == environment(allow_pickle=False)


def test_model_compiled_from_another_file_is_compiled_again(tmp_path: Path) -> None:
    """A wrong digest would make wrong ids: predictions would be stored under another model's name."""
    name, other = put_in_cache(tmp_path, "1.0.0", 0.5), put_in_cache(tmp_path, "2.0.0", 2.5)
    for file in (DESCRIPTION_FILE, GRAPH_FILE):
        (compiled(tmp_path, name) / file).write_bytes((compiled(tmp_path, other) / file).read_bytes())
    one = activate(tmp_path, name).active
    two = activate(tmp_path, other).active
    assert one is not None and two is not None
    assert one.digest != two.digest and one.check() != pytest.approx(two.check())


def test_model_that_is_replaced_while_it_is_compiled_is_compiled_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, real, calls = put_in_cache(tmp_path, "1.0.0", 0.5), compilation.compile_artifact, list[ModelName]()

    def replaced_meanwhile(artifact: Path, *arguments: Any, **named: Any) -> list[Path]:
        if not calls:
            calls.append(put_in_cache(tmp_path, "1.0.0", 2.5))
        return real(artifact, *arguments, **named)

    shutil.rmtree(compiled(tmp_path, name))
    monkeypatch.setattr("xgserve.registry.sources.compile_artifact", replaced_meanwhile)
    active = activate(tmp_path, name).active
    assert active is not None
    assert active.digest == digest_of(tmp_path / "models" / "acme" / "shots" / "1.0.0" / "model.skops")


@pytest.mark.parametrize("file", [DESCRIPTION_FILE, GRAPH_FILE])
@pytest.mark.parametrize("content", [None, b"", b"damaged"])
def test_damaged_compiled_model_is_compiled_again(tmp_path: Path, file: str, content: bytes | None) -> None:
    name = put_in_cache(tmp_path, "1.0.0", 0.5)
    path = compiled(tmp_path, name) / file
    right = path.read_bytes()
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content)
    active = activate(tmp_path, name).active
    assert active is not None and active.name == name
    assert file != GRAPH_FILE or path.read_bytes() == right
    assert [column.name for column in active.columns] == hostile.FEATURES


def test_model_compiled_with_trust_is_not_used_without_it(tmp_path: Path) -> None:
    """The file may hold types that only a trusted workspace may use."""
    name = put_in_cache(tmp_path, "1.0.0", 0.5)
    trusting = settings(tmp_path, trust_pickle_workspaces=frozenset({name.workspace}))
    open_registry(trusting).activate(name.workspace, name.name, name.version)
    with_trust = read_description(compiled(tmp_path, name))
    activate(tmp_path, name)
    without = read_description(compiled(tmp_path, name))
    assert with_trust is not None and without is not None
    assert (with_trust.environment, without.environment) == (
        environment(allow_pickle=True),
        environment(allow_pickle=False),
    )
