"""The time machine: a slider over the game's clock that shows the game as it stood at any second of it."""

import time
from typing import Final

import streamlit as st

from livegame.plays import GameState
from livegame.reports.game import GameReport
from ui import moment
from ui.colours import TeamColours
from ui.words import clock_words

SPEED: Final = 60  # seconds of the game's clock per second
EVERY_S: Final = 1.0
_STEP_S: Final = 10
_PLAYING: Final = "time_machine_since"  # when the last step was played; not there while it stands still
_TURNED: Final = "time_machine_turned"  # play or pause was clicked
_BUTTON_PX: Final = 104  # the same for both words, so that the slider stands still
_ENDS: Final = {True: "End", False: "Now"}  # by whether the game is over


def playing_every_s() -> float | None:
    """Return how often the page is drawn while the game is played; None while it stands still."""
    return EVERY_S if _PLAYING in st.session_state else None


def play_on() -> None:
    """Show a later second if the game is played: as many later as the time since the last step allows."""
    if st.session_state.pop(_TURNED, False):
        st.rerun(scope="app")  # from now on the page is drawn by itself, or no longer
    since, second, now = st.session_state.get(_PLAYING), moment.second_shown(), time.monotonic()
    if since is None or second is None or now - since < EVERY_S / 2:  # a run that the clock has not asked for
        return
    st.session_state[_PLAYING] = now
    moment.show_second(second + round(SPEED * (now - since)))


def time_machine(report: GameReport, colours: TeamColours) -> None:
    """Draw the slider with a mark per goal, play and pause, and the way back; nothing before the first second."""
    if not report.length_s:
        return
    second = moment.second_shown()
    is_whole = second is None or second >= report.length_s
    at = report.length_s if second is None or is_whole else second
    is_playing = _PLAYING in st.session_state
    if is_playing and is_whole:
        _back()
        st.rerun(scope="app")
    with st.container(horizontal=True, vertical_alignment="center", key="time_machine_row"):
        st.button(
            "Pause" if is_playing else "Play",
            icon=":material/pause:" if is_playing else ":material/play_arrow:",
            key="time_machine_play",
            help="Stop here" if is_playing else f"Play the game from here, {SPEED} times as fast",
            width=_BUTTON_PX,
            on_click=_pause if is_playing else _play,
            args=() if is_playing else (0 if is_whole else at,),
        )
        is_over = report.known_state in (GameState.OVER, GameState.FINAL)
        end = _ENDS[is_over]
        with st.container(key="time_machine_slider"):
            st.html(_marks(report, colours))
            key = f"time_machine_{report.game_id}"
            st.session_state[key] = at
            st.select_slider(
                "Time machine: the game as it stood at",
                sorted({*range(0, report.length_s, _STEP_S), at, report.length_s}),
                key=key,
                format_func=lambda option: end if option >= report.length_s else clock_words(option),
                label_visibility="collapsed",
                on_change=_choose,
                args=(key, report.length_s),
            )
        st.button(
            "Whole game" if is_over else "Back to live", key="time_machine_back", disabled=is_whole, on_click=_back
        )
    st.caption(_note(report, is_whole=is_whole))


def _note(report: GameReport, *, is_whole: bool) -> str:
    if is_whole:
        return "Move the slider to see the game as it stood then."
    if not report.was_followed:
        return "By the game's clock alone: no ping saw this game played, so nothing says when the league reported what."
    return "By the game's clock, with the league's corrections since."


def _marks(report: GameReport, colours: TeamColours) -> str:
    """Return a mark per goal as HTML, in its team's colour, above the place of its second on the slider."""
    marks = "".join(
        f'<i style="left: {100 * second / report.length_s:.2f}%; color: {colours[1 if is_home else 0]}">★</i>'
        for second, is_home in report.goal_marks
    )
    return f'<div class="xg-marks" aria-hidden="true">{marks}</div>'


def _choose(key: str, length_s: int) -> None:
    _pause()
    second = int(st.session_state[key])
    moment.show_second(second if second < length_s else None)


def _play(start: int) -> None:
    moment.show_second(start)
    st.session_state[_PLAYING] = time.monotonic()
    st.session_state[_TURNED] = True


def _pause() -> None:
    if _PLAYING in st.session_state:
        del st.session_state[_PLAYING]
        st.session_state[_TURNED] = True


def _back() -> None:
    _pause()
    moment.show_second(None)
