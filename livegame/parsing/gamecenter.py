"""The present feed, api-web.nhle.com: /v1/gamecenter/<id>/play-by-play and the list of a day's games."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from typing import Any, Final

from msgspec.structs import replace

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
    full_name,
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
from livegame.parsing.readers import (
    Problems,
    Unreadable,
    clock_seconds,
    flag,
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
    PENALTY_SHOT_SITUATIONS,
    PERIOD_SECONDS,
    REGULAR_SEASON,
    REGULATION_PERIODS,
    UNBLOCKED_ATTEMPTS,
    Day,
    Game,
    GameState,
    GameSummary,
    Play,
    Player,
    Shot,
    Team,
    overtime_length,
)
from livegame.status import status_line


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
    game_id = whole(game.get("id"), "id", *GAME_IDS)
    home, away = (_team(game, side, 0, problems) for side in ("homeTeam", "awayTeam"))
    start_is_known = _start_is_known(game)
    if start_is_known or game.get("startTimeUTC"):
        start_time = moment(game.get("startTimeUTC"), "startTimeUTC")
    else:
        start_time = season_start(game_id)
    state = game_state(game) or GameState.LIVE  # so that somebody looks
    (number, kind), (left, in_intermission) = _period(game, (), game_type_of(game_id), problems), _clock(game, problems)
    status = status_line(state, number, kind, left, in_intermission=in_intermission)
    return GameSummary(game_id, start_time, home, away, state, status, start_is_known)


_STATES: Final = {
    "FUT": GameState.NOT_STARTED,
    "PRE": GameState.NOT_STARTED,
    "LIVE": GameState.LIVE,
    "CRIT": GameState.LIVE,
    "OVER": GameState.OVER,
    "FINAL": GameState.FINAL,
    "OFF": GameState.FINAL,
}
_SCHEDULE_STATES: Final = {  # by their letters alone
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
_ZONES: Final = ("O", "N", "D")
_SITUATIONS: Final = frozenset(f"{g}{a}{h}{k}" for g in "01" for a in "0123456" for h in "0123456" for k in "01")


def game_state(feed: Mapping[str, Any]) -> GameState | None:
    """The state of a game of the present feed, or of an entry in its list of a day's games; None for an unknown one."""
    return translated(_SCHEDULE_STATES, _schedule_word(feed)) or translated(_STATES, feed.get("gameState"))


def _schedule_word(feed: Mapping[str, Any]) -> str | None:
    word = feed.get("gameScheduleState")
    return "".join(filter(str.isalpha, word.upper())) if isinstance(word, str) else None


def _start_is_known(feed: Mapping[str, Any]) -> bool:
    return _schedule_word(feed) != _TO_BE_DETERMINED and feed.get("startTimeTBD") is not True


def parse_present(feed: Mapping[str, Any]) -> Game:
    """Read one play-by-play.

    Raises:
        Unreadable: something that a game is nothing without.
    """
    problems = Problems()
    game_id = whole(feed.get("id"), "id", *GAME_IDS)
    teams = team_ids(home=mapping(feed["homeTeam"], "homeTeam"), away=mapping(feed.get("awayTeam"), "awayTeam"))
    spots = problems.listing(feed.get("rosterSpots", []), "rosterSpots")
    players = dict(problems.readable(spots, "roster spot", _player))
    read, unreadable = read_plays(
        _in_order(listing(feed["plays"], "plays")),
        _event_id,
        partial(_play, teams, players),
        problems,
    )
    game_type = problems.otherwise(game_type_of(game_id), whole, feed.get("gameType"), "gameType", *_GAME_TYPES)
    overtime = overtime_by_clock(_overtime_clocks(feed["plays"]))
    plays = tuple(_before_the_shootout(sorted(read, key=BY_CLOCK), overtime_length(overtime, game_type)))
    before = len(problems)
    number, kind = _period(feed, plays, game_type, problems)
    left, in_intermission = _clock(feed, problems)
    state = game_state(feed) or guessed_state(plays, "gameState", feed.get("gameState"), problems)
    tells_clock = len(problems) == before and "secondsRemaining" in problems.inner(feed, "clock")
    start_is_known = _start_is_known(feed)
    start_time = season_start(game_id)
    if start_is_known or feed.get("startTimeUTC"):
        start_time = problems.otherwise(start_time, moment, feed.get("startTimeUTC"), "startTimeUTC")
    home = _team(feed, "homeTeam", goals_of(plays, teams[0]), problems)
    away = _team(feed, "awayTeam", goals_of(plays, teams[1]), problems)
    state = begun_state(state, plays, problems)
    lost_goals(plays, home=home, away=away, state=state, problems=problems)
    return Game(
        game_id=game_id,
        season=problems.otherwise(season_of(game_id), whole, feed.get("season"), "season", *_SEASONS),
        game_type=game_type,
        start_time=start_time,
        home=home,
        away=away,
        state=state,
        period=number,
        period_type=kind,
        seconds_left=left,
        in_intermission=in_intermission,
        plays=plays,
        players=players,
        problems=problems.texts,
        unreadable=unreadable,
        start_is_known=start_is_known,
        overtime_seconds=overtime,
        tells_clock=tells_clock,
    )


