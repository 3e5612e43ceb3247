"""Files that must outlive a power cut: contents are synced before the name, and the name after."""

import os
import stat
from pathlib import Path

import pytest

from livegame.notices.addresses import addresses
from livegame.scoring.open_requests import PendingRequests
from livegame.settings import ClientSettings


@pytest.fixture
def synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, list[str]]]:
    """Return what is synced, a file or a folder, each with the names in its folder at that moment."""
    found: list[tuple[str, list[str]]] = []

    def fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        path = next(path for path in (tmp_path, *tmp_path.rglob("*")) if path.stat().st_ino == status.st_ino)
        is_folder = stat.S_ISDIR(status.st_mode)
        names = sorted(other.name for other in (path if is_folder else path.parent).iterdir())
        found.append(("folder" if is_folder else "file", names))

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def test_note_of_a_request_is_synced_with_its_name(tmp_path: Path, synced: list[tuple[str, list[str]]]) -> None:
    (tmp_path / "locks").mkdir()
    PendingRequests(tmp_path, 1).next("model", {(1, 2): {"distance": 3.0}})
    assert synced == [("file", ["1.part"]), ("folder", ["1.questions"]), ("folder", ["locks"])]


def test_key_of_addresses_is_synced_with_its_name(tmp_path: Path, synced: list[tuple[str, list[str]]]) -> None:
    addresses(ClientSettings.from_env({"XG_DATA_DIR": str(tmp_path), "XG_NOTIFY": "ntfy://topic"}))
    (what, (unfinished,)), (then, names) = synced
    assert (what, then) == ("file", "folder")
    assert names == ["notify.key", unfinished]
