"""How a command ends as a process: with its exit code and, where it must give up, with words instead of a traceback."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

FILES: Final = 3
INTERRUPTED: Final = 130  # as shells say it of Ctrl-C
READER_GONE: Final = 141  # and of `command | head`


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command and exit with its code, or with 3 (a file that cannot be used), 130 or 141."""
    try:
        code = main()
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        print_nowhere()
        code = READER_GONE
    except OSError as error:
        code = complain(f"{error.filename}: {error.strerror}" if error.filename else error, FILES)
    sys.exit(code)


def complain(problem: object, code: int) -> int:
    """Say on stderr what is wrong, after the command's name, and return the exit code."""
    print(f"{Path(sys.argv[0]).stem}: {problem}", file=sys.stderr)
    return code


def report(text: str) -> None:
    """Say on stderr how far it is."""
    print(text, file=sys.stderr, flush=True)


def print_nowhere() -> None:
    """Let whatever is printed from now on go nowhere: there is nobody, or no room, to print for."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
