"""Which files this process opens, by an audit hook, which cannot be taken off again and so is set once."""

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_opened: list[str] = []
_listening = threading.Event()


def _listen(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _listening.is_set():
        _opened.append(str(arguments[0]))


sys.addaudithook(_listen)


@contextmanager
def files_opened() -> Iterator[list[str]]:
    """Yield the list of the files that are opened inside the block."""
    _opened.clear()
    _listening.set()
    try:
        yield _opened
    finally:
        _listening.clear()
