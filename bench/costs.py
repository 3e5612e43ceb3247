"""Measure tasks in ratio to one another, in rounds in which they take turns."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

MIN_ROUNDS: Final = 5
MAX_SECONDS: Final = 30.0


@dataclass(slots=True)
class Cost:
    """Seconds of one task, one value per round."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)  # of this process alone

    @property
    def ms(self) -> float:
        """Return the median wall-clock time, in milliseconds."""
        return statistics.median(self.wall) * 1e3


def costs(tasks: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Cost]:
    """Run each task once to warm up, then once per round; slow tasks in fewer rounds, but at least five."""
    found = {name: Cost() for name in tasks}
    for task in tasks.values():
        task()
    begun = time.monotonic()
    for number in range(rounds):
        if number >= MIN_ROUNDS and time.monotonic() - begun > MAX_SECONDS:
            break
        for name, task in tasks.items():
            wall, cpu = time.perf_counter(), time.process_time()
            task()
            found[name].cpu.append(time.process_time() - cpu)
            found[name].wall.append(time.perf_counter() - wall)
    return found


def ratio(values: list[float], base: list[float]) -> str:
    """Return the median of the rounds' ratios, with their quartiles."""
    low, middle, high = statistics.quantiles([v / b for v, b in zip(values, base, strict=True)])
    return f"{middle:.2f} ({low:.2f}-{high:.2f})"


def table(found: Mapping[str, Cost], base: str) -> str:
    """Return a Markdown table of all tasks in ratio to one of them."""
    lines = [f"| | ms | times {base} (quartiles) | the same, CPU of the client alone |", "|---|---|---|---|"]
    lines += [
        f"| {name} | {cost.ms:.2f} | {ratio(cost.wall, found[base].wall)} | {ratio(cost.cpu, found[base].cpu)} |"
        for name, cost in found.items()
    ]
    return "\n".join(lines)
