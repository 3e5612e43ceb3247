"""Fields of the feeds' JSON, checked for type and range as they are read, and what could not be read, by name.

`type(x) is int` and not `isinstance`, because `true` is no number. NaN passes no comparison, so it passes no range.
"""

import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar

T = TypeVar("T")

MAX_ID: Final = 2**31 - 1
MAX_TEXT: Final = 80
MAX_PROBLEMS: Final = 20
MAX_PROBLEM: Final = 200
_SHOWN: Final = 40
# all that a clock can show in a period, both ways of writing the minutes
_CLOCK: Final = {
    f"{minutes:{width}d}:{seconds:02d}": 60 * minutes + seconds
    for width in ("02", "01")
    for minutes in range(21)
    for seconds in range(60 if minutes < 20 else 1)
}


class Unreadable(Exception):
    """A field that holds something we cannot use; the text names it: "details.xCoord is 'abc'"."""

    def __init__(self, field: str, value: object) -> None:
        super().__init__(f"{field} is {_shown(value)}")


def whole(value: Any, field: str, low: int = 0, high: int = MAX_ID) -> int:
    """A whole number from `low` to `high`. This and all other readers here raise `Unreadable`."""
    if type(value) is int and low <= value <= high:
        return value
    raise Unreadable(field, value)


def optional_whole(value: Any, field: str) -> int | None:
    """A whole number from 0 to MAX_ID, or None."""
    if value is None or (type(value) is int and 0 <= value <= MAX_ID):
        return value
    raise Unreadable(field, value)


def optional_number(value: Any, field: str, limit: int) -> float | None:
    """A number from `-limit` to `limit`, or None."""
    if value is None:
        return None
    if (type(value) is int or type(value) is float) and -limit <= value <= limit:
        return float(value)
    raise Unreadable(field, value)


def cleaned(value: str) -> str:
    """The text as it is seen: any kind of space as a space, none around it, and nothing that is invisible."""
    if not value.isprintable():
        value = "".join(" " if char.isspace() else char for char in value if unicodedata.category(char) != "Cf")
    return value.strip()


def text(value: Any, field: str) -> str:
    """A text of one line that says something, and that any database and terminal can take."""
    if found := optional_text(value, field):
        return found
    raise Unreadable(field, value)


def optional_text(value: Any, field: str) -> str | None:
    """A `text`, an empty one, or None."""
    if value is None:
        return None
    if type(value) is str and len(value) <= MAX_TEXT and (seen := cleaned(value)).isprintable():
        return seen
    raise Unreadable(field, value)


def one_of(value: Any, field: str, known: Collection[str]) -> str:
    """One of the known texts."""
    if type(value) is str:
        if value in known:
            return value
        if (seen := cleaned(value)) in known:
            return seen
    raise Unreadable(field, value)


def word(value: Any, field: str, known: Collection[str]) -> str | None:
    """One of the known texts; None for any other, since words come and go, and where there is none."""
    if value is None:
        return None
    if type(value) is str:
        return value if value in known else next((seen for seen in (cleaned(value),) if seen in known), None)
    raise Unreadable(field, value)


def flag(value: Any, field: str) -> bool:
    """True or false; false where there is none."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Unreadable(field, value)


def clock_seconds(value: Any, field: str) -> int:
    """Seconds, from "MM:SS" within a period's 20 minutes."""
    if type(value) is str:
        seconds = _CLOCK.get(value)
        if seconds is None:
            seconds = _CLOCK.get(cleaned(value))
        if seconds is not None:
            return seconds
    raise Unreadable(field, value)


def mapping(value: Any, field: str) -> Mapping[str, Any]:
    """A JSON object; an empty one where there is none."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise Unreadable(field, value)


def inner(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """The JSON object at the end of a path of keys; an empty one where there is none."""
    for depth, key in enumerate(path, start=1):
        value = mapping(value.get(key), ".".join(path[:depth]))
    return value


def listing(value: Any, field: str) -> Sequence[Any]:
    """A JSON list."""
    if isinstance(value, list):
        return value
    raise Unreadable(field, value)


class Problems:
    """What of one answer could not be read: texts for people, bounded in number and length."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._others = 0

    def __len__(self) -> int:
        return len(self._texts) + self._others

    def note(self, problem: str) -> None:
        """Add one."""
        if len(self._texts) < MAX_PROBLEMS:
            self._texts.append(problem[:MAX_PROBLEM])
        else:
            self._others += 1

    def otherwise(self, default: T, read: Callable[..., T], value: Any, field: str, *more: Any) -> T:
        """What `read` makes of the value; where it cannot, `default`, and a note."""
        try:
            return read(value, field, *more)
        except Unreadable as problem:
            self.note(str(problem))
            return default

    def inner(self, value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
        """The JSON object at the end of a path of keys; an empty one, and a note, where it cannot be read."""
        nothing: Mapping[str, Any] = {}
        return self.otherwise(nothing, inner, value, *path)

    def listing(self, value: Any, field: str) -> Sequence[Any]:
        """A JSON list; an empty one, and a note, where it cannot be read."""
        nothing: Sequence[Any] = ()
        return self.otherwise(nothing, listing, value, field)

    def readable(self, raws: Iterable[Any], what: str, read: Callable[[Any], T]) -> Iterator[T]:
        """What `read` makes of each, without those of which it makes nothing; a note on each of these."""
        for number, raw in enumerate(raws, start=1):
            try:
                yield read(raw)
            except Unreadable as problem:
                self.note(f"{what} {number}: {problem}")

    @property
    def texts(self) -> tuple[str, ...]:
        """All of them; beyond MAX_PROBLEMS only how many."""
        return (*self._texts, f"and {self._others} more") if self._others else tuple(self._texts)


def _shown(value: object) -> str:
    if value is None:
        return "missing"
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, str):
        return repr(value) if len(value) <= _SHOWN else f"{value[:_SHOWN]!r}..."
    if isinstance(value, int) and abs(value) > 10**_SHOWN:  # Python refuses to print far larger ones
        return "a huge number"
    return repr(value)
