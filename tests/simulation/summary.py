"""What many runs came to: the line of progress and the table at the end."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from tests.simulation.playing import Outcome

CRASHES: Final = ("kill", "power cut")  # kinds of faults that end a process
EXCEPTION: Final = "admitted: "  # what the counts of exceptions that docs/promises.md admits begin with


@dataclass
class Total:
    """The sum of all runs so far."""

    runs: int = 0
    virtual_s: float = 0.0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    states: set[int] = field(default_factory=set)
    broken: dict[str, Outcome] = field(default_factory=dict)  # by rule, the run with the smallest seed
    failed: Counter[str] = field(default_factory=Counter)  # runs by the rule that they broke

    def add(self, outcome: Outcome) -> list[str]:
        """Add one run; return the rules that it was the first to break."""
        new = [rule for rule in outcome.rules if rule not in self.broken]
        self.runs += 1
        self.virtual_s += outcome.virtual_s
        self.steps += outcome.steps
        self.counts.update(outcome.counts)
        self.states |= outcome.states
        for rule in outcome.rules:
            self.failed[rule] += 1
            if rule not in self.broken or outcome.seed < self.broken[rule].seed:
                self.broken[rule] = outcome
        return new

    @property
    def faults(self) -> dict[str, int]:
        """The faults that took effect, by kind."""
        return {kind: number for kind, number in sorted(self.counts.items()) if not kind.startswith(EXCEPTION)}

    @property
    def exceptions(self) -> dict[str, int]:
        """The exceptions to the promises, by kind."""
        found = sorted(self.counts.items())
        return {kind.removeprefix(EXCEPTION): number for kind, number in found if kind.startswith(EXCEPTION)}

    def progress(self, elapsed_s: float, wanted: int) -> str:
        """Return the runs so far in one line."""
        crashes = sum(self.counts[kind] for kind in CRASHES)
        return (
            f"{self.runs:,} of {wanted:,} schedules, {self.virtual_s / 3600:,.0f} simulated hours, {crashes:,} crashes,"
            f" {sum(self.faults.values()):,} faults, {sum(self.failed.values()):,} violations,"
            f" {self.runs / max(elapsed_s, 0.001):.1f} schedules per second"
        )

    def table(self) -> str:
        """Return all figures, and for each broken rule the smallest seed that broke it."""
        rows = [
            ("schedules", f"{self.runs:,}"),
            ("simulated hours", f"{self.virtual_s / 3600:,.1f}"),
            ("steps", f"{self.steps:,}"),
            ("distinct states reached", f"{len(self.states):,}"),
        ]
        rows += [("faults that took effect", f"{sum(self.faults.values()):,}")]
        rows += [(f"  {kind}", f"{number:,}") for kind, number in self.faults.items()]
        rows += [("admitted exceptions", f"{sum(self.exceptions.values()):,}")]
        rows += [(f"  {kind}", f"{number:,}") for kind, number in self.exceptions.items()]
        rows += [("schedules that broke a rule", f"{sum(self.failed.values()):,}")]
        for rule, number in sorted(self.failed.items()):
            rows.append((f"  {rule}", f"{number:,}, the smallest seed is {self.broken[rule].seed}"))
        width = max(len(name) for name, _ in rows)
        return "\n".join(f"{name:<{width}}  {value}" for name, value in rows)
