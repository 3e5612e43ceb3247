"""How a failing plan is made shorter."""

from dataclasses import replace

import pytest

from tests.simulation.plan import Plan
from tests.simulation.seeds import of_json, to_json
from tests.simulation.shrinking import left_out, shrunk

PLAN = next(plan for plan in map(Plan.of, range(100)) if len(plan.acts) > 4 and len(plan.faults) > 1)


@pytest.mark.parametrize("needed", [[], [0], [7], [3, 4], [0, 19], [1, 8, 13]])
def test_what_is_left_is_what_is_needed(needed: list[int]) -> None:
    assert left_out(range(20), lambda items: set(needed) <= set(items)) == needed


def test_plan_shrinks_to_the_acts_and_faults_that_it_fails_with() -> None:
    act, fault = PLAN.acts[3], PLAN.faults[1]
    short = shrunk(PLAN, lambda plan: act.actor in {a.actor for a in plan.acts} and bool(plan.faults))
    assert [a.actor for a in short.acts] == [act.actor]
    assert len(short.faults) == 1
    assert short.faults[0].at_s == 0
    assert fault is not None


def test_plan_that_fails_whatever_is_left_out_shrinks_to_nothing() -> None:
    short = shrunk(PLAN, lambda _: True)
    assert (short.acts, short.faults) == ((), ())


def test_no_plan_is_played_more_than_once_or_after_the_attempts_are_spent() -> None:
    played: list[Plan] = []

    def fails(plan: Plan) -> bool:
        played.append(plan)
        return len(plan.acts) > 2

    short = shrunk(PLAN, fails, attempts=10)
    assert len(played) == len(set(played)) <= 10
    assert short == PLAN or short in played


def test_plan_is_the_same_after_it_was_written_as_json() -> None:
    assert of_json(to_json(PLAN)) == PLAN
    assert of_json(to_json(replace(PLAN, acts=()))) != PLAN
