"""Small real models as files, and real services on free loopback ports."""

import json
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import requests
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from tests.helpers import ROOT, rows_scored, without_settings
from xgserve.app import App, create_app
from xgserve.compiler.build import compile_model, open_model
from xgserve.model.compiled import Description, environment, load_compiled
from xgserve.model.model import Model, Scorer
from xgserve.model.validation import FrameReader
from xgserve.names import COMPILED, ModelName
from xgserve.registry.cache import digest_of
from xgserve.settings import ServiceSettings
from xgserve.web.server import make_server, serve

NAME = ModelName("someone", "xg", "1.0.0")
ROWS = 300
ROW = {"distance": 20.5, "angle": 12}  # for `numeric_model`
FIRST = {"workspace": "bundled", "model": "xg-default", "version": "1.0.0"}
PREDICT_HEAD = b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


def shots(rows: int = ROWS, seed: int = 1) -> pd.DataFrame:
    """Made-up shots: distance and angle in numbers, shot_type in text, rebound as true or false."""
    random = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "distance": random.uniform(3, 90, rows),
            "angle": random.uniform(0, 85, rows),
            "shot_type": random.choice(["slap", "tip", "wrist"], rows),
            "rebound": random.random(rows) < 0.2,
        }
    )


def goals(frame: pd.DataFrame, seed: int = 2) -> npt.NDArray[np.int64]:
    """Goals, rarer with distance."""
    chance = 1 / (1 + np.exp(frame["distance"] / 15 - 0.5))
    return np.where(np.random.default_rng(seed).random(len(frame)) < chance, 1, 0)


def numeric_model(columns: tuple[str, ...] = ("distance", "angle"), strength: float = 1.0) -> Pipeline:
    """A logistic regression on numbers; another `strength` gives other probabilities."""
    frame = shots()
    return make_pipeline(StandardScaler(), LogisticRegression(C=strength)).fit(frame[list(columns)], goals(frame))


def mixed_model() -> Pipeline:
    """A logistic regression on numbers, a true/false column and a category column that accepts unknown values."""
    frame = shots()
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["shot_type"]), (StandardScaler(), ["distance", "angle", "rebound"])
    )
    return make_pipeline(encode, LogisticRegression()).fit(frame, goals(frame))


def bundle(folder: Path, estimator: Any, name: str = "xg-default", version: str = "1.0.0", **card: Any) -> Path:
    """Write an artifact, and its card if not empty, laid out like the bundled models."""
    path = folder / name / version
    path.mkdir(parents=True)
    skops.io.dump(estimator, path / "model.skops")
    if card:
        (path / "card.json").write_text(json.dumps(card))
    return path / "model.skops"


def load_model(artifact: Path, name: ModelName = NAME, *, allow_pickle: bool = False) -> Model:
    """Compile an artifact in this process and load it; what cannot be compiled is scored in this process as well."""
    folder = artifact.parent / COMPILED
    folder.mkdir(exist_ok=True)
    made_with = environment(allow_pickle=allow_pickle)
    compile_model(artifact, folder, made_with, workspace=name.workspace, allow_pickle=allow_pickle)

    def start_worker(description: Description, _reader: FrameReader) -> Scorer:
        opened, _, _ = open_model(artifact, name.workspace, allow_pickle=allow_pickle)
        return opened.reference(description.columns)

    return load_compiled(folder, name, digest_of(artifact), start_worker)


@dataclass(frozen=True)
class Running:
    """A service that answers at `url`."""

    url: str
    app: App

    def post(self, path: str, body: Any, **headers: str | bytes) -> requests.Response:
        data = body if isinstance(body, bytes | str) else json.dumps(body)
        sent = {"Content-Type": "application/json"} | {name.replace("_", "-"): v for name, v in headers.items()}
        return requests.post(self.url + path, data=data, headers=sent, timeout=30)

    def get(self, path: str, **headers: str) -> requests.Response:
        return requests.get(self.url + path, headers=headers, timeout=30)

    def rows_scored(self) -> int:
        """Return the service's own count."""
        return rows_scored(self.get("/metrics").text)


@contextmanager
def bundled_models(folder: Path) -> Iterator[None]:
    """Use this folder's models as the bundled ones, so that tests do not depend on those that ship."""
    for artifact in folder.glob("*/*/model.skops"):
        load_model(artifact)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xgserve.registry.bundle.FOLDER", folder)
        yield


@contextmanager
def running(data_dir: Path, **settings: Any) -> Iterator[Running]:
    """Run the service in this process, on the server that production uses."""
    app = create_app(ServiceSettings(data_dir=data_dir, port=0, **settings))
    server = make_server(app, app.settings)
    stop = threading.Event()
    thread = threading.Thread(target=serve, args=(server, stop))
    thread.start()
    try:
        yield Running(f"http://127.0.0.1:{server.effective_port}", app)  # type: ignore[attr-defined]
    finally:
        stop.set()
        server.pull_trigger()
        thread.join(20)
        app.close()


@dataclass
class Process:
    """`python -m xgserve` as operators start it."""

    url: str
    popen: "subprocess.Popen[str]"
    stderr: Path

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        self.popen.send_signal(number)
        return self.popen.wait(30)


@contextmanager
def process(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Process]:
    """Start the service in a process of its own, with its data in `folder`."""
    stderr = folder / "stderr.txt"
    with stderr.open("w") as log:
        popen = _start(folder, log, environment or {})
    try:
        yield Process(_wait_until_serving(popen, stderr), popen, stderr)
    finally:
        popen.kill()
        popen.wait()


def _start(folder: Path, log: IO[str], environment: Mapping[str, str]) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "xgserve"],
        cwd=ROOT,
        env={**without_settings(), "XG_DATA_DIR": str(folder / "data"), "XG_SERVING_PORT": "0", **environment},
        stderr=log,
        text=True,
    )


def _wait_until_serving(popen: "subprocess.Popen[str]", stderr: Path) -> str:
    wake = threading.Event()
    for _ in range(1200):
        for line in stderr.read_text().splitlines():
            if "serving on http" in line:
                return line.rsplit(" ", 1)[1]
        if popen.poll() is not None:
            break
        wake.wait(0.05)
    raise AssertionError(f"the service did not start: {stderr.read_text()}")


def children_of(pid: int) -> set[int]:
    """Return the processes that a process has started and that are not gone (Linux)."""
    found: set[int] = set()
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended since has none
            found.update(map(int, (task / "children").read_text().split()))
    return found


def connect(url: str) -> socket.socket:
    """Open a connection to the service at a URL."""
    host, port = url.removeprefix("http://").split(":")
    return socket.create_connection((host, int(port)), timeout=30)


def read_to_the_end(connection: socket.socket) -> tuple[bytes, bytes]:
    """Return the head and the body of what comes until the service closes the connection."""
    answer = b""
    try:
        while part := connection.recv(65536):
            answer += part
    except ConnectionResetError:  # closed while bytes of ours were on the way
        pass
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body
