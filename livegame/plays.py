"""Provider JSON into frozen `Game`, `Play` and `Shot`: the only file that knows how the feeds spell things.

Two shapes are read: the league's present play-by-play (`parse_game` finds `plays`) and the legacy feed that archives
hold (`liveData`), with the legacy feed's `diffPatch` answers. A play that cannot be read is left out and named in the
game's `problems`; only what a game is nothing without, its id and its teams, has the whole answer refused.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar

import jsonpatch
import jsonpointer

from livegame.exceptions import FeedMalformed
from livegame.fields import (
    Problems,
    Unreadable,
    clock_seconds,
    flag,
    inner,
    listing,
    mapping,
    one_of,
    optional_number,
    optional_text,
    optional_whole,
    text,
    whole,
    word,
)
from livegame.manpower import Fact, situations
from livegame.rink import RINK_LENGTH, RINK_WIDTH

if TYPE_CHECKING:
    from dataclasses import dataclass as record
else:

    def record(**_: object) -> Callable[[type], type]:
        """A dataclass that is frozen for type checkers alone: at run time that takes eight times as long to make."""
        return dataclass(slots=True, unsafe_hash=True)


T = TypeVar("T")

UNBLOCKED_ATTEMPTS: Final = frozenset({"goal", "shot-on-goal", "missed-shot"})
REGULATION_PERIODS: Final = 3
PERIOD_SECONDS: Final = 1200


class GameState(StrEnum):
    """Where a game stands."""

    NOT_STARTED = "not started"
    LIVE = "live"
    FINAL = "final"
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
        return self.situation in ("0101", "1010")


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
    plays: tuple[Play, ...]
    players: Mapping[int, Player]  # by player id
    problems: tuple[str, ...] = ()  # what could not be read, by name
    unreadable: frozenset[int] | None = frozenset()  # event ids of plays left out; None if not even all ids were read

    @property
    def shots(self) -> tuple[Shot, ...]:
        """Unblocked attempts in regulation and overtime, in the feed's order. Shootout attempts never count."""
        return tuple(play for play in self.plays if isinstance(play, Shot) and play.period_type != "SO")

    @property
    def is_over(self) -> bool:
        """Whether no more play will come (corrections may)."""
        return self.state in (GameState.FINAL, GameState.CANCELLED)

    @property
    def title(self) -> str:
        """Away at home, as the league writes it."""
        return f"{self.away.name} at {self.home.name}"


def status_line(
    state: GameState,
    period: int,
    period_type: str,
    seconds_left: int,
    *,
    in_intermission: bool,
    game_type: int,
) -> str:
    """Where the game stands, in one line: "Period 1 - 12:35 left", "Intermission after period 2", "Final (OT)"."""
    extra = period - REGULATION_PERIODS
    overtime = "Overtime" if game_type != 3 or extra <= 1 else f"Overtime {extra}"
    if state is not GameState.LIVE:
        suffix = {"OT": " (OT)", "SO": " (shootout)"}.get(period_type, "") if state is GameState.FINAL else ""
        return state.value.capitalize() + suffix
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


@dataclass(frozen=True, slots=True)
class Day:
    """A day's games, with the nearest days before and after it that have any, where the feed tells them."""

    day: date  # the league's, which begins and ends in North America
    games: tuple[GameSummary, ...]
    previous: date | None
    next: date | None
    problems: tuple[str, ...] = ()  # what could not be read, by name


def parse_day(answer: Any) -> Day:
    """Read the feed's list of one day's games.

    Raises:
        FeedMalformed: it is not such a list.
    """
    problems = Problems()
    try:
        answer = mapping(answer, "it")
        today = _date(answer.get("currentDate"), "currentDate")
        games = listing(answer.get("games"), "games")
    except Unreadable as problem:
        raise FeedMalformed(f"the feed's answer is not a list of a day's games: {problem}") from problem
    previous, following = (
        problems.otherwise(None, _date, answer[key], key) if answer.get(key) else None
        for key in ("prevDate", "nextDate")
    )
    summaries = tuple(problems.readable(games, "game", _summary))
    return Day(today, summaries, previous, following, problems.texts)


