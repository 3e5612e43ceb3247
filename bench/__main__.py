"""Run the measurements and print medians of interleaved rounds. Trust the ratios: the times are this machine's, now.

python -m bench
python -m bench --only ping
"""

import argparse
import sys
from typing import Final

from bench import backfill, growth, page, ping, predict, swaps

PARTS: Final = ("predict", "swaps", "ping", "backfill", "growth", "page")


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that were asked for and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=PARTS, help="default: all parts")
    parser.add_argument("--quick", action="store_true", help="fewer rounds of predictions: a rough answer")
    parser.add_argument("--docs", action="store_true", help="write docs/speed.md and docs/speed.png as well")
    parser.add_argument("--large", action="store_true", help="growth with 10 million rows as well: 13 GB, many minutes")
    options = parser.parse_args(arguments)
    parts = {
        "predict": lambda: predict.run(quick=options.quick, docs=options.docs),
        "swaps": lambda: swaps.run(quick=options.quick),
        "ping": ping.run,
        "backfill": backfill.run,
        "growth": growth.run_large if options.large else growth.run,
        "page": page.run,
    }
    for name in options.only or PARTS:
        parts[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
