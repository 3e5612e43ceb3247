"""Play nights by chance: many seeds and their figures, or one seed again with its log.

    python -m tests.simulation --seeds 1000
    python -m tests.simulation --seed 77

A run that breaks a rule is shrunk to a short plan, which is printed and written to .simulation/, from where --plan
plays it again. Ctrl-C stops after the runs in progress.

Exit codes: 0 every rule held, 1 a rule was broken, 2 usage, 130 interrupted.
"""

import itertools
import sys
from argparse import Namespace
from pathlib import Path
from typing import Final

from scripts.arguments import command_parser, whole_number
from scripts.command import INTERRUPTED
from scripts.progress import ProgressLine, Stop
from tests.simulation.plan import Plan
from tests.simulation.playing import Outcome, Players, cores
from tests.simulation.seeds import of_json, to_json, written
from tests.simulation.story import story
from tests.simulation.summary import Total
from tests.simulation.world import World

PLANS: Final = Path(".simulation")
SHRUNK_RULES: Final = 8  # so many different rules are worth shrinking a run for


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = command_parser("simulation", __doc__)
    wanted = parser.add_mutually_exclusive_group()
    number = whole_number(0, 10**9, "a number")
    wanted.add_argument("--seeds", type=number, default=200, help="how many to play (default: %(default)s)")
    wanted.add_argument("--seed", type=number, help="play this one, and print what happened in which order")
    wanted.add_argument("--plan", type=Path, help="play the plan in this file, and print what happened")
    parser.add_argument("--from", type=number, default=0, dest="first", help="the first seed (default: %(default)s)")
    parser.add_argument("--processes", type=number, default=cores(), help="default: one per core")
    parser.add_argument("--verbose", action="store_true", help="every step in the log, with each write to the disk")
    options = parser.parse_args(arguments)
    if options.plan is not None:
        return _show(of_json(options.plan.read_text()), verbose=options.verbose)
    if options.seed is not None:
        return _show(Plan.of(options.seed), verbose=options.verbose)
    return _play(options)


def _show(plan: Plan, *, verbose: bool) -> int:
    """Play one plan and print what happened; return the exit code."""
    print(written(plan), end="\n\n")
    world = World(plan)
    result = world.run()
    for line in story(world, all_steps=verbose):
        print(line)
    total = Total()
    total.add(Outcome.of(world, result))
    print(f"\n{total.table()}")
    for violation in result.violations:
        print(f"\nbroken: {violation.rule}\n{violation.text}")
    return 1 if result.violations else 0


def _play(options: Namespace) -> int:
    """Play many seeds and print what they came to; return the exit code."""
    stop, line, total = Stop(), ProgressLine(), Total()
    seeds = itertools.takewhile(lambda _: not stop.is_wanted, range(options.first, options.first + options.seeds))
    try:
        with Players(max(1, options.processes)) as players:
            for outcome in players.play(seeds):
                for rule in total.add(outcome):
                    line.say(f"seed {outcome.seed} broke the rule: {rule}")
                line.show(total.progress(line.elapsed_s, options.seeds))
            line.say(total.progress(line.elapsed_s, options.seeds))
            broken = sorted(total.broken.items(), key=lambda item: item[1].seed)[:SHRUNK_RULES]
            if broken and not stop.is_wanted:
                line.say(f"shrinking {len(broken)} of them")
                for outcome in players.shrink(broken):
                    print(_report(outcome), end="\n\n")
    except KeyboardInterrupt:
        line.say("stopped at once")
        return INTERRUPTED
    print(total.table())
    return INTERRUPTED if stop.is_wanted else 1 if total.broken else 0


def _report(shrunk: Outcome) -> str:
    """Write a shrunk plan to a file, and return all there is to say about it."""
    (rule,) = shrunk.rules
    lines = [f"seed {shrunk.seed} broke the rule: {rule}"]
    again = f"make simulate SEED={shrunk.seed}"
    if shrunk.plan is not None:
        PLANS.mkdir(exist_ok=True)
        path = PLANS / f"{shrunk.seed}-{rule.replace(' ', '-')}.json"
        path.write_text(to_json(shrunk.plan) + "\n")
        lines += [written(shrunk.plan), "what happened last:", *shrunk.log]
        again = f"make simulate PLAN={path}    (the whole plan: {again})"
    lines += [broken.how for broken in shrunk.broken]
    return "\n".join([*lines, f"play it again: {again}"])


if __name__ == "__main__":
    sys.exit(main())
