"""What the charts of a game share: words and tooltips of shots, colours of teams, layers on top of each other."""

import hashlib
import json
from collections.abc import Iterable
from typing import Any, Final

import altair as alt
import pandas as pd
from altair.utils.schemapi import disable_debug_mode

from livegame.reports.counting import EMPTY_NET
from livegame.reports.game import GameReport
from ui.colours import TeamColours
from ui.words import OUTCOMES, period_name

disable_debug_mode()  # see `layered`

STAR: Final = (
    "M0,-1L0.235,-0.324L0.951,-0.309L0.38,0.124L0.588,0.809L0,0.4L-0.588,0.809L-0.38,0.124L-0.951,-0.309L-0.235,-0.324Z"
)
CROSS: Final = "M-0.8,-0.8L0.8,0.8M-0.8,0.8L0.8,-0.8"
AT_EMPTY_NET: Final = "Empty net"  # goal or not: a hit from afar is no great chance
EMPTY_NET_AREA: Final = 0.06  # the mark's area, as if this were its xG
# A chart is sent to every reader at each change, so it gets only the columns that it shows.
_COLUMNS: Final = (
    *("event_id", "period", "time", "game_seconds", "team", "shooter", "outcome", "status", "shot_type"),
    *("distance", "angle", "strength_state", "situation", "counts", "running_xg", "probability"),
)


def moments(shots: pd.DataFrame) -> "pd.Series[str]":
    """Return when each shot was taken: "P2 12:35"."""
    words = [f"{period_name(number)} {time}" for number, time in zip(shots["period"], shots["time"], strict=True)]
    return pd.Series(words, index=shots.index, dtype=str)


def layered(layers: Iterable[alt.Chart]) -> dict[str, Any]:
    """Return the layers on top of each other, as Vega-Lite.

    Altair would check each part and convert each layer's table, which takes most of the time. The tests check the
    charts; the tables are converted here.
    """
    datasets: dict[str, list[dict[str, Any]]] = {}
    named = []
    for layer in layers:
        rows = _records(layer.data)
        name = f"data-{hashlib.md5(json.dumps(rows).encode(), usedforsecurity=False).hexdigest()}"
        datasets[name] = rows
        with_name = layer.copy(deep=False)
        with_name.data = alt.NamedData(name)
        named.append(with_name)
    spec: dict[str, Any] = alt.LayerChart(layer=named).configure_view(stroke=None).to_dict(validate=False)
    return spec | {"datasets": datasets}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows with plain values, None where one is missing."""
    plain = table.astype(object)
    return [
        {str(name): value for name, value in row.items()} for row in plain.where(table.notna(), None).to_dict("records")
    ]


def described(shots: pd.DataFrame, report: GameReport) -> pd.DataFrame:
    """Return the columns that charts and tooltips need, with words for people."""
    chance = shots["probability"].astype(float)
    is_at_empty_net = shots["situation"] == EMPTY_NET
    return shots[list(_COLUMNS)].assign(
        team_name=shots["team"].map({team.abbrev: team.name for team in (report.away, report.home)}),
        result=shots["outcome"].map(OUTCOMES),
        **{column: shots[column].fillna("unknown") for column in ("shooter", "shot_type", "strength_state")},
        when=moments(shots),
        chance=chance.map("{:.2f}".format).where(chance.notna(), "pending"),
        # a pending shot is drawn smallest; at an empty net the size says nothing
        area=chance.fillna(0.0).mask(is_at_empty_net, EMPTY_NET_AREA),
        mark=shots["outcome"].map(OUTCOMES).mask(is_at_empty_net, AT_EMPTY_NET),
    )


def abbrevs(report: GameReport) -> list[str]:
    """Return both teams' abbreviations, the away team's first."""
    return [report.away.abbrev, report.home.abbrev]


def team_colour(report: GameReport, colours: TeamColours) -> alt.Color:
    """Return the colour of the team in the column `team`."""
    return alt.Color("team:N", scale=alt.Scale(domain=abbrevs(report), range=[colours.away, colours.home]), legend=None)


def tooltip() -> list[alt.Tooltip]:
    """Return what the tooltip of a shot says."""
    return [
        alt.Tooltip("team_name:N", title="Team"),
        alt.Tooltip("shooter:N", title="Shooter"),
        alt.Tooltip("when:N", title="Time"),
        alt.Tooltip("result:N", title="Outcome"),
        alt.Tooltip("chance:N", title="xG"),
        alt.Tooltip("shot_type:N", title="Type"),
        alt.Tooltip("distance:Q", title="Distance (ft)", format=".0f"),
        alt.Tooltip("angle:Q", title="Angle (°)", format=".0f"),
        alt.Tooltip("strength_state:N", title="Strength"),
        alt.Tooltip("status:N", title="Status"),
    ]
