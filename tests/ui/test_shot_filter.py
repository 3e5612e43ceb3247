"""The filter of the shot map, and the players' names in it."""

from pathlib import Path
from typing import Any

from livegame.plays import Player
from tests.conftest import Service
from tests.games import AWAY, HOME, play
from tests.reports import SHOTS, report_of
from ui.parts.game.shot_filter import ShotFilter, player_names


def test_filter_keeps_only_the_shots_asked_for(tmp_path: Path, service: Service) -> None:
    report = report_of(tmp_path, service.url, *SHOTS)

    def left(**wanted: Any) -> list[int]:
        return list(ShotFilter(**wanted).of(report.present)["event_id"])

    assert left() == [812, 11, 300, 301]
    assert left(teams=("CAR",)) == [812, 300]
    assert left(goals_only=True) == [300]
    assert left(teams=("WSH",), strengths=("5v5",), periods=(1,)) == [11, 301]
    assert left(periods=(2,)) == left(players=(1,)) == []


def test_players_of_one_name_are_told_apart(tmp_path: Path, service: Service) -> None:
    hurricane, islander, twin = 8478427, 8480222, 8480012
    namesakes = {player: Player("Sebastian Aho", team) for player, team in ((hurricane, HOME), (islander, AWAY))}
    shots = [
        play(1, "shot-on-goal", 5, shooter_id=hurricane),
        play(2, "shot-on-goal", 9, team=AWAY, x=-70, shooter_id=islander),
    ]
    report = report_of(tmp_path, service.url, *shots, players=namesakes)
    assert player_names(report.present) == {hurricane: "Sebastian Aho (CAR)", islander: "Sebastian Aho (WSH)"}
    assert list(ShotFilter(players=(islander,)).of(report.present)["event_id"]) == [2]
    shots.append(play(3, "shot-on-goal", 12, shooter_id=twin))
    report = report_of(tmp_path, service.url, *shots, players=namesakes | {twin: Player("Sebastian Aho", HOME)})
    assert len(set(player_names(report.present).values())) == 3
