"""The network and the service of the simulation: the real clients on them, each fault, deaths and restarts."""

import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from livegame.errors import FeedMalformed, FeedUnavailable
from livegame.feed import Feed
from livegame.notices.addresses import opened, send
from tests.simulation import machine, network, service, spies
from tests.simulation.evidence import Evidence, called
from tests.simulation.network import NETWORK_FAULTS, Network
from tests.simulation.scheduler import Process, Scheduler, Thread, current
from tests.simulation.service import URL, Service
from xgserve.client import ServiceUnavailable, ServingClient

COLUMNS = ["x", "y"]


@dataclass(frozen=True)
class Fault:
    kind: str
    target: str = "serving.sim"
    seconds: float = 0.0


class Net:
    """A scheduler, a network and a service in a folder; `play` runs a director."""

    def __init__(self, folder: Path, seed: int = 1, handover: float = 0.1) -> None:
        self.lines: list[str] = []
        self.counts: Counter[str] = Counter()
        self.scheduler = Scheduler(Random(seed), handover, self._log)
        self.network = Network(self.scheduler, Random(seed + 1), self._count)
        self.evidence = Evidence(lambda: self.scheduler.now, _caller)
        self.service = Service(self.scheduler, self.network, self.evidence, folder, Random(seed + 2))
        self.found: list[Any] = []
        self.crashes: list[Exception] = []  # that are expected

    def _log(self, thread: Thread, what: str) -> None:
        self.lines.append(f"{self.scheduler.now:.6f} {thread.process} {thread.name} {what}")

    def _count(self, kind: str, _host: str, _seconds: float) -> None:
        self.counts[kind] += 1

    def utc_now(self) -> datetime:
        return datetime(2024, 1, 6, tzinfo=UTC) + timedelta(seconds=self.scheduler.now)

    def play(self, director: Callable[[], None]) -> "Net":
        with ExitStack() as patches:
            for installed in (
                machine.installed(self.scheduler, self, Random(1)),
                self.network.installed(),
                self.service.installed(),
                spies.watching(self.evidence),
            ):
                patches.enter_context(installed)
            self.scheduler.run(director)
        assert [error for _, error in self.scheduler.crashes] == self.crashes
        assert self.evidence.complaints == []
        assert self.evidence.bad_answers == []
        return self

    def start(self) -> None:
        self.service.start()
        assert self.service.wait_until(lambda: self.service.is_listening, 10)

    def client(self, call: Callable[[], Any], name: str = "ping") -> tuple[Process, Thread]:
        """Start a process that keeps in `found` what a call returns or raises."""

        def run() -> None:
            try:
                self.found.append(call())
            except (ServiceUnavailable, FeedUnavailable, FeedMalformed) as error:
                self.found.append(error)

        process = self.scheduler.process(name)
        return process, self.scheduler.spawn(process, run, "main")

    def ask(self, call: Callable[[], Any]) -> Any:
        """Return what a call returns or raises in a process of its own."""
        self.scheduler.join(self.client(call)[1])
        return self.found[-1]

    @property
    def rows(self) -> list[tuple[int, str, int]]:
        return [(found.incarnation, found.key, found.rows) for found in self.evidence.scorings]


def _caller() -> str | None:
    thread = current()
    return called(thread.process) if thread and not thread.process.is_dead else None


@pytest.fixture
def net(tmp_path: Path) -> Net:
    return Net(tmp_path)


def predict(key: str | None = "key") -> list[float]:
    client = ServingClient(URL, timeout=10)
    columns = [column.name for column in client.model().features]
    return client.predict_rows(columns, [[None] * len(columns)] * 2, idempotency_key=key)[0]


def test_requests_are_answered_by_the_real_service_through_real_clients(net: Net) -> None:
    def director() -> None:
        net.start()
        first, again = net.ask(predict), net.ask(predict)
        assert first == again
        net.ask(lambda: predict(None))
        net.ask(lambda: predict(None))

    net.play(director)
    assert net.rows == [(1, "key", 2), (1, "", 2), (1, "", 2)]


@pytest.mark.parametrize(
    ("kind", "code", "scored"),
    [
        ("lost request", "timeout", 0),
        ("lost answer", "timeout", 1),
        ("late request", None, 1),
        ("late answer", None, 1),
        ("repeated request", None, 1),
        ("reset before the answer", "unreachable", 1),
        ("reset in the answer", "unreachable", 1),
        ("cut answer", "unreachable", 1),
    ],
)
def test_each_fault_hits_one_request_and_a_repeated_one_is_scored_once(
    net: Net, kind: str, code: str | None, scored: int
) -> None:
    def director() -> None:
        net.start()
        client = ServingClient(URL, timeout=10)
        columns = [column.name for column in client.model().features]
        rows = [[None] * len(columns)] * 2

        def ask() -> Any:
            began = net.scheduler.now
            try:
                return client.predict_rows(columns, rows, idempotency_key="key")[0]
            except ServiceUnavailable as error:
                return error.code
            finally:
                net.found.append(net.scheduler.now - began)

        net.network.arm(Fault(kind, seconds=3.0))
        found = ask()
        assert found == code if code else len(found) == 2
        assert net.found.pop() == pytest.approx(
            10.0 if code == "timeout" else 3.0 if kind.startswith("late") else 0.0, abs=0.1
        )
        net.scheduler.sleep(5)
        assert len(net.rows) == scored
        assert len(ask()) == 2
        assert len(net.rows) == 1

    net.play(director)
    assert net.counts == {kind: 1}


