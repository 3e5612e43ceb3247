"""Whether win probability can be trusted: its reliability diagram on a season it has not seen, by its card."""

from collections.abc import Mapping
from typing import Any, Final

import streamlit as st

from ui.charts.model import win_reliability
from ui.words import plain, season_name

_COLOUR: Final = "#3b82c4"
_HEIGHT: Final = 300


def draw_win_card(card: Mapping[str, Any]) -> None:
    """Draw the verdict, the diagram, what win probability is and what it does not know."""
    st.subheader("Can win probability be trusted?", anchor=False)
    with st.container(key="win_card"):
        left, right = st.columns((4, 5), gap="large")
    with left:
        st.markdown(f"**{plain(verdict(card))}**")
        tenths, words = card["figures"]["tenths"]["all plays"]["home_team"], diagram_words(card)
        st.vega_lite_chart(spec=win_reliability(tenths, _COLOUR), height=_HEIGHT, alt=words)
        st.caption(plain(words))
    with right:
        st.markdown(plain(card["what"]))
        st.markdown("\n".join(f"- {plain(limit)}" for limit in card["limits"]))


def verdict(card: Mapping[str, Any]) -> str:
    """Return in a sentence how far the probabilities are off, over both teams and for the home team alone."""
    tested, all_plays = card["tested_on"], card["figures"]["tenths"]["all plays"]
    return (
        f"On {tested['plays']:,} plays of {season_name(tested['season'])}, a season that it had not seen, teams won as"
        f" often as it said, within {_points(all_plays['worst_each_team'])} percentage points in every tenth; the home"
        f" teams alone within {_points(all_plays['worst_home_team'])}."
    )


def diagram_words(card: Mapping[str, Any]) -> str:
    """Return what the diagram shows, and what is gained on score and time alone."""
    brier = card["figures"]["brier"]
    alone = brier["chain on score and time alone"]
    return (
        "How often the home team won, by its probability; bars are 95% intervals by game. Brier score"
        f" {brier['ours']:.4f} (lower is better); score and time alone give {alone['brier']:.4f}, which is worse by"
        f" {alone['low']:.4f} to {alone['high']:.4f} (95% by game)."
    )


def _points(difference: float) -> str:
    return f"{difference:.1%}".removesuffix("%")
