"""Each fault planted in the product is found within the schedules of the default run, by a rule that it breaks."""

from itertools import chain
from typing import Final

import pytest

from tests.simulation.plan import SHORT_FROM
from tests.simulation.planted import FAULTS, found_by

DEFAULT_SEEDS: Final = range(SHORT_FROM, SHORT_FROM + 100)
KNOWN: Final[dict[str, int]] = {}  # seeds that find them, so that one run of each is enough


@pytest.mark.parametrize("what", FAULTS)
def test_planted_fault_is_found_by_its_rule(what: str) -> None:
    known = [KNOWN[what]] if what in KNOWN else []
    assert any(found_by(FAULTS[what], seed) for seed in chain(known, DEFAULT_SEEDS))
