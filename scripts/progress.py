"""What long commands share: a line of progress, problems on lines of their own, and a stop between two batches."""

import logging
import signal
import sys
import time
from types import FrameType
from typing import Final

LINE_EVERY_S: Final = 10  # where a line cannot be overwritten


class Stop:
    """Ctrl-C or SIGTERM: the first waits for the games in progress, the second does not."""

    def __init__(self) -> None:
        self.is_wanted = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._want)

    def _want(self, _signal: int, _frame: FrameType | None) -> None:
        if self.is_wanted:
            raise KeyboardInterrupt
        self.is_wanted = True


class ProgressLine:
    """A line that is overwritten; without a terminal, a new line every LINE_EVERY_S."""

    def __init__(self) -> None:
        self._is_terminal = sys.stderr.isatty()
        self._begun = self._last = time.monotonic()

    @property
    def elapsed_s(self) -> float:
        """The seconds since this line was made."""
        return time.monotonic() - self._begun

    def show(self, text: str) -> None:
        """Show what is done."""
        now = time.monotonic()
        if self._is_terminal:
            print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
        elif now - self._last >= LINE_EVERY_S:
            self._last = now
            print(text, file=sys.stderr, flush=True)

    def say(self, text: str) -> None:
        """Print a line that stays."""
        print(f"\r\x1b[K{text}" if self._is_terminal else text, file=sys.stderr, flush=True)


class ProblemsOnLines(logging.Handler):
    """Prints log records, such as what could not be read of a recording, without breaking the progress line."""

    def __init__(self, line: ProgressLine) -> None:
        super().__init__()
        self._line = line

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record's message."""
        self._line.say(record.getMessage())


def minutes(seconds: float) -> str:
    """Return a duration as minutes and seconds: "1:05"."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
