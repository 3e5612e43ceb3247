"""Situation codes as one team sees them, and the stretches in which a team was on the power play."""

from dataclasses import dataclass
from functools import cache

from livegame.plays import PENALTY_SHOT_SITUATIONS, Game, Play


@dataclass(frozen=True, slots=True)
class Situation:
    """A situation code as one team sees it."""

    friendly_skaters: int
    opposing_skaters: int
    extra_attacker: bool
    empty_net: bool

    @property
    def is_power_play(self) -> bool:
        """Whether the team has more skaters than the other one, extra attackers not counted."""
        return self.friendly_skaters - self.extra_attacker > self.opposing_skaters - self.empty_net


@cache  # a few dozen codes, looked up hundreds of times per game
def situation_of(code: str | None, *, is_home: bool) -> Situation | None:
    """Return the situation as the home or the away team sees it; None if the feed gives none."""
    if code is None or len(code) != 4 or not code.isdecimal():
        return None
    away_goalie, away, home, home_goalie = (int(digit) for digit in code)
    if is_home:
        return Situation(home, away, home_goalie == 0, away_goalie == 0)
    return Situation(away, home, away_goalie == 0, home_goalie == 0)


class PowerPlayClock:
    """Which team is on the power play, and since which game second."""

    def __init__(self) -> None:
        self.is_home: bool | None = None  # the team on the power play: True home, False away, None neither
        self.since = 0
        self._code: str | None = None

    def advance(self, play: Play) -> None:
        """Add the next play. A penalty shot stops the clock, so it does not interrupt a power play."""
        if play.situation == self._code or play.situation in PENALTY_SHOT_SITUATIONS:
            return
        self._code = play.situation
        home = situation_of(play.situation, is_home=True)
        if home is None:
            return
        away = situation_of(play.situation, is_home=False)
        is_home = True if home.is_power_play else False if away and away.is_power_play else None
        if is_home != self.is_home:
            self.is_home, self.since = is_home, play.game_seconds

    def seconds(self, at: int, *, is_home: bool) -> int:
        """Return the seconds that the team has been on the power play at game second `at`; 0 if it is not."""
        return at - self.since if self.is_home is is_home else 0


@dataclass(frozen=True, slots=True)
class PowerPlay:
    """A stretch of the game in which one team had more skaters than the other."""

    is_home: bool
    start: int  # game seconds
    end: int


def power_plays(game: Game) -> tuple[PowerPlay, ...]:
    """Return the power plays of regulation and overtime in order; a running one ends with the last play so far."""
    clock = PowerPlayClock()
    found: list[PowerPlay] = []
    last = 0
    for play in game.plays:
        if play.period_type == "SO":
            continue
        side, since, last = clock.is_home, clock.since, play.game_seconds
        clock.advance(play)
        if side is not None and (clock.is_home, clock.since) != (side, since):
            found.append(PowerPlay(side, since, last))
    if clock.is_home is not None:
        found.append(PowerPlay(clock.is_home, clock.since, last))
    return tuple(stretch for stretch in found if stretch.end > stretch.start)
