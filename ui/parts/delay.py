"""The reader's delay: everything on the pages is shown some seconds later, in step with a television."""

from datetime import datetime
from typing import Final

import streamlit as st

from db import times
from db.connection import DatabaseError
from db.history import History
from ui import moment
from ui.parts.notices import Notice, keep, show
from ui.words import count, sentence

_PLACE: Final = "delay"
_SLIDER: Final = "delay_slider"
_CHANGED: Final = "delay_changed"


def delay_control(history: History, game_id: int | None = None) -> None:
    """Draw the delay with its slider and, on the page of a game, the button for a goal on the television."""
    if st.session_state.pop(_CHANGED, False):
        st.rerun(scope="app")  # what is drawn outside of this fragment obeys as well
    behind = moment.delay_s()
    with st.popover(
        f"Delay: {behind} s" if behind else "Delay",
        icon=":material/av_timer:",
        type="primary" if behind else "secondary",
        help="Show everything later, in step with your TV",
        key="delay_popover",
    ):
        st.session_state[_SLIDER] = behind
        st.slider(
            "Seconds behind the league's feed", 0, moment.LONGEST_DELAY_S, key=_SLIDER, on_change=_choose, format="%d s"
        )
        if game_id is not None:
            st.button(
                "Now! (a goal just happened on TV)",
                icon=":material/sports_score:",
                key="delay_now",
                help="Press when you see a goal on TV: the delay becomes the time since that goal was first seen here.",
                on_click=_now,
                args=(history, game_id),
            )
        show(_PLACE)
        st.caption("Score, clock, charts, tables, notices and the list of games are all shown that much later.")


def _choose() -> None:
    moment.set_delay(st.session_state[_SLIDER])
    st.session_state[_CHANGED] = True


def _now(history: History, game_id: int) -> None:
    """Set the delay to the time since the last goal was first seen."""
    try:
        seen_at = history.last_goal_seen(game_id)
    except DatabaseError as error:
        keep(_PLACE, Notice("error", sentence(str(error))))
        return
    ago_s = moment.LONGEST_DELAY_S + 1.0
    if seen_at is not None:
        ago_s = (times.utc_now() - datetime.fromisoformat(seen_at)).total_seconds()
    if 0 <= ago_s <= moment.LONGEST_DELAY_S:
        moment.set_delay(ago_s)
        st.session_state[_CHANGED] = True
        keep(_PLACE, Notice("success", f"In step: that goal was first seen {count(round(ago_s), 'second')} ago."))
    else:
        text = "No goal of this game was first seen in the last two minutes. Your TV may be ahead of the league's feed."
        keep(_PLACE, Notice("info", text))
