"""The child that gives one answer, on a disk that it can fill."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from xgserve.errors import StorageFailed
from xgserve.sandbox.child import run_child


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(tmp_path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small disk")
    try:
        yield tmp_path
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_child_can_say_that_the_disk_is_full(small_disk: Path) -> None:
    output = small_disk / "output"
    output.mkdir()
    request = {"file": str(output / "file")}
    with pytest.raises(StorageFailed, match="No space left"):
        run_child(
            "tests.xgserve.sandbox.fill",
            request,
            scratch=small_disk,
            seconds=60,
            file_bytes=1 << 30,
            readable=[Path(__file__).parent],
            writable=[output],
        )
