"""Provider JSON into frozen `Game`, `Play` and `Shot`: the only file that knows how the feeds spell things.

Two shapes are read: the league's present play-by-play (`parse_game` finds `plays`) and the legacy feed that archives
hold (`liveData`), with the legacy feed's `diffPatch` answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final

import jsonpatch
import jsonpointer

from livegame.exceptions import FeedMalformed
from livegame.manpower import Fact, situations

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


@dataclass(frozen=True, slots=True)
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


@dataclass(frozen=True, slots=True)
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


def parse_day(answer: Any) -> Day:
    """Read the feed's list of one day's games.

    Raises:
        FeedMalformed: it is not such a list.
    """
    try:
        previous, following = answer.get("prevDate"), answer.get("nextDate")
        return Day(
            date.fromisoformat(answer["currentDate"]),
            tuple(_summary(game) for game in answer["games"]),
            date.fromisoformat(previous) if previous else None,
            date.fromisoformat(following) if following else None,
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise FeedMalformed(f"the feed's answer is not a list of a day's games: {error!r}") from error


def _summary(game: Mapping[str, Any]) -> GameSummary:
    state, (number, kind), (left, in_intermission) = game_state(game), _period(game), _clock(game)
    status = status_line(
        state, number, kind, left, in_intermission=in_intermission, game_type=int(game.get("gameType", 2))
    )
    home, away = _present_team(game["homeTeam"]), _present_team(game["awayTeam"])
    return GameSummary(int(game["id"]), str(game["startTimeUTC"]), home, away, state, status)


def parse_game(feed: Any) -> Game:
    """Read one answer of either feed.

    Raises:
        FeedMalformed: it is not a game in a shape we know; the message names what was missing.
    """
    if not isinstance(feed, Mapping):
        raise FeedMalformed(f"expected a game's JSON object from the feed, got {type(feed).__name__}")
    try:
        if "plays" in feed and "homeTeam" in feed:
            return _parse_present(feed)
        if "liveData" in feed:
            return _parse_legacy(feed)
    except KeyError as error:
        raise FeedMalformed(f"the feed's answer has no {error}; it is not a play-by-play we can read") from error
    except (TypeError, ValueError, AttributeError, IndexError) as error:
        raise FeedMalformed(f"the feed's answer has a value we cannot read: {error}") from error
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


def game_state(feed: Mapping[str, Any]) -> GameState:
    """The state of a game of the present feed, or of an entry in its list of a day's games."""
    schedule = _SCHEDULE_STATES.get(feed.get("gameScheduleState", "OK"))
    return schedule or _PRESENT_STATES[feed["gameState"]]


def team_name(team: Mapping[str, Any]) -> str:
    """A team's full name, by whichever keys this year's feed uses."""
    nickname = (team.get("name") or team.get("commonName") or {}).get("default", "")
    place = (team.get("placeName") or {}).get("default", "")
    return " ".join(part for part in (place, nickname) if part) or str(team["abbrev"])


def _parse_present(feed: Mapping[str, Any]) -> Game:
    players = {
        spot["playerId"]: Player(f"{spot['firstName']['default']} {spot['lastName']['default']}", spot["teamId"])
        for spot in feed.get("rosterSpots", ())
    }
    number, kind = _period(feed)
    left, in_intermission = _clock(feed)
    return Game(
        game_id=int(feed["id"]),
        season=int(feed["season"]),
        game_type=int(feed["gameType"]),
        start_time=str(feed["startTimeUTC"]),
        home=_present_team(feed["homeTeam"]),
        away=_present_team(feed["awayTeam"]),
        state=game_state(feed),
        period=number,
        period_type=kind,
        seconds_left=left,
        in_intermission=in_intermission,
        plays=tuple(_present_play(raw, players) for raw in feed["plays"]),
        players=players,
    )


def _present_team(team: Mapping[str, Any]) -> Team:
    return Team(team["id"], team["abbrev"], team_name(team), team.get("score", 0))


