"""Geometry of an NHL rink, in feet from centre ice: x along the boards, y across, goal lines at -89 and 89."""

import math

RINK_LENGTH = 200.0
RINK_WIDTH = 85.0
CORNER_RADIUS = 28.0
GOAL_LINE_X = 89.0
BLUE_LINE_X = 25.0


def distance_to_net(x: float, y: float) -> float:
    """Feet from (x, y) to the middle of the attacked goal line, for a team that attacks towards x = 89."""
    return math.hypot(GOAL_LINE_X - x, y)


def signed_angle_to_net(x: float, y: float) -> float:
    """Degrees between the line from the goal's middle up the ice and the shot, negative for y < 0.

    0 is straight ahead, 90 on the goal line, more than 90 behind the net: `atan2` of offset and depth, which
    `atan` of their quotient would fold back in front of the net.
    """
    return math.degrees(math.atan2(y, GOAL_LINE_X - x))


def angle_to_net(x: float, y: float) -> float:
    """Degrees off the straight line in front of the goal, 0 to 180, whichever side the shot comes from."""
    return abs(signed_angle_to_net(x, y))


class Directions:
    """Which way the home team attacks, learned from a game's plays in their order and from nothing later.

    The feed's `homeTeamDefendingSide` is missing in older seasons and wrong throughout a few games, so shots are
    used as witnesses: nearly all are taken in the half that the shooter attacks. Learning only from the past makes
    a shot's features the same live and after the game.
    """

    # Contrary shots, net of agreeing ones, before the feed's own word on a side or a shot's zone is doubted.
    _BENEFIT_OF_DOUBT = 3

    def __init__(self) -> None:
        self._agreement = self._BENEFIT_OF_DOUBT
        self._votes: dict[int, int] = {}

    def witness(self, period: int, home_defends: str | None, *, shooter_is_home: bool, x: float) -> None:
        """Take note of a shot at `x` (as the feed gives it, not oriented)."""
        if abs(x) <= BLUE_LINE_X:
            return
        vote = (1 if x > 0 else -1) * (1 if shooter_is_home else -1)
        self._votes[period] = self._votes.get(period, 0) + vote
        if home_defends is not None:
            self._agreement += vote * _home_attacks(home_defends)

    def witnessed(self, period: int) -> int | None:
        """As `home_attacks`, from the period's shots alone and only where they clearly agree."""
        votes = self._votes.get(period, 0)
        return None if abs(votes) < self._BENEFIT_OF_DOUBT else 1 if votes > 0 else -1

    def home_attacks(self, period: int, home_defends: str | None) -> int | None:
        """1 when the home team attacks towards x = 89 in this period, -1 when towards -89, None when unknown."""
        if home_defends is not None:
            return _home_attacks(home_defends) * (1 if self._agreement >= 0 else -1)
        # Teams change ends each period (each overtime of the playoffs too), so an earlier period tells as well.
        for earlier in range(period, 0, -1):
            votes = self._votes.get(earlier, 0)
            if votes:
                return (1 if votes > 0 else -1) * (1 if (period - earlier) % 2 == 0 else -1)
        return None


def _home_attacks(home_defends: str) -> int:
    return 1 if home_defends == "left" else -1
