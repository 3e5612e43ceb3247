"""Fitting: which columns the recipes use, how they treat nulls, and that the same seed gives the same model."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import training.recipe
from tests.training.frames import training_rows
from training.artifact import skops_bytes
from training.recipe import CLOCK, RECIPES, fit, inputs, of_population, out_of_fold, predict

DEFAULT = RECIPES["xg-default"]


@pytest.fixture(scope="module", autouse=True)
def few_trees() -> Iterator[None]:
    """Fit few trees: enough for these tests, in a fraction of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.recipe.ITERATIONS", 12)
        yield


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return training_rows()


@pytest.fixture(scope="module")
def fitted(frame: pd.DataFrame) -> Any:
    return fit(DEFAULT, frame, seed=0)


def test_default_model_uses_no_clock_column() -> None:
    assert not set(DEFAULT.features) & set(CLOCK)


@pytest.mark.parametrize("name", RECIPES)
def test_same_seed_gives_the_same_bytes(name: str, frame: pd.DataFrame) -> None:
    one, other = (skops_bytes(fit(RECIPES[name], frame, seed=3)) for _ in range(2))
    assert one == other


def test_different_seed_gives_a_different_model(frame: pd.DataFrame, fitted: Any) -> None:
    assert skops_bytes(fitted) != skops_bytes(fit(DEFAULT, frame, seed=4))


def test_fitted_models_rate_near_shots_higher(frame: pd.DataFrame) -> None:
    for recipe in RECIPES.values():
        xg = predict(fit(recipe, frame, seed=0), recipe, frame)
        near = (frame["distance"] < 15).to_numpy()
        assert xg[near].mean() > 3 * xg[~near].mean(), recipe.name


def test_missing_shot_type_does_not_leak_the_outcome(frame: pd.DataFrame) -> None:
    # as in the records: a type is missing only where a goal was scored
    leaking = frame.copy()
    goals = np.flatnonzero(leaking["is_goal"])[::2]
    leaking.loc[goals, "shot_type"] = None
    estimator = fit(DEFAULT, leaking, seed=0)
    nameless = frame.assign(shot_type=pd.Series([None] * len(frame), dtype=object))
    known, unknown = (predict(estimator, DEFAULT, rows).mean() for rows in (frame, nameless))
    assert unknown == pytest.approx(known, rel=0.15)


@pytest.mark.parametrize("column", DEFAULT.features)
def test_null_in_any_column_gives_a_probability(column: str, frame: pd.DataFrame, fitted: Any) -> None:
    rows = inputs(DEFAULT, frame.head(50)).assign(**{column: np.nan})
    if column in DEFAULT.categories:
        rows[column] = rows[column].astype(object)
    xg = fitted.predict_proba(rows)[:, 1]
    assert ((xg > 0) & (xg < 1)).all()


def test_unseen_category_counts_as_null(frame: pd.DataFrame, fitted: Any) -> None:
    unseen, null = (frame.head(50).assign(shot_type=value).astype({"shot_type": object}) for value in ("no such", None))
    assert (predict(fitted, DEFAULT, unseen) == predict(fitted, DEFAULT, null)).all()


def test_fitting_does_not_change_the_frame(frame: pd.DataFrame) -> None:
    before = frame.copy()
    fit(DEFAULT, frame, seed=0)
    pd.testing.assert_frame_equal(frame, before)


def drifting(*shots: int) -> pd.DataFrame:
    """Return seasons of this many shots, 40 per game, each with fewer goals from the same places than the last."""
    seasons = (20182019, 20192020, 20202021, 20222023)
    parts = [training_rows(n, seasons=(season,), seed=season) for n, season in zip(shots, seasons, strict=False)]
    for taken, part in enumerate(parts):
        goals = np.flatnonzero(part["is_goal"] == 1)
        part.loc[goals[np.arange(len(goals)) % 5 < taken], "is_goal"] = 0
    return pd.concat(parts, ignore_index=True)


