"""Fixtures for all tests."""

import os
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

# as the service sets it, before scikit-learn is imported: several threads for one row cost more than they save
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.games import FeedServer, feed_server, wsgi_server
from tests.helpers import rows_scored
from xgserve.app import App, create_app
from xgserve.client import ServingClient
from xgserve.settings import ServiceSettings

MEMORY: Final = Path("/dev/shm")  # a file system that never waits for a disk
ROOM_BYTES: Final = 4 << 30  # several times what a run of all tests leaves there


def pytest_configure() -> None:
    """Put the tests' folders into memory where there is room: SQLite waits for the disk at each transaction."""
    if MEMORY.is_dir() and os.access(MEMORY, os.W_OK):
        found = os.statvfs(MEMORY)
        if found.f_bavail * found.f_frsize > ROOM_BYTES and not found.f_flag & os.ST_NOEXEC:
            os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", str(MEMORY))


@pytest.fixture(scope="session")
def recordings() -> Path:
    """Return the folder of recorded games that XG_RECORDINGS names."""
    folder = Path(os.environ.get("XG_RECORDINGS") or "recordings")
    if not (folder / "games").is_dir():
        pytest.skip("no recorded games: set XG_RECORDINGS to a folder that holds games/")
    return folder


@dataclass
class Service:
    """A prediction service on loopback, with its own count of the rows that it has scored."""

    url: str
    client: ServingClient
    rows_before: int = 0

    def rows_scored(self) -> int:
        """Return how many rows the service has scored since `begin`, with all models, by its own count."""
        return self._counted() - self.rows_before

    def begin(self) -> None:
        """Activate the default model, drop all challengers, and start counting at 0."""
        if self.client.model().model != "xg-default":
            self.client.download_registry_model("bundled", "xg-default")
        for challenger in self.client.model().challengers:
            self.client.drop_challenger(challenger)
        self.rows_before = self._counted()

    def _counted(self) -> int:
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            return rows_scored(answer.read().decode())


@contextmanager
def running_service(
    data_dir: Path, wrapped: Callable[[App], Any] = lambda app: app, settings: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """Run the real service in this process, with its models and log in `data_dir`."""
    app = create_app(ServiceSettings.from_env({"XG_DATA_DIR": str(data_dir)} | dict(settings or {})))
    try:
        with wsgi_server(wrapped(app)) as url:
            yield Service(url, ServingClient(url))
    finally:
        app.close()


@pytest.fixture(scope="session")
def session_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Run one service for all tests: loading its models takes longer than most tests."""
    with running_service(tmp_path_factory.mktemp("serving")) as running:
        yield running


@pytest.fixture
def service(session_service: Service) -> Service:
    """Return the service in its initial state."""
    session_service.begin()
    return session_service


@pytest.fixture
def feed() -> Iterator[FeedServer]:
    """Run a feed on loopback that shows what the test sets."""
    with feed_server() as running:
        yield running
