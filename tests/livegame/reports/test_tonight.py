"""The lines of a day's games: their order, what they say, and nothing that a delay hides."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from db import times
from db.history import History, Moment
from livegame.client import GameClient
from livegame.plays import Game, GameState, GameSummary, Team
from livegame.reports.counting import Count
from livegame.reports.tonight import Evening, Line, sections
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, HOME, game, play
from tests.helpers import NOWHERE, make_client, record
from tests.reports import GOAL, SHOTS

START = "2021-11-28T18:00:00Z"


def listed(state: GameState = GameState.LIVE, game_id: int = GAME_ID, start: str = START) -> GameSummary:
    """Return a game of the league's list, with a score that the history must overrule."""
    home, away = Team(HOME, "CAR", "Carolina Hurricanes", 9), Team(AWAY, "WSH", "Washington Capitals", 9)
    return GameSummary(game_id, start, home, away, state, state.value, state.value)


def evening(folder: Path) -> Evening:
    return Evening(History(folder / "history.db"))


def only_line(folder: Path, moment: Moment | None = None, **more: Any) -> Line:
    (line,) = evening(folder).lines([listed(**more)], Count.ALL, moment)
    return line


def scored(*more: Any, **stands: Any) -> Game:
    return game(*SHOTS, *more, home=Team(HOME, "CAR", "Carolina Hurricanes", 1 + len(more)), **stands)


def client(folder: Path, service: Service) -> GameClient:
    return make_client(folder, NOWHERE, service.url)


def test_lines_come_live_first_then_next_finished_and_not_played(tmp_path: Path) -> None:
    states = (GameState.CANCELLED, GameState.FINAL, GameState.NOT_STARTED, GameState.OVER, GameState.LIVE)
    games = [listed(state, GAME_ID + n) for n, state in enumerate(states)]
    games.append(listed(GameState.NOT_STARTED, GAME_ID + 9, "2021-11-28T17:00:00Z"))
    lines = evening(tmp_path).lines(games, Count.ALL)
    assert {title: [line.game_id - GAME_ID for line in found] for title, found in sections(lines).items()} == {
        "Live": [4],
        "Next": [9, 2],
        "Final": [1, 3],
        "Postponed or cancelled": [0],
    }
    assert [line.has_score for line in lines] == [True, False, False, True, True, False]


def test_pinged_game_is_told_by_the_history_alone(tmp_path: Path, service: Service) -> None:
    report = client(tmp_path, service)
    record(report, scored(play(400, "goal", 56, team=AWAY, x=-40, y=0, situation="1560")))
    line = only_line(tmp_path, state=GameState.FINAL)
    assert (line.away.score, line.home.score, line.state, line.short_status) == (0, 2, GameState.LIVE, "P1 12:35")
    numbers, stored = line.numbers, report.report(GAME_ID)
    assert numbers is not None
    assert stored is not None
    assert (numbers.away_xg, numbers.home_xg) == (stored.away.counted.xg, stored.home.counted.xg)
    (other,) = evening(tmp_path).lines([listed()], Count.NO_EMPTY_NET)
    stored_too = report.report(GAME_ID, count=Count.NO_EMPTY_NET)
    assert other.numbers is not None
    assert stored_too is not None
    assert other.numbers.away_xg == stored_too.away.counted.xg < numbers.away_xg
    assert (numbers.away_race[-1][1], numbers.home_race[-1][1]) == (numbers.away_xg, numbers.home_xg)
    assert numbers.goals == ((55, True), (56, False))
    assert numbers.latest is not None
    assert (numbers.latest.is_goal, numbers.latest.time, numbers.latest.team) == (True, "00:56", "WSH")


def test_game_before_its_start_has_the_season_of_its_teams(tmp_path: Path, service: Service) -> None:
    record(client(tmp_path, service), scored(state=GameState.FINAL, period=3, seconds_left=0))
    line = only_line(tmp_path, state=GameState.NOT_STARTED, game_id=GAME_ID + 1)
    assert line.numbers is None
    assert line.away_season is not None
    assert line.home_season is not None
    assert (line.home_season.games, line.home_season.xg) == (1, line.away_season.xg_against)
    other_season = only_line(tmp_path, state=GameState.NOT_STARTED, game_id=2022020001)
    assert (other_season.away_season, other_season.home_season) == (None, None)


def test_game_with_a_delay_is_shown_as_the_pings_had_seen_it(tmp_path: Path, service: Service) -> None:
    before = times.now()
    report = client(tmp_path, service)
    record(report, scored())
    between = times.now()
    shown = only_line(tmp_path)
    record(report, scored(play(900, "goal", 400, x=80, y=0), seconds_left=700))
    reader = evening(tmp_path)  # has computed nothing yet
    (line,) = reader.lines([listed(GameState.FINAL)], Count.ALL, Moment(wall=between))
    assert line == shown
    (line,) = reader.lines([listed(GameState.FINAL)], Count.ALL)
    assert (line.home.score, line.short_status) == (2, "P1 11:40")
    (line,) = reader.lines([listed(GameState.FINAL)], Count.ALL, Moment(wall=between))
    assert line == shown
    now = datetime.now(UTC)
    (line,) = reader.lines([listed(GameState.FINAL, start=times.timestamp(now))], Count.ALL, Moment(wall=before))
    assert (line.has_score, line.short_status, line.state) == (False, "Live", GameState.LIVE)  # the list says more
    long_ago = times.timestamp(now - timedelta(days=1))
    assert only_line(tmp_path, Moment(wall=before), state=GameState.FINAL, start=long_ago).has_score


def test_what_just_happened_is_a_recent_goal_else_the_best_recent_chance(tmp_path: Path, service: Service) -> None:
    report = client(tmp_path, service)
    late = play(901, "shot-on-goal", 700, x=85, y=0, shot_type="tip-in")
    for shots, wanted in (((GOAL,), (True, 55)), ((GOAL, late), (False, 700))):
        record(report, game(*shots, seconds_left=1200 - 710))
        numbers = only_line(tmp_path).numbers
        assert numbers is not None
        assert numbers.latest is not None
        assert (numbers.latest.is_goal, numbers.latest.game_s) == wanted
    record(report, game(GOAL, late, state=GameState.FINAL, period=3, seconds_left=0))
    numbers = only_line(tmp_path).numbers
    assert numbers is not None
    assert numbers.latest is not None
    assert numbers.latest.is_goal
