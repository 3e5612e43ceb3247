"""Measure swaps: what the caller waits for one, what other requests notice, and whether memory stays flat."""

import json
import shutil
import statistics
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from bench.predict import BUNDLED
from bench.processes import Server, Started, post, running
from bench.servers import ROOT, free_port
from training.publish import LOCAL, keep

SWAPS, QUICK_SWAPS = 1_000, 100
WARM_SWAPS: Final = 50  # before memory is measured
PAUSE_S: Final = 0.005  # between the requests of the other caller
VERSIONS: Final = ("1.0.0", "2.0.0")


def run(*, quick: bool = False) -> None:
    """Swap between two cached models while another caller asks for predictions, and print what both waited."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for version in VERSIONS:
            shutil.copytree(BUNDLED, folder / version, ignore=shutil.ignore_patterns("compiled"))
            keep(folder / "data", folder / version, "xg", version)
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        environment = {"PYTHONPATH": str(ROOT), "XG_DATA_DIR": str(folder / "data"), "XG_SERVING_PORT": str(port)}
        row = json.loads((BUNDLED / "card.json").read_bytes())["golden_row"]
        body = json.dumps([row]).encode()
        server = Server("this service", [sys.executable, "-m", "xgserve"], environment, f"{url}/predict")
        with running(server, body, folder / "log") as started:
            _print(_measure(started, url, body, QUICK_SWAPS if quick else SWAPS))


def _measure(started: Started, url: str, body: bytes, swaps: int) -> dict[str, Any]:
    compiled = [_swap(url, version) for version in VERSIONS]
    for place in range(WARM_SWAPS):
        _swap(url, VERSIONS[place % 2])
    with _asking(url, body) as alone:
        time.sleep(3)
    memory = [started.rss_mib]
    with _asking(url, body) as beside:
        waits = [_swap(url, VERSIONS[place % 2]) for place in range(swaps)]
    memory.append(started.rss_mib)
    return {"compiled": compiled, "waits": waits, "alone": alone, "beside": beside, "memory": memory}


def _swap(url: str, version: str) -> float:
    """Return the seconds that the caller waits for a swap."""
    began = time.perf_counter()
    post(f"{url}/download_registry_model", json.dumps({"workspace": LOCAL, "model": "xg", "version": version}).encode())
    return time.perf_counter() - began


@contextmanager
def _asking(url: str, body: bytes) -> Iterator[list[float]]:
    """Ask for predictions, one after another, in a thread; yield the list that their seconds are added to."""
    seconds: list[float] = []
    stop = threading.Event()
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})  # noqa: S310 - ours

    def ask() -> None:
        while not stop.wait(PAUSE_S):
            began = time.perf_counter()
            urllib.request.urlopen(request, timeout=60).read()  # noqa: S310 - our own address
            seconds.append(time.perf_counter() - began)

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield seconds
    finally:
        stop.set()
        thread.join()


def _print(found: dict[str, Any]) -> None:
    def ms(seconds: float) -> str:
        return f"{1000 * seconds:.1f} ms"

    waits, alone, beside = found["waits"], statistics.median(found["alone"]), sorted(found["beside"])
    usual = statistics.median(beside)
    before, after = found["memory"]
    print(
        f"first swap to a cached model, compiled on the way: {', '.join(map(ms, found['compiled']))}\n"
        f"{len(waits):,} swaps to a compiled model: median {ms(statistics.median(waits))}, longest {ms(max(waits))}\n"
        f"one row meanwhile: median {ms(usual)} ({usual / alone:.2f}x of alone),"
        f" 99 % {ms(beside[int(0.99 * len(beside))])}, longest {ms(beside[-1])} ({beside[-1] / alone:.1f}x)\n"
        f"memory: {before:.1f} MiB before, {after:.1f} MiB after"
    )
