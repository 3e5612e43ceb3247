"""Read fields of the feeds' JSON, checked for type and range, and collect what could not be read.

Every reader takes a value and its field's name, and raises `Unreadable` for an unusable value. Numbers are tested with
`type(x) is int`, because `isinstance(True, int)` holds. NaN is outside every range.
"""

import math
import unicodedata
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final, TypeVar

from livegame.plays import PERIOD_SECONDS
from livegame.rink import RINK_LENGTH, RINK_WIDTH

T = TypeVar("T")

MAX_ID: Final = 2**31 - 1
MAX_TEXT: Final = 80
MAX_WORD: Final = 40
MAX_PROBLEMS: Final = 20
MAX_PROBLEM: Final = 200
YEARS: Final = (1900, 2100)
_SHOWN: Final = 40
_MAX_X, _MAX_Y = math.ceil(RINK_LENGTH / 2), math.ceil(RINK_WIDTH / 2)
# every clock time in a period; minutes below 10 have one digit or two
_CLOCK: Final = {
    f"{minutes:{width}d}:{seconds:02d}": 60 * minutes + seconds
    for width in ("02", "01")
    for minutes in range(21)
    for seconds in range(60 if minutes < 20 else 1)
}


class Unreadable(Exception):
    """A field with an unusable value; the text names both: "details.xCoord is 'abc'"."""

    def __init__(self, field: str, value: object) -> None:
        super().__init__(f"{field} is {_shown(value)}")


def integer(value: Any, field: str, low: int = 0, high: int = MAX_ID) -> int:
    """Return a whole number from `low` to `high`."""
    if type(value) is int and low <= value <= high:
        return value
    raise Unreadable(field, value)


def optional_integer(value: Any, field: str) -> int | None:
    """Return a whole number from 0 to MAX_ID, or None."""
    if value is None or (type(value) is int and 0 <= value <= MAX_ID):
        return value
    raise Unreadable(field, value)


def optional_number(value: Any, field: str, limit: int) -> float | None:
    """Return a number from `-limit` to `limit`, or None."""
    if value is None:
        return None
    if (type(value) is int or type(value) is float) and -limit <= value <= limit:
        return float(value)
    raise Unreadable(field, value)


def boolean(value: Any, field: str) -> bool:
    """Return true or false; false if missing."""
    if value is None or isinstance(value, bool):
        return bool(value)
    raise Unreadable(field, value)


def cleaned(value: str) -> str:
    """Return the text with plain spaces, none at the ends, and without invisible characters."""
    if not value.isprintable():
        value = "".join(" " if char.isspace() else char for char in value if unicodedata.category(char) != "Cf")
    return value.strip()


def text(value: Any, field: str) -> str:
    """Return a non-empty line of printable text."""
    if found := optional_text(value, field):
        return found
    raise Unreadable(field, value)


def optional_text(value: Any, field: str) -> str | None:
    """Return a line of printable text, perhaps empty, or None."""
    if value is None:
        return None
    if type(value) is str and len(value) <= MAX_TEXT and (seen := cleaned(value)).isprintable():
        return seen
    raise Unreadable(field, value)


def optional_word(value: Any) -> str | None:
    """Return a short printable text; None if it is anything else: nothing depends on it."""
    if type(value) is str and len(value) <= MAX_WORD and (seen := cleaned(value)).isprintable():
        return seen or None
    return None


def one_of(value: Any, field: str, known: Collection[str]) -> str:
    """Return one of the known texts."""
    if type(value) is str:
        if value in known:
            return value
        if (seen := cleaned(value)) in known:
            return seen
    raise Unreadable(field, value)


def one_of_or_none(value: Any, field: str, known: Collection[str]) -> str | None:
    """Return one of the known texts; None if missing or unknown, since the league adds terms."""
    if value is None:
        return None
    if type(value) is str:
        return value if value in known else next((seen for seen in (cleaned(value),) if seen in known), None)
    raise Unreadable(field, value)


def translated(table: Mapping[str, T], value: Any) -> T | None:
    """Return what `table` has for a feed's term; None if it is unknown or not even text."""
    return table.get(value, table.get(cleaned(value))) if isinstance(value, str) else None


def clock_seconds(value: Any, field: str) -> int:
    """Return seconds from "MM:SS", up to the 20 minutes of a period."""
    if type(value) is str:
        seconds = _CLOCK.get(value)
        if seconds is None:
            seconds = _CLOCK.get(cleaned(value))
        if seconds is not None:
            return seconds
    raise Unreadable(field, value)


def overtime_seconds(clocks: Iterable[tuple[Any, Any]]) -> int | None:
    """Return the length of an overtime by the first readable one of its plays' pairs of time played and left."""
    for clock in clocks:
        try:
            played, left = (clock_seconds(value, "clock") for value in clock)
        except Unreadable:
            continue  # noted where the play itself is read
        if 0 < played + left <= PERIOD_SECONDS:
            return played + left
    return None