def _date(value: Any, field: str) -> date:
    try:
        return date.fromisoformat(text(value, field))
    except ValueError:
        raise Unreadable(field, value) from None


def _summary(raw: Any) -> GameSummary:
    game = mapping(raw, "it")
    problems = Problems()  # of an entry in a list, only what is essential is worth a word
    game_id = whole(game.get("id"), "id", *_GAME_IDS)
    home, away = (_present_team(game, side, 0, problems) for side in ("homeTeam", "awayTeam"))
    start_time = _moment(game.get("startTimeUTC"), "startTimeUTC")
    state = game_state(game) or GameState.LIVE  # so that somebody looks
    (number, kind), (left, in_intermission) = _period(game, 0, problems), _clock(game, problems)
    status = status_line(state, number, kind, left, in_intermission=in_intermission, game_type=_game_type(game_id))
    return GameSummary(game_id, start_time, home, away, state, status)


def parse_game(feed: Any) -> Game:
    """Read one answer of either feed.

    Raises:
        FeedMalformed: it is not a game in a shape we know; the message names what was missing.
    """
    if not isinstance(feed, dict):
        raise FeedMalformed(f"expected a game's JSON object from the feed, got {type(feed).__name__}")
    try:
        if "plays" in feed and "homeTeam" in feed:
            return _parse_present(feed)
        if "liveData" in feed:
            return _parse_legacy(feed)
    except Unreadable as problem:
        raise FeedMalformed(f"the feed's answer is not a play-by-play that we can read: {problem}") from problem
    raise FeedMalformed("the feed's answer is not a play-by-play: it has neither plays nor liveData")


# --- the present feed: api-web.nhle.com/v1/gamecenter/<id>/play-by-play ---------------------------------------------

_PRESENT_STATES: Final = {
    "FUT": GameState.NOT_STARTED,
    "PRE": GameState.NOT_STARTED,
    "LIVE": GameState.LIVE,
    "CRIT": GameState.LIVE,
    "OVER": GameState.FINAL,
    "FINAL": GameState.FINAL,
    "OFF": GameState.FINAL,
}
_SCHEDULE_STATES: Final = {
    "PPD": GameState.POSTPONED,
    "SUSP": GameState.POSTPONED,
    "CNCL": GameState.CANCELLED,
}


_KINDS: Final = UNBLOCKED_ATTEMPTS | {
    *("blocked-shot", "delayed-penalty", "faceoff", "failed-shot-attempt", "game-end", "giveaway", "hit", "penalty"),
    *("period-end", "period-start", "shootout-complete", "stoppage", "takeaway"),
}
_PERIOD_TYPES: Final = ("REG", "OT", "SO")


def game_state(feed: Mapping[str, Any]) -> GameState | None:
    """The state of a game of the present feed, or of an entry in its list of a day's games; None for an unknown one."""
    return _word(_SCHEDULE_STATES, feed.get("gameScheduleState")) or _word(_PRESENT_STATES, feed.get("gameState"))


