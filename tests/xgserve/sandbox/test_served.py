"""Models that cannot be compiled, through the real service: their answers, and what others see when a worker fails."""

import gc
import io
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import skops.io
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from tests.helpers import wait_until
from tests.xgserve.helpers import ROW, Running, children_of, goals, process, running, shots
from xgserve.client import ServingClient
from xgserve.names import ModelName
from xgserve.registry.cache import ModelCache
from xgserve.sandbox.confine import unbounded

pytestmark = pytest.mark.usefixtures("compiled_once")

KNN = ("acme", "neighbours", "1.0.0")


def with_gaps(frame: pd.DataFrame) -> pd.DataFrame:
    """Return shots of which some have no type, as the library's own users write it."""
    frame["shot_type"] = frame["shot_type"].astype(object)
    frame.loc[::7, "shot_type"] = np.nan
    return frame


def neighbours() -> Pipeline:
    """A model that has no graph, and that tells a missing category from an unknown one."""
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["shot_type"]), (StandardScaler(), ["distance", "angle", "rebound"])
    )
    frame = with_gaps(shots())
    return make_pipeline(encode, KNeighborsClassifier(25)).fit(frame, goals(frame))


@cache
def neighbours_file() -> bytes:
    """Return the same bytes each time; a zip file holds the time when it was written."""
    content: bytes = skops.io.dumps(neighbours())
    return content


def put_in_cache(data_dir: Path, name: tuple[str, str, str], file: str, content: bytes) -> None:
    """Put an artifact in the cache, not compiled yet."""
    cache = ModelCache(data_dir / "models")
    with cache.temporary() as room:
        (room / "ready").mkdir()
        (room / "ready" / file).write_bytes(content)
        cache.publish(room / "ready", ModelName(*name), file)


def activate(service: Running, name: tuple[str, str, str]) -> dict[str, Any]:
    answer = service.post("/download_registry_model", dict(zip(("workspace", "model", "version"), name, strict=True)))
    found: dict[str, Any] = answer.json()
    return found


EARLIER: set[int] = set()  # processes that tests of other files have started, such as their browser


def workers() -> set[int]:
    """Return the processes that this test has started and that are not gone."""
    return children_of(os.getpid()) - EARLIER


def only_worker() -> int:
    (pid,) = workers()
    return pid


@pytest.fixture(autouse=True)
def _no_worker_of_an_earlier_test() -> None:
    gc.collect()
    EARLIER.clear()
    EARLIER.update(workers())


def turns_of(service: Running) -> Any:
    """Return the queue of those who wait for the worker of the active model."""
    model: Any = service.app.active()
    return model.scorer._worker._turns


def frame_json(frame: pd.DataFrame) -> str:
    return str(frame.to_json(orient="split", double_precision=15))


def test_worker_gives_the_librarys_own_probabilities(tmp_path: Path) -> None:
    put_in_cache(tmp_path, KNN, "model.skops", neighbours_file())
    asked = with_gaps(shots(1_000, seed=9))
    asked.loc[3::50, "shot_type"] = "bat"  # unknown
    expected: npt.NDArray[np.float64] = neighbours().predict_proba(asked)[:, 1]
    with running(tmp_path) as service:
        assert activate(service, KNN)["model"]["served_by"] == "worker"
        found = service.post("/predict", frame_json(asked)).json()["predictions"]
        assert service.get("/ready").status_code == 200
        missing = service.post("/predict", frame_json(asked.drop(columns="angle")))
    assert found == expected.tolist()
    assert (missing.status_code, missing.json()["error"]["missing"]) == (422, ["angle"])


def test_ready_does_not_wait_for_a_worker_that_hangs(tmp_path: Path) -> None:
    put_in_cache(tmp_path, KNN, "model.skops", neighbours_file())
    with running(tmp_path, worker_timeout_s=3600) as service:
        model_id = activate(service, KNN)["model"]["id"]
        pid = only_worker()
        os.kill(pid, signal.SIGSTOP)
        for _ in range(3):
            assert service.get("/ready").json()["checks"]["model"] == {"ok": True, "id": model_id}
        os.kill(pid, signal.SIGCONT)
        wait_until(lambda: "golden_probability" in service.get("/ready").json()["checks"]["model"])


def test_others_are_served_while_a_worker_hangs(tmp_path: Path) -> None:
    put_in_cache(tmp_path, KNN, "model.skops", neighbours_file())
    row = frame_json(shots(1))
    with running(tmp_path, threads=4, worker_timeout_s=3600) as service, ThreadPoolExecutor(8) as pool:
        activate(service, KNN)
        pid = only_worker()
        os.kill(pid, signal.SIGSTOP)
        turns = turns_of(service)
        hanging = [pool.submit(service.post, "/predict", row) for _ in range(2)]
        wait_until(lambda: len(turns._waiting) == 1)
        busy = service.post("/predict", row)
        assert (busy.status_code, busy.json()["error"]["code"]) == (503, "worker_busy")
        assert service.get("/health").status_code == 200
        assert service.get("/ready").status_code == 200
        assert activate(service, ("bundled", "xg-distance", "1.0.0"))["model"]["served_by"] == "graph"
        assert not any(request.done() for request in hanging)
        os.kill(pid, signal.SIGKILL)
        assert [request.result().status_code for request in hanging] == [200, 200], "scored by the next worker"
        wait_until(lambda: not workers())


