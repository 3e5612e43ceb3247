"""How each team's expected goals grew over game time, with its goals."""

from typing import Any, Final

import altair as alt
import pandas as pd

from livegame.reports.game import GameReport, TeamTotals
from ui.charts.shots import STAR, described, team_colour
from ui.charts.timeline import FONT, backdrop, game_time, over_time, pointer
from ui.colours import TeamColours

_APART: Final = 0.14  # of the axis: as close as the names of two lines may come


def xg_race(report: GameReport, colours: TeamColours) -> dict[str, Any]:
    """Return each team's expected goals over game time, up to the present, with its goals and who had more skaters."""
    shots = report.present
    goals = described(shots[shots["outcome"] == "goal"], report)
    lines = pd.concat([_steps(report, team) for team in (report.away, report.home)])
    top = max(1.0, 1.12 * report.away.counted.xg, 1.12 * report.home.counted.xg)
    x, y = game_time(report), _expected_goals("running_xg", top, colours)
    colour = team_colour(report, colours)
    names = alt.Chart(_line_names(report, apart=_APART * top))
    beyond = {"expr": "width + 8"}
    layers = (
        *backdrop(report, colours),
        alt.Chart(lines).mark_line(interpolate="step-after", strokeWidth=2.4).encode(x=x, y=y, color=colour),
        alt.Chart(goals)
        .mark_point(shape=STAR, size=150, opacity=1, strokeWidth=1.5)
        .encode(
            x=x,
            y=y,
            stroke=colour,
            fill=alt.condition("datum.counts", colour, alt.value("transparent")),
        ),
        names.mark_point(shape="square", size=70, filled=True, opacity=1, x=beyond, xOffset=4).encode(
            y=y, color=colour
        ),
        names.mark_text(align="left", x=beyond, dx=12, fontSize=FONT, fontWeight="bold", color=colours.ink).encode(
            y=y, text="name:N"
        ),
        *pointer(report, _moments(report), _tooltip(report)),
    )
    return over_time(layers)


def _expected_goals(field: str, top: float, colours: TeamColours) -> alt.Y:
    axis = alt.Axis(
        tickCount=4, domain=False, ticks=False, labelFontSize=FONT, labelColor=colours.ink, labelOpacity=0.75,
        gridOpacity=0.5, format=".1f",
    )  # fmt: skip
    return alt.Y(f"{field}:Q", title=None, scale=alt.Scale(domain=[0, top], nice=False), axis=axis)


def _moments(report: GameReport) -> pd.DataFrame:
    """Return both teams' expected goals at each shot, with the shot in words."""
    shots = report.present
    found = described(shots, report)
    parts = zip(found["shooter"], found["shot_type"], found["result"], strict=True)
    words = [f"{shooter}, {shot_type}, {result.lower()}" for shooter, shot_type, result in parts]
    frame = pd.DataFrame({"game_seconds": found["game_seconds"], "when": found["when"], "what": words})
    for side, team in (("away", report.away), ("home", report.home)):
        own = shots["running_xg"].where(shots["team"] == team.abbrev)
        frame[side] = own.ffill().fillna(0.0).map("{:.2f}".format)
    return frame.assign(team=found["team"], chance=found["chance"], strength=found["strength_state"])


def _tooltip(report: GameReport) -> list[alt.Tooltip]:
    return [
        alt.Tooltip("when:N", title="Time"),
        alt.Tooltip("away:N", title=f"{report.away.abbrev} xG"),
        alt.Tooltip("home:N", title=f"{report.home.abbrev} xG"),
        alt.Tooltip("team:N", title="Attempt by"),
        alt.Tooltip("what:N", title="Attempt"),
        alt.Tooltip("chance:N", title="xG"),
        alt.Tooltip("strength:N", title="Strength"),
    ]


def _steps(report: GameReport, team: TeamTotals) -> pd.DataFrame:
    """Return the team's line from the opening face-off, through every shot that counts, to the present."""
    shots = report.counted
    shots = shots[shots["team"] == team.abbrev]
    return pd.DataFrame(
        {
            "team": team.abbrev,
            "game_seconds": [0, *shots["game_seconds"].astype(int), report.played_seconds],
            "running_xg": [0.0, *shots["running_xg"].astype(float), team.counted.xg],
        }
    )


def _line_names(report: GameReport, apart: float) -> pd.DataFrame:
    """Return each team's name and xG at the end of its line, moved `apart` where they would cover each other."""
    low, high = sorted((report.away, report.home), key=lambda team: team.counted.xg)
    push = max(0.0, apart - (high.counted.xg - low.counted.xg)) / 2
    return pd.DataFrame(
        {
            "team": [low.abbrev, high.abbrev],
            "name": [f"{team.abbrev} {team.counted.xg:.2f}" for team in (low, high)],
            "running_xg": [low.counted.xg - push, high.counted.xg + push],
        }
    )
