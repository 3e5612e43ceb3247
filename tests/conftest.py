"""Fixtures that all tests may use."""

import os
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.games import FeedServer, feed_server, wsgi_server
from xgserve.app import create_app
from xgserve.client import ServingClient
from xgserve.settings import Settings


@pytest.fixture(scope="session")
def recordings() -> Path:
    """The folder of recorded games that XG_RECORDINGS names."""
    folder = Path(os.environ.get("XG_RECORDINGS") or "recordings")
    if not (folder / "games").is_dir():
        pytest.skip("no recorded games: set XG_RECORDINGS to a folder that holds games/")
    return folder


@dataclass
class Service:
    """A prediction service on loopback, with what a test wants to know of it."""

    url: str
    client: ServingClient

    def rows_scored(self) -> int:
        """How many rows the service was asked to score, all models together, by its own count."""
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return sum(int(float(line.split()[-1])) for line in lines if line.startswith("xg_rows_scored_total"))


@contextmanager
def running_service(data_dir: Path) -> Iterator[Service]:
    """The real service with its bundled models, in this process."""
    app = create_app(Settings.from_env({"XG_DATA_DIR": str(data_dir)}))
    try:
        with wsgi_server(app) as url:
            yield Service(url, ServingClient(url))
    finally:
        app.close()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service of the test's own."""
    with running_service(tmp_path) as running:
        yield running


@pytest.fixture
def feed() -> Iterator[FeedServer]:
    """A feed on loopback that shows what the test tells it to."""
    with feed_server() as running:
        yield running
