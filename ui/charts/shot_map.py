"""Where a team's shots were taken: the half of the rink that it attacks, true to scale."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Final, Literal

import altair as alt
import pandas as pd

from livegame.reports.game import GameReport, TeamTotals
from livegame.rink import BLUE_LINE_X, RINK_WIDTH
from ui.charts.rink import EDGE_X, GREY, across, along, half
from ui.charts.shots import AT_EMPTY_NET, CROSS, STAR, described, layered, moments, team_colour, tooltip
from ui.charts.timeline import FONT
from ui.colours import TeamColours
from ui.words import OUTCOMES

_MARKS: Final = dict(zip((*OUTCOMES.values(), AT_EMPTY_NET), (STAR, "circle", "triangle-up", "diamond"), strict=True))
_KEY: Final = (0.03, 0.10, 0.30)  # xG of the marks that explain the size
_FARTHER_OUT_X: Final = (EDGE_X + BLUE_LINE_X) / 2
_LARGEST_XG: Final = 0.5  # from here on, marks grow no more
_AREAS: Final = (22, 620)  # pixels, on a rink that is this wide:
_WIDTH: Final = 360


def half_rink(
    report: GameReport,
    team: TeamTotals,
    shots: pd.DataFrame,
    colours: TeamColours,
    head: str,
    blocked: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Return a team's half of the rink; the away team attacks to the left all game, the home team to the right.

    Shots from beyond the blue line are drawn at the edge, just outside it. `shots` are rows of the report's; those of
    the other team and those without a location are left out. `head` is the line of text above. `blocked` are rows of
    the report's blocked attempts, drawn where they were blocked.
    """
    own = shots[(shots["team"] == team.abbrev) & shots["x"].notna() & shots["y"].notna()]
    side = 1 if team.is_home else -1
    points = described(own, report).assign(
        x=side * own["x"].where(own["x"] >= BLUE_LINE_X, _FARTHER_OUT_X), y=side * own["y"]
    )
    colour = team_colour(report, colours)
    marks = (
        alt.Chart(points)
        .mark_point(opacity=0.9, strokeWidth=1.6)
        .encode(
            x=along("x", side),
            y=across("y"),
            size=_size(),
            shape=_shape(),
            stroke=colour,
            fill=alt.condition("datum.outcome == 'goal'", colour, alt.value("transparent")),
            order=alt.Order("area:Q", sort="descending"),  # the small ones on top, within reach of the pointer
            tooltip=tooltip(),
        )
    )
    ice = _ice(side)
    under = [] if blocked is None else [_blocked(report, team, blocked, colours)]
    key = _shape_key(colours) if team.is_home else _size_key(colours)
    spec = layered([*_head(report, team, colours, head), *key, *under, marks])
    spec["autosize"] = {"type": "none", "contains": "padding"}
    spec["padding"] = 0
    return spec | {"layer": ice["layer"] + spec["layer"], "datasets": ice["datasets"] | spec["datasets"]}


def from_farther_out(shots: pd.DataFrame) -> int:
    """Return how many of the shots are drawn at the edge: those from beyond the blue line."""
    return int((shots["x"] < BLUE_LINE_X).sum())


def _blocked(report: GameReport, team: TeamTotals, blocked: pd.DataFrame, colours: TeamColours) -> alt.Chart:
    own = blocked[(blocked["team"] == team.abbrev) & blocked["x"].notna() & blocked["y"].notna()]
    side = 1 if team.is_home else -1
    points = pd.DataFrame(
        {
            "x": side * own["x"].where(own["x"] >= BLUE_LINE_X, _FARTHER_OUT_X),
            "y": side * own["y"],
            "team": own["team"],
            "when": moments(own),
            "shooter": own["shooter"].fillna("unknown"),
            "blocker": own["blocker"].fillna("unknown"),
        }
    )
    crosses: alt.Chart = (
        alt.Chart(points)
        .mark_point(shape=CROSS, size=30, strokeWidth=1.2, opacity=0.65)
        .encode(
            x=along("x", side),
            y=across("y"),
            stroke=team_colour(report, colours),
            tooltip=[
                alt.Tooltip("when:N", title="Time"),
                alt.Tooltip("shooter:N", title="Shooter"),
                alt.Tooltip("blocker:N", title="Blocked by"),
            ],
        )
    )
    return crosses