def excesses(estimator: Any, frame: pd.DataFrame) -> Any:
    """Return by how much mean xG per shot exceeds goals per shot, for each season."""
    excess = predict(estimator, DEFAULT, frame) - frame["is_goal"]
    return excess.groupby(frame["season"]).mean().to_numpy()


@pytest.fixture
def short_seasons(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a season in full from 50 games on, which are 2,000 shots in these frames."""
    monkeypatch.setattr("training.recipe._WHOLE_SEASON", 50)


@pytest.mark.usefixtures("short_seasons")
def test_level_is_the_equal_mean_of_the_seasons() -> None:
    frame = drifting(6000, 2000, 2000)
    by_season = excesses(fit(DEFAULT, frame, seed=0), frame)
    assert by_season.mean() == pytest.approx(0, abs=1e-9)
    assert abs(by_season).max() > 0.01, "no single season sets it"


@pytest.mark.usefixtures("short_seasons")
def test_partial_season_moves_the_level_by_its_share() -> None:
    """A tenth of a season counts as a tenth: 200 shots are not the new normal."""
    frame = drifting(2000, 2000, 200)
    by_season = excesses(fit(DEFAULT, frame, seed=0), frame)
    assert by_season @ [1.0, 1.0, 0.1] == pytest.approx(0, abs=1e-9)


@pytest.mark.usefixtures("short_seasons")
@pytest.mark.parametrize(
    ("shots", "expected"),
    [
        ((2000, 2000), [0.25, 1.0]),
        ((2000, 8000, 2000), [0.25, 0.25, 1.0]),
        ((2000, 1000), [0.5, 1.0]),
        ((2000, 2000, 80), [0.25, 0.25**0.04, 1.0]),
    ],
)
def test_weight_of_a_shot_falls_with_the_number_of_newer_games(
    shots: tuple[int, ...], expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def noted(frame: pd.DataFrame, recipe: Any, weights: Any, seed: int) -> Any:
        given["weights"] = pd.Series(weights, frame.index).groupby(frame["season"]).unique().str[0].tolist()
        return fit_trees(frame, recipe, weights, seed)

    fit_trees = training.recipe._fit_trees
    monkeypatch.setattr("training.recipe._fit_trees", noted)
    fit(DEFAULT, drifting(*shots), seed=0)
    assert given["weights"] == pytest.approx(expected)


@pytest.mark.parametrize(("by", "column"), [("season", "season"), ("game", "game_id")])
def test_out_of_fold_models_have_not_seen_the_season_or_game(by: str, column: str, frame: pd.DataFrame) -> None:
    if by == "game":
        frame = frame[frame["season"] == frame["season"].min()]
    # a model that saw a row's group would know its outcome from the column that names the group
    groups = frame[column].unique()
    leaking = frame.assign(distance=frame[column].map({g: float(i) for i, g in enumerate(groups)}))
    leaking["is_goal"] = (leaking[column].map({g: i % 2 for i, g in enumerate(groups)})).astype(int)
    if by == "season":
        with pytest.raises(ValueError, match="class"):  # the other season has only one outcome
            out_of_fold(RECIPES["xg-distance"], leaking, seed=0)
        return
    xg = out_of_fold(RECIPES["xg-distance"], leaking, seed=0)
    assert not np.isnan(xg).any()
    assert leaking.groupby(column)["is_goal"].nunique().max() == 1
    assert np.unique(xg.round(12)).size > 1
    for _, rows in leaking.assign(xg=xg).groupby(column):
        assert rows["xg"].nunique() == 1, "one model for the whole game"


def test_on_goal_population_has_no_misses_and_no_empty_nets(frame: pd.DataFrame) -> None:
    shots = frame.assign(empty_net=np.arange(len(frame)) % 2.0)
    assert len(of_population(shots, "unblocked")) == len(shots)
    on_goal = of_population(shots, "on-goal")
    assert set(on_goal["kind"]) == {"goal", "shot-on-goal"}
    assert (on_goal["empty_net"] == 0).all()
