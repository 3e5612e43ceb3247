"""The bundled models are small, load in the service, and do not depend on the clock."""

import dataclasses
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import skops.io

from livegame.features.frames import training_frame
from livegame.parsing.parse import parse_game
from livegame.plays import Game
from scripts.train_model import BUNDLED
from tests.xgserve.helpers import load_model
from training.artifact import TRUSTED_TYPES, load
from training.leakage_checks import mean_by_outcome, shift_clock
from training.recipe import CLOCK, RECIPES, fit, of_population, predict
from xgserve.names import ModelName

DEFAULT = BUNDLED / "xg-default" / "1.0.0"


@pytest.fixture(scope="module")
def games(recordings: Path) -> list[Game]:
    names = ("2018020001", "2019020249", "2022020001", "2022020007", "2022030311", "2024020001", "2024020202")
    paths = [recordings / "games" / "new" / f"{name}.json.gz" for name in names]
    return [parse_game(json.loads(gzip.decompress(path.read_bytes()))) for path in paths]


def means(estimator: Any, recipe: Any, games: list[Game]) -> dict[str, float]:
    frame = training_frame(games)
    return mean_by_outcome(frame, predict(estimator, recipe, frame))


@pytest.mark.parametrize("name", RECIPES)
def test_bundled_model_is_small_and_of_allowed_types(name: str) -> None:
    artifact = BUNDLED / name / "1.0.0" / "model.skops"
    assert artifact.stat().st_size < 1_000_000
    assert set(skops.io.get_untrusted_types(file=artifact)) <= set(TRUSTED_TYPES)
    model = load_model(artifact, ModelName("bundled", name, "1.0.0"))
    assert [feature.name for feature in model.columns] == list(RECIPES[name].features)
    card = json.loads((artifact.parent / "card.json").read_text())
    assert card["golden_probability"] == pytest.approx(model.check(), abs=1e-9)


def test_default_model_scores_a_shot_without_any_input() -> None:
    model = load_model(DEFAULT / "model.skops", ModelName("bundled", "xg-default", "1.0.0"))
    nothing = {feature.name: [None] for feature in model.columns}
    [xg] = model.predict(nothing, [0])
    assert 0.02 < xg < 0.25
    assert all(feature.nullable for feature in model.columns)
    assert all(feature.takes_unknown for feature in model.columns if feature.kind == "category")


def test_xg_falls_with_distance_and_rises_at_an_empty_net() -> None:
    estimator, card = load(DEFAULT)
    recipe = RECIPES["xg-default"]

    def xg(**changes: Any) -> float:
        row = card["golden_row"] | changes
        return float(predict(estimator, recipe, pd.DataFrame([row]))[0])

    near = {"x": 79.0, "offset": 0.0, "distance": 10.0, "angle": 0.0}
    far = {"x": 29.0, "offset": 0.0, "distance": 60.0, "angle": 0.0}
    assert xg(**near) > 2 * xg(**far)
    empty = {"empty_net": 1.0, "opposing_skaters": 6.0, "strength_state": "5v6"}
    assert xg(**empty) > 0.4


@pytest.mark.recordings
@pytest.mark.parametrize("seconds", [-2, 2])
@pytest.mark.parametrize("goals", [True, False])
def test_default_models_xg_does_not_depend_on_the_clock(games: list[Game], seconds: int, *, goals: bool) -> None:
    estimator, _ = load(DEFAULT)
    recipe = RECIPES["xg-default"]
    shifted = list(shift_clock(games, seconds, goals=goals))
    assert means(estimator, recipe, shifted) == means(estimator, recipe, games)


@pytest.mark.recordings
def test_clock_check_detects_a_model_that_uses_the_clock(games: list[Game]) -> None:
    recipe = RECIPES["xg-distance"]
    recipe = dataclasses.replace(recipe, features=("distance", *CLOCK))
    estimator = fit(recipe, training_frame(games), seed=0)
    shifted = list(shift_clock(games, 2, goals=True))
    moved = abs(means(estimator, recipe, shifted)["goals"] - means(estimator, recipe, games)["goals"])
    assert moved > 1e-4


@pytest.mark.recordings
def test_default_model_beats_the_simple_models_on_unseen_games(games: list[Game]) -> None:
    frame = training_frame(game for game in games if game.season == 20242025)
    losses = {}
    for name, recipe in RECIPES.items():
        estimator, card = load(BUNDLED / name / "1.0.0")
        xg = predict(estimator, recipe, of_population(frame, card["population"]))
        losses[name] = -np.log(np.where(frame["is_goal"] == 1, xg, 1 - xg)).mean()
    assert losses["xg-default"] < min(losses["xg-distance"], losses["xg-distance-angle"])
