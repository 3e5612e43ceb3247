"""The worker, as real processes: what the service answers when it dies, hangs, eats memory or sends nonsense."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from tests.helpers import ROOT, wait_until
from tests.xgserve.helpers import children_of
from tests.xgserve.sandbox import stand_in
from xgserve.errors import InvalidFrame, ModelError, WorkerBusy, WorkerFailed
from xgserve.model.schema import Column
from xgserve.model.validation import FrameReader
from xgserve.sandbox import worker
from xgserve.sandbox.process import WorkerTask
from xgserve.sandbox.wire import LENGTH, Failed, Ready, Scores, pack
from xgserve.sandbox.worker import CHUNK_ROWS, WorkerScorer

HERE = Path(__file__).parent
READER = FrameReader((Column("value", "number", nullable=True), Column("team", "category", ("MTL", "TOR"))))


EARLIER: set[int] = set()  # processes that tests of other files have started, such as their browser


def workers() -> set[int]:
    """Return the processes that this test has started and that are not gone."""
    return children_of(os.getpid()) - EARLIER


def pipes() -> set[str]:
    """Return the pipes that are open in this process; its other files may belong to a service that tests share."""
    found = set()
    for link in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(link.readlink()))
    return {target for target in found if target.startswith("pipe:")}


def only_worker() -> int:
    """Return the one process that this one has started."""
    (pid,) = workers()
    return pid


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    gc.collect()  # what earlier tests of other files left
    EARLIER.clear()
    EARLIER.update(workers())
    before = pipes()
    yield
    gc.collect()
    assert not workers()
    assert pipes() <= before


def scorer(
    request: dict[str, Any] | None = None, *, timeout_s: float = 60, places: int = 8, start_timeout_s: float = 60
) -> WorkerScorer:
    task = WorkerTask(
        model="acme/shots:1.0.0",
        artifact=HERE / "stand_in.py",  # its folder is what the worker may read
        request=request or {},
        start_timeout_s=start_timeout_s,
        timeout_s=timeout_s,
        module="tests.xgserve.sandbox.stand_in",
    )
    return WorkerScorer(READER, task, threading.BoundedSemaphore(places))


def score(scorer: WorkerScorer, *values: float | None) -> list[float]:
    rows = scorer.read({"value": values, "team": ["MTL"] * len(values)}, range(len(values)))
    found: list[float] = scorer.score(rows).tolist()
    return found


def test_rows_get_their_probabilities_in_order_over_several_chunks() -> None:
    values = np.random.default_rng(0).random(3 * CHUNK_ROWS + 7).tolist()
    assert score(scorer(), *values) == values


def test_nulls_and_odd_texts_arrive_unchanged() -> None:
    rows = READER.arrays({"value": [None, 0.5], "team": ["\ud800", "ﬀ"]}, range(2))
    found = scorer().score(rows)
    assert np.isnan(found[0]) and found[1] == 0.5


def test_worker_killed_while_it_is_idle_is_replaced_and_only_the_log_says_so(caplog: pytest.LogCaptureFixture) -> None:
    model = scorer()
    killed = only_worker()
    os.kill(killed, signal.SIGKILL)
    assert score(model, 0.25) == [0.25]
    assert only_worker() != killed
    words = "the process that scores with acme/shots:1.0.0 was killed by SIGKILL; it is started again"
    assert caplog.messages == [words]


def test_worker_killed_while_it_scores_is_replaced_and_the_request_is_answered() -> None:
    model = scorer()
    pid = only_worker()
    os.kill(pid, signal.SIGSTOP)  # so that the request is under way when the worker dies
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(score, model, 0.25)
        wait_until(lambda: model._worker._turns._is_taken)
        os.kill(pid, signal.SIGKILL)
        assert answer.result(60) == [0.25]


def test_rows_that_kill_the_worker_twice_are_an_error_and_others_are_scored_afterwards() -> None:
    model = scorer()
    with pytest.raises(
        WorkerFailed, match=r"was killed by SIGKILL, and the one started in its place was killed .* started again now"
    ) as error:
        score(model, stand_in.DIES)
    assert (error.value.status, error.value.code, error.value.headers) == (503, "worker_failed", {"Retry-After": "1"})
    assert score(model, 0.25) == [0.25]


@pytest.mark.parametrize("how", ["stopped", "busy"])
def test_worker_that_hangs_is_killed_and_replaced(how: str) -> None:
    model = scorer(timeout_s=2)
    pid = only_worker()
    if how == "stopped":
        os.kill(pid, signal.SIGSTOP)
    values = [0.25 if how == "stopped" else stand_in.HANGS] * CHUNK_ROWS
    with pytest.raises(WorkerFailed, match=r"did not answer within 2 s \(XG_WORKER_TIMEOUT_S\); it is started again"):
        score(model, *values)
    assert pid not in workers()
    assert score(model, 0.25) == [0.25]


def test_stopped_worker_that_does_not_take_the_rows_is_killed_as_well() -> None:
    """The rows are larger than a pipe holds, so that writing them would block."""
    model = scorer(timeout_s=2)
    os.kill(only_worker(), signal.SIGSTOP)
    rows = [np.full(CHUNK_ROWS, 0.25), np.array(["MTL" * 100] * CHUNK_ROWS, dtype=object)]
    with pytest.raises(WorkerFailed, match="did not answer"):
        model.score(rows)
    assert score(model, 0.25) == [0.25]


def test_worker_that_eats_memory_is_bounded_and_replaced() -> None:
    model = scorer()
    with pytest.raises(WorkerFailed, match="ran out of memory"):
        score(model, stand_in.EATS_MEMORY)
    assert score(model, 0.25) == [0.25]


def test_error_of_the_library_in_the_worker_is_a_death() -> None:
    with pytest.raises(WorkerFailed, match="ended with code 1"):
        score(scorer(), stand_in.RAISES)


def test_rows_that_the_model_refuses_are_the_callers_error() -> None:
    model = scorer()
    before = workers()
    with pytest.raises(InvalidFrame, match="cannot score these rows: not these"):
        score(model, stand_in.REFUSES_ROWS)
    with pytest.raises(InvalidFrame, match="missing column"):
        model.read({"value": [1]}, [0])
    with pytest.raises(ModelError, match="predict_proba answers shape"):
        score(model, stand_in.IS_UNUSABLE)
    assert workers() == before


def test_too_few_probabilities_are_an_error() -> None:
    model = scorer()
    with pytest.raises(WorkerFailed, match="not one probability for each of 2 rows"):
        score(model, stand_in.ONE_TOO_FEW, 0.5)
    assert score(model, 0.25) == [0.25]


def framed(body: bytes) -> bytes:
    return LENGTH.pack(len(body)) + body


GARBAGE = {
    "no message": b"\x00" * 64,
    "a huge length": b"\xff\xff\xff\xff" + b"x" * 64,
    "a cut-off message": LENGTH.pack(500) + b"x",
    "JSON": framed(b'{"type": "Scores"}'),
    "a number": framed(msgspec.msgpack.encode(17)),
    "another type": framed(msgspec.msgpack.encode({"type": "Batch", "columns": []})),
    "a wrong kind of field": framed(msgspec.msgpack.encode({"type": "Scores", "probabilities": [0.5]})),
    "a pickle": framed(b"cos\nsystem\n(S'true'\ntR."),
    "deep nesting": framed(b"\x91" * 10_000),
    "a promise of four billion elements": framed(b"\xdd\xff\xff\xff\xff"),
    "text that is not Unicode": framed(b"\x82\xa4type\xa6Failed\xa3why\xa2\xff\xfe"),
    "readiness": pack(Ready()),
    "too many probabilities": pack(Scores(bytes(80))),
    "half a probability": pack(Scores(bytes(4))),
    "a reason that does not exist": framed(msgspec.msgpack.encode({"type": "Failed", "why": "mood", "message": "no"})),
}


@pytest.mark.parametrize("kind", GARBAGE)
def test_garbage_is_an_error_and_the_service_lives(kind: str) -> None:
    model = scorer({"answers": GARBAGE[kind].hex()}, timeout_s=5 if kind != "a cut-off message" else 0.5)
    with pytest.raises(WorkerFailed) as error:
        score(model, 0.25)
    assert ("did not answer" in str(error.value)) == (kind == "a cut-off message")


@pytest.mark.parametrize("kind", sorted(GARBAGE.keys() - {"readiness"}))
def test_garbage_instead_of_readiness_is_an_error(kind: str) -> None:
    with pytest.raises(WorkerFailed, match="did not open it"):
        scorer({"first": GARBAGE[kind].hex(), "answers": ""}, start_timeout_s=5)


def test_words_of_the_worker_are_bounded() -> None:
    model = scorer({"answers": framed(msgspec.msgpack.encode(Failed("rows", "x" * 10_000))).hex()})
    with pytest.raises(InvalidFrame) as error:
        score(model, 0.25)
    assert len(str(error.value)) < 1_100


def test_nan_and_numbers_beyond_one_pass_to_the_check_of_the_model() -> None:
    model = scorer({"answers": pack(Scores(np.array([np.nan, 7.0]).tobytes())).hex()})
    found = score(model, 0.25, 0.5)
    assert np.isnan(found[0]) and found[1] == 7


def test_artifact_that_cannot_be_opened_is_an_error_with_the_reason() -> None:
    with pytest.raises(ModelError, match="did not open it: not with this library"):
        scorer({"cannot be opened": "not with this library"})


def test_worker_that_is_never_ready_is_given_up() -> None:
    with pytest.raises(WorkerFailed, match=r"was not ready within 0\.5 s"):
        scorer({"never opens": True}, start_timeout_s=0.5)


def test_worker_that_dies_again_and_again_is_started_less_and_less_often() -> None:
    model = scorer()
    for _ in range(2):
        with pytest.raises(WorkerFailed):
            score(model, stand_in.DIES)
    with pytest.raises(WorkerFailed, match=r"died 3 times in a row; it is started again in \d s") as error:
        score(model, 0.25)
    assert int(error.value.headers["Retry-After"]) >= 1
    assert not workers()
    model._worker._not_before = 0.0  # the pause is over
    assert score(model, 0.25) == [0.25]
    with pytest.raises(WorkerFailed, match=r"in 4 s|in 3 s"):
        score(model, stand_in.DIES)


def test_worker_that_dies_of_old_age_is_replaced_without_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "YOUNG_S", 0.0)
    model = scorer()
    for _ in range(5):
        os.kill(only_worker(), signal.SIGKILL)
        assert score(model, 0.25) == [0.25]


def test_long_batch_lets_short_ones_in_between_its_chunks() -> None:
    model = scorer()
    finished: list[str] = []
    long = np.full(40 * CHUNK_ROWS, 0.25)
    pid = only_worker()
    os.kill(pid, signal.SIGSTOP)  # until all have asked

    def ask(name: str, rows: int) -> None:
        model.score([long[:rows], np.full(rows, "MTL", dtype=object)])
        finished.append(name)

    threads = [threading.Thread(target=ask, args=("long", len(long)))]
    threads += [threading.Thread(target=ask, args=("short", 1)) for _ in range(3)]
    threads[0].start()
    wait_until(lambda: model._worker._turns._is_taken)
    for thread in threads[1:]:
        thread.start()
    wait_until(lambda: len(model._worker._turns._waiting) == 3)
    os.kill(pid, signal.SIGCONT)
    for thread in threads:
        thread.join(60)
    assert finished == ["short"] * 3 + ["long"]


def test_many_threads_get_their_own_answers() -> None:
    model = scorer(places=16)

    def ask(number: int) -> bool:
        values = [number / 1000] * (1 + number % 3 * CHUNK_ROWS)
        return score(model, *values) == values

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(200)))


def test_more_requests_than_places_are_refused_at_once() -> None:
    model = scorer(places=2)
    assert score(model, 0.25) == [0.25]
    pid = only_worker()
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(score, model, 0.25) for _ in range(2)]
        wait_until(lambda: len(model._worker._turns._waiting) == 1)
        with pytest.raises(WorkerBusy) as error:
            score(model, 0.5)
        os.kill(pid, signal.SIGCONT)
        assert [answer.result(60) for answer in waiting] == [[0.25], [0.25]]
    assert (error.value.status, error.value.headers) == (503, {"Retry-After": "1"})
    assert score(model, 0.5) == [0.5]


def test_first_rows_which_check_a_new_worker_need_no_place() -> None:
    model = scorer(places=1)
    model._places.acquire()
    assert score(model, 0.25) == [0.25]
    with pytest.raises(WorkerBusy):
        score(model, 0.25)


def test_closed_while_a_request_waits_answers_it_with_an_error() -> None:
    model = scorer()
    pid = only_worker()
    os.kill(pid, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(score, model, 0.25)
        wait_until(lambda: model._worker._turns._is_taken)
        model.close()
        with pytest.raises(WorkerFailed, match="not used any more"):
            answer.result(60)
    assert not workers()


def test_worker_ends_with_its_model() -> None:
    model = scorer()
    pid = only_worker()
    del model
    gc.collect()
    assert not Path(f"/proc/{pid}").exists()


SERVICE = f"""
import sys, threading
from pathlib import Path
sys.path.insert(0, {str(ROOT)!r})
from tests.xgserve.sandbox.test_worker import scorer, stand_in, score, workers
def start():
    global model
    model = scorer(timeout_s=3600)
