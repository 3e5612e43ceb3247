"""Fixtures for tests of the registry."""

from collections.abc import Iterator

import pytest

from tests.xgserve.registry.comet_standin import StandIn


@pytest.fixture
def comet() -> Iterator[StandIn]:
    """Run a stand-in for Comet on loopback that holds no models."""
    with StandIn().running() as standin:
        yield standin
