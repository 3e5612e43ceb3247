"""A download is unpacked within bounds, and the one model in it is found."""

import io
import json
import stat
import zipfile
from pathlib import Path

import pytest

from tests.xgserve.registry import hostile
from xgserve.errors import RegistryError
from xgserve.registry.archive import MAX_FILES, find_artifact, keep_model, unpack


def lay_out(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def archive(folder: Path, content: bytes) -> Path:
    path = folder / "model.zip"
    path.write_bytes(content)
    return path


def refused(folder: Path, content: bytes, max_bytes: int = 1_000_000) -> str:
    target = folder / "unpacked"
    target.mkdir()
    with pytest.raises(RegistryError) as error:
        unpack(archive(folder, content), target, max_bytes=max_bytes)
    assert sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) <= max_bytes
    return error.value.code


def test_folders_inside_an_archive_are_kept(tmp_path: Path) -> None:
    files = {"model.skops": b"model", "sub/meta.json": b"{}"}
    unpack(archive(tmp_path, hostile.zipped(files)), tmp_path / "out", max_bytes=7)
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == {
        "model.skops": b"model",
        "meta.json": b"{}",
    }


def test_archive_one_byte_too_large_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, hostile.zipped({"model.skops": b"x" * 1001}), 1000) == "model_too_large"


def test_archive_that_lies_about_its_size_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, hostile.lying_zip_bomb(20)) in ("model_too_large", "download_failed")


def test_archive_with_links_or_devices_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, hostile.zip_with_link("/etc/passwd")) == "artifact_refused"
    assert not (tmp_path / "unpacked/model.skops").is_symlink()


def test_archive_with_too_many_files_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, hostile.zipped({f"{n}": b"" for n in range(MAX_FILES + 1)})) == "artifact_refused"


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_archive_with_a_name_twice_is_refused(tmp_path: Path) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as twice:
        twice.writestr("model.skops", b"one")
        twice.writestr("model.skops", b"two")
    assert refused(tmp_path, content.getvalue()) == "artifact_refused"


def test_archive_with_a_file_and_a_folder_of_one_name_is_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, hostile.zipped({"a": b"file", "a/b": b"inside"})) == "artifact_refused"


def test_archive_that_is_encrypted_or_oddly_compressed_is_refused(tmp_path: Path) -> None:
    plain = hostile.zipped({"model.skops": b"x"}, zipfile.ZIP_STORED)
    central = plain.index(b"PK\x01\x02")
    encrypted = bytearray(plain)
    encrypted[6] |= 1
    encrypted[central + 8] |= 1
    assert refused(tmp_path, bytes(encrypted)) == "artifact_refused"


@pytest.mark.parametrize("name", ["", "a/../b", "c:evil", "/".join("x" * 21)])
def test_archive_with_an_unusable_name_is_refused(tmp_path: Path, name: str) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as odd:
        entry = zipfile.ZipInfo("placeholder")
        entry.filename = name
        entry.external_attr = (stat.S_IFREG | 0o644) << 16
        odd.writestr(entry, b"x")
    assert refused(tmp_path, content.getvalue()) == "artifact_refused"


def test_only_model_is_found_wherever_it_is(tmp_path: Path) -> None:
    lay_out(tmp_path, {"notes.txt": b"", "deep/down/model.SKOPS": b"", "card.json": b"{}"})
    assert find_artifact(tmp_path) == tmp_path / "deep/down/model.SKOPS"


@pytest.mark.parametrize(
    "beside",
    [
        ".ipynb_checkpoints/model-checkpoint.skops",
        "deep/.ipynb_checkpoints/model.skops",
        "__MACOSX/._model.skops",
        "__MACOSX/deep/model.skops",
        "._model.skops",
        ".model.skops",
        ".cache/model.joblib",
        "__pycache__/model.pkl",
        "__MACOSX/CometModel",
        ".trash/CometModel",
    ],
)
def test_files_left_behind_by_systems_and_editors_are_not_candidates(beside: str, tmp_path: Path) -> None:
    lay_out(tmp_path, {"deep/model.skops": b"", beside: b""})
    assert find_artifact(tmp_path) == tmp_path / "deep/model.skops"


