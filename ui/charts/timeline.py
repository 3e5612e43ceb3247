"""What the charts over game time share, so that they stand exactly below each other: axis, periods, manpower, pointer.

Each has the same fixed room at its left for the axis and at its right for names.
"""

from collections.abc import Sequence
from typing import Any, Final

import altair as alt
import pandas as pd

from livegame.plays import OVERTIME_SECONDS, PERIOD_SECONDS, REGULATION_PERIODS, GameState
from livegame.reports.game import GameReport
from ui.charts.rink import GREY
from ui.charts.shots import layered, team_colour
from ui.colours import TeamColours
from ui.words import period_name

LEFT: Final = 38  # pixels
RIGHT: Final = 78
FONT: Final = 12
_SEEN_S: Final = 10  # a net is empty for a few seconds at each delayed penalty


def over_time(layers: Sequence[alt.Chart], *, top: int = 6, bottom: int = 8) -> dict[str, Any]:
    """Return the layers as a chart over game time; `top` and `bottom` are the pixels above and below the plot."""
    spec = layered(layers)
    spec["autosize"] = {"type": "none", "contains": "padding"}
    spec["padding"] = {"left": LEFT, "right": RIGHT, "top": top, "bottom": bottom}
    return spec


def game_time(report: GameReport, field: str = "game_seconds") -> alt.X:
    """Return the axis from the opening face-off to the end of the current period, in game seconds, without labels."""
    return alt.X(
        f"{field}:Q", scale=alt.Scale(domain=[0, game_end(report)], nice=False, zero=False, padding=0), axis=None
    )


def game_end(report: GameReport) -> int:
    """Return where the axis ends: at the end of the current period, in game seconds."""
    return int(periods(report)["end"].max())


def periods(report: GameReport) -> pd.DataFrame:
    """Return the periods that have begun: `name`, `start`, `end` and `middle` in game seconds.

    As of an earlier second of the game's clock they are those of the whole game, so that the axis stands still.
    """
    played, regulation = report.length_s, REGULATION_PERIODS * PERIOD_SECONDS
    ends = [PERIOD_SECONDS]
    while played > ends[-1]:
        overtime = min(PERIOD_SECONDS, max(OVERTIME_SECONDS, played - ends[-1]))
        ends.append(ends[-1] + (PERIOD_SECONDS if ends[-1] < regulation else overtime))
    if report.known_state in (GameState.OVER, GameState.FINAL) and played > regulation:
        ends[-1] = played  # the goal that ended it
    names = [period_name(number) for number in range(1, len(ends) + 1)]
    frame = pd.DataFrame({"name": names, "start": [0, *ends[:-1]], "end": ends})
    return frame.assign(middle=(frame["start"] + frame["end"]) / 2)


def backdrop(report: GameReport, colours: TeamColours) -> list[alt.Chart]:
    """Return what lies behind each chart: manpower and the ends of the periods.

    A power play is shaded in its team's colour, four on four in grey; a net without a goalie is a bar at the bottom.
    """
    x, colour = game_time(report, "start"), team_colour(report, colours)
    return [
        alt.Chart(advantages(report)).mark_rect(opacity=0.13).encode(x=x, x2="end:Q", color=colour),
        alt.Chart(fewer_skaters(report)).mark_rect(opacity=0.13, color=GREY).encode(x=x, x2="end:Q"),
        alt.Chart(empty_nets(report))
        .mark_rect(opacity=0.9, y={"expr": "height - 5"}, y2={"expr": "height"})
        .encode(x=x, x2="end:Q", color=colour),
        alt.Chart(periods(report).iloc[:-1])
        .mark_rule(strokeDash=[3, 3], color=GREY, opacity=0.6)
        .encode(x=game_time(report, "end")),
    ]


def period_names(report: GameReport, colours: TeamColours) -> alt.Chart:
    """Return the names of the periods, below the plot."""
    place = alt.Chart(periods(report)).mark_text(
        baseline="top", dy=5, fontSize=FONT, color=colours.ink, opacity=0.75, y={"expr": "height"}
    )
    names: alt.Chart = place.encode(x=game_time(report, "middle"), text="name:N")
    return names


def pointer(report: GameReport, moments: pd.DataFrame, tooltip: list[alt.Tooltip]) -> list[alt.Chart]:
    """Return a line at the moment nearest to the pointer, with a tooltip; draw it last.

    `moments` has `game_seconds`, and the columns that the tooltip shows.
    """
    nearest = alt.selection_point(
        name="nearest", nearest=True, on="pointermove", clear="pointerout", encodings=["x"], empty=False
    )
    x, base = game_time(report), alt.Chart(moments)
    return [
        base.mark_rule(color=GREY, strokeWidth=1.2).encode(x=x).transform_filter(nearest),
        base.mark_point(opacity=0, y={"expr": "height / 2"}).encode(x=x, tooltip=tooltip).add_params(nearest),
    ]


def advantages(report: GameReport) -> pd.DataFrame:
    """Return when one team had more skaters than the other: `team`, `start`, `end` in game seconds."""
    rows = [
        ((report.home if stretch.is_home else report.away).abbrev, stretch.start_s, stretch.end_s)
        for stretch in report.power_plays
    ]
    return pd.DataFrame(rows, columns=["team", "start", "end"])


def empty_nets(report: GameReport) -> pd.DataFrame:
    """Return when a team had no goalie in its net, by stretches: `team`, `start`, `end` in game seconds."""
    rows = [
        (team.abbrev, row.start_s, row.end_s)
        for row in report.manpower
        for team, digit in ((report.away, 0), (report.home, 3))
        if row.situation and row.situation[digit] == "0" and row.end_s - row.start_s >= _SEEN_S
    ]
    return pd.DataFrame(rows, columns=["team", "start", "end"])


def fewer_skaters(report: GameReport) -> pd.DataFrame:
    """Return when both teams had equally few skaters in regulation, by stretches: `start`, `end` in game seconds."""
    rows = [
        (row.start_s, row.end_s)
        for row in report.manpower
        if row.situation in ("1441", "1331") and row.end_s <= REGULATION_PERIODS * PERIOD_SECONDS
    ]
    return pd.DataFrame(rows, columns=["start", "end"])
