"""How commands fail: with a message and an exit code, never with a traceback."""

import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from bench.servers import free_port
from tests.helpers import environment


def start(tmp_path: Path, *command: str, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        env=environment(tmp_path / "data", "", "") | settings,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def start_demo(tmp_path: Path) -> subprocess.Popen[str]:
    ports = {f"XG_{who}_PORT": str(free_port()) for who in ("SERVING", "REPLAY", "UI")}
    return start(tmp_path, "scripts.demo", **ports)


def test_unusable_data_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder is to be")
    command = start(
        tmp_path, "scripts.demo", **{f"XG_{who}_PORT": str(free_port()) for who in ("SERVING", "REPLAY", "UI")}
    )
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (3, "")
    assert err.startswith("demo: cannot")
    assert f"{tmp_path / 'data'}" in err
    assert err.count("\n") == 1


def test_closed_pipe_ends_a_command_quietly(tmp_path: Path) -> None:
    command = start(tmp_path, "scripts.write_feature_table", "--help")
    assert command.stdout is not None
    command.stdout.close()
    assert command.wait(60) in (0, 141)
    assert command.stderr is not None
    assert command.stderr.read() == ""


@pytest.mark.parametrize("how", [">&-", "> /dev/full"])
def test_unwritable_output_is_reported_on_stderr(tmp_path: Path, how: str) -> None:
    command = f"exec {sys.executable} -m scripts.write_feature_table --help {how}"
    env = environment(tmp_path / "data", "", "")
    ran = subprocess.run(["sh", "-c", command], env=env, stderr=subprocess.PIPE, text=True, timeout=60)
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert ran.stderr.startswith("write_feature_table: cannot print: ")


def test_closed_stderr_leaves_stdout_empty(tmp_path: Path) -> None:
    command = f"exec {sys.executable} -m scripts.ping_game 12 2>&-"
    env = environment(tmp_path / "data", "http://127.0.0.1:9", "http://127.0.0.1:9")
    ran = subprocess.run(["sh", "-c", command], env=env, stdout=subprocess.PIPE, text=True, timeout=60)
    assert (ran.returncode, ran.stdout) == (2, "")


def test_unexpected_exception_is_one_line_and_exit_code_70(tmp_path: Path) -> None:
    code = "from scripts.command import run; run(lambda: {}['nothing'])"
    env = environment(tmp_path, "", "")
    ran = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=60)
    assert (ran.returncode, ran.stdout, ran.stderr.count("\n")) == (70, "", 1)
    assert "unexpected KeyError: 'nothing'" in ran.stderr


@pytest.mark.parametrize(
    ("arguments", "state", "code", "says"),
    [
        (["--speed", "nan"], "{}", 2, "XG_REPLAY_SPEED='nan' must be a number from"),
        (["--speed", "0"], "{}", 2, "XG_REPLAY_SPEED='0' must be a number from"),
        ([], "[]", 3, "--restart starts every game again"),
        ([], "{", 3, "--restart starts every game again"),
        (["--host", "no.such.host.invalid"], "{}", 3, "cannot listen on no.such.host.invalid"),
    ],
)
def test_replay_that_cannot_start_says_why(
    tmp_path: Path, arguments: list[str], state: str, code: int, says: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "replay.json").write_text(state)
    command = start(tmp_path, "scripts.replay", *arguments, XG_REPLAY_PORT=str(free_port()))
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err.count("\n")) == (code, "", 1)
    assert says in err


def test_replay_names_the_file_that_it_cannot_remove(tmp_path: Path) -> None:
    state = tmp_path / "data" / "replay.json"
    state.mkdir(parents=True)
    command = start(tmp_path, "scripts.replay", "--restart", XG_REPLAY_PORT=str(free_port()))
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err) == (3, "", f"replay: {state}: Is a directory\n")


def test_replay_on_a_port_in_use_fails(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = start(tmp_path, "scripts.replay", XG_REPLAY_PORT=str(taken.getsockname()[1]))
        out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (3, "")
    assert "cannot listen on 127.0.0.1" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_stopped_demo_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    demo = start_demo(tmp_path)
    give_up = time.monotonic() + 60
    while len(parts := psutil.Process(demo.pid).children()) < 3:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    while demo.poll() is None:  # more of them do not hurry it into leaving something behind, to the very end
        demo.send_signal(number)
        time.sleep(0.001)
    _, err = demo.communicate(timeout=60)
    assert (demo.returncode, err) == (0, "")
    assert not any(part.is_running() for part in parts)
