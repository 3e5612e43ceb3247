"""How a request ends when Comet, the network or the archive is not as it should be: the real SDK, real HTTP.

Every case: the right status and code, words that help, no key in them or in the log, nothing left on disk, and the
active model stays.
"""

import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.xgserve.registry import comet_standin, hostile
from tests.xgserve.registry.comet_standin import KEY, StandIn
from tests.xgserve.registry.helpers import bytes_below, refusal, settings
from xgserve.contract import RegistryProblem
from xgserve.registry.registry import Registry, open_registry

pytestmark = pytest.mark.usefixtures("compiled_once")

GOOD = hostile.zipped(hostile.good())
CLIMBING = {
    "parent": "../climbed.skops",
    "absolute": "/tmp/climbed.skops",
    "inside": "a/../../climbed.skops",
    "windows": "..\\climbed.skops",
}


@pytest.fixture
def comet() -> Iterator[StandIn]:
    standin = StandIn()
    standin.add("acme", "shots", "1.0.0", GOOD, ["Production"])
    with standin.running():
        yield standin


@pytest.fixture
def registry(tmp_path: Path, comet: StandIn) -> Registry:
    return open_registry(settings(tmp_path / "data", comet, model_max_bytes=5_000_000))


def check_traces(data_dir: Path, caplog: pytest.LogCaptureFixture, key: str = KEY) -> None:
    """Check that a failed download leaves only a log line, which does not hold the key."""
    assert not list(data_dir.rglob("*temporary*")), "no temporary folder stays"
    assert not list((data_dir / "models").rglob("*.skops"))
    assert [record for record in caplog.records if record.name == "xgserve.registry" and record.levelno > logging.INFO]
    assert key not in caplog.text


