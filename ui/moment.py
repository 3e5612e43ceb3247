"""The moment that a reader looks at, as the address says.

`delay=40` is seconds behind the pings, for all pages; `at=2712` is seconds of the game's clock, for the Game page.
"""

from datetime import datetime, timedelta
from typing import Final

import streamlit as st

from db import times
from db.history import Moment

LONGEST_DELAY_S: Final = 120
_DELAY: Final = "delay"  # in the address
_SECOND: Final = "at"
_LAST_SECOND: Final = 10 * 60 * 60  # longer than any game
_MOST_DIGITS: Final = 9


def delay_s() -> int:
    """Return by how many seconds the pages are behind the pings, by the address; 0 without a delay."""
    return min(_number(_DELAY) or 0, LONGEST_DELAY_S)


def set_delay(seconds: float) -> None:
    """Put a delay into the address, in whole seconds up to the longest."""
    _put(_DELAY, min(max(round(seconds), 0), LONGEST_DELAY_S) or None)


def second_shown() -> int | None:
    """Return the second of the game's clock that the address names; None for the whole game so far."""
    second = _number(_SECOND)
    return None if second is None else min(second, _LAST_SECOND)


def show_second(second: int | None) -> None:
    """Put a second of the game's clock into the address; None for the whole game so far."""
    _put(_SECOND, second)


def now() -> datetime:
    """Return what time it is for this reader, who may be behind the pings."""
    return times.utc_now() - timedelta(seconds=delay_s())


def is_behind(pinged_at: str) -> bool:
    """Return whether what the ping of this time found is still to be shown to this reader."""
    return delay_s() > 0 and now() <= datetime.fromisoformat(pinged_at)


def delayed() -> Moment | None:
    """Return the moment that all pages show with the reader's delay; None without one.

    Whatever shows something of a game, notices of pings included, shows it as of this moment.
    """
    return Moment(wall=times.timestamp(now())) if delay_s() else None


def shown() -> Moment | None:
    """Return the moment that the Game page shows: with the reader's delay and the time machine's second."""
    second, behind = second_shown(), delayed()
    return behind if second is None else Moment(second, behind.wall if behind else None)


def _number(name: str) -> int | None:
    text = st.query_params.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < _MOST_DIGITS else None


def _put(name: str, number: int | None) -> None:
    if number is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != str(number):
        st.query_params[name] = str(number)
