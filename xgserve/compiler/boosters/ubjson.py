"""Read the UBJSON that XGBoost writes to `.ubj` (draft 12 of https://ubjson.org, numbers with the high byte first).

XGBoost itself reads it only where it is installed, and the packages that read UBJSON have no wheels.
"""

import struct
from typing import Any, Final

import numpy as np

MAX_DEPTH: Final = 32  # of containers in containers; XGBoost writes about 8

_CONSTANTS: Final = {b"Z": None, b"T": True, b"F": False}
_NUMBERS: Final[dict[bytes, np.dtype[Any]]] = {
    b"i": np.dtype(">i1"),
    b"U": np.dtype(">u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}


def read_ubjson(content: bytes) -> Any:
    """Return the value that the file holds, in the types of `json.loads`.

    Raises:
        ValueError: it is no UBJSON, or nested more than `MAX_DEPTH` deep.
    """
    reader = _Reader(content)
    try:
        value = reader.value(reader.take(1))
    except (struct.error, IndexError) as error:
        raise ValueError(str(error)) from error
    if reader.place != len(content):
        raise ValueError(f"{len(content) - reader.place} bytes follow its end")
    return value


class _Reader:
    def __init__(self, content: bytes) -> None:
        self._content = content
        self.place = 0
        self._depth = 0

    def take(self, count: int) -> bytes:
        """Return the next bytes."""
        part = self._content[self.place : self.place + count]
        if count < 0 or len(part) != count:
            raise ValueError("it is cut off")
        self.place += count
        return part

    def value(self, marker: bytes) -> Any:
        """Return the value that follows a marker."""
        if marker in _NUMBERS:
            dtype = _NUMBERS[marker]
            return np.frombuffer(self.take(dtype.itemsize), dtype)[0].item()
        if marker in _CONSTANTS:
            return _CONSTANTS[marker]
        if marker in (b"S", b"H", b"C"):
            return self.take(1 if marker == b"C" else self._length()).decode()
        if marker in (b"[", b"{"):
            self._depth += 1
            if self._depth > MAX_DEPTH:
                raise ValueError(f"it is nested more than {MAX_DEPTH} deep")
            container = self._list() if marker == b"[" else self._object()
            self._depth -= 1
            return container
        raise ValueError(f"there is no marker {marker!r}")

    def _length(self) -> int:
        """Return the number of bytes or items that follow."""
        length = self.value(self.take(1))
        if type(length) is not int or length < 0:
            raise ValueError(f"{length!r} is no length")
        return length

    def _marker(self) -> bytes:
        """Return the next marker that is no padding."""
        while (marker := self.take(1)) == b"N":
            pass
        return marker

    def _list(self) -> list[Any]:
        items: list[Any] = []
        marker = self._marker()
        if marker == b"$":
            kind, count_marker = self.take(1), self.take(1)
            if kind not in _NUMBERS or count_marker != b"#":
                raise ValueError("it holds a typed list, and not of numbers")
            dtype = _NUMBERS[kind]
            count = self._length()
            return list(np.frombuffer(self.take(count * dtype.itemsize), dtype).tolist())
        if marker == b"#":
            return [self.value(self._marker()) for _ in range(self._length())]
        while marker != b"]":
            items.append(self.value(marker))
            marker = self._marker()
        return items

    def _object(self) -> dict[str, Any]:
        items: dict[str, Any] = {}
        marker = self._marker()
        if marker == b"#":
            for _ in range(self._length()):
                name = self._name(self._marker())
                items[name] = self.value(self._marker())
            return items
        while marker != b"}":
            name = self._name(marker)
            items[name] = self.value(self._marker())
            marker = self._marker()
        return items

    def _name(self, marker: bytes) -> str:
        length = self.value(marker)
        if type(length) is not int or length < 0:
            raise ValueError(f"{length!r} is no length")
        return self.take(length).decode()
