"""The tables below the pictures of a game, one view at a time; the address names the one that is open."""

from collections.abc import Callable
from math import sqrt
from typing import Any, Final

import pandas as pd
import streamlit as st

from db.words import folded
from livegame.client import GameClient
from livegame.comparison import compare
from livegame.features import FEATURES
from livegame.report import GameReport, TeamTotals
from ui import texts
from ui.charts import OUTCOMES, moments, period_name
from ui.model_charts import disagreement
from ui.texts import plain

FEW_ATTEMPTS: Final = 25
DISAGREEMENTS: Final = 15
_NONE_LEFT: Final = "No shots to sum up: the league has taken back all that there were."
_HIDDEN: Final = ("shooter_id", "goalie_id")
_FIRST: Final = ("event_id", "period", "time", "team", "shooter", "outcome", "probability", "status")
_SHARE: Final = st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1, width=110)


def draw(game: GameClient, report: GameReport, colours: tuple[str, str]) -> None:
    """Draw the views' tabs, and the view that is open."""
    views: dict[str, Callable[[], None]] = {
        "Goals": lambda: _goals(report),
        "Periods and strength": lambda: _sums(report),
        "Players": lambda: _players(report),
        "Goalies": lambda: _goalies(report),
        "All events": lambda: st.fragment(_events)(report),
        "Two models": lambda: _two_models(game, report, colours),
        "What counts": lambda: _what_counts(report),
    }
    for tab, view in zip(st.tabs(list(views), key="view", bind="query-params"), views.values(), strict=True):
        if tab.open:
            with tab:
                view()


def _what_counts(report: GameReport) -> None:
    st.markdown(texts.what_counts(report))


def _goals(report: GameReport) -> None:
    if report.goals.empty:
        st.caption("No goals." if report.is_over else "No goals yet.")
        return
    goals = report.goals
    frame = pd.DataFrame(
        {
            "Period": goals["period"].map(period_name),
            "Time": goals["time"],
            "Score": goals["away_score"].astype(str) + " - " + goals["home_score"].astype(str),
            "Team": goals["team"],
            "Scorer": goals["shooter"],
            "xG": goals["probability"].astype(float),
            "Strength": goals["situation"].map(texts.SITUATIONS),
            "Type": goals["shot_type"],
            "Feet": goals["distance"].astype(float),
            "Goalie": goals["goalie"],
        }
    )
    _table(frame, {"xG": _SHARE, "Feet": st.column_config.NumberColumn(format="%.0f", width=50)})


def _sums(report: GameReport) -> None:
    if report.present.empty:
        st.caption(_NONE_LEFT)
        return
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**By period**")
        periods = {number: period_name(number, "Period ") for number in sorted(report.by_period["period"].unique())}
        _side_by_side(report, report.by_period, "period", periods)
    with right:
        st.markdown("**By strength**")
        found = set(report.by_situation["situation"])
        _side_by_side(
            report, report.by_situation, "situation", {k: v for k, v in texts.SITUATIONS.items() if k in found}
        )
        st.caption("Each shot is in one row: an empty net and a penalty shot come before manpower.")


def _side_by_side(report: GameReport, sums: pd.DataFrame, column: str, names: dict[Any, str]) -> None:
    """Draw sums of both teams next to each other, with the totals below."""
    cells: dict[str, list[str]] = {}
    for team in (report.away, report.home):
        own = sums[sums["team"] == team.abbrev].set_index(column)
        rows = [own.loc[key] if key in own.index else None for key in names]
        cells[f"{plain(team.abbrev)} shots"] = [*("" if r is None else str(r["shots"]) for r in rows), str(team.shots)]
        cells[f"{plain(team.abbrev)} xG (goals)"] = [
            *("" if r is None else texts.sums(r["xg"], r["goals"], r["pending"]) for r in rows),
            texts.sums(team.xg, team.goals, team.pending),
        ]
    st.table(pd.DataFrame(cells, index=[*names.values(), "All that counts"]), border="horizontal")


