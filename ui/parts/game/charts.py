"""The charts of a game and their titles: the shot map with its filter, the xG race, and the odds."""

from html import escape
from typing import Any, Final

import pandas as pd
import streamlit as st

from db.history import History
from livegame.reports.counting import Count
from livegame.reports.flow import Flow, flow_of
from livegame.reports.game import GameReport, sums_of
from livegame.reports.odds import odds_of
from ui.charts.flow import xg_flow
from ui.charts.odds import goal_odds, no_odds
from ui.charts.race import xg_race
from ui.charts.shot_map import from_farther_out, half_rink
from ui.colours import TeamColours
from ui.game_words import flow_words, odds_words, with_pending
from ui.parts.game.score_line import odds_line
from ui.parts.game.shot_filter import ShotFilter, choose_filter, filter_set
from ui.parts.game.win import draw_win
from ui.words import count, plain

KEPT: Final = 256
_WIN_HEIGHT: Final = 104  # pixels; with the next two and their titles as high as the rinks beside them
_RACE_HEIGHT: Final = 144
_FLOW_HEIGHT: Final = 108
_RACE_KEY: Final = {
    Count.ALL: "★ goals; shaded: power plays, bar: net empty",
    Count.NO_EMPTY_NET: "★ goals, ☆ empty net; shaded: power plays, bar: net empty",
    Count.FIVE_ON_FIVE: "at 5v5; ★ goals, ☆ at other strengths",
}
Spec = dict[str, Any]


def draw(history: History, report: GameReport, colours: TeamColours) -> None:
    """Draw the charts, side by side where there is room: where the shots were, and what happened over game time.

    Raises:
        DatabaseError: the history cannot be read.
    """
    content = report.content
    left, right = st.columns(2, gap="medium")
    with left:
        st.fragment(_rink)(report, content, colours)
    with right, st.container(key="timelines", gap=None):
        draw_win(history, report, colours, height=_WIN_HEIGHT)
        teams = ", ".join(f"{team.name} {team.counted.xg:.2f}" for team in (report.away, report.home))
        _title("race_title", f"Expected goals · {_RACE_KEY[report.count]}")
        with st.container(key="race"):
            text = f"Expected goals over game time: {teams}."
            st.vega_lite_chart(spec=_race_spec(report, content, colours), height=_RACE_HEIGHT, alt=text)
        flow = flow_of(report)
        words = flow_words(report, flow)
        _title("flow_title", f"Flow · {words}")
        with st.container(key="flow"):
            st.vega_lite_chart(
                spec=_flow_spec(report, content, colours, flow),
                height=_FLOW_HEIGHT,
                alt=f"Expected goals per five minutes. {words}.",
            )


def _title(key: str, text: str) -> None:
    """Draw a chart's title and, after the first dot, what it shows."""
    name, _, rest = text.partition(" · ")
    with st.container(horizontal=True, vertical_alignment="center", key=key):
        st.html(f'<h2 class="xg-title">{escape(name)}<span> · {escape(rest)}</span></h2>')


def _rink(report: GameReport, content: str, colours: TeamColours) -> None:
    on_map = _on_map(report)
    with st.container(horizontal=True, vertical_alignment="center", key="rink_title"):
        st.html('<h2 class="xg-title">Unblocked attempts</h2>', width="content")
        chosen = filter_set(report.game_id)
        label = plain(" · ".join(["Filter", *chosen.words()]))
        is_on = chosen != ShotFilter()
        with st.popover(label, type="primary" if is_on else "secondary", key="filter"):
            chosen = choose_filter(report)
        shots = chosen.of(on_map)
        notes = escape("; ".join(_notes(shots, on_map, with_blocked=chosen.blocked)))
        st.html(f'<span class="xg-label">{notes or "&nbsp;"}</span>', width="content")
    with st.container(key="rinks"):
        for team in (report.away, report.home):
            sums = sums_of(shots[(shots["team"] == team.abbrev) & shots["counts"]])
            words = f"{count(sums.shots, 'attempt')}, xG {with_pending(sums.xg, sums.goals, sums.pending)}"
            with st.container(key=f"rink_{'home' if team.is_home else 'away'}"):
                st.vega_lite_chart(
                    spec=_rink_spec(report, content, colours, chosen, words, is_home=team.is_home),
                    height="stretch",
                    alt=f"Map of {team.name}: {words}. The tab Every attempt lists them.",
                )


def _notes(shots: pd.DataFrame, on_map: pd.DataFrame, *, with_blocked: bool) -> list[str]:
    """Return what the reader must know of the map: what the filter leaves, and what is not where it was."""
    notes = []
    if len(shots) < len(on_map):
        sums = sums_of(shots)
        notes.append(f"{len(shots)} of {len(on_map)}, xG {with_pending(sums.xg, sums.goals, sums.pending)}")
    if with_blocked:
        notes.append("\N{MULTIPLICATION SIGN} where an attempt was blocked")
    if far := from_farther_out(shots):
        notes.append(f"{far} from beyond the blue line, at the edge")
    if missing := int(shots["x"].isna().sum()):
        notes.append(f"{missing} not on the map: no location from the league")
    return notes


def _on_map(report: GameReport) -> pd.DataFrame:
    """Return the shots on the map: those at 5v5, or all, empty-net attempts included even if they do not count."""
    return report.counted if report.count is Count.FIVE_ON_FIVE else report.present


def draw_deserved(report: GameReport, colours: TeamColours) -> None:
    """Draw the odds, or why there are none yet."""
    odds = odds_of(report)
    is_rated = report.away.counted.rated or report.home.counted.rated
    left, right = st.columns(2, gap="medium")
    with left:
        _title("deserved_title", "Deserved to win · who would have won if only chances counted")
        st.html(odds_line(report, odds, colours))
        none = "No odds until every goal is rated." if is_rated else "No odds yet: no attempt that counts is rated."
        text = odds_words(report, odds) if odds else none
        st.caption(plain(text))
    with right:
        _title("odds_title", "Goals these chances usually give · ★ actual goals")
        with st.container(key="odds"):
            spec = goal_odds(report, odds, colours) if odds else no_odds()
            st.vega_lite_chart(spec=spec, height="stretch", alt=text)


# Cached for all readers: slower than the rest of the page. `content` is the key; the underscore leaves out the report.
@st.cache_data(max_entries=KEPT, show_spinner=False)
def _rink_spec(
    _report: GameReport,
    content: str,  # noqa: ARG001
    colours: TeamColours,
    chosen: ShotFilter,
    head: str,
    *,
    is_home: bool,
) -> Spec:
    team = _report.home if is_home else _report.away
    blocked = chosen.of(_report.blocked.assign(outcome="blocked")) if chosen.blocked else None
    return half_rink(_report, team, chosen.of(_on_map(_report)), colours, head, blocked)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _race_spec(_report: GameReport, content: str, colours: TeamColours) -> Spec:  # noqa: ARG001
    return xg_race(_report, colours)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _flow_spec(_report: GameReport, content: str, colours: TeamColours, _flow: Flow) -> Spec:  # noqa: ARG001
    return xg_flow(_report, _flow, colours)
