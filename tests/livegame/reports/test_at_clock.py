"""A game at a second of its clock is what was reported when it stood there."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd
from msgspec.structs import replace

from db.history import Moment
from livegame.plays import Game, GameState
from livegame.reports.game import GameReport
from tests.conftest import Service
from tests.games import AWAY, GAME_ID, game, play
from tests.helpers import NOWHERE, make_client, record

PLAYS = (
    play(1, "faceoff", 0, x=0, y=0),
    play(2, "shot-on-goal", 12, x=60, y=-5),
    play(3, "goal", 300, team=AWAY, x=-80, y=12),
    play(4, "missed-shot", 1190, team=AWAY, x=-70, y=2),
    play(5, "goal", 30, x=82, y=3, period=2),
    play(6, "shot-on-goal", 700, x=55, y=3, period=3),
    play(7, "shot-on-goal", 20, x=70, y=3, period=4, period_type="OT"),
    play(8, "goal", 101, x=75, y=3, period=4, period_type="OT"),
)
WHOLE = game(*PLAYS, state=GameState.FINAL, period=4, period_type="OT", seconds_left=199)
NOT_COMPARED = ("pinged_at", "row", "moment", "latest", "length_s", "known_state", "was_followed", "goal_marks")


def stopped(second: int, *, in_intermission: bool = False) -> Game:
    """Return the game as the feed shows it at a second of its clock."""
    period = max(-(-second // 1200), 1)
    length = 300 if period == 4 else 1200
    so_far = tuple(p for p in PLAYS if p.game_seconds <= second)
    by_away = [p.team_id == AWAY for p in so_far if p.kind == "goal"]
    left = length - (second - (period - 1) * 1200)
    return game(
        *so_far,
        period=period,
        period_type="OT" if period == 4 else "REG",
        seconds_left=left,
        in_intermission=in_intermission,
        away=replace(WHOLE.away, score=sum(by_away)),
        home=replace(WHOLE.home, score=len(by_away) - sum(by_away)),
    )


def shown(report: GameReport | None) -> dict[str, Any]:
    assert report is not None
    values = {field.name: getattr(report, field.name) for field in fields(report) if field.name not in NOT_COMPARED}
    return {name: _plain(value) if isinstance(value, pd.DataFrame) else value for name, value in values.items()}


def _plain(frame: pd.DataFrame) -> list[dict[Any, Any]]:
    return frame.astype(object).where(frame.notna(), None).to_dict("records")


def test_game_at_a_second_is_what_was_reported_then(tmp_path: Path, service: Service) -> None:
    whole, then = (make_client(tmp_path / name, NOWHERE, service.url) for name in ("whole", "then"))
    record(whole, WHOLE)
    for second in (0, 12, 299, 300, 1189, 1200, 1229, 2400, 3100, 3600, 3650, 3700):
        record(then, stopped(second, in_intermission=second in (1200, 2400, 3600)))
        assert shown(whole.report(GAME_ID, moment=Moment(second))) == shown(then.report(GAME_ID)), second


def test_game_at_its_last_second_is_the_whole_game(tmp_path: Path, service: Service) -> None:
    client = make_client(tmp_path, NOWHERE, service.url)
    record(client, WHOLE)
    now, last = client.report(GAME_ID), client.report(GAME_ID, moment=Moment(3701))
    assert (last and last.moment, shown(last)) == (None, shown(now))
    assert now is not None
    assert now.length_s == 3701


def test_last_second_of_a_period_has_not_the_skaters_of_the_next(tmp_path: Path, service: Service) -> None:
    client = make_client(tmp_path, NOWHERE, service.url)
    overtime = play(7, "faceoff", 0, period=4, period_type="OT", situation="1331")
    record(client, game(*PLAYS[:6], overtime, *PLAYS[7:], state=GameState.FINAL, period=4, period_type="OT"))
    at = {second: client.report(GAME_ID, moment=Moment(second)) for second in (3600, 3601)}
    skaters = {second: report and report.now and report.now.home_skaters for second, report in at.items()}
    assert skaters == {3600: 5, 3601: 3}