def _parse_present(feed: Mapping[str, Any]) -> Game:
    problems = Problems()
    game_id = whole(feed.get("id"), "id", *_GAME_IDS)
    teams = _team_ids(home=mapping(feed["homeTeam"], "homeTeam"), away=mapping(feed.get("awayTeam"), "awayTeam"))
    spots = problems.listing(feed.get("rosterSpots", []), "rosterSpots")
    players = dict(problems.readable(spots, "roster spot", _present_player))
    plays, unreadable = _plays(
        _in_order(listing(feed["plays"], "plays")),
        _present_event_id,
        partial(_present_play, teams, players),
        problems,
    )
    number, kind = _period(feed, plays[-1].period if plays else 0, problems)
    left, in_intermission = _clock(feed, problems)
    return Game(
        game_id=game_id,
        season=problems.otherwise(_season(game_id), whole, feed.get("season"), "season", *_SEASONS),
        game_type=problems.otherwise(_game_type(game_id), whole, feed.get("gameType"), "gameType", *_GAME_TYPES),
        start_time=problems.otherwise(_season_start(game_id), _moment, feed.get("startTimeUTC"), "startTimeUTC"),
        home=_present_team(feed, "homeTeam", _goals(plays, teams[0]), problems),
        away=_present_team(feed, "awayTeam", _goals(plays, teams[1]), problems),
        state=game_state(feed) or _guessed_state(plays, "gameState", feed.get("gameState"), problems),
        period=number,
        period_type=kind,
        seconds_left=left,
        in_intermission=in_intermission,
        plays=plays,
        players=players,
        problems=problems.texts,
        unreadable=unreadable,
    )


def _present_player(raw: Any) -> tuple[int, Player]:
    spot = mapping(raw, "it")
    first, last = (
        text(mapping(spot.get(part), part).get("default"), f"{part}.default") for part in ("firstName", "lastName")
    )
    return whole(spot.get("playerId"), "playerId"), Player(
        f"{first} {last}", optional_whole(spot.get("teamId"), "teamId")
    )


def _present_team(feed: Mapping[str, Any], side: str, goals: int, problems: Problems) -> Team:
    team = mapping(feed.get(side), side)
    abbrev = text(team.get("abbrev"), f"{side}.abbrev")
    return Team(
        whole(team.get("id"), f"{side}.id"),
        abbrev,
        problems.otherwise(abbrev, _full_name, team, side) or abbrev,
        problems.otherwise(goals, whole, team.get("score", 0), f"{side}.score", 0, _MAX_SCORE),
    )


def _full_name(team: Mapping[str, Any], side: str) -> str:
    """Place and nickname, by whichever keys this year's feed uses."""
    nickname = "name" if team.get("name") else "commonName"
    parts = (
        optional_text(mapping(team.get(key), f"{side}.{key}").get("default"), f"{side}.{key}.default")
        for key in ("placeName", nickname)
    )
    return " ".join(part for part in parts if part)


def _period(feed: Mapping[str, Any], latest: int, problems: Problems) -> tuple[int, str]:
    """Number and type of the period; `latest` stands for a number that is not there or cannot be read."""
    period = problems.inner(feed, "periodDescriptor")
    number = problems.otherwise(latest, whole, period.get("number", latest), "periodDescriptor.number", 0, _MAX_PERIOD)
    kind = period.get("periodType", "REG")
    usual = "OT" if number > REGULATION_PERIODS else "REG"
    return number, problems.otherwise(usual, _period_type, kind, "periodDescriptor.periodType")


def _period_type(value: Any, field: str) -> str:
    return one_of(value, field, _PERIOD_TYPES)


def _clock(feed: Mapping[str, Any], problems: Problems) -> tuple[int, bool]:
    """Seconds left, and whether those are of an intermission."""
    clock = problems.inner(feed, "clock")
    left = problems.otherwise(0, whole, clock.get("secondsRemaining", 0), "clock.secondsRemaining", 0, _MAX_LEFT_S)
    return left, problems.otherwise(False, flag, clock.get("inIntermission", False), "clock.inIntermission")


def _in_order(raws: Sequence[Any]) -> Sequence[Any]:
    """The plays by `sortOrder`, where all have one: a list in another order is out of order."""
    orders: list[Any] = [raw.get("sortOrder") if isinstance(raw, dict) else None for raw in raws]
    if any(type(order) is not int for order in orders) or orders == sorted(orders):
        return raws
    return sorted(raws, key=lambda raw: int(raw["sortOrder"]))


