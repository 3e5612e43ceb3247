"""Where a game stands, as one line for people."""

import pytest

from livegame.plays import GameState
from livegame.status import short_status, status_line


@pytest.mark.parametrize(
    ("where", "expected", "short"),
    [
        ((GameState.LIVE, 1, "REG", 755, False), "Period 1 - 12:35 left", "P1 12:35"),
        ((GameState.LIVE, 2, "REG", 600, True), "Intermission after period 2 - 10:00 left", "After P2 10:00"),
        ((GameState.LIVE, 4, "OT", 259, False), "Overtime - 04:19 left", "OT 4:19"),
        ((GameState.LIVE, 6, "OT", 60, False), "Overtime 3 - 01:00 left", "3OT 1:00"),
        ((GameState.LIVE, 5, "SO", 0, False), "Shootout", "Shootout"),
        ((GameState.LIVE, 0, "REG", 0, False), "Not started", "Not started"),
        ((GameState.FINAL, 3, "REG", 0, False), "Final", "Final"),
        ((GameState.FINAL, 4, "OT", 259, False), "Final (OT)", "Final (OT)"),
        ((GameState.FINAL, 5, "OT", 0, False), "Final (2OT)", "Final (2OT)"),
        ((GameState.FINAL, 5, "SO", 0, False), "Final (shootout)", "Final (SO)"),
        ((GameState.NOT_STARTED, 0, "REG", 1200, False), "Not started", "Not started"),
        ((GameState.POSTPONED, 0, "REG", 0, False), "Postponed", "Postponed"),
    ],
)
def test_game_in_each_state_has_its_status_line(
    where: tuple[GameState, int, str, int, bool], expected: str, short: str
) -> None:
    *point, in_intermission = where
    assert status_line(*point, in_intermission=in_intermission) == expected  # type: ignore[arg-type]
    assert short_status(*point, in_intermission=in_intermission) == short  # type: ignore[arg-type]
