"""The dashboard in Chromium with a replayed game behind it: for measuring the page and for testing it."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bottle import Bottle
from playwright.sync_api import Browser, Page, sync_playwright

from livegame.recordings.replay import create_app

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WAIT_MS: Final = 30_000
_ARGUMENTS: Final = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update")


@dataclass
class Clock:
    """The replay's clock, in seconds, which moves only when it is set."""

    seconds: float = 0.0

    def __call__(self) -> float:
        """Return the time."""
        return self.seconds


def replay(folder: Path, clock: Clock) -> Bottle:
    """Return a feed with only the sample game, which its first reader starts; its state is in `folder`."""
    return create_app(folder / "no-recordings", folder / "replay.json", 1.0, clock)


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Chromium without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=_ARGUMENTS)
        yield browser
        browser.close()


def visit(browser: Browser, url: str, width: int = 1440, height: int = 1000, **options: Any) -> Page:
    """Open a page in a window of this size, in pixels."""
    page = browser.new_page(viewport={"width": width, "height": height}, **options)
    page.set_default_timeout(WAIT_MS)
    page.goto(url)
    return page
