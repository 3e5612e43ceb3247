"""Thousands of odd requests to the service as it ships: no 5xx, no hang, no growing memory, no crash.

A few hundred in a default run. More, with the figures:
XG_TEST_REQUESTS=10000 pytest tests/xgserve/web/test_fuzz.py -s --timeout=3000
"""

import json
import os
import resource
import socket
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.xgserve.helpers import PREDICT_HEAD, process
from xgserve.web.openapi import DOCUMENT

REQUESTS = int(os.environ.get("XG_TEST_REQUESTS", "0"))
DEFAULT_REQUESTS = 500
ANSWER_WITHIN_S = 15  # long enough for a busy machine: later means that it hangs
MAX_BODY_MB = 1
GROWTH_MB = 60  # of the resident memory, once warm


@dataclass
class Target:
    """The running service and its answers."""

    url: str
    process: psutil.Process
    stderr: Path
    statuses: Counter[int] = field(default_factory=Counter)
    slowest_s: float = 0.0

    @property
    def address(self) -> tuple[str, int]:
        host, port = self.url.removeprefix("http://").split(":")
        return host, int(port)

    def count(self, status: int, seconds: float) -> None:
        self.statuses[status] += 1
        self.slowest_s = max(self.slowest_s, seconds)

    def is_well(self) -> None:
        """Check that it still predicts with the model that it reports, and logged nothing unexpected."""
        assert requests.get(f"{self.url}/ready", timeout=ANSWER_WITHIN_S).json()["ready"]
        model = requests.get(f"{self.url}/model", timeout=ANSWER_WITHIN_S).json()
        answer = requests.post(f"{self.url}/predict", json=[model["golden_row"]["values"]], timeout=ANSWER_WITHIN_S)
        assert answer.json()["predictions"] == [pytest.approx(model["golden_row"]["probability"])]
        assert "Traceback" not in self.stderr.read_text(errors="replace")

    def rss_mb(self) -> float:
        return float(self.process.memory_info().rss) / 1e6


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("service")
    with process(folder, {"XG_MAX_BODY_MB": str(MAX_BODY_MB), "XG_LOG_MAX_ROWS": "5000"}) as running:
        target = Target(running.url, psutil.Process(running.popen.pid), running.stderr)
        for _ in range(30):  # load what is loaded at first use
            requests.get(f"{target.url}/logs", timeout=ANSWER_WITHIN_S)
            target.is_well()
        warm = target.rss_mb()
        yield target
        target.is_well()
        cold = target.rss_mb()
        if REQUESTS:
            sys.stdout.write(
                f"\n{sum(target.statuses.values())} requests: {dict(sorted(target.statuses.items()))}; "
                f"slowest {target.slowest_s:.2f} s; RSS {warm:.0f} MB warm, {cold:.0f} MB at the end; "
                f"{target.process.num_fds()} open files\n"
            )
        assert cold < warm + GROWTH_MB


def fuzzed(share: float) -> settings:
    return settings(
        max_examples=max(1, round(share * (REQUESTS or DEFAULT_REQUESTS))),
        derandomize=not REQUESTS,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


# -- by the schema: within it, and outside of it ----------------------------------------------------------------------

OPERATIONS = [(path, method) for path, methods in DOCUMENT["paths"].items() for method in methods]
CAN_BE_WRONG = [
    (path, method)
    for path, method in OPERATIONS
    if "requestBody" in (described := DOCUMENT["paths"][path][method])
    or any(parameter["in"] != "path" for parameter in described.get("parameters", ()))  # any text can be in a path
]
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_request_within_the_schema_is_answered_as_described(target: Target, path: str, method: str) -> None:
    send(target, path, method, GenerationMode.POSITIVE)


@pytest.mark.parametrize(("path", "method"), CAN_BE_WRONG)
def test_request_outside_the_schema_is_answered_as_described(target: Target, path: str, method: str) -> None:
    send(target, path, method, GenerationMode.NEGATIVE)


def send(target: Target, path: str, method: str, mode: GenerationMode) -> None:
    schema = schemathesis.openapi.from_dict(DOCUMENT)
    schema.config.update(base_url=target.url)
    operation = schema[path][method.upper()]

    @fuzzed(0.1 if path == "/predict" else 0.03)
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Any) -> None:
        answer = case.call(timeout=ANSWER_WITHIN_S)
        target.count(answer.status_code, answer.elapsed)
        case.validate_response(answer, checks=CHECKS)

    check()