def _players(report: GameReport) -> None:
    players = report.by_shooter
    if players.empty:
        st.caption(_NONE_LEFT)
        return
    frame = pd.DataFrame(
        {
            "Player": players["shooter"].fillna("not told"),
            "Team": players["team"],
            "Attempts": players["shots"],
            "On goal": players["on_goal"],
            "xG": players["xg"],
            "Goals": players["goals"],
            "Goals - xG": players["goals_above_expected"],
            **_pending(players),
        }
    )
    signed = st.column_config.NumberColumn(format="%+.2f")
    _table(frame, {"xG": st.column_config.NumberColumn(format="%.2f"), "Goals - xG": signed}, height=390)


def _goalies(report: GameReport) -> None:
    goalies = report.by_goalie
    if goalies.empty:
        st.caption("The league has named no goalie yet.")
        return
    frame = pd.DataFrame(
        {
            "Goalie": goalies["goalie"],
            "Team": goalies["team"],
            "Attempts faced": goalies["shots"],
            "On goal": goalies["on_goal"],
            "xG faced": goalies["xg"],
            "Goals against": goalies["goals"],
            "Saved above expected": goalies["saved_above_expected"],
            "by chance ±": goalies["variance"].map(sqrt),
            **_pending(goalies),
        }
    )
    decimals = st.column_config.NumberColumn(format="%.2f")
    config = {
        "xG faced": decimals,
        "Saved above expected": st.column_config.NumberColumn(format="%+.2f", help="xG faced minus goals against"),
        "by chance ±": st.column_config.NumberColumn(
            format="%.2f", help="One standard deviation of the goals, were each attempt a coin with its xG"
        ),
    }
    _table(frame, config)
    st.caption("Attempts that the league says a goalie faced; older seasons name none on misses.")
    few = goalies[goalies["shots"] < FEW_ATTEMPTS]["goalie"]
    words = f"Small sample: {', '.join(few)} faced fewer than {FEW_ATTEMPTS} attempts. " if len(few) else ""
    st.warning(
        plain(
            f"{words}One game says little about a goalie: compare what was saved with what chance alone does to it,"
            " in the last column."
        ),
        icon=":material/casino:",
    )


def _pending(sums: pd.DataFrame) -> dict[str, "pd.Series[int]"]:
    """The column of shots that the sums do not hold yet, if there are any."""
    return {"Pending": sums["pending"]} if sums["pending"].any() else {}


