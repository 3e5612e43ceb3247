"""The tabs below the charts of a game, one view at a time; the address names the open one."""

from collections.abc import Callable
from typing import Final

import streamlit as st

from db.history import History
from livegame.reports.counting import Count
from livegame.reports.game import GameReport
from livegame.reports.splits.strength import league_rates
from ui.clients import Clients
from ui.colours import TeamColours
from ui.game_words import what_counts
from ui.parts.game.events import draw_events
from ui.parts.game.goals import draw_goals
from ui.parts.game.players import draw_goalies, draw_players
from ui.parts.game.splits import draw_danger, draw_misses, draw_periods, draw_score_states, draw_strength
from ui.parts.game.two_models import draw_two_models
from ui.words import COUNTED

_NO_ATTEMPTS: Final = "No attempts to add up here."


def draw(clients: Clients, report: GameReport, colours: TeamColours) -> None:
    """Draw the tabs, and the view that is open."""
    views: dict[str, Callable[[], object]] = {
        "Goals": lambda: draw_goals(report, colours),
        "Attempts": lambda: _attempts(report, colours),
        "Strength and score": lambda: _strength_and_score(clients.history, report, colours),
        "Players": lambda: st.fragment(draw_players)(report, colours),
        "Goalies": lambda: draw_goalies(report, colours),
        "Every attempt": lambda: st.fragment(draw_events)(report, colours),
        "Two models": lambda: draw_two_models(clients, report, colours),
        "What counts": lambda: st.markdown(what_counts(report)),
    }
    for tab, view in zip(st.tabs(list(views), key="view", bind="query-params"), views.values(), strict=True):
        if tab.open:
            with tab:
                view()


def _attempts(report: GameReport, colours: TeamColours) -> None:
    if report.present.empty:
        st.caption(_NO_ATTEMPTS)
        return
    left_out = "" if report.count is Count.ALL else "; set the switch at the top to All for the league's numbers"
    st.caption(f"{COUNTED[report.count]}{left_out}.")
    left, right = st.columns((3, 2), gap="large")
    with left:
        draw_periods(report, colours)
        draw_danger(report, colours)
    with right:
        draw_misses(report, colours)


def _strength_and_score(history: History, report: GameReport, colours: TeamColours) -> None:
    if report.present.empty:
        st.caption(_NO_ATTEMPTS)
        return
    st.caption(f"{COUNTED[report.count]}.")
    league = league_rates(history, report)
    draw_strength(report, league, colours)
    draw_score_states(report, colours)
