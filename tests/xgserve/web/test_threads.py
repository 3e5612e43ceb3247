"""Threads that answer requests: one while requests are short, more beside a long one; no request is left waiting."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from xgserve.web import threads as dispatcher_module
from xgserve.web.threads import RUNNING_LONG_S, Dispatcher, Lane

GIVE_UP_S = 60  # long enough for a busy machine


@dataclass
class Request:
    """A request that takes some time, or runs until `may_end` is set."""

    seconds: float = 0.0
    may_end: threading.Event | None = None
    begun: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    thread: str = ""
    cancelled: bool = False
    lane: Lane = Lane.QUICK

    def service(self) -> None:
        self.thread = threading.current_thread().name
        self.begun.set()
        time.sleep(self.seconds)
        if self.may_end:
            self.may_end.wait(2 * GIVE_UP_S)
        self.done.set()

    def cancel(self) -> None:
        self.cancelled = True


@contextmanager
def dispatcher(threads: int) -> Iterator[Dispatcher]:
    """Run a dispatcher and the loop that calls it."""
    made, stop = Dispatcher(threads), threading.Event()

    def run_loop() -> None:
        while not stop.is_set():
            late = made.late_in_s
            time.sleep(0.001 if late is None else min(late, 0.05))  # so that the loop ends with the test
            made.relieve()

    loop = threading.Thread(target=run_loop)
    loop.start()
    try:
        yield made
    finally:
        stop.set()
        loop.join()
        made.shutdown()


def test_short_requests_are_answered_by_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatcher_module, "RUNNING_LONG_S", GIVE_UP_S)  # short, however busy the machine is
    with dispatcher(4) as made:
        requests = [Request() for _ in range(200)]
        for request in requests:
            made.add_task(request)
            assert request.done.wait(GIVE_UP_S)
    assert len({request.thread for request in requests}) <= 2  # the first idle ones, and no others


def test_long_request_delays_others_for_a_moment_only() -> None:
    release = threading.Event()
    with dispatcher(3) as made:
        long = [Request(may_end=release), Request(may_end=release)]
        for request in long:
            made.add_task(request)
        short = [Request() for _ in range(50)]
        for request in short:
            made.add_task(request)
        assert all(request.done.wait(GIVE_UP_S) for request in short), "short requests wait for the long ones"
        assert not any(request.done.is_set() for request in long)
        release.set()
        assert all(request.done.wait(GIVE_UP_S) for request in long)


def test_requests_wait_when_all_threads_are_busy() -> None:
    with dispatcher(2) as made:
        requests = [Request(seconds=0.02) for _ in range(20)]
        for request in requests:
            made.add_task(request)
        assert all(request.done.wait(GIVE_UP_S) for request in requests)
    assert {request.thread for request in requests} == {"waitress-0", "waitress-1"}


def add_from_threads(made: Dispatcher, requests: list[list[Request]]) -> None:
    """Add each list of requests in a thread of its own."""

    def add(own: list[Request]) -> None:
        for request in own:
            made.add_task(request)

    with ThreadPoolExecutor(len(requests)) as threads:
        list(threads.map(add, requests))


def test_requests_from_many_threads_are_all_answered() -> None:
    with dispatcher(3) as made:
        requests = [[Request() for _ in range(500)] for _ in range(4)]
        add_from_threads(made, requests)
        assert all(request.done.wait(GIVE_UP_S) for own in requests for request in own)


@pytest.mark.parametrize("cancel", [True, False])
def test_shutdown_lets_running_requests_end_and_cancels_the_rest(cancel: bool) -> None:
    release = threading.Event()
    made = Dispatcher(1)
    running, waiting = Request(may_end=release), Request()
    made.add_task(running)
    assert running.begun.wait(GIVE_UP_S)
    made.add_task(waiting)
    threading.Timer(0.1, release.set).start()
    assert made.shutdown(cancel_pending=cancel) is cancel
    assert (running.done.is_set(), waiting.done.is_set(), waiting.cancelled) == (True, False, cancel)


def test_failing_request_does_not_end_its_thread() -> None:
    class Broken(Request):
        def service(self) -> None:
            raise ValueError("broken")

    with dispatcher(1) as made:
        made.add_task(Broken())
        after = Request()
        made.add_task(after)
        assert after.done.wait(GIVE_UP_S)


def test_task_added_while_all_are_busy_goes_to_the_first_free_thread() -> None:
    """Such a task is not watched, so the thread must not leave it to a busy one."""
    made, release = Dispatcher(2), threading.Event()
    first, second, long, short = (Request(may_end=release if n == 2 else threading.Event()) for n in range(4))
    short.may_end = None
    try:
        made.add_task(first)
        assert first.begun.wait(GIVE_UP_S)
        made.add_task(second)
        time.sleep(2 * RUNNING_LONG_S)
        made.relieve()
        assert second.begun.wait(GIVE_UP_S)
        made.add_task(long)
        made.add_task(short)
        assert first.may_end is not None and second.may_end is not None
        first.may_end.set()
        assert long.begun.wait(GIVE_UP_S)
        second.may_end.set()  # at once: the long one has just begun
        assert short.done.wait(GIVE_UP_S)
    finally:
        release.set()
        made.shutdown()


@pytest.mark.parametrize(("lane", "at_once"), [(Lane.SLOW, 3), (Lane.LARGE, 1)])
def test_slow_and_large_requests_leave_a_thread_to_the_quick(lane: Lane, at_once: int) -> None:
    release = threading.Event()
    with dispatcher(4) as made:
        long = [Request(may_end=release, lane=lane) for _ in range(8)]
        for request in long:
            made.add_task(request)
        assert all(request.begun.wait(GIVE_UP_S) for request in long[:at_once])
        quick = [Request() for _ in range(50)]
        for request in quick:
            made.add_task(request)
        assert all(request.done.wait(GIVE_UP_S) for request in quick)
        assert [request.begun.is_set() for request in long] == [True] * at_once + [False] * (8 - at_once)
        release.set()
        assert all(request.done.wait(GIVE_UP_S) for request in long)


def test_slow_and_large_requests_together_leave_a_thread_to_the_quick() -> None:
    release = threading.Event()
    with dispatcher(2) as made:
        long = [Request(may_end=release, lane=lane) for lane in (Lane.LARGE, Lane.SLOW) * 3]
        for request in long:
            made.add_task(request)
        quick = Request()
        made.add_task(quick)
        assert quick.done.wait(GIVE_UP_S)
        release.set()
        assert all(request.done.wait(GIVE_UP_S) for request in long)


def test_requests_of_all_lanes_are_all_answered() -> None:
    with dispatcher(3) as made:
        lanes = (Lane.QUICK, Lane.SLOW, Lane.LARGE)
        requests = [
            [Request(seconds=0.0005 * (n % 3), lane=lanes[(n + own) % 3]) for n in range(300)] for own in range(4)
        ]
        add_from_threads(made, requests)
        assert all(request.done.wait(GIVE_UP_S) for own in requests for request in own)
