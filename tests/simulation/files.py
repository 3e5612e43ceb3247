"""What Python code does with the files of a simulated disk, without SQLite."""

import builtins
import errno
import fcntl
import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.durability import File, Folder, Node, content_of
from tests.simulation.scheduler import Process, current

if TYPE_CHECKING:
    from tests.simulation.disk import Disk

_FLOCK_POLL_S: Final = 0.01  # virtual
_WRITING: Final = os.O_WRONLY | os.O_RDWR
_OS: Final = ("open", "close", "write", "ftruncate", "fsync", "replace", "rename", "unlink", "remove", "mkdir", "rmdir")
_real_open, _real_flock, _real_link = io.open, fcntl.flock, os.link
_real: Final[dict[str, Callable[..., Any]]] = {name: getattr(os, name) for name in _OS}


class _Descriptor:
    """An open file or folder."""

    def __init__(self, path: str, name: str, node: Node, flags: int) -> None:
        thread = current()
        self.path, self.name, self.node = path, name, node
        self.is_for_appending = bool(flags & os.O_APPEND)
        self.process: Process | None = thread.process if thread else None
        self.file: _RawFile | None = None  # the object that closes it

    @property
    def is_dead(self) -> bool:
        """Whether its process is."""
        return self.process is not None and self.process.is_dead