def utc_time(value: Any, field: str) -> str:
    """Return a time in UTC, ISO 8601, as both feeds write it."""
    written = text(value, field)
    try:
        year = datetime.strptime(written, "%Y-%m-%dT%H:%M:%SZ").year
    except ValueError:
        raise Unreadable(field, value) from None
    integer(year, field, *YEARS)
    return written


def iso_date(value: Any, field: str) -> date:
    """Return a date."""
    try:
        return date.fromisoformat(text(value, field))
    except ValueError:
        raise Unreadable(field, value) from None


def json_list(value: Any, field: str) -> Sequence[Any]:
    """Return a JSON list."""
    if isinstance(value, list):
        return value
    raise Unreadable(field, value)


def json_object(value: Any, field: str) -> Mapping[str, Any]:
    """Return a JSON object; an empty one if missing."""
    if value is None:
        return {}
    if isinstance(value, dict):
        return value
    raise Unreadable(field, value)


def object_at(value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
    """Return the JSON object at the end of a path of keys; an empty one if missing."""
    for depth, key in enumerate(path, start=1):
        value = json_object(value.get(key), ".".join(path[:depth]))
    return value


def coordinates(value: Mapping[str, Any], field: str, x_key: str, y_key: str) -> tuple[float | None, float | None]:
    """Return x and y in feet; both None if either is missing."""
    x = optional_number(value.get(x_key), f"{field}.{x_key}", _MAX_X)
    y = optional_number(value.get(y_key), f"{field}.{y_key}", _MAX_Y)
    return (None, None) if x is None or y is None else (x, y)


def team_ids(*, home: Mapping[str, Any], away: Mapping[str, Any]) -> tuple[int, int]:
    """Return the ids of the home and the away team, which must differ."""
    home_id, away_id = integer(home.get("id"), "the home team's id"), integer(away.get("id"), "the away team's id")
    if home_id == away_id:
        raise Unreadable("the away team's id, as the home team's,", away_id)
    return home_id, away_id


class FeedProblems:
    """What could not be read of one answer: texts for people, bounded in number and length."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._others = 0

    def __len__(self) -> int:
        return len(self._texts) + self._others

    @property
    def texts(self) -> tuple[str, ...]:
        """The first MAX_PROBLEMS texts, and how many more there were."""
        return (*self._texts, f"and {self._others} more") if self._others else tuple(self._texts)

    def note(self, problem: str) -> None:
        """Add a problem."""
        if len(self._texts) < MAX_PROBLEMS:
            self._texts.append(problem[:MAX_PROBLEM])
        else:
            self._others += 1

    def attempt(self, reader: Callable[..., T], value: Any, field: str, *limits: Any, default: T) -> T:
        """Return what `reader` makes of the value; if it is unreadable, note that and return `default`."""
        try:
            return reader(value, field, *limits)
        except Unreadable as problem:
            self.note(str(problem))
            return default

    def object_at(self, value: Mapping[str, Any], *path: str) -> Mapping[str, Any]:
        """Return the JSON object at the end of a path of keys; an empty one, noted, if unreadable."""
        return self.attempt(object_at, value, *path, default={})

    def json_list(self, value: Any, field: str) -> Sequence[Any]:
        """Return a JSON list; an empty one, noted, if unreadable."""
        return self.attempt(json_list, value, field, default=())

    def readable_items(self, raws: Iterable[Any], what: str, reader: Callable[[Any], T]) -> Iterator[T]:
        """Yield what `reader` makes of each item; skip and note unreadable ones."""
        for number, raw in enumerate(raws, start=1):
            try:
                yield reader(raw)
            except Unreadable as problem:
                self.note(f"{what} {number}: {problem}")

    def readable_plays(
        self,
        raws: Iterable[Any],
        event_id_of: Callable[[Any], int],
        reader: Callable[[int, Mapping[str, Any]], T],
    ) -> tuple[tuple[T, ...], frozenset[int] | None]:
        """Return what `reader` makes of each play, and `Game.unreadable`. Of two with the same id, the first counts."""
        plays: dict[int, T] = {}
        unread: set[int | None] = set()
        for number, raw in enumerate(raws, start=1):
            event_id = None
            try:
                event_id = event_id_of(raw)
                if event_id in plays:
                    self.note(f"event {event_id} is listed twice; the first counts")
                else:
                    plays[event_id] = reader(event_id, raw)
            except Unreadable as problem:
                unread.add(event_id)
                self.note(f"{f'play {number}' if event_id is None else f'event {event_id}'}: {problem}")
        known = frozenset(event_id for event_id in unread if event_id is not None)
        return tuple(plays.values()), None if None in unread else known - plays.keys()


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
