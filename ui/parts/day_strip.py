"""The strip of a day's games, with scores and states; one click opens a game."""

from collections.abc import Callable
from datetime import date
from typing import Final

import streamlit as st

from livegame.errors import FeedError
from livegame.feed import Feed
from livegame.plays import Day, GameState, GameSummary
from ui.words import league_words, local_time, plain, sentence, status_words

# After this time a new answer is fetched in the background; after twice this time the page waits for it. A request to
# a feed that hangs times out before that.
KEPT_S: Final = 45
EVERY_S: Final = 10


def day_strip(feed: Feed, shown: str, open_game: Callable[[int], None]) -> None:
    """Draw the strip; `shown` is the game that the page shows, `open_game` is called with the one that is clicked."""
    st.fragment(_strip, run_every=EVERY_S)(feed, shown, open_game)


def _strip(feed: Feed, shown: str, open_game: Callable[[int], None]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small", key="strip"):
        asked = st.session_state.get("day")
        day, problem = _games_of(feed, asked)
        if day is None:
            text = "The league's schedule is not available right now. You can still open a game by its ID."
            st.caption(f":material/cloud_off: {text}", help=plain(sentence(str(problem))))
            return
        _turn(":material/chevron_left:", "Previous day", day.previous)
        with st.popover(f"{day.day:%a}, {day.day:%b} {day.day.day}", help="Choose a day"):
            st.date_input("Day", day.day, key=f"picked_day_{day.day}", on_change=_pick, args=(f"picked_day_{day.day}",))
            st.button("Today", on_click=_go, args=(None,), disabled=asked is None)
        _turn(":material/chevron_right:", "Next day", day.next)
        if not day.games:
            st.caption("No games on this day.")
        with st.container(horizontal=True, wrap=False, gap="xsmall", key="strip_games"):
            for game in day.games:
                if st.button(
                    _label(game),
                    key=f"open_{game.game_id}",
                    help=plain(f"{game.away.name} at {game.home.name}, {game.game_id}"),
                    type="primary" if str(game.game_id) == shown else "secondary",
                ):
                    open_game(game.game_id)
    if day.problems:
        st.caption(f":material/report: {plain(league_words('; '.join(day.problems)))}")


def _turn(label: str, text: str, to: date | None) -> None:
    st.button(label, help=text, disabled=to is None, on_click=_go, args=(to,), type="tertiary")


def _pick(key: str) -> None:
    _go(st.session_state[key])


def _go(day: date | None) -> None:
    st.session_state.day = day


@st.cache_data(ttl=KEPT_S, refresh_mode="background", show_spinner=False)
def _games_of(_feed: Feed, day: date | None) -> tuple[Day | None, str | None]:
    """Return a day's games (default: the league's today), or None and the reason; cached for all readers."""
    try:
        return _feed.day(day), None
    except FeedError as error:
        return None, str(error)


def forget_days() -> None:
    """Drop the cached games: they are out of date."""
    _games_of.clear()


def _label(game: GameSummary) -> str:
    begun = game.state in (GameState.LIVE, GameState.OVER, GameState.FINAL)
    between = f"{game.away.score}\N{EN DASH}{game.home.score}" if begun else "at"
    return f"{plain(game.away.abbrev)} **{between}** {plain(game.home.abbrev)}  \n:small[{plain(_when(game))}]"


def _when(game: GameSummary) -> str:
    if game.state is not GameState.NOT_STARTED:
        short = game.status.replace("Period ", "P").replace(" left", "").replace("Intermission after ", "After ")
        return status_words(short)
    return local_time(game.start_time) if game.start_is_known else "TBD"
