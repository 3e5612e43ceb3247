"""Measure a backfill of a season in ratio to `json.loads` of the same answers."""

import json
import lzma
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

import psutil

from bench.servers import service

ROUNDS: Final = 3
SEASONS: Final = 16  # from 2010-11 on the league has plays with coordinates


def run() -> None:
    """Measure the newest recorded season."""
    folder = Path(os.environ.get("XG_RECORDINGS") or "recordings")
    seasons = sorted(folder.rglob("*.jsonl.xz"))
    if not seasons:
        print(f"backfill: no season below {folder}; set XG_RECORDINGS")
        return
    loads = [_loads(seasons[-1]) for _ in range(ROUNDS)]
    for number, (games, wall, cpu) in enumerate(loads):
        with tempfile.TemporaryDirectory() as name, service(Path(name)) as url:
            took, used, served = _backfill(Path(name), url, seasons[-1])
            again, _, _ = _backfill(Path(name), url, seasons[-1])
            size = (Path(name) / "history.db").stat().st_size
        print(
            f"{seasons[-1].name}, {games:,} games, round {number + 1}: json.loads {wall:.2f} s; backfill {took:.2f} s,"
            f" {took / wall:.1f} times that on {os.cpu_count()} cores, {games / took:.0f} games per second;"
            f" CPU {used + served:.1f} s, {(used + served) / cpu:.1f} times, of which the service {served / cpu:.1f};"
            f" a second run, with nothing to do: {again:.2f} s"
        )
    every = games * SEASONS
    print(
        f"history.db: {size / games / 1e3:.0f} kB per game. Extrapolated to {SEASONS} such seasons ({every:,} games):"
        f" {every * size / games / 1e9:.1f} GB, {every / games * took / 60:.0f} minutes"
    )


def _loads(season: Path) -> tuple[int, float, float]:
    """Return the number of games, and the wall-clock and CPU seconds that `json.loads` needs for them."""
    games, wall, cpu = 0, 0.0, 0.0
    with lzma.open(season) as lines:
        for line in lines:
            begun, used = time.perf_counter(), time.process_time()
            json.loads(line)
            cpu += time.process_time() - used
            wall += time.perf_counter() - begun
            games += 1
    return games, wall, cpu


def _backfill(folder: Path, url: str, season: Path) -> tuple[float, float, float]:
    """Return wall-clock seconds, CPU seconds of the command with its processes, and CPU seconds of the service."""
    server = next(child for child in psutil.Process().children() if "xgserve" in child.cmdline())
    served, used, begun = _cpu(server), _children_cpu(), time.perf_counter()
    ran = subprocess.run(
        [sys.executable, "-m", "scripts.backfill", str(season)],
        env=os.environ | {"XG_DATA_DIR": str(folder), "XG_SERVING_URL": url},
        capture_output=True,
        text=True,
    )
    if ran.returncode:
        sys.exit(f"the backfill ended with exit code {ran.returncode}; stderr ends with:\n{ran.stderr[-2000:]}")
    return time.perf_counter() - begun, _children_cpu() - used, _cpu(server) - served


def _cpu(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
