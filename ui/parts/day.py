"""The day whose games are listed: kept in the address, with the league's list of its games."""

from datetime import date, datetime, timedelta
from typing import Final

import streamlit as st

from livegame.dates import LEAGUE_ZONE
from livegame.errors import FeedError
from livegame.feed import Feed
from livegame.plays import Day

# After this time a new answer is fetched in the background; after twice this time the page waits for it. A request to
# a feed that hangs times out before that.
KEPT_S: Final = 45
_NAME: Final = "day"  # in the address
_DAYS: Final = (date(1917, 1, 1), date(2999, 12, 31))  # the calendar shows ten years more on each side


def chosen_day() -> date | None:
    """Return the day that the address names; None for the league's own today, and for days of no league."""
    try:
        day = date.fromisoformat(st.query_params.get(_NAME, ""))
    except ValueError:
        return None
    return day if _DAYS[0] <= day <= _DAYS[1] else None


def day_name(day: date | None) -> str:
    """Return a day as a heading: "Tonight", or its date."""
    return "Tonight" if day is None else f"{day:%A}, {day:%B} {day.day}"


def choose_day(listed: Day | None, asked: date | None) -> None:
    """Draw the day with the nearest days before and after it that have games, and a calendar.

    Without the league's list of `asked` (None: today), draw the calendar's days.
    """
    day = listed.day if listed else asked or datetime.now(LEAGUE_ZONE).date()
    before, after = (listed.previous, listed.next) if listed else (day - timedelta(1), day + timedelta(1))
    with st.container(horizontal=True, vertical_alignment="center", gap=None, width="content", key="days"):
        _turn("Previous day", before)
        with st.popover(f"{day:%a}, {day:%b} {day.day}", help="Choose a day"):
            st.date_input("Day", day, key=f"picked_day_{day}", on_change=_pick, args=(f"picked_day_{day}",))
            st.button("Today", on_click=_go, args=(None,), disabled=asked is None)
        _turn("Next day", after)


def games_of(feed: Feed, day: date | None) -> tuple[Day | None, str | None]:
    """Return a day's games (default: the league's today), and why the feed did not list them just now.

    If it did not, they are those of its last answer, or None.
    """
    listed, problem = _fetched(feed, day)
    if listed is not None:
        _last_answers()[day] = listed
    return listed or _last_answers().get(day), problem


@st.cache_data(ttl=KEPT_S, refresh_mode="background", show_spinner=False)
def _fetched(_feed: Feed, day: date | None) -> tuple[Day | None, str | None]:
    """Ask the feed for `games_of`; cached for all readers."""
    try:
        return _feed.day(day), None
    except FeedError as error:
        return None, str(error)


@st.cache_resource(show_spinner=False)
def _last_answers() -> dict[date | None, Day]:
    return {}


def forget_days() -> None:
    """Drop the cached games: they are out of date."""
    _fetched.clear()


def _turn(text: str, to: date | None) -> None:
    """Draw a button that the style sheet shows as an arrow: an icon's name would be read aloud."""
    key = text.lower().replace(" ", "_")
    st.button(text, help=text, disabled=to is None, on_click=_go, args=(to,), type="tertiary", key=key)


def _pick(key: str) -> None:
    _go(st.session_state[key])


def _go(day: date | None) -> None:
    if day is None:
        st.query_params.pop(_NAME, None)
    else:
        st.query_params[_NAME] = day.isoformat()
