"""Geometry of an NHL rink, in feet from centre ice: x along the boards, y across, goal lines at -89 and 89."""

import math

RINK_LENGTH = 200.0
RINK_WIDTH = 85.0
CORNER_RADIUS = 28.0
GOAL_LINE_X = 89.0
BLUE_LINE_X = 25.0


def distance_to_net(x: float, y: float) -> float:
    """Return the distance in feet from (x, y) to the middle of the goal line at x = 89."""
    return math.hypot(GOAL_LINE_X - x, y)


def signed_angle_to_net(x: float, y: float) -> float:
    """Return the angle at the goal's middle, in degrees, between straight ahead and the shot; negative for y < 0.

    0 is straight ahead, 90 on the goal line, more than 90 behind the net. This is `atan2` of offset and depth; `atan`
    of their quotient would fold shots from behind the net to the front of it.
    """
    return math.degrees(math.atan2(y, GOAL_LINE_X - x))


def angle_to_net(x: float, y: float) -> float:
    """Return the angle off straight ahead in degrees, 0 to 180, whichever side the shot comes from."""
    return abs(signed_angle_to_net(x, y))
