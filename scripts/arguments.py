"""Argument parsers that several commands share."""

import argparse
import re
from collections.abc import Callable


def command_parser(name: str, description: str | None) -> argparse.ArgumentParser:
    """Return a command's parser that shows the description as written."""
    return argparse.ArgumentParser(
        prog=name, description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )


def season(text: str) -> int:
    """Return the season that an argument such as 20222023 names."""
    if not re.fullmatch(r"(19|20)\d{6}", text) or int(text[4:]) != int(text[:4]) + 1:
        raise argparse.ArgumentTypeError("must be two consecutive years, such as 20222023")
    return int(text)


def whole_number(low: int, high: int, what: str) -> Callable[[str], int]:
    """Return a reader of whole numbers from `low` to `high`; its error says that it must be `what`."""

    def read(text: str) -> int:
        if not text.isdecimal() or not low <= int(text) <= high:
            raise argparse.ArgumentTypeError(f"must be {what} from {low} to {high}")
        return int(text)

    return read
