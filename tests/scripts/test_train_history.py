"""Training on the user's own history: which games it uses, which it holds out, and a model that the service serves."""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from msgspec.structs import replace

from db.history import GameUpdate, History
from livegame.features.frames import training_frame
from livegame.features.rows import game_update
from livegame.plays import Game, GameState, Play
from scripts import train_model
from tests.conftest import running_service
from tests.games import AWAY, HOME, game, play
from tests.training.frames import training_rows
from training.artifact import load
from training.errors import TooFewGames
from training.evaluation import FEWEST_GOALS
from training.recipe import RECIPES, predict
from training.refit import compare_models, held_back, merge_history, stored_frame
from xgserve.client import ModelEntry

FIRST_DAY = datetime(2021, 10, 12, 23, 0, tzinfo=UTC)
GAMES = 90


def made_games(games: int = GAMES) -> Iterator[Game]:
    """Yield one game per day, of 40 attempts each."""
    random = np.random.default_rng(0)
    for number in range(games):
        yield game(
            *_plays(random),
            game_id=2021020001 + number,
            state=GameState.FINAL,
            start_time=f"{FIRST_DAY + timedelta(days=number):%Y-%m-%dT%H:%M:%SZ}",
        )


def _plays(random: np.random.Generator) -> Iterator[Play]:
    for number in range(1, 41):
        x, y = int(random.integers(30, 88)), int(random.integers(-30, 30))
        is_goal = random.random() < np.exp(-np.hypot(89 - x, y) / 15)
        kind = "goal" if is_goal else str(random.choice(["shot-on-goal", "missed-shot"]))
        team, sign = (HOME, 1) if number % 2 else (AWAY, -1)
        yield (
            play(number, "faceoff", number * 20 - 5, HOME, x=0, y=0)
            if number % 7 == 0
            else play(number, kind, number * 20, team, x=sign * x, y=sign * y)
        )


