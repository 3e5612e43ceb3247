"""The view of every attempt: ten columns for people or all features, and what the league corrected."""

import re
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import pandas as pd
import streamlit as st

from db.words import folded
from livegame.features.features import FEATURES
from livegame.reports.attempts import BLOCKED
from livegame.reports.every_attempt import every_attempt
from livegame.reports.game import GameReport
from ui.colours import TeamColours
from ui.parts.game.corrections import corrections_list
from ui.parts.html_table import Column, Row, draw_table, team_mark
from ui.words import ATTEMPTS, STATUS_MARKS, count, decimals, period_name, plain, strength_name

_HIDDEN: Final = ("shooter_id", "goalie_id")
_FIRST: Final = ("event_id", "period", "time", "team", "shooter", "outcome", "probability", "status")
_NAMES: Final = ["team", "shooter", "goalie", "shot_type", "time"]
_LISTED: Final = ["outcome", "status", "strength"]  # each value is one word of the search
_COLUMNS: Final = (
    Column("When", is_number=False),
    Column("Team", is_number=False),
    Column("Shooter", is_number=False),
    Column("xG"),
    Column("Outcome", is_number=False, begins_group=True),
    Column("Strength", is_number=False, is_wide=True),
    Column("Type", is_number=False, is_wide=True),
    Column("Feet", is_wide=True, help="Distance from the net"),
    Column("Goalie", is_number=False, is_wide=True, begins_group=True),
    Column("Status", is_number=False, is_wide=True, help="of the rating"),
)
# What people call these, in the plural as well.
_SPOKEN: Final = {
    r"shots? on goal|saved?|saves|sog": "shot-on-goal",
    r"missed shots?|misse[ds]|miss": "missed-shot",
    r"blocked shots?|blocked|blocks?": "blocked-shot",
    r"goals": "goal",
    r"shorthanded|short handed": "short-handed",
    r"power play|empty net|penalty shot|extra attacker": r"\g<0>",
}


def draw_events(report: GameReport, colours: TeamColours) -> None:
    """Draw the table of attempts, and the corrections."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        shows_features = st.session_state.get(f"all_features_{report.game_id}", False)
        title = "Data used for predictions (and predictions)" if shows_features else "Every attempt"
        st.subheader(title, anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
            with_features = st.toggle("All features", key=f"all_features_{report.game_id}")
            search = st.text_input(
                "Search",
                key=f"search_{report.game_id}",
                type="search",
                placeholder="player, team, outcome",
                width=230,
                help="Whole words, or the beginning of a name: goal, missed, power play, WSH, Ovech.",
            )
            st.download_button(
                "Download CSV",
                report.shots.to_csv(index=False).encode(),
                file_name=f"{report.game_id}.csv",
                mime="text/csv",
                icon=":material/download:",
                on_click="ignore",
            )
    attempts = (report.shots if with_features else every_attempt(report)).iloc[::-1]
    found = attempts[matches(attempts, search or "")]
    some = f"{len(found)} of " if len(found) < len(attempts) else ""
    blocked = "" if with_features or report.blocked.empty else f", {len(report.blocked)} of them blocked"
    with st.container(key=f"head_{report.game_id}"):  # the toolbar of the grid covers the end of this line
        st.caption(f"{some}{count(len(attempts), 'attempt')}{blocked}, counted or not, newest first.")
    if with_features:
        _all_features(report, found)
    else:
        _for_people(report, found, colours)
    if not report.corrections.empty:
        st.markdown(f"**Corrections by the league ({len(report.corrections)})**")
        st.html(corrections_list(report))


def _for_people(report: GameReport, attempts: pd.DataFrame, colours: TeamColours) -> None:
    of_team = {report.away.abbrev: colours.away, report.home.abbrev: colours.home}
    rows = [
        Row(
            (
                f"{period_name(int(row['period']))}\N{NO-BREAK SPACE}{row['time']}",
                team_mark(of_team[row["team"]], row["team"]),
                row["shooter"] or "unknown",
                decimals(row["probability"]),
                _outcome(row),
                strength_name(row["strength"]),
                (row["shot_type"] or "").capitalize(),
                decimals(row["distance"], 0),
                row["goalie"] or "",
                STATUS_MARKS.get(row["status"], ""),
            )
        )
        for row in attempts.to_dict("records")
    ]
    draw_table("Every attempt", _COLUMNS, rows, is_tall=True)


def _outcome(row: Mapping[Any, Any]) -> str:
    name, why = ATTEMPTS[row["outcome"]], row["why"]
    return f"{name} by {why}" if why and row["outcome"] == BLOCKED else f"{name}, {why}" if why else name


def _all_features(report: GameReport, attempts: pd.DataFrame) -> None:
    attempts = attempts.drop(columns=list(_HIDDEN))
    st.dataframe(
        attempts.assign(status=attempts["status"].map(STATUS_MARKS)),
        column_config=_feature_columns(),
        column_order=[*_FIRST, *(column for column in attempts.columns if column not in _FIRST)],
        hide_index=True,
        height=420,
        key=f"shots_{report.game_id}",
        placeholder="",
        alt=f"{count(len(attempts), 'attempt')} with all features and probabilities, as in the CSV file.",
    )


def matches(attempts: pd.DataFrame, search: str) -> "pd.Series[bool]":
    """Return which attempts have every word of the search: a whole word, or the beginning of a name.

    Outcome, status and strength are one word each, so that "goal" does not find shots on goal.
    """
    wanted = _spoken(folded(search)).split()
    found = pd.Series(data=True, index=attempts.index, dtype=bool)
    if not wanted:
        return found
    names = attempts[_NAMES].astype(object).fillna("").agg(" ".join, axis=1).map(folded).str.split()
    listed = attempts[_LISTED].astype(object).fillna("").map(lambda value: _joined(folded(value))).agg(set, axis=1)
    for word in wanted:
        found &= names.map(partial(_has_beginning, word)) | listed.map(partial(_has_word, word))
    return found


def _has_beginning(word: str, parts: list[str]) -> bool:
    return any(part.startswith(word) for part in parts)


def _has_word(word: str, values: set[str]) -> bool:
    return word in values


def _spoken(search: str) -> str:
    for pattern, word in _SPOKEN.items():
        search = re.sub(rf"\b(?:{pattern})\b", partial(_as_one_word, word), search)
    return search


def _as_one_word(word: str, found: re.Match[str]) -> str:
    return _joined(found.expand(word))


def _joined(words: str) -> str:
    return words.replace(" ", "-")


def _feature_columns() -> dict[str, Any]:
    columns: dict[str, Any] = {
        "event_id": st.column_config.NumberColumn("event", format="%d", pinned=True),
        "time": st.column_config.TextColumn("time", help="in the period"),
        "status": st.column_config.TextColumn("status", help="of the prediction", width="small"),
        "missing": st.column_config.TextColumn("missing", help="what the league has not reported yet"),
        "running_xg": st.column_config.NumberColumn("running_xg", help="the team's xG so far", format="%.2f"),
        "probability": st.column_config.NumberColumn("probability", help="of a goal, by the model", format="%.4f"),
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