def _period(feed: Mapping[str, Any]) -> tuple[int, str]:
    period = feed.get("periodDescriptor") or {}
    return period.get("number", 0), period.get("periodType", "REG")


def _clock(feed: Mapping[str, Any]) -> tuple[int, bool]:
    """Seconds left, and whether those are of an intermission."""
    clock = feed.get("clock") or {}
    return clock.get("secondsRemaining", 0), clock.get("inIntermission", False)


def _present_play(raw: Mapping[str, Any], players: Mapping[int, Player]) -> Play:
    details = raw.get("details") or {}
    kind = raw["typeDescKey"]
    period = raw["periodDescriptor"]
    x, y = _both(details.get("xCoord"), details.get("yCoord"))
    team_id, zone = details.get("eventOwnerTeamId"), details.get("zoneCode")
    if kind == "blocked-shot":
        # The owner was the blocker's team in older answers and is the shooter's in newer ones; the zone is always
        # the blocker's view.
        team_id, zone = _team_of(players, details.get("shootingPlayerId")) or team_id, None
    common = (
        raw["eventId"],
        kind,
        period["number"],
        period["periodType"],
        _seconds(raw["timeInPeriod"]),
        team_id,
        x,
        y,
        zone,
        raw.get("situationCode"),
        raw.get("homeTeamDefendingSide"),
    )
    if kind not in UNBLOCKED_ATTEMPTS:
        return Play(*common)
    shot_type = details.get("shotType")
    return Shot(
        *common,
        shot_type=shot_type,
        shooter_id=details.get("scoringPlayerId") or details.get("shootingPlayerId"),
        goalie_id=details.get("goalieInNetId"),
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
    data, live = feed["gameData"], feed["liveData"]
    line = live["linescore"]
    teams = data["teams"]
    raw_plays = [raw for raw in live["plays"]["allPlays"] if raw["result"]["eventTypeId"] in _LEGACY_KINDS]
    sides = {p["num"]: p.get("home", {}).get("rinkSide") for p in line.get("periods", ())}
    game_type = _LEGACY_GAME_TYPES.get(data["game"]["type"], 2)
    codes = situations(
        [_legacy_fact(raw) for raw in raw_plays],
        home_id=teams["home"]["id"],
        away_id=teams["away"]["id"],
        is_playoff=game_type == 3,
    )
    rosters = live.get("boxscore", {}).get("teams", {})
    team_of = {key: teams[side]["id"] for side in ("home", "away") for key in rosters.get(side, {}).get("players", {})}
    players = {player["id"]: Player(player["fullName"], team_of.get(key)) for key, player in data["players"].items()}
    status = data["status"]
    state = _LEGACY_STATES[status["abstractGameState"]]
    if status.get("statusCode") == _LEGACY_POSTPONED:
        state = GameState.POSTPONED
    plays = tuple(_legacy_play(raw, code, sides, players) for raw, code in zip(raw_plays, codes, strict=True))
    period = line.get("currentPeriod", 0)
    return Game(
        game_id=int(feed["gamePk"]),
        season=int(data["game"]["season"]),
        game_type=game_type,
        start_time=str(data["datetime"]["dateTime"]),
        home=_legacy_team(teams["home"], line["teams"]["home"]),
        away=_legacy_team(teams["away"], line["teams"]["away"]),
        state=state,
        period=period,
        period_type=_legacy_period_type(line, period),
        seconds_left=_legacy_seconds_left(line),
        in_intermission=bool(line.get("intermissionInfo", {}).get("inIntermission", False)),
        plays=plays,
        players=players,
    )


def _legacy_team(team: Mapping[str, Any], line: Mapping[str, Any]) -> Team:
    abbrev = team.get("triCode") or team["abbreviation"]
    return Team(team["id"], abbrev, team["name"], line.get("goals", 0))


def _legacy_period_type(line: Mapping[str, Any], period: int) -> str:
    for entry in line.get("periods", ()):
        if entry["num"] == period:
            return _LEGACY_PERIOD_TYPES[entry["periodType"]]
    if line.get("hasShootout") and period > REGULATION_PERIODS + 1:
        return "SO"  # the shootout is not in the list of periods
    return "OT" if period > REGULATION_PERIODS else "REG"


def _legacy_seconds_left(line: Mapping[str, Any]) -> int:
    intermission = line.get("intermissionInfo", {})
    if intermission.get("inIntermission"):
        return int(intermission["intermissionTimeRemaining"])
    left = line.get("currentPeriodTimeRemaining", "")  # a clock, "END" or "Final"
    return _seconds(left) if ":" in left else 0


def _legacy_fact(raw: Mapping[str, Any]) -> Fact:
    about, result = raw["about"], raw["result"]
    people = {person["playerType"]: person["player"]["id"] for person in raw.get("players", ())}
    return Fact(
        kind=_LEGACY_KINDS[result["eventTypeId"]],
        period=about["period"],
        period_type=_LEGACY_PERIOD_TYPES[about["periodType"]],
        seconds=_seconds(about["periodTime"]),
        team_id=raw.get("team", {}).get("id"),
        player_id=people.get("PenaltyOn"),
        penalty_minutes=result.get("penaltyMinutes", 0),
        severity=result.get("penaltySeverity", ""),
        at_empty_net=result.get("emptyNet", False),
        names_goalie="Goalie" in people or "Unknown" in people,  # a miss has the goalie as "Unknown"
    )


def _legacy_play(
    raw: Mapping[str, Any], situation: str | None, sides: Mapping[int, str | None], players: Mapping[int, Player]
) -> Play:
    about, result = raw["about"], raw["result"]
    kind = _LEGACY_KINDS[result["eventTypeId"]]
    people = {person["playerType"]: person["player"]["id"] for person in raw.get("players", ())}
    x, y = _both(raw["coordinates"].get("x"), raw["coordinates"].get("y"))
    team_id = raw.get("team", {}).get("id")
    if kind == "blocked-shot":
        team_id = _team_of(players, people.get("Shooter")) or team_id
    common = (
        about["eventId"],
        kind,
        about["period"],
        _LEGACY_PERIOD_TYPES[about["periodType"]],
        _seconds(about["periodTime"]),
        team_id,
        x,
        y,
        None,
        situation,
        sides.get(about["period"]),
    )
    if kind not in UNBLOCKED_ATTEMPTS:
        return Play(*common)
    shot_type = _LEGACY_SHOT_TYPES.get(result.get("secondaryType", ""))
    return Shot(
        *common,
        shot_type=shot_type,
        shooter_id=people.get("Scorer") or people.get("Shooter"),
        goalie_id=people.get("Goalie") or people.get("Unknown"),
        # the legacy feed never gives the type of a missed shot: waiting for it would be waiting for ever
        missing=_missing(x, has_type=shot_type is not None or kind == "missed-shot"),
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
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, KeyError, TypeError) as error:
        raise FeedMalformed(f"the patch does not fit the feed it is applied to: {error}") from error
    return patched


# --- both ------------------------------------------------------------------------------------------------------------


def _seconds(clock: str) -> int:
    minutes, seconds = clock.split(":")
    return int(minutes) * 60 + int(seconds)


def _team_of(players: Mapping[int, Player], player_id: int | None) -> int | None:
    player = players.get(player_id or 0)
    return player.team_id if player else None


def _both(x: float | None, y: float | None) -> tuple[float | None, float | None]:
    # half a coordinate places nothing
    return (None, None) if x is None or y is None else (float(x), float(y))


def _missing(x: float | None, *, has_type: bool) -> tuple[str, ...]:
    return (*(("coordinates",) if x is None else ()), *(() if has_type else ("shot_type",)))