def _present_event_id(raw: Any) -> int:
    return whole(mapping(raw, "it").get("eventId"), "eventId")


def _present_play(teams: Sequence[int], players: Mapping[int, Player], event_id: int, raw: Mapping[str, Any]) -> Play:
    details = mapping(raw.get("details"), "details")
    period = mapping(raw.get("periodDescriptor"), "periodDescriptor")
    kind = one_of(raw.get("typeDescKey"), "typeDescKey", _KINDS)
    x = optional_number(details.get("xCoord"), "details.xCoord", _MAX_X)
    y = optional_number(details.get("yCoord"), "details.yCoord", _MAX_Y)
    if x is None or y is None:  # half a coordinate places nothing
        x = y = None
    team_id = optional_whole(details.get("eventOwnerTeamId"), "details.eventOwnerTeamId")
    zone = word(details.get("zoneCode"), "details.zoneCode", _ZONES)
    if kind == "blocked-shot":
        # The owner was the blocker's team in older answers and is the shooter's in newer ones; the zone is always
        # the blocker's view.
        shooter_id = optional_whole(details.get("shootingPlayerId"), "details.shootingPlayerId")
        team_id, zone = _team_of(players, shooter_id) or team_id, None
    common = (
        event_id,
        kind,
        whole(period.get("number"), "periodDescriptor.number", 1, _MAX_PERIOD),
        one_of(period.get("periodType"), "periodDescriptor.periodType", _PERIOD_TYPES),
        clock_seconds(raw.get("timeInPeriod"), "timeInPeriod"),
        team_id,
        x,
        y,
        zone,
        word(raw.get("situationCode"), "situationCode", _SITUATIONS),
        word(raw.get("homeTeamDefendingSide"), "homeTeamDefendingSide", _SIDES),
    )
    if kind not in UNBLOCKED_ATTEMPTS:
        return Play(*common)
    if team_id not in teams:
        raise Unreadable("details.eventOwnerTeamId", team_id)
    shooter = "scoringPlayerId" if kind == "goal" else "shootingPlayerId"
    return Shot(
        *common,
        shot_type=optional_text(details.get("shotType"), "details.shotType"),
        shooter_id=optional_whole(details.get(shooter), f"details.{shooter}"),
        goalie_id=optional_whole(details.get("goalieInNetId"), "details.goalieInNetId"),
        missing=_missing(x, has_type="shotType" in details),  # there but null: the feed will not tell
    )


# --- the legacy feed: statsapi.web.nhl.com/api/v1/game/<id>/feed/live, shut down in November 2023 ------------------

_LEGACY_KINDS: Final = {
    "FACEOFF": "faceoff",
    "SHOT": "shot-on-goal",
    "GOAL": "goal",
    "MISSED_SHOT": "missed-shot",
    "BLOCKED_SHOT": "blocked-shot",
    "HIT": "hit",
    "GIVEAWAY": "giveaway",
    "TAKEAWAY": "takeaway",
    "STOP": "stoppage",
    "CHALLENGE": "stoppage",
    "PENALTY": "penalty",
    "PERIOD_START": "period-start",
    "PERIOD_END": "period-end",
    "GAME_END": "game-end",
    "SHOOTOUT_COMPLETE": "shootout-complete",
}
_LEGACY_NOTES: Final = (  # what happens to the game, not in it
    *("GAME_SCHEDULED", "PERIOD_READY", "PERIOD_OFFICIAL", "GAME_OFFICIAL", "EARLY_INT_START", "EARLY_INT_END"),
    "EMERGENCY_GOALTENDER",
)
_LEGACY_SHOT_TYPES: Final = {
    "Wrist Shot": "wrist",
    "Snap Shot": "snap",
    "Slap Shot": "slap",
    "Backhand": "backhand",
    "Tip-In": "tip-in",
    "Deflected": "deflected",
    "Wrap-around": "wrap-around",
    "Poke": "poke",
    "Batted": "bat",
    "Between Legs": "between-legs",
}
_LEGACY_PERIOD_TYPES: Final = {"REGULAR": "REG", "OVERTIME": "OT", "SHOOTOUT": "SO"}
_LEGACY_STATES: Final = {"Preview": GameState.NOT_STARTED, "Live": GameState.LIVE, "Final": GameState.FINAL}
_LEGACY_GAME_TYPES: Final = {"PR": 1, "R": 2, "P": 3}
_LEGACY_POSTPONED: Final = "9"


