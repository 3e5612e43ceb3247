"""The pictures of a game: rink map with filters, xG race, and what the chances deserved."""

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import streamlit as st

from livegame.odds import odds
from livegame.report import GameReport
from ui import charts
from ui.scoreline import odds_line
from ui.texts import SITUATIONS, count, odds_words, plain

KEPT: Final = 256
_COLUMNS: Final = (11, 9)
Spec = dict[str, Any]


def draw(report: GameReport, colours: tuple[str, str]) -> None:
    """Draw the pictures, side by side where there is room."""
    content = _content(report)
    left, right = st.columns(_COLUMNS, gap="large")
    with left:
        st.fragment(_rink)(report, content, colours)
    with right:
        with st.container(horizontal=True, vertical_alignment="center", key="race_title"):
            st.markdown("**Expected goals** :gray[- stars: goals; shaded: power plays]")
        with st.container(key="race"):
            words = f"Expected goals: {report.away.name} {report.away.xg:.2f}, {report.home.name} {report.home.xg:.2f}."
            st.vega_lite_chart(spec=_race_spec(report, content, colours), height="stretch", alt=words)
    _deserved(report, colours)


def _content(report: GameReport) -> str:
    """What differs whenever one of the pictures does; not from ping to ping, most of which find nothing new."""
    shots = pd.util.hash_pandas_object(report.shots, index=False).sum()
    return f"{report.game_id} {shots} {report.played_seconds} {report.power_plays}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which shots the rink map shows; what is empty filters nothing."""

    teams: tuple[str, ...] = ()
    periods: tuple[int, ...] = ()
    situations: tuple[str, ...] = ()
    players: tuple[str, ...] = ()
    goals_only: bool = False

    def of(self, shots: pd.DataFrame) -> pd.DataFrame:
        """The rows of the report's shots that pass."""
        columns = {"team": self.teams, "period": self.periods, "situation": self.situations, "shooter": self.players}
        for column, wanted in columns.items():
            if wanted:
                shots = shots[shots[column].isin(wanted)]
        return shots[shots["outcome"] == "goal"] if self.goals_only else shots


def _rink(report: GameReport, content: str, colours: tuple[str, str]) -> None:
    with st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute", key="rink_title"
    ):
        st.markdown("**Shots** :gray[- the bigger, the likelier a goal]")
        with st.popover("Filter", icon=":material/filter_alt:"):
            chosen = _filter(report)
    shots = chosen.of(report.present)
    with st.container(key="rink_map"):
        words = f"Map of {count(len(shots), 'shot')} of {report.title}; the table of all events has them in numbers."
        st.vega_lite_chart(spec=_rink_spec(report, content, colours, chosen), height="stretch", alt=words)
    notes = [f"{len(shots)} of {count(len(report.present), 'shot')}"] if len(shots) < len(report.present) else []
    if missing := int(shots["x"].isna().sum()):
        notes.append(f"{count(missing, 'shot')} not on the map: the league has not told the place")
    if notes:
        st.caption("; ".join(notes))


def _filter(report: GameReport) -> Filter:
    shots = report.present
    key = f"filter_{report.game_id}"
    teams = [report.away.abbrev, report.home.abbrev]
    return Filter(
        teams=tuple(st.pills("Team", teams, selection_mode="multi", key=f"{key}_team")),
        periods=tuple(
            st.pills(
                "Period",
                sorted(shots["period"].unique().tolist()),
                selection_mode="multi",
                format_func=charts.period_name,
                key=f"{key}_period",
            )
        ),
        situations=tuple(
            st.pills(
                "Strength",
                [situation for situation in SITUATIONS if (shots["situation"] == situation).any()],
                selection_mode="multi",
                format_func=SITUATIONS.__getitem__,
                key=f"{key}_situation",
            )
        ),
        players=tuple(
            st.multiselect("Player", sorted(shots["shooter"].dropna().unique()), key=f"{key}_player", placeholder="All")
        ),
        goals_only=st.toggle("Goals only", key=f"{key}_goals"),
    )


def _deserved(report: GameReport, colours: tuple[str, str]) -> None:
    scored = report.present.dropna(subset=["probability"])
    by_team = [scored.loc[scored["team"] == team.abbrev, "probability"] for team in (report.away, report.home)]
    result = odds(*by_team)
    words = odds_words(report, result)
    left, right = st.columns(_COLUMNS, gap="large", vertical_alignment="center")
    with left:
        st.markdown("**Deserved to win** :gray[- by these chances alone]")
        st.html(odds_line(report, result, colours))
        st.caption(plain(words))
    with right, st.container(key="odds"):
        st.vega_lite_chart(spec=charts.goal_odds(report, result, colours), height="stretch", alt=words)


# Drawn once for all readers, since it takes longer than all the rest of the page. `content` stands for the report,
# which its underscore leaves out of the key.
@st.cache_data(max_entries=KEPT, show_spinner=False)
def _rink_spec(_report: GameReport, content: str, colours: tuple[str, str], chosen: Filter) -> Spec:  # noqa: ARG001
    return charts.rink_map(_report, chosen.of(_report.present), colours)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _race_spec(_report: GameReport, content: str, colours: tuple[str, str]) -> Spec:  # noqa: ARG001
    return charts.xg_race(_report, colours)
