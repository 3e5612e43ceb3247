"""Charts of a game: where the shots were taken, how expected goals grew, and how many goals they usually give.

Teams differ by colour and by something else in each chart (their end of the rink, the dash of their line, their place
in the group of bars), outcomes by shape.
"""

from collections.abc import Iterable
from functools import cache
from typing import Any, Final, Literal

import altair as alt
import pandas as pd

from livegame.plays import OVERTIME_SECONDS, PERIOD_SECONDS, REGULATION_PERIODS
from livegame.reports.counting import EMPTY_NET
from livegame.reports.game import GameReport, TeamTotals
from livegame.reports.odds import Odds
from livegame.rink import GOAL_LINE_X, RINK_WIDTH
from ui.charts.rink import GREY, across, along, markings
from ui.colours import TeamColours
from ui.words import OUTCOMES, period_name

STAR: Final = (
    "M0,-1L0.235,-0.324L0.951,-0.309L0.38,0.124L0.588,0.809L0,0.4L-0.588,0.809L-0.38,0.124L-0.951,-0.309L-0.235,-0.324Z"
)
_AT_EMPTY_NET: Final = "Empty net"  # goal or not: a hit from afar is no great chance
_MARKS: Final = dict(zip((*OUTCOMES.values(), _AT_EMPTY_NET), (STAR, "circle", "triangle-up", "diamond"), strict=True))
_EMPTY_NET_AREA: Final = 0.06  # the mark's area, as if this were its xG
LEAST_SHOWN: Final = 0.005  # probability of a number of goals below which the axis may end
# A chart is sent to every reader at each change, so it gets only the columns that it shows.
_COLUMNS: Final = (
    *("event_id", "period", "time", "game_seconds", "team", "shooter", "outcome", "status", "shot_type"),
    *("distance", "angle", "strength_state", "situation", "counts", "running_xg", "probability"),
)


def rink_map(report: GameReport, shots: pd.DataFrame, colours: TeamColours) -> dict[str, Any]:
    """Return the map of where shots were taken: the away team attacks the left net all game, the home team the right.

    `shots` are rows of the report's; those without a location are left out.
    """
    shots = shots[shots["x"].notna() & shots["y"].notna()]
    attacks = shots["team"].map({report.away.abbrev: -1, report.home.abbrev: 1})
    points = _described(shots, report).assign(x=shots["x"] * attacks, y=shots["y"] * attacks)
    team = _team_colour(report, colours)
    marks = (
        alt.Chart(points)
        .mark_point(opacity=0.9, strokeWidth=1.5)
        .encode(
            x=along("x"),
            y=across("y"),
            size=alt.Size("area:Q", scale=alt.Scale(domain=[0, 0.5], range=[22, 650], clamp=True), legend=None),
            shape=_shape(),
            stroke=team,
            fill=alt.condition("datum.outcome == 'goal'", team, alt.value("transparent")),
            order=alt.Order("area:Q", sort="descending"),  # the small ones on top, within reach of the pointer
            tooltip=_tooltip(),
        )
    )
    names = [layer for side in (report.away, report.home) for layer in _end_name(report, side, colours)]
    ice, spec = _ice(), layered([*names, marks])
    return spec | {"layer": ice["layer"] + spec["layer"], "datasets": ice["datasets"] | spec["datasets"]}


@cache
def _ice() -> dict[str, Any]:
    """Return the empty rink, the same in all maps and the slowest part to build."""
    return layered(markings())


