"""The game page's controls: which game, what counts, how often to ping, and whose numbers."""

import time
from typing import Final

import streamlit as st

from livegame.reports.counting import Count
from livegame.reports.game import GameReport
from ui.shown_model import newer_model, switch_to
from ui.words import COUNTS, model_name, plain

INTERVALS: Final = {0: "manually", 10: "every 10 s", 30: "every 30 s", 60: "every minute"}
INTERVAL: Final = 30
DEMO_INTERVALS: Final = {0: "manually", 5: "every 5 s", 30: "every 30 s"}  # a replay burdens no server of the league
DEMO_INTERVAL: Final = 5
COUNT: Final = Count.NO_EMPTY_NET  # empty-net attempts say more about the score than about the teams' play


def choose_game(shown: str, action: str = "Open and ping") -> str | None:
    """Draw the form with its button `action`; return the text entered once the button is clicked."""
    opened, game = st.session_state.get("opened", (0, None))
    if game != shown:
        # A new value needs a new field with that default: one written to this field's state is lost if a click
        # interrupts the run that wrote it.
        opened += 1
        st.session_state.opened = (opened, shown)
    with st.form("ping_form", border=False, width=330), st.container(horizontal=True, vertical_alignment="bottom"):
        typed = st.text_input("Game ID", shown, key=f"game_id_{opened}", placeholder="2021020329")
        return typed if st.form_submit_button(action, type="primary") else None


def counted() -> Count:
    """Return the switch's value before it is drawn: the reader's choice, else the one in the address."""
    asked = st.session_state.get("count") or st.query_params.get("count")
    return next((count for count, words in COUNTS.items() if asked in (count, words)), COUNT)


def choose_count() -> Count:
    """Draw the switch of what counts; return what it is set to."""
    chosen = st.segmented_control(
        "What counts",
        list(COUNTS),
        default=COUNT,
        required=True,
        format_func=COUNTS.__getitem__,
        key="count",
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
    )
    return Count(chosen or COUNT)  # an address may say "count=" and nothing more


def choose_interval(report: GameReport, *, is_demo: bool) -> None:
    """Draw the list of how often the page pings the game."""
    intervals, usual = (DEMO_INTERVALS, DEMO_INTERVAL) if is_demo else (INTERVALS, INTERVAL)
    st.selectbox(
        "Refresh",
        list(intervals),
        index=list(intervals).index(usual),
        format_func=intervals.__getitem__,
        key="every",
        persist_state="session",
        width=150,
        disabled=not report.is_awaited,
        help="How often the page pings a live game. Before the start it pings once an hour, and after the end it goes"
        " on for 15 minutes.",
    )


def is_due(report: GameReport, *, is_demo: bool) -> bool:
    """Return whether the page should ping: the last ping is older than the interval that the reader chose."""
    every = st.session_state.get("every", DEMO_INTERVAL if is_demo else INTERVAL)
    tried = time.monotonic() - st.session_state.get("tried_at", float("-inf"))
    return bool(every) and tried >= every and report.is_due(every)


def choose_model(report: GameReport) -> None:
    """Draw the list of models that have rated the game, if there are several; put the chosen one into the address."""
    if len(report.models) < 2:
        return
    chosen = st.selectbox(
        "Rated by",
        report.models,
        index=report.models.index(report.model) if report.model in report.models else 0,
        format_func=model_name,
        key=f"rated_by_{report.game_id}_{report.model}",
        help="Models that have rated this game. Totals never mix them.",
        width=280,
    )
    if chosen != report.model:
        st.query_params["model"] = str(chosen)
        st.rerun(scope="app")


def offer_newer_model(report: GameReport) -> None:
    """Offer the numbers of a model that was loaded after the page opened the game."""
    newer = newer_model(report)
    if newer is not None and st.button(
        f"Switch to {plain(model_name(newer))}", key=f"newer_{report.game_id}_{newer}", type="tertiary"
    ):
        switch_to(newer, report.game_id)
        st.rerun(scope="app")