def _overtime_clocks(raws: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    for raw in raws:
        period = raw.get("periodDescriptor") if isinstance(raw, dict) else None
        if isinstance(period, dict) and period.get("periodType") == "OT":
            yield raw.get("timeInPeriod"), raw.get("timeRemaining")


def _player(raw: Any) -> tuple[int, Player]:
    spot = mapping(raw, "it")
    parts = [
        optional_text(mapping(spot.get(part), part).get("default"), f"{part}.default")
        for part in ("firstName", "lastName")
    ]
    name = text(" ".join(part for part in parts if part), "lastName.default")  # some have one name only
    return whole(spot.get("playerId"), "playerId"), Player(name, optional_whole(spot.get("teamId"), "teamId"))


def _team(feed: Mapping[str, Any], side: str, goals: int, problems: Problems) -> Team:
    team = mapping(feed.get(side), side)
    abbrev = text(team.get("abbrev"), f"{side}.abbrev")
    return Team(
        whole(team.get("id"), f"{side}.id"),
        abbrev,
        problems.otherwise(abbrev, _full_name, team, side) or abbrev,
        problems.otherwise(goals, whole, team.get("score", goals), f"{side}.score", 0, MAX_SCORE),
    )


def _full_name(team: Mapping[str, Any], side: str) -> str:
    """Place and nickname, by whichever keys this year's feed uses."""
    nickname = "name" if team.get("name") else "commonName"
    place, name = (
        optional_text(mapping(team.get(key), f"{side}.{key}").get("default"), f"{side}.{key}.default") or ""
        for key in ("placeName", nickname)
    )
    return full_name(place, name)


def _period(feed: Mapping[str, Any], plays: Sequence[Play], game_type: int, problems: Problems) -> tuple[int, str]:
    """Number and type of the period; the plays say what is not there or cannot be read."""
    period = problems.inner(feed, "periodDescriptor")
    latest = plays[-1].period if plays else 0
    number = problems.otherwise(latest, whole, period.get("number", latest), "periodDescriptor.number", 0, MAX_PERIOD)
    usual = next((play.period_type for play in reversed(plays) if play.period == number), None) or _usual_type(
        number, game_type
    )
    return number, problems.otherwise(
        usual, _period_type, period.get("periodType", usual), "periodDescriptor.periodType"
    )


def _usual_type(number: int, game_type: int) -> str:
    """What a period of this number is, where nothing says so: only the regular season is sure of its shootout."""
    if number <= REGULATION_PERIODS:
        return "REG"
    return "SO" if number > REGULATION_PERIODS + 1 and game_type <= REGULAR_SEASON else "OT"


def _period_type(value: Any, field: str) -> str:
    return one_of(value, field, _PERIOD_TYPES)


def _clock(feed: Mapping[str, Any], problems: Problems) -> tuple[int, bool]:
    """Seconds left, and whether those are of an intermission."""
    clock = problems.inner(feed, "clock")
    left = problems.otherwise(0, whole, clock.get("secondsRemaining", 0), "clock.secondsRemaining", 0, MAX_LEFT_S)
    return left, problems.otherwise(False, flag, clock.get("inIntermission", False), "clock.inIntermission")


def _in_order(raws: Sequence[Any]) -> Sequence[Any]:
    """The plays by `sortOrder`, where all have one: a list in another order is out of order."""
    orders: list[Any] = [raw.get("sortOrder") if isinstance(raw, dict) else None for raw in raws]
    if any(type(order) is not int for order in orders) or orders == sorted(orders):
        return raws
    return sorted(raws, key=lambda raw: int(raw["sortOrder"]))


def _before_the_shootout(plays: Iterable[Play], overtime_s: int) -> Iterator[Play]:
    """The plays; an attempt as overtime ends is of the situation before it: the feed says the coming shootout's.

    None comes after an overtime that is as long as a period.
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
    return whole(mapping(raw, "it").get("eventId"), "eventId")


def _play(teams: Sequence[int], players: Mapping[int, Player], event_id: int, raw: Mapping[str, Any]) -> Play:
    details = mapping(raw.get("details"), "details")
    period = mapping(raw.get("periodDescriptor"), "periodDescriptor")
    kind = one_of(raw.get("typeDescKey"), "typeDescKey", _KINDS)
    x, y = whole_place(
        optional_number(details.get("xCoord"), "details.xCoord", MAX_X),
        optional_number(details.get("yCoord"), "details.yCoord", MAX_Y),
    )
    team_id = optional_whole(details.get("eventOwnerTeamId"), "details.eventOwnerTeamId")
    zone = word(details.get("zoneCode"), "details.zoneCode", _ZONES)
    if kind == "blocked-shot":
        # The owner was the blocker's team in older answers and is the shooter's in newer ones; the zone is always
        # the blocker's view.
        shooter_id = optional_whole(details.get("shootingPlayerId"), "details.shootingPlayerId")
        team_id, zone = team_of(players, shooter_id) or team_id, None
    common = (
        event_id,
        kind,
        whole(period.get("number"), "periodDescriptor.number", 1, MAX_PERIOD),
        one_of(period.get("periodType"), "periodDescriptor.periodType", _PERIOD_TYPES),
        clock_seconds(raw.get("timeInPeriod"), "timeInPeriod"),
        team_id,
        x,
        y,
        zone,
        word(raw.get("situationCode"), "situationCode", _SITUATIONS),
        word(raw.get("homeTeamDefendingSide"), "homeTeamDefendingSide", SIDES),
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
        missing=missing_inputs(x, has_type="shotType" in details),  # there but null: the feed will not tell
    )
