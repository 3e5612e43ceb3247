"""A SQLite VFS through which a simulated disk sees each operation on the database files below its root.

It lies over SQLite's own "unix" VFS. A file below the root is SQLite's own file object, whose table of methods is
replaced: those that matter to the simulation are ours, the others are still SQLite's. All other files are left to
SQLite. No exception may pass through C, so a dead process's operation fails, and does nothing.
"""

import _sqlite3
import atexit
import ctypes
import os
import sqlite3
import time
from collections.abc import Callable
from ctypes import PYFUNCTYPE, Structure, c_char_p, c_int, c_int64, c_void_p
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.durability import File, Folder
from tests.simulation.scheduler import Killed, Process, current

if TYPE_CHECKING:
    from tests.simulation.disk import Disk

_OK: Final = sqlite3.SQLITE_OK
_JOURNALS: Final = 0x0800 | 0x4000 | 0x80000  # SQLITE_OPEN_MAIN_JOURNAL, _SUPER_JOURNAL, _WAL
_READONLY, _READWRITE, _CREATE = 0x1, 0x2, 0x4  # SQLITE_OPEN_...
_SHM_UNLOCK, _SHM_SHARED, _SHM_LOCKS = 0x1, 0x4, 8  # flags of xShmLock; how many locks a -shm has
_JULIAN_DAY_OF_1970_MS: Final = 210_866_760_000_000


class _Vfs(Structure):
    _fields_ = (
        *(("iVersion", c_int), ("szOsFile", c_int), ("mxPathname", c_int), ("pNext", c_void_p), ("zName", c_char_p)),
        *((name, c_void_p) for name in ("pAppData", "xOpen", "xDelete", "xAccess", "xFullPathname", "xDlOpen")),
        *((name, c_void_p) for name in ("xDlError", "xDlSym", "xDlClose", "xRandomness", "xSleep", "xCurrentTime")),
        *((name, c_void_p) for name in ("xGetLastError", "xCurrentTimeInt64", "xSetSystemCall", "xGetSystemCall")),
        ("xNextSystemCall", c_void_p),
    )


_METHODS: Final = (
    *("xClose", "xRead", "xWrite", "xTruncate", "xSync", "xFileSize", "xLock", "xUnlock", "xCheckReservedLock"),
    *("xFileControl", "xSectorSize", "xDeviceCharacteristics", "xShmMap", "xShmLock", "xShmBarrier", "xShmUnmap"),
)


class _Methods(Structure):
    # version 2: without xFetch, so no file but the -shm is ever mapped
    _fields_ = (("iVersion", c_int), *((name, c_void_p) for name in _METHODS))


# These keep Python's lock while SQLite works: exactly one thread runs anyway, and giving it up takes time.
_Open = PYFUNCTYPE(c_int, c_void_p, c_void_p, c_void_p, c_int, c_void_p)
_Delete = PYFUNCTYPE(c_int, c_void_p, c_void_p, c_int)
_Random = PYFUNCTYPE(c_int, c_void_p, c_int, c_void_p)
_Sleep = PYFUNCTYPE(c_int, c_void_p, c_int)
_Time = PYFUNCTYPE(c_int, c_void_p, c_void_p)
_Close = PYFUNCTYPE(c_int, c_void_p)
_Transfer = PYFUNCTYPE(c_int, c_void_p, c_void_p, c_int, c_int64)
_Truncate = PYFUNCTYPE(c_int, c_void_p, c_int64)
_Flag = PYFUNCTYPE(c_int, c_void_p, c_int)
_ShmMap = PYFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int, c_void_p)
_ShmLock = PYFUNCTYPE(c_int, c_void_p, c_int, c_int, c_int)


class _Handle:
    """A file that SQLite has open."""

    __slots__ = ("disk", "folder", "is_mapped", "methods", "name", "node", "path", "process")

    def __init__(self, disk: "Disk", path: str, node: File, folder: Folder | None, methods: "_Ours") -> None:
        thread = current()
        self.disk = disk
        self.path = path
        self.name = disk.name(path)
        self.node = node
        self.folder = folder  # a journal's, until it is synced together with the journal for the first time
        self.methods = methods
        self.process: Process | None = thread.process if thread else None
        self.is_mapped = False  # whether its -shm is

    def is_dead(self, what: str) -> bool:
        """Take a step; return whether the operation must have no effect."""
        process = self.process
        if process is None:
            return False
        if process.is_dead:
            return True
        thread = current()
        if thread is not None and thread.process is process:  # else another thread picked it up as garbage
            try:
                thread.scheduler.step(what, self.disk.slow_s)
            except Killed:
                return True
        return process.is_dead


