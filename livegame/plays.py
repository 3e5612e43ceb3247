"""What a game is to us, whichever feed told it: frozen `Game`, `Play` and `Shot`, and the list of a day's games."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TYPE_CHECKING, Final

from livegame.dates import league_date

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(**_: object) -> Callable[[type], type]:
        """A dataclass that is frozen for type checkers alone: at run time that takes eight times as long to make."""
        return dataclass(slots=True, unsafe_hash=True)


UNBLOCKED_ATTEMPTS: Final = frozenset({"goal", "shot-on-goal", "missed-shot"})
REGULATION_PERIODS: Final = 3
PERIOD_SECONDS: Final = 1200
OVERTIME_SECONDS: Final = 300  # of the regular season; a shootout follows
REGULAR_SEASON: Final = 2  # the league's number for that type of game
PLAYOFFS: Final = 3
PENALTY_SHOT_SITUATIONS: Final = ("0101", "1010")


class GameState(StrEnum):
    """Where a game stands."""

    NOT_STARTED = "not started"
    LIVE = "live"
    OVER = "over"  # the horn: places and types of late shots may still come
    FINAL = "final"  # official
    POSTPONED = "postponed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Team:
    """One side of a game."""

    team_id: int
    abbrev: str
    name: str
    score: int


@dataclass(frozen=True, slots=True)
class Player:
    """Somebody on a game's roster."""

    name: str
    team_id: int | None


@record(frozen=True, slots=True)
class Play:
    """One event of a game. Coordinates are the feed's own, in feet, not yet oriented."""

    event_id: int
    kind: str  # the present feed's typeDescKey: "goal", "faceoff", "blocked-shot" ...
    period: int
    period_type: str  # REG, OT or SO
    seconds: int  # since the period began
    team_id: int | None  # of a blocked shot: the shooter's team, whatever the feed says
    x: float | None = None
    y: float | None = None
    zone: str | None = None  # O, N or D as `team_id` sees it
    situation: str | None = None  # away goalie, away skaters, home skaters, home goalie: "1551"
    home_defends: str | None = None  # left or right

    @property
    def game_seconds(self) -> int:
        """Seconds of play since the game began."""
        return (self.period - 1) * PERIOD_SECONDS + self.seconds


@record(frozen=True, slots=True)
class Shot(Play):
    """An unblocked attempt: goal, shot on goal or missed shot."""

    shot_type: str | None = None
    shooter_id: int | None = None
    goalie_id: int | None = None
    missing: tuple[str, ...] = ()  # inputs that the feed may still supply

    @property
    def is_goal(self) -> bool:
        """Whether the attempt scored."""
        return self.kind == "goal"

    @property
    def is_penalty_shot(self) -> bool:
        """Whether it was taken alone against the goalie, outside the shootout."""
        return self.situation in PENALTY_SHOT_SITUATIONS


@dataclass(frozen=True, slots=True)
class Game:
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
    plays: tuple[Play, ...]  # by the clock; in the feed's order where that says nothing
    players: Mapping[int, Player]  # by player id
    problems: tuple[str, ...] = ()  # what could not be read, by name
    unreadable: frozenset[int] | None = frozenset()  # event ids of plays left out; None if not even all ids were read
    start_is_known: bool = True  # else the time of day in `start_time` stands for one that is to be announced
    overtime_seconds: int | None = None  # how long an overtime is by the feed's clock, once it has shown that
    time_stamp: str | None = None  # of the answer, where the feed dates it: text order is time order
    tells_clock: bool = True  # whether period, clock and state could be read: else they tell nothing of its age

    @property
    def date(self) -> str:
        """The league's date of the game, ISO 8601."""
        return league_date(self.start_time)

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Unblocked attempts in regulation and overtime, in their order. Shootout attempts never count."""
        return tuple(play for play in self.plays if isinstance(play, Shot) and play.period_type != "SO")

    @property
    def is_over(self) -> bool:
        """Whether what is missing of a shot will not come any more: the game is official, or never played."""
        return self.state in (GameState.FINAL, GameState.CANCELLED)

    @property
    def event_ids(self) -> frozenset[int]:
        """Those of all plays, read or not, as far as they are known."""
        return frozenset(play.event_id for play in self.plays) | (self.unreadable or frozenset())

    @property
    def has_end(self) -> bool:
        """Whether the plays reach the end of the game: the last one says so."""
        return any(play.kind == "game-end" for play in self.plays)

    @property
    def title(self) -> str:
        """Away at home, as the league writes it."""
        return f"{self.away.name} at {self.home.name}"


def overtime_length(told: int | None, game_type: int) -> int:
    """Seconds of an overtime: what the feed's clock says, or else what is played in that type of game.

    Only the regular season is sure to have a short one: tournaments have 10 minutes before a shootout, and 20 in
    the final.
    """
    return told or (OVERTIME_SECONDS if game_type <= REGULAR_SEASON else PERIOD_SECONDS)


def status_line(
    state: GameState,
    period: int,
    period_type: str,
    seconds_left: int,
    *,
    in_intermission: bool,
    game_type: int = REGULAR_SEASON,  # noqa: ARG001 - callers may pass all that they know of a game
) -> str:
    """Where the game stands, in one line: "Period 1 - 12:35 left", "Intermission after period 2", "Final (OT)"."""
    extra = period - REGULATION_PERIODS
    overtime = "Overtime" if extra <= 1 else f"Overtime {extra}"
    if state in (GameState.OVER, GameState.FINAL):
        how = {"OT": " (OT)", "SO": " (shootout)"}.get(period_type, "")
        return f"Final{how}" + (", not official" if state is GameState.OVER else "")
    if state is not GameState.LIVE:
        return state.value.capitalize()
    if period == 0:
        return GameState.NOT_STARTED.value.capitalize()
    if period_type == "SO":
        return "Shootout"
    name = overtime if period_type == "OT" else f"Period {period}"
    left = f"{seconds_left // 60:02d}:{seconds_left % 60:02d}"
    if in_intermission:
        after = name[0].lower() + name[1:]
        return f"Intermission after {after}" + (f" - {left} left" if seconds_left else "")
    return f"{name} - {left} left"


@dataclass(frozen=True, slots=True)
class GameSummary:
    """One entry in the list of a day's games."""

    game_id: int
    start_time: str  # UTC, ISO 8601
    home: Team
    away: Team
    state: GameState
    status: str  # in one line
    start_is_known: bool = True  # see `Game`


@dataclass(frozen=True, slots=True)
class Day:
    """A day's games, with the nearest days before and after it that have any, where the feed tells them."""

    day: date  # the league's, which begins and ends in North America
    games: tuple[GameSummary, ...]
    previous: date | None
    next: date | None
    problems: tuple[str, ...] = ()  # what could not be read, by name