@pytest.mark.parametrize(("code", "route"), [(302, "details"), *((code, "download") for code in (301, 303, 307, 308))])
def test_redirect_to_another_server_is_never_followed_for_a_download(
    code: int, route: str, comet: StandIn, registry: Registry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with StandIn().running() as other:
        other.add("acme", "shots", "1.0.0", GOOD)
        comet.faults[route] = comet_standin.redirect(code, lambda handler: other.url.rstrip("/") + handler.path)
        error = refusal(registry, "acme", "shots", "1.0.0")
    assert (error.status, error.code) == (502, "download_failed")
    assert (
        "sends the request on to" in str(error) and "not followed" in str(error) and other.url.rstrip("/") in str(error)
    )
    assert other.asked == []
    check_traces(tmp_path / "data", caplog)


def test_redirect_to_another_server_is_never_followed_for_the_list(comet: StandIn, registry: Registry) -> None:
    with StandIn().running() as other:
        comet.faults["names"] = comet_standin.redirect(302, lambda handler: other.url.rstrip("/") + handler.path)
        problems = [entry.problem for entry in registry.available() if isinstance(entry, RegistryProblem)]
    assert len(problems) == 1 and "not followed" in problems[0]
    assert other.asked == []


def test_redirect_within_comet_is_followed(comet: StandIn, registry: Registry) -> None:
    moved: list[str] = []

    def once(handler: comet_standin.Handler) -> str:
        del comet.faults["details"]
        moved.append(handler.path)
        return handler.path

    comet.faults["details"] = comet_standin.redirect(307, once)
    assert registry.activate("acme", "shots", "1.0.0").source == "registry"
    assert len(moved) == 1


FAULTS: dict[str, tuple[str, comet_standin.Answer, int, str, str]] = {
    "400": ("details", comet_standin.status(400), 404, "unknown_model", "acme/shots"),
    "403": ("details", comet_standin.status(403), 424, "registry_key_refused", "COMET_API_KEY"),
    "404 without JSON": ("details", comet_standin.page(404), 404, "unknown_model", "acme/shots"),
    "429": ("download", comet_standin.status(429, Retry_After="30"), 502, "download_failed", "later"),
    "500": ("download", comet_standin.status(500), 502, "download_failed", "500: said the stand-in"),
    "503": ("details", comet_standin.status(503), 502, "download_failed", "503"),
    "HTML for a zip": ("download", comet_standin.page(), 502, "download_failed", "a web page"),
    "HTML for JSON": ("details", comet_standin.page(), 502, "download_failed", "not JSON"),
    "odd JSON": ("details", lambda h: comet_standin.send_json(h, [1]), 502, "download_failed", "cannot read"),
    "cut-off zip": ("download", comet_standin.body(GOOD[: len(GOOD) // 2]), 502, "download_failed", "cut-off"),
    "short body": ("download", comet_standin.short_body(GOOD), 502, "download_failed", "broke off"),
    "empty body": ("download", comet_standin.body(b""), 502, "download_failed", "nothing"),
    "empty model": ("download", comet_standin.body(hostile.zipped({})), 422, "no_candidate", "no file at all"),
    "gzip bomb": ("download", comet_standin.gzip_bomb(300), 502, "model_too_large", "XG_MODEL_MAX_MB"),
    "large": ("download", comet_standin.body(hostile.noise_zip(8)), 502, "model_too_large", "XG_MODEL_MAX_MB"),
    "zip bomb": ("download", comet_standin.body(hostile.zip_bomb(300)), 502, "model_too_large", "XG_MODEL_MAX_MB"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_unusual_answer_of_comet_is_an_error_with_its_own_code(
    fault: str, registry: Registry, comet: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    route, answer, status, code, words = FAULTS[fault]
    comet.faults[route] = answer
    before = bytes_below(tmp_path)
    error = refusal(registry, "acme", "shots", "1.0.0")
    assert (error.status, error.code) == (status, code), str(error)
    assert words in str(error)
    assert bytes_below(tmp_path) == before
    check_traces(tmp_path / "data", caplog)


def test_comet_with_a_bad_key_is_registry_key_refused(
    registry: Registry, comet: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = "bad-key-9f8e7d6c"
    registry = open_registry(settings(tmp_path / "data", comet, comet_api_key=key))
    error = refusal(registry, "acme", "shots", "1.0.0")
    assert (error.status, error.code) == (424, "registry_key_refused")
    assert "COMET_API_KEY" in str(error) and key[:5] not in str(error)
    check_traces(tmp_path / "data", caplog, key)


def test_server_that_repeats_the_key_is_not_quoted(
    registry: Registry, comet: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    comet.faults["details"] = comet_standin.status(500, f"no luck for API key {KEY}, sorry")
    error = refusal(registry, "acme", "shots", "1.0.0")
    assert "no luck" in str(error) and KEY not in str(error)
    check_traces(tmp_path / "data", caplog)


def test_comet_with_a_line_break_in_its_key_is_registry_key_refused(
    comet: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = open_registry(settings(tmp_path / "data", comet, comet_api_key="two\nlines"))
    assert refusal(registry, "acme", "shots", "1.0.0").code == "registry_key_refused"
    check_traces(tmp_path / "data", caplog, "two\nlines")


def test_comet_without_a_key_is_registry_key_missing(tmp_path: Path, comet: StandIn) -> None:
    error = refusal(open_registry(settings(tmp_path, comet, comet_api_key=None)), "acme", "shots", "1.0.0")
    assert (error.status, error.code) == (424, "registry_key_missing")
    assert "COMET_API_KEY" in str(error)
    assert comet.asked == []


@pytest.mark.parametrize(
    ("workspace", "model", "version"),
    [("nobody", "shots", "1.0.0"), ("acme", "nothing", None), ("acme", "shots", "9.9.9"), ("acme", "shots", "QA")],
)
def test_model_that_comet_does_not_know_is_unknown_model(
    registry: Registry, workspace: str, model: str, version: str | None
) -> None:
    error = refusal(registry, workspace, model, version)
    assert (error.status, error.code) == (404, "unknown_model")
    if (workspace, model) == ("acme", "shots"):
        assert "1.0.0" in str(error) and "Production" in str(error), "what there is instead is named"


@pytest.mark.parametrize("name", CLIMBING)
def test_archive_with_paths_out_of_its_folder_writes_nothing(
    registry: Registry, comet: StandIn, tmp_path: Path, name: str
) -> None:
    comet.add("acme", "shots", "1.0.0", hostile.zipped({CLIMBING[name]: b"out", **hostile.good()}))
    error = refusal(registry, "acme", "shots", "1.0.0")
    assert (error.status, error.code) == (422, "artifact_refused")
    assert "leads out" in str(error)
    assert not list(tmp_path.rglob("climbed*")) and not Path("/tmp/climbed.skops").exists()


def test_disk_use_stays_bounded_while_a_zip_bomb_is_unpacked(
    comet: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    comet.add("acme", "shots", "1.0.0", hostile.lying_zip_bomb(300))
    registry = open_registry(settings(tmp_path / "data", comet, model_max_bytes=5_000_000))
    error = refusal(registry, "acme", "shots", "1.0.0")
    assert error.code in ("download_failed", "model_too_large"), str(error)
    check_traces(tmp_path / "data", caplog)


def no_listener() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"


@pytest.mark.parametrize(
    ("url", "words"),
    [(no_listener, "cannot be reached"), (lambda: "http://no-such-host.invalid", "cannot be resolved")],
    ids=["refused connection", "no such name"],
)
def test_comet_that_cannot_be_reached_is_download_failed(
    url: Callable[[], str], words: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = open_registry(settings(tmp_path / "data", comet_api_key=KEY, comet_url=url()))
    error = refusal(registry, "acme", "shots", None)
    assert (error.status, error.code) == (502, "download_failed")
    assert words in str(error)
    check_traces(tmp_path / "data", caplog)


@pytest.mark.parametrize("fault", ["hang", "hang on download", "trickle"])
def test_comet_that_never_finishes_is_download_deadline(
    fault: str, comet: StandIn, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registry = open_registry(settings(tmp_path / "data", comet, download_timeout_s=2.5))
    if fault == "trickle":
        comet.faults["download"] = comet_standin.trickle(comet, GOOD)
    else:
        comet.faults["details" if fault == "hang" else "download"] = comet_standin.hang(comet)
    error = refusal(registry, "acme", "shots", "1.0.0")
    assert (error.status, error.code) == (504, "download_deadline")
    check_traces(tmp_path / "data", caplog)