_handles: dict[int, _Handle] = {}  # by the address of SQLite's file object
_ours_by_address: dict[int, "_Ours"] = {}  # by the address of SQLite's table of methods


def _keep(kept: Any) -> None:
    """Keep something as long as the process lives: SQLite may use it until the very end."""
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(kept))


def _guarded(prototype: Any, failure: int, function: Callable[..., int]) -> int:
    """Return the address of a callback that answers `failure` on any exception, which its disk remembers."""

    def guarded(*arguments: Any) -> int:
        try:
            return function(*arguments)
        except Killed:
            return failure
        except BaseException as error:  # noqa: BLE001 - none may pass through C; whoever runs the world looks for them
            if _vfs.disk is not None:
                _vfs.disk.errors.append(error)
            return failure

    callback = prototype(guarded)
    _keep(callback)
    return ctypes.cast(callback, c_void_p).value or 0


class _Ours:
    """A table of methods that stands before one of SQLite's."""

    def __init__(self, address: int) -> None:
        theirs = _Methods.from_address(address)
        self.close = _Close(theirs.xClose)
        self.read = _Transfer(theirs.xRead)
        self.write = _Transfer(theirs.xWrite)
        self.truncate = _Truncate(theirs.xTruncate)
        self.lock = _Flag(theirs.xLock)
        self.unlock = _Flag(theirs.xUnlock)
        self.table = _Methods(2, *(getattr(theirs, name) for name in _METHODS))
        table = self.table
        table.xClose = _guarded(_Close, sqlite3.SQLITE_IOERR_CLOSE, self._close)
        table.xRead = _guarded(_Transfer, sqlite3.SQLITE_IOERR_READ, self._read)
        table.xWrite = _guarded(_Transfer, sqlite3.SQLITE_IOERR_WRITE, self._write)
        table.xTruncate = _guarded(_Truncate, sqlite3.SQLITE_IOERR_TRUNCATE, self._truncate)
        table.xSync = _guarded(_Flag, sqlite3.SQLITE_IOERR_FSYNC, self._sync)
        table.xLock = _guarded(_Flag, sqlite3.SQLITE_IOERR_LOCK, self._lock)
        table.xUnlock = _guarded(_Flag, sqlite3.SQLITE_IOERR_UNLOCK, self._unlock)
        if theirs.xShmMap:  # journals have none
            self.shm_map = _ShmMap(theirs.xShmMap)
            self.shm_lock = _ShmLock(theirs.xShmLock)
            self.shm_unmap = _Flag(theirs.xShmUnmap)
            table.xShmMap = _guarded(_ShmMap, sqlite3.SQLITE_IOERR_SHMMAP, self._shm_map)
            table.xShmLock = _guarded(_ShmLock, sqlite3.SQLITE_IOERR_SHMLOCK, self._shm_lock)
            table.xShmUnmap = _guarded(_Flag, sqlite3.SQLITE_IOERR_CLOSE, self._shm_unmap)
        _keep(table)
        self.address = ctypes.addressof(table)
        self.address_of_theirs = address

    def _close(self, file: int) -> int:
        _handles.pop(file)
        return self.close(file)  # type: ignore[no-any-return]

    def _read(self, file: int, buffer: int, amount: int, offset: int) -> int:
        handle = _handles[file]
        if handle.is_dead(f"disk read {handle.name} {amount}@{offset}") or handle.disk.fails("read", handle.name):
            return sqlite3.SQLITE_IOERR_READ
        return self.read(file, buffer, amount, offset)  # type: ignore[no-any-return]

    def _write(self, file: int, data: int, amount: int, offset: int) -> int:
        handle = _handles[file]
        disk, name = handle.disk, handle.name
        if handle.is_dead(f"disk write {name} {amount}@{offset}") or disk.fails("write", name):
            return sqlite3.SQLITE_IOERR_WRITE
        if disk.has_no_room(handle.path, offset + amount):
            return sqlite3.SQLITE_FULL
        code: int = self.write(file, data, amount, offset)
        if code == _OK:
            handle.node.wrote(offset, ctypes.string_at(data, amount))
        return code

    def _truncate(self, file: int, length: int) -> int:
        handle = _handles[file]
        if handle.is_dead(f"disk truncate {handle.name} {length}") or handle.disk.fails("write", handle.name):
            return sqlite3.SQLITE_IOERR_TRUNCATE
        code: int = self.truncate(file, length)
        if code == _OK:
            handle.node.cut(length)
        return code

    def _sync(self, file: int, _flags: int) -> int:
        handle = _handles[file]
        if handle.is_dead(f"disk sync {handle.name}") or handle.disk.fails("sync", handle.name):
            return sqlite3.SQLITE_IOERR_FSYNC
        handle.node.synced()
        if handle.folder is not None:  # as the unix VFS does once per journal that it has opened
            handle.disk.tree.synced(handle.folder)
            handle.folder = None
        return _OK

    def _lock(self, file: int, level: int) -> int:
        handle = _handles[file]
        if handle.is_dead(f"disk lock {handle.name} {level}"):
            return sqlite3.SQLITE_IOERR_LOCK
        return self.lock(file, level)  # type: ignore[no-any-return]

    def _unlock(self, file: int, level: int) -> int:
        handle = _handles[file]
        handle.is_dead(f"disk unlock {handle.name} {level}")  # the kernel unlocks for the dead
        return self.unlock(file, level)  # type: ignore[no-any-return]

    def _shm_map(self, file: int, region: int, size: int, may_extend: int, to: int) -> int:
        handle = _handles[file]
        if handle.is_dead(f"disk map {handle.name}-shm {region}"):
            return sqlite3.SQLITE_IOERR_SHMMAP
        disk, shm = handle.disk, f"{handle.path}-shm"
        if not handle.is_mapped and disk.forbids_writing() and not os.path.exists(shm):
            return sqlite3.SQLITE_CANTOPEN
        if may_extend and disk.has_no_room(shm, (region + 1) * size):
            return sqlite3.SQLITE_IOERR_SHMSIZE
        handle.is_mapped = True
        return self.shm_map(file, region, size, may_extend, to)  # type: ignore[no-any-return]

    def _shm_lock(self, file: int, first: int, number: int, flags: int) -> int:
        handle = _handles[file]
        what = "unlock" if flags & _SHM_UNLOCK else "lock"
        if handle.is_dead(f"disk {what} {handle.name}-shm {first}+{number}") and not flags & _SHM_UNLOCK:
            return sqlite3.SQLITE_IOERR_SHMLOCK
        return self.shm_lock(file, first, number, flags)  # type: ignore[no-any-return]

    def _shm_unmap(self, file: int, must_delete: int) -> int:
        process = _handles[file].process
        return self.shm_unmap(file, 0 if process and process.is_dead else must_delete)  # type: ignore[no-any-return]

    def release(self, file: int, handle: _Handle) -> None:
        """Free the locks of a dead process's file. Its memory stays: SQLite may still read it before it closes it."""
        self.unlock(file, 0)
        if handle.is_mapped:
            for lock in range(_SHM_LOCKS):
                self.shm_lock(file, lock, 1, _SHM_UNLOCK | _SHM_SHARED)