def _parse_legacy(feed: Mapping[str, Any]) -> Game:
    problems = Problems()
    game_id = whole(feed.get("gamePk"), "gamePk", *_GAME_IDS)
    data, live = inner(feed, "gameData"), inner(feed, "liveData")
    teams, line = inner(data, "teams"), problems.inner(live, "linescore")
    home_id, away_id = team_ids = _team_ids(home=inner(teams, "home"), away=inner(teams, "away"))
    kind_of_game = _word(_LEGACY_GAME_TYPES, problems.inner(data, "game").get("type"))
    game_type = kind_of_game or _game_type(game_id)
    raw_periods = problems.listing(line.get("periods", []), "linescore.periods")
    periods = tuple(problems.readable(raw_periods, "period", _legacy_period))
    players = _legacy_players(data, live, team_ids, problems)
    sides = {period.number: period.home_defends for period in periods}
    read, unreadable = _plays(
        [raw for raw in listing(inner(live, "plays").get("allPlays"), "allPlays") if not _is_legacy_note(raw)],
        _legacy_event_id,
        partial(_legacy_play, team_ids, players, sides),
        problems,
    )
    codes = situations([fact for fact, _ in read], home_id=home_id, away_id=away_id, is_playoff=game_type == 3)
    plays = tuple(play(situation=code) for (_, play), code in zip(read, codes, strict=True))
    latest = plays[-1].period if plays else 0
    period = problems.otherwise(
        latest, whole, line.get("currentPeriod", latest), "linescore.currentPeriod", 0, _MAX_PERIOD
    )
    intermission = problems.inner(line, "intermissionInfo")
    in_intermission = problems.otherwise(False, flag, intermission.get("inIntermission"), "inIntermission")
    clock = intermission.get("intermissionTimeRemaining") if in_intermission else line.get("currentPeriodTimeRemaining")
    return Game(
        game_id=game_id,
        season=_season(game_id),
        game_type=game_type,
        start_time=problems.otherwise(
            _season_start(game_id), _moment, problems.inner(data, "datetime").get("dateTime"), "dateTime"
        ),
        home=_legacy_team(teams, line, "home", _goals(plays, home_id), problems),
        away=_legacy_team(teams, line, "away", _goals(plays, away_id), problems),
        state=_legacy_state(problems.inner(data, "status"), plays, problems),
        period=period,
        period_type=_legacy_period_type(periods, line, period),
        seconds_left=problems.otherwise(0, _legacy_seconds_left, clock, "linescore's clock"),
        in_intermission=in_intermission,
        plays=plays,
        players=players,
        problems=problems.texts,
        unreadable=unreadable,
    )


class _LegacyPeriod(NamedTuple):
    number: int
    kind: str
    home_defends: str | None


def _legacy_period(raw: Any) -> _LegacyPeriod:
    period = mapping(raw, "it")
    return _LegacyPeriod(
        whole(period.get("num"), "num", 1, _MAX_PERIOD),
        _LEGACY_PERIOD_TYPES[one_of(period.get("periodType"), "periodType", _LEGACY_PERIOD_TYPES)],
        word(inner(period, "home").get("rinkSide"), "home.rinkSide", _SIDES),
    )


