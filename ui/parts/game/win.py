"""The curve of who will win over the game so far, with what it means."""

from html import escape
from typing import Any, Final

import pandas as pd
import streamlit as st

from db.history import History
from livegame.reports.game import GameReport
from livegame.reports.win_probability import game_prior, win_curve
from ui.charts.win import win_curve_chart
from ui.colours import TeamColours
from ui.words import chance_words

MEANING: Final = "who will win from here, by score, time, manpower and the chances so far"
_KEPT: Final = 256


def draw_win(history: History, report: GameReport, colours: TeamColours, *, height: int) -> None:
    """Draw the curve; nothing for games that there is no model of.

    Raises:
        DatabaseError: the history cannot be read.
    """
    curve = _curve(history, report, report.content)
    if curve.empty:
        return
    with st.container(key="win_title"):
        st.html(f'<h2 class="xg-title">Win probability<span> · {escape(MEANING)}</span></h2>')
    with st.container(key="win"):
        home = float(curve["home"].iloc[-1])
        chances = f"{report.away.name} {chance_words(1 - home)}, {report.home.name} {chance_words(home)}"
        st.vega_lite_chart(
            spec=_spec(curve, report, report.content, colours),
            height=height,
            alt=f"Win probability over game time; now {chances}.",
        )


# Cached for all readers. `content` is the key; the underscores leave out what it stands for.
@st.cache_data(max_entries=_KEPT, show_spinner=False)
def _curve(_history: History, _report: GameReport, content: str) -> pd.DataFrame:  # noqa: ARG001
    return win_curve(_report, game_prior(_history, _report))


@st.cache_data(max_entries=_KEPT, show_spinner=False)
def _spec(
    _curve: pd.DataFrame,
    _report: GameReport,
    content: str,  # noqa: ARG001
    colours: TeamColours,
) -> dict[str, Any]:
    return win_curve_chart(_curve, _report, colours)
