"""The command that tests addresses and lists what waits; it shows no secret."""

import subprocess
import sys
from pathlib import Path

from livegame.notices.addresses import subscribe
from livegame.settings import ClientSettings
from tests.conftest import Service
from tests.games import GAME_ID, FeedServer, game, play
from tests.helpers import ROOT, environment, make_client
from tests.receiver import SECRET, receiver


def notify(tmp_path: Path, how: str, addresses: str) -> "subprocess.CompletedProcess[str]":
    ran = subprocess.run(
        [sys.executable, "-m", "scripts.notify", how],
        env=environment(tmp_path) | {"XG_NOTIFY": addresses},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert SECRET not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran


def test_test_message_goes_to_every_address_and_the_command_says_which_accepted(tmp_path: Path) -> None:
    with receiver() as one, receiver("refuses") as other:
        ran = notify(tmp_path, "--test", f"{one.address} {other.address}")
        assert (len(one.got), len(other.got), other.asked) == (1, 0, 1)
    first, second = ran.stdout.splitlines()
    assert (ran.returncode, first[-10:]) == (1, ": accepted")
    assert second.endswith(": refused with HTTP 404")
    unusable = notify(tmp_path, "--test", f"discord://{SECRET}")
    assert (unusable.returncode, unusable.stdout) == (2, "")
    assert "address 1 of 1" in unusable.stderr
    assert notify(tmp_path, "--test", "").returncode == 2


def test_pending_notices_are_listed(tmp_path: Path, service: Service, feed: FeedServer) -> None:
    address = f"json://user:{SECRET}@127.0.0.1:9"
    assert notify(tmp_path, "--pending", address).stdout == "Nothing waits.\n"
    (known,) = subscribe(ClientSettings.from_env({"XG_DATA_DIR": str(tmp_path), "XG_NOTIFY": address}))
    client = make_client(tmp_path, feed.url, service.url)
    for plays in ([], [play(60, "goal", 60)]):
        feed.show(game(play(50, "faceoff", 0, x=0, y=0), *plays, seconds_left=1100 - len(plays)))
        client.ping(GAME_ID)
    ran = notify(tmp_path, "--pending", address)
    assert (ran.returncode, ran.stdout[24:]) == (0, f" WSH at CAR, goal, to {known.name}\n")


def test_unusable_address_is_refused_at_the_start_in_words(tmp_path: Path) -> None:
    for command in ("dashboard", "ping_game"):
        ran = subprocess.run(
            [sys.executable, "-m", f"scripts.{command}", *(["2021020329"] if command == "ping_game" else [])],
            env=environment(tmp_path) | {"XG_NOTIFY": f"ntfy://good discord://{SECRET}"},
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert (ran.returncode, ran.stdout) == (2, "")
        assert ran.stderr.startswith(f"{command}: XG_NOTIFY: address 2 of 2 cannot be used")
        assert SECRET not in ran.stderr
