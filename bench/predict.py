"""Measure predictions over HTTP: the service as it ships, beside quick Flask, FastAPI and MLflow servers.

All servers have the same model and the same rows, run at the same time and are queried in turn, so that other work of
the machine affects all of them.
"""

import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import joblib
import pandas as pd
import skops.io

from bench.environments import environment
from bench.processes import Server, Started, post, running
from bench.servers import free_port
from bench.wrk import load, require_wrk
from livegame.features.frames import shot_features
from livegame.recordings.files import SAMPLE_FOLDER, read_recording

ROWS: Final = (1, 10, 100, 10_000)
CLIENTS: Final = 8
ROUNDS, QUICK_ROUNDS = 7, 2
STARTS, QUICK_STARTS = 3, 1
HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parent
BUNDLED: Final = ROOT / "xgserve" / "bundled" / "xg-default" / "1.0.0"
OURS, ECHO, IN_PROCESS = "this service", "Bottle echo", "scikit-learn in process"

Measured = dict[str, dict[str, list[float]]]


def run(*, quick: bool = False, docs: bool = False, folder: Path = ROOT / ".bench") -> None:
    """Measure, print a table, and write `predict.json` into the folder; with `docs`, the page and its plot as well."""
    require_wrk()
    ours = (ROOT / "requirements" / name for name in ("base.in", "serving.in"))
    shipped = environment(folder / "service", *ours, constraints=ROOT / "requirements.txt")
    classic = environment(folder / "classic", HERE / "requirements.txt")
    mlflow = environment(folder / "mlflow", HERE / "requirements-mlflow.txt")
    with tempfile.TemporaryDirectory() as name:
        room = Path(name)
        bodies = _write_bodies(room)
        servers = _servers(room, shipped, classic, mlflow)
        measured: Measured = defaultdict(lambda: defaultdict(list))
        _measure_starts(servers, bodies, room, QUICK_STARTS if quick else STARTS, measured)
        _measure_load(servers, bodies, room, QUICK_ROUNDS if quick else ROUNDS, measured)
        in_process = _in_process(classic, room, bodies)
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": _machine(),
        "rows": ROWS,
        "servers": [server.name for server in servers],
        "measured": measured,
        "in_process_ms": in_process,
    }
    path = folder / "predict.json"
    path.write_text(json.dumps(result, indent=1))
    print(_table(result))
    if docs:
        (ROOT / "docs" / "speed.md").write_text(_page(result))
        draw = [str(mlflow / "python"), str(HERE / "peers" / "draw.py")]
        subprocess.run([*draw, str(path), str(ROOT / "docs" / "speed.png")], check=True)