# -- nearly valid frames ----------------------------------------------------------------------------------------------

VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from([10**400, -(2**63), 2**64, 5e-324, 1.8e308, "\x00", "NaN", [], {}, [[]], {"a": {}}]),
)
NAMES = st.one_of(
    st.sampled_from(["distance", "angle", "shot_type", "columns", "index", "data", "", "0"]), st.text(max_size=5)
)
FRAMES = st.one_of(
    st.dictionaries(NAMES, st.dictionaries(st.one_of(NAMES, st.integers().map(str)), VALUES, max_size=4), max_size=4),
    st.lists(st.dictionaries(NAMES, VALUES, max_size=4), max_size=4),
    st.fixed_dictionaries({"columns": st.lists(NAMES), "index": st.lists(VALUES), "data": st.lists(st.lists(VALUES))}),
    st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=20),
)


@fuzzed(0.3)
@given(frame=FRAMES)
def test_nearly_valid_frame_is_scored_or_refused(target: Target, frame: Any) -> None:
    body = json.dumps(frame).encode()
    begun = time.monotonic()
    answer = requests.post(
        f"{target.url}/predict", data=body, headers={"Content-Type": "application/json"}, timeout=ANSWER_WITHIN_S
    )
    target.count(answer.status_code, time.monotonic() - begun)
    assert answer.status_code in (200, 400, 422)
    check_shape(answer.status_code, answer.content)


def check_shape(status: int, body: bytes) -> None:
    if status >= 400:
        error = json.loads(body)["error"]
        assert {"code", "message", "request_id"} <= error.keys()
        assert len(error["message"]) < 2000


# -- bytes ------------------------------------------------------------------------------------------------------------

LINES = st.sampled_from(
    [
        *(f"{method} {path} HTTP/1.1" for method in ("GET", "POST", "HEAD") for path, _ in OPERATIONS),
        *("OPTIONS * HTTP/1.1", "CONNECT example.org:443 HTTP/1.1", "GET http://example.org/logs HTTP/1.1"),
        *("BREW /model HTCPCP/1.0", "GET /model HTTP/9.9", "GET /model", "get /model HTTP/1.1", "GET  /model HTTP/1.1"),
        *("PRI * HTTP/2.0", "GET /../../etc/passwd HTTP/1.1", "GET //predict HTTP/1.1", "GET /logs?%zz&=&&q HTTP/1.0"),
        *("GET /model\x00 HTTP/1.1", "POST /predict?a=\xff HTTP/1.1", "\x16\x03\x01\x02", ""),
    ]
)
HEADERS = st.sampled_from(
    [
        *("Host: localhost", "Host: a.example.org", "Host:", "Host: [::1", "Host: x\x00y"),
        *("Content-Type: application/json", "Content-Type: text/plain", "Content-Type: \xff"),
        *(
            "Content-Length: 0",
            "Content-Length: 2",
            "Content-Length: 999",
            "Content-Length: -1",
            "Content-Length: 2, 2",
        ),
        *("Content-Length: 99999999999999999999", "Content-Length: 0x10", "Content-Length: +2"),
        *("Transfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding : chunked"),
        *("Transfer-Encoding: identity", "Expect: 100-continue", "Expect: a miracle", "Connection: close, keep-alive"),
        *("Upgrade: websocket", "Accept: text/html", "Accept: \xff\xfe", "Authorization: Bearer \xff", "If-Match: *"),
        *('If-Match: "\xff"', "X-Request-ID: a\tb", "X-Forwarded-For: 1.2.3.4", "Range: bytes=0-", "Cookie: a=b; \x7f"),
        *(" folded: line", "no colon", ": no name", "X: " + "a" * 70_000, "Content-Encoding: gzip", "Origin: null"),
    ]
)
BODIES = st.one_of(
    st.binary(max_size=30),
    st.sampled_from(
        [b"[]", b"{}", b"0\r\n\r\n", b"2\r\n[]\r\n0\r\n\r\n", b"zz\r\n", b"ffffffffffffffff\r\n", b"[" * 9999]
    ),
)