class Files:
    """Stands in for `open`, `fcntl.flock` and functions of `os`, for paths below the root of a disk."""

    def __init__(self, disk: "Disk") -> None:
        self.disk = disk
        self.descriptors: dict[int, _Descriptor] = {}
        self._freed: set[tuple[Process, int]] = set()  # descriptors closed at the death of their process

    @contextmanager
    def installed(self) -> Iterator[None]:
        """Stand in."""
        ours: list[tuple[Any, str, Any]] = [
            (builtins, "open", self.open_file),
            (io, "open", self.open_file),
            (fcntl, "flock", self.flock),
            (os, "link", self.link),
            *((os, name, getattr(self, name)) for name in _OS),
            (shutil, "_USE_CP_SENDFILE", False),  # which would write around us
            (tempfile, "_name_sequence", map("{:08}".format, count())),  # names are part of the log
        ]
        theirs = [(module, name, getattr(module, name)) for module, name, _ in ours]
        for module, name, function in ours:
            setattr(module, name, function)
        try:
            yield
        finally:
            for module, name, function in theirs:
                setattr(module, name, function)

    def release(self, process: Process) -> None:
        """Close what a dead process has open, as the kernel does."""
        for number, descriptor in list(self.descriptors.items()):
            if descriptor.process is not process:
                continue
            if descriptor.file is not None:
                descriptor.file.close()
            else:
                del self.descriptors[number]
                self._freed.add((process, number))
                _real["close"](number)

    # -- open files ----------------------------------------------------------------------------------------------------

    def open_file(
        self,
        file: Any,
        mode: str = "r",
        buffering: int = -1,
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
        closefd: bool = True,
        opener: Any = None,
    ) -> Any:
        """As `open`; what is written is never held back, so a killed process has written what it wrote and no more."""
        is_ours = file in self.descriptors if isinstance(file, int) else self._below(file) is not None
        if not is_ours:
            return _real_open(file, mode, buffering, encoding, errors, newline, closefd, opener)
        if not isinstance(file, int) and os.path.isdir(file):
            raise _error(errno.EISDIR, os.fsdecode(file))
        plain = mode.replace("b", "").replace("t", "")
        raw = _RawFile(self, file, plain, closefd, opener)
        if buffering == 0 or (plain in ("w", "a", "x") and "b" in mode):
            return raw
        layer: Any = io.BufferedReader(raw) if plain == "r" else io.BufferedRandom(raw) if "+" in plain else raw
        if "b" in mode:
            return layer
        return io.TextIOWrapper(layer, encoding, errors, newline, write_through=True)

    def open(self, path: Any, flags: int, mode: int = 0o777, *, dir_fd: int | None = None) -> int:
        """As `os.open`."""
        below = self._below(path, dir_fd)
        if below is None:
            return _real["open"](path, flags, mode, dir_fd=dir_fd)  # type: ignore[no-any-return]
        disk = self.disk
        disk.step(f"disk open {disk.name(below)}")
        is_new = bool(flags & os.O_CREAT) and not os.path.lexists(below)
        if (flags & _WRITING or is_new) and disk.forbids_writing():
            raise _error(errno.EROFS, below)
        number: int = _real["open"](path, flags, mode, dir_fd=dir_fd)
        node = disk.tree.made(below) if is_new else disk.tree.find(below)
        if flags & os.O_TRUNC and not is_new and isinstance(node, File):
            node.cut(0)
        self.descriptors[number] = _Descriptor(below, disk.name(below), node, flags)
        disk.watch()
        return number

    def close(self, number: int) -> None:
        """As `os.close`."""
        thread = current()
        if thread is not None and (thread.process, number) in self._freed:
            self._freed.remove((thread.process, number))
            return
        self.descriptors.pop(number, None)
        _real["close"](number)

    def write(self, number: int, data: Any) -> int:
        """As `os.write`."""
        descriptor = self.descriptors.get(number)
        if descriptor is None:
            return _real["write"](number, data)  # type: ignore[no-any-return]
        data, disk, node = bytes(data), self.disk, descriptor.node
        disk.step(f"disk write {descriptor.name} {len(data)}")
        if descriptor.is_dead:  # it is closed as garbage
            return len(data)
        if disk.fails("write", descriptor.name):
            raise _error(errno.EIO, descriptor.path)
        start = os.fstat(number).st_size if descriptor.is_for_appending else os.lseek(number, 0, os.SEEK_CUR)
        if disk.has_no_room(descriptor.path, start + len(data)):
            raise _error(errno.ENOSPC, descriptor.path)
        written: int = _real["write"](number, data)
        assert isinstance(node, File)
        node.wrote(start, data[:written])
        return written

    def ftruncate(self, number: int, length: int) -> None:
        """As `os.ftruncate`."""
        descriptor = self.descriptors.get(number)
        if descriptor is not None:
            self.disk.step(f"disk truncate {descriptor.name} {length}")
        _real["ftruncate"](number, length)
        if descriptor is not None and isinstance(descriptor.node, File):
            descriptor.node.cut(length)

    def fsync(self, file: Any) -> None:
        """As `os.fsync`, but the real disk need not turn."""
        descriptor = self.descriptors.get(_number(file))
        if descriptor is None:
            _real["fsync"](file)
            return
        self.disk.step(f"disk sync {descriptor.name}")
        if self.disk.fails("sync", descriptor.name):
            raise _error(errno.EIO, descriptor.path)
        if isinstance(descriptor.node, Folder):
            self.disk.tree.synced(descriptor.node)
        else:
            descriptor.node.synced()

    def flock(self, file: Any, operation: int) -> None:
        """As `fcntl.flock`; it waits in virtual time."""
        number = _number(file)
        descriptor = self.descriptors.get(number)
        if descriptor is not None:
            self.disk.step(f"disk flock {descriptor.name}")
        if descriptor is None or current() is None:
            _real_flock(number, operation)
            return
        while True:
            try:
                _real_flock(number, operation | fcntl.LOCK_NB)
            except BlockingIOError:
                if operation & fcntl.LOCK_NB:
                    raise
                self.disk.sleep(_FLOCK_POLL_S)
            else:
                return

    # -- names ---------------------------------------------------------------------------------------------------------

    def replace(self, src: Any, dst: Any, *, src_dir_fd: int | None = None, dst_dir_fd: int | None = None) -> None:
        """As `os.replace`."""
        before, after = self._below(src, src_dir_fd), self._below(dst, dst_dir_fd)
        if after is not None:
            self._change("rename to", after)
        elif before is not None:
            self._change("rename", before)
        node = self.disk.tree.know(before) if before is not None else None
        if after is not None:
            self.disk.tree.know(after)
        _real["replace"](src, dst, src_dir_fd=src_dir_fd, dst_dir_fd=dst_dir_fd)
        if before is not None and after is not None and node is not None:
            self.disk.tree.renamed(before, after, node)
        elif before is not None:
            self.disk.tree.removed(before)
        elif after is not None and not os.path.isdir(after):  # a whole folder from elsewhere counts as safe
            new = self.disk.tree.made(after)
            assert isinstance(new, File)
            new.wrote(0, content_of(after))

    rename = replace

    def link(self, src: Any, dst: Any, **others: Any) -> None:
        """As `os.link`."""
        before, after = self._below(src), self._below(dst)
        if before is None or after is None:
            _real_link(src, dst, **others)
            return
        self._change("link", after)
        node = self.disk.tree.find(before)
        _real_link(src, dst, **others)
        self.disk.tree.made(after, node)

    def unlink(self, path: Any, *, dir_fd: int | None = None) -> None:
        """As `os.unlink`."""
        below = self._below(path, dir_fd)
        if below is not None:
            self._change("unlink", below)
            self.disk.tree.know(below)
        _real["unlink"](path, dir_fd=dir_fd)
        if below is not None:
            self.disk.tree.removed(below)

    remove = unlink

    def mkdir(self, path: Any, mode: int = 0o777, *, dir_fd: int | None = None) -> None:
        """As `os.mkdir`."""
        below = self._below(path, dir_fd)
        if below is not None:
            if os.path.lexists(below):  # which Linux says even of a file system that is read-only
                raise _error(errno.EEXIST, below)
            self._change("mkdir", below)
            if self.disk.has_no_room(below, 1):
                raise _error(errno.ENOSPC, below)
        _real["mkdir"](path, mode, dir_fd=dir_fd)
        if below is not None:
            self.disk.tree.made(below, Folder())

    def rmdir(self, path: Any, *, dir_fd: int | None = None) -> None:
        """As `os.rmdir`."""
        below = self._below(path, dir_fd)
        if below is not None:
            self._change("rmdir", below)
            self.disk.tree.know(below)
        _real["rmdir"](path, dir_fd=dir_fd)
        if below is not None:
            self.disk.tree.removed(below)

    def _change(self, what: str, path: str) -> None:
        """Take a step before a name is changed."""
        self.disk.step(f"disk {what} {self.disk.name(path)}")
        if self.disk.forbids_writing():
            raise _error(errno.EROFS, path)

    def _below(self, path: Any, dir_fd: int | None = None) -> str | None:
        """Return the whole path if it is below the root, or is the root."""
        if isinstance(path, int):
            return None
        whole = os.fsdecode(path)
        if not whole.startswith("/"):
            whole = os.path.join(os.getcwd() if dir_fd is None else os.readlink(f"/proc/self/fd/{dir_fd}"), whole)
        return whole if self.disk.has(whole) or whole == self.disk.root else None


