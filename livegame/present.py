"""The present feed, api-web.nhle.com: /v1/gamecenter/<id>/play-by-play and the list of a day's games."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import partial
from typing import Any, Final

from livegame.exceptions import FeedMalformed
from livegame.fields import (
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
    OVERTIME_SECONDS,
    PENALTY_SHOT_SITUATIONS,
    PLAYOFFS,
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
    status_line,
)
from livegame.shapes import (
    BY_CLOCK,
    GAME_IDS,
    MAX_LEFT_S,
    MAX_PERIOD,
    MAX_SCORE,
    MAX_X,
    MAX_Y,
    SIDES,
    game_type_of,
    goals_of,
    guessed_state,
    missing_inputs,
    moment,
    read_plays,
    season_of,
    season_start,
    team_ids,
    team_of,
    translated,
    whole_place,
)


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
    start_time = moment(game.get("startTimeUTC"), "startTimeUTC")
    state = game_state(game) or GameState.LIVE  # so that somebody looks
    (number, kind), (left, in_intermission) = _period(game, 0, problems), _clock(game, problems)
    status = status_line(state, number, kind, left, in_intermission=in_intermission, game_type=game_type_of(game_id))
    return GameSummary(game_id, start_time, home, away, state, status)


_STATES: Final = {
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
_SEASONS: Final = (1900_1901, 2099_2100)
_GAME_TYPES: Final = (1, 99)
_ZONES: Final = ("O", "N", "D")
_SITUATIONS: Final = frozenset(f"{g}{a}{h}{k}" for g in "01" for a in "0123456" for h in "0123456" for k in "01")


def game_state(feed: Mapping[str, Any]) -> GameState | None:
    """The state of a game of the present feed, or of an entry in its list of a day's games; None for an unknown one."""
    return translated(_SCHEDULE_STATES, feed.get("gameScheduleState")) or translated(_STATES, feed.get("gameState"))


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
    plays = tuple(_before_the_shootout(sorted(read, key=BY_CLOCK), game_type))
    number, kind = _period(feed, plays[-1].period if plays else 0, problems)
    left, in_intermission = _clock(feed, problems)
    return Game(
        game_id=game_id,
        season=problems.otherwise(season_of(game_id), whole, feed.get("season"), "season", *_SEASONS),
        game_type=game_type,
        start_time=problems.otherwise(season_start(game_id), moment, feed.get("startTimeUTC"), "startTimeUTC"),
        home=_team(feed, "homeTeam", goals_of(plays, teams[0]), problems),
        away=_team(feed, "awayTeam", goals_of(plays, teams[1]), problems),
        state=game_state(feed) or guessed_state(plays, "gameState", feed.get("gameState"), problems),
        period=number,
        period_type=kind,
        seconds_left=left,
        in_intermission=in_intermission,
        plays=plays,
        players=players,
        problems=problems.texts,
        unreadable=unreadable,
    )


def _player(raw: Any) -> tuple[int, Player]:
    spot = mapping(raw, "it")
    first, last = (
        text(mapping(spot.get(part), part).get("default"), f"{part}.default") for part in ("firstName", "lastName")
    )
    return whole(spot.get("playerId"), "playerId"), Player(
        f"{first} {last}", optional_whole(spot.get("teamId"), "teamId")
    )


def _team(feed: Mapping[str, Any], side: str, goals: int, problems: Problems) -> Team:
    team = mapping(feed.get(side), side)
    abbrev = text(team.get("abbrev"), f"{side}.abbrev")
    return Team(
        whole(team.get("id"), f"{side}.id"),
        abbrev,
        problems.otherwise(abbrev, _full_name, team, side) or abbrev,
        problems.otherwise(goals, whole, team.get("score", 0), f"{side}.score", 0, MAX_SCORE),
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
    number = problems.otherwise(latest, whole, period.get("number", latest), "periodDescriptor.number", 0, MAX_PERIOD)
    kind = period.get("periodType", "REG")
    usual = "OT" if number > REGULATION_PERIODS else "REG"
    return number, problems.otherwise(usual, _period_type, kind, "periodDescriptor.periodType")


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


def _before_the_shootout(plays: Iterable[Play], game_type: int) -> Iterator[Play]:
    """The plays; an attempt as overtime ends is of the situation before it: the feed says the coming shootout's."""
    situation = None
    for play in plays:
        is_at_end = play.period_type == "OT" and play.seconds >= OVERTIME_SECONDS and game_type != PLAYOFFS
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