def _legacy_players(
    data: Mapping[str, Any], live: Mapping[str, Any], teams: Sequence[int], problems: Problems
) -> dict[int, Player]:
    team_of = {
        key: team_id
        for side, team_id in zip(("home", "away"), teams, strict=True)
        for key in problems.inner(live, "boxscore", "teams", side, "players")
    }

    def player(entry: tuple[str, Any]) -> tuple[int, Player]:
        key, raw = entry
        values = mapping(raw, "it")
        return whole(values.get("id"), "id"), Player(text(values.get("fullName"), "fullName"), team_of.get(key))

    return dict(problems.readable(problems.inner(data, "players").items(), "player", player))


def _legacy_team(teams: Mapping[str, Any], line: Mapping[str, Any], side: str, goals: int, problems: Problems) -> Team:
    team = inner(teams, side)
    score = problems.inner(line, "teams", side).get("goals", 0)
    abbrev = text(team.get("triCode") or team.get("abbreviation"), f"{side}.triCode")
    return Team(
        whole(team.get("id"), f"{side}.id"),
        abbrev,
        problems.otherwise(abbrev, text, team.get("name"), f"{side}.name"),
        problems.otherwise(goals, whole, score, f"{side}.goals", 0, _MAX_SCORE),
    )


def _legacy_state(status: Mapping[str, Any], plays: Sequence[Play], problems: Problems) -> GameState:
    if status.get("statusCode") == _LEGACY_POSTPONED:
        return GameState.POSTPONED
    state = status.get("abstractGameState")
    return _word(_LEGACY_STATES, state) or _guessed_state(plays, "abstractGameState", state, problems)


def _legacy_period_type(periods: Sequence[_LegacyPeriod], line: Mapping[str, Any], number: int) -> str:
    for period in periods:
        if period.number == number:
            return period.kind
    if line.get("hasShootout") and number > REGULATION_PERIODS + 1:
        return "SO"  # the shootout is not in the list of periods
    return "OT" if number > REGULATION_PERIODS else "REG"


def _legacy_seconds_left(clock: Any, field: str) -> int:
    if type(clock) is int:  # in an intermission
        return whole(clock, field, 0, _MAX_LEFT_S)
    left = optional_text(clock, field) or ""  # "12:35", "END" or "Final"
    return clock_seconds(left, field) if ":" in left else 0


def _is_legacy_note(raw: Any) -> bool:
    result = raw.get("result") if isinstance(raw, dict) else None
    return isinstance(result, dict) and result.get("eventTypeId") in _LEGACY_NOTES


def _legacy_event_id(raw: Any) -> int:
    return whole(mapping(mapping(raw, "it").get("about"), "about").get("eventId"), "about.eventId")


