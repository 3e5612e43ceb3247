"""DNS rebinding and other sites' pages: a web page in a user's browser cannot reach the service."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.xgserve.helpers import FIRST, Running, bundle, bundled_models, connect, numeric_model, running
from xgserve.settings import ServiceSettings


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("models")
    bundle(folder, numeric_model())
    allowed = frozenset({"xg.example.org"})
    with bundled_models(folder), running(tmp_path_factory.mktemp("data"), allowed_hosts=allowed) as service:
        yield service


@pytest.mark.parametrize("path", ["/logs", "/model", "/models", "/activations", "/metrics", "/health", "/nope"])
@pytest.mark.parametrize(
    "host",
    [
        *("rebound.example.com", "rebound.example.com:8890", "127.0.0.1.example.com", "localhost.example.com.", "[::1"),
        *("example.com@localhost", "localhost#.example.com", "[::1].example.com", "localhost:80:example.com"),
    ],
)
def test_rebound_host_name_is_refused(service: Running, host: str, path: str) -> None:
    answer = service.get(path, Host=host)
    assert (answer.status_code, answer.json()["error"]["code"]) == (421, "wrong_host")
    assert "XG_ALLOWED_HOSTS" in answer.text


def test_page_under_a_rebound_name_neither_swaps_nor_scores(service: Running) -> None:
    host = "rebound.example.com"
    for path, body in (("/download_registry_model", FIRST), ("/rollback", {}), ("/predict", [])):
        # for the browser this is the page's own site, so Origin and Host agree
        answer = service.post(path, body, Host=host, Origin=f"http://{host}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (421, "wrong_host")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8890", "app.localhost", "127.0.0.1", "192.168.1.7:80", "[::1]:8890", "serving:8890"],
)
def test_host_that_cannot_be_rebound_is_answered(service: Running, host: str) -> None:
    assert service.get("/health", Host=host).status_code == 200


@pytest.mark.parametrize("host", ["xg.example.org", "XG.example.org:443", "xg.example.org."])
def test_allowed_host_is_answered(service: Running, host: str) -> None:
    assert service.get("/health", Host=host).status_code == 200


def test_http_1_0_request_without_host_is_answered(service: Running) -> None:
    with connect(service.url) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.0 200")


def test_cross_origin_preflight_is_not_granted(service: Running) -> None:
    origin = "http://elsewhere.example.org"
    for answer in (service.get("/logs", Origin=origin), service.post("/predict", [], Origin=origin)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    # what a form can send without a preflight request
    for odd in (origin, "null", "http://[", "http://127.0.0.1:1/path", "://"):
        assert service.post("/rollback", "", Origin=odd, Content_Type="text/plain").status_code == 403
    assert service.post("/predict", "[]", Origin=origin, Content_Type="text/plain").status_code == 415


def test_allowed_hosts_are_read_from_the_environment() -> None:
    assert ServiceSettings.from_env({"XG_ALLOWED_HOSTS": "XG.example.org, b.example.org"}).allowed_hosts == {
        "xg.example.org",
        "b.example.org",
    }


def test_path_in_a_model_name_is_refused(service: Running, tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(b"")
    for part in ("workspace", "model", "version"):
        for name in ("../../etc", "/etc/passwd", "..", ".hidden", "a/b", "a\\b", "a\0b", "%2e%2e", "*", "x" * 101):
            answer = service.post("/download_registry_model", FIRST | {part: name})
            assert answer.status_code in (404, 422, 424), (part, name, answer.text)
    assert service.get("/model").json()["version"] == "1.0.0"
