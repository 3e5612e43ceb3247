"""The page of past games: find one, see teams over many games, and whether the model can be trusted."""

from math import ceil
from typing import Any, Final

import pandas as pd
import streamlit as st

from db.connection import DatabaseError
from db.history import History
from livegame.calibration import Calibration, calibration
from livegame.report import stored_status
from ui import texts
from ui.clients import clients
from ui.model_charts import reliability
from ui.texts import plain

PAGE_ROWS: Final = 25
TEAMS_SHOWN: Final = 11
_COLOUR: Final = "#3b82c4"


def main() -> None:
    """Draw the page. It asks the history alone, and draws from top to bottom, so that nothing moves under a click."""
    history = clients().history
    try:
        st.title("History", anchor=False)
        if models := history.models():
            _model(history, models)
        else:
            st.info("Nothing has been scored yet. Ping a game on the first page, or take in recorded games (README).")
        _games(history)
    except DatabaseError as error:
        st.error(plain(error))


def _model(history: History, models: list[dict[str, Any]]) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = st.selectbox(
            "Model",
            [row["model"] for row in models],
            format_func=texts.model_name,
            help="All models that have scored games here, the newest first. Sums never mix them.",
            width=340,
        )
        season = st.selectbox(
            "Season", [None, *history.seasons()], format_func=texts.season_name, width=140, key="season"
        )
    left, right = st.columns((4, 5), gap="large")
    with left:
        st.subheader("Can it be trusted?", anchor=False)
        found = calibration(history, str(chosen))
        if found is not None:
            _trust(found)
    with right:
        st.subheader("Teams", anchor=False)
        _teams(history.teams(str(chosen), season))


def _trust(found: Calibration) -> None:
    with st.container(horizontal=True, gap="large"):
        st.metric("Shots", f"{found.shots:,}", width="content")
        st.metric("xG (goals)", f"{found.xg:,.0f} ({found.goals:,})", width="content")
        losses = f"{found.log_loss:.4f} ({found.base_log_loss:.4f})"
        st.metric("Log loss (of the goal rate alone)", losses, width="content")
    words = texts.trust_words(found)
    st.vega_lite_chart(spec=reliability(found, _COLOUR), height=340, alt=words)
    st.caption(plain(words))


def _teams(rows: list[dict[str, Any]]) -> None:
    if not rows:
        st.caption("No game of this season has been scored by this model.")
        return
    sums = pd.DataFrame(rows)
    frame = pd.DataFrame(
        {
            "Team": sums["team"],
            "Games": sums["games"],
            "xG": sums["xg"] / sums["games"],
            "Goals": sums["goals"] / sums["games"],
            "xG against": sums["xg_against"] / sums["games"],
            "Goals against": sums["goals_against"] / sums["games"],
            "xG share": sums["xg"] / (sums["xg"] + sums["xg_against"]),
        }
    ).sort_values("xG share", ascending=False)
    decimals = {column: st.column_config.NumberColumn(format="%.2f") for column in frame.columns[2:6]}
    share = st.column_config.ProgressColumn(format="percent", min_value=0, max_value=1)
    st.dataframe(
        frame,
        column_config=decimals | {"xG share": share},
        hide_index=True,
        height=430 if len(frame) > TEAMS_SHOWN else "content",
        alt="Each team's expected and real goals a game, for and against; the best share of expected goals first.",
    )
    st.caption("Per game. xG share: the team's part of both teams' expected goals.")


def _games(history: History) -> None:
    st.subheader("Games", anchor=False)
    search = st.text_input(
        "Search", key="search", type="search", bind="query-params", placeholder="capitals 2021-11", width=340,
        help="Words of team names, a date or its beginning, a game's ID.",
    )  # fmt: skip
    found = history.count_games(search or "")
    if not found:
        st.caption("No stored game fits." if search else "No games are stored yet.")
        return
    pages = ceil(found / PAGE_ROWS)
    top = st.container()
    page = st.pagination(pages, key=f"games_{search}") if pages > 1 else 1
    rows = history.games(search or "", limit=PAGE_ROWS, offset=(page - 1) * PAGE_ROWS)
    with top:
        _game_table(rows)
        st.caption(f"{texts.count(found, 'game')}, the latest first. Tick a row to open the game.")


def _game_table(rows: list[dict[str, Any]]) -> None:
    frame = pd.DataFrame([_game_line(row) for row in rows])
    numbers = {column: st.column_config.NumberColumn(format="%.2f") for column in ("away xG", "home xG")}
    chosen = st.dataframe(
        frame,
        column_config=numbers | {"ID": st.column_config.NumberColumn(format="%d")},
        hide_index=True,
        height="content",
        on_select="rerun",
        selection_mode="single-row",
        key=f"game_table_{'_'.join(str(row['game_id']) for row in rows[:1])}_{len(rows)}",
        alt=f"{texts.count(len(rows), 'game')} with scores and expected goals.",
    )
    if picked := chosen["selection"]["rows"]:
        st.switch_page("game.py", query_params={"game": str(rows[picked[0]]["game_id"])})


def _game_line(row: dict[str, Any]) -> dict[str, Any]:
    xg = {total["team"]: total["xg"] for total in row["totals"]}
    pending = sum(total["pending"] for total in row["totals"])
    return {
        "Date": row["game_date"],
        "Away": row["away_name"],
        "Home": row["home_name"],
        "Score": f"{row['away_score']} - {row['home_score']}",
        "away xG": xg.get(row["away_abbrev"]),
        "home xG": xg.get(row["home_abbrev"]),
        "State": stored_status(row) + (f", {texts.count(pending, 'shot')} pending" if pending else ""),
        "Model": texts.model_name(row["model"]) if row["model"] else "not scored",
        "ID": row["game_id"],
    }


if __name__ == "__main__":
    main()
