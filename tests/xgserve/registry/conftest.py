"""Fixtures for tests of the registry."""

from collections.abc import Iterator

import pytest

from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import StandIn
from xgserve.registry import catalogue


@pytest.fixture(autouse=True)
def long_list_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for Comet's list even on a busy machine, which starts the child that asks late."""
    monkeypatch.setattr(catalogue, "LIST_TIMEOUT_S", 60.0)


@pytest.fixture
def comet() -> Iterator[StandIn]:
    """Run a stand-in for Comet on loopback that holds no models."""
    with StandIn().running() as standin:
        yield standin


@pytest.fixture
def three_versions(comet: StandIn) -> None:
    """Let the stand-in hold three versions of `acme/shots`, a pre-release among them."""
    comet.add("acme", "shots", "1.9.0", hostile.zipped(hostile.good(0.5)), ["Production"])
    comet.add("acme", "shots", "1.10.0", hostile.zipped(hostile.good(1.5)))
    comet.add("acme", "shots", "1.10.1-rc.1", hostile.zipped(hostile.good(2.5)))
