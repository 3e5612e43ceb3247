"""Damaged files of XGBoost and LightGBM are refused with a reason, and never take down what reads them."""

import json
from pathlib import Path

import pytest

from tests.xgserve.compiler.boosters import hostile_boosters as hostile
from tests.xgserve.helpers import load_model
from xgserve.compiler.boosters.ubjson import read_ubjson
from xgserve.errors import ArtifactRefused, ModelError
from xgserve.registry import compilation


def refusal(path: Path, content: bytes) -> str:
    """Return why a file is refused; loaded in this process, which survives."""
    path.write_bytes(content)
    with pytest.raises(ModelError) as error:
        load_model(path)
    assert str(error.value).startswith(f"{path.name} is refused: ")
    return str(error.value)


def test_files_are_good_before_they_are_damaged(tmp_path: Path) -> None:
    for name, content in (
        ("model.json", hostile.xgboost_text().encode()),
        ("model.ubj", hostile.ubjson()),
        ("model.txt", hostile.lightgbm_text().encode()),
    ):
        (tmp_path / name).write_bytes(content)
        assert 0 < load_model(tmp_path / name).check() < 1
    assert read_ubjson(hostile.ubjson()).keys() == json.loads(hostile.xgboost_text()).keys()


@pytest.mark.parametrize("kind", hostile.XGBOOST)
def test_damaged_model_of_xgboost_is_refused(kind: str, tmp_path: Path) -> None:
    change, words = hostile.XGBOOST[kind]
    assert words in refusal(tmp_path / "model.json", hostile.changed(change))


@pytest.mark.parametrize("kind", hostile.LIGHTGBM)
def test_damaged_model_of_lightgbm_is_refused(kind: str, tmp_path: Path) -> None:
    change, words = hostile.LIGHTGBM[kind]
    damaged = change(hostile.lightgbm_text())
    assert damaged != hostile.lightgbm_text()
    assert words in refusal(tmp_path / "model.txt", damaged.encode())


@pytest.mark.parametrize("kind", hostile.UBJSON)
def test_damaged_ubjson_is_refused(kind: str, tmp_path: Path) -> None:
    content, words = hostile.UBJSON[kind]
    assert words in refusal(tmp_path / "model.ubj", content)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_file_that_is_cut_off_is_refused(share: float, tmp_path: Path) -> None:
    for name, content in (
        ("model.json", hostile.xgboost_text().encode()),
        ("model.ubj", hostile.ubjson()),
        ("model.txt", hostile.lightgbm_text().encode()),
    ):
        refusal(tmp_path / name, content[: int(len(content) * share)])


def test_json_in_lists_in_lists_is_refused(tmp_path: Path) -> None:
    assert "damaged or no .json file" in refusal(tmp_path / "model.json", b"[" * 1_000_000)


def test_list_that_takes_more_memory_than_it_may_is_refused_in_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "MEMORY_FLOOR_BYTES", 64 << 20)
    monkeypatch.setattr(compilation, "MEMORY_PER_ARTIFACT_BYTE", 1)
    path = tmp_path / "model.ubj"
    path.write_bytes(b"[#L" + (20_000_000).to_bytes(8, "big") + b"[]" * 20_000_000)
    (tmp_path / "scratch").mkdir()
    with pytest.raises(ArtifactRefused, match=r"model\.ubj takes more than 64 MB of memory"):
        compilation.compile_artifact(path, "acme", allow_pickle=False, scratch=tmp_path / "scratch", seconds=120)