def store(path: Path, *games: Game) -> History:
    history = History(path)
    rows = map(game_update, games)
    history.record_all(GameUpdate(each.game, each.shots, each.manpower, each.unreadable) for each in rows)
    return history


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Use a new data folder, no recorded seasons, and small models."""
    monkeypatch.setenv("XG_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("XG_RECORDINGS", str(tmp_path / "recordings"))
    monkeypatch.setattr("training.recipe.ITERATIONS", 10)


def test_stored_frame_equals_the_training_frame_of_the_same_games(tmp_path: Path) -> None:
    games = list(made_games(5))
    stored = stored_frame(store(tmp_path / "history.db", *games))
    pd.testing.assert_frame_equal(stored.drop(columns="game_date"), training_frame(games))
    assert stored["game_date"].unique().tolist() == [f"2021-10-{12 + n}" for n in range(5)]


@pytest.mark.parametrize(
    "changes",
    [
        {"game_type": 1, "game_id": 2021010007},
        {"game_type": 4, "game_id": 2021040007},
        {"game_type": 9, "game_id": 2021090007},
        {"state": GameState.LIVE},
        {"state": GameState.OVER},
    ],
)
def test_stored_frame_leaves_out_other_competitions_and_unofficial_games(
    changes: Mapping[str, Any], tmp_path: Path
) -> None:
    one, other = made_games(2)
    stored = stored_frame(store(tmp_path / "history.db", one, replace(other, **changes)))
    assert stored["game_id"].unique().tolist() == [one.game_id]


def test_stored_frame_leaves_out_retracted_shots(tmp_path: Path) -> None:
    [shown] = made_games(1)
    store(tmp_path / "history.db", shown)
    left = replace(shown, plays=shown.plays[:-1])
    assert len(stored_frame(store(tmp_path / "history.db", left))) == len(left.shots) == len(shown.shots) - 1


def test_stored_game_replaces_the_recorded_one(tmp_path: Path) -> None:
    games = list(made_games(3))
    stored = stored_frame(store(tmp_path / "history.db", *games[1:]))
    both = merge_history(training_frame(games[:2]), stored)
    assert both.groupby("game_id")["event_id"].size().tolist() == [len(each.shots) for each in games]
    assert both.groupby("game_id")["game_date"].first().isna().tolist() == [True, False, False]


def test_held_out_month_leaves_out_what_the_old_model_saw(tmp_path: Path) -> None:
    frame = stored_frame(store(tmp_path / "history.db", *made_games()))
    rows = held_back(frame, {"seasons": [20182019]})
    assert (min(frame["game_date"][rows]), max(frame["game_date"][rows])) == ("2021-12-11", "2022-01-09")
    saw = [{"season": 20212022, "until": "2021-12-31"}, {"season": 20182019, "until": None}]
    assert min(frame["game_date"][held_back(frame, {"saw": saw})]) == "2022-01-01"
    with pytest.raises(TooFewGames, match="has seen every game up to 2022-01-09"):
        held_back(frame, {"saw": [{"season": 20212022, "until": "2022-01-09"}]})


@pytest.mark.parametrize(
    ("better", "said"),
    [(0.2, "Use new: on"), (-0.2, "Keep old: on"), (0.0, "Use either: on")],
)
def test_verdict_names_the_better_model_or_says_it_is_undecided(better: float, said: str) -> None:
    frame = training_rows(4000).assign(game_date="2026-11-01")
    p = np.clip(np.exp(-frame["distance"].to_numpy() / 12), 0.01, 0.99)
    worse = np.clip(p * np.exp(0.5), 0.01, 0.99)
    noise = np.clip(p + np.random.default_rng(0).choice([-1e-4, 1e-4], len(p)), 0.001, 0.999)
    old, new = (worse, p) if better > 0 else (p, worse) if better < 0 else (p, noise)
    result = compare_models(frame, {"old": old, "new": new}, "old", "new", {"seasons": [20102011]})
    assert result.verdict.startswith(said)
    assert result.verdict.count(". ") == 0
    flattered = compare_models(frame, {"old": old, "new": new}, "old", "new", {"seasons": [20182019]})
    assert "flatters" in flattered.verdict


def test_model_fitted_on_the_history_is_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store(tmp_path / "history.db", *made_games())
    assert train_model.main(["--history", str(tmp_path / "history.db")]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith(("Use local/xg-default:2022.1.9: ", "Keep bundled/", "Use either: "))
    assert "fitting" in err, "long work shows how far it is"
    with running_service(tmp_path) as service:
        listed = [e for e in service.client.models() if isinstance(e, ModelEntry) and e.workspace == "local"]
        assert [(entry.model, entry.version) for entry in listed] == [("xg-default", "2022.1.9")]
        loaded = service.client.download_registry_model("local", "xg-default", "2022.1.9")
        assert loaded.source == "cache"
        frame = training_frame(made_games(1))
        columns = [feature.name for feature in service.client.model().features]
        answer = service.client.predict(frame[columns])
        assert answer.model_id.startswith("local/xg-default:2022.1.9@sha256:")
    folder = tmp_path / "models" / "local" / "xg-default" / "2022.1.9"
    estimator, card = load(folder)
    assert list(answer.probabilities) == pytest.approx(predict(estimator, RECIPES["xg-default"], frame), abs=1e-9)
    [saw] = card["saw"]
    shots = sum(len(each.shots) for each in made_games())
    assert (saw["games"], saw["shots"], saw["until"], saw["source"]) == (GAMES, shots, "2022-01-09", "history")
    assert card["comparison"]["verdict"] in out
    assert card["comparison"]["games"] == 30


def test_next_refit_is_compared_with_the_last_on_games_unseen_by_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    games = list(made_games())
    path = tmp_path / "history.db"
    store(path, *games[:75])
    assert train_model.main(["--history", str(path)]) == 0
    assert train_model.main(["--history", str(path)]) == 3
    assert "has seen every game" in capsys.readouterr().err
    store(path, *games)
    assert train_model.main(["--history", str(path)]) == 0
    assert "local/xg-default:2021.12.25" in capsys.readouterr().out
    kept = tmp_path / "models" / "local" / "xg-default"
    assert {each.name for each in kept.iterdir()} == {"2021.12.25", "2022.1.9"}
    card = json.loads((kept / "2022.1.9" / "card.json").read_text())
    assert (card["comparison"]["old"], card["comparison"]["since"]) == ("local/xg-default:2021.12.25", "2021-12-26")


def test_refit_with_out_is_written_to_that_folder(tmp_path: Path) -> None:
    store(tmp_path / "history.db", *made_games())
    told = ["--model", "xg-distance", "--out", str(tmp_path / "mine"), "--version", "2.0.0"]
    assert train_model.main(["--history", str(tmp_path / "history.db"), *told]) == 0
    assert (tmp_path / "mine" / "xg-distance" / "2.0.0" / "model.skops").exists()
    assert not (tmp_path / "models").exists()


def test_refit_on_too_few_games_exits_with_3(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train_model.main(["--history", str(tmp_path / "history.db")]) == 3
    assert "no finished game" in capsys.readouterr().err
    store(tmp_path / "history.db", *made_games(35))
    assert train_model.main(["--history", str(tmp_path / "history.db")]) == 3
    assert f"it takes {FEWEST_GOALS}" in capsys.readouterr().err


def test_refit_on_an_unreadable_history_exits_with_5(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "history.db").write_bytes(b"no database" * 1000)
    assert train_model.main(["--history", str(tmp_path / "history.db")]) == 5
    assert "history.db" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["--alone"], ["--old", "x"]])
def test_history_options_without_history_are_refused(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as error:
        train_model.main(arguments)
    assert error.value.code == 2
