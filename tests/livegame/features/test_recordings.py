"""Features of recorded games: the same live and after the game, turned the right way, described in the docs."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from livegame.features.frames import shot_features
from livegame.parsing.parse import parse_game
from scripts.write_feature_table import PAGE, feature_page
from training.leakage_checks import compare_live


def recorded(recordings: Path, name: str) -> Any:
    return json.loads(gzip.decompress((recordings / "games" / f"{name}.json.gz").read_bytes()))


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["new/2018020001", "new/2024020202", "legacy/2021020329"])
def test_features_after_each_play_equal_those_of_the_finished_game(recordings: Path, name: str) -> None:
    result = compare_live(recorded(recordings, name))
    assert result.shots > 5000
    assert result.differences == 0


def test_feature_that_looks_ahead_makes_the_comparison_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def looks_ahead(game: Any) -> Any:
        frame = shot_features(game)
        return frame.assign(x=len(game.plays))

    monkeypatch.setattr("training.leakage_checks.shot_features", looks_ahead)
    play = {
        "eventId": 1,
        "typeDescKey": "shot-on-goal",
        "periodDescriptor": {"number": 1, "periodType": "REG"},
        "timeInPeriod": "00:10",
        "details": {"eventOwnerTeamId": 1},
    }
    team = {"abbrev": "AAA", "placeName": {"default": "A"}, "name": {"default": "A"}}
    feed = {
        "id": 2022020001,
        "season": 20222023,
        "gameType": 2,
        "startTimeUTC": "2022-10-07T18:00:00Z",
        "gameState": "OFF",
        "homeTeam": {"id": 1, **team},
        "awayTeam": {"id": 2, **team},
        "plays": [play, play | {"eventId": 2}],
    }
    assert compare_live(feed).differences == 1


@pytest.mark.recordings
@pytest.mark.parametrize("name", ["2018020001", "2019020249", "2022020001", "2024020001"])
def test_goals_of_recorded_games_are_at_the_attacked_end(recordings: Path, name: str) -> None:
    game = parse_game(recorded(recordings, f"new/{name}"))
    shots = shot_features(game)
    goals = [shot.event_id for shot in game.shots if shot.is_goal]
    assert (shots.loc[goals, "x"] > 25).all()
    assert (shots["x"] > 25).mean() > 0.9


def test_docs_features_md_is_what_the_command_writes() -> None:
    assert PAGE.read_text(encoding="utf-8") == feature_page(), "run python -m scripts.write_feature_table"
