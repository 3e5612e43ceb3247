"""The frame of the simulation: virtual time, one token, and processes that die anywhere."""

import queue
import threading
import time
from concurrent.futures import Future
from contextlib import nullcontext, suppress
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import pytest

from tests.simulation import machine
from tests.simulation.scheduler import Killed, Process, Scheduler, Stuck, Thread


class Clock:
    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler

    def utc_now(self) -> datetime:
        return datetime(2024, 1, 6, tzinfo=UTC) + timedelta(seconds=self._scheduler.now)


class Run:
    """A scheduler with a log, for a function that plays the director."""

    def __init__(self, seed: int, handover: float = 0.3) -> None:
        self.lines: list[str] = []
        self.scheduler = Scheduler(Random(seed), handover, self._log)

    def _log(self, thread: Thread, what: str) -> None:
        self.lines.append(f"{self.scheduler.now:.6f} {thread.process} {thread.name} {what}")

    def __call__(self, director: Any) -> "Run":
        with machine.installed(self.scheduler, Clock(self.scheduler), Random(1)):
            self.scheduler.run(director)
        return self

    def start(self, name: str, target: Any) -> tuple[Process, Thread]:
        process = self.scheduler.process(name)
        return process, self.scheduler.spawn(process, target, "main")


def test_an_hour_takes_no_time() -> None:
    run, before = Run(1), time.monotonic()
    seen: list[float] = []

    def director() -> None:
        began, wall = time.monotonic(), time.time()
        time.sleep(3600)
        seen.extend((time.monotonic() - began, time.time() - wall))

    run(director)
    assert seen == [pytest.approx(3600, abs=0.01)] * 2
    assert time.monotonic() - before < 60


def counting(run: Run, shared: list[int], lock: Any) -> None:
    for _ in range(20):
        with lock:
            value = shared[0]
            run.scheduler.step("reads")
            shared[0] = value + 1


def entangled(seed: int, *, locked: bool = True) -> tuple[int, list[str]]:
    """Return what three threads have counted together, and the log."""
    run, shared = Run(seed), [0]

    def director() -> None:
        lock: Any = threading.Lock() if locked else nullcontext()
        process = run.scheduler.process("counter")
        threads = [run.scheduler.spawn(process, lambda: counting(run, shared, lock), str(n)) for n in range(3)]
        for thread in threads:
            run.scheduler.join(thread)

    run(director)
    return shared[0], run.lines


def test_the_seed_decides_who_goes_first() -> None:
    assert entangled(1) == entangled(1)
    assert entangled(1)[1] != entangled(2)[1]
    assert entangled(1)[0] == 60
    assert entangled(1, locked=False)[0] < 60


def test_the_parts_of_the_standard_library_run_on_virtual_time() -> None:
    run = Run(1)
    seen: list[Any] = []

    def director() -> None:
        event, future = threading.Event(), Future[int]()
        numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
        places, condition = threading.BoundedSemaphore(1), threading.Condition()

        def work() -> None:
            time.sleep(5)
            event.set()
            future.set_result(3)
            numbers.put(4)
            with condition:
                condition.notify_all()

        process = run.scheduler.process("worker")
        run.scheduler.spawn(process, lambda: threading.Thread(target=work).start(), "main")
        seen.append(event.wait(2))
        seen.append((event.wait(9), future.result(), numbers.get()))
        with condition:
            seen.append(condition.wait(7))
        with places:
            seen.append(places.acquire(timeout=1))

    run(director)
    assert seen[:2] == [False, (True, 3, 4)]
    assert seen[-1] is False


def test_a_killed_process_ends_where_it_is_and_frees_what_it_holds() -> None:
    run = Run(1, handover=0)
    seen: list[str] = []

    def victim() -> None:
        try:
            threading.Thread(target=lambda: time.sleep(1000)).start()
            for step in range(10):
                run.scheduler.step(f"does {step}")
                seen.append(str(step))
        finally:
            seen.append("unwound")
            with suppress(Killed):
                run.scheduler.step("goes on")
                seen.append("after its death")

    def director() -> None:
        run.scheduler.arm("victim", 5, run.scheduler.kill)
        process, thread = run.start("victim", victim)
        run.scheduler.join(thread)
        assert process.is_dead
        assert not process.is_running

    run(director)
    assert seen[-1] == "unwound"
    assert 0 < len(seen) < 10


def test_a_stopped_process_goes_on_later() -> None:
    run = Run(1, handover=0)
    seen: list[float] = []

    def victim() -> None:
        for _ in range(6):
            run.scheduler.step("does something")
            seen.append(time.monotonic())

    def director() -> None:
        run.scheduler.arm("victim", 3, lambda process: run.scheduler.stop(process, 60))
        _, thread = run.start("victim", victim)
        run.scheduler.join(thread)

    run(director)
    assert [round(at) for at in seen] == [0, 0, 60, 60, 60, 60]


def test_threads_that_wait_for_each_other_are_reported() -> None:
    run = Run(1)

    def director() -> None:
        lock = threading.Lock()
        lock.acquire()
        lock.acquire()

    with pytest.raises(Stuck):
        run(director)
