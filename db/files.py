"""Files of the data folder: advice on one that cannot be used, how to open and to sync one."""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_ADVICE: Final = {
    errno.EDQUOT: "make room and try again",
    errno.EEXIST: "a file is where a folder should be; check XG_DATA_DIR",
    errno.EFBIG: "make room and try again",
    errno.EISDIR: "it is no ordinary file; remove it",
    errno.ELOOP: "a symbolic link is not followed here; remove it",
    errno.ENAMETOOLONG: "name a shorter folder in XG_DATA_DIR",
    errno.ENOLCK: "this file system has no locks; name a folder on a disk of this machine in XG_DATA_DIR",
    errno.ENOSPC: "make room and try again",
    errno.ENOSYS: "this file system has no locks; name a folder on a disk of this machine in XG_DATA_DIR",
    errno.ENXIO: "it is no ordinary file; remove it",
    errno.EOPNOTSUPP: "this file system has no locks; name a folder on a disk of this machine in XG_DATA_DIR",
    errno.ENOTDIR: "a file is where a folder should be; check XG_DATA_DIR",
    errno.EROFS: "its file system is read-only; name a folder that can be written in XG_DATA_DIR",
}


def why(path: Path, error: OSError) -> str:
    """Return the system's error about a file, with advice."""
    said = error.strerror or str(error)
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{said}; {may_be_written(path)}"
    return f"{said}; {_ADVICE.get(error.errno or 0, 'check the disk and XG_DATA_DIR')}"


def may_be_written(path: Path) -> str:
    """Return how to let this process write a file."""
    us = os.geteuid()
    with suppress(OSError):
        if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
            return _ADVICE[errno.EROFS]
    for place in (path, *path.parents):
        try:
            owner = place.stat().st_uid
        except OSError:
            continue
        if owner != us:
            return (
                f"{place} belongs to uid {owner}, and we are uid {us}: sudo chown -R {us} {place} (XG_DATA_DIR; for a"
                " container, the folder of the host that is mounted there)"
            )
        return f"let uid {us} write {place} and its folder (XG_DATA_DIR)"
    return f"let uid {us} write its folder (XG_DATA_DIR)"


def sync(path: Path, flags: int = 0) -> None:
    """Have what a file holds, or the names in a folder, outlive a power cut; `flags` are more for `os.open`.

    Raises:
        OSError: what `os.fsync` raises.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | flags)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder outlive a power cut, where the file system can.

    Raises:
        OSError: what `os.fsync` raises, except on file systems that cannot sync a folder.
    """
    try:
        sync(folder, os.O_DIRECTORY)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise


def open_no_link(path: Path | str, flags: int) -> int:
    """Open an ordinary file, as the `opener` of `open`. Do not follow links, nor wait for pipes and devices.

    Raises:
        OSError: ELOOP for a symbolic link, ENXIO for a pipe, device, folder or socket; or what `os.open` raises.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.ENXIO, os.strerror(errno.ENXIO), str(path))
    return descriptor
