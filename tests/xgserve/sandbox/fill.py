"""A child that fills the disk."""

from pathlib import Path
from typing import Any

from xgserve.errors import StorageFailed


def handle(request: dict[str, Any]) -> dict[str, Any]:
    """Write into a file until the disk is full, and say so."""
    with Path(request["file"]).open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(512))
        except OSError as error:
            raise StorageFailed(str(error.strerror)) from error
