"""What a child process gives up before it opens anything from outside: files, the network, other processes.

The kernel holds these bounds, whatever code runs in the child afterwards. They need no privileges, so they hold in a
container as well. `docs/security.md` says what holds where.
"""

import os
import site
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from xgserve.sandbox import landlock, seccomp

# What Python, the C library and the numeric libraries read while they run.
SYSTEM: Final = (
    *("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache"),
    *("/usr/share/zoneinfo", "/etc/localtime"),
    *("/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/sys/devices/system/cpu"),
    *("/dev/zero", "/dev/random", "/dev/urandom"),
)
# What it takes to find a server and to check its certificate.
NETWORK: Final = (
    *("/etc/resolv.conf", "/etc/hosts", "/etc/host.conf", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services"),
    *("/etc/ssl", "/etc/pki", "/etc/ca-certificates", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates"),
)
CERTIFICATE_VARIABLES: Final = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR")


def unbounded() -> list[str]:
    """Return what `confine` cannot bound on this system, in words; empty on a current Linux."""
    missing = []
    if not landlock.abi():
        missing.append("files (Landlock, Linux 5.13 or newer)")
    if not seccomp.is_available():
        missing.append("network and processes (seccomp on x86-64 or 64-bit ARM)")
    return missing


def confine(*, readable: Sequence[Path], writable: Sequence[Path] = (), network: bool = False) -> None:
    """Give up, for good, all that the work ahead does not need.

    Afterwards this process can read only Python, its libraries and `readable`, write only in `writable`, start no
    program and no process, and reach no other process; without `network`, it can open no socket. What `unbounded`
    lists is not bounded. Call this before a second thread is started.

    Raises:
        RuntimeError: there are several threads, and the bounds of files would hold for one of them alone.
        OSError: the kernel has the bounds, but refuses them.
    """
    if landlock.abi():
        if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208
            raise RuntimeError("a library has started threads before the process was confined")
        read = [*_python(), *map(Path, SYSTEM), *(_network() if network else []), *readable]
        rules = [(path, landlock.READ) for path in read] + [(path, landlock.WRITE) for path in writable]
        landlock.restrict([*rules, (Path(os.devnull), landlock.WRITE)], tcp=network)
    if seccomp.is_available():
        seccomp.refuse_calls(sockets=network)


def _python() -> list[Path]:
    """Return the folders of Python, of the installed packages and of this one.

    Not the whole prefix: someone's virtual environment is also the folder of the data.
    """
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    libraries = [Path(prefix) / name for prefix in sorted(prefixes) for name in ("lib", "lib64")]
    return [*libraries, *map(Path, packages), *map(Path, site.getsitepackages()), Path(__file__).parents[1]]


def _network() -> list[Path]:
    import ssl  # not for the service, which imports this module as well

    chosen = [os.environ.get(name) for name in CERTIFICATE_VARIABLES]
    usual = ssl.get_default_verify_paths()
    found = [*chosen, usual.openssl_cafile, usual.openssl_capath]
    return [*map(Path, NETWORK), *(Path(path) for path in found if path)]
