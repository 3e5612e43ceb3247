"""The strip of a day's games, with scores and states; one click opens a game."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from livegame.feed import Feed
from livegame.plays import GameState, GameSummary
from ui.parts.day import choose_day, chosen_day, games_of
from ui.words import league_words, local_time, plain, sentence, status_words

EVERY_S: Final = 10


def day_strip(feed: Feed, shown: str, open_game: Callable[[int], None]) -> None:
    """Draw the strip; `shown` is the game that the page shows, `open_game` is called with the one that is clicked."""
    st.fragment(_strip, run_every=EVERY_S)(feed, shown, open_game)


def _strip(feed: Feed, shown: str, open_game: Callable[[int], None]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small", key="strip"):
        day, problem = games_of(feed, chosen_day())
        if day is None:
            text = "The league's schedule is not available right now. You can still open a game by its ID."
            st.caption(f":material/cloud_off: {text}", help=plain(sentence(str(problem))))
            return
        choose_day(day, chosen_day())
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


def _label(game: GameSummary) -> str:
    begun = game.state in (GameState.LIVE, GameState.OVER, GameState.FINAL)
    between = f"{game.away.score}\N{EN DASH}{game.home.score}" if begun else "at"
    return f"{plain(game.away.abbrev)} **{between}** {plain(game.home.abbrev)}  \n:small[{plain(_when(game))}]"


def _when(game: GameSummary) -> str:
    if game.state is not GameState.NOT_STARTED:
        short = game.status.replace("Period ", "P").replace(" left", "").replace("Intermission after ", "After ")
        return status_words(short)
    return local_time(game.start_time) if game.start_is_known else "TBD"