class _RawFile(io.FileIO):
    """A file without a buffer."""

    def __init__(self, files: Files, file: Any, mode: str, closefd: bool, opener: Any) -> None:
        super().__init__(file, mode, closefd, opener or _opened)
        self._files = files
        self._descriptor = files.descriptors[self.fileno()]
        if closefd:
            self._descriptor.file = self

    def write(self, data: Any) -> int:
        return self._files.write(self.fileno(), data)

    def truncate(self, size: int | None = None) -> int:
        length = self.tell() if size is None else size
        self._files.ftruncate(self.fileno(), length)
        return length

    def readall(self) -> bytes:
        self._may_fail()
        return super().readall()

    def readinto(self, buffer: Any) -> int:
        self._may_fail()
        return super().readinto(buffer)

    def close(self) -> None:
        if not self.closed and self.closefd:
            self._files.descriptors.pop(self.fileno(), None)
        super().close()

    def _may_fail(self) -> None:
        if self._files.disk.fails("read", self._descriptor.name):
            raise _error(errno.EIO, self._descriptor.path)


def _opened(path: Any, flags: int) -> int:
    return os.open(path, flags, 0o666)


def _number(file: Any) -> int:
    return file if isinstance(file, int) else int(file.fileno())


def _error(number: int, path: str) -> OSError:
    return OSError(number, os.strerror(number), path)
