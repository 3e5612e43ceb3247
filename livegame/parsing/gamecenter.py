"""The league's current feed, api-web.nhle.com: a game's play-by-play, /v1/gamecenter/<id>/play-by-play."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

from livegame.parsing import common
from livegame.parsing import readers as read
from livegame.parsing.readers import FeedProblems, Unreadable
from livegame.plays import (
    PENALTY_SHOT_SITUATIONS,
    PERIOD_SECONDS,
    REGULAR_SEASON,
    REGULATION_PERIODS,
    UNBLOCKED_ATTEMPTS,
    BlockedAttempt,
    Game,
    GameState,
    Penalty,
    Play,
    Player,
    Shot,
    Team,
    overtime_length,
)

_STATES: Final = {
    "FUT": GameState.NOT_STARTED,
    "PRE": GameState.NOT_STARTED,
    "LIVE": GameState.LIVE,
    "CRIT": GameState.LIVE,
    "OVER": GameState.OVER,
    "FINAL": GameState.FINAL,
    "OFF": GameState.FINAL,
}
_SCHEDULE_STATES: Final = {  # keys: letters only
    **dict.fromkeys(("PPD", "POSTPONED", "SUSP", "SUSPENDED"), GameState.POSTPONED),
    **dict.fromkeys(("CNCL", "CANCELLED", "CANCELED"), GameState.CANCELLED),
    **dict.fromkeys(("DONTPLAY", "DONOTPLAY", "NOTNEEDED"), GameState.CANCELLED),  # the series is decided without it
}
_TO_BE_DETERMINED: Final = "TBD"
_KINDS: Final = UNBLOCKED_ATTEMPTS | {
    *("blocked-shot", "delayed-penalty", "faceoff", "failed-shot-attempt", "game-end", "giveaway", "hit", "penalty"),
    *("period-end", "period-start", "shootout-complete", "stoppage", "takeaway"),
}
_PERIOD_TYPES: Final = ("REG", "OT", "SO")
_SEASONS: Final = (1900_1901, 2099_2100)
_GAME_TYPES: Final = (1, 99)
_BY_TEAMMATE: Final = "teammate-blocked"
_ZONES: Final = ("O", "N", "D")
_SITUATIONS: Final = frozenset(f"{g}{a}{h}{k}" for g in "01" for a in "0123456" for h in "0123456" for k in "01")


def parse_gamecenter(feed: Mapping[str, Any]) -> Game:
    """Read one play-by-play.

    Raises:
        Unreadable: a field that every game needs.
    """
    problems = FeedProblems()
    game_id = read.integer(feed.get("id"), "id", *common.GAME_IDS)
    home_id, away_id = team_ids = read.team_ids(
        home=read.json_object(feed["homeTeam"], "homeTeam"), away=read.json_object(feed.get("awayTeam"), "awayTeam")
    )
    spots = problems.json_list(feed.get("rosterSpots", []), "rosterSpots")
    players = dict(problems.readable_items(spots, "roster spot", _player))
    raws = read.json_list(feed["plays"], "plays")
    found, unreadable = problems.readable_plays(_in_order(raws), _event_id, partial(_play, team_ids, players))
    game_type = problems.attempt(
        read.integer, feed.get("gameType"), "gameType", *_GAME_TYPES, default=common.game_type_of(game_id)
    )
    overtime = read.overtime_seconds(_overtime_clocks(raws))
    in_order = sorted(found, key=common.BY_CLOCK)
    plays = tuple(_before_the_shootout(in_order, overtime_length(overtime, game_type)))
    problems_before = len(problems)
    period, period_type = read_period(feed, plays, game_type, problems)
    seconds_left, in_intermission = read_clock(feed, problems)
    state = game_state(feed) or common.guessed_state(plays, "gameState", feed.get("gameState"), problems)
    clock_is_known = len(problems) == problems_before and "secondsRemaining" in problems.object_at(feed, "clock")
    start_time = common.season_start(game_id)
    if start_is_known(feed) or feed.get("startTimeUTC"):
        start_time = problems.attempt(read.utc_time, feed.get("startTimeUTC"), "startTimeUTC", default=start_time)
    game = Game(
        game_id=game_id,
        season=problems.attempt(
            read.integer, feed.get("season"), "season", *_SEASONS, default=common.season_of(game_id)
        ),
        game_type=game_type,
        start_time=start_time,
        home=read_team(feed, "homeTeam", common.goals_of(plays, home_id), problems),
        away=read_team(feed, "awayTeam", common.goals_of(plays, away_id), problems),
        state=state,
        period=period,
        period_type=period_type,
        seconds_left=seconds_left,
        in_intermission=in_intermission,
        plays=plays,
        players=players,
        unreadable=unreadable,
        start_is_known=start_is_known(feed),
        overtime_seconds=overtime,
        clock_is_known=clock_is_known,
    )
    return common.checked(game, problems)


# The next five also read the entries of the lists in schedule.py, which have the same fields.


def game_state(feed: Mapping[str, Any]) -> GameState | None:
    """Return the state of a game; None if the feed has a new word for it."""
    return read.translated(_SCHEDULE_STATES, _schedule_state(feed)) or read.translated(_STATES, feed.get("gameState"))


def start_is_known(feed: Mapping[str, Any]) -> bool:
    """Return whether the time of day of a game's start has been announced."""
    return _schedule_state(feed) != _TO_BE_DETERMINED and feed.get("startTimeTBD") is not True