def test_a_repeated_request_without_a_key_is_scored_twice(net: Net) -> None:
    def director() -> None:
        net.start()
        columns = [column.name for column in ServingClient(URL).model().features]
        net.network.arm(Fault("repeated request", seconds=2.0))
        ServingClient(URL).predict_rows(columns, [[None] * len(columns)])
        assert net.rows == [(1, "", 1)]
        net.scheduler.sleep(3)

    net.play(director)
    assert net.rows == [(1, "", 1)] * 2


def test_connections_are_refused_for_some_seconds_and_by_what_does_not_run(net: Net) -> None:
    def director() -> None:
        assert net.ask(lambda: ServingClient(URL).model()).code == "unreachable"
        net.start()
        net.network.arm(Fault("refused connection", seconds=5))
        assert net.ask(predict).code == "unreachable"
        net.scheduler.sleep(5)
        assert len(net.ask(predict)) == 2
        net.service.kill()
        assert net.ask(predict).code == "unreachable"

    net.play(director)
    assert net.counts == {"refused connection": 3}


def test_a_client_that_dies_leaves_its_request_to_the_service(net: Net) -> None:
    def director() -> None:
        net.start()
        net.network.arm(Fault("late request", seconds=2))
        client, _ = net.client(lambda: ServingClient(URL).model() and None)
        net.scheduler.sleep(1)
        net.scheduler.kill(client)
        net.scheduler.sleep(3)
        assert any("service#1" in line and "answers request 1 with 200" in line for line in net.lines)

    net.play(director)
    assert net.found == []


def test_a_stopped_service_connects_and_answers_once_it_goes_on(net: Net) -> None:
    def director() -> None:
        net.start()
        columns = [column.name for column in net.ask(lambda: ServingClient(URL).model()).features]
        assert net.service.process is not None
        net.scheduler.stop(net.service.process, 60)

        def ask() -> Any:
            return ServingClient(URL, timeout=10).predict_rows(columns, [[None] * len(columns)], idempotency_key="k")

        began = net.scheduler.now
        assert net.ask(ask).code == "timeout"
        assert net.scheduler.now - began == pytest.approx(10, abs=0.1)
        net.scheduler.sleep(51)
        assert net.rows == [(1, "k", 1)]
        net.ask(ask)
        assert net.rows == [(1, "k", 1)]

    net.play(director)


def test_a_service_killed_while_it_scores_ends_the_connection_and_the_next_one_scores(net: Net) -> None:
    def director() -> None:
        net.start()
        net.service.slow_s = 5.0
        _, thread = net.client(predict)
        net.scheduler.sleep(2)
        net.service.kill()
        net.scheduler.join(thread)
        assert net.found.pop().code == "unreachable"
        net.service.slow_s = 0.0
        net.start()
        net.ask(predict)
        net.ask(predict)

    net.play(director)
    assert net.rows == [(2, "key", 2)]


def test_a_restarted_service_knows_its_model_challengers_and_answers(net: Net) -> None:
    def director() -> None:
        client = ServingClient(URL)
        net.start()
        client.download_registry_model("bundled", "xg-distance")
        client.download_registry_model("bundled", "xg-distance-angle", role="challenger")
        model = client.model()
        before = net.ask(predict)
        for end in (net.service.stop, net.service.kill):
            end()
            assert net.service.wait_until(lambda: not net.service.is_running, 10)
            net.start()
            assert net.service.wait_until(lambda: client.model().challengers == model.challengers, 10)
            assert client.model().id == model.id
            assert net.ask(predict) == before
        assert [death.how for death in net.evidence.deaths] == ["ended"]

    net.play(director)
    assert net.rows == [(1, "key", 2)]


