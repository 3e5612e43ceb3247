"""How a command talks and ends as a process: an exit code and words, never a traceback.

What stdout cannot write is replaced, since a name with an accent must not end a run. That something could not be
printed at all, for a closed or full output, is no reason to leave work undone either: a command that has more to do
prints with `say`.
"""

import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

NOT_TOLD: Final = 1
FILES: Final = 3
FAULT: Final = 70  # as sysexits.h has it for a fault of the program
INTERRUPTED: Final = 130  # as shells say it of Ctrl-C
READER_GONE: Final = 141  # and of `command | head`
_STDERR: Final = 2


class CannotPrint(OSError):
    """Nothing can be printed: the output is closed, or there is no room for it."""


class Output(io.TextIOWrapper):
    """Standard output that replaces what its encoding cannot say, and whose errors are told from those of files."""

    def write(self, text: str, /) -> int:
        """Write as any text file does."""
        try:
            return super().write(text)
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CannotPrint(error.errno, error.strerror) from error

    def flush(self) -> None:
        """Flush as any text file does."""
        try:
            super().flush()
        except BrokenPipeError:
            raise
        except OSError as error:
            raise CannotPrint(error.errno, error.strerror) from error


def run(main: Callable[[], int]) -> NoReturn:
    """Run a command and exit with its code, or with 1 (cannot print), 3 (a file), 70 (a fault), 130 or 141."""
    _prepare_outputs()
    try:
        code = _code_of(main)
        sys.stdout.flush()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except BrokenPipeError:
        print_nowhere()
        code = READER_GONE
    except CannotPrint as error:
        print_nowhere()
        code = complain(f"cannot print: {error.strerror}", NOT_TOLD)
    except OSError as error:
        code = complain(f"{error.filename}: {error.strerror}" if error.filename else error, FILES)
    except Exception as error:  # the last place where it can be said in words
        if sys.flags.dev_mode:
            raise
        code = complain(f"{_in_words(error)}; please report it, with what python -X dev shows", FAULT)
    sys.exit(code)


def _code_of(main: Callable[[], int]) -> int:
    try:
        return main()
    except SystemExit as ended:  # argparse's way, whose help may not have been printed yet
        return ended.code if isinstance(ended.code, int) else complain(ended.code, 1) if ended.code else 0


def say(text: str) -> int:
    """Print a line and return 0, or 1 where nothing can be printed, which is said once on stderr."""
    try:
        print(text, flush=True)
    except OSError as error:
        print_nowhere()
        return complain(f"cannot print: {error.strerror}", NOT_TOLD)
    return 0


def complain(problem: object, code: int) -> int:
    """Say on stderr what is wrong, after the command's name, and return the exit code."""
    report(f"{Path(sys.argv[0]).stem}: {problem}")
    return code


def report(text: str) -> None:
    """Say on stderr how far it is."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # there is nowhere else to say it
        _lead_nowhere(sys.stderr.fileno())


def print_nowhere() -> None:
    """Let whatever is printed from now on go nowhere: there is nobody, or no room, to print for."""
    _lead_nowhere(sys.stdout.fileno())


def _lead_nowhere(number: int, mode: int = os.O_WRONLY) -> None:
    """Let a file descriptor, open or closed, be that of the file that holds nothing and keeps nothing."""
    opened = os.open(os.devnull, mode)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def _prepare_outputs() -> None:
    """Have outputs that never fail for a character, and say in one way that they cannot be written.

    A stream that is closed is None to Python, and its number would be given to the next file, such as a database.
    """
    for number in filter(_is_closed, range(3)):
        # what is written to stdout fails, as it should: that nothing was printed is said on stderr
        _lead_nowhere(number, os.O_WRONLY if number == _STDERR else os.O_RDONLY)
    encoding = sys.stdout.encoding if sys.stdout is not None else "utf-8"
    sys.stdout = Output(os.fdopen(1, "wb", closefd=False), encoding, errors="replace")
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)


def _is_closed(number: int) -> bool:
    try:
        os.fstat(number)
    except OSError:
        return True
    return False


def _in_words(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
