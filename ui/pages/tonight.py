"""The Tonight page, where a reader starts: all of a day's games, each a card that opens it."""

from typing import Final

import streamlit as st

from db.connection import DatabaseError
from livegame.plays import Day
from livegame.reports.tonight import Line, sections
from ui import address, moment
from ui.clients import Clients, connect, last_active_model
from ui.colours import Theme, team_colours
from ui.parts.card import card, card_words
from ui.parts.day import choose_day, chosen_day, day_name, games_of
from ui.parts.delay import delay_control
from ui.parts.game.controls import choose_count
from ui.shown_model import models_of
from ui.tab import set_title
from ui.theme import reader_theme
from ui.words import league_words, plain, sentence

EVERY_S: Final = 5  # how often the page compares itself with the history


def main() -> None:
    """Draw the games, and again every few seconds."""
    clients = connect()
    with st.container(key="tonight"):
        st.fragment(_tonight, run_every=EVERY_S)(clients)


def _tonight(clients: Clients) -> None:
    address.remember("")
    with st.container(horizontal=True, vertical_alignment="center", key="tonight_head"):
        heading = st.container(width="content")
        days = st.container(width="content")
        with st.container(width="content", key="tonight_count"):
            count = choose_count()
        with st.container(width="content", key="tonight_delay"):
            delay_control(clients.history)
    asked = chosen_day()
    listed, problem = games_of(clients.feed, asked)
    with heading:
        st.title(day_name(asked), anchor=False)
    with days:
        choose_day(listed, asked)
    if listed is None:
        text = "The league's schedule is not available right now. It comes back by itself; stored games are on History."
        st.info(text, icon=":material/cloud_off:")
        st.caption(plain(sentence(str(problem))))
        return
    _say(listed, problem)
    try:
        lines = clients.evening.lines(
            listed.games, count, moment.delayed(), models_of(listed.games), last_active_model()["id"]
        )
        clients.watch.ping_due(
            listed.games, [line.game_id for line in lines if line.numbers and line.numbers.is_behind]
        )
    except DatabaseError as error:
        st.error(plain(error))
        return
    live = sum(line.is_live for line in lines)
    set_title("", " · ".join([day_name(asked), *([f"{live} live"] if live else [])]))
    if not lines:
        st.info("No games on this day.")
    theme = reader_theme()
    for title, games in sections(lines).items():
        with st.container(key=f"games_{title.split()[0].lower()}", gap="xsmall"):
            st.header(f"{title} · {len(games)}", anchor=False)
            with st.container(key=f"cards_{title.split()[0].lower()}"):
                for line in games:
                    _card(clients, line, theme)


def _say(listed: Day, problem: str | None) -> None:
    """Say what is wrong with the list of games, if anything."""
    if problem:
        st.caption(":material/cloud_off: The league's schedule is not available right now; this is its last answer.")
    if listed.problems:
        st.caption(f":material/report: {plain(league_words('; '.join(listed.problems)))}")


def _card(clients: Clients, line: Line, theme: Theme) -> None:
    problem = "not up to date" if clients.watch.problem(line.game_id) else ""
    colours = team_colours(line.away.abbrev, line.home.abbrev, theme)
    with st.container(key=f"card_{line.game_id}"):
        st.html(card(line, colours, problem))
        st.page_link(
            address.GAME_PAGE,
            label=plain(card_words(line, problem)),
            query_params=address.to_game(line.game_id),
        )


if __name__ == "__main__":
    main()