@fuzzed(0.5)
@given(
    line=LINES,
    host=st.booleans(),
    headers=st.lists(HEADERS, max_size=6),
    body=BODIES,
    end=st.sampled_from(["\r\n", "\n", "\r"]),
)
def test_malformed_http_is_answered_or_disconnected(
    target: Target, line: str, host: bool, headers: list[str], body: bytes, end: str
) -> None:
    sent = end.join([line, *["Host: localhost"] * host, *headers, "", ""]).encode("latin-1") + body
    begun = time.monotonic()
    with socket.create_connection(target.address, timeout=ANSWER_WITHIN_S) as connection:
        answer = exchange(connection, sent)
    status = int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.") else 0
    target.count(status, time.monotonic() - begun)
    assert status < 500 or status == 501  # 501: a transfer coding that the service does not know
    if answer:
        head, _, content = answer.rpartition(b"\r\n\r\n")
        if status >= 400 and content:
            check_shape(status, content)
        assert b"Traceback" not in answer, head


def exchange(connection: socket.socket, sent: bytes) -> bytes:
    """Send all bytes, close our side, and return the whole answer."""
    answer = b""
    try:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        while part := connection.recv(65_536):
            answer += part
    except TimeoutError:
        raise
    except OSError:  # disconnected while we were still sending
        pass
    return answer.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")


# -- slow clients -----------------------------------------------------------------------------------------------------

LOITERERS: dict[str, Callable[[socket.socket], None]] = {
    "silent": lambda _: None,
    "half a head": lambda s: s.sendall(b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Le"),
    "half a body": lambda s: s.sendall(
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n["
    ),
    "half a chunk": lambda s: s.sendall(
        b"POST /predict HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nff\r\n["
    ),
    "reads nothing": lambda s: s.sendall(b"GET /logs?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "asks on and on and reads nothing": lambda s: s.sendall(
        b"GET /logs?limit=1000 HTTP/1.1\r\nHost: localhost\r\n\r\n" * 200
    ),
    "gone at once": lambda s: s.shutdown(socket.SHUT_RDWR),
}


@pytest.mark.parametrize("kind", LOITERERS)
def test_slow_clients_delay_no_other_client(target: Target, kind: str) -> None:
    for _ in range(1000):  # so that /logs has something to send
        with socket.create_connection(target.address) as connection:
            connection.sendall(b"GET /" + b"x" * 150 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.recv(10)
        if kind not in ("reads nothing", "asks on and on and reads nothing"):
            break
    with loitering(target, kind, clients=60):
        for _ in range(20):
            begun = time.monotonic()
            target.is_well()
            target.slowest_s = max(target.slowest_s, time.monotonic() - begun)


@contextmanager
def loitering(target: Target, kind: str, clients: int) -> Iterator[None]:
    with ExitStack() as open_sockets:
        for _ in range(clients):
            connection = open_sockets.enter_context(socket.socket())
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.connect(target.address)
            LOITERERS[kind](connection)
        yield


# -- bodies over the limit --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"], ids=["", "expects leave to send"])
@pytest.mark.parametrize("megabytes", [2, 10_000])
def test_large_body_is_refused_by_its_content_length(target: Target, megabytes: int, expect: bytes) -> None:
    with socket.create_connection(target.address, timeout=ANSWER_WITHIN_S) as connection:
        connection.sendall(PREDICT_HEAD + expect + b"Content-Length: %d\r\n\r\n" % (megabytes << 20))
        connection.shutdown(socket.SHUT_WR)  # not a byte of the body was sent
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert b"XG_MAX_BODY_MB" in answer


def test_chunked_body_is_refused_once_it_passes_the_limit(target: Target) -> None:
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    sent = 0
    with socket.create_connection(target.address, timeout=ANSWER_WITHIN_S) as connection:
        connection.sendall(PREDICT_HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        connection.setblocking(False)
        answer = b""
        give_up = time.monotonic() + ANSWER_WITHIN_S
        while not answer and time.monotonic() < give_up:
            try:
                sent += connection.send(chunk)
            except BlockingIOError:
                time.sleep(0.01)
            with suppress(BlockingIOError):
                answer = connection.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 413 ")


def test_client_still_sending_a_large_body_sees_the_refusal(target: Target) -> None:
    before = target.rss_mb()
    for megabytes in (2, 3, 2, 3):
        answer = requests.post(
            f"{target.url}/predict",
            data=b" " * (megabytes << 20),
            headers={"Content-Type": "application/json"},
            timeout=ANSWER_WITHIN_S,
        )
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
    assert target.rss_mb() < before + 5  # the body was not kept


def test_files_of_disconnected_clients_are_closed(target: Target) -> None:
    assert target.process.num_fds() < min(150, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