def test_predictions_that_may_wait_for_a_worker_never_get_the_last_thread(tmp_path: Path) -> None:
    """With two threads, one of which a prediction occupies, the other one stays for quick requests."""
    put_in_cache(tmp_path, KNN, "model.skops", neighbours_file())
    row = frame_json(shots(1))
    with running(tmp_path, threads=2, worker_timeout_s=3600) as service, ThreadPoolExecutor(8) as pool:
        activate(service, KNN)
        pid = only_worker()
        os.kill(pid, signal.SIGSTOP)
        turns = turns_of(service)
        waiting = [pool.submit(service.post, "/predict", row) for _ in range(4)]
        wait_until(lambda: turns._is_taken)
        assert service.get("/health").status_code == 200
        assert not any(request.done() for request in waiting), "they queue, and are not refused"
        os.kill(pid, signal.SIGCONT)
        assert [request.result().status_code for request in waiting] == [200] * 4


def test_worker_that_hangs_is_an_error_that_says_so(tmp_path: Path) -> None:
    put_in_cache(tmp_path, KNN, "model.skops", neighbours_file())
    with running(tmp_path, worker_timeout_s=5) as service:
        activate(service, KNN)
        os.kill(only_worker(), signal.SIGSTOP)
        failed = service.post("/predict", frame_json(shots(1)))
        assert (failed.status_code, failed.json()["error"]["code"]) == (503, "worker_failed")
        assert "acme/neighbours:1.0.0 did not answer within 5 s (XG_WORKER_TIMEOUT_S)" in failed.text
        assert failed.headers["Retry-After"] == "1"
        assert service.post("/predict", frame_json(shots(1))).status_code == 200


def test_worker_killed_in_mid_request_costs_the_caller_nothing(tmp_path: Path) -> None:
    put_in_cache(tmp_path, KNN, "model.skops", neighbours_file())
    row = frame_json(shots(1))
    with running(tmp_path) as service, ThreadPoolExecutor(1) as pool:
        activate(service, KNN)
        before = service.post("/predict", row).json()["predictions"]
        pid = only_worker()
        os.kill(pid, signal.SIGSTOP)
        asked = pool.submit(service.post, "/predict", row)
        turns = turns_of(service)
        wait_until(lambda: turns._is_taken)
        os.kill(pid, signal.SIGKILL)
        assert asked.result().json()["predictions"] == before


def test_worker_is_gone_after_a_kill_of_the_real_service(tmp_path: Path) -> None:
    put_in_cache(tmp_path / "data", KNN, "model.skops", neighbours_file())
    with process(tmp_path) as service:
        ServingClient(service.url).download_registry_model(*KNN)
        (pid,) = children_of(service.popen.pid)
        service.stop(signal.SIGKILL)
        wait_until(
            lambda: not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
        )


def is_running(pid: int) -> bool:
    """Return whether a process exists and is not merely waiting for somebody to ask for its end."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


class _Code:
    """Pickled, it becomes the function `step` that the code defines."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __reduce__(self) -> tuple[Any, ...]:
        return (eval, (f"(lambda names: (exec({self.code!r}, names), names['step'])[1])({{}})",))


SPY = """
def step(rows):
    import os, socket, pathlib
    def got(what):
        try:
            what()
        except OSError:
            return False
        return True
    stolen = [name for name, what in {
        "environment": lambda: pathlib.Path(f"/proc/{os.getppid()}/environ").read_bytes(),
        "database": lambda: pathlib.Path(DATABASE).read_bytes(),
        "network": lambda: socket.socket(),
        "marker": lambda: pathlib.Path(DATABASE + ".marker").write_text("was here"),
        "shell": lambda: os.posix_spawn("/bin/true", ["true"], {}),
    }.items() if got(what)]
    if stolen or "COMET_API_KEY" in os.environ:
        raise ValueError(f"stolen: {stolen}")
    return rows
"""


@pytest.mark.skipif(bool(unbounded()), reason=f"this system does not bound {'; '.join(unbounded())}")
def test_pickle_of_a_trusted_workspace_cannot_reach_beyond_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model scores as long as each of its attempts to reach the key, files and network of the service fails."""
    monkeypatch.setenv("COMET_API_KEY", "a-key-that-no-model-may-see")
    database = tmp_path / "serving.db"
    frame = shots()[["distance", "angle"]]
    model = make_pipeline(FunctionTransformer(np.log1p), LogisticRegression()).fit(frame, goals(frame))
    model[0].func = _Code(SPY.replace("DATABASE", repr(str(database))))
    content = io.BytesIO()
    joblib.dump(model, content)
    put_in_cache(tmp_path, ("acme", "spy", "1.0.0"), "model.joblib", content.getvalue())
    with running(tmp_path, trust_pickle_workspaces=frozenset({"acme"})) as service:
        assert database.stat().st_size > 0
        activated = activate(service, ("acme", "spy", "1.0.0"))
        assert activated.get("model", {}).get("served_by") == "worker", activated
        assert service.post("/predict", [ROW]).status_code == 200
    assert not Path(f"{database}.marker").exists()
