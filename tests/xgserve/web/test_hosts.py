"""What a web page in somebody's browser can reach: nothing, whichever name it makes lead to this machine."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.xgserve.helpers import Running, bundle, bundled_models, numeric_model, running
from xgserve.settings import ServiceSettings

FIRST = {"workspace": "bundled", "model": "xg-default", "version": "1.0.0"}


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
def test_a_name_that_somebody_made_lead_here_is_not_answered(service: Running, host: str, path: str) -> None:
    answer = service.get(path, Host=host)
    assert (answer.status_code, answer.json()["error"]["code"]) == (421, "wrong_host")
    assert "XG_ALLOWED_HOSTS" in answer.text


def test_a_page_under_such_a_name_swaps_no_model_and_scores_nothing(service: Running) -> None:
    host = "rebound.example.com"
    for path, body in (("/download_registry_model", FIRST), ("/rollback", {}), ("/predict", [])):
        # to the browser the request stays with the page's own site, so its Origin agrees with its Host
        answer = service.post(path, body, Host=host, Origin=f"http://{host}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (421, "wrong_host")


@pytest.mark.parametrize(
    "host",
    ["localhost", "LOCALHOST:8890", "app.localhost", "127.0.0.1", "192.168.1.7:80", "[::1]:8890", "serving:8890"],
)
def test_addresses_and_names_that_nobody_can_make_up_are_answered(service: Running, host: str) -> None:
    assert service.get("/health", Host=host).status_code == 200


@pytest.mark.parametrize("host", ["xg.example.org", "XG.example.org:443", "xg.example.org."])
def test_the_operator_names_further_hosts(service: Running, host: str) -> None:
    assert service.get("/health", Host=host).status_code == 200


def test_a_client_too_old_to_say_the_host_is_answered(service: Running) -> None:
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
        assert connection.recv(65536).startswith(b"HTTP/1.0 200")


def test_other_sites_pages_get_no_leave_to_read_or_to_send_json(service: Running) -> None:
    origin = "http://elsewhere.example.org"
    for answer in (service.get("/logs", Origin=origin), service.post("/predict", [], Origin=origin)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
    # what a form can send without asking first
    for odd in (origin, "null", "http://[", "http://127.0.0.1:1/path", "://"):
        assert service.post("/rollback", "", Origin=odd, Content_Type="text/plain").status_code == 403
    assert service.post("/predict", "[]", Origin=origin, Content_Type="text/plain").status_code == 415


def test_names_are_read_from_the_settings() -> None:
    assert ServiceSettings.from_env({"XG_ALLOWED_HOSTS": "XG.example.org, b.example.org"}).allowed_hosts == {
        "xg.example.org",
        "b.example.org",
    }


def test_a_path_in_a_models_name_leads_nowhere(service: Running, tmp_path: Path) -> None:
    (tmp_path / "model.skops").write_bytes(b"")
    for part in ("workspace", "model", "version"):
        for name in ("../../etc", "/etc/passwd", "..", ".hidden", "a/b", "a\\b", "a\0b", "%2e%2e", "*", "x" * 101):
            answer = service.post("/download_registry_model", FIRST | {part: name})
            assert answer.status_code in (404, 422, 424), (part, name, answer.text)
    assert service.get("/model").json()["version"] == "1.0.0"
