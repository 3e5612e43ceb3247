"""The pictures of a game: rink map with filters, xG race, and what the chances deserved."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import streamlit as st

from livegame.reports.counting import Count
from livegame.reports.game import GameReport, sums_of
from livegame.reports.odds import odds_of
from ui import words
from ui.charts import game as charts
from ui.colours import TeamColours
from ui.parts.score_line import odds_line
from ui.words import SITUATIONS, count, odds_words, plain

KEPT: Final = 256
_COLUMNS: Final = (11, 9)
_RACE_KEY: Final = {
    Count.ALL: "★ goals; shaded: power plays",
    Count.NO_EMPTY_NET: "★ goals, ☆ at an empty net; shaded: power plays",
    Count.FIVE_ON_FIVE: "at 5v5; ★ goals, ☆ at other strengths",
}
Spec = dict[str, Any]


def draw(report: GameReport, colours: TeamColours) -> None:
    """Draw the pictures, side by side where there is room."""
    content = _content(report)
    left, right = st.columns(_COLUMNS, gap="large")
    with left:
        st.fragment(_rink)(report, content, colours)
    with right:
        with st.container(horizontal=True, vertical_alignment="center", key="race_title"):
            st.markdown(f"**Expected goals** :gray[· {_RACE_KEY[report.count]}]")
        with st.container(key="race"):
            teams = (f"{team.name} {team.counted.xg:.2f}" for team in (report.away, report.home))
            text = f"Expected goals: {', '.join(teams)}."
            st.vega_lite_chart(spec=_race_spec(report, content, colours), height="stretch", alt=text)
    _deserved(report, colours)


def _content(report: GameReport) -> str:
    """What differs whenever one of the pictures does; not from ping to ping, most of which find nothing new."""
    shots = pd.util.hash_pandas_object(report.present, index=False).sum()
    return f"{report.game_id} {shots} {report.played_seconds} {report.power_plays}"


@dataclass(frozen=True, slots=True)
class Filter:
    """Which shots the rink map shows; what is empty filters nothing."""

    teams: tuple[str, ...] = ()
    periods: tuple[int, ...] = ()
    situations: tuple[str, ...] = ()
    players: tuple[int, ...] = ()  # by the league's ids: two may share a name
    goals_only: bool = False

    def of(self, shots: pd.DataFrame) -> pd.DataFrame:
        """The rows of the report's shots that pass."""
        columns = {"team": self.teams, "period": self.periods, "situation": self.situations, "shooter_id": self.players}
        for column, wanted in columns.items():
            if wanted:
                shots = shots[shots[column].isin(wanted)]
        return shots[shots["outcome"] == "goal"] if self.goals_only else shots


def player_names(shots: pd.DataFrame) -> dict[int, str]:
    """The shooters by the league's id, by name with the team in brackets; with the id, too, where that is no name."""
    shooters = shots.dropna(subset=["shooter_id"]).drop_duplicates("shooter_id").sort_values(["shooter", "team"])
    found = zip(shooters["shooter_id"], shooters["shooter"].fillna("Player"), shooters["team"], strict=True)
    names = {int(player): (f"{name} ({team}", int(player)) for player, name, team in found}
    shared = Counter(name for name, _ in names.values())
    return {player: f"{name}, {player})" if shared[name] > 1 else f"{name})" for player, (name, _) in names.items()}


def _rink(report: GameReport, content: str, colours: TeamColours) -> None:
    key = f"filter_{report.game_id}"
    shown = _shown(report)
    with st.container(horizontal=True, vertical_alignment="center", key="rink_title"):
        st.markdown("**Unblocked attempts** :gray[· size = xG]", width="content")
        chosen = _chosen(key)
        label = plain(" · ".join(["Filter", *_filter_words(chosen)]))
        is_on = chosen != Filter()
        with st.popover(label, icon=":material/filter_alt:", type="primary" if is_on else "secondary", key="filter"):
            chosen = _filter(report, key)
        shots = chosen.of(shown)
        notes = []
        if len(shots) < len(shown):
            sums = sums_of(shots)
            notes.append(f"{len(shots)} of {len(shown)}, xG {words.sums(sums.xg, sums.goals, sums.pending)}")
        if missing := int(shots["x"].isna().sum()):
            notes.append(f"{missing} not on the map: no location from the league")
        st.markdown(f":gray[{plain('; '.join(notes))}]" if notes else "&nbsp;", width="content")
    with st.container(key="rink_map"):
        text = (
            f"Map of {count(len(shots), 'unblocked attempt')} of {report.title}; the table of every attempt has them in"
            " numbers."
        )
        st.vega_lite_chart(spec=_rink_spec(report, content, colours, chosen), height="stretch", alt=text)


