"""Each fault planted in the product is found within the schedules of the default run, by a rule that it breaks."""

from itertools import chain

import pytest

from tests.simulation.planted import FAULTS, found_by

DEFAULT_SEEDS = range(200)
KNOWN: dict[str, int] = {}  # seeds that find them, so that few need be played


@pytest.mark.parametrize("what", FAULTS)
def test_planted_fault_is_found_by_its_rule(what: str) -> None:
    known = [KNOWN[what]] if what in KNOWN else []
    assert any(found_by(FAULTS[what], seed) for seed in chain(known, DEFAULT_SEEDS))
