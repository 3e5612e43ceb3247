"""Slow, numerous or large requests, and a locked database: other clients are answered meanwhile."""

import json
import selectors
import socket
import sqlite3
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path

import psutil
import pytest
import requests

from tests.xgserve.helpers import PREDICT_HEAD as HEAD
from tests.xgserve.helpers import (
    ROW,
    Running,
    bundle,
    bundled_models,
    connect,
    numeric_model,
    process,
    read_to_the_end,
    running,
)
from xgserve.web import connection as connection_module
from xgserve.web import memory, server


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Running]:
    bundle(tmp_path / "models", numeric_model())
    bundle(tmp_path / "models", numeric_model(strength=0.01), "other")
    with bundled_models(tmp_path / "models"), running(tmp_path / "data", max_body_bytes=4 << 20) as service:
        yield service


@pytest.mark.parametrize(
    "sent",
    [b"P", HEAD, HEAD + b"Content-Length: 100\r\n\r\n", HEAD + b"Content-Length: 100\r\n\r\n[", HEAD
     + b"Transfer-Encoding: chunked\r\n\r\n5\r\n[1"],
    ids=["first byte", "head", "no body", "body", "chunk"],
)  # fmt: skip
def test_late_request_is_refused(service: Running, monkeypatch: pytest.MonkeyPatch, sent: bytes) -> None:
    monkeypatch.setattr(server, "CHECK_EVERY_S", 0.1)
    for name in ("HEAD_S", "BODY_S"):
        monkeypatch.setattr(connection_module, name, 0.1)
    with connect(service.url) as connection:
        connection.sendall(sent)
        head, body = read_to_the_end(connection)
    assert head.startswith((b"HTTP/1.0 408 ", b"HTTP/1.1 408 "))
    assert json.loads(body)["error"]["code"] == "request_timeout"
    assert service.post("/predict", [ROW]).status_code == 200


