"""Start the prediction service, the replay of a recorded game and the dashboard, and stop them all on Ctrl-C.

The game starts again each time, some minutes into its first period. Everything is stored in the folder `demo` of the
data folder.
"""

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from dataclasses import replace
from http.client import HTTPException
from pathlib import Path
from typing import Final

from db.connection import DatabaseError
from db.environment import SettingsError
from livegame.errors import LiveGameError
from livegame.recordings import demo
from livegame.settings import ClientSettings
from scripts.arguments import command_parser
from scripts.command import FILES, fail, run

GAME: Final = 2021020329
START_TIMEOUT_S: Final = 90
STOP_TIMEOUT_S: Final = 10
STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main(arguments: list[str] | None = None) -> int:
    """Run until interrupted or until one of the three ends; return the exit code."""
    parser = command_parser("demo", __doc__)
    parser.add_argument("--continue", dest="goes_on", action="store_true", help="resume the game of the last demo")
    options = parser.parse_args(arguments)
    try:
        settings = ClientSettings.from_env()
    except SettingsError as error:
        return fail(error, 2)
    # replayed games are kept apart from real ones
    settings = replace(settings, data_dir=settings.data_dir / "demo", demo_game=str(GAME))
    ports = {
        "XG_SERVING_PORT": settings.serving_port,
        "XG_REPLAY_PORT": settings.replay_port,
        "XG_UI_PORT": settings.ui_port,
    }
    taken = [f"{name} ({port})" for name, port in ports.items() if _is_taken(port)]
    if taken:
        return fail(f"already in use: {', '.join(taken)}; stop what runs there or set other ports", 2)
    try:
        demo.begin(settings.data_dir, GAME, restart=not options.goes_on)
    except (LiveGameError, DatabaseError) as error:
        return fail(error, FILES)
    environment = os.environ | {
        "XG_DATA_DIR": str(settings.data_dir),
        "XG_SERVING_URL": f"http://127.0.0.1:{settings.serving_port}",
        "XG_FEED_URL": f"http://127.0.0.1:{settings.replay_port}",
        "XG_DEMO_GAME": str(GAME),
    }
    pages = {
        "xgserve": f"http://127.0.0.1:{settings.serving_port}/ready",
        "scripts.replay": f"http://127.0.0.1:{settings.replay_port}/v1/score/now",
        "scripts.dashboard": f"http://127.0.0.1:{settings.ui_port}/_stcore/health",
    }
    commands = {module: [module] for module in pages}
    commands["scripts.replay"] += [f"--game={GAME}", f"--begin-at={demo.BEGIN_S // 60}"]
    processes: dict[str, subprocess.Popen[bytes]] = {}
    stop = threading.Event()  # an exception in the handler could leave a starting process running
    for number in STOP_SIGNALS:
        signal.signal(number, lambda *_: stop.set())
    try:
        for module in pages:
            with (settings.data_dir / f"{module}.log").open("wb") as log:
                processes[module] = subprocess.Popen(  # noqa: S603 - our own modules
                    [sys.executable, "-m", *commands[module]],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
        return _watch(processes, pages, settings, stop, goes_on=options.goes_on)
    finally:
        _stop(processes)
        for number in STOP_SIGNALS:  # Python restores the default handlers before it exits
            signal.signal(number, signal.SIG_IGN)


def _watch(
    processes: dict[str, subprocess.Popen[bytes]],
    pages: dict[str, str],
    settings: ClientSettings,
    stop: threading.Event,
    *,
    goes_on: bool,
) -> int:
    print(f"starting (logs in {settings.data_dir}) ...", flush=True)
    waiting, give_up = dict(pages), time.monotonic() + START_TIMEOUT_S
    while not stop.wait(0.3):
        for module, process in processes.items():
            if process.poll() is not None:
                log = settings.data_dir / f"{module}.log"
                print(f"{module} ended with {process.returncode}; the end of its log:\n{_tail(log)}", file=sys.stderr)
                return 1
        if waiting:
            waiting = {module: page for module, page in waiting.items() if not _answers(page)}
            if not waiting:
                print(
                    f"\n  Open http://127.0.0.1:{settings.ui_port}/game?game={GAME} and click 'Ping game'."
                    f"\n  {_what_is_played(settings, goes_on=goes_on)}"
                    "\n  'Play again' on the page starts it again, as does the next demo without --continue."
                    "\n  Ctrl-C stops everything.\n",
                    flush=True,
                )
            elif time.monotonic() > give_up:
                print(f"not ready after {START_TIMEOUT_S} s: {', '.join(waiting)}", file=sys.stderr)
                return 1
    with suppress(OSError):  # the terminal may be gone
        print("\nstopping ...", flush=True)
    return 0


def _what_is_played(settings: ClientSettings, *, goes_on: bool) -> str:
    speed = f"at {settings.replay_speed:g} times its speed"
    if goes_on and (settings.data_dir / "replay.json").exists():
        return f"Game {GAME} resumes where it would be by now, {speed}."
    return f"Game {GAME} starts with your first ping, {demo.BEGIN_S // 60} minutes into its first period, {speed}."


def _stop(processes: dict[str, subprocess.Popen[bytes]]) -> None:
    for process in processes.values():
        process.terminate()
    for process in processes.values():
        try:
            process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(page: str) -> bool:
    try:
        with urllib.request.urlopen(page, timeout=2) as answer:  # noqa: S310 - our own loopback address
            return bool(answer.status == 200)
    except (OSError, HTTPException):  # not there yet, or not what we started
        return False


def _tail(path: Path) -> str:
    return "\n".join(path.read_text(errors="replace").splitlines()[-15:])


if __name__ == "__main__":
    run(main)