def test_folder_without_a_model_is_refused_with_a_list_of_its_files(tmp_path: Path) -> None:
    lay_out(tmp_path, {".ipynb_checkpoints/model.skops": b""})
    with pytest.raises(RegistryError, match="ipynb_checkpoints") as error:
        find_artifact(tmp_path)
    assert error.value.code == "no_candidate"


def test_several_candidates_are_refused_by_name(tmp_path: Path) -> None:
    lay_out(tmp_path, {"model.skops": b"", "old/model.pkl": b""})
    with pytest.raises(RegistryError) as error:
        find_artifact(tmp_path)
    assert (error.value.status, error.value.code) == (422, "several_candidates")
    assert error.value.details == {"candidates": ["model.skops", "old/model.pkl"]}
    assert "model.skops" in str(error.value) and "old/model.pkl" in str(error.value)


def test_onnx_files_beside_a_skops_file_are_conversions_of_it(tmp_path: Path) -> None:
    lay_out(tmp_path, {"model.skops": b"", "model.onnx": b"", "compiled/model.onnx": b""})
    assert find_artifact(tmp_path) == tmp_path / "model.skops"


@pytest.mark.parametrize("files", [["a.onnx", "b.onnx"], ["a.onnx", "b.pkl"], ["a.skops", "b.skops", "c.onnx"]])
def test_onnx_file_among_other_candidates_is_refused(files: list[str], tmp_path: Path) -> None:
    lay_out(tmp_path, dict.fromkeys(files, b""))
    with pytest.raises(RegistryError) as error:
        find_artifact(tmp_path)
    assert error.value.details == {"candidates": files}


@pytest.mark.parametrize(
    ("name", "content"), [("xg.json", b' {"learner":{'), ("xg.ubj", b"{L"), ("xg.txt", b"tree\nversion=v4\n")]
)
def test_other_json_and_text_files_are_no_candidates(name: str, content: bytes, tmp_path: Path) -> None:
    others = {"card.json": b'{"features": []}', "metrics.json": b"[1]", "requirements.txt": b"xgboost", "tree.txt": b""}
    lay_out(tmp_path, {name: content, **others})
    assert find_artifact(tmp_path) == tmp_path / name


@pytest.mark.parametrize("name", ["card.json", "manifest.json", "Manifest.JSON"])
def test_model_named_like_a_file_that_is_kept_beside_it_gets_another_name(name: str, tmp_path: Path) -> None:
    content = b'{"learner":{}}'
    lay_out(tmp_path / "unpacked", {name: content})
    (tmp_path / "ready").mkdir()
    kept = keep_model(find_artifact(tmp_path / "unpacked"), tmp_path / "ready")
    assert kept == tmp_path / "ready" / f"model{Path(name).suffix}"
    assert [path.read_bytes() for path in kept.parent.iterdir()] == [content]


def test_description_of_comet_decides_between_candidates(tmp_path: Path) -> None:
    lay_out(tmp_path, hostile.comet_layout(b"x") | {"old.pkl": b""})
    assert find_artifact(tmp_path) == tmp_path / "model-data/comet-sklearn-model.joblib"


@pytest.mark.parametrize("named", ["../outside.skops", "/etc/passwd", "missing.skops", "model-data", ""])
def test_description_that_names_no_file_of_the_model_is_refused(tmp_path: Path, named: str) -> None:
    lay_out(tmp_path, {"outside.skops": b""})
    lay_out(tmp_path / "model", hostile.comet_layout(b"x", named))
    with pytest.raises(RegistryError) as error:
        find_artifact(tmp_path / "model")
    assert error.value.code == "artifact_refused"


@pytest.mark.parametrize(
    "description",
    [b"not JSON", b"[]", b'{"model_metadata": {}}', json.dumps({"model_metadata": {"a": 1}}).encode(), b"[" * 90_000],
)
def test_damaged_description_is_refused(tmp_path: Path, description: bytes) -> None:
    lay_out(tmp_path, {"CometModel": description, "model.skops": b""})
    with pytest.raises(RegistryError) as error:
        find_artifact(tmp_path)
    assert error.value.code == "artifact_refused"
