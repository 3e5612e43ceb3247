"""The league's legacy feed, statsapi.web.nhl.com/api/v1/game/<id>/feed/live, shut down in November 2023."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from livegame.errors import FeedMalformed
from livegame.parsing import common
from livegame.parsing import readers as read
from livegame.parsing.manpower import Fact, situations
from livegame.parsing.readers import FeedProblems, Unreadable
from livegame.plays import (
    PERIOD_SECONDS,
    REGULATION_PERIODS,
    UNBLOCKED_ATTEMPTS,
    Game,
    GameState,
    Play,
    Player,
    Team,
    class_of,
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
_NOTES: Final = (  # administrative entries, not plays
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
_SEVERITIES: Final = {
    "Minor": "MIN",
    "Bench Minor": "BEN",
    "Major": "MAJ",
    "Match": "MAT",
    "Misconduct": "MIS",
    "Game Misconduct": "GAM",
    "Penalty Shot": "PS",
}
_PERIOD_TYPES: Final = {"REGULAR": "REG", "OVERTIME": "OT", "SHOOTOUT": "SO"}
_STATES: Final = {"Preview": GameState.NOT_STARTED, "Live": GameState.LIVE, "Final": GameState.FINAL}
_GAME_TYPES: Final = {"PR": 1, "R": 2, "P": 3}
_OVER: Final = ("5", "6")  # final but not official, which is 7
_TO_BE_DETERMINED: Final = "8"
_POSTPONED: Final = "9"
_OFFICIAL: Final = "GAME_OFFICIAL"
_TIME_STAMP: Final = re.compile(r"20\d\d(0[1-9]|1[0-2])([0-2]\d|3[01])_[0-2]\d[0-5]\d[0-5]\d", re.ASCII)


def parse_statsapi(feed: Mapping[str, Any]) -> Game:
    """Read one answer.

    Raises:
        Unreadable: a field that every game needs.
    """
    problems = FeedProblems()
    game_id = read.integer(feed.get("gamePk"), "gamePk", *common.GAME_IDS)
    data, live = read.object_at(feed, "gameData"), read.object_at(feed, "liveData")
    teams, line = read.object_at(data, "teams"), problems.object_at(live, "linescore")
    home_id, away_id = team_ids = read.team_ids(home=read.object_at(teams, "home"), away=read.object_at(teams, "away"))
    game_type = read.translated(_GAME_TYPES, problems.object_at(data, "game").get("type"))
    game_type = game_type or common.game_type_of(game_id)
    raw_periods = problems.json_list(line.get("periods", []), "linescore.periods")
    periods = tuple(problems.readable_items(raw_periods, "period", _period))
    players = _players(data, live, team_ids, problems)
    sides = {period.number: period.home_defends for period in periods}
    raws = read.json_list(read.object_at(live, "plays").get("allPlays"), "allPlays")
    found, unreadable = problems.readable_plays(
        [raw for raw in raws if not _is_note(raw)], _event_id, partial(_play, team_ids, players, sides)
    )
    in_order = _restarts_last(sorted(found, key=lambda entry: common.BY_CLOCK(entry[0])))
    overtime = read.overtime_seconds(_overtime_clocks(raws))
    is_long = overtime_length(overtime, game_type) >= PERIOD_SECONDS
    codes = situations([fact for fact, _ in in_order], home_id=home_id, away_id=away_id, is_long_overtime=is_long)
    plays = tuple(play(situation=code) for (_, play), code in zip(in_order, codes, strict=True))
    latest = plays[-1].period if plays else 0
    period = problems.attempt(
        read.integer,
        line.get("currentPeriod", latest),
        "linescore.currentPeriod",
        *(0, common.MAX_PERIOD),
        default=latest,
    )
    intermission = problems.object_at(line, "intermissionInfo")
    in_intermission = problems.attempt(
        read.boolean, intermission.get("inIntermission"), "inIntermission", default=False
    )
    clock = intermission.get("intermissionTimeRemaining") if in_intermission else line.get("currentPeriodTimeRemaining")
    status = problems.object_at(data, "status")
    is_official = any(_event_type(raw) == _OFFICIAL for raw in raws)
    start = problems.object_at(data, "datetime").get("dateTime")
    stamp = problems.object_at(feed, "metaData").get("timeStamp")
    game = Game(
        game_id=game_id,
        season=common.season_of(game_id),
        game_type=game_type,
        start_time=problems.attempt(read.utc_time, start, "dateTime", default=common.season_start(game_id)),
        home=_team(teams, line, "home", common.goals_of(plays, home_id), problems),
        away=_team(teams, line, "away", common.goals_of(plays, away_id), problems),
        state=_state(status, plays, problems, is_official=is_official),
        period=period,
        period_type=_period_type(periods, plays, line, period),
        seconds_left=problems.attempt(_seconds_left, clock, "linescore's clock", default=0),
        in_intermission=in_intermission,
        plays=plays,
        players=players,
        unreadable=unreadable,
        start_is_known=status.get("startTimeTBD") is not True and status.get("statusCode") != _TO_BE_DETERMINED,
        overtime_seconds=overtime,
        time_stamp=problems.attempt(_time_stamp, stamp, "metaData.timeStamp", default=None),
    )
    return common.checked(game, problems)


def _restarts_last(entries: Sequence[tuple[Fact, T]]) -> tuple[tuple[Fact, T], ...]:
    """Move each face-off after the stoppages of its second; the feed lists some before them."""
    ordered: list[tuple[Fact, T]] = []
    for entry in entries:
        index = len(ordered)
        if entry[0].kind == "stoppage":
            while index and _is_faceoff_at(ordered[index - 1][0], entry[0]):
                index -= 1
        ordered.insert(index, entry)
    return tuple(ordered)


def _is_faceoff_at(fact: Fact, other: Fact) -> bool:
    return fact.kind == "faceoff" and common.BY_CLOCK(fact) == common.BY_CLOCK(other)


def _time_stamp(value: Any, field: str) -> str | None:
    stamp = read.optional_text(value, field)
    if not stamp or _TIME_STAMP.fullmatch(stamp):
        return stamp
    raise Unreadable(field, value)  # text greater than any date would make all later answers look older


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
    period = read.json_object(raw, "it")
    return _Period(
        read.integer(period.get("num"), "num", 1, common.MAX_PERIOD),
        _PERIOD_TYPES[read.one_of(period.get("periodType"), "periodType", _PERIOD_TYPES)],
        read.one_of_or_none(read.object_at(period, "home").get("rinkSide"), "home.rinkSide", common.SIDES),
    )


def _players(
    data: Mapping[str, Any], live: Mapping[str, Any], team_ids: Sequence[int], problems: FeedProblems
) -> dict[int, Player]:
    teams_by_key = {
        key: team_id
        for side, team_id in zip(("home", "away"), team_ids, strict=True)
        for key in problems.object_at(live, "boxscore", "teams", side, "players")
    }

    def player(entry: tuple[str, Any]) -> tuple[int, Player]:
        key, raw = entry
        values = read.json_object(raw, "it")
        name = read.text(values.get("fullName"), "fullName")
        return read.integer(values.get("id"), "id"), Player(name, teams_by_key.get(key))

    return dict(problems.readable_items(problems.object_at(data, "players").items(), "player", player))


def _team(teams: Mapping[str, Any], line: Mapping[str, Any], side: str, goals: int, problems: FeedProblems) -> Team:
    team = read.object_at(teams, side)
    score = problems.object_at(line, "teams", side).get("goals", goals)
    abbrev = read.text(team.get("triCode") or team.get("abbreviation"), f"{side}.triCode")
    return Team(
        read.integer(team.get("id"), f"{side}.id"),
        abbrev,
        problems.attempt(read.text, team.get("name"), f"{side}.name", default=abbrev),
        problems.attempt(read.integer, score, f"{side}.goals", 0, common.MAX_SCORE, default=goals),
    )


def _state(status: Mapping[str, Any], plays: Sequence[Play], problems: FeedProblems, *, is_official: bool) -> GameState:
    code, word = status.get("statusCode"), status.get("abstractGameState")
    if code == _POSTPONED:
        return GameState.POSTPONED
    state = read.translated(_STATES, word) or common.guessed_state(plays, "abstractGameState", word, problems)
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
        return read.integer(clock, field, 0, common.MAX_LEFT_S)
    left = read.optional_text(clock, field) or ""  # "12:35", "END" or "Final"
    return read.clock_seconds(left, field) if ":" in left else 0


def _is_note(raw: Any) -> bool:
    kind = _event_type(raw)
    return isinstance(kind, str) and kind in _NOTES


def _event_type(raw: Any) -> Any:
    result = raw.get("result") if isinstance(raw, dict) else None
    return result.get("eventTypeId") if isinstance(result, dict) else None


def _event_id(raw: Any) -> int:
    about = read.json_object(read.json_object(raw, "it").get("about"), "about")
    return read.integer(about.get("eventId"), "about.eventId")


def _play(
    team_ids: Sequence[int],
    players: Mapping[int, Player],
    sides: Mapping[int, str | None],
    event_id: int,
    raw: Mapping[str, Any],
) -> tuple[Fact, Callable[..., Play]]:
    """Return the play's `Fact`, and the play without its situation, which follows from all facts."""
    about, result = read.json_object(raw.get("about"), "about"), read.json_object(raw.get("result"), "result")
    location = read.json_object(raw.get("coordinates"), "coordinates")
    kind = _KINDS[read.one_of(result.get("eventTypeId"), "result.eventTypeId", _KINDS)]
    period = read.integer(about.get("period"), "about.period", 1, common.MAX_PERIOD)
    period_type = _PERIOD_TYPES[read.one_of(about.get("periodType"), "about.periodType", _PERIOD_TYPES)]
    seconds = read.clock_seconds(about.get("periodTime"), "about.periodTime")
    team_id = read.optional_integer(read.json_object(raw.get("team"), "team").get("id"), "team.id")
    people = dict(map(_person, read.json_list(raw.get("players", []), "players")))
    minutes = read.integer(result.get("penaltyMinutes", 0), "result.penaltyMinutes", 0, common.MAX_PENALTY_MINUTES)
    severity = read.optional_text(result.get("penaltySeverity"), "result.penaltySeverity") or ""
    severity = _SEVERITIES.get(severity, severity)
    fact = Fact(
        kind=kind,
        period=period,
        period_type=period_type,
        seconds=seconds,
        team_id=team_id,
        player_id=people.get("PenaltyOn"),
        minutes=minutes,
        severity=severity,
        at_empty_net=read.boolean(result.get("emptyNet"), "result.emptyNet"),
        names_goalie="Goalie" in people or "Unknown" in people,  # a miss has the goalie as "Unknown"
    )
    if kind == "blocked-shot":
        blocked = common.blocked_by(players, people.get("Shooter"), people.get("Blocker"), by_teammate=False)
        team_id = common.team_of(players, people.get("Shooter")) or team_id
    x, y = read.coordinates(location, "coordinates", "x", "y")
    play: Callable[..., Play] = partial(
        class_of(kind),
        event_id=event_id,
        kind=kind,
        period=period,
        period_type=period_type,
        seconds=seconds,
        team_id=team_id,
        x=x,
        y=y,
        home_defends=sides.get(period),
    )
    if kind == "penalty":
        return fact, partial(
            play,
            severity=severity,
            minutes=minutes,
            player_id=people.get("PenaltyOn"),
            server_id=people.get("ServedBy"),
        )
    if kind == "blocked-shot":
        return fact, partial(play, **blocked)
    if kind not in UNBLOCKED_ATTEMPTS:
        return fact, play
    if team_id not in team_ids:
        raise Unreadable("team.id", team_id)
    shot_type = read.translated(_SHOT_TYPES, result.get("secondaryType"))
    return fact, partial(
        play,
        shot_type=shot_type,
        shooter_id=people.get("Scorer") or people.get("Shooter"),
        goalie_id=people.get("Goalie") or people.get("Unknown"),
        # this feed never gives the type of a missed shot, so a game need not wait for it
        missing=common.missing_inputs(x, has_type=shot_type is not None or kind == "missed-shot"),
    )


def _person(raw: Any) -> tuple[str, int]:
    person = read.json_object(raw, "players")
    return (
        read.text(person.get("playerType"), "players.playerType"),
        read.integer(read.json_object(person.get("player"), "players.player").get("id"), "players.player.id"),
    )


# The parts of the feed that are read here; patches of anything else (box scores, the current play) are skipped.
_PATHS: Final = ("/gameData/status", "/liveData/plays/allPlays", "/liveData/linescore", "/metaData")


def apply_diff_patch(feed: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    """Return the legacy feed after one answer of its `diffPatch` route; `feed` itself stays unchanged.

    The API answered with a whole feed if the requested time was too long ago, else with the steps since then: a list
    of `{"diff": [...]}`, each a JSON Patch (RFC 6902) that also sets the feed's new time stamp. An empty list means
    that nothing has changed. Answers to an older time overlap, so steps that the feed already holds are skipped.

    Raises:
        FeedMalformed: the answer is neither, or does not fit this feed; fetch the whole feed again.
    """
    import jsonpatch  # not above: no answer of the gamecenter feed needs it
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
        raise FeedMalformed(f"the patch does not fit its feed: {error}") from error
    return patched
