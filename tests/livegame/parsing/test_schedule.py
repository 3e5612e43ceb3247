"""A week's schedule: which games it holds, and what is refused."""

import gzip
import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from livegame.errors import FeedMalformed
from livegame.parsing.schedule import ScheduledGame, Week, parse_week
from livegame.plays import GameState

MONDAY = date(2018, 10, 1)


def week(**changes: Any) -> dict[str, Any]:
    game = {"id": 2018020001, "season": 20182019, "gameType": 2, "gameState": "OFF", "gameScheduleState": "OK"}
    return {"nextStartDate": "2018-10-08", "gameWeek": [{"date": "2018-10-03", "games": [game | changes]}]}


def test_week_holds_its_games_and_the_next_weeks_start() -> None:
    shown = ScheduledGame(2018020001, 20182019, 2, GameState.FINAL)
    assert parse_week(week(), MONDAY) == Week((shown,), date(2018, 10, 8))


def test_game_in_an_unknown_state_has_none() -> None:
    assert parse_week(week(gameState="HALT"), MONDAY).games[0].state is None


def test_seasons_last_week_has_no_next_start() -> None:
    assert parse_week(week() | {"nextStartDate": None}, MONDAY).next_start is None


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "gameWeek is missing"),
        ([], "it is a list"),
        ({"gameWeek": {}}, "gameWeek is an object"),
        ({"gameWeek": [[]]}, "a day is a list"),
        ({"gameWeek": [{}]}, "games is missing"),
        ({"gameWeek": [{"games": ["x"]}]}, "a game is 'x'"),
        (week(id=7), "id is 7"),
        (week(season="20182019"), "season is '20182019'"),
        (week(gameType=None), "gameType is missing"),
        (week() | {"nextStartDate": "soon"}, "nextStartDate is 'soon'"),
    ],
)
def test_answer_that_is_no_schedule_is_malformed(answer: Any, problem: str) -> None:
    with pytest.raises(FeedMalformed) as refused:
        parse_week(answer, MONDAY)
    assert str(refused.value) == f"the feed's week of 2018-10-01 is not a schedule: {problem}"


@pytest.mark.recordings
def test_recorded_weeks_are_parsed_without_loss(recordings: Path) -> None:
    paths = sorted((recordings / "schedule").glob("*.json.gz"))
    assert paths
    for path in paths:
        raw = json.loads(gzip.decompress(path.read_bytes()))
        read = parse_week(raw, date.fromisoformat(path.name[:10]))
        assert len(read.games) == raw["numberOfGames"] == sum(len(day["games"]) for day in raw["gameWeek"])
        assert None not in [game.state for game in read.games]