def xg_race(report: GameReport, colours: TeamColours) -> dict[str, Any]:
    """Return each team's expected goals over game time, up to the present, with its goals and power plays."""
    shots = report.present
    goals = _described(shots[shots["outcome"] == "goal"], report)
    lines = pd.concat([_steps(report, team) for team in (report.away, report.home)])
    periods = _periods(report.played_seconds)
    end, top = int(periods["end"].max()), max(1.0, 1.1 * report.away.counted.xg, 1.1 * report.home.counted.xg)
    x = alt.X(
        "game_seconds:Q",
        title="minutes played",
        scale=alt.Scale(domain=[0, 1.15 * end], nice=False),  # room for the names at the lines' ends
        axis=alt.Axis(values=list(range(0, end + 1, PERIOD_SECONDS // 2)), labelExpr="datum.value / 60", grid=False),
    )
    y = alt.Y(
        "running_xg:Q", title="expected goals", scale=alt.Scale(domain=[0, top], nice=False), axis=alt.Axis(tickCount=5)
    )
    dash = alt.Scale(domain=_abbrevs(report), range=[[6, 3], [1, 0]])
    colour = _team_colour(report, colours)
    names = alt.Chart(_line_names(report, apart=0.08 * top))
    layers = (
        alt.Chart(_power_plays(report))
        .mark_rect(opacity=0.16)
        .encode(x=alt.X("start:Q"), x2="end:Q", color=colour, tooltip=[alt.Tooltip("words:N", title="Power play")]),
        alt.Chart(periods).mark_rule(strokeDash=[3, 3], color=GREY, opacity=0.6).encode(x="end:Q"),
        alt.Chart(periods)
        .mark_text(color=GREY, baseline="bottom", dy=-3)
        .encode(x="middle:Q", y=alt.value(0), text="name:N"),
        alt.Chart(lines)
        .mark_line(interpolate="step-after", strokeWidth=2.2)
        .encode(x=x, y=y, color=colour, strokeDash=alt.StrokeDash("team:N", scale=dash, legend=None)),
        alt.Chart(goals)
        .mark_point(shape=STAR, size=160, opacity=1, strokeWidth=1.5)
        .encode(
            x=x,
            y=y,
            stroke=colour,
            fill=alt.condition("datum.counts", colour, alt.value("transparent")),
            tooltip=_tooltip(),
        ),
        names.mark_point(shape="square", size=70, filled=True, opacity=1, xOffset=9).encode(x=x, y=y, color=colour),
        names.mark_text(align="left", dx=17, fontWeight="bold", color=colours.ink).encode(x=x, y=y, text="name:N"),
    )
    return layered(layers)


def goal_odds(report: GameReport, odds: Odds, colours: TeamColours) -> dict[str, Any]:
    """Return how likely each number of goals was for either team, with the number that it scored."""
    sides = ((report.away, odds.away_goals), (report.home, odds.home_goals))
    likely = (int((goals > LEAST_SHOWN).nonzero()[0].max()) for _, goals in sides)
    shown = max([5, *likely, *(team.counted.goals for team, _ in sides)])
    rows = [
        (team.abbrev, number, float(goals[number]) if number < len(goals) else 0.0, number == team.counted.goals)
        for team, goals in sides
        for number in range(shown + 1)
    ]
    frame = pd.DataFrame(rows, columns=["team", "goals", "chance", "real"])
    base = alt.Chart(frame).encode(
        x=alt.X("goals:O", title="goals", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("team:N", sort=_abbrevs(report)),
        tooltip=[
            alt.Tooltip("team:N", title="Team"),
            alt.Tooltip("goals:O", title="Goals"),
            alt.Tooltip("chance:Q", title="How often", format=".1%"),
        ],
    )
    bars = base.mark_bar(cornerRadiusEnd=2).encode(
        y=alt.Y("chance:Q", axis=None),
        color=_team_colour(report, colours),
        opacity=alt.condition("datum.real", alt.value(1.0), alt.value(0.45)),
    )
    stars = (
        base.transform_filter("datum.real")
        .mark_point(shape=STAR, size=90, filled=True, opacity=1, yOffset=-9)
        .encode(y="chance:Q", color=_team_colour(report, colours))
    )
    return layered([bars, stars])


def no_odds() -> dict[str, Any]:
    """Return an empty chart for the place of `goal_odds`."""
    return layered([alt.Chart(pd.DataFrame({"goals": []})).mark_bar()])


def moments(shots: pd.DataFrame) -> "pd.Series[str]":
    """Return when each shot was taken: "P2 12:35"."""
    periods = shots["period"].astype(int).map(period_name)
    return periods.astype(str) + " " + shots["time"].astype(str)  # without rows, map gives numbers


def layered(layers: Iterable[alt.Chart]) -> dict[str, Any]:
    """Return the layers on top of each other, as Vega-Lite."""
    spec: dict[str, Any] = alt.LayerChart(layer=list(layers)).configure_view(stroke=None).to_dict()
    return spec


def _described(shots: pd.DataFrame, report: GameReport) -> pd.DataFrame:
    """Return the columns that charts and tooltips need, with words for people."""
    chance = shots["probability"].astype(float)
    is_at_empty_net = shots["situation"] == EMPTY_NET
    return shots[list(_COLUMNS)].assign(
        team_name=shots["team"].map({team.abbrev: team.name for team in (report.away, report.home)}),
        result=shots["outcome"].map(OUTCOMES),
        **{column: shots[column].fillna("unknown") for column in ("shooter", "shot_type", "strength_state")},
        when=moments(shots),
        chance=chance.map("{:.1%}".format).where(chance.notna(), "pending"),
        # a pending shot is drawn smallest; at an empty net the size says nothing
        area=chance.fillna(0.0).mask(is_at_empty_net, _EMPTY_NET_AREA),
        mark=shots["outcome"].map(OUTCOMES).mask(is_at_empty_net, _AT_EMPTY_NET),
    )


def _end_name(report: GameReport, team: TeamTotals, colours: TeamColours) -> list[alt.Chart]:
    """Return a team's name over the end that it attacks, with an arrow in its colour."""
    side = 1 if team.is_home else -1
    align: Literal["left", "right"] = "right" if team.is_home else "left"
    row = {
        "x": side * (GOAL_LINE_X - 2),
        "y": RINK_WIDTH / 2 + 4,
        "team": team.abbrev,
        "name": team.name,
        "arrow": "▶" if team.is_home else "◀",
    }
    place = alt.Chart(pd.DataFrame([row])).encode(x=along("x"), y=across("y"))
    name = place.mark_text(align=align, dx=-16 * side, fontWeight="bold", fontSize=12, color=colours.ink)
    return [
        place.mark_text(align=align, fontSize=16).encode(color=_team_colour(report, colours), text="arrow:N"),
        # on a phone there is no room for both names
        name.transform_calculate(shown="width < 480 ? datum.team : datum.name").encode(text="shown:N"),
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


def _power_plays(report: GameReport) -> pd.DataFrame:
    rows = [
        (team.abbrev, stretch.start_s, stretch.end_s, f"{team.name}, {stretch.end_s - stretch.start_s} s")
        for stretch in report.power_plays
        for team in (report.home if stretch.is_home else report.away,)
    ]
    return pd.DataFrame(rows, columns=["team", "start", "end", "words"])


def _line_names(report: GameReport, apart: float) -> pd.DataFrame:
    """Return each team's name and xG at the end of its line, moved `apart` where they would cover each other."""
    low, high = sorted((report.away, report.home), key=lambda team: team.counted.xg)
    push = max(0.0, apart - (high.counted.xg - low.counted.xg)) / 2
    return pd.DataFrame(
        {
            "team": [low.abbrev, high.abbrev],
            "name": [f"{team.abbrev} {team.counted.xg:.2f}" for team in (low, high)],
            "game_seconds": report.played_seconds,
            "running_xg": [low.counted.xg - push, high.counted.xg + push],
        }
    )


def _periods(played_seconds: int) -> pd.DataFrame:
    """Return the three periods and any overtime that has begun, in game seconds."""
    ends = [PERIOD_SECONDS * number for number in range(1, REGULATION_PERIODS + 1)]
    while played_seconds > ends[-1]:
        ends.append(min(ends[-1] + PERIOD_SECONDS, max(ends[-1] + OVERTIME_SECONDS, played_seconds)))
    names = [period_name(number, "Period ") for number in range(1, len(ends) + 1)]
    frame = pd.DataFrame({"name": names, "start": [0, *ends[:-1]], "end": ends})
    return frame.assign(middle=(frame["start"] + frame["end"]) / 2)


def _abbrevs(report: GameReport) -> list[str]:
    return [report.away.abbrev, report.home.abbrev]


def _team_colour(report: GameReport, colours: TeamColours) -> alt.Color:
    return alt.Color(
        "team:N", scale=alt.Scale(domain=_abbrevs(report), range=[colours.away, colours.home]), legend=None
    )


def _shape() -> alt.Shape:
    return alt.Shape(
        "mark:N",
        scale=alt.Scale(domain=list(_MARKS), range=list(_MARKS.values())),
        legend=alt.Legend(title=None, orient="bottom", symbolSize=90, symbolStrokeColor=GREY, symbolStrokeWidth=1.5),
    )


def _tooltip() -> list[alt.Tooltip]:
    return [
        alt.Tooltip("team_name:N", title="Team"),
        alt.Tooltip("shooter:N", title="Shooter"),
        alt.Tooltip("when:N", title="Time"),
        alt.Tooltip("result:N", title="Outcome"),
        alt.Tooltip("chance:N", title="Goal probability"),
        alt.Tooltip("shot_type:N", title="Type"),
        alt.Tooltip("distance:Q", title="Distance (ft)", format=".0f"),
        alt.Tooltip("angle:Q", title="Angle (°)", format=".0f"),
        alt.Tooltip("strength_state:N", title="Strength"),
        alt.Tooltip("status:N", title="Status"),
    ]
