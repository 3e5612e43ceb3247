"""Measure which lines of some packages the simulation reaches.

    python -m tests.simulation.coverage --seeds 500

Counted are the lines inside functions: what runs on import says nothing. It needs no other package, because those do
not see the simulated threads, which are not made by `threading`.
"""

import sys
from argparse import ArgumentTypeError
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from scripts.arguments import command_parser, whole_number
from scripts.progress import ProgressLine, Stop
from tests.helpers import ROOT
from tests.simulation.playing import play_seed
from tests.simulation.scheduler import Thread

PACKAGES: Final = ("livegame/scoring", "db/history", "xgserve/registry")


class Coverage:
    """The lines that were reached in some files."""

    def __init__(self, files: list[Path]) -> None:
        self._reached: dict[str, set[int]] = {str(file): set() for file in files}

    @contextmanager
    def measuring(self) -> Iterator[None]:
        """Note the lines that this thread and all simulated ones reach."""
        run = Thread._run

        def traced(thread: Thread) -> None:
            sys.settrace(self._called)
            run(thread)

        Thread._run = traced  # type: ignore[assignment, method-assign]
        sys.settrace(self._called)
        try:
            yield
        finally:
            sys.settrace(None)
            Thread._run = run  # type: ignore[method-assign]

    def _called(self, frame: FrameType, _event: str, _argument: Any) -> Any:
        lines = self._reached.get(frame.f_code.co_filename)
        if lines is None:
            return None

        def reached(frame: FrameType, event: str, _argument: Any) -> Any:
            if event == "line":
                lines.add(frame.f_lineno)
            return reached

        return reached

    def missing(self, file: Path) -> tuple[int, list[int]]:
        """Return how many lines of a file can be reached, and those that were not."""
        code = compile(file.read_text(), str(file), "exec")
        lines = {line for function in _functions(code) for line in _lines(function)}
        return len(lines), sorted(lines - self._reached[str(file)])


def _functions(code: CodeType) -> Iterator[CodeType]:
    """Yield the code of all functions, also of those inside classes and functions."""
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_flags & 0x2:  # CO_NEWLOCALS: a function, no class
                yield constant
            yield from _functions(constant)


def _lines(code: CodeType) -> Iterator[int]:
    """Yield the lines that a tracer sees: all but the one of `def`."""
    for _, _, line in code.co_lines():
        if line is not None and line != code.co_firstlineno:
            yield line


def ranges(lines: list[int]) -> str:
    """Return lines in short: "3-5, 9"."""
    found: list[list[int]] = []
    for line in lines:
        if found and line == found[-1][1] + 1:
            found[-1][1] = line
        else:
            found.append([line, line])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in found)


def main(arguments: list[str] | None = None) -> int:
    """Run the command and return its exit code."""
    parser = command_parser("coverage", __doc__)
    parser.add_argument("--seeds", type=whole_number(1, 10**6, "a number"), default=200, help="default: %(default)s")
    parser.add_argument("--from", type=whole_number(0, 10**9, "a number"), default=0, dest="first")
    parser.add_argument("package", nargs="*", type=_folder, help=f"folders, default: {' '.join(PACKAGES)}")
    options = parser.parse_args(arguments)
    folders = options.package or [_folder(package) for package in PACKAGES]
    coverage = Coverage([file for folder in folders for file in sorted(folder.glob("*.py"))])
    line, stop = ProgressLine(), Stop()
    with coverage.measuring():
        for number in range(options.seeds):
            if stop.is_wanted:
                break
            play_seed(options.first + number)
            line.show(f"{number + 1} of {options.seeds} schedules")
    for folder in folders:
        print(_table(folder, coverage))
    return 0


def _folder(text: str) -> Path:
    folder = (ROOT / text).resolve()
    if not folder.is_dir():
        raise ArgumentTypeError(f"{text} is no folder")
    return folder


def _table(folder: Path, coverage: Coverage) -> str:
    rows, total, unreached = [], 0, 0
    for file in sorted(folder.glob("*.py")):
        number, missing = coverage.missing(file)
        total, unreached = total + number, unreached + len(missing)
        if number:
            rows.append(f"  {1 - len(missing) / number:4.0%}  {file.name}  {ranges(missing)}".rstrip())
    return "\n".join([f"{1 - unreached / total:.0%} of {total} lines of {folder.relative_to(ROOT)}", *rows])


if __name__ == "__main__":
    sys.exit(main())
