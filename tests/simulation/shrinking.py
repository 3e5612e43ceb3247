"""Makes the plan of a failing run shorter while the same rule is broken.

What goes first is whole acts and faults, in ever smaller parts (delta debugging: Zeller and Hildebrandt, "Simplifying
and Isolating Failure-Inducing Input", 2002). Then the games that no act needs, and then the numbers: steps before a
kill, seconds of a stop, seconds between two acts. A shorter plan hands the token on at other moments, so some
attempts fail for no deep reason; that is why everything is tried again until nothing more helps.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, replace
from functools import partial
from typing import Any, Final, TypeVar

from tests.simulation.plan import Plan

Item = TypeVar("Item")
Fails = Callable[[Plan], bool]

ATTEMPTS: Final = 300  # each is a run


class _Budget:
    """Asks whether a plan fails, a limited number of times, and never twice about the same one."""

    def __init__(self, fails: Fails, attempts: int) -> None:
        self._fails = fails
        self._left = attempts
        self._known: dict[Plan, bool] = {}

    @property
    def is_spent(self) -> bool:
        return self._left <= 0

    def fails(self, plan: Plan) -> bool:
        """Return whether the plan fails; False once the attempts are spent."""
        if plan not in self._known:
            if self.is_spent:
                return False
            self._left -= 1
            self._known[plan] = self._fails(plan)
        return self._known[plan]


def shrunk(plan: Plan, fails: Fails, attempts: int = ATTEMPTS) -> Plan:
    """Return a shorter plan that fails as well, after at most so many runs; `plan` itself must fail."""
    budget = _Budget(fails, attempts)
    while not budget.is_spent:
        shorter = _with_smaller_numbers(_with_fewer_items(plan, budget), budget)
        if shorter == plan:
            return plan
        plan = shorter
    return plan


def _with_fewer_items(plan: Plan, budget: _Budget) -> Plan:
    """Leave out acts, faults and games, as many as possible."""
    for field in ("faults", "acts", "games"):
        items: Sequence[Any] = getattr(plan, field)
        plan = _with(plan, field, left_out(items, partial(_fails_with, plan, field, budget)))
    return plan


def _fails_with(plan: Plan, field: str, budget: _Budget, items: Sequence[Any]) -> bool:
    return budget.fails(_with(plan, field, items))


def _with(plan: Plan, field: str, items: Sequence[Any]) -> Plan:
    changed: dict[str, Any] = {field: tuple(items)}
    return replace(plan, **changed)


def left_out(items: Sequence[Item], fails: Callable[[Sequence[Item]], bool]) -> Sequence[Item]:
    """Return what is needed of `items` for it to fail: halves are left out, then quarters, then single ones."""
    size = len(items)
    while size:
        start, before = 0, len(items)
        while start < len(items):
            rest = [*items[:start], *items[start + size :]]
            if fails(rest):
                items = rest
            else:
                start += size
        if size > 1 or len(items) == before:  # single ones are tried until each is needed
            size //= 2
    return items


def _with_smaller_numbers(plan: Plan, budget: _Budget) -> Plan:
    """Make steps and seconds smaller, one number after the other."""
    for field in ("faults", "acts"):
        for position, item in enumerate(getattr(plan, field)):
            for name in (found.name for found in fields(item)):
                plan = _with_smaller_number(plan, field, position, name, budget)
    return plan


def _with_smaller_number(plan: Plan, field: str, position: int, name: str, budget: _Budget) -> Plan:
    """Make one number as small as possible, if it is one."""
    items: Sequence[Any] = getattr(plan, field)
    for number in _smaller(getattr(items[position], name)):
        smaller = replace(items[position], **{name: number})
        attempt = _with(plan, field, [*items[:position], smaller, *items[position + 1 :]])
        if budget.fails(attempt):
            return attempt
    return plan


def _smaller(number: Any) -> Iterator[float]:
    """Yield numbers of the same kind that are nearer to zero, the smallest first: round ones read better."""
    if isinstance(number, bool) or not isinstance(number, int | float) or not number:
        return
    yield type(number)(0)
    for part in (16, 4, 2):
        smaller = type(number)(round(number / part))
        if 0 < abs(smaller) < abs(number):
            yield smaller
    if isinstance(number, int):
        yield number - (1 if number > 0 else -1)
