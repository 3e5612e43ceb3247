"""Run the measurements and print medians of interleaved rounds. Trust the ratios: the times are this machine's, now.

python -m scripts.bench
python -m scripts.bench --only ping
"""

import argparse
import sys
from typing import Final

from scripts.bench import growth, page, ping, predict

PARTS: Final = {"predict": predict.run, "ping": ping.run, "growth": growth.run, "page": page.run}
LARGE: Final = {"growth": growth.run_large}


def main(arguments: list[str] | None = None) -> int:
    """Run the parts that were asked for and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", action="append", choices=list(PARTS), help="default: all parts")
    parser.add_argument("--large", action="store_true", help="growth with 10 million rows as well: 13 GB, many minutes")
    options = parser.parse_args(arguments)
    for name in options.only or PARTS:
        LARGE[name]() if options.large and name in LARGE else PARTS[name]()
    return 0


if __name__ == "__main__":
    sys.exit(main())
