"""The page of past games: find one, see teams over many games, and whether the model can be trusted."""

import json
from dataclasses import asdict
from math import ceil
from typing import Any, Final

import pandas as pd
import streamlit as st

from db.connection import DatabaseError
from db.history import SEASON, History
from livegame.reports.calibration import calibration
from livegame.reports.game_list import GameLine, game_lines
from livegame.reports.teams import TeamLine, team_lines
from ui import words
from ui.clients import clients, last_active_model
from ui.parts.calibration import draw as draw_calibration
from ui.words import plain

PAGE_ROWS: Final = 25
TEAMS_SHOWN: Final = 11
_TEAM_COLUMNS: Final = ("Team", "Games", "xG", "Goals", "xG against", "Goals against", "xG share")  # of `TeamLine`


def main() -> None:
    """Draw the page. It asks the history alone, and draws from top to bottom, so that nothing moves under a click."""
    history = clients().history
    st.query_params.pop("game", None)  # of a game that was opened from here, when the reader comes back
    try:
        st.title("History", anchor=False)
        if models := history.models():
            _model(history, {row["model"]: row for row in models})
        else:
            st.info("Nothing has been rated yet. Ping a game, or import recorded games (see docs/commands.md).")
        _games(history)
    except DatabaseError as error:
        st.error(plain(error))


def _model(history: History, models: dict[str, dict[str, Any]]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = str(_choose_model(list(models)))
        season = st.selectbox(
            "Season", [None, *history.seasons()], format_func=words.season_name, width=140, key="season"
        )
        competition = _choose_competition(history.competitions(chosen))
    trained_on = _trained_on(models[chosen])
    with st.container(key="trust_and_teams"):
        left, right = st.columns((4, 5), gap="large")
    with left:
        st.subheader("Can it be trusted?", anchor=False)
        found = calibration(history, chosen, trained_on, season, competition)
        if found is None:
            st.caption("This model has rated no shot of this season.")
        else:
            draw_calibration(found)
    with right:
        st.subheader("Teams", anchor=False)
        _teams(team_lines(history, chosen, season, competition))


def _choose_model(models: list[str]) -> str | None:
    """Let the reader choose a model: at first the active one, as far as the service has told which that is.

    The page does not ask the service, so nothing here waits for it. Where the active model was not known yet,
    `ui.pages.app` draws the page again once it is.
    """
    start = st.session_state.get("history_model_at_first") or last_active_model()["id"]
    st.session_state.history_model_at_first = start
    return st.selectbox(
        "Model",
        models,
        index=models.index(start) if start in models else 0,
        format_func=words.model_name,
        key=f"history_model_{start}",
        help="All models that have rated games here, the newest first. Sums never mix them.",
        width=340,
    )


def _choose_competition(competitions: list[str]) -> str:
    """Let the reader choose where there is more than regular season and playoffs: they are never summed with others."""
    if set(competitions) <= {SEASON}:
        return SEASON
    offered = [SEASON, *(name for name in competitions if name != SEASON)]
    return str(
        st.selectbox("Competition", offered, format_func=words.COMPETITIONS.__getitem__, width=240, key="competition")
    )


def _trained_on(model: dict[str, Any]) -> list[int] | None:
    """The seasons that a model learned from: as noted when it first rated a game, or as the service says now."""
    if model["trained_on"] is not None:
        return list(json.loads(model["trained_on"]))
    active = last_active_model()
    return active["trained_on"] if active["id"] == model["model"] else None


def _teams(lines: list[TeamLine]) -> None:
    if not lines:
        st.caption("This model has rated no game of this season.")
        return
    frame = pd.DataFrame(map(asdict, lines)).set_axis(list(_TEAM_COLUMNS), axis=1)
    decimals = {column: st.column_config.NumberColumn(format="%.2f") for column in frame.columns[2:6]}
    share = st.column_config.ProgressColumn(format="%.1f %%", min_value=0, max_value=100)
    st.dataframe(
        frame,
        column_config=decimals | {"xG share": share},
        hide_index=True,
        height=430 if len(frame) > TEAMS_SHOWN else "content",
        alt="Each team's expected and real goals a game, for and against; the best share of expected goals first.",
    )
    st.caption("Per game, attempts at an empty net included. xG share: the team's part of both teams' expected goals.")


def _games(history: History) -> None:
    st.subheader("Games", anchor=False)
    search = st.text_input(
        "Search", key="search", type="search", bind="query-params", placeholder="capitals 2021-11", width=340,
        help="Words of team names, a date or its beginning, a game's ID.",
    )  # fmt: skip
    found = history.count_games(search or "")
    if not found:
        st.caption("No match." if search else "No games are stored yet.")
        return
    pages = ceil(found / PAGE_ROWS)
    top = st.container()
    page = st.pagination(pages, key=f"games_{search}") if pages > 1 else 1
    lines = game_lines(history, search or "", limit=PAGE_ROWS, offset=(page - 1) * PAGE_ROWS)
    with top:
        _game_table(lines)
        games = f"{found:,} {'game' if found == 1 else 'games'}"
        st.caption(f"{games}, the latest first. Click a game to open it.")


def _game_table(lines: list[GameLine]) -> None:
    frame = pd.DataFrame([_game_line(line) for line in lines])
    numbers = {
        column: st.column_config.NumberColumn(
            format="%.2f", help="Without attempts at an empty net, as on the Game page."
        )
        for column in ("Away xG", "Home xG")
    }
    chosen = st.dataframe(
        frame,
        column_config=numbers | {"ID": st.column_config.NumberColumn(format="%d")},
        hide_index=True,
        height="content",
        on_select="rerun",
        selection_mode="single-cell",
        key=f"game_table_{'_'.join(str(line.row['game_id']) for line in lines[:1])}_{len(lines)}",
        alt=f"{words.count(len(lines), 'game')} with scores and expected goals.",
    )
    if picked := chosen["selection"]["cells"]:
        row, _ = picked[0]
        st.switch_page("game.py", query_params={"game": str(lines[row].row["game_id"])})


def _game_line(line: GameLine) -> dict[str, Any]:
    row = line.row
    notes = [] if row["competition"] == SEASON else [words.COMPETITIONS[row["competition"]]]
    notes += [f"{words.count(line.pending, 'attempt')} pending"] if line.pending else []
    return {
        "Date": row["game_date"],
        "Away": row["away_name"],
        "Home": row["home_name"],
        "Score": f"{row['away_score']}\u2013{row['home_score']}",
        "Away xG": line.away_xg,
        "Home xG": line.home_xg,
        "State": ", ".join([line.status, *notes]),
        "Rated by": words.model_name(row["model"]) if row["model"] else "not rated",
        "ID": row["game_id"],
    }


if __name__ == "__main__":
    main()
