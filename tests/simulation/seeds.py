"""The seeds that once failed: `seeds.toml`, kept by hand.

A seed alone would be worth little: each change of how seeds become plans makes another plan of it. So an entry keeps
the shrunk plan itself, as JSON, and the kinds of faults that it must still bring about. If the simulation changes so
that they no longer happen, the test says so, and the entry must be shrunk again.
"""

import tomllib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import msgspec

from tests.simulation.plan import Plan

SEEDS: Final = Path(__file__).with_name("seeds.toml")


@dataclass(frozen=True)
class KeptSeed:
    """A run that once broke a rule."""

    seed: int
    rule: str  # the one that it broke
    was: str  # what was wrong, in one line
    faults: tuple[str, ...]  # kinds that must take effect in it
    plan: str  # as JSON, shrunk; or "" for the seed's own

    @property
    def name(self) -> str:
        return f"{self.seed}-{self.rule.replace(' ', '-')}"

    def read(self) -> Plan:
        """Return its plan."""
        return of_json(self.plan) if self.plan else Plan.of(self.seed)


def kept_seeds(path: Path = SEEDS) -> list[KeptSeed]:
    """Return all kept seeds, in the order of the file."""
    return msgspec.convert(tomllib.loads(path.read_text()).get("seed", []), list[KeptSeed])


def to_json(plan: Plan) -> str:
    """Return a plan as one line of JSON."""
    return msgspec.json.encode(plan).decode()


def of_json(text: str) -> Plan:
    """Return the plan that was written as JSON."""
    plan = msgspec.json.decode(text, type=Plan)
    return replace(plan, acts=tuple(replace(act, about=_with_tuples(act.about)) for act in plan.acts))


def _with_tuples(about: Any) -> Any:
    """Return what an act is about with tuples for the lists of JSON, which no plan could be compared with."""
    return tuple(map(_with_tuples, about)) if isinstance(about, list) else about


def written(plan: Plan) -> str:
    """Return a plan as text to read: what is played, who does what, and what goes wrong when."""
    games = plan.games
    lines = [f"seed {plan.seed}, journal {plan.journal}, the token is handed on at {plan.handover:.1%} of the steps"]
    lines += [f"{game.starts_at_s:9.3f} s  {game.source} game {game.game_id} of {game.length_s:g} s" for game in games]
    events = [(act.at_s, f"{act.actor}: {act.what} {'' if act.about is None else act.about}") for act in plan.acts]
    for fault in plan.faults:
        more = [f"{name} {value}" for name in ("target", "steps", "seconds") if (value := getattr(fault, name))]
        events.append((fault.at_s, f"fault: {', '.join([fault.kind, *more])}"))
    return "\n".join([*lines, *(f"{at_s:9.3f} s  {what}" for at_s, what in sorted(events))])
