"""The view of all events: each shot with its features and probability, and what the league corrected."""

from typing import Any, Final

import pandas as pd
import streamlit as st

from db.words import folded
from livegame.features.features import FEATURES
from livegame.reports.game import GameReport
from ui.parts.game.corrections import corrections_list
from ui.parts.table import head
from ui.words import STATUS_MARKS, count, plain

_HIDDEN: Final = ("shooter_id", "goalie_id")
_FIRST: Final = ("event_id", "period", "time", "team", "shooter", "outcome", "probability", "status")


def draw_events(report: GameReport) -> None:
    """Draw the table of features with each shot's probability, and the corrections."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader("Data used for predictions (and predictions)", anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
            search = st.text_input(
                "Search", key=f"search_{report.game_id}", type="search", placeholder="player, team or outcome"
            )
            st.download_button(
                "Download CSV",
                report.shots.to_csv(index=False).encode(),
                file_name=f"{report.game_id}.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
            )
    newest_first = report.shots.iloc[::-1].drop(columns=list(_HIDDEN))
    found = newest_first[_matches(newest_first, search or "")]
    some = f"{len(found)} of " if len(found) < len(report.shots) else ""
    head(report.game_id, f"{some}{count(len(report.shots), 'attempt')}, counted or not, newest first.")
    st.dataframe(
        found.assign(status=found["status"].map(STATUS_MARKS)),
        column_config=_event_columns(),
        column_order=[*_FIRST, *(column for column in found.columns if column not in _FIRST)],
        hide_index=True,
        height=420,
        key=f"shots_{report.game_id}",
        placeholder="-",
        alt=f"{count(len(found), 'attempt')} with all features and probabilities, as in the CSV file.",
    )
    if not report.corrections.empty:
        st.markdown(f"**Corrections by the league ({len(report.corrections)})**")
        st.html(corrections_list(report))


def _matches(events: pd.DataFrame, search: str) -> "pd.Series[bool]":
    """Return which events have every word of the search in one of their texts."""
    wanted = folded(search).split()
    columns = ["team", "shooter", "goalie", "outcome", "status", "situation", "shot_type", "time", "strength_state"]
    text = events[columns].astype(object).fillna("").agg(" ".join, axis=1).map(folded)
    found = pd.Series(data=True, index=events.index, dtype=bool)
    for word in wanted:
        found &= text.str.contains(word, regex=False)
    return found


def _event_columns() -> dict[str, Any]:
    columns: dict[str, Any] = {
        "event_id": st.column_config.NumberColumn("event", format="%d", pinned=True),
        "time": st.column_config.TextColumn("time", help="in the period"),
        "status": st.column_config.TextColumn("status", help="of the prediction", width="small"),
        "missing": st.column_config.TextColumn("missing", help="what the league has not reported yet"),
        "running_xg": st.column_config.NumberColumn("running_xg", help="the team's xG so far", format="%.2f"),
        "probability": st.column_config.ProgressColumn(
            "probability", help="of a goal, by the model", format="%.3f", min_value=0, max_value=1
        ),
    }
    for feature in FEATURES:
        text = f"{feature.formula} ({feature.unit})" if feature.unit else feature.formula
        if feature.kind == "category":
            columns[feature.name] = st.column_config.TextColumn(feature.name, help=plain(text))
        else:
            decimals = 1 if feature.unit in ("ft", "deg", "ft/s") else 0
            columns[feature.name] = st.column_config.NumberColumn(
                feature.name, help=plain(text), format=f"%.{decimals}f"
            )
    return columns
