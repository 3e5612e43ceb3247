"""The network of the simulation: the real clients on it, and each fault."""

import json
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from livegame.errors import FeedMalformed, FeedUnavailable
from livegame.feed import Feed
from livegame.notices.addresses import opened, send
from tests.simulation import network
from tests.simulation.network import NETWORK_FAULTS
from tests.simulation.one_net import Net, fault, predict
from tests.simulation.service import URL
from xgserve.client import ServiceUnavailable, ServingClient


@pytest.fixture
def net(tmp_path: Path) -> Net:
    return Net(tmp_path)


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

        net.network.arm(fault(kind, seconds=3.0))
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


def test_a_proxy_repeats_what_only_reads_or_has_a_key(net: Net) -> None:
    def director() -> None:
        net.start()
        client = ServingClient(URL)
        columns = [column.name for column in client.model().features]
        net.network.arm(fault("repeated request", seconds=2.0))
        client.predict_rows(columns, [[None] * len(columns)])
        net.scheduler.sleep(3)
        assert net.counts == {}
        client.model()
        net.scheduler.sleep(3)

    net.play(director)
    assert net.rows == [(1, "", 1)]
    assert net.counts == {"repeated request": 1}
    assert sum("receives GET /model" in line for line in net.lines) == 3


def test_connections_are_refused_for_some_seconds_and_by_what_does_not_run(net: Net) -> None:
    def director() -> None:
        assert net.ask(lambda: ServingClient(URL).model()).code == "unreachable"
        net.start()
        net.network.arm(fault("refused connection", seconds=5))
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
        net.network.arm(fault("late request", seconds=2))
        client, _ = net.client(lambda: ServingClient(URL).model() and None)
        net.scheduler.sleep(1)
        net.scheduler.kill(client)
        net.scheduler.sleep(3)
        assert any("service#1" in line and "answers request 1 with 200" in line for line in net.lines)

    net.play(director)
    assert net.found == []


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
        net.network.arm(fault("cut answer", "feed.sim"))
        fresh = Feed("http://feed.sim")
        with pytest.raises((FeedUnavailable, FeedMalformed)):
            fresh.read_game(1, fresh.answer(1))
        began = net.scheduler.now
        for _ in range(3):
            net.network.arm(fault("late answer", "feed.sim", 11))
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
        net.network.arm(fault("late answer", "receiver.sim", 3))
        first, _ = net.client(lambda: notify("first"), "notifier")
        net.scheduler.sleep(1)
        net.scheduler.kill(first)
        assert net.ask(lambda: notify("second")) is None
        net.network.arm(fault("lost answer", "receiver.sim"))
        assert net.ask(lambda: notify("third")) is not None

    opened("json://receiver.sim")
    net.play(director)
    assert read == ["first", "second", "third"]


def test_faults_that_have_hit_nothing_are_forgotten(net: Net) -> None:
    def director() -> None:
        net.start()
        for kind in NETWORK_FAULTS:
            net.network.arm(fault(kind, seconds=100))
        net.network.disarm()
        assert len(net.ask(predict)) == 2

    assert net.play(director).counts == {}


def test_the_same_seed_gives_the_same_log(tmp_path: Path) -> None:
    def lines(folder: Path, seed: int) -> list[str]:
        net = Net(folder, seed, handover=0.5)

        def director() -> None:
            net.start()
            net.network.arm(fault("repeated request", seconds=0.001))
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
