"""Run a command: it ends with an exit code and a message, never with a traceback.

Characters that stdout cannot encode are replaced, since an accent must not end a run. A command that must finish its
work even if its output is closed or full prints with `print_line`.
"""

import io
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final, NoReturn

from db.connection import DatabaseError
from db.environment import SettingsError
from livegame.errors import LiveGameError
from xgserve.client import ServingError

NOT_PRINTED: Final = 1
FILES: Final = 3
FAULT: Final = 70  # EX_SOFTWARE of sysexits.h
INTERRUPTED: Final = 130  # what shells report for Ctrl-C
READER_GONE: Final = 141  # and for `command | head`
_STDERR: Final = 2
_CODES: Final[dict[type[Exception], int]] = {SettingsError: 2, ServingError: 4, DatabaseError: 5}
OUR_ERRORS: Final[tuple[type[Exception], ...]] = (LiveGameError, *_CODES)


def exit_code(error: Exception) -> int:
    """Return the code that a command ends with for one of OUR_ERRORS."""
    if isinstance(error, LiveGameError):
        return error.exit_code
    return next(code for kind, code in _CODES.items() if isinstance(error, kind))


class CannotPrint(OSError):
    """Nothing can be printed: the output is closed or full."""


class Output(io.TextIOWrapper):
    """Standard output whose errors can be distinguished from those of other files."""

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
        code = fail(f"cannot print: {error.strerror}", NOT_PRINTED)
    except OSError as error:
        code = fail(f"{error.filename}: {error.strerror}" if error.filename else error, FILES)
    except Exception as error:  # the last place where it can be reported in words
        if sys.flags.dev_mode:
            raise
        code = fail(f"{_describe(error)}; please report it, with what python -X dev shows", FAULT)
    sys.exit(code)


def _code_of(main: Callable[[], int]) -> int:
    try:
        return main()
    except SystemExit as ended:  # by argparse, whose help may not have been printed yet
        return ended.code if isinstance(ended.code, int) else fail(ended.code, 1) if ended.code else 0


def print_line(text: str) -> int:
    """Print a line and return 0; where nothing can be printed, say so once on stderr and return 1."""
    try:
        print(text, flush=True)
    except OSError as error:
        print_nowhere()
        return fail(f"cannot print: {error.strerror}", NOT_PRINTED)
    return 0


def fail(problem: object, code: int) -> int:
    """Print what is wrong on stderr, after the command's name, and return the exit code."""
    write_stderr(f"{Path(sys.argv[0]).stem}: {problem}")
    return code


def write_stderr(text: str) -> None:
    """Print a line of progress or a warning to stderr, if it can be written."""
    try:
        print(text, file=sys.stderr, flush=True)
    except OSError:  # there is nowhere else to report it
        _redirect_to_null(sys.stderr.fileno())


def print_nowhere() -> None:
    """Discard whatever is printed from now on: the output is closed or full."""
    _redirect_to_null(sys.stdout.fileno())


def _redirect_to_null(number: int, mode: int = os.O_WRONLY) -> None:
    """Point a file descriptor, open or closed, at the null device."""
    opened = os.open(os.devnull, mode)
    if opened != number:
        os.dup2(opened, number)
        os.close(opened)


def _prepare_outputs() -> None:
    """Make outputs that can print any character, and that fail in one way if they cannot be written.

    Python sets a closed stream to None, and the next file opened, such as a database, would get its descriptor.
    """
    for number in filter(_is_closed, range(3)):
        # writing to stdout must still fail, so that stderr can say that nothing was printed
        _redirect_to_null(number, os.O_WRONLY if number == _STDERR else os.O_RDONLY)
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


def _describe(error: Exception) -> str:
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"unexpected {type(error).__name__}: {str(error)[:200]} ({Path(place.filename).name}:{place.lineno})"
