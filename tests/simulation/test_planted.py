"""Each fault planted in the product is found within the schedules of the default run, by a rule that it breaks."""

import os
from typing import Final

import pytest

from tests.simulation.plan import SHORT_FROM
from tests.simulation.planted import FAULTS, found_by
from tests.simulation.rules import RULES

# XG_TEST_PLANTED=100 pytest tests/simulation/test_planted.py -s --timeout=3000: without what is known
SCHEDULES: Final = int(os.environ.get("XG_TEST_PLANTED", "0"))
DEFAULT_SEEDS: Final = range(SHORT_FROM, SHORT_FROM + (SCHEDULES or 100))
KNOWN: Final = {  # after how many schedules each is found, so that one run of each is enough here
    "forgets the lock of a game": 26,
    "asks again under another key": 71,
    "does not note its requests": 71,
    "sends no key": 1,
    "does not sync the note of a request": 71,
    "never closes a request": 1,
    "stores inputs that were not rated": 19,
    "commits the sums later": 51,
    "keeps no notes of corrections": 58,
    "does not add up corrections": 1,
    "trusts an old answer": 8,
    "takes no correction in a stoppage": 62,
    "tells after it has committed": 5,
    "tells before it commits": 5,
    "forgets what was accepted": 5,
    "does not sync its databases": 1,
    "acknowledges before it records": 99,
    "waits for a lock without end": 24,
    "waits too long for an answer": 6,
    "raises what nobody expects": 33,
}


@pytest.mark.parametrize("what", FAULTS)
def test_planted_fault_is_found_by_its_rule(what: str) -> None:
    likely = [] if SCHEDULES else [DEFAULT_SEEDS[KNOWN[what] - 1]]
    for seed in (*likely, *DEFAULT_SEEDS):
        if found := found_by(FAULTS[what], seed):
            print(f"{what}: found in schedule {seed - SHORT_FROM + 1}: {found}")  # noqa: T201
            return
    pytest.fail("not found")


def test_each_rule_has_a_planted_fault() -> None:
    assert {rule for fault in FAULTS.values() for rule in fault.rules} == {
        name.replace("_", " ") for name in (rule.__name__ for rule in RULES)
    }