def _shown(report: GameReport) -> pd.DataFrame:
    """What is on the map: attempts at an empty net stand beside what counts there, too, but not beside 5v5."""
    return report.counted if report.count is Count.FIVE_ON_FIVE else report.present


def _chosen(key: str) -> Filter:
    """What the reader has set, which the button says before the fields are drawn."""
    kept = {name: st.session_state.get(f"{key}_{name}") or () for name in ("teams", "periods", "situations", "players")}
    goals_only = bool(st.session_state.get(f"{key}_goals"))
    return Filter(**{name: tuple(values) for name, values in kept.items()}, goals_only=goals_only)


def _filter_words(chosen: Filter) -> list[str]:
    players = [count(len(chosen.players), "player")] if chosen.players else []
    return [
        *chosen.teams,
        *map(charts.period_name, chosen.periods),
        *(SITUATIONS[situation] for situation in chosen.situations),
        *players,
        *(["goals"] if chosen.goals_only else []),
    ]


def _filter(report: GameReport, key: str) -> Filter:
    shots = report.present
    names = player_names(shots)

    def pills(label: str, name: str, options: Sequence[Any], text: Callable[[Any], str] = str) -> tuple[Any, ...]:
        chosen = st.pills(label, options, selection_mode="multi", format_func=text, key=f"{key}_{name}")
        return tuple(chosen)

    return Filter(
        teams=pills("Team", "teams", [report.away.abbrev, report.home.abbrev]),
        periods=pills("Period", "periods", sorted(shots["period"].unique().tolist()), charts.period_name),
        situations=pills(
            "Strength",
            "situations",
            [situation for situation in SITUATIONS if (shots["situation"] == situation).any()],
            SITUATIONS.__getitem__,
        ),
        players=tuple(
            st.multiselect(
                "Player", list(names), format_func=names.__getitem__, key=f"{key}_players", placeholder="All"
            )
        ),
        goals_only=st.toggle("Goals only", key=f"{key}_goals"),
    )


def _deserved(report: GameReport, colours: TeamColours) -> None:
    """Draw the odds, or why there are none yet."""
    result = odds_of(report)
    is_rated = report.away.counted.rated or report.home.counted.rated
    left, right = st.columns(_COLUMNS, gap="large", vertical_alignment="center")
    with left:
        st.markdown("**Deserved to win** :gray[· if only chances counted, so far]")
        st.html(odds_line(report, result, colours))
        none = "No odds until every goal is rated." if is_rated else "No odds yet: no attempt that counts is rated."
        text = odds_words(report, result) if result else none
        st.caption(plain(text))
    with right:
        st.markdown("**Goals that these chances usually give** :gray[· ★ the real ones]")
        with st.container(key="odds"):
            spec = charts.goal_odds(report, result, colours) if result else charts.no_odds()
            st.vega_lite_chart(spec=spec, height="stretch", alt=text)


# Drawn once for all readers, since it takes longer than all the rest of the page. `content` stands for the report,
# which its underscore leaves out of the key.
@st.cache_data(max_entries=KEPT, show_spinner=False)
def _rink_spec(_report: GameReport, content: str, colours: TeamColours, chosen: Filter) -> Spec:  # noqa: ARG001
    return charts.rink_map(_report, chosen.of(_shown(_report)), colours)


@st.cache_data(max_entries=KEPT, show_spinner=False)
def _race_spec(_report: GameReport, content: str, colours: TeamColours) -> Spec:  # noqa: ARG001
    return charts.xg_race(_report, colours)
