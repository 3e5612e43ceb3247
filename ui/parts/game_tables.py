"""The tables below the pictures of a game, one view at a time; the address names the one that is open."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from db.words import folded
from livegame.client import GameClient
from livegame.features.features import FEATURES
from livegame.reports.comparison import compare
from livegame.reports.game import GameReport, TeamTotals
from ui import words
from ui.charts.game import OUTCOMES, moments, period_name
from ui.charts.model import disagreement
from ui.colours import TeamColours
from ui.parts.corrections import corrections_list
from ui.words import plain

FEW_ATTEMPTS: Final = 25
DISAGREEMENTS: Final = 15
_NONE_LEFT: Final = "No attempts to sum up here."
_HIDDEN: Final = ("shooter_id", "goalie_id")
_FIRST: Final = ("event_id", "period", "time", "team", "shooter", "outcome", "probability", "status")
_SHARE: Final = st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1, width=110)


def draw(game: GameClient, report: GameReport, colours: TeamColours) -> None:
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


def _head(report: GameReport, text: str) -> None:
    """Draw the line above a table, whose tool bar lies over the end of it."""
    with st.container(key=f"head_{report.game_id}"):
        st.caption(plain(text))


def _what_counts(report: GameReport) -> None:
    st.markdown(words.what_counts(report))


def _goals(report: GameReport) -> None:
    goals = report.goals
    if goals.empty:
        _head(report, "No goals." if report.is_over else "No goals yet.")
        return
    _head(report, "All goals, counted or not, in their order.")
    frame = pd.DataFrame(
        {
            "Period": goals["period"].map(period_name),
            "Time": goals["time"],
            "Score": goals["away_score"].astype(str) + "\N{EN DASH}" + goals["home_score"].astype(str),
            "Team": goals["team"],
            "Scorer": goals["shooter"],
            "xG": goals["probability"].astype(float),
            "Strength": goals["situation"].map(words.SITUATIONS),
            "Type": goals["shot_type"],
            "Feet": goals["distance"].astype(float),
            "Goalie": goals["goalie"],
        }
    )
    _table(frame, {"xG": _SHARE, "Feet": st.column_config.NumberColumn(format="%.0f", width=50)})


def _sums(report: GameReport) -> None:
    if report.present.empty:
        _head(report, _NONE_LEFT)
        return
    _head(report, f"{words.COUNTED[report.count]}. In brackets: shots on goal; goals.")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**By period**")
        periods = {number: period_name(number, "Period ") for number in sorted(report.present["period"].unique())}
        _side_by_side(report, report.by_period, "period", periods)
    with right:
        st.markdown("**By strength**")
        counts = dict(zip(report.by_situation["situation"], report.by_situation["counts"], strict=True))
        inside, beside = (
            {k: v for k, v in words.SITUATIONS.items() if counts.get(k) is is_in} for is_in in (True, False)
        )
        _side_by_side(report, report.by_situation, "situation", inside, beside)
        st.caption("Empty-net and penalty shots are counted only in their own row.")


def _side_by_side(
    report: GameReport, sums: pd.DataFrame, column: str, inside: dict[Any, str], beside: Mapping[Any, str] | None = None
) -> None:
    """Draw sums of both teams next to each other: what counts, the total, and below it what does not count."""
    beside = beside or {}
    cells: dict[str, list[str]] = {}
    for team in (report.away, report.home):
        own = sums[sums["team"] == team.abbrev].set_index(column) if len(sums) else sums
        rows = {key: own.loc[key] for key in (*inside, *beside) if key in own.index}
        attempts = {key: f"{row['shots']} ({row['on_goal']})" for key, row in rows.items()}
        goals = {key: words.sums(row["xg"], row["goals"], row["pending"]) for key, row in rows.items()}
        for title, text, total in (
            ("attempts (on goal)", attempts, f"{team.counted.shots} ({team.counted.on_goal})"),
            ("xG (goals)", goals, words.sums(team.counted.xg, team.counted.goals, team.counted.pending)),
        ):
            above, below = ([text.get(key, "") for key in keys] for keys in (inside, beside))
            cells[f"{plain(team.abbrev)} {title}"] = [*above, f"**{total}**", *below]
    index = [*inside.values(), "**Total**", *(f":gray[Not counted: {name}]" for name in beside.values())]
    st.table(pd.DataFrame(cells, index=index), border="horizontal")


def _players(report: GameReport) -> None:
    players = report.by_shooter
    _head(report, f"{words.COUNTED[report.count]}." if len(players) else _NONE_LEFT)
    if players.empty:
        return
    frame = pd.DataFrame(
        {
            "Player": players["shooter"].fillna("unknown"),
            "Team": players["team"],
            "Unblocked attempts": players["shots"],
            "On goal": players["on_goal"],
            "xG": players["xg"],
            "Goals": players["goals"],
            "Goals above expected": players["goals_above_expected"],
            **_pending(players),
        }
    )
    config = {
        "xG": st.column_config.NumberColumn(format="%.2f"),
        "Goals above expected": st.column_config.NumberColumn(
            format="%+.2f", help="Goals minus xG: with a plus, more goals than expected"
        ),
    }
    _table(frame, config, height=390)


def _goalies(report: GameReport) -> None:
    goalies = report.by_goalie
    if goalies.empty:
        _head(report, "The league has named no goalie who faced an attempt that counts.")
        return
    _head(report, "Includes misses; before 2019 the league did not record the goalie on misses.")
    frame = pd.DataFrame(
        {
            "Goalie": goalies["goalie"],
            "Team": goalies["team"],
            "Unblocked attempts faced": goalies["shots"],
            "On goal": goalies["on_goal"],
            "xG faced": goalies["xg"],
            "Goals against": goalies["goals"],
            "Goals saved above expected": goalies["saved_above_expected"],
            "luck (1 SD)": goalies["deviation"],
            **_pending(goalies),
        }
    )
    decimals = st.column_config.NumberColumn(format="%.2f")
    config = {
        "xG faced": decimals,
        "Goals saved above expected": st.column_config.NumberColumn(
            format="%+.2f", help="xG faced minus goals against: with a plus, fewer goals than expected"
        ),
        "luck (1 SD)": st.column_config.NumberColumn(
            format="%.2f", help="One standard deviation of the goals, were each attempt a coin with its xG"
        ),
    }
    _table(frame, config)
    few = goalies[goalies["shots"] < FEW_ATTEMPTS]["goalie"]
    text = f"Small sample: {', '.join(few)} faced fewer than {FEW_ATTEMPTS} attempts. " if len(few) else ""
    st.warning(
        plain(
            f"{text}One game says little about a goalie: compare what was saved with how much luck moves it, in the"
            " last column."
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
    _head(report, f"{some}{words.count(len(report.shots), 'attempt')}, counted or not, the latest first.")
    st.dataframe(
        found.assign(status=found["status"].map(words.STATUS_MARKS)),
        column_config=_event_columns(),
        column_order=[*_FIRST, *(column for column in found.columns if column not in _FIRST)],
        hide_index=True,
        height=420,
        key=f"shots_{report.game_id}",
        placeholder="-",
        alt=f"{words.count(len(found), 'attempt')} with all features and probabilities; the CSV file has the same.",
    )
    if not report.corrections.empty:
        st.markdown(f"**Corrections by the league ({len(report.corrections)})**")
        st.html(corrections_list(report))


def _matches(events: pd.DataFrame, search: str) -> "pd.Series[bool]":
    """Which events hold every word of the search in one of their texts."""
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
        "missing": st.column_config.TextColumn("missing", help="what the league has not told yet"),
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


def _two_models(game: GameClient, report: GameReport, colours: TeamColours) -> None:
    others = [model for model in report.models if model != report.model]
    if report.model is None or not others:
        st.info("One model has rated this game so far. Get another one in the sidebar, then ping the game again.")
        return
    chosen = st.selectbox(
        f"Beside {words.model_name(report.model)}",
        others,
        format_func=words.model_name,
        key=f"beside_{report.game_id}_{report.model}",
        width=340,
    )
    other = game.report(report.game_id, chosen, report.count)
    if other is None:
        return
    shots = compare(report, other)
    names = [words.model_name(model) for model in (report.model, str(chosen))]
    left, right = st.columns((2, 3), gap="large")
    with left:
        st.table(
            pd.DataFrame(
                {plain(t.name): [words.xg_and_goals(t), words.xg_and_goals(o)] for t, o in _teams(report, other)}, names
            ),
            border="horizontal",
        )
        spec = disagreement(shots, (report.away.abbrev, report.home.abbrev), colours, names)
        text = f"Each attempt's xG by {names[0]} and by {names[1]}; the table lists the largest disagreements."
        st.vega_lite_chart(spec=spec, height=330, alt=text)
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
        alt=f"Table of {words.count(len(frame), 'row')}: {', '.join(map(str, frame.columns))}.",
    )