def _events(report: GameReport) -> None:
    """Draw the table of features with each shot's probability."""
    with st.container(horizontal=True, vertical_alignment="bottom", horizontal_alignment="distribute"):
        st.subheader("Data used for predictions (and predictions)", anchor=False)
        with st.container(horizontal=True, vertical_alignment="bottom", width="content"):
            search = st.text_input(
                "Search", key=f"search_{report.game_id}", type="search", placeholder="a player, a team, an outcome ..."
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
    st.dataframe(
        found.assign(status=found["status"].map(texts.STATUS_MARKS)),
        column_config=_event_columns(),
        column_order=[*_FIRST, *(column for column in found.columns if column not in _FIRST)],
        hide_index=True,
        height=420,
        key=f"shots_{report.game_id}",
        placeholder="-",
        alt=f"{texts.count(len(found), 'event')} with all features and probabilities; the CSV file has the same.",
    )
    some = f"{len(found)} of " if len(found) < len(report.shots) else ""
    st.caption(f"{some}{texts.count(len(report.shots), 'event')}, the latest first.")
    if not report.corrections.empty:
        st.markdown(f"**Corrections by the league ({len(report.corrections)})**")
        st.dataframe(
            report.corrections,
            column_order=["corrected_at", "event_id", "period", "time", "shooter", "what", "before", "after"],
            hide_index=True,
            alt="Each correction with what the shot was before and after.",
        )


def _matches(events: pd.DataFrame, search: str) -> "pd.Series[bool]":
    """Which events hold every word of the search in one of their texts."""
    words = folded(search).split()
    columns = ["team", "shooter", "goalie", "outcome", "status", "situation", "shot_type", "time", "strength_state"]
    text = events[columns].astype(object).fillna("").agg(" ".join, axis=1).map(folded)
    found = pd.Series(data=True, index=events.index, dtype=bool)
    for word in words:
        found &= text.str.contains(word, regex=False)
    return found


def _event_columns() -> dict[str, Any]:
    columns: dict[str, Any] = {
        "event_id": st.column_config.NumberColumn("event", format="%d", pinned=True),
        "time": st.column_config.TextColumn("time", help="in the period"),
        "status": st.column_config.TextColumn("status", help="of the prediction", width="small"),
        "missing": st.column_config.TextColumn("missing", help="what the league has not told yet"),
        "running_xg": st.column_config.NumberColumn("running_xg", help="the team's xG so far", format="%.2f"),
        "probability": st.column_config.ProgressColumn(
            "probability", help="of a goal, by the model", format="%.3f", min_value=0, max_value=1
        ),
    }
    for feature in FEATURES:
        words = f"{feature.formula} ({feature.unit})" if feature.unit else feature.formula
        if feature.kind == "category":
            columns[feature.name] = st.column_config.TextColumn(feature.name, help=plain(words))
        else:
            decimals = 1 if feature.unit in ("ft", "deg", "ft/s") else 0
            columns[feature.name] = st.column_config.NumberColumn(
                feature.name, help=plain(words), format=f"%.{decimals}f"
            )
    return columns


def _two_models(game: GameClient, report: GameReport, colours: tuple[str, str]) -> None:
    others = [model for model in report.models if model != report.model]
    if report.model is None or not others:
        st.info("One model has scored this game so far. Get another one in the sidebar, then ping the game again.")
        return
    chosen = st.selectbox(
        f"Beside {texts.model_name(report.model)}",
        others,
        format_func=texts.model_name,
        key=f"beside_{report.game_id}_{report.model}",
        width=340,
    )
    other = game.report(report.game_id, chosen)
    if other is None:
        return
    shots = compare(report, other)
    names = [texts.model_name(model) for model in (report.model, str(chosen))]
    left, right = st.columns((2, 3), gap="large")
    with left:
        st.table(
            pd.DataFrame(
                {plain(t.name): [texts.xg_and_goals(t), texts.xg_and_goals(o)] for t, o in _teams(report, other)}, names
            ),
            border="horizontal",
        )
        spec = disagreement(shots, (report.away.abbrev, report.home.abbrev), colours, names)
        words = f"Each shot's chance by {names[0]} and by {names[1]}; the table lists the largest disagreements."
        st.vega_lite_chart(spec=spec, height=330, alt=words)
    with right:
        st.markdown("**Largest disagreements**")
        top = shots.head(DISAGREEMENTS)
        frame = pd.DataFrame(
            {
                "Time": moments(top),
                "Team": top["team"],
                "Shooter": top["shooter"],
                "Outcome": top["outcome"].map(OUTCOMES),
                "Feet": top["distance"],
                "one": top["one"],
                "other": top["other"],
                "Difference": top["difference"],
            }
        )
        config: dict[str, Any] = {
            "one": st.column_config.NumberColumn(names[0].partition("/")[2], help=plain(names[0]), format="%.2f"),
            "other": st.column_config.NumberColumn(names[1].partition("/")[2], help=plain(names[1]), format="%.2f"),
            "Difference": st.column_config.NumberColumn(format="%+.2f"),
            "Feet": st.column_config.NumberColumn(format="%.0f", width=50),
        }
        _table(frame, config)


def _teams(one: GameReport, other: GameReport) -> list[tuple[TeamTotals, TeamTotals]]:
    return [(one.away, other.away), (one.home, other.home)]


def _table(frame: pd.DataFrame, config: dict[str, Any], height: int | None = None) -> None:
    st.dataframe(
        frame,
        column_config=config,
        hide_index=True,
        height=height or "content",
        placeholder="-",
        alt=f"Table of {texts.count(len(frame), 'row')}: {', '.join(map(str, frame.columns))}.",
    )
