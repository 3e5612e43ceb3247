"""A trained model is put where the service finds it."""

import errno
from pathlib import Path

import pytest

from training.publish import keep, newest_kept


def test_a_model_is_kept_from_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, data_dir, rename = tmp_path / "trained", tmp_path / "data", Path.rename
    trained.mkdir()
    (trained / "model.skops").write_bytes(b"a model")

    def within(source: Path, target: Path) -> Path:
        if not source.is_relative_to(data_dir):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return rename(source, target)

    monkeypatch.setattr(Path, "rename", within)
    kept = keep(data_dir, trained, "xg-default", "2026.11.29")
    assert newest_kept(data_dir, "xg-default") == kept
    assert (kept / "model.skops").read_bytes() == b"a model"
    assert not list((data_dir / "models").glob(".temporary-*"))
