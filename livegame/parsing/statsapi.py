"""The legacy feed, statsapi.web.nhl.com/api/v1/game/<id>/feed/live, shut down in November 2023 and kept in archives."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from livegame.errors import FeedMalformed
from livegame.parsing.common import (
    BY_CLOCK,
    GAME_IDS,
    MAX_LEFT_S,
    MAX_PERIOD,
    MAX_SCORE,
    MAX_X,
    MAX_Y,
    SIDES,
    begun_state,
    game_type_of,
    goals_of,
    guessed_state,
    lost_goals,
    missing_inputs,
    moment,
    overtime_by_clock,
    read_plays,
    season_of,
    season_start,
    team_ids,
    team_of,
    translated,
    whole_place,
)
from livegame.parsing.manpower import Fact, situations
from livegame.parsing.readers import (
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
from livegame.plays import (
    PERIOD_SECONDS,
    REGULATION_PERIODS,
    UNBLOCKED_ATTEMPTS,
    Game,
    GameState,
    Play,
    Player,
    Shot,
    Team,
    overtime_length,
)

T = TypeVar("T")

_KINDS: Final = {
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
_NOTES: Final = (  # what happens to the game, not in it
    *("GAME_SCHEDULED", "PERIOD_READY", "PERIOD_OFFICIAL", "GAME_OFFICIAL", "EARLY_INT_START", "EARLY_INT_END"),
    "EMERGENCY_GOALTENDER",
)
_SHOT_TYPES: Final = {
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
_PERIOD_TYPES: Final = {"REGULAR": "REG", "OVERTIME": "OT", "SHOOTOUT": "SO"}
_STATES: Final = {"Preview": GameState.NOT_STARTED, "Live": GameState.LIVE, "Final": GameState.FINAL}
_GAME_TYPES: Final = {"PR": 1, "R": 2, "P": 3}
_OVER: Final = ("5", "6")  # final, but not official: that is 7
_TO_BE_DETERMINED: Final = "8"
_POSTPONED: Final = "9"
_OFFICIAL: Final = "GAME_OFFICIAL"
_MAX_PENALTY_MINUTES: Final = 60
_TIME_STAMP: Final = re.compile(r"20\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])_[0-2]\d[0-5]\d[0-5]\d", re.ASCII)


def parse_legacy(feed: Mapping[str, Any]) -> Game:
    """Read one answer.

    Raises:
        Unreadable: something that a game is nothing without.
    """
    problems = Problems()
    game_id = whole(feed.get("gamePk"), "gamePk", *GAME_IDS)
    data, live = inner(feed, "gameData"), inner(feed, "liveData")
    teams, line = inner(data, "teams"), problems.inner(live, "linescore")
    home_id, away_id = both_ids = team_ids(home=inner(teams, "home"), away=inner(teams, "away"))
    kind_of_game = translated(_GAME_TYPES, problems.inner(data, "game").get("type"))
    game_type = kind_of_game or game_type_of(game_id)
    raw_periods = problems.listing(line.get("periods", []), "linescore.periods")
    periods = tuple(problems.readable(raw_periods, "period", _period))
    players = _players(data, live, both_ids, problems)
    sides = {period.number: period.home_defends for period in periods}
    raws = listing(inner(live, "plays").get("allPlays"), "allPlays")
    read, unreadable = read_plays(
        [raw for raw in raws if not _is_note(raw)],
        _event_id,
        partial(_play, both_ids, players, sides),
        problems,
    )
    read = _restarts_last(sorted(read, key=lambda entry: BY_CLOCK(entry[0])))
    overtime = overtime_by_clock(_overtime_clocks(raws))
    is_long = overtime_length(overtime, game_type) >= PERIOD_SECONDS
    codes = situations([fact for fact, _ in read], home_id=home_id, away_id=away_id, is_long_overtime=is_long)
    plays = tuple(play(situation=code) for (_, play), code in zip(read, codes, strict=True))
    latest = plays[-1].period if plays else 0
    period = problems.otherwise(
        latest, whole, line.get("currentPeriod", latest), "linescore.currentPeriod", 0, MAX_PERIOD
    )
    intermission = problems.inner(line, "intermissionInfo")
    in_intermission = problems.otherwise(False, flag, intermission.get("inIntermission"), "inIntermission")
    clock = intermission.get("intermissionTimeRemaining") if in_intermission else line.get("currentPeriodTimeRemaining")
    home = _team(teams, line, "home", goals_of(plays, home_id), problems)
    away = _team(teams, line, "away", goals_of(plays, away_id), problems)
    status = problems.inner(data, "status")
    is_official = any(_event_type(raw) == _OFFICIAL for raw in raws)
    state = begun_state(_state(status, plays, problems, is_official=is_official), plays, problems)
    lost_goals(plays, home=home, away=away, state=state, problems=problems)
    return Game(
        game_id=game_id,
        season=season_of(game_id),
        game_type=game_type,
        start_time=problems.otherwise(
            season_start(game_id), moment, problems.inner(data, "datetime").get("dateTime"), "dateTime"
        ),
        home=home,
        away=away,
        state=state,
        period=period,
        period_type=_period_type(periods, plays, line, period),
        seconds_left=problems.otherwise(0, _seconds_left, clock, "linescore's clock"),
        in_intermission=in_intermission,
        plays=plays,
        players=players,
        problems=problems.texts,
        unreadable=unreadable,
        start_is_known=status.get("startTimeTBD") is not True and status.get("statusCode") != _TO_BE_DETERMINED,
        overtime_seconds=overtime,
        time_stamp=problems.otherwise(
            None, _time_stamp, problems.inner(feed, "metaData").get("timeStamp"), "metaData.timeStamp"
        ),
    )


def _restarts_last(read: Sequence[tuple[Fact, T]]) -> tuple[tuple[Fact, T], ...]:
    """The plays by the clock, with each face-off after the stoppages of its second: this feed lists some before."""
    ordered: list[tuple[Fact, T]] = []
    for entry in read:
        place = len(ordered)
        if entry[0].kind == "stoppage":
            while place and _is_faceoff_at(ordered[place - 1][0], entry[0]):
                place -= 1
        ordered.insert(place, entry)
    return tuple(ordered)


def _is_faceoff_at(fact: Fact, other: Fact) -> bool:
    return fact.kind == "faceoff" and BY_CLOCK(fact) == BY_CLOCK(other)


def _time_stamp(value: Any, field: str) -> str | None:
    stamp = optional_text(value, field)
    if not stamp or _TIME_STAMP.fullmatch(stamp):
        return stamp
    raise Unreadable(field, value)  # whatever is greater than any date would make all later answers older


def _overtime_clocks(raws: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    for raw in raws:
        about = raw.get("about") if isinstance(raw, dict) else None
        if isinstance(about, dict) and about.get("periodType") == "OVERTIME":
            yield about.get("periodTime"), about.get("periodTimeRemaining")


class _Period(NamedTuple):
    number: int
    kind: str
    home_defends: str | None


def _period(raw: Any) -> _Period:
    period = mapping(raw, "it")
    return _Period(
        whole(period.get("num"), "num", 1, MAX_PERIOD),
        _PERIOD_TYPES[one_of(period.get("periodType"), "periodType", _PERIOD_TYPES)],
        word(inner(period, "home").get("rinkSide"), "home.rinkSide", SIDES),
    )


def _players(
    data: Mapping[str, Any], live: Mapping[str, Any], teams: Sequence[int], problems: Problems
) -> dict[int, Player]:
    teams_by_key = {
        key: team_id
        for side, team_id in zip(("home", "away"), teams, strict=True)
        for key in problems.inner(live, "boxscore", "teams", side, "players")
    }

    def player(entry: tuple[str, Any]) -> tuple[int, Player]:
        key, raw = entry
        values = mapping(raw, "it")
        return whole(values.get("id"), "id"), Player(text(values.get("fullName"), "fullName"), teams_by_key.get(key))

    return dict(problems.readable(problems.inner(data, "players").items(), "player", player))


def _team(teams: Mapping[str, Any], line: Mapping[str, Any], side: str, goals: int, problems: Problems) -> Team:
    team = inner(teams, side)
    score = problems.inner(line, "teams", side).get("goals", goals)
    abbrev = text(team.get("triCode") or team.get("abbreviation"), f"{side}.triCode")
    return Team(
        whole(team.get("id"), f"{side}.id"),
        abbrev,
        problems.otherwise(abbrev, text, team.get("name"), f"{side}.name"),
        problems.otherwise(goals, whole, score, f"{side}.goals", 0, MAX_SCORE),
    )


def _state(status: Mapping[str, Any], plays: Sequence[Play], problems: Problems, *, is_official: bool) -> GameState:
    code, word = status.get("statusCode"), status.get("abstractGameState")
    if code == _POSTPONED:
        return GameState.POSTPONED
    state = translated(_STATES, word) or guessed_state(plays, "abstractGameState", word, problems)
    return GameState.OVER if state is GameState.FINAL and code in _OVER and not is_official else state


def _period_type(periods: Sequence[_Period], plays: Sequence[Play], line: Mapping[str, Any], number: int) -> str:
    kinds = {play.period: play.period_type for play in plays} | {period.number: period.kind for period in periods}
    if number in kinds:
        return kinds[number]
    if line.get("hasShootout") and number > REGULATION_PERIODS + 1:
        return "SO"  # the shootout is not in the list of periods
    return "OT" if number > REGULATION_PERIODS else "REG"


def _seconds_left(clock: Any, field: str) -> int:
    if type(clock) is int:  # in an intermission
        return whole(clock, field, 0, MAX_LEFT_S)
    left = optional_text(clock, field) or ""  # "12:35", "END" or "Final"
    return clock_seconds(left, field) if ":" in left else 0


def _is_note(raw: Any) -> bool:
    kind = _event_type(raw)
    return isinstance(kind, str) and kind in _NOTES


def _event_type(raw: Any) -> Any:
    result = raw.get("result") if isinstance(raw, dict) else None
    return result.get("eventTypeId") if isinstance(result, dict) else None


def _event_id(raw: Any) -> int:
    return whole(mapping(mapping(raw, "it").get("about"), "about").get("eventId"), "about.eventId")


def _play(
    teams: Sequence[int],
    players: Mapping[int, Player],
    sides: Mapping[int, str | None],
    event_id: int,
    raw: Mapping[str, Any],
) -> tuple[Fact, Callable[..., Play]]:
    """What the play tells about manpower, and the play, still without the situation that follows from all plays."""
    about, result = mapping(raw.get("about"), "about"), mapping(raw.get("result"), "result")
    coordinates = mapping(raw.get("coordinates"), "coordinates")
    kind = _KINDS[one_of(result.get("eventTypeId"), "result.eventTypeId", _KINDS)]
    number = whole(about.get("period"), "about.period", 1, MAX_PERIOD)
    period_type = _PERIOD_TYPES[one_of(about.get("periodType"), "about.periodType", _PERIOD_TYPES)]
    seconds = clock_seconds(about.get("periodTime"), "about.periodTime")
    team_id = optional_whole(mapping(raw.get("team"), "team").get("id"), "team.id")
    people = dict(map(_person, listing(raw.get("players", []), "players")))
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
        team_id = team_of(players, people.get("Shooter")) or team_id
    x, y = whole_place(
        optional_number(coordinates.get("x"), "coordinates.x", MAX_X),
        optional_number(coordinates.get("y"), "coordinates.y", MAX_Y),
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
    shot_type = translated(_SHOT_TYPES, result.get("secondaryType"))
    return fact, partial(
        play,
        shot_type=shot_type,
        shooter_id=people.get("Scorer") or people.get("Shooter"),
        goalie_id=people.get("Goalie") or people.get("Unknown"),
        # the legacy feed never gives the type of a missed shot: waiting for it would be waiting for ever
        missing=missing_inputs(x, has_type=shot_type is not None or kind == "missed-shot"),
    )


def _person(raw: Any) -> tuple[str, int]:
    person = mapping(raw, "players")
    return (
        text(person.get("playerType"), "players.playerType"),
        whole(mapping(person.get("player"), "players.player").get("id"), "players.player.id"),
    )


# What we read of a legacy feed. Patches of anything else (box scores, the current play) are not ours to follow.
_PATHS: Final = ("/gameData/status", "/liveData/plays/allPlays", "/liveData/linescore", "/metaData")


def apply_diff_patch(feed: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """The legacy feed after one answer of its `diffPatch` route; `feed` itself is left as it was.

    The old API answered either a whole feed (when the asked time lay too far back), or the steps since the asked
    time: a list of `{"diff": [...]}`, each a JSON Patch (RFC 6902) that also sets the feed's new time stamp. Answers
    overlap when they were asked for with an older time, so steps that the feed has seen are passed over. An empty
    list means that nothing changed.

    Raises:
        FeedMalformed: the answer is neither, or does not fit this feed; read the whole feed again.
    """
    import jsonpatch  # not above: no answer of today's feed needs it
    import jsonpointer

    if isinstance(answer, Mapping) and "liveData" in answer:
        return dict(answer)
    if not isinstance(answer, list):
        raise FeedMalformed(f"expected a list of patches or a whole feed, got {type(answer).__name__}")
    patched = dict(feed)
    try:
        for step in answer:
            operations = [operation for operation in step["diff"] if operation["path"].startswith(_PATHS)]
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
