"""An NHL rink as layers of a chart, in feet from centre ice, true to scale at any size."""

import math
from typing import Final, Literal

import altair as alt
import pandas as pd

from livegame.rink import BLUE_LINE_X, CORNER_RADIUS, GOAL_LINE_X, RINK_LENGTH, RINK_WIDTH

RED: Final = "#c8102e"
BLUE: Final = "#4a78c9"
GREY: Final = "#8a8f98"
_MARGIN: Final = 3.0  # feet shown beyond the boards
_HEADROOM: Final = 6.0  # and above them, for a line of text
# Rule 1 of the NHL's rule book, in feet.
_CIRCLE_RADIUS, _REFEREE_RADIUS = 15.0, 10.0
_SPOTS: Final = [(0.0, 0.0), *((x, y) for x in (-69.0, -20.0, 20.0, 69.0) for y in (-22.0, 22.0))]
_CREASE_WIDTH, _CREASE_SIDE, _CREASE_RADIUS = 8.0, 4.5, 6.0
_NET_WIDTH, _NET_DEPTH = 6.0, 40 / 12
_TRAPEZOID_AT_GOAL_LINE, _TRAPEZOID_AT_BOARDS = 22.0, 28.0

Points = list[tuple[float, float]]


def along(field: str) -> alt.X:
    """Return the axis from end to end, in feet."""
    return alt.X(f"{field}:Q", scale=_to_scale("width", "height", centre=0), axis=None)


def across(field: str) -> alt.Y:
    """Return the axis from boards to boards, in feet."""
    return alt.Y(f"{field}:Q", scale=_to_scale("height", "width", centre=_HEADROOM / 2), axis=None)


def markings() -> list[alt.Chart]:
    """Return boards, lines, circles, spots, creases, nets and trapezoids."""
    x, y = along("x"), across("y")
    lines = [
        alt.Chart(_table(paths))
        .mark_line(color=colour, strokeWidth=width, opacity=0.55)
        .encode(x=x, y=y, detail="path:N", order="step:Q")
        for colour, width, paths in (
            (GREY, 2.0, [boards()]),
            (RED, 2.5, [_line_across(0)]),
            (BLUE, 2.5, [_line_across(-BLUE_LINE_X), _line_across(BLUE_LINE_X)]),
            (BLUE, 1.0, [_arc(0, 0, _CIRCLE_RADIUS, 0, 360), *_both_ends(_crease())]),
            (RED, 1.0, _thin_red_lines()),
            (GREY, 1.0, _both_ends(_net())),
        )
    ]
    spots = pd.DataFrame(_SPOTS, columns=["x", "y"])
    return [*lines, alt.Chart(spots).mark_circle(color=RED, size=14, opacity=0.55).encode(x=x, y=y)]


def boards() -> Points:
    """Return the boards' outline, counter-clockwise and closed."""
    x, y = RINK_LENGTH / 2 - CORNER_RADIUS, RINK_WIDTH / 2 - CORNER_RADIUS
    corners = ((x, y, 0), (-x, y, 90), (-x, -y, 180), (x, -y, 270))
    outline = [point for cx, cy, start in corners for point in _arc(cx, cy, CORNER_RADIUS, start, start + 90)]
    return [*outline, outline[0]]


def _to_scale(own: Literal["width", "height"], other: Literal["width", "height"], *, centre: float) -> alt.Scale:
    # A foot takes as many pixels as the tighter direction allows; the other direction has room to spare.
    half = {"width": RINK_LENGTH / 2 + _MARGIN, "height": (RINK_WIDTH + _HEADROOM) / 2 + _MARGIN}
    reach = f"max({half[own]}, {half[other]} * {own} / {other})"
    low, high = alt.ExprRef(f"{centre} - {reach}"), alt.ExprRef(f"{centre} + {reach}")
    return alt.Scale(domainMin=low, domainMax=high, nice=False, zero=False, padding=0)


def _table(paths: list[Points]) -> pd.DataFrame:
    rows = [(number, step, *point) for number, path in enumerate(paths) for step, point in enumerate(path)]
    return pd.DataFrame(rows, columns=["path", "step", "x", "y"])


def _line_across(x: float) -> Points:
    """Return a straight line from boards to boards."""
    into_corner = max(abs(x) - (RINK_LENGTH / 2 - CORNER_RADIUS), 0)
    y = RINK_WIDTH / 2 - CORNER_RADIUS + math.sqrt(CORNER_RADIUS**2 - into_corner**2)
    return [(x, -y), (x, y)]


def _thin_red_lines() -> list[Points]:
    goal_lines = [_line_across(-GOAL_LINE_X), _line_across(GOAL_LINE_X)]
    circles = [_arc(x, y, _CIRCLE_RADIUS, 0, 360) for x, y in _SPOTS if abs(x) > BLUE_LINE_X]
    referee = _arc(0, -RINK_WIDTH / 2, _REFEREE_RADIUS, 0, 180)
    trapezoid = [
        path
        for side in (-1, 1)
        for path in _both_ends(
            [(GOAL_LINE_X, side * _TRAPEZOID_AT_GOAL_LINE / 2), (RINK_LENGTH / 2, side * _TRAPEZOID_AT_BOARDS / 2)]
        )
    ]
    return [*goal_lines, *circles, referee, *trapezoid]


def _crease() -> Points:
    half = _CREASE_WIDTH / 2
    opening = math.degrees(math.asin(half / _CREASE_RADIUS))
    arc = _arc(GOAL_LINE_X, 0, _CREASE_RADIUS, 180 - opening, 180 + opening)
    front = GOAL_LINE_X - _CREASE_SIDE
    return [(GOAL_LINE_X, half), (front, half), *arc, (front, -half), (GOAL_LINE_X, -half)]


def _net() -> Points:
    back, post = GOAL_LINE_X + _NET_DEPTH, _NET_WIDTH / 2
    return [(GOAL_LINE_X, post), (back, post), (back, -post), (GOAL_LINE_X, -post)]


def _both_ends(path: Points) -> list[Points]:
    return [path, [(-x, y) for x, y in path]]


def _arc(cx: float, cy: float, radius: float, start: float, end: float) -> Points:
    """Return points of a circle's arc, counter-clockwise, every six degrees or closer."""
    steps = max(6, math.ceil((end - start) / 6))
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(cx + radius * math.cos(angle), cy + radius * math.sin(angle)) for angle in angles]
