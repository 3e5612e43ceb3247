"""The charts of a game and their titles: the shot map with its filter, the xG race, and the odds."""

from typing import Any, Final

import pandas as pd
import streamlit as st

from livegame.reports.counting import Count
from livegame.reports.game import GameReport, sums_of
from livegame.reports.odds import odds_of
from ui.charts.game import goal_odds, no_odds, rink_map, xg_race
from ui.colours import TeamColours
from ui.game_words import odds_words, with_pending
from ui.parts.game.score_line import odds_line
from ui.parts.game.shot_filter import ShotFilter, choose_filter, filter_set
from ui.words import count, plain

KEPT: Final = 256
_COLUMNS: Final = (11, 9)
_RACE_KEY: Final = {
    Count.ALL: "★ goals; shaded: power plays",
    Count.NO_EMPTY_NET: "★ goals, ☆ empty net; shaded: power plays",
    Count.FIVE_ON_FIVE: "at 5v5; ★ goals, ☆ at other strengths",
}
Spec = dict[str, Any]


def draw(report: GameReport, colours: TeamColours) -> None:
    """Draw the charts, side by side where there is room."""
    content = report.content
    left, right = st.columns(_COLUMNS, gap="large")
    with left:
        st.fragment(_rink)(report, content, colours)
    with right:
        with st.container(horizontal=True, vertical_alignment="center", key="race_title"):
            st.markdown(f"**Expected goals** :gray[· {_RACE_KEY[report.count]}]")
        with st.container(key="race"):
            teams = (f"{team.name} {team.counted.xg:.2f}" for team in (report.away, report.home))
            text = f"Expected goals over game time: {', '.join(teams)}."
            st.vega_lite_chart(spec=_race_spec(report, content, colours), height="stretch", alt=text)


def _rink(report: GameReport, content: str, colours: TeamColours) -> None:
    on_map = _on_map(report)
    with st.container(horizontal=True, vertical_alignment="center", key="rink_title"):
        st.markdown("**Unblocked attempts** :gray[· size = xG]", width="content")
        chosen = filter_set(report.game_id)
        label = plain(" · ".join(["Filter", *chosen.words()]))
        is_on = chosen != ShotFilter()
        with st.popover(label, icon=":material/filter_alt:", type="primary" if is_on else "secondary", key="filter"):
            chosen = choose_filter(report)
        shots = chosen.of(on_map)
        notes = []
        if len(shots) < len(on_map):
            sums = sums_of(shots)
            notes.append(f"{len(shots)} of {len(on_map)}, xG {with_pending(sums.xg, sums.goals, sums.pending)}")
        if missing := int(shots["x"].isna().sum()):
            notes.append(f"{missing} not on the map: no location from the league")
        st.markdown(f":gray[{plain('; '.join(notes))}]" if notes else "&nbsp;", width="content")
    with st.container(key="rink_map"):
        text = f"Map of {count(len(shots), 'unblocked attempt')}, {report.title}; the tab Every attempt lists them."
        st.vega_lite_chart(spec=_rink_spec(report, content, colours, chosen), height="stretch", alt=text)


def _on_map(report: GameReport) -> pd.DataFrame:
    """Return the shots on the map: those at 5v5, or all, empty-net attempts included even if they do not count."""
    return report.counted if report.count is Count.FIVE_ON_FIVE else report.present


def draw_deserved(report: GameReport, colours: TeamColours) -> None:
    """Draw the odds, or why there are none yet."""
    odds = odds_of(report)
    is_rated = report.away.counted.rated or report.home.counted.rated
    left, right = st.columns(_COLUMNS, gap="large", vertical_alignment="center")
    with left:
        st.markdown("**Deserved to win** :gray[· if only chances counted, so far]")
        st.html(odds_line(report, odds, colours))
        none = "No odds until every goal is rated." if is_rated else "No odds yet: no attempt that counts is rated."
        text = odds_words(report, odds) if odds else none
        st.caption(plain(text))
    with right:
        st.markdown("**Goals these chances usually give** :gray[· ★ actual goals]")
        with st.container(key="odds"):
            spec = goal_odds(report, odds, colours) if odds else no_odds()
            st.vega_lite_chart(spec=spec, height="stretch", alt=text)


# Cached for all readers: slower than the rest of the page. `content` is the key; the underscore leaves out the report.
@st.cache_data(max_entries=KEPT, show_spinner=False)
def _rink_spec(_report: GameReport, content: str, colours: TeamColours, chosen: ShotFilter) -> Spec:  # noqa: ARG001
    return rink_map(_report, chosen.of(_on_map(_report)), colours)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _race_spec(_report: GameReport, content: str, colours: TeamColours) -> Spec:  # noqa: ARG001
    return xg_race(_report, colours)
