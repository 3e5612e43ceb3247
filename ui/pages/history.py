"""The History page: find a stored game, compare teams over many games, see whether a model can be trusted."""

import json
from math import ceil
from typing import Any, Final

import streamlit as st

from db.connection import DatabaseError
from db.history import SEASON, History
from livegame.reports.calibration import calibration
from livegame.reports.game_list import game_lines
from livegame.reports.teams import TeamLine, team_lines
from livegame.win_probability.parameters import card
from ui import address, moment
from ui.clients import active_model, connect, last_active_model
from ui.parts import comparison
from ui.parts.calibration import draw_calibration
from ui.parts.game_list import draw_games, draw_teams
from ui.parts.win_card import draw_win_card
from ui.words import COMPETITIONS, count, model_name, plain, season_name

PAGE_ROWS: Final = 25


def main() -> None:
    """Draw the page from the history alone, so that nothing moves under a click.

    The comparison of models takes a second or more: it is drawn last, in the room that is kept for it.
    """
    address.remember("history")
    history = connect().history
    st.query_params.pop("game", None)  # of the game that was opened from here
    try:
        st.title("History", anchor=False)
        models = {row["model"]: row for row in history.models()}
        if models:
            chosen, season, competition = _choices(history, list(models))
            _model(history, models[chosen], season, competition)
            place = comparison.place(chosen, list(models))
        else:
            st.info("Nothing has been rated yet. Ping a game, or import recorded games (see docs/commands.md).")
        _games(history)
        draw_win_card(card())
        if models:
            if len(models) > 1:
                _wait_for_the_active_model()
            with place:
                comparison.draw(history, chosen, list(models), season, competition)
    except DatabaseError as error:
        st.error(plain(error))


def _wait_for_the_active_model() -> None:
    """Draw the page again if it began before the active model was known: comparing with another one costs seconds."""
    if st.session_state.history_model_at_first is None and active_model(connect().serving)[0] is not None:
        del st.session_state.history_model_at_first
        st.rerun()


def _choices(history: History, models: list[str]) -> tuple[str, int | None, str]:
    """Draw the lists; return the model, the season (None: all) and the competition."""
    with st.container(horizontal=True, vertical_alignment="bottom", key="choices"):
        chosen = str(_choose_model(models))
        season = st.selectbox("Season", [None, *history.seasons()], format_func=season_name, width=140, key="season")
        return chosen, season, _choose_competition(history.competitions(chosen))


def _model(history: History, model: dict[str, Any], season: int | None, competition: str) -> None:
    with st.container(key="trust_and_teams"):
        left, right = st.columns((4, 5), gap="large")
    with left:
        st.subheader("Can it be trusted?", anchor=False)
        found = calibration(history, model["model"], _trained_on(model), season, competition)
        if found is None:
            st.caption("This model has rated no shots of this season.")
        else:
            draw_calibration(found)
    with right:
        st.subheader("Teams", anchor=False)
        _teams(team_lines(history, model["model"], season, competition))


def _choose_model(models: list[str]) -> str | None:
    """Draw the list of models; it starts with the active one.

    Nothing here waits for the service: if that model is unknown, `ui.pages.app` draws the page again once it is known.
    """
    start = st.session_state.get("history_model_at_first") or last_active_model()["id"]
    st.session_state.history_model_at_first = start
    return st.selectbox(
        "Model",
        models,
        index=models.index(start) if start in models else 0,
        format_func=model_name,
        key=f"history_model_{start}",
        help="Models that have rated games here: that of the latest game, then the newest. Totals never mix them.",
        width=340,
    )


def _choose_competition(competitions: list[str]) -> str:
    """Draw the list of competitions if there are any besides season and playoffs; they are never summed."""
    if set(competitions) <= {SEASON}:
        return SEASON
    offered = [SEASON, *(name for name in competitions if name != SEASON)]
    return str(st.selectbox("Competition", offered, format_func=COMPETITIONS.__getitem__, width=240, key="competition"))


def _trained_on(model: dict[str, Any]) -> list[int] | None:
    """Return a model's training seasons: as noted when it first rated a game, else as the service last said."""
    if model["trained_on"] is not None:
        return list(json.loads(model["trained_on"]))
    active = last_active_model()
    return active["trained_on"] if active["id"] == model["model"] else None


def _teams(lines: list[TeamLine]) -> None:
    if not lines:
        st.caption("This model has rated no games of this season.")
        return
    draw_teams(lines)
    st.caption("Per game, empty-net attempts included. xG share: the team's share of both teams' expected goals.")


def _games(history: History) -> None:
    st.subheader("Games", anchor=False)
    search = st.text_input(
        "Search", key="search", type="search", bind="query-params", placeholder="capitals 2021-11", width=340,
        help="Team names, a date (2021-11-28, 2021-11 or 2021) or a game ID.",
    )  # fmt: skip
    found = history.count_games(search or "")
    if not found:
        st.caption("No games match." if search else "No games are stored yet.")
        return
    pages = ceil(found / PAGE_ROWS)
    top = st.container()
    page = st.pagination(pages, key=f"games_{search}") if pages > 1 else 1
    lines = game_lines(history, search or "", limit=PAGE_ROWS, offset=(page - 1) * PAGE_ROWS, moment=moment.delayed())
    with top:
        draw_games(lines)
        st.caption(f"{count(found, 'game')}, newest first. Click a game to open it.")


if __name__ == "__main__":
    main()