def read_team(feed: Mapping[str, Any], side: str, goals: int, problems: FeedProblems) -> Team:
    """Read "homeTeam" or "awayTeam"; `goals` replaces a missing score."""
    team = read.json_object(feed.get(side), side)
    abbrev = read.text(team.get("abbrev"), f"{side}.abbrev")
    return Team(
        read.integer(team.get("id"), f"{side}.id"),
        abbrev,
        problems.attempt(_full_name, team, side, default=abbrev) or abbrev,
        problems.attempt(read.integer, team.get("score", goals), f"{side}.score", 0, common.MAX_SCORE, default=goals),
    )


def read_period(
    feed: Mapping[str, Any], plays: Sequence[Play], game_type: int, problems: FeedProblems
) -> tuple[int, str]:
    """Read the period's number and type, by default from the plays."""
    period = problems.object_at(feed, "periodDescriptor")
    latest = plays[-1].period if plays else 0
    number = problems.attempt(
        read.integer, period.get("number", latest), "periodDescriptor.number", 0, common.MAX_PERIOD, default=latest
    )
    usual = next((play.period_type for play in reversed(plays) if play.period == number), None)
    usual = usual or _usual_period_type(number, game_type)
    return number, problems.attempt(
        read.one_of, period.get("periodType", usual), "periodDescriptor.periodType", _PERIOD_TYPES, default=usual
    )


def read_clock(feed: Mapping[str, Any], problems: FeedProblems) -> tuple[int, bool]:
    """Read the seconds left, and whether they are those of an intermission."""
    clock = problems.object_at(feed, "clock")
    left = problems.attempt(
        read.integer, clock.get("secondsRemaining", 0), "clock.secondsRemaining", 0, common.MAX_LEFT_S, default=0
    )
    return left, problems.attempt(
        read.boolean, clock.get("inIntermission", False), "clock.inIntermission", default=False
    )


def _schedule_state(feed: Mapping[str, Any]) -> str | None:
    state = feed.get("gameScheduleState")
    return "".join(filter(str.isalpha, state.upper())) if isinstance(state, str) else None


def _full_name(team: Mapping[str, Any], side: str) -> str:
    """Read place and nickname, under whichever keys this year's feed uses."""
    nickname = "name" if team.get("name") else "commonName"
    place, name = (
        read.optional_text(read.json_object(team.get(key), f"{side}.{key}").get("default"), f"{side}.{key}.default")
        or ""
        for key in ("placeName", nickname)
    )
    return common.full_name(place, name)


def _usual_period_type(number: int, game_type: int) -> str:
    """Return a period's usual type: only in the regular season is a fifth sure to be a shootout."""
    if number <= REGULATION_PERIODS:
        return "REG"
    return "SO" if number > REGULATION_PERIODS + 1 and game_type <= REGULAR_SEASON else "OT"


def _player(raw: Any) -> tuple[int, Player]:
    spot = read.json_object(raw, "it")
    parts = [
        read.optional_text(read.json_object(spot.get(part), part).get("default"), f"{part}.default")
        for part in ("firstName", "lastName")
    ]
    name = read.text(" ".join(part for part in parts if part), "lastName.default")  # some have one name only
    team_id = read.optional_integer(spot.get("teamId"), "teamId")
    return read.integer(spot.get("playerId"), "playerId"), Player(name, team_id)


