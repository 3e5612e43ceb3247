"""How commands end when something is in their way: with words and a code, never with a traceback."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from tests.promises import ROOT


def start(tmp_path: Path, *command: str, **settings: str) -> subprocess.Popen[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("XG_")}
    environment |= {"XG_DATA_DIR": str(tmp_path / "data"), "PYTHONPATH": str(ROOT), **settings}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-m", *command], env=environment, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True
    )


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file where a folder is to be")
    command = start(tmp_path, "scripts.demo", **{f"XG_{who}_PORT": free_port() for who in ("SERVING", "REPLAY", "UI")})
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err) == (3, "", f"demo: {tmp_path / 'data'}: File exists\n")


def test_a_reader_that_leaves_early_ends_it_quietly(tmp_path: Path) -> None:
    command = start(tmp_path, "scripts.write_feature_table", "--help")
    assert command.stdout is not None
    command.stdout.close()
    assert command.wait(60) in (0, 141)
    assert command.stderr is not None
    assert command.stderr.read() == ""


@pytest.mark.parametrize(
    ("arguments", "state", "code", "says"),
    [
        (["--speed", "nan"], "{}", 2, "XG_REPLAY_SPEED must lie between"),
        (["--speed", "0"], "{}", 2, "XG_REPLAY_SPEED must lie between"),
        ([], "[]", 3, "--restart begins every game anew"),
        ([], "{", 3, "--restart begins every game anew"),
        (["--host", "no.such.host.invalid"], "{}", 3, "cannot listen on no.such.host.invalid"),
    ],
)
def test_the_replay_says_why_it_does_not_start(
    tmp_path: Path, arguments: list[str], state: str, code: int, says: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "replay.json").write_text(state)
    command = start(tmp_path, "scripts.replay", *arguments, XG_REPLAY_PORT=free_port())
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err.count("\n")) == (code, "", 1)
    assert says in err


def test_the_replay_claims_no_port_that_is_taken(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        command = start(tmp_path, "scripts.replay", XG_REPLAY_PORT=str(taken.getsockname()[1]))
        out, err = command.communicate(timeout=60)
    assert (command.returncode, out) == (3, "")
    assert "cannot listen on 127.0.0.1" in err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_the_demo_leaves_nothing_running(tmp_path: Path, number: signal.Signals) -> None:
    ports = {f"XG_{who}_PORT": free_port() for who in ("SERVING", "REPLAY", "UI")}
    demo = start(tmp_path, "scripts.demo", **ports)
    give_up = time.monotonic() + 60
    while len(parts := psutil.Process(demo.pid).children()) < 3:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    demo.send_signal(number)
    time.sleep(0.05)
    demo.send_signal(number)  # a second one does not hurry it into leaving something behind
    _, err = demo.communicate(timeout=60)
    assert (demo.returncode, err) == (0, "")
    assert not any(part.is_running() for part in parts)
