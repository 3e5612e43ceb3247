"""What code in a model file may try. Each attack returns what it got, and raises an OSError if the system refuses it.

`python attacks.py NAME PLACES` runs one without any bounds.
"""

import ctypes
import fcntl
import json
import os
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

NUMBERS = {"x86_64": 0, "aarch64": 1}[os.uname().machine]
PTRACE, READ_MEMORY, SHMGET, PRCTL = (101, 117), (310, 270), (29, 194), (157, 167)
IO_URING_SETUP, PIDFD_OPEN = (425, 425), (434, 434)
Places = dict[str, Any]


def call(number: tuple[int, int], *arguments: Any) -> int:
    libc = ctypes.CDLL(None, use_errno=True)
    result: int = libc.syscall(ctypes.c_long(number[NUMBERS]), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read_the_environment_of_the_service(places: Places) -> str:
    return Path(f"/proc/{places['service']}/environ").read_text()


def read_the_memory_of_the_service(places: Places) -> int:
    buffer = ctypes.create_string_buffer(8)
    with Path(f"/proc/{places['service']}/maps").open() as maps:
        start = int(maps.readline().partition("-")[0], 16)

    class Part(ctypes.Structure):
        _fields_ = (("start", ctypes.c_void_p), ("length", ctypes.c_size_t))

    here, there = Part(ctypes.addressof(buffer), 8), Part(start, 8)
    one, zero = ctypes.c_ulong(1), ctypes.c_ulong(0)
    return call(READ_MEMORY, places["service"], ctypes.byref(here), one, ctypes.byref(there), one, zero)


def trace_the_service(places: Places) -> int:
    return call(PTRACE, ctypes.c_long(0x4206), ctypes.c_long(places["service"]), None, None)  # PTRACE_SEIZE


def read_the_database(places: Places) -> str:
    return Path(places["database"]).read_text()


def read_another_model(places: Places) -> str:
    return Path(places["other"]).read_text()


def read_through_a_link(places: Places) -> str:
    return Path(places["link"]).read_text()


def list_the_models(places: Places) -> list[str]:
    return [path.name for path in Path(places["other"]).parent.iterdir()]


def write_beside_the_artifact(places: Places) -> int:
    return Path(places["artifact"]).with_name("more").write_text("more")


def change_the_artifact(places: Places) -> int:
    return Path(places["artifact"]).write_text("changed")


def truncate_the_artifact(places: Places) -> None:
    os.truncate(places["artifact"], 0)


def delete_the_artifact(places: Places) -> None:
    Path(places["artifact"]).unlink()


def move_the_artifact(places: Places) -> None:
    Path(places["artifact"]).rename(Path(places["output"]) / "moved")


def write_into_the_database(places: Places) -> int:
    return Path(places["database"]).write_text("changed")


def lock_everybody_out_of_the_database(places: Places) -> None:
    Path(places["database"]).chmod(0)


def date_the_database_back(places: Places) -> None:
    os.utime(places["database"], (0, 0))


def put_a_link_into_the_output(places: Places) -> None:
    (Path(places["output"]) / "link").symlink_to("/etc/passwd")


def put_a_hard_link_into_the_output(places: Places) -> None:
    os.link(places["database"], Path(places["output"]) / "hard link")


def put_a_pipe_into_the_output(places: Places) -> None:
    os.mkfifo(Path(places["output"]) / "pipe")


def ask_a_server(places: Places) -> None:
    socket.create_connection(("127.0.0.1", places["port"]), timeout=5).close()


def send_a_datagram(_places: Places) -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return sender.sendto(b"x", ("127.0.0.1", 9))


def open_a_unix_socket(_places: Places) -> None:
    socket.socket(socket.AF_UNIX).close()


def open_a_pair_of_sockets(_places: Places) -> None:
    for end in socket.socketpair():
        end.close()


def open_an_io_uring(_places: Places) -> int:
    return call(IO_URING_SETUP, ctypes.c_uint(1), ctypes.create_string_buffer(120))


def start_a_program(_places: Places) -> int:
    return subprocess.run(["/bin/true"], check=False).returncode


def become_another_program(_places: Places) -> None:
    os.execv("/bin/echo", ["echo", '"replaced"'])


def fork(_places: Places) -> int:
    child = os.fork()
    if child == 0:
        os._exit(0)
    return os.waitpid(child, 0)[1]


def signal_the_service(places: Places) -> None:
    os.kill(places["service"], 0)


def have_the_kernel_signal_the_service(places: Places) -> None:
    read, write = os.pipe()
    fcntl.fcntl(read, fcntl.F_SETOWN, places["service"])
    os.close(read)
    os.close(write)


def hold_the_service(places: Places) -> None:
    os.close(call(PIDFD_OPEN, ctypes.c_int(places["service"]), ctypes.c_uint(0)))


def limit_the_service(places: Places) -> object:
    usual = resource.prlimit(places["service"], resource.RLIMIT_CORE)
    return resource.prlimit(places["service"], resource.RLIMIT_CORE, usual)


def slow_the_service_down(places: Places) -> None:
    os.setpriority(os.PRIO_PROCESS, places["service"], 0)


def leave_shared_memory_behind(_places: Places) -> None:
    memory = call(SHMGET, ctypes.c_int(0), ctypes.c_size_t(4096), ctypes.c_int(0o1600))
    ctypes.CDLL(None).shmctl(memory, 0, None)  # removes it


def outlive_the_service(_places: Places) -> int:
    zero = ctypes.c_ulong(0)
    return call(PRCTL, ctypes.c_ulong(1), zero, zero, zero, zero)  # PR_SET_PDEATHSIG


ATTACKS: dict[str, Callable[[Places], Any]] = {
    function.__name__: function
    for function in (
        *(read_the_environment_of_the_service, read_the_memory_of_the_service, trace_the_service),
        *(read_the_database, read_another_model, read_through_a_link, list_the_models),
        *(write_beside_the_artifact, change_the_artifact, truncate_the_artifact, delete_the_artifact),
        *(move_the_artifact, write_into_the_database, lock_everybody_out_of_the_database, date_the_database_back),
        *(put_a_link_into_the_output, put_a_hard_link_into_the_output, put_a_pipe_into_the_output),
        *(ask_a_server, send_a_datagram, open_a_unix_socket, open_a_pair_of_sockets, open_an_io_uring),
        *(start_a_program, become_another_program, fork, signal_the_service, have_the_kernel_signal_the_service),
        *(hold_the_service, limit_the_service, slow_the_service_down, leave_shared_memory_behind),
        outlive_the_service,
    )
}


def do_the_work(places: Places) -> dict[str, Any]:
    """Read the artifact and this process's own facts, write into the output folder, start a thread."""
    written = Path(places["output"]) / "compiled"
    written.write_text("compiled")
    threads: list[int] = []
    thread = threading.Thread(target=lambda: threads.append(1))
    thread.start()
    thread.join()
    os.kill(os.getpid(), 0)
    Path(os.devnull).write_text("nothing")
    return {
        "artifact": Path(places["artifact"]).read_text(),
        "environment": sorted(os.environ),
        "threads": len(threads),
        "open files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
    }


def run(request: dict[str, Any]) -> dict[str, Any]:
    function: Callable[[Places], Any] = ATTACKS.get(request["attack"], do_the_work)
    try:
        return {"got": function(request["places"])}
    except OSError as error:
        return {"refused": error.strerror}


def handle(request: dict[str, Any]) -> dict[str, Any]:
    return run(request)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run({"attack": sys.argv[1], "places": json.loads(sys.argv[2])})))
