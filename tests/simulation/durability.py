"""What a power cut leaves of a folder: all that was synced, and of the rest whatever chance has reached the disk.

A file's bytes are safe once the file is synced, its name once its folder is. What was not synced is lost or kept
independently: a write by sectors of 512 bytes, a new length, a name that was given, taken away or changed.
"""

import io
import os
from collections.abc import Iterator
from random import Random
from typing import Final

SECTOR: Final = 512
# taken before the simulation replaces them: what is done here is done by the disk itself
_open, _unlink, _link, _mkdir, _rmdir = io.open, os.unlink, os.link, os.mkdir, os.rmdir
_SHARES_KEPT: Final = (0.0, 0.1, 0.5, 0.5, 0.9, 1.0)  # of what a file, or the folders, did not sync


class File:
    """The bytes of a file that are safe, and what happened to it since."""

    def __init__(self, safe: bytes = b"") -> None:
        self._safe = bytearray(safe)
        self._since: list[tuple[int, bytes | None]] = []  # written here; None: cut to this length, or extended

    def wrote(self, offset: int, data: bytes) -> None:
        """Note a write."""
        self._since.append((offset, data))

    def cut(self, length: int) -> None:
        """Note a new length."""
        self._since.append((length, None))

    def synced(self) -> None:
        """Note that all of it is safe."""
        for offset, data in self._since:
            _change(self._safe, offset, data)
        self._since.clear()

    def settled(self, content: bytes) -> None:
        """Note that these are its bytes, and safe."""
        self._safe = bytearray(content)
        self._since.clear()

    def after_power_cut(self, random: Random) -> tuple[bytes, int]:
        """Return its bytes, and how many sectors and lengths were lost."""
        left, share, lost = bytearray(self._safe), random.choice(_SHARES_KEPT), 0
        for offset, data in self._since:
            for at, piece in _sectors(offset, data):
                if random.random() < share:
                    _change(left, at, piece)
                else:
                    lost += 1
        return bytes(left), lost


class Folder:
    """The names in a folder: those of now, and those that are safe."""

    def __init__(self) -> None:
        self.now: dict[str, Node] = {}
        self.safe: dict[str, Node] = {}


Node = File | Folder
_Names = tuple[tuple[Folder, str, Node | None], ...]  # None: the name is taken away


class Tree:
    """All files below a folder. What it does not know of, such as files made by other programs, counts as safe."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._top = Folder()
        self._since: list[_Names] = []  # changes of names that are not safe, each lost or kept as one
        self._folders = {root: self._top}  # by path

    def find(self, path: str) -> Node:
        """Return the file or folder, which exists."""
        if path == self._root:
            return self._top
        folder, name = self._place(path)
        node = folder.now.get(name)
        if node is None:
            node = Folder() if os.path.isdir(path) else File(content_of(path))
            folder.now[name] = folder.safe[name] = node
        return node

    def folder_of(self, path: str) -> Folder:
        """Return the folder that holds a name."""
        return self._place(path)[0]

    def know(self, path: str) -> Node | None:
        """Return the file or folder, None if there is none, before something happens to its name."""
        return self.find(path) if os.path.lexists(path) else None

    def made(self, path: str, node: Node | None = None) -> Node:
        """Note that a name was given, to a new file unless `node` says to what, and return what it names."""
        folder, name = self._place(path)
        folder.now[name] = node = node or File()
        self._since.append(((folder, name, node),))
        return node

    def removed(self, path: str) -> None:
        """Note that a name was taken away."""
        folder, name = self._place(path)
        folder.now.pop(name, None)
        self._since.append(((folder, name, None),))
        self._folders.clear()

    def renamed(self, before: str, after: str, node: Node) -> None:
        """Note that what had one name has another, whose own file, if any, is gone."""
        (old, old_name), (new, new_name) = self._place(before), self._place(after)
        old.now.pop(old_name, None)
        new.now[new_name] = node
        self._since.append(((old, old_name, None), (new, new_name, node)))
        self._folders.clear()

    def synced(self, folder: Folder) -> None:
        """Note that the names in a folder are safe."""
        rest: list[_Names] = []
        for names in self._since:
            if any(place is folder for place, _, _ in names):
                _rename(names)
                # what was done to these names before is over: a folder that was moved never comes back
                done = [(id(place), name) for place, name, _ in names]
                rest = [tuple(one for one in other if (id(one[0]), one[1]) not in done) for other in rest]
            else:
                rest.append(names)
        self._since = [names for names in rest if names]

    def power_cut(self, random: Random) -> int:
        """Write all files as they are after a power cut, which is then safe; return how many changes were lost.

        Each is written as a new file, so whoever still has the old one open reaches nothing.
        """
        share, lost = random.choice(_SHARES_KEPT), 0
        for names in self._since:
            if random.random() < share:
                _rename(names)
            else:
                lost += 1
        self._since.clear()
        self._folders = {self._root: self._top}
        return lost + self._settle(self._top, self._root, random, {})

    def _settle(self, folder: Folder, path: str, random: Random, written: dict[File, str]) -> int:
        lost = 0
        for name in sorted({*os.listdir(path)} - folder.safe.keys()):
            if name in folder.now or name.endswith("-shm"):
                _remove(f"{path}/{name}")
            else:
                folder.safe[name] = self.find(f"{path}/{name}")
        for name, node in sorted(folder.safe.items()):
            below = f"{path}/{name}"
            if isinstance(node, Folder):
                if not os.path.isdir(below):
                    _mkdir(below)
                self._folders[below] = node
                lost += self._settle(node, below, random, written)
                continue
            _remove(below)
            if node in written:
                _link(written[node], below)
                continue
            left, lost_here = node.after_power_cut(random)
            lost += lost_here
            with _open(below, "xb") as file:
                file.write(left)
            written[node] = below
            node.settled(left)
        folder.now = dict(folder.safe)
        return lost

    def _place(self, path: str) -> tuple[Folder, str]:
        above, _, name = path.rpartition("/")
        folder = self._folders.get(above)
        if folder is None:
            found = self.find(above) if above != self._root else self._top
            if not isinstance(found, Folder):
                raise NotADirectoryError(above)
            folder = self._folders[above] = found
        return folder, name


def _change(content: bytearray, offset: int, data: bytes | None) -> None:
    if len(content) < offset:
        content.extend(bytes(offset - len(content)))
    if data is None:
        del content[offset:]
    else:
        content[offset : offset + len(data)] = data


def _sectors(offset: int, data: bytes | None) -> Iterator[tuple[int, bytes | None]]:
    if data is None:
        yield offset, None
        return
    start, end = offset, offset + len(data)
    while start < end:
        stop = min(end, (start // SECTOR + 1) * SECTOR)
        yield start, data[start - offset : stop - offset]
        start = stop


def _rename(names: _Names) -> None:
    for folder, name, node in names:
        if node is None:
            folder.safe.pop(name, None)
        else:
            folder.safe[name] = node


def content_of(path: str) -> bytes:
    """Return the bytes that are in a file now, without a step."""
    with _open(path, "rb") as file:
        return bytes(file.read())


def _remove(path: str) -> None:
    if os.path.isdir(path):
        for name in os.listdir(path):
            _remove(f"{path}/{name}")
        _rmdir(path)
    elif os.path.lexists(path):
        _unlink(path)