def test_fast_body_gets_more_time(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "HEAD_S", 0.1)
    monkeypatch.setattr(connection_module, "BODY_S", 0.0)
    monkeypatch.setattr(server, "CHECK_EVERY_S", 0.05)
    monkeypatch.setattr(connection_module, "MIN_BYTES_PER_S", 1)  # each byte adds a second
    body = json.dumps([ROW]).encode()
    with connect(service.url) as connection:
        connection.sendall(HEAD + f"Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body[:20])
        threading.Event().wait(1)
        connection.sendall(body[20:])
        head, _ = read_to_the_end(connection)
    assert head.startswith(b"HTTP/1.1 200 ")


def test_answer_not_taken_by_its_client_is_dropped(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "READ_S", 0.1)
    monkeypatch.setattr(server, "CHECK_EVERY_S", 0.05)
    body = json.dumps({"columns": list(ROW), "index": ["x" * 3_900_000], "data": [list(ROW.values())]}).encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        host, port = service.url.removeprefix("http://").split(":")
        connection.settimeout(30)
        connection.connect((host, int(port)))
        connection.sendall(HEAD + f"Content-Length: {len(body)}\r\n\r\n".encode() + body)
        for _ in range(600):
            if service.get("/logs?q=did+not+take+its+answer").json()["logs"]:
                break
            threading.Event().wait(0.05)
        head, taken = read_to_the_end(connection)
    assert head.startswith(b"HTTP/1.1 200 ")
    assert len(taken) < len(body)


def test_idle_connections_beyond_the_limit_are_closed_oldest_first(
    service: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 20)
    with ExitStack() as stack, selectors.DefaultSelector() as selector:
        slow = [stack.enter_context(connect(service.url)) for _ in range(15)]
        for connection in slow:
            connection.sendall(b"P")
        kept = stack.enter_context(requests.Session())
        assert kept.get(f"{service.url}/health", timeout=30).status_code == 200  # and it stays open between requests
        for _ in range(30):
            slow.append(stack.enter_context(connect(service.url)))
            slow[-1].sendall(b"P")
            assert service.post("/predict", [ROW]).status_code == 200
        for connection in slow:
            selector.register(connection, selectors.EVENT_READ)
        closed = {key.fileobj for key, _ in selector.select(5)}
        assert len(slow) - len(closed) <= 20
        assert closed >= set(slow[:15])  # oldest first
        assert kept.get(f"{service.url}/health", timeout=30).status_code == 200
    told: list[int] = []
    for _ in range(100):
        rows = service.get("/logs?q=to make room").json()["logs"]
        told = [int(row["message"].split()[1]) for row in rows]
        if sum(told) >= len(closed):
            break
        threading.Event().wait(0.1)
    assert sum(told) >= len(closed)


LARGE = json.dumps([ROW]).encode() + b" " * (2 << 20)
LARGE_HEAD = HEAD + f"Connection: close\r\nContent-Length: {len(LARGE)}\r\n\r\n".encode()


def send_large(service: Running) -> tuple[int, dict[str, str], str]:
    answer = service.post("/predict", LARGE)
    return answer.status_code, dict(answer.headers), answer.text


def test_large_body_beyond_the_limit_is_503(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "MAX_LARGE", 2)
    with ExitStack() as stack:
        for _ in range(20):  # large by their Content-Length alone
            stack.enter_context(connect(service.url)).sendall(LARGE_HEAD)
        assert send_large(service)[0] == 200
        for _ in range(2):
            stack.enter_context(connect(service.url)).sendall(LARGE_HEAD + LARGE[:-1])
        service.get("/health")  # before the next large body: beside it, the second of the two would be one too many
        for _ in range(100):  # until the two have been read
            status, headers, body = send_large(service)
            if status != 200:
                break
        assert (status, headers["Retry-After"], json.loads(body)["error"]["code"]) == (503, "5", "busy")
        assert service.post("/predict", [ROW]).status_code == 200
    for _ in range(100):  # until the service has noticed that they are gone
        status, *_ = send_large(service)
        if status == 200:
            break
    assert status == 200


def test_slow_large_body_makes_room_for_a_fast_one(service: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection_module, "MAX_LARGE", 1)
    monkeypatch.setattr(connection_module, "FAST_LARGE_S", 0.0)
    with connect(service.url) as slow:
        slow.sendall(LARGE_HEAD + LARGE[:-1])
        service.get("/health")  # once this is answered, the server has read what was sent before it
        assert send_large(service)[0] == 200
        assert read_to_the_end(slow)[0].startswith(b"HTTP/1.1 503 ")


@pytest.mark.skipif(memory._TRIM is None, reason="only glibc can be told to give memory back")
def test_memory_of_large_bodies_is_returned(tmp_path: Path) -> None:
    with process(tmp_path) as running:
        url = running.url
        row = requests.get(f"{url}/model", timeout=30).json()["golden_row"]["values"]
        body = json.dumps({name: dict.fromkeys(map(str, range(25_000)), value) for name, value in row.items()}).encode()
        assert len(body) > 4_000_000
        headers = {"Content-Type": "application/json"}

        def send(_: int) -> int:
            return requests.post(f"{url}/predict", data=body, headers=headers, timeout=120).status_code

        def settled() -> int:
            """The resident memory, once it has stopped shrinking."""
            found = [psutil.Process(running.popen.pid).memory_info().rss]
            while len(found) < 4 or min(found[:-3]) > min(found[-3:]):
                threading.Event().wait(server.CHECK_EVERY_S)
                found.append(psutil.Process(running.popen.pid).memory_info().rss)
            return min(found)

        assert send(0) == 200
        before = settled()
        with ThreadPoolExecutor(6) as pool:
            assert set(pool.map(send, range(6))) == {200}
        after = settled()
    sys.stdout.write(
        f"\n{len(body) / 1e6:.0f} MB each: {before / 1e6:.0f} MB after one, {after / 1e6:.0f} MB after six more\n"
    )
    assert after < before + 60e6


def test_locked_database_is_reported_and_predictions_go_on(service: Running, tmp_path: Path) -> None:
    database = tmp_path / "data" / "serving.db"
    with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as shell:
        shell.execute("BEGIN EXCLUSIVE")
        with ThreadPoolExecutor(12) as pool:
            waiting = [pool.submit(service.get, "/logs") for _ in range(4)]
            waiting += [pool.submit(service.get, "/activations") for _ in range(4)]
            swaps = [{"workspace": "bundled", "model": name} for name in ("other", "xg-default")]
            waiting += [pool.submit(service.post, "/download_registry_model", swap) for swap in swaps]
            waiting.append(pool.submit(service.post, "/rollback", {}))
            for number in range(5):
                assert service.get("/health").status_code == 200
                assert service.post("/predict", [ROW]).status_code == 200
                assert service.post("/predict", [ROW], Idempotency_Key=f"a{number}").status_code == 200
                ready = service.get("/ready")
                assert (ready.status_code == 200) == ready.json()["checks"]["database"]["ok"]
            assert not all(future.done() for future in waiting)  # some are still waiting
            shell.execute("ROLLBACK")
            answers = [future.result() for future in waiting]
    assert {answer.status_code for answer in answers} <= {200, 404, 409, 503}
    assert all(("Retry-After" in answer.headers) == (answer.status_code == 503) for answer in answers)
    assert service.get("/ready").json()["checks"]["database"]["ok"] is True
