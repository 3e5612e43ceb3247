"""The strip of a day's games above a game: live ones first, with scores, states and xG; one click opens a game."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from db.connection import DatabaseError
from livegame.plays import GameState
from livegame.reports.game import GameReport
from livegame.reports.tonight import Line, line_of
from ui import moment
from ui.clients import Clients
from ui.parts.card import when
from ui.parts.day import choose_day, chosen_day, games_of
from ui.parts.game.controls import counted
from ui.shown_model import models_of
from ui.words import league_words, local_time, plain, sentence

EVERY_S: Final = 10
_OPEN: Final = "open_line"
# The open game's chip may be outside of a strip that scrolls. Only its own row is moved, never the page, and again once
# the page has found its layout.
_SCROLL: Final = """<script>[0, 300, 1000].forEach(wait => setTimeout(() => {{
  const places = [".st-key-open_{game}", ".st-key-strip_games"].map(name => document.querySelector(name));
  const [chip, row] = places.map(place => place?.getBoundingClientRect());
  if (chip && row) places[1].scrollLeft += chip.left + chip.width / 2 - row.left - row.width / 2;
}}, wait))</script>"""


def day_strip(clients: Clients, shown: str, open_game: Callable[[int], None]) -> None:
    """Draw the strip; `shown` is the game that the page shows, `open_game` is called with the one that is clicked."""
    st.fragment(_strip, run_every=EVERY_S)(clients, shown, open_game)


def keep_open_game(report: GameReport | None) -> None:
    """Have the strip show the open game as the page does: by the same report."""
    st.session_state[_OPEN] = report and line_of(report)


def _strip(clients: Clients, shown: str, open_game: Callable[[int], None]) -> None:
    with st.container(horizontal=True, vertical_alignment="center", wrap=False, gap="small", key="strip"):
        day, problem = games_of(clients.feed, chosen_day())
        if day is None:
            text = "The league's schedule is not available right now. You can still open a game by its ID."
            st.caption(f":material/cloud_off: {text}", help=plain(sentence(str(problem))))
            return
        choose_day(day, chosen_day())
        if not day.games:
            st.caption("No games on this day.")
        try:
            lines = clients.evening.lines(day.games, counted(), moment.delayed(), models_of(day.games))
        except DatabaseError as error:
            st.caption(plain(error))
            return
        with st.container(horizontal=True, wrap=False, gap="xsmall", key="strip_games"):
            for line in map(_as_the_page, lines):
                if st.button(
                    _label(line),
                    key=f"open_{line.game_id}",
                    help=plain(f"{line.away.name} at {line.home.name}"),
                    type="primary" if str(line.game_id) == shown else "secondary",
                ):
                    open_game(line.game_id)
            if any(str(line.game_id) == shown for line in lines):
                st.html(_SCROLL.format(game=shown), unsafe_allow_javascript=True)
    if day.problems:
        st.caption(f":material/report: {plain(league_words('; '.join(day.problems)))}")


def _as_the_page(line: Line) -> Line:
    """Return the line of a game as the page shows it, if it is the open one."""
    kept: Line | None = st.session_state.get(_OPEN)
    return kept if kept is not None and kept.game_id == line.game_id else line


def _label(line: Line) -> str:
    between = f"**{line.away.score}\N{EN DASH}{line.home.score}**" if line.has_score else "at"
    below = "\N{BLACK CIRCLE} " if line.is_live else ""
    if line.state is GameState.NOT_STARTED:
        below += local_time(line.start_time) if line.start_is_known else "TBD"
    else:
        below += when(line)
    if line.numbers and line.numbers.is_rated:
        below += f" · {line.numbers.away_xg:.2f}\N{EN DASH}{line.numbers.home_xg:.2f}"
    return f"{plain(line.away.abbrev)} {between} {plain(line.home.abbrev)}  \n:small[{plain(below)}]"
