"""The league's lists of games, api-web.nhle.com: one day's, /v1/score/<day>, and one week's, /v1/schedule/<day>."""

from datetime import date
from typing import Any

from msgspec import Struct

from livegame.errors import FeedMalformed
from livegame.parsing import common
from livegame.parsing import readers as read
from livegame.parsing.gamecenter import game_state, read_clock, read_period, read_team, start_is_known
from livegame.parsing.readers import FeedProblems, Unreadable
from livegame.plays import Day, GameState, GameSummary
from livegame.status import short_status, status_line


class ScheduledGame(Struct, frozen=True):
    """One game on a week's schedule."""

    game_id: int
    season: int  # 20212022
    game_type: int  # see `Game`
    state: GameState | None  # None if the feed has a new word for it


class Week(Struct, frozen=True):
    """A week's schedule."""

    games: tuple[ScheduledGame, ...]
    next_start: date | None  # first day of the next week that has games, if the feed says


def parse_day(answer: Any) -> Day:
    """Read the feed's list of one day's games.

    Raises:
        FeedMalformed: it is not such a list.
    """
    problems = FeedProblems()
    try:
        answer = read.json_object(answer, "it")
        today = read.iso_date(answer.get("currentDate"), "currentDate")
        games = read.json_list(answer.get("games"), "games")
    except Unreadable as problem:
        raise FeedMalformed(f"the feed's answer is not a list of a day's games: {problem}") from problem
    previous, following = (
        problems.attempt(read.iso_date, answer[key], key, default=None) if answer.get(key) else None
        for key in ("prevDate", "nextDate")
    )
    summaries = tuple(problems.readable_items(games, "game", _summary))
    return Day(today, summaries, previous, following, problems.texts)


def _summary(raw: Any) -> GameSummary:
    game = read.json_object(raw, "it")
    problems = FeedProblems()  # not reported: a list needs only the essential fields
    game_id = read.integer(game.get("id"), "id", *common.GAME_IDS)
    home, away = (read_team(game, side, 0, problems) for side in ("homeTeam", "awayTeam"))
    is_known = start_is_known(game)
    if is_known or game.get("startTimeUTC"):
        start_time = read.utc_time(game.get("startTimeUTC"), "startTimeUTC")
    else:
        start_time = common.season_start(game_id)
    state = game_state(game) or GameState.LIVE  # so that it is pinged
    period, period_type = read_period(game, (), common.game_type_of(game_id), problems)
    seconds_left, in_intermission = read_clock(game, problems)
    where = (state, period, period_type, seconds_left)
    status, short = (words(*where, in_intermission=in_intermission) for words in (status_line, short_status))
    return GameSummary(game_id, start_time, home, away, state, status, short, is_known)


def parse_week(answer: Any, monday: date) -> Week:
    """Read the schedule of the week that begins on `monday`.

    Raises:
        FeedMalformed: it is not a schedule.
    """
    try:
        answer = read.json_object(answer, "it")
        days = [read.json_object(day, "a day") for day in read.json_list(answer.get("gameWeek"), "gameWeek")]
        games = [_scheduled(raw) for day in days for raw in read.json_list(day.get("games"), "games")]
        next_start = answer.get("nextStartDate")
        following = read.iso_date(next_start, "nextStartDate") if next_start is not None else None
    except Unreadable as problem:
        raise FeedMalformed(f"the feed's week of {monday} is not a schedule: {problem}") from problem
    return Week(tuple(games), following)


def _scheduled(raw: Any) -> ScheduledGame:
    game = read.json_object(raw, "a game")
    return ScheduledGame(
        read.integer(game.get("id"), "id", *common.GAME_IDS),
        read.integer(game.get("season"), "season"),
        read.integer(game.get("gameType"), "gameType"),
        game_state(game),
    )