def _in_order(raws: Sequence[Any]) -> Sequence[Any]:
    """Return the plays by `sortOrder` if all have one: the list itself may be out of order."""
    orders: list[Any] = [raw.get("sortOrder") if isinstance(raw, dict) else None for raw in raws]
    if any(type(order) is not int for order in orders) or orders == sorted(orders):
        return raws
    return sorted(raws, key=lambda raw: int(raw["sortOrder"]))


def _overtime_clocks(raws: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    for raw in raws:
        period = raw.get("periodDescriptor") if isinstance(raw, dict) else None
        if isinstance(period, dict) and period.get("periodType") == "OT":
            yield raw.get("timeInPeriod"), raw.get("timeRemaining")


def _before_the_shootout(plays: Iterable[Play], overtime_s: int) -> Iterator[Play]:
    """Yield the plays; give an attempt as overtime ends the situation before it, since the feed gives the shootout's.

    No shootout follows an overtime as long as a period.
    """
    situation = None
    for play in plays:
        is_at_end = play.period_type == "OT" and play.seconds >= overtime_s and overtime_s < PERIOD_SECONDS
        if is_at_end and play.situation in PENALTY_SHOT_SITUATIONS:
            yield replace(play, situation=situation)
        else:
            situation = play.situation
            yield play


def _event_id(raw: Any) -> int:
    return read.integer(read.json_object(raw, "it").get("eventId"), "eventId")


def _play(team_ids: Sequence[int], players: Mapping[int, Player], event_id: int, raw: Mapping[str, Any]) -> Play:
    details = read.json_object(raw.get("details"), "details")
    period = read.json_object(raw.get("periodDescriptor"), "periodDescriptor")
    kind = read.one_of(raw.get("typeDescKey"), "typeDescKey", _KINDS)
    x, y = read.coordinates(details, "details", "xCoord", "yCoord")
    team_id = read.optional_integer(details.get("eventOwnerTeamId"), "details.eventOwnerTeamId")
    zone = read.one_of_or_none(details.get("zoneCode"), "details.zoneCode", _ZONES)
    if kind == "blocked-shot":
        # The owner was the blocker's team in older answers and is the shooter's in newer ones; the zone is always
        # the blocker's view.
        blocked = common.blocked_by(
            players,
            read.optional_integer(details.get("shootingPlayerId"), "details.shootingPlayerId"),
            read.optional_integer(details.get("blockingPlayerId"), "details.blockingPlayerId"),
            by_teammate=details.get("reason") == _BY_TEAMMATE,
        )
        team_id, zone = common.team_of(players, blocked["shooter_id"]) or team_id, None
    fields = (
        event_id,
        kind,
        read.integer(period.get("number"), "periodDescriptor.number", 1, common.MAX_PERIOD),
        read.one_of(period.get("periodType"), "periodDescriptor.periodType", _PERIOD_TYPES),
        read.clock_seconds(raw.get("timeInPeriod"), "timeInPeriod"),
        team_id,
        x,
        y,
        zone,
        read.one_of_or_none(raw.get("situationCode"), "situationCode", _SITUATIONS),
        read.one_of_or_none(raw.get("homeTeamDefendingSide"), "homeTeamDefendingSide", common.SIDES),
    )
    if kind == "blocked-shot":
        return BlockedAttempt(*fields, **blocked)
    if kind == "penalty":
        return Penalty(
            *fields,
            severity=read.optional_text(details.get("typeCode"), "details.typeCode") or "",
            minutes=read.integer(details.get("duration", 0), "details.duration", 0, common.MAX_PENALTY_MINUTES),
            player_id=read.optional_integer(details.get("committedByPlayerId"), "details.committedByPlayerId"),
            server_id=read.optional_integer(details.get("servedByPlayerId"), "details.servedByPlayerId"),
        )
    if kind not in UNBLOCKED_ATTEMPTS:
        return Play(*fields)
    if team_id not in team_ids:
        raise Unreadable("details.eventOwnerTeamId", team_id)
    shooter = "scoringPlayerId" if kind == "goal" else "shootingPlayerId"
    return Shot(
        *fields,
        shot_type=read.optional_text(details.get("shotType"), "details.shotType"),
        shooter_id=read.optional_integer(details.get(shooter), f"details.{shooter}"),
        goalie_id=read.optional_integer(details.get("goalieInNetId"), "details.goalieInNetId"),
        missing=common.missing_inputs(x, has_type="shotType" in details),  # present but null: it will never come
        reason=read.optional_word(details.get("reason")) if kind == "missed-shot" else None,
    )
