"""A game's date is the league's: the day in New York on which it starts, in summer and winter time."""

import re
from pathlib import Path

import pytest

from livegame.dates import league_date
from livegame.features.rows import game_update
from livegame.recordings.seasons import find_seasons, season_recordings
from tests.games import game


@pytest.mark.parametrize(
    ("moment", "date"),
    [
        ("2023-02-01T00:00:00Z", "2023-01-31"),  # 19:00
        ("2023-02-01T05:00:00Z", "2023-02-01"),  # midnight
        ("2023-02-01T04:59:59Z", "2023-01-31"),
        ("2023-06-14T03:59:00Z", "2023-06-13"),  # summer time
        ("2023-06-14T04:00:00Z", "2023-06-14"),
        ("2023-03-12T06:59:59Z", "2023-03-12"),  # the last second before summer time
        ("2023-11-05T04:30:00Z", "2023-11-05"),  # still summer time on its last day
        ("2023-11-06T04:30:00Z", "2023-11-05"),
        ("2024-10-04T17:00:00Z", "2024-10-04"),  # in Prague
    ],
)
def test_moment_around_midnight_has_the_leagues_date(moment: str, date: str) -> None:
    assert league_date(moment) == date


def test_stored_game_has_the_leagues_date() -> None:
    shown = game(start_time="2023-02-01T00:00:00Z")
    assert (shown.date, game_update(shown).game.game_date) == ("2023-01-31", "2023-01-31")


@pytest.mark.recordings
def test_leagues_date_of_every_recorded_game_equals_the_feeds(recordings: Path) -> None:
    """Searched in the text: parsing some thousand answers for two values would take minutes."""
    wrong: list[str] = []
    compared = 0
    for path in find_seasons(recordings / "seasons").values():
        for recording in season_recordings(path):
            start, told = (
                re.search(rb'"%s": ?"([^"]+)"' % field, recording.content) for field in (b"startTimeUTC", b"gameDate")
            )
            assert start and told, recording.name
            compared += 1
            if league_date(start[1].decode()) != told[1].decode():
                wrong.append(f"{recording.name}: {start[1].decode()} is {told[1].decode()}")
    assert wrong == []
    assert compared > 0
