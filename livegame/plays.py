"""A game as the rest of the code sees it, whichever feed it came from: immutable `Game`, `Play` and `Shot`.

They are msgspec structs: a frozen dataclass takes many times as long to create, and a game has some 300 plays.
"""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final

from msgspec import Struct

from livegame.dates import league_date

UNBLOCKED_ATTEMPTS: Final = frozenset({"goal", "shot-on-goal", "missed-shot"})
REGULATION_PERIODS: Final = 3
PERIOD_SECONDS: Final = 1200
OVERTIME_SECONDS: Final = 300  # in the regular season; a shootout follows
REGULAR_SEASON: Final = 2  # the league's number for that game type
PLAYOFFS: Final = 3
PENALTY_SHOT_SITUATIONS: Final = ("0101", "1010")


class GameState(StrEnum):
    """Where a game stands."""

    NOT_STARTED = "not started"
    LIVE = "live"
    OVER = "over"  # the horn has gone, but coordinates and types of late shots may still arrive
    FINAL = "final"  # official
    POSTPONED = "postponed"
    CANCELLED = "cancelled"


class Team(Struct, frozen=True):
    """One side of a game."""

    team_id: int
    abbrev: str
    name: str
    score: int


class Player(Struct, frozen=True):
    """One player on a game's roster."""

    name: str
    team_id: int | None


class Play(Struct, frozen=True):
    """One event of a game. Coordinates are the feed's own, in feet, not yet oriented."""

    event_id: int
    kind: str  # the gamecenter feed's typeDescKey: "goal", "faceoff", "blocked-shot" ...
    period: int
    period_type: str  # REG, OT or SO
    seconds: int  # since the period began
    team_id: int | None  # of a blocked shot: always the shooter's team
    x: float | None = None
    y: float | None = None
    zone: str | None = None  # O, N or D as `team_id` sees it
    situation: str | None = None  # away goalie, away skaters, home skaters, home goalie: "1551"
    home_defends: str | None = None  # left or right

    @property
    def game_seconds(self) -> int:
        """Seconds of play since the game began."""
        return (self.period - 1) * PERIOD_SECONDS + self.seconds


class Penalty(Play, frozen=True):
    """A penalty as it is called; `team_id` is the team of the penalised player."""

    severity: str = ""  # the gamecenter feed's typeCode: MIN, MAJ, BEN, MAT, MIS, GAM or PS
    minutes: int = 0  # 4 for a double minor, 0 for a penalty shot
    player_id: int | None = None  # who committed it; None of a bench minor
    server_id: int | None = None  # who serves it, if somebody else does


class BlockedAttempt(Play, frozen=True):
    """An attempt that was blocked; `team_id` is the shooter's team."""

    shooter_id: int | None = None
    blocker_id: int | None = None
    by_teammate: bool = False  # whether a team-mate of the shooter blocked it


class Shot(Play, frozen=True):
    """An unblocked attempt: goal, shot on goal or missed shot."""

    shot_type: str | None = None
    shooter_id: int | None = None
    goalie_id: int | None = None
    missing: tuple[str, ...] = ()  # inputs that the feed may still supply
    # Of a miss: wide-left, above-crossbar, short ... It is known only afterwards, so no model may have it.
    reason: str | None = None

    @property
    def is_goal(self) -> bool:
        """Whether the attempt is a goal."""
        return self.kind == "goal"

    @property
    def is_penalty_shot(self) -> bool:
        """Whether the shooter was alone with the goalie."""
        return self.situation in PENALTY_SHOT_SITUATIONS


def class_of(kind: str) -> type[Play]:
    """Return the class of plays of a kind."""
    return Shot if kind in UNBLOCKED_ATTEMPTS else _CLASSES.get(kind, Play)


_CLASSES: Final[Mapping[str, type[Play]]] = {"blocked-shot": BlockedAttempt, "penalty": Penalty}
BEGUN: Final = (GameState.LIVE, GameState.OVER, GameState.FINAL)  # states of games in which play has begun
NO_MORE_INPUTS: Final = (GameState.FINAL, GameState.CANCELLED)  # states in which no missing input of a shot will come


class Game(Struct, frozen=True):
    """A game as one answer of a feed showed it."""

    game_id: int
    season: int  # 20212022
    game_type: int  # 1 preseason, 2 regular season, 3 playoffs
    start_time: str  # UTC, ISO 8601
    home: Team
    away: Team
    state: GameState
    period: int  # 0 before the game
    period_type: str
    seconds_left: int  # in the period, or in the intermission
    in_intermission: bool
    plays: tuple[Play, ...]  # by the clock, then in the feed's order
    players: Mapping[int, Player]  # by player id
    problems: tuple[str, ...] = ()  # what could not be read, by name
    unreadable: frozenset[int] | None = frozenset()  # event ids of plays left out; None if some ids were unreadable too
    start_is_known: bool = True  # if False, the time of day in `start_time` is a placeholder
    overtime_seconds: int | None = None  # length of an overtime, once the feed's clock has shown it
    time_stamp: str | None = None  # of the answer, if the feed dates it: text order is time order
    clock_is_known: bool = True  # whether period, clock and state were readable: only then can answers be put in order

    @property
    def date(self) -> str:
        """The league's date of the game, ISO 8601."""
        return league_date(self.start_time)

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Unblocked attempts in regulation and overtime, in their order. Shootout attempts never count."""
        return tuple(play for play in self.plays if isinstance(play, Shot) and play.period_type != "SO")

    @property
    def blocked(self) -> tuple[BlockedAttempt, ...]:
        """Blocked attempts in regulation and overtime, in their order."""
        return tuple(play for play in self.plays if isinstance(play, BlockedAttempt) and play.period_type != "SO")

    @property
    def is_over(self) -> bool:
        """Whether missing inputs of a shot will never arrive: the game is official, or will not be played."""
        return self.state in NO_MORE_INPUTS

    @property
    def event_ids(self) -> frozenset[int]:
        """Event ids of all plays, including unreadable plays whose ids are known."""
        return frozenset(play.event_id for play in self.plays) | (self.unreadable or frozenset())

    @property
    def has_end(self) -> bool:
        """Whether the plays include the feed's "game-end"."""
        return any(play.kind == "game-end" for play in self.plays)

    @property
    def title(self) -> str:
        """Away at home, as the league writes it."""
        return f"{self.away.name} at {self.home.name}"


class GameSummary(Struct, frozen=True):
    """One entry in the list of a day's games."""

    game_id: int
    start_time: str  # UTC, ISO 8601
    home: Team
    away: Team
    state: GameState
    status: str  # one line for people
    short_status: str  # the same in a few characters
    start_is_known: bool = True  # see `Game`


class Day(Struct, frozen=True):
    """A day's games, and the nearest days before and after it that have any, if the feed says."""

    day: date  # the league's date: New York time
    games: tuple[GameSummary, ...]
    previous: date | None
    next: date | None
    problems: tuple[str, ...] = ()  # what could not be read, by name


def overtime_length(shown: int | None, game_type: int) -> int:
    """Return the seconds of an overtime: as the feed's clock has shown, else the usual length for the game type.

    Only the regular season always has a short one: tournaments play 10 minutes before a shootout, and 20 in the final.
    """
    return shown or (OVERTIME_SECONDS if game_type <= REGULAR_SEASON else PERIOD_SECONDS)
