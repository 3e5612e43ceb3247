"""The training command: from a feed to files that the service loads, and how it fails."""

import json
from pathlib import Path

import numpy as np
import pytest
from msgspec.structs import replace

from livegame.plays import GameState, Play
from scripts import evaluate_model, train_model
from tests.games import AWAY, HOME, FeedServer, game, play
from tests.xgserve.helpers import load_model
from training.errors import PublishError
from training.publish import register
from xgserve.names import ModelName

SEASONS = (20182019, 20192020)


@pytest.fixture
def season_feed(feed: FeedServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FeedServer:
    """Two short seasons of made-up games, served as the league does."""
    random = np.random.default_rng(0)
    for season in SEASONS:
        entries = []
        for number in range(1, 21):
            game_id = season // 10_000 * 1_000_000 + 20_000 + number
            shown = replace(game(*_plays(random)), game_id=game_id, season=season, state=GameState.FINAL)
            feed.show(shown)
            entries.append({"id": game_id, "season": season, "gameType": 2, "gameState": "OFF"})
        week = {"gameWeek": [{"date": "", "games": entries}]}
        feed.answer(f"/v1/schedule/{season // 10_000}-09-01", json.dumps(week).encode())
    monkeypatch.setenv("XG_FEED_URL", feed.url)
    monkeypatch.setenv("XG_RECORDINGS", str(tmp_path / "recordings"))
    monkeypatch.setattr("livegame.recordings.seasons.PAUSE_S", 0)
    monkeypatch.setattr("training.recipe.ITERATIONS", 10)
    return feed


def _plays(random: np.random.Generator) -> list[Play]:
    plays = []
    for number in range(1, 41):
        x, y = int(random.integers(30, 88)), int(random.integers(-30, 30))
        is_goal = random.random() < np.exp(-np.hypot(89 - x, y) / 12)
        kind = "goal" if is_goal else str(random.choice(["shot-on-goal", "missed-shot"]))
        team, sign = (HOME, 1) if number % 2 else (AWAY, -1)
        plays.append(play(number, kind, number * 20, team, x=sign * x, y=sign * y))
    return plays


def _train(folder: Path, *more: str) -> int:
    seasons = [part for season in SEASONS for part in ("--season", str(season))]
    return train_model.main(["--out", str(folder), *seasons, *more])


def test_missing_seasons_are_downloaded_once_and_trained_on(
    season_feed: FeedServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(tmp_path / "one") == 0
    assert "out of fold by season" in capsys.readouterr().out
    season_feed.requests.clear()
    assert _train(tmp_path / "other") == 0
    assert season_feed.requests == [], "what is recorded is not asked for again"
    for name in ("xg-default", "xg-distance", "xg-distance-angle"):
        files = [
            tmp_path / run / name / "1.0.0" / file for run in ("one", "other") for file in ("model.skops", "card.json")
        ]
        assert files[0].read_bytes() == files[2].read_bytes(), "the same seed gives the same model"
        assert files[1].read_bytes() == files[3].read_bytes()
        model = load_model(files[0], ModelName("mine", name, "1.0.0"))
        assert model.trained_on == list(SEASONS)
        assert json.loads(files[1].read_text())["games"] == 40


@pytest.mark.usefixtures("season_feed")
def test_card_of_an_on_goal_model_names_its_population(tmp_path: Path) -> None:
    assert _train(tmp_path, "--model", "xg-distance", "--population", "on-goal") == 0
    card = json.loads((tmp_path / "xg-distance" / "1.0.0" / "card.json").read_text())
    assert card["population"] == "on-goal"
    assert card["metrics"]["shots"] < 1600


@pytest.mark.usefixtures("season_feed")
def test_evaluation_prints_every_model_and_the_base_rate(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _train(tmp_path, "--model", "xg-distance") == 0
    capsys.readouterr()
    assert evaluate_model.main(["--test", "20192020", "--train", "20182019"]) == 0
    said = capsys.readouterr().out
    for words in ("xg-default", "xg-distance-angle", "base rate", "goalie in net", "season 20192020", "decile"):
        assert words in said
    artifact = str(tmp_path / "xg-distance" / "1.0.0")
    assert evaluate_model.main(["--test", "20192020", "--artifact", artifact]) == 0
    assert "NOTE" in capsys.readouterr().out, "these shots were seen in training"


@pytest.mark.usefixtures("season_feed")
def test_single_season_is_evaluated_out_of_fold_and_refused_as_test_season(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(tmp_path, "--model", "xg-distance") == 0
    assert evaluate_model.main(["--train", "20182019", "--model", "xg-distance"]) == 0
    assert "season 20182019" in capsys.readouterr().out
    assert evaluate_model.main(["--test", "20182019"]) == 3
    assert "no season before 20182019" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        evaluate_model.main(["--test", "20182019", "--train", "20182019"])


@pytest.mark.usefixtures("season_feed")
def test_growing_adds_first_games_to_training_and_evaluates_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _train(tmp_path, "--model", "xg-distance") == 0
    monkeypatch.setattr("scripts.evaluate_model.FIRST_GAMES", (5, 12, 500))
    capsys.readouterr()
    assert evaluate_model.main(["--test", "20192020", "--growing"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in said] == [
        "  5 games, 600 shots after them",
        " 12 games, 320 shots after them",
    ]
    assert all("95 % by game" in line for line in said)


def test_training_without_recordings_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XG_RECORDINGS", str(tmp_path))
    assert train_model.main([]) == 3
    assert "XG_RECORDINGS" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--season", "2018"],
        ["--season", "20182020"],
        ["--register", "a/b"],
        ["--register", "a"],
        ["--version", "../1.0.0"],
    ],
)
def test_wrong_usage_exits_with_2(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        train_model.main(arguments)
    assert error.value.code == 2


def test_registering_without_a_key_exits_with_4(tmp_path: Path) -> None:
    with pytest.raises(PublishError, match="COMET_API_KEY"):
        register("me/xg", tmp_path, {})