def _write_bodies(room: Path) -> dict[int, Path]:
    """Write the sample game's shots, over and over, as `df.to_json()` bodies of each size."""
    card = json.loads((BUNDLED / "card.json").read_bytes())
    shots = shot_features(read_recording(next(SAMPLE_FOLDER.glob("*.json"))))
    shots = shots[[feature["name"] for feature in card["features"]]]
    bodies = {}
    for rows in ROWS:
        frame = pd.concat([shots] * (rows // len(shots) + 1), ignore_index=True).head(rows)
        bodies[rows] = room / f"{rows}.json"
        bodies[rows].write_text(frame.to_json())
    return bodies


def _servers(room: Path, shipped: Path, classic: Path, mlflow: Path) -> list[Server]:
    model = room / "model.joblib"
    artifact = BUNDLED / "model.skops"
    joblib.dump(skops.io.load(artifact, trusted=skops.io.get_untrusted_types(file=artifact)), model)  # our own file
    peers = HERE / "peers"
    quiet = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "HOME": str(room)}
    saved = [str(mlflow / "python"), str(peers / "save_mlflow.py"), str(model), str(room / "mlflow")]
    subprocess.run(saved, env=quiet | {"PATH": str(mlflow)}, check=True, capture_output=True)
    port = {name: str(free_port()) for name in ("ours", "flask", "fastapi", "mlflow", "echo")}
    uses = {"BENCH_MODEL": str(model)}
    at = ["--host", "127.0.0.1", "--port"]
    serve = ["models", "serve", "--model-uri", str(room / "mlflow"), "--env-manager", "local", "--workers", "1"]

    def url(name: str, path: str = "/predict") -> str:
        return f"http://127.0.0.1:{port[name]}{path}"

    python = str(shipped / "python")
    ours = {"PYTHONPATH": str(ROOT), "XG_DATA_DIR": str(room / "data"), "XG_SERVING_PORT": port["ours"]}
    gunicorn = [
        str(classic / "gunicorn"),
        "--chdir",
        str(peers),
        "--bind",
        f"127.0.0.1:{port['flask']}",
        "flask_app:app",
    ]
    uvicorn = [str(classic / "uvicorn"), "--app-dir", str(peers), "--no-access-log", "fastapi_app:app"]
    return [
        Server(OURS, [python, "-m", "xgserve"], ours, url("ours")),
        Server("Flask, gunicorn", gunicorn, uses, url("flask")),
        Server("FastAPI, uvicorn", [*uvicorn, *at, port["fastapi"]], uses, url("fastapi")),
        Server(
            "MLflow models serve",
            [str(mlflow / "mlflow"), *serve, *at, port["mlflow"]],
            quiet | {"PATH": f"{mlflow}:/usr/bin:/bin"},
            url("mlflow", "/invocations"),
        ),
        Server(ECHO, [python, str(peers / "echo_app.py")], {"BENCH_PORT": port["echo"]}, url("echo")),
    ]


def _body_for(server: Server, body: Path) -> Path:
    """Return the body in the server's format: MLflow has one of its own for frames."""
    if not server.url.endswith("/invocations"):
        return body
    wrapped = body.with_name(f"mlflow-{body.name}")
    if not wrapped.exists():
        frame = pd.DataFrame(json.loads(body.read_bytes()))
        wrapped.write_text(json.dumps({"dataframe_split": json.loads(frame.to_json(orient="split", index=False))}))
    return wrapped


def _measure_starts(
    servers: list[Server], bodies: Mapping[int, Path], room: Path, count: int, measured: Measured
) -> None:
    with _progress("cold start", count * (len(servers) - 1)) as step:
        for _ in range(count):
            for server in servers:
                if server.name != ECHO:
                    step(server.name)
                    body = _body_for(server, bodies[1]).read_bytes()
                    with running(server, body, room / "log") as started:
                        measured[server.name]["cold start, s"].append(started.seconds)
                        measured[server.name]["CPU of a cold start, s"].append(started.cpu_s)


def _measure_load(
    servers: list[Server], bodies: Mapping[int, Path], room: Path, rounds: int, measured: Measured
) -> None:
    with ExitStack() as stack, _progress("load", rounds * len(servers) * (len(ROWS) + 1)) as step:
        started: dict[str, Started] = {}
        for server in servers:
            body = _body_for(server, bodies[1]).read_bytes()
            started[server.name] = stack.enter_context(running(server, body, room / f"{server.url[17:22]}.log"))
            for rows in ROWS:
                post(server.url, _body_for(server, bodies[rows]).read_bytes())
        for _ in range(rounds):
            for rows in ROWS:
                for server in servers:
                    step(f"{server.name}, {rows:,} rows")
                    found, cpu = measured[server.name], started[server.name].cpu_s
                    seconds = 2 if rows == ROWS[-1] else 1
                    seen = load(server.url, _body_for(server, bodies[rows]), clients=1, seconds=seconds)
                    found[f"p50 ms, {rows} rows"].append(seen.p50 * 1e3)
                    found[f"p99 ms, {rows} rows"].append(seen.p99 * 1e3)
                    spent = started[server.name].cpu_s - cpu
                    found[f"CPU ms a request, {rows} rows"].append(spent / seen.requests * 1e3)
            for server in servers:
                step(f"{server.name}, {CLIENTS} clients")
                seen = load(server.url, _body_for(server, bodies[1]), clients=CLIENTS, seconds=1)
                measured[server.name][f"requests/s, {CLIENTS} clients"].append(seen.requests / seen.seconds)
        for server in servers:
            measured[server.name]["RSS, MiB"].append(started[server.name].rss_mib)


def _in_process(classic: Path, room: Path, bodies: Mapping[int, Path]) -> list[float]:
    command = [str(classic / "python"), str(HERE / "peers" / "in_process.py")]
    ran = subprocess.run(
        [*command, str(room / "model.joblib"), *map(str, bodies.values())], check=True, capture_output=True
    )
    return [seconds * 1e3 for seconds in json.loads(ran.stdout)]


@contextmanager
def _progress(what: str, steps: int) -> Iterator[Any]:
    began, done = time.monotonic(), 0

    def step(doing: str) -> None:
        nonlocal done
        left = f", {(time.monotonic() - began) / done * (steps - done):.0f} s left" if done else ""
        print(f"\r\033[K{what} {done + 1}/{steps}: {doing}{left}", end="", file=sys.stderr, flush=True)
        done += 1

    yield step
    print("\r\033[K", end="", file=sys.stderr, flush=True)


def _table(result: Mapping[str, Any]) -> str:
    """Return the service's medians and the others' ratios to them, with the lowest and highest round."""
    others = [name for name in result["servers"] if name != OURS]
    lines = ["| | " + " | ".join([OURS, *others]) + " |", "|---|" + "---|" * len(result["servers"])]
    for metric, ours in result["measured"][OURS].items():
        cells = [f"{statistics.median(ours):.3g}"]
        for other in others:
            theirs = result["measured"][other].get(metric)
            cells.append(
                _ratios(theirs, ours, more_is_better="requests" in metric and "/s" in metric) if theirs else ""
            )
        lines.append(f"| {metric.replace('10000', '10,000')} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _ratios(theirs: list[float], ours: list[float], *, more_is_better: bool) -> str:
    pairs = zip(theirs, ours, strict=True)
    ratios = [(mine / other) if more_is_better else (other / mine) for other, mine in pairs]
    spread = f" ({min(ratios):.3g}-{max(ratios):.3g})" if len(ratios) > 1 else ""
    return f"{statistics.median(ratios):.3g}x{spread}"


def _page(result: Mapping[str, Any]) -> str:
    floors = ", ".join(
        f"{ms:.3g} ms for {rows:,}" for rows, ms in zip(result["rows"], result["in_process_ms"], strict=True)
    )
    return f"""# Speed

Measured {result["date"]} on {result["machine"]}, by `make bench`. One model (the bundled default), the same rows, all
servers running at the same time and queried in turn by [wrk](https://github.com/wg/wrk).

![Median answer time and requests per second](speed.png)

The first column is this service. The others show how many times longer each takes, how many times more memory it holds,
or how many times fewer requests it answers: the median of the rounds' ratios, with the lowest and highest in brackets.
All log what they log by default: this service a log row and its metrics for each request, the others nothing. "Bottle
echo" returns the body unchanged on plain waitress, so it is the fastest possible answer to a single client; with
several clients plain waitress slows itself down, which the service avoids. Memory includes the parent process of
gunicorn and MLflow. Each server runs in its own environment with only what it needs.

{_table(result)}

Without any server, `predict_proba` of scikit-learn on a ready DataFrame takes {floors} rows.

What the service does differently: a body is read straight into the numbers that the model needs. The model is a graph
that was compiled once, in another process, and compared with the library that made it; ONNX Runtime computes it for all
rows in one call. Neither scikit-learn nor pandas is imported. Log rows are written in batches by a separate
thread, and one thread answers as long as requests are short.
"""


def _machine() -> str:
    model = "a processor of unknown make"
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    return (
        f"{len(os.sched_getaffinity(0))} processors ({model}), {platform.system()}, Python {platform.python_version()}"
    )