def _legacy_play(
    teams: Sequence[int],
    players: Mapping[int, Player],
    sides: Mapping[int, str | None],
    event_id: int,
    raw: Mapping[str, Any],
) -> tuple[Fact, Callable[..., Play]]:
    """What the play tells about manpower, and the play, still without the situation that follows from all plays."""
    about, result = mapping(raw.get("about"), "about"), mapping(raw.get("result"), "result")
    coordinates = mapping(raw.get("coordinates"), "coordinates")
    kind = _LEGACY_KINDS[one_of(result.get("eventTypeId"), "result.eventTypeId", _LEGACY_KINDS)]
    number = whole(about.get("period"), "about.period", 1, _MAX_PERIOD)
    period_type = _LEGACY_PERIOD_TYPES[one_of(about.get("periodType"), "about.periodType", _LEGACY_PERIOD_TYPES)]
    seconds = clock_seconds(about.get("periodTime"), "about.periodTime")
    team_id = optional_whole(mapping(raw.get("team"), "team").get("id"), "team.id")
    people = dict(map(_legacy_person, listing(raw.get("players", []), "players")))
    fact = Fact(
        kind=kind,
        period=number,
        period_type=period_type,
        seconds=seconds,
        team_id=team_id,
        player_id=people.get("PenaltyOn"),
        penalty_minutes=whole(result.get("penaltyMinutes", 0), "result.penaltyMinutes", 0, _MAX_PENALTY_MINUTES),
        severity=optional_text(result.get("penaltySeverity"), "result.penaltySeverity") or "",
        at_empty_net=flag(result.get("emptyNet"), "result.emptyNet"),
        names_goalie="Goalie" in people or "Unknown" in people,  # a miss has the goalie as "Unknown"
    )
    if kind == "blocked-shot":
        team_id = _team_of(players, people.get("Shooter")) or team_id
    x, y = _both(
        optional_number(coordinates.get("x"), "coordinates.x", _MAX_X),
        optional_number(coordinates.get("y"), "coordinates.y", _MAX_Y),
    )
    play: Callable[..., Play] = partial(
        Play if kind not in UNBLOCKED_ATTEMPTS else Shot,
        event_id=event_id,
        kind=kind,
        period=number,
        period_type=period_type,
        seconds=seconds,
        team_id=team_id,
        x=x,
        y=y,
        home_defends=sides.get(number),
    )
    if kind not in UNBLOCKED_ATTEMPTS:
        return fact, play
    if team_id not in teams:
        raise Unreadable("team.id", team_id)
    shot_type = _word(_LEGACY_SHOT_TYPES, result.get("secondaryType"))
    return fact, partial(
        play,
        shot_type=shot_type,
        shooter_id=people.get("Scorer") or people.get("Shooter"),
        goalie_id=people.get("Goalie") or people.get("Unknown"),
        # the legacy feed never gives the type of a missed shot: waiting for it would be waiting for ever
        missing=_missing(x, has_type=shot_type is not None or kind == "missed-shot"),
    )


def _legacy_person(raw: Any) -> tuple[str, int]:
    person = mapping(raw, "players")
    return (
        text(person.get("playerType"), "players.playerType"),
        whole(mapping(person.get("player"), "players.player").get("id"), "players.player.id"),
    )


# What we read of a legacy feed. Patches of anything else (box scores, the current play) are not ours to follow.
_LEGACY_PATHS: Final = ("/gameData/status", "/liveData/plays/allPlays", "/liveData/linescore", "/metaData")