@cache
def _ice(side: int) -> dict[str, Any]:
    """Return the empty half of the rink, the same in all maps and the slowest part to build."""
    return layered(half(side))


def _size() -> alt.Size:
    grown = f"clamp(pow(width / {_WIDTH}, 2), 0.5, 2.5)"
    areas: list[Any] = [alt.ExprRef(f"{area} * {grown}") for area in _AREAS]
    return alt.Size("area:Q", scale=alt.Scale(domain=[0, _LARGEST_XG], range=areas, clamp=True), legend=None)


def _shape() -> alt.Shape:
    return alt.Shape("mark:N", scale=alt.Scale(domain=list(_MARKS), range=list(_MARKS.values())), legend=None)


def _head(report: GameReport, team: TeamTotals, colours: TeamColours, text: str) -> list[alt.Chart]:
    """Return the team's name with an arrow to where it attacks, and a line of text at the other end."""
    side = 1 if team.is_home else -1
    to_net: Literal["left", "right"] = "right" if team.is_home else "left"
    to_blue_line: Literal["left", "right"] = "left" if team.is_home else "right"
    row = {
        "near": side * 100, "far": side * EDGE_X, "y": RINK_WIDTH / 2 + 4.5, "team": team.abbrev,
        "arrow": "\N{BLACK RIGHT-POINTING TRIANGLE}" if team.is_home else "\N{BLACK LEFT-POINTING TRIANGLE}",
        "text": text,
    }  # fmt: skip
    place = alt.Chart(pd.DataFrame([row])).encode(y=across("y"))
    at_net = place.encode(x=along("near", side))
    return [
        at_net.mark_text(align=to_net, fontSize=15).encode(color=team_colour(report, colours), text="arrow:N"),
        at_net.mark_text(align=to_net, dx=-17 * side, fontWeight="bold", fontSize=FONT + 1, color=colours.ink).encode(
            text="team:N"
        ),
        place.mark_text(align=to_blue_line, fontSize=FONT, color=colours.ink).encode(
            x=along("far", side), text="text:N"
        ),
    ]


def _size_key(colours: TeamColours) -> list[alt.Chart]:
    rows = [(-99 + 17 * n, OUTCOMES["shot-on-goal"], xg, f"{xg:.2f}".lstrip("0")) for n, xg in enumerate(_KEY)]
    return _key([*rows, (-99 + 17 * len(rows), OUTCOMES["shot-on-goal"], None, "xG")], -1, colours)


def _shape_key(colours: TeamColours) -> list[alt.Chart]:
    words = ("goal", "on goal", "missed", "at an empty net")
    places = (EDGE_X + 1, EDGE_X + 15, EDGE_X + 34, EDGE_X + 52)
    return _key([(x, mark, 0.08, word) for x, mark, word in zip(places, _MARKS, words, strict=True)], 1, colours)


def _key(rows: Sequence[tuple[float, str, float | None, str]], side: int, colours: TeamColours) -> list[alt.Chart]:
    """Return marks with words below the boards; `rows` are x in feet, mark, xG (None: only words) and words."""
    frame = pd.DataFrame(rows, columns=["x", "mark", "area", "word"]).assign(y=-RINK_WIDTH / 2 - 4.5)
    place = alt.Chart(frame).encode(x=along("x", side), y=across("y"))
    is_goal = f"datum.mark == '{OUTCOMES['goal']}'"
    return [
        place.transform_filter("datum.area != null")
        .mark_point(stroke=GREY, strokeWidth=1.5, opacity=1)
        .encode(size=_size(), shape=_shape(), fill=alt.condition(is_goal, alt.value(GREY), alt.value("transparent"))),
        place.mark_text(align="left", dx=12, fontSize=FONT - 1, color=colours.ink, opacity=0.8).encode(text="word:N"),
    ]