class _Shim:
    """Our VFS. There is one, made when it is first needed; it works for one disk at a time."""

    def __init__(self) -> None:
        library = ctypes.PyDLL(_sqlite3.__file__)  # finds the SQLite that Python uses
        library.sqlite3_vfs_find.restype = c_void_p
        library.sqlite3_vfs_find.argtypes = (c_char_p,)
        library.sqlite3_vfs_register.argtypes = (c_void_p, c_int)
        library.sqlite3_randomness.argtypes = (c_int, c_void_p)
        self._library = library
        self._theirs: int = library.sqlite3_vfs_find(b"unix")
        theirs = _Vfs.from_address(self._theirs)
        self.disk: Disk | None = None
        self._random = Random(0)
        self._open_theirs, self._delete_theirs = _Open(theirs.xOpen), _Delete(theirs.xDelete)
        self._sleep_theirs, self._random_theirs = _Sleep(theirs.xSleep), _Random(theirs.xRandomness)
        self._vfs = _Vfs.from_buffer_copy(theirs)
        _keep(self._vfs)
        self._vfs.pNext = None
        self._vfs.zName = b"simulated"
        self._vfs.xOpen = _guarded(_Open, sqlite3.SQLITE_CANTOPEN, self._open)
        self._vfs.xDelete = _guarded(_Delete, sqlite3.SQLITE_IOERR_DELETE, self._delete)
        self._vfs.xRandomness = _guarded(_Random, 0, self._randomness)
        self._vfs.xSleep = _guarded(_Sleep, 0, self._sleep)
        self._vfs.xCurrentTimeInt64 = _guarded(_Time, sqlite3.SQLITE_ERROR, self._time_in_ms)

    def use(self, disk: "Disk | None") -> None:
        """Work for this disk, as SQLite's default; None: leave everything to SQLite again."""
        self.disk = disk
        self._random.seed(0)
        self._library.sqlite3_vfs_register(ctypes.addressof(self._vfs) if disk else self._theirs, 1)
        self._library.sqlite3_randomness(0, None)  # SQLite asks for a new seed, so that each world has the same

    def _open(self, _vfs: int, name: int | None, file: int, flags: int, flags_out: int | None) -> int:
        disk = self.disk
        path = os.fsdecode(ctypes.string_at(name)) if name else ""
        if disk is None or not disk.has(path):
            return self._open_theirs(self._theirs, name, file, flags, flags_out)  # type: ignore[no-any-return]
        field = c_void_p.from_address(file)  # its table of methods; without one, SQLite does not close it
        field.value = None
        disk.step(f"disk open {disk.name(path)}")
        is_new = bool(flags & _CREATE) and not os.path.lexists(path)
        if flags & _READWRITE and disk.forbids_writing():
            flags = flags & ~(_READWRITE | _CREATE) | _READONLY  # what the unix VFS falls back to
        code: int = self._open_theirs(self._theirs, name, file, flags, flags_out)
        if code != _OK:
            return code
        if is_new:
            disk.tree.made(path)
        node = disk.tree.find(path)
        assert isinstance(node, File) and field.value is not None
        ours = _ours_by_address.get(field.value)
        if ours is None:
            ours = _ours_by_address[field.value] = _Ours(field.value)
        folder = disk.tree.folder_of(path) if flags & _JOURNALS and flags & _CREATE else None
        _handles[file] = _Handle(disk, path, node, folder, ours)
        field.value = ours.address
        disk.watch()
        return _OK

    def _delete(self, _vfs: int, name: int, must_sync: int) -> int:
        disk, path = self.disk, os.fsdecode(ctypes.string_at(name))
        if disk is None or not disk.has(path):
            return self._delete_theirs(self._theirs, name, must_sync)  # type: ignore[no-any-return]
        disk.step(f"disk delete {disk.name(path)}")
        if disk.forbids_writing():
            return sqlite3.SQLITE_IOERR_DELETE
        disk.tree.know(path)
        code: int = self._delete_theirs(self._theirs, name, 0)
        if code == _OK:
            disk.tree.removed(path)
            if must_sync:
                disk.tree.synced(disk.tree.folder_of(path))
        return code

    def _randomness(self, _vfs: int, amount: int, to: int) -> int:
        if self.disk is None:
            return self._random_theirs(self._theirs, amount, to)  # type: ignore[no-any-return]
        ctypes.memmove(to, self._random.randbytes(amount), amount)
        return amount

    def _sleep(self, _vfs: int, microseconds: int) -> int:
        if self.disk is None or current() is None:
            return self._sleep_theirs(self._theirs, microseconds)  # type: ignore[no-any-return]
        self.disk.sleep(microseconds / 1e6)
        return microseconds

    def _time_in_ms(self, _vfs: int, to: int) -> int:
        c_int64.from_address(to).value = _JULIAN_DAY_OF_1970_MS + int(time.time() * 1_000)
        return _OK


_vfs = _Shim()
use = _vfs.use


def _leave_all_to_sqlite() -> None:
    """Give the files that are still open back to SQLite, before Python forgets what our methods need."""
    _vfs.use(None)
    for file, handle in _handles.items():
        c_void_p.from_address(file).value = handle.methods.address_of_theirs


atexit.register(_leave_all_to_sqlite)


def release(process: Process) -> None:
    """Free the locks of a dead process, as the kernel does."""
    for file, handle in _handles.items():
        if handle.process is process:
            handle.methods.release(file, handle)