def apply_diff_patch(feed: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """The legacy feed after one answer of its `diffPatch` route; `feed` itself is left as it was.

    The old API answered either a whole feed (when the asked time lay too far back), or the steps since the asked
    time: a list of `{"diff": [...]}`, each a JSON Patch (RFC 6902) that also sets the feed's new time stamp. Answers
    overlap when they were asked for with an older time, so steps that the feed has seen are passed over. An empty
    list means that nothing changed.

    Raises:
        FeedMalformed: the answer is neither, or does not fit this feed; read the whole feed again.
    """
    if isinstance(answer, Mapping) and "liveData" in answer:
        return dict(answer)
    if not isinstance(answer, list):
        raise FeedMalformed(f"expected a list of patches or a whole feed, got {type(answer).__name__}")
    patched = dict(feed)
    try:
        for step in answer:
            operations = [operation for operation in step["diff"] if operation["path"].startswith(_LEGACY_PATHS)]
            stamps = [operation["value"] for operation in operations if operation["path"] == "/metaData/timeStamp"]
            if not stamps or stamps[-1] > patched["metaData"]["timeStamp"]:
                patched = jsonpatch.apply_patch(patched, operations)
    except (
        jsonpatch.JsonPatchException,
        jsonpointer.JsonPointerException,
        LookupError,
        TypeError,
        AttributeError,
    ) as error:
        raise FeedMalformed(f"the patch does not fit the feed it is applied to: {error}") from error
    return patched


# --- both ------------------------------------------------------------------------------------------------------------

_GAME_IDS: Final = (1_900_000_000, 2_099_999_999)
_YEARS: Final = (1900, 2100)
_SEASONS: Final = (1900_1901, 2099_2100)
_GAME_TYPES: Final = (1, 99)
_MAX_PERIOD: Final = 20  # the longest game so far took nine
_MAX_SCORE: Final = 99
_MAX_PENALTY_MINUTES: Final = 60
_MAX_LEFT_S: Final = 24 * 3600  # before the first face-off the clock may count down to it
_SIDES: Final = ("left", "right")
_ZONES: Final = ("O", "N", "D")
_SITUATIONS: Final = frozenset(f"{g}{a}{h}{k}" for g in "01" for a in "0123456" for h in "0123456" for k in "01")
_MAX_X, _MAX_Y = math.ceil(RINK_LENGTH / 2), math.ceil(RINK_WIDTH / 2)


def _plays(
    raws: Iterable[Any],
    event_id_of: Callable[[Any], int],
    read: Callable[[int, Mapping[str, Any]], T],
    problems: Problems,
) -> tuple[tuple[T, ...], frozenset[int] | None]:
    """What `read` makes of each play, and `Game.unreadable`. Of two plays with one event id, the first counts."""
    plays: dict[int, T] = {}
    unread: set[int | None] = set()
    for number, raw in enumerate(raws, start=1):
        event_id = None
        try:
            event_id = event_id_of(raw)
            if event_id in plays:
                problems.note(f"event {event_id} is there twice; the first counts")
            else:
                plays[event_id] = read(event_id, raw)
        except Unreadable as problem:
            unread.add(event_id)
            problems.note(f"{f'play {number}' if event_id is None else f'event {event_id}'}: {problem}")
    known = frozenset(event_id for event_id in unread if event_id is not None)
    return tuple(plays.values()), None if None in unread else known - plays.keys()


def _word(table: Mapping[str, T], value: Any) -> T | None:
    return table.get(value) if isinstance(value, str) else None


def _season(game_id: int) -> int:
    first_year = game_id // 1_000_000
    return first_year * 10_000 + first_year + 1


def _season_start(game_id: int) -> str:
    """A start for a game whose own cannot be read, so that it has its place in lists by date."""
    return f"{game_id // 1_000_000}-10-01T00:00:00Z"


def _moment(value: Any, field: str) -> str:
    """A time in UTC, ISO 8601, as both feeds write it."""
    moment = text(value, field)
    try:
        year = datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").year
    except ValueError:
        raise Unreadable(field, value) from None
    whole(year, field, *_YEARS)
    return moment


def _game_type(game_id: int) -> int:
    return game_id // 10_000 % 100


def _team_ids(*, home: Mapping[str, Any], away: Mapping[str, Any]) -> tuple[int, int]:
    home_id, away_id = whole(home.get("id"), "the home team's id"), whole(away.get("id"), "the away team's id")
    if home_id == away_id:
        raise Unreadable("the away team's id, as the home team's,", away_id)
    return home_id, away_id


def _goals(plays: Iterable[Play], team_id: int) -> int:
    """The score, where the feed's own cannot be read; what a shootout adds is not in it."""
    return sum(play.kind == "goal" and play.team_id == team_id and play.period_type != "SO" for play in plays)


def _guessed_state(plays: Iterable[Play], field: str, value: Any, problems: Problems) -> GameState:
    """A state for a game whose own we do not know: what is taken for live goes on being read."""
    state = GameState.FINAL if any(play.kind == "game-end" for play in plays) else GameState.LIVE
    problems.note(f"{Unreadable(field, value)}; taken as {state}")
    return state


def _both(x: float | None, y: float | None) -> tuple[float | None, float | None]:
    # half a coordinate places nothing
    return (None, None) if x is None or y is None else (x, y)


def _team_of(players: Mapping[int, Player], player_id: int | None) -> int | None:
    player = players.get(player_id or 0)
    return player.team_id if player else None


def _missing(x: float | None, *, has_type: bool) -> tuple[str, ...]:
    return (*(("coordinates",) if x is None else ()), *(() if has_type else ("shot_type",)))