thread = threading.Thread(target=start)  # a request's thread, which ends
thread.start()
thread.join()
print(*workers(), flush=True)
if sys.argv[1] == "hangs":
    threading.Thread(target=score, args=(model, float(stand_in.HANGS))).start()
sys.stdin.read()
"""


@pytest.mark.parametrize("state", ["is idle", "hangs", "is stopped"])
def test_worker_is_gone_when_the_service_is_killed(state: str) -> None:
    service = subprocess.Popen(
        [sys.executable, "-c", SERVICE, state], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
    )
    assert service.stdout is not None
    pid = int(service.stdout.readline())
    assert Path(f"/proc/{pid}").exists()
    if state == "is stopped":
        os.kill(pid, signal.SIGSTOP)
    if state == "hangs":
        time.sleep(0.5)
    service.kill()
    service.communicate()
    wait_until(lambda: not Path(f"/proc/{pid}").exists() or "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text())


def memory_mb() -> float:
    fields = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(fields["VmRSS"].split()[0]) / 1024


@pytest.mark.timeout(3600)
def test_swapping_again_and_again_leaves_nothing_behind() -> None:
    """No process, no descriptor (see the fixture), no thread and no memory; XG_TEST_SWAPS=1000 tries harder."""
    threads, swaps = threading.active_count(), int(os.environ.get("XG_TEST_SWAPS", "20"))
    for number in range(swaps):
        model = scorer()
        assert score(model, number / 1000) == [number / 1000]
        assert len(workers()) <= 2
        if number == 9:
            begun = memory_mb()
    assert threading.active_count() <= threads + 1
    assert memory_mb() - begun < 5
