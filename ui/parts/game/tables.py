"""The tabs below the charts of a game, one view at a time; the address names the open one."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import pandas as pd
import streamlit as st

from livegame.client import GameClient
from livegame.reports.game import GameReport
from ui.colours import TeamColours
from ui.game_words import what_counts, with_pending
from ui.parts.game.events import draw_events
from ui.parts.game.two_models import draw_two_models
from ui.parts.table import head, table
from ui.words import COUNTED, SITUATIONS, period_name, plain

FEW_ATTEMPTS: Final = 25
_NO_ATTEMPTS: Final = "No attempts to add up here."
_SHARE: Final = st.column_config.ProgressColumn(format="%.2f", min_value=0, max_value=1, width=110)


def draw(game: GameClient, report: GameReport, colours: TeamColours) -> None:
    """Draw the tabs, and the view that is open."""
    views: dict[str, Callable[[], object]] = {
        "Goals": lambda: _goals(report),
        "Periods and strength": lambda: _sums(report),
        "Players": lambda: _players(report),
        "Goalies": lambda: _goalies(report),
        "All events": lambda: st.fragment(draw_events)(report),
        "Two models": lambda: draw_two_models(game, report, colours),
        "What counts": lambda: st.markdown(what_counts(report)),
    }
    for tab, view in zip(st.tabs(list(views), key="view", bind="query-params"), views.values(), strict=True):
        if tab.open:
            with tab:
                view()


def _goals(report: GameReport) -> None:
    goals = report.goals
    if goals.empty:
        head(report.game_id, "No goals." if report.is_over else "No goals yet.")
        return
    head(report.game_id, "All goals, counted or not.")
    frame = pd.DataFrame(
        {
            "Period": goals["period"].map(period_name),
            "Time": goals["time"],
            "Score": goals["away_score"].astype(str) + "\N{EN DASH}" + goals["home_score"].astype(str),
            "Team": goals["team"],
            "Scorer": goals["shooter"],
            "xG": goals["probability"].astype(float),
            "Strength": goals["situation"].map(SITUATIONS),
            "Type": goals["shot_type"],
            "Feet": goals["distance"].astype(float),
            "Goalie": goals["goalie"],
        }
    )
    table(frame, {"xG": _SHARE, "Feet": st.column_config.NumberColumn(format="%.0f", width=50)})


def _sums(report: GameReport) -> None:
    if report.present.empty:
        head(report.game_id, _NO_ATTEMPTS)
        return
    head(report.game_id, f"{COUNTED[report.count]}. In parentheses: shots on goal; goals.")
    left, right = st.columns(2, gap="large")
    with left:
        st.markdown("**By period**")
        periods = {number: period_name(number, "Period ") for number in sorted(report.present["period"].unique())}
        _side_by_side(report, report.by_period, "period", periods)
    with right:
        st.markdown("**By strength**")
        counts = dict(zip(report.by_situation["situation"], report.by_situation["counts"], strict=True))
        inside, beside = ({k: v for k, v in SITUATIONS.items() if counts.get(k) is is_in} for is_in in (True, False))
        _side_by_side(report, report.by_situation, "situation", inside, beside)
        st.caption("Empty-net attempts and penalty shots are in their own rows only.")


def _side_by_side(
    report: GameReport, sums: pd.DataFrame, column: str, inside: dict[Any, str], beside: Mapping[Any, str] | None = None
) -> None:
    """Draw both teams' sums side by side: what counts, the total, and below it what does not count."""
    beside = beside or {}
    cells: dict[str, list[str]] = {}
    for team in (report.away, report.home):
        own = sums[sums["team"] == team.abbrev].set_index(column) if len(sums) else sums
        rows = {key: own.loc[key] for key in (*inside, *beside) if key in own.index}
        attempts = {key: f"{row['shots']} ({row['on_goal']})" for key, row in rows.items()}
        goals = {key: with_pending(row["xg"], row["goals"], row["pending"]) for key, row in rows.items()}
        for title, text, total in (
            ("attempts (on goal)", attempts, f"{team.counted.shots} ({team.counted.on_goal})"),
            ("xG (goals)", goals, with_pending(team.counted.xg, team.counted.goals, team.counted.pending)),
        ):
            above, below = ([text.get(key, "") for key in keys] for keys in (inside, beside))
            cells[f"{plain(team.abbrev)} {title}"] = [*above, f"**{total}**", *below]
    index = [*inside.values(), "**Total**", *(f":gray[Not counted: {name}]" for name in beside.values())]
    st.table(pd.DataFrame(cells, index=index), border="horizontal")


def _players(report: GameReport) -> None:
    players = report.by_shooter
    head(report.game_id, f"{COUNTED[report.count]}." if len(players) else _NO_ATTEMPTS)
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
            format="%+.2f", help="Goals minus xG: plus means more goals than expected"
        ),
    }
    table(frame, config, height=390)


def _goalies(report: GameReport) -> None:
    goalies = report.by_goalie
    if goalies.empty:
        head(report.game_id, "No goalie named by the league has faced an attempt that counts.")
        return
    head(report.game_id, "Includes misses; before 2019 the league did not record the goalie on misses.")
    frame = pd.DataFrame(
        {
            "Goalie": goalies["goalie"],
            "Team": goalies["team"],
            "Unblocked attempts faced": goalies["shots"],
            "On goal": goalies["on_goal"],
            "xG faced": goalies["xg"],
            "Goals against": goalies["goals"],
            "Goals saved above expected": goalies["saved_above_expected"],
            "Luck (1 SD)": goalies["deviation"],
            **_pending(goalies),
        }
    )
    decimals = st.column_config.NumberColumn(format="%.2f")
    config = {
        "xG faced": decimals,
        "Goals saved above expected": st.column_config.NumberColumn(
            format="%+.2f", help="xG faced minus goals against: plus means fewer goals than expected"
        ),
        "Luck (1 SD)": st.column_config.NumberColumn(
            format="%.2f",
            help="One standard deviation of goals against, if each attempt goes in by chance as often as its xG says",
        ),
    }
    table(frame, config)
    few = goalies[goalies["shots"] < FEW_ATTEMPTS]["goalie"]
    text = f"Small sample: {', '.join(few)} faced fewer than {FEW_ATTEMPTS} attempts. " if len(few) else ""
    st.warning(
        plain(f"{text}One game says little about a goalie: compare the goals saved with the Luck column."),
        icon=":material/casino:",
    )


def _pending(sums: pd.DataFrame) -> dict[str, "pd.Series[int]"]:
    """Return the column of attempts that are not rated yet, if there are any."""
    return {"Pending": sums["pending"]} if sums["pending"].any() else {}
