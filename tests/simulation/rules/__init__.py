"""The rules that every run must keep, whatever was killed, lost, stopped and spoiled in it.

`check` compares what was seen in a run with what docs/promises.md says. Exceptions that it admits are recognized from
the evidence, and counted as "admitted: ...".
"""

from contextlib import closing
from typing import Final

from tests.simulation.rules import bounds, corrections, figures, keeping, models, notices, requests, soundness
from tests.simulation.rules.run import Night, Run, Violation, copied

__all__ = ["RULES", "Night", "Run", "Violation", "check", "check_files"]

RULES: Final = (
    soundness.sound,
    requests.once,
    requests.closed,
    keeping.kept,
    figures.undisturbed,
    figures.sums,
    keeping.forward,
    corrections.corrected,
    corrections.prompt,
    notices.told,
    models.recorded_model,
    bounds.bounded,
    bounds.clean,
)


def check(world: Night) -> list[Violation]:
    """Return how the run broke rules; its processes have ended."""
    evidence, league, crashes = world.evidence, world.league, world.scheduler.crashes
    with copied(world.data_dir) as data_dir, closing(Run(evidence, league, world.counts, data_dir, crashes)) as run:
        if broken := soundness.sound(run):  # the others could not read it
            return [*broken, *bounds.bounded(run), *bounds.clean(run)]
        return [violation for rule in RULES[1:] for violation in rule(run)]


def check_files(world: Night) -> list[Violation]:
    """Return how the files broke rules, right after processes have died."""
    evidence, league = world.evidence, world.league
    with copied(world.data_dir) as data_dir, closing(Run(evidence, league, world.counts, data_dir)) as run:
        return soundness.sound(run) or figures.sums_of_files(run)
