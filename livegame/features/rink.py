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

    Something claims it: the feed's `homeTeamDefendingSide` or, where that is missing (older seasons), the rule that
    teams change ends with each period. Either can be wrong, a side throughout a game, and one that is told once a
    period from the moment at which the feed turns the ends round. So attempts are used as witnesses: nearly all are
    taken in the half that the shooter attacks. Learning only from the past makes a shot's features the same live and
    after the game.
    """

    def __init__(self) -> None:
        self._told, self._alternating = _Claim(is_told=True), _Claim(is_told=False)

    def witness(self, period: int, home_defends: str | None, *, shooter_is_home: bool, x: float) -> None:
        """Take note of an attempt at `x` (as the feed gives it, not oriented)."""
        if abs(x) <= BLUE_LINE_X:
            return
        home_attacks = (1 if x > 0 else -1) * (1 if shooter_is_home else -1)
        self._alternating.witness(period, agrees=home_attacks == _alternating(period))
        if home_defends is not None:
            self._told.witness(period, agrees=home_attacks == home_attacks_if(home_defends))

    def home_attacks(self, period: int, home_defends: str | None) -> int | None:
        """1 when the home team attacks towards x = 89, -1 when towards -89, None when unknown."""
        if home_defends is not None:
            return home_attacks_if(home_defends) * (1 if self._told.holds(period) else -1)
        holds = self._alternating.holds(period)
        return None if holds is None else _alternating(period) * (1 if holds else -1)

    def is_sure(self, period: int, home_defends: str | None) -> bool:
        """Whether attempts have borne `home_attacks` out so often that a shot's own zone is doubted against it."""
        return (self._alternating if home_defends is None else self._told).is_sure(period)


class _Claim:
    """Whether a claim on the ends holds or its opposite does; a run of attempts against what is held turns it round."""

    _ENOUGH = 3  # attempts, net of contrary ones

    def __init__(self, *, is_told: bool) -> None:
        self._is_told = is_told
        self._at_start: bool | None = True if is_told else None  # of each period
        self._held = self._at_start
        self._period = self._in_period = 0
        self._for = self._against = 0

    def is_sure(self, period: int) -> bool:
        """Whether attempts have borne out what is held: of a told side in this period, of changed ends in any."""
        return self._for >= self._ENOUGH and (period == self._period or not self._is_told)

    def holds(self, period: int) -> bool | None:
        """Whether the claim holds; None where nothing tells."""
        return self._held if period == self._period else self._at_start

    def witness(self, period: int, *, agrees: bool) -> None:
        """Take note of an attempt from the half that the claim has the shooter attack, or from the other one."""
        if period != self._period:
            self._period, self._held, self._against, self._in_period = period, self._at_start, 0, 0
            if self._is_told:
                self._for = 0
        if self._held is None:
            self._held = self._at_start = agrees
        if agrees is self._held:
            self._for, self._against, self._in_period = self._for + 1, max(self._against - 1, 0), self._in_period + 1
            return
        self._against += 1
        # The feed's own word has the benefit of the doubt, the first attempts of a game have not.
        if self._against >= (self._ENOUGH if self._is_told else min(self._ENOUGH, self._for + 1)):
            if self._in_period < self._ENOUGH:  # it was wrong from the period's start, so it is in the next one
                self._at_start = agrees
            self._held, self._for, self._against = agrees, self._against, 0


def home_attacks_if(home_defends: str) -> int:
    """1 for a home team that defends the left goal and attacks towards x = 89, -1 for one that defends the right."""
    return 1 if home_defends == "left" else -1


def _alternating(period: int) -> int:
    return 1 if period % 2 else -1
