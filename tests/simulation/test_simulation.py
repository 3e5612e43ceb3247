"""Nights played by chance: the whole system in one process, on a virtual clock, with crashes at any step.

Thousands take minutes: make simulate SEEDS=10000, or XG_TEST_SCHEDULES=5000 pytest tests/simulation --timeout=3000
"""

import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from tests.simulation import __main__ as command
from tests.simulation.plan import SHORT_FROM
from tests.simulation.playing import Outcome, play, play_seed
from tests.simulation.seeds import KeptSeed, kept_seeds

SCHEDULES = int(os.environ.get("XG_TEST_SCHEDULES", "200"))
CHUNK = 10  # seeds of one test: two processes share the tests


def why(outcome: Outcome) -> str:
    """Return what was broken, what happened last, and how to see more."""
    lines = [f"{broken.rule}: {broken.how}" for broken in outcome.broken]
    return "\n".join([*outcome.log, *lines, f"make simulate SEED={outcome.seed}"])


@pytest.mark.parametrize("first", range(SHORT_FROM, SHORT_FROM + SCHEDULES, CHUNK))
def test_night_with_crashes_breaks_no_rule(first: int) -> None:
    outcomes = [play_seed(seed) for seed in range(first, min(first + CHUNK, SHORT_FROM + SCHEDULES))]
    assert not [outcome.seed for outcome in outcomes if outcome.broken], "\n\n".join(
        why(outcome) for outcome in outcomes if outcome.broken
    )


@pytest.mark.parametrize("kept", kept_seeds(), ids=lambda kept: kept.name)
def test_night_that_once_broke_a_rule_breaks_none_any_more(kept: KeptSeed) -> None:
    outcome = play(kept.read())
    assert not outcome.broken, f"{kept.was}\n{why(outcome)}"
    assert [kind for kind in kept.faults if not outcome.counts.get(kind)] == [], "no longer tests what it tested"


@pytest.mark.parametrize("seed", [3, SHORT_FROM + 552])
def test_same_seed_is_the_same_night_again_and_in_another_process(
    capsys: pytest.CaptureFixture[str], seed: int
) -> None:
    arguments = ["--seed", str(seed), "--verbose"]
    logs = []
    for _ in range(2):
        command.main(arguments)
        logs.append(capsys.readouterr().out)
    env = os.environ | {"PYTHONHASHSEED": "77"}
    other = subprocess.run(
        [sys.executable, "-m", "tests.simulation", *arguments], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True
    )
    logs.append(other.stdout)
    assert len(logs[0].splitlines()) > 100
    assert logs[0] == logs[1] == logs[2]
