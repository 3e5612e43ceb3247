"""The service of the simulation: it is stopped and killed, and started again."""

from pathlib import Path
from typing import Any

import pytest

from livegame.feed import Feed
from tests.simulation import service
from tests.simulation.one_net import Net, predict
from tests.simulation.scheduler import current
from tests.simulation.service import URL
from xgserve.client import ServingClient


@pytest.fixture
def net(tmp_path: Path) -> Net:
    return Net(tmp_path)


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
        assert [death.how for death in net.evidence.deaths] == ["ended", "killed"]

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
