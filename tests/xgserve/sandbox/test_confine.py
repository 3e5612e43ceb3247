"""What a confined child cannot do, and that each of it succeeds without the bounds."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.helpers import ROOT
from tests.xgserve.sandbox import attacks
from xgserve.sandbox.child import run_child
from xgserve.sandbox.confine import unbounded

pytestmark = pytest.mark.skipif(bool(unbounded()), reason=f"this system does not bound {'; '.join(unbounded())}")

# containers and Ubuntu refuse these to every process
REFUSED_IN_PLACES = {"open_an_io_uring", "read_the_memory_of_the_service", "trace_the_service"}
REFUSALS = ("Permission denied", "Operation not permitted", "Function not implemented", "Invalid cross-device link")
HERE = Path(__file__).parent
KEY = "a key that no child may see"


@pytest.fixture
def places(tmp_path: Path) -> Iterator[dict[str, Any]]:
    """Lay out a data folder with a database and two models, and a process that stands for the service."""
    for file in ("serving.db", "models/one/model.skops", "models/two/model.skops"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(f"content of {file}")
    (tmp_path / "models/one/link").symlink_to(tmp_path / "serving.db")
    (tmp_path / "output").mkdir()
    (tmp_path / "scratch").mkdir()
    service = subprocess.Popen(
        [sys.executable, "-c", "print(flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={"COMET_API_KEY": KEY},
    )
    assert service.stdout is not None and service.stdout.readline()
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield {
            "service": service.pid,
            "port": server.getsockname()[1],
            "database": str(tmp_path / "serving.db"),
            "artifact": str(tmp_path / "models/one/model.skops"),
            "link": str(tmp_path / "models/one/link"),
            "other": str(tmp_path / "models/two/model.skops"),
            "output": str(tmp_path / "output"),
            "scratch": str(tmp_path / "scratch"),
        }
    service.kill()
    service.communicate()


def confined(attack: str, places: dict[str, Any], *, network: bool = False) -> dict[str, Any]:
    return run_child(
        "tests.xgserve.sandbox.attacks",
        {"attack": attack, "places": places},
        scratch=Path(places["scratch"]),
        seconds=60,
        file_bytes=1 << 20,
        readable=[HERE, Path(places["artifact"]).parent],
        writable=[Path(places["output"])],
        network=network,
    )


def unconfined(attack: str, places: dict[str, Any]) -> dict[str, Any]:
    command = [sys.executable, str(HERE / "attacks.py"), attack, json.dumps(places)]
    ran = subprocess.run(command, capture_output=True, text=True, check=True)
    answer = json.loads(ran.stdout)
    return answer if isinstance(answer, dict) else {"got": answer}


@pytest.mark.parametrize("attack", attacks.ATTACKS)
def test_attack_is_refused_in_a_confined_child_and_succeeds_outside(attack: str, places: dict[str, Any]) -> None:
    answer = confined(attack, places)
    assert answer.get("refused") in REFUSALS, answer
    assert attack in REFUSED_IN_PLACES or "got" in unconfined(attack, places)


def test_environment_of_the_service_holds_the_key_that_the_attack_looks_for(places: dict[str, Any]) -> None:
    assert KEY in unconfined("read_the_environment_of_the_service", places)["got"]


def test_confined_child_can_do_its_work(places: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COMET_API_KEY", KEY)
    answer = confined("what is allowed", places)["got"]
    assert answer["artifact"] == "content of models/one/model.skops"
    assert "HOME" in answer["environment"] and "COMET_API_KEY" not in answer["environment"]
    assert (answer["threads"], answer["open files"], answer["core"]) == (1, 256, 0)
    assert (Path(places["output"]) / "compiled").read_text() == "compiled"


def test_child_with_a_network_reaches_servers_but_no_other_files(places: dict[str, Any], tmp_path: Path) -> None:
    answers = {}
    for attack in ("ask_a_server", "read_the_database", "start_a_program"):
        places["scratch"] = str(tmp_path / attack)
        Path(places["scratch"]).mkdir()
        answers[attack] = confined(attack, places, network=True)
    assert "got" in answers["ask_a_server"]
    assert "refused" in answers["read_the_database"] and "refused" in answers["start_a_program"]


CONFINE_AS_AN_OLDER_KERNEL = """
import sys
from pathlib import Path
from xgserve.sandbox import confine, landlock, seccomp

landlock.abi = lambda: int(sys.argv[1])
seccomp.is_available = lambda: False
confine.confine(readable=[Path(sys.argv[2])])
for path in (sys.argv[2], sys.argv[3]):
    try:
        print(Path(path).read_text(), end="|")
    except PermissionError:
        print("refused", end="|")
print(*confine.unbounded(), sep="|")
"""


@pytest.mark.parametrize("abi", range(7))
def test_older_kernel_bounds_what_it_can_and_says_what_not(abi: int, places: dict[str, Any]) -> None:
    command = [sys.executable, "-c", CONFINE_AS_AN_OLDER_KERNEL, str(abi), places["artifact"], places["database"]]
    ran = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    artifact, database, *missing = ran.stdout.strip().split("|")
    assert artifact == "content of models/one/model.skops"
    assert database == ("refused" if abi else "content of serving.db")
    assert [words.split()[0] for words in missing] == (["network"] if abi else ["files", "network"])


def test_confining_one_of_several_threads_is_refused() -> None:
    code = """
import threading
from xgserve.sandbox.confine import confine
threading.Thread(target=threading.Event().wait, daemon=True).start()
confine(readable=[])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, cwd=ROOT)
    assert "a library has started threads" in ran.stderr