def test_a_service_that_cannot_start_ends(net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
    net.crashes = [RuntimeError("cannot start")]

    def fail(_settings: object) -> None:
        thread = current()
        assert thread is not None
        net.scheduler.spawn(thread.process, lambda: net.scheduler.sleep(1000), "log writer")
        raise net.crashes[0]

    monkeypatch.setattr(service, "create_app", fail)

    def director() -> None:
        net.service.start()
        assert net.service.wait_until(lambda: not net.service.is_running, 10)

    net.play(director)
    assert [death.how for death in net.evidence.deaths] == ["ended"]


def test_the_log_has_what_the_service_logged_and_nothing_of_other_processes(net: Net) -> None:
    def director() -> None:
        net.start()
        net.ask(lambda: Feed("http://feed.sim").day())  # nothing listens there, and urllib3 logs each try
        net.ask(predict)
        net.service.stop()
        assert net.service.wait_until(lambda: not net.service.is_running, 10)
        net.start()
        client = ServingClient(URL)
        logged = client._call(dict, "GET", "/logs", params={"limit": 100, "reads": "yes"})["logs"]
        assert {row["logger"] for row in logged} == {"xgserve.app", "xgserve.registry"}
        assert any("POST /predict 200" in row["message"] for row in logged)

    net.play(director)


def game_feed(states: list[tuple[str, dict[str, str], bytes]]) -> Callable[..., list[bytes]]:
    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        status, headers, body = states.pop(0) if len(states) > 1 else states[0]
        if headers.get("ETag") == environ.get("HTTP_IF_NONE_MATCH", ""):
            status, body = "304 Not Modified", b""
        start_response(status, list(headers.items()))
        return [body]

    return app


def test_the_feed_retries_errors_and_reads_what_has_not_changed(net: Net) -> None:
    found: list[Any] = []

    def director() -> None:
        body = json.dumps({"id": 1}).encode()
        app = game_feed([("503 x", {}, b"<html>"), ("200 OK", {"ETag": '"1"'}, body)])
        net.network.serve("feed.sim", app, net.scheduler.process("feed"))
        feed = Feed("http://feed.sim")
        found.extend(feed.answer(1).body for _ in range(2))
        net.network.arm(Fault("cut answer", "feed.sim"))
        fresh = Feed("http://feed.sim")
        with pytest.raises((FeedUnavailable, FeedMalformed)):
            fresh.read_game(1, fresh.answer(1))
        began = net.scheduler.now
        for _ in range(3):
            net.network.arm(Fault("late answer", "feed.sim", 11))
        with pytest.raises(FeedUnavailable):
            fresh.answer(1)
        found.append(net.scheduler.now - began)

    net.play(director)
    assert found == [b'{"id": 1}', b'{"id": 1}', pytest.approx(31, abs=1.0)]
    assert [line.rpartition("with ")[2] for line in net.lines if "answers request" in line][:3] == [
        "503, 6 bytes",
        "200, 9 bytes",
        "304, 0 bytes",
    ]


def test_notices_are_sent_by_apprise(net: Net) -> None:
    read: list[Any] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        read.append(json.load(environ["wsgi.input"])["message"])
        start_response("200 OK", [])
        return [b""]

    def notify(message: str) -> str | None:
        sender = opened("json://receiver.sim")
        assert sender is not None
        return send(sender, "title", message)

    def director() -> None:
        net.network.serve("receiver.sim", app, net.scheduler.process("receiver"))
        net.network.arm(Fault("late answer", "receiver.sim", 3))
        first, _ = net.client(lambda: notify("first"), "notifier")
        net.scheduler.sleep(1)
        net.scheduler.kill(first)
        assert net.ask(lambda: notify("second")) is None
        net.network.arm(Fault("lost answer", "receiver.sim"))
        assert net.ask(lambda: notify("third")) is not None

    opened("json://receiver.sim")
    net.play(director)
    assert read == ["first", "second", "third"]


def test_faults_that_have_hit_nothing_are_forgotten(net: Net) -> None:
    def director() -> None:
        net.start()
        for kind in NETWORK_FAULTS:
            net.network.arm(Fault(kind, seconds=100))
        net.network.disarm()
        assert len(net.ask(predict)) == 2

    assert net.play(director).counts == {}


def test_the_same_seed_gives_the_same_log(tmp_path: Path) -> None:
    def lines(folder: Path, seed: int) -> list[str]:
        net = Net(folder, seed, handover=0.5)

        def director() -> None:
            net.start()
            net.network.arm(Fault("repeated request", seconds=0.001))
            threads = [net.client(lambda: predict("same"))[1] for _ in range(3)]
            net.scheduler.sleep(0.01)
            net.scheduler.arm("service", 20, net.scheduler.kill)
            for thread in threads:
                net.scheduler.join(thread)

        return net.play(director).lines

    first = lines(tmp_path / "1", 7)
    assert lines(tmp_path / "2", 7) == first
    assert lines(tmp_path / "3", 8) != first


def test_ordinary_threads_have_the_real_network(net: Net) -> None:
    with network.Network(net.scheduler, Random(1)).installed(), pytest.raises(ServiceUnavailable):
        ServingClient("http://127.0.0.1:9").model()
