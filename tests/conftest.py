"""Fixtures that all tests may use."""

import os
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# as the service sets it: several threads for one row cost far more than they bring; before scikit-learn is imported
os.environ.setdefault("OMP_NUM_THREADS", "1")

from tests.games import FeedServer, feed_server, wsgi_server
from tests.helpers import rows_scored
from xgserve.app import App, create_app
from xgserve.client import ServingClient
from xgserve.settings import ServiceSettings


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
    rows_before: int = 0

    def rows_scored(self) -> int:
        """How many rows the service scored since the test began, all models together, by its own count."""
        return self._counted() - self.rows_before

    def begin(self) -> None:
        """Back to the default model and to a count of 0."""
        if self.client.model().model != "xg-default":
            self.client.download_registry_model("bundled", "xg-default")
        self.rows_before = self._counted()

    def _counted(self) -> int:
        with urllib.request.urlopen(f"{self.url}/metrics") as answer:
            return rows_scored(answer.read().decode())


@contextmanager
def running_service(
    data_dir: Path, wrapped: Callable[[App], Any] = lambda app: app, settings: Mapping[str, str] | None = None
) -> Iterator[Service]:
    """The real service, in this process, with its models and log in `data_dir`."""
    app = create_app(ServiceSettings.from_env({"XG_DATA_DIR": str(data_dir)} | dict(settings or {})))
    try:
        with wsgi_server(wrapped(app)) as url:
            yield Service(url, ServingClient(url))
    finally:
        app.close()


@pytest.fixture(scope="session")
def session_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with its bundled models: loading it takes longer than most tests."""
    with running_service(tmp_path_factory.mktemp("serving")) as running:
        yield running


@pytest.fixture
def service(session_service: Service) -> Service:
    """The service, as if it had just started."""
    session_service.begin()
    return session_service


@pytest.fixture
def feed() -> Iterator[FeedServer]:
    """A feed on loopback that shows what the test tells it to."""
    with feed_server() as running:
        yield running
