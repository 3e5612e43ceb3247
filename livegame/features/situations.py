"""Situation codes as one team sees them, and since when a team has been on the power play."""

from dataclasses import dataclass
from functools import cache

from livegame.plays import PENALTY_SHOT_SITUATIONS, Play


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


@cache
def strength_state(code: str | None, *, is_home: bool) -> str | None:
    """Return the skaters of a team and of the other one, such as 5v4; PS for a penalty shot, None if unknown."""
    if code in PENALTY_SHOT_SITUATIONS:
        return "PS"
    situation = situation_of(code, is_home=is_home)
    return f"{situation.friendly_skaters}v{situation.opposing_skaters}" if situation else None


def with_players_back(code: str | None, away: int, home: int) -> str | None:
    """Return a situation code after so many players have returned from each team's penalty box."""
    if code is None:
        return None
    return f"{code[0]}{int(code[1]) + away}{int(code[2]) + home}{code[3]}"


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
