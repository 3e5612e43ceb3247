"""The moment that a reader looks at, as the address says.

`delay=40` is seconds behind the pings, for all pages; `at=2712` is seconds of the game's clock, for the Game page.
"""

from datetime import timedelta
from typing import Final

import streamlit as st

from db import times
from db.history import Moment

LONGEST_DELAY_S: Final = 120
_LAST_SECOND: Final = 10 * 60 * 60  # longer than any game


def delay_s() -> int:
    """Return by how many seconds the pages are behind the pings, by the address; 0 without a delay."""
    return _seconds("delay", LONGEST_DELAY_S) or 0


def delayed() -> Moment | None:
    """Return the moment that all pages show with the reader's delay; None without one.

    Whatever shows something of a game, notices of pings included, shows it as of this moment.
    """
    delay = delay_s()
    return Moment(wall=times.timestamp(times.utc_now() - timedelta(seconds=delay))) if delay else None


def shown() -> Moment | None:
    """Return the moment that the Game page shows: with the reader's delay and the time machine's second."""
    second, behind = _seconds("at", _LAST_SECOND), delayed()
    return behind if second is None else Moment(second, behind.wall if behind else None)


def _seconds(name: str, most: int) -> int | None:
    text = st.query_params.get(name, "")
    return min(int(text), most) if text.isascii() and text.isdigit() else None
