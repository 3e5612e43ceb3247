"""Half an NHL rink as layers of a chart, in feet from centre ice, true to scale at any size."""

import math
from typing import Final, Literal

import altair as alt
import pandas as pd

from livegame.rink import BLUE_LINE_X, CORNER_RADIUS, GOAL_LINE_X, RINK_LENGTH, RINK_WIDTH

GREY: Final = "#8a8f98"
EDGE_X: Final = 17.0  # where the drawing begins; between it and the blue line lie the marks of shots from farther out
_FAR_X: Final = RINK_LENGTH / 2 + 1
HEADROOM: Final = 8.0  # feet above the boards, for a line of text
FOOTROOM: Final = 7.0  # and below them
# Rule 1 of the NHL's rule book, in feet.
_CIRCLE_RADIUS = 15.0
_SPOTS: Final = [(69.0, -22.0), (69.0, 22.0)]
_CREASE_WIDTH, _CREASE_SIDE, _CREASE_RADIUS = 8.0, 4.5, 6.0
_NET_WIDTH, _NET_DEPTH = 6.0, 40 / 12
_TRAPEZOID_AT_GOAL_LINE, _TRAPEZOID_AT_BOARDS = 22.0, 28.0

Points = list[tuple[float, float]]


def along(field: str, side: int) -> alt.X:
    """Return the axis along the drawn half, in feet; `side` is 1 for the right half of the rink, -1 for the left."""
    return alt.X(f"{field}:Q", scale=_to_scale("width", "height", centre=side * (EDGE_X + _FAR_X) / 2), axis=None)


def across(field: str) -> alt.Y:
    """Return the axis from boards to boards, in feet."""
    return alt.Y(f"{field}:Q", scale=_to_scale("height", "width", centre=(HEADROOM - FOOTROOM) / 2), axis=None)


def half(side: int) -> list[alt.Chart]:
    """Return one half of the rink from a little beyond its blue line: boards, lines, circles, spots, crease and net."""
    x, y = along("x", side), across("y")

    def lines(paths: list[Points], colour: str, width: float) -> alt.Chart:
        table = _table([[(side * px, py) for px, py in path] for path in paths])
        drawn: alt.Chart = (
            alt.Chart(table)
            .mark_line(color=colour, strokeWidth=width, opacity=0.4, tooltip=None)
            .encode(x=x, y=y, detail="path:N", order="step:Q")
        )
        return drawn

    spots = pd.DataFrame([(side * px, py) for px, py in _SPOTS], columns=["x", "y"])
    return [
        lines([_boards_from(EDGE_X), *_thin_lines()], GREY, 1.0),
        lines([_line_across(BLUE_LINE_X)], GREY, 2.5),
        lines([_crease(), _net()], GREY, 1.4),
        alt.Chart(spots).mark_circle(color=GREY, size=12, opacity=0.4, tooltip=None).encode(x=x, y=y),
    ]


def boards() -> Points:
    """Return the boards' outline, counter-clockwise and closed."""
    x, y = RINK_LENGTH / 2 - CORNER_RADIUS, RINK_WIDTH / 2 - CORNER_RADIUS
    corners = ((x, y, 0), (-x, y, 90), (-x, -y, 180), (x, -y, 270))
    outline = [point for cx, cy, start in corners for point in _arc(cx, cy, CORNER_RADIUS, start, start + 90)]
    return [*outline, outline[0]]


def sorted_outline() -> Points:
    """Return the right half's boards, from the lower side around the end to the upper one."""
    return sorted((point for point in boards() if point[0] > 0), key=lambda point: math.atan2(point[1], point[0]))


def _boards_from(x: float) -> Points:
    """Return the boards of the right half, from `x` around the end."""
    top = RINK_WIDTH / 2
    return [(x, -top), *(point for point in sorted_outline() if point[0] > x), (x, top)]


def _to_scale(own: Literal["width", "height"], other: Literal["width", "height"], *, centre: float) -> alt.Scale:
    # A foot takes as many pixels as the tighter direction allows; the other direction has room to spare.
    reach = {"width": (_FAR_X - EDGE_X) / 2, "height": (RINK_WIDTH + HEADROOM + FOOTROOM) / 2}
    tighter = f"max({reach[own]}, {reach[other]} * {own} / {other})"
    low, high = alt.ExprRef(f"{centre} - {tighter}"), alt.ExprRef(f"{centre} + {tighter}")
    return alt.Scale(domainMin=low, domainMax=high, nice=False, zero=False, padding=0)


def _table(paths: list[Points]) -> pd.DataFrame:
    rows = [(number, step, *point) for number, path in enumerate(paths) for step, point in enumerate(path)]
    return pd.DataFrame(rows, columns=["path", "step", "x", "y"])


def _line_across(x: float) -> Points:
    """Return a straight line from boards to boards."""
    into_corner = max(abs(x) - (RINK_LENGTH / 2 - CORNER_RADIUS), 0)
    y = RINK_WIDTH / 2 - CORNER_RADIUS + math.sqrt(CORNER_RADIUS**2 - into_corner**2)
    return [(x, -y), (x, y)]


def _thin_lines() -> list[Points]:
    circles = [_arc(x, y, _CIRCLE_RADIUS, 0, 360) for x, y in _SPOTS]
    trapezoid = [
        [(GOAL_LINE_X, side * _TRAPEZOID_AT_GOAL_LINE / 2), (RINK_LENGTH / 2, side * _TRAPEZOID_AT_BOARDS / 2)]
        for side in (-1, 1)
    ]
    return [_line_across(GOAL_LINE_X), *circles, *trapezoid]


def _crease() -> Points:
    half = _CREASE_WIDTH / 2
    opening = math.degrees(math.asin(half / _CREASE_RADIUS))
    arc = _arc(GOAL_LINE_X, 0, _CREASE_RADIUS, 180 - opening, 180 + opening)
    front = GOAL_LINE_X - _CREASE_SIDE
    return [(GOAL_LINE_X, half), (front, half), *arc, (front, -half), (GOAL_LINE_X, -half)]


def _net() -> Points:
    back, post = GOAL_LINE_X + _NET_DEPTH, _NET_WIDTH / 2
    return [(GOAL_LINE_X, post), (back, post), (back, -post), (GOAL_LINE_X, -post)]


def _arc(cx: float, cy: float, radius: float, start: float, end: float) -> Points:
    """Return points of a circle's arc, counter-clockwise, every six degrees or closer."""
    steps = max(6, math.ceil((end - start) / 6))
    angles = [math.radians(start + (end - start) * step / steps) for step in range(steps + 1)]
    return [(cx + radius * math.cos(angle), cy + radius * math.sin(angle)) for angle in angles]
