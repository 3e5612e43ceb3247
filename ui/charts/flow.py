"""Who had the better of it when: expected goals per five minutes, the away team's over a line, the home's under."""

from typing import Any, Final

import altair as alt
import pandas as pd

from livegame.reports.flow import Flow
from livegame.reports.game import GameReport
from ui.charts.shots import STAR, described, team_colour
from ui.charts.timeline import backdrop, game_end, game_time, over_time, period_names, pointer
from ui.colours import TeamColours
from ui.words import stretch_words

_LEAST_SHOWN: Final = 0.5  # xG up to which the axis reaches at least: one chance is no flood
_GAP_S: Final = 15  # left free at both ends of a bar


def xg_flow(report: GameReport, flow: Flow, colours: TeamColours) -> dict[str, Any]:
    """Return both teams' expected goals per step as bars, with the goals on the line between them."""
    steps = flow.steps
    bars = pd.concat(
        pd.DataFrame(
            {
                "team": team.abbrev,
                "start": steps["start_s"] + _GAP_S,
                "end": (steps["end_s"] - _GAP_S).clip(upper=game_end(report)),
                "xg": steps[side] * sign,
                "zero": 0,
            }
        )
        for team, side, sign in ((report.away, "away", 1), (report.home, "home", -1))
    )
    most = 1.1 * max(_LEAST_SHOWN, float(bars["xg"].abs().max()))
    y = alt.Y("xg:Q", scale=alt.Scale(domain=[-most, most], nice=False), axis=None)
    goals = described(report.present[report.present["outcome"] == "goal"], report)
    colour = team_colour(report, colours)
    layers = (
        *backdrop(report, colours),
        alt.Chart(bars)
        .mark_rect(cornerRadius=1)
        .encode(x=game_time(report, "start"), x2="end:Q", y=y, y2="zero:Q", color=colour),
        alt.Chart(bars.head(1)).mark_rule(color=colours.ink, opacity=0.6, x=0, x2={"expr": "width"}).encode(y="zero:Q"),
        alt.Chart(goals.assign(zero=0))
        .mark_point(shape=STAR, size=220, opacity=1, strokeWidth=1.2, stroke=colours.paper)
        .encode(x=game_time(report), y="zero:Q", fill=colour),
        period_names(report, colours),
        *pointer(report, _moments(flow), _tooltip(report)),
    )
    return over_time(layers, bottom=22)


def _moments(flow: Flow) -> pd.DataFrame:
    steps = flow.steps
    return pd.DataFrame(
        {
            "game_seconds": (steps["start_s"] + steps["end_s"]) / 2,
            "when": [stretch_words(*ends) for ends in zip(steps["start_s"], steps["end_s"], strict=True)],
            "away": steps["away"].map("{:.2f}".format),
            "home": steps["home"].map("{:.2f}".format),
        }
    )


def _tooltip(report: GameReport) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("when:N", title="Time"),
        alt.Tooltip("away:N", title=f"{report.away.abbrev} xG"),
        alt.Tooltip("home:N", title=f"{report.home.abbrev} xG"),
    ]
