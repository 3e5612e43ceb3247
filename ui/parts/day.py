"""The day whose games are listed: kept in the address, with the league's list of its games."""

from datetime import date
from typing import Final

import streamlit as st

from livegame.errors import FeedError
from livegame.feed import Feed
from livegame.plays import Day

# After this time a new answer is fetched in the background; after twice this time the page waits for it. A request to
# a feed that hangs times out before that.
KEPT_S: Final = 45
_NAME: Final = "day"  # in the address


def chosen_day() -> date | None:
    """Return the day that the address names; None for the league's own today."""
    try:
        return date.fromisoformat(st.query_params.get(_NAME, ""))
    except ValueError:
        return None


def choose_day(listed: Day) -> None:
    """Draw the day with the nearest days before and after it that have games, and a calendar."""
    _turn(":material/chevron_left:", "Previous day", listed.previous)
    with st.popover(f"{listed.day:%a}, {listed.day:%b} {listed.day.day}", help="Choose a day"):
        key = f"picked_day_{listed.day}"
        st.date_input("Day", listed.day, key=key, on_change=_pick, args=(key,))
        st.button("Today", on_click=_go, args=(None,), disabled=chosen_day() is None)
    _turn(":material/chevron_right:", "Next day", listed.next)


@st.cache_data(ttl=KEPT_S, refresh_mode="background", show_spinner=False)
def games_of(_feed: Feed, day: date | None) -> tuple[Day | None, str | None]:
    """Return a day's games (default: the league's today), or None and the reason; cached for all readers."""
    try:
        return _feed.day(day), None
    except FeedError as error:
        return None, str(error)


def forget_days() -> None:
    """Drop the cached games: they are out of date."""
    games_of.clear()


def _turn(label: str, text: str, to: date | None) -> None:
    st.button(label, help=text, disabled=to is None, on_click=_go, args=(to,), type="tertiary")


def _pick(key: str) -> None:
    _go(st.session_state[key])


def _go(day: date | None) -> None:
    if day is None:
        st.query_params.pop(_NAME, None)
    else:
        st.query_params[_NAME] = day.isoformat()
