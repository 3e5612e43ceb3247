"""The Tonight page: all of a day's games."""

import streamlit as st

from ui import address
from ui.clients import connect
from ui.parts.day import choose_day, chosen_day, games_of
from ui.parts.game.controls import choose_count
from ui.words import plain, status_words

EVERY_S = 10


def main() -> None:
    """Draw the games, and again while they are played."""
    st.fragment(_tonight, run_every=EVERY_S)()


def _tonight() -> None:
    address.remember("")
    listed, _ = games_of(connect().feed, chosen_day())
    if listed is None:
        st.info("The league's schedule is not available right now. It comes back by itself.")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        choose_day(listed)
        choose_count()
    for game in listed.games:
        st.page_link(
            address.GAME_PAGE,
            label=f"{plain(game.away.name)} at {plain(game.home.name)}, {plain(status_words(game.status))}",
            query_params=address.to_game(game.game_id),
        )


if __name__ == "__main__":
    main()
