"""The tabs below the charts of a game, one view at a time; the address names the open one."""

from collections.abc import Callable
from typing import Final

import pandas as pd
import streamlit as st

from livegame.reports.game import GameReport
from ui.clients import Clients
from ui.colours import TeamColours
from ui.game_words import what_counts
from ui.parts.game.events import draw_events
from ui.parts.game.goals import draw_goals
from ui.parts.game.splits import draw_danger, draw_periods, draw_score_states, draw_strength
from ui.parts.game.two_models import draw_two_models
from ui.parts.table import head, table
from ui.words import COUNTED, plain

FEW_ATTEMPTS: Final = 25
_NO_ATTEMPTS: Final = "No attempts to add up here."


def draw(clients: Clients, report: GameReport, colours: TeamColours) -> None:
    """Draw the tabs, and the view that is open."""
    views: dict[str, Callable[[], object]] = {
        "Goals": lambda: draw_goals(report, colours),
        "Attempts": lambda: _attempts(report, colours),
        "Strength and score": lambda: _strength_and_score(report, colours),
        "Players": lambda: _players(report),
        "Goalies": lambda: _goalies(report),
        "Every attempt": lambda: st.fragment(draw_events)(report),
        "Two models": lambda: draw_two_models(clients.game, report, colours),
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
    st.caption(f"{COUNTED[report.count]}.")
    left, right = st.columns(2, gap="large")
    with left:
        draw_periods(report, colours)
    with right:
        draw_danger(report, colours)


def _strength_and_score(report: GameReport, colours: TeamColours) -> None:
    if report.present.empty:
        st.caption(_NO_ATTEMPTS)
        return
    st.caption(f"{COUNTED[report.count]}.")
    left, right = st.columns(2, gap="large")
    with left:
        draw_strength(report, colours)
    with right:
        draw_score_states(report, colours)


def _players(report: GameReport) -> None:
    players = report.by_shooter
    head(report.game_id, f"{COUNTED[report.count]}." if len(players) else _NO_ATTEMPTS)
    if players.empty:
        return
    frame = pd.DataFrame(
        {
            "Player": players["shooter"].fillna("unknown"),
            "Team": players["team"],
            "Unblocked attempts": players["shots"],
            "On goal": players["on_goal"],
            "xG": players["xg"],
            "Goals": players["goals"],
            "Goals above expected": players["goals_above_expected"],
            **_pending(players),
        }
    )
    config = {
        "xG": st.column_config.NumberColumn(format="%.2f"),
        "Goals above expected": st.column_config.NumberColumn(
            format="%+.2f", help="Goals minus xG: plus means more goals than expected"
        ),
    }
    table(frame, config, height=390)


def _goalies(report: GameReport) -> None:
    goalies = report.by_goalie
    if goalies.empty:
        head(report.game_id, "No goalie named by the league has faced an attempt that counts.")
        return
    head(report.game_id, "Includes misses; before 2019 the league did not record the goalie on misses.")
    frame = pd.DataFrame(
        {
            "Goalie": goalies["goalie"],
            "Team": goalies["team"],
            "Unblocked attempts faced": goalies["shots"],
            "On goal": goalies["on_goal"],
            "xG faced": goalies["xg"],
            "Goals against": goalies["goals"],
            "Goals saved above expected": goalies["saved_above_expected"],
            "Luck (1 SD)": goalies["deviation"],
            **_pending(goalies),
        }
    )
    decimals = st.column_config.NumberColumn(format="%.2f")
    config = {
        "xG faced": decimals,
        "Goals saved above expected": st.column_config.NumberColumn(
            format="%+.2f", help="xG faced minus goals against: plus means fewer goals than expected"
        ),
        "Luck (1 SD)": st.column_config.NumberColumn(
            format="%.2f",
            help="One standard deviation of goals against, if each attempt goes in by chance as often as its xG says",
        ),
    }
    table(frame, config)
    few = goalies[goalies["shots"] < FEW_ATTEMPTS]["goalie"]
    text = f"Small sample: {', '.join(few)} faced fewer than {FEW_ATTEMPTS} attempts. " if len(few) else ""
    st.warning(
        plain(f"{text}One game says little about a goalie: compare the goals saved with the Luck column."),
        icon=":material/casino:",
    )


def _pending(sums: pd.DataFrame) -> dict[str, "pd.Series[int]"]:
    """Return the column of attempts that are not rated yet, if there are any."""
    return {"Pending": sums["pending"]} if sums["pending"].any() else {}
