"""The page in a real browser, with the real service and the replayed sample game behind it."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from livegame.replay import create_app
from tests.conftest import Service
from tests.games import GAME_ID, wsgi_server

ROOT = Path(__file__).parents[1]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: install chromium to run these"),
]
START_TIMEOUT_S = 60
WAIT_MS = 30_000
expect.set_options(timeout=WAIT_MS)


@dataclass
class Clock:
    """The replay's clock, in seconds, which moves only when told to."""

    seconds: float = 0.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Dashboard:
    """A Streamlit server that can be killed and started again."""

    environment: dict[str, str]
    log: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = field(default=None)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "streamlit", "run", "ui/app.py", f"--server.port={self.port}"],
                cwd=ROOT,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        give_up = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up, self.log.read_text()
            time.sleep(0.1)

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/_stcore/health", timeout=2) as answer:
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def dashboard(tmp_path: Path, clock: Clock, service: Service) -> Iterator[Dashboard]:
    replay = create_app(tmp_path / "no-recordings", tmp_path / "replay.json", 1.0, clock)
    with wsgi_server(replay) as feed_url:
        environment = os.environ | {
            "PYTHONPATH": str(ROOT),
            "XG_DATA_DIR": str(tmp_path),
            "XG_FEED_URL": feed_url,
            "XG_SERVING_URL": service.url,
            "XG_DEMO_GAME": str(GAME_ID),
        }
        running = Dashboard(environment, tmp_path / "streamlit.log")
        running.start()
        try:
            yield running
        finally:
            running.kill()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


def visit(browser: Browser, url: str, width: int = 1400, height: int = 1000) -> Page:
    page = browser.new_page(viewport={"width": width, "height": height})
    page.set_default_timeout(WAIT_MS)
    page.goto(url)
    expect(page.get_by_role("button", name="Ping game")).to_be_visible()
    return page


def metrics(page: Page) -> list[str]:
    shown = page.get_by_test_id("stMetric")
    expect(shown).to_have_count(2)
    return [re.sub(r"\s+", " ", text) for text in shown.all_inner_texts()]


def assert_pictures_fit(page: Page, width: int) -> None:
    pictures = page.get_by_test_id("stVegaLiteChart")
    expect(pictures).to_have_count(2)
    for picture in pictures.all():
        box = picture.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["height"] > 150
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_a_game_from_the_first_ping_to_the_final(
    browser: Browser, dashboard: Dashboard, clock: Clock, service: Service
) -> None:
    page = visit(browser, dashboard.url)
    strangers: list[str] = []
    page.on("request", lambda request: strangers.append(request.url) if "127.0.0.1" not in request.url else None)
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    expect(page.get_by_role("heading", name="Live expected goals")).to_be_visible()
    expect(page.get_by_label("Game ID")).to_have_value(str(GAME_ID))

    page.get_by_role("button", name="Ping game").click()  # starts the replay
    expect(page.get_by_role("heading", name="Washington Capitals at Carolina Hurricanes")).to_be_visible()
    expect(page.get_by_text("Period 1 - 20:00 left")).to_be_visible()
    clock.seconds = 445
    page.get_by_role("button", name="Ping game").click()
    expect(page.get_by_text("Period 1 - 12:35 left")).to_be_visible()
    expect(page.get_by_text(re.compile(r"^\d+ new shots$"))).to_be_visible()
    first = service.rows_scored()
    assert first > 0
    page.get_by_role("button", name="Ping game").click()
    expect(page.get_by_text("Nothing new")).to_be_visible()
    assert service.rows_scored() == first

    clock.seconds = 20_000
    page.get_by_role("button", name="Ping game").click()
    expect(page.get_by_text(f"{89 - first} new shots")).to_be_visible()
    expect(page.get_by_text("Final", exact=True)).to_be_visible()
    expect(page.get_by_text("Washington Capitals 4 - 2 Carolina Hurricanes")).to_be_visible()
    shown = metrics(page)
    assert re.match(r"Washington Capitals xG \(actual\) \d\.\d\d \(4\) .*[+-]\d\.\d\d xG - goals", shown[0]), shown
    assert re.match(r"Carolina Hurricanes xG \(actual\) \d\.\d\d \(2\) .*[+-]\d\.\d\d xG - goals", shown[1]), shown
    expect(page.get_by_text("Data used for predictions (and predictions)")).to_be_visible()
    expect(page.get_by_text("89 events, the latest first")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("button", name="Download CSV").click()
    lines = Path(download.value.path()).read_text().splitlines()
    assert len(lines) == 1 + 89
    assert lines[0].endswith(",probability")

    assert_pictures_fit(page, 1400)
    page.reload()
    assert metrics(page) == shown
    assert strangers == []
    assert complaints == []
    dashboard.kill()
    dashboard.start()
    phone = visit(browser, f"{dashboard.url}/?game={GAME_ID}", 420, 800)
    assert metrics(phone) == shown
    assert_pictures_fit(phone, 420)
    assert service.rows_scored() == 89


def test_a_game_is_chosen_from_the_list_and_a_reader_follows_another(
    browser: Browser, dashboard: Dashboard, clock: Clock
) -> None:
    page = visit(browser, f"{dashboard.url}/?game=2022030236")
    expect(page.get_by_text("Game 2022030236 has not been pinged yet.")).to_be_visible()
    page.get_by_role("button", name="Today's games").click()
    page.get_by_role("button", name="Washington Capitals at Carolina Hurricanes").click()
    expect(page.get_by_text("This is a demonstration")).to_be_visible()
    expect(page.get_by_label("Game ID")).to_have_count(1)  # while the page is redrawn, the former field is there, too
    expect(page.get_by_label("Game ID")).to_have_value(str(GAME_ID))
    expect(page).to_have_url(re.compile(f"game={GAME_ID}"))
    page.get_by_role("button", name="Ping game").click()
    expect(page.get_by_text("Period 1 - 20:00 left")).to_be_visible()

    other = visit(browser, f"{dashboard.url}/?game={GAME_ID}")
    expect(other.get_by_text("Period 1 - 20:00 left")).to_be_visible()
    clock.seconds = 445
    page.get_by_role("button", name="Ping game").click()
    expect(other.get_by_text("Period 1 - 12:35 left")).to_be_visible()  # without a click
