"""The recipes of the bundled models: their columns, and one function each that fits them for tests and for release."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OrdinalEncoder, StandardScaler

from livegame.features.features import FEATURES
from training.evaluation import Probabilities

POPULATIONS: Final = ("unblocked", "on-goal")

LOCATION: Final = ("x", "offset", "distance", "angle")
SHOT_TYPE: Final = ("shot_type",)
MANPOWER: Final = ("friendly_skaters", "opposing_skaters", "strength_state", "empty_net", "extra_attacker")
PREVIOUS: Final = ("prev_play", "prev_x", "prev_offset", "prev_distance")
# Columns that leak the outcome: the league clocks goals differently from other attempts.
CLOCK: Final = (
    "period_seconds",
    "game_seconds",
    "prev_seconds",
    "speed",
    "rebound",
    "angle_change",
    "power_play_seconds",
)

# Share of training shots that have these inputs blanked, whatever their outcome, so that the model learns what a shot
# is worth when the input is not known. In the records a missing shot type is nearly always a goal.
_BLANKED: Final = (
    (SHOT_TYPE, 0.05),
    ((*LOCATION, "prev_offset", "prev_distance"), 0.003),
    (PREVIOUS, 0.005),
    (MANPOWER, 0.005),
)
ITERATIONS: Final = 140  # of boosting; many more change log loss by less than 0.0002, in a file four times as large
# What is recorded, and how, drifts over the years. A shot's weight falls with the number of games in newer seasons,
# down to this once they make up a whole season.
_OLD_SEASON: Final = 0.25
_WHOLE_SEASON: Final = 900  # games of a season that counts in full, as the short 2012-13 and 2020-21 do
_FARTHEST_SHIFT: Final = 5.0  # of the level, in log odds
_RARE: Final = 50  # categories with fewer training shots are treated as unknown

_KINDS: Final = {feature.name: feature.kind for feature in FEATURES}


@dataclass(frozen=True)
class Recipe:
    """A model's name, columns, and the function that fits it on a training frame with a seed."""

    name: str
    title: str
    features: tuple[str, ...]
    estimator: Callable[[pd.DataFrame, "Recipe", int], Any]

    @property
    def categories(self) -> tuple[str, ...]:
        """Return the columns that hold text."""
        return tuple(name for name in self.features if _KINDS[name] == "category")


def of_population(frame: pd.DataFrame, population: str) -> pd.DataFrame:
    """Return the rows of a training frame that belong to a population.

    `unblocked` is every row. `on-goal` is goals and shots on goal with a goalie in the net: every attempt on goal at
    an empty net is a goal.
    """
    if population == "on-goal":
        return frame[(frame["kind"] != "missed-shot") & (frame["empty_net"] != 1)]
    return frame


def fit(recipe: Recipe, frame: pd.DataFrame, seed: int) -> Any:
    """Fit the recipe on a training frame; the same frame and seed give the same estimator.

    Returns:
        A fitted scikit-learn classifier that takes the recipe's columns, nulls and unknown categories included.
    """
    return recipe.estimator(frame, recipe, seed)


def predict(estimator: Any, recipe: Recipe, frame: pd.DataFrame) -> Probabilities:
    """Return P(goal) of each row, shape (rows,)."""
    probabilities: Probabilities = estimator.predict_proba(inputs(recipe, frame))[:, 1]
    return probabilities


def folds(frame: pd.DataFrame) -> str:
    """Return what `out_of_fold` holds out: "season", or "game" (a fifth of them) where there is only one season."""
    return "season" if frame["season"].nunique() > 1 else "game"


def out_of_fold(recipe: Recipe, frame: pd.DataFrame, seed: int, report: Callable[[str], object] = str) -> Probabilities:
    """Return P(goal) of each row from a model that has not seen the row's season or game; `folds` says which."""
    probabilities = np.full(len(frame), np.nan)
    for number, held_out in enumerate(_held_out(frame), start=1):
        report(f"{recipe.name}: fitting without part {number} of its {folds(frame)}s, which then test it")
        estimator = fit(recipe, frame[~held_out], seed)
        probabilities[held_out] = predict(estimator, recipe, frame[held_out])
    return probabilities


def inputs(recipe: Recipe, frame: pd.DataFrame) -> pd.DataFrame:
    """Return the recipe's columns as the service passes them to a model: float64, and objects with NaN for null."""
    columns = {}
    for name in recipe.features:
        column = frame[name].astype(object if name in recipe.categories else np.float64)
        columns[name] = column.where(column.notna(), np.nan)
    return pd.DataFrame(columns, index=frame.index)


def _held_out(frame: pd.DataFrame) -> Iterator[npt.NDArray[np.bool_]]:
    if folds(frame) == "season":
        for season in sorted(frame["season"].unique()):
            yield (frame["season"] == season).to_numpy()
    else:
        for _, rows in GroupKFold(5).split(frame, groups=frame["game_id"]):
            held_out = np.zeros(len(frame), dtype=bool)
            held_out[rows] = True
            yield held_out


def _boosted_trees(frame: pd.DataFrame, recipe: Recipe, seed: int) -> Pipeline:
    games = frame.groupby("season")["game_id"].nunique()
    newer = games.sum() - games.cumsum()  # the groups come in the seasons' order
    weights = (_OLD_SEASON ** (newer / _WHOLE_SEASON)).clip(lower=_OLD_SEASON)
    model = _fit_trees(frame, recipe, np.asarray(frame["season"].map(weights), np.float64), seed)
    _set_level(model, recipe, frame, (games / _WHOLE_SEASON).clip(upper=1.0))
    return model


def _set_level(model: Pipeline, recipe: Recipe, frame: pd.DataFrame, shares: "pd.Series[float]") -> None:
    """Shift the trees' baseline so that xG equals goals in the mean of the seasons, each weighted by its share.

    The weights by age shape the trees. A level set by them would be the newest season's, and one unusual season is not
    a new normal.
    """
    weights = frame["season"].map(shares / frame.groupby("season").size()).to_numpy()
    goals = (weights * frame["is_goal"].to_numpy()).sum()
    log_odds = logit(predict(model, recipe, frame))

    def excess(shift: float) -> float:
        return float((weights * expit(log_odds + shift)).sum() - goals)

    model[-1]._baseline_prediction += brentq(excess, -_FARTHEST_SHIFT, _FARTHEST_SHIFT, xtol=1e-12)


def _fit_trees(frame: pd.DataFrame, recipe: Recipe, weights: npt.NDArray[np.float64], seed: int) -> Pipeline:
    rows = _blanked(frame, recipe, seed)
    encoder = OrdinalEncoder(
        # Ordered by goal rate, so that one split of a tree separates dangerous categories from harmless ones.
        categories=[_by_goal_rate(rows[name], frame["is_goal"]) for name in recipe.categories],
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
    )
    numbers = [name for name in recipe.features if name not in recipe.categories]
    columns = ColumnTransformer(
        [("categories", encoder, list(recipe.categories)), ("numbers", "passthrough", numbers)],
        verbose_feature_names_out=False,
    )
    trees = HistGradientBoostingClassifier(
        learning_rate=0.08,
        max_iter=ITERATIONS,
        max_leaf_nodes=15,
        min_samples_leaf=100,
        l2_regularization=5.0,
        early_stopping=False,
        random_state=seed,
    )
    model = Pipeline([("columns", columns), ("trees", trees)])
    return model.fit(rows, frame["is_goal"], trees__sample_weight=weights)


def _blanked(frame: pd.DataFrame, recipe: Recipe, seed: int) -> pd.DataFrame:
    """Return the recipe's columns, with missing shot types drawn at random and then some inputs blanked."""
    random = np.random.default_rng(seed)
    frame = frame.copy(deep=False)
    unknown = frame["shot_type"].isna()
    drawn = random.choice(frame["shot_type"].dropna().to_numpy(object), int(unknown.sum()))
    frame["shot_type"] = frame["shot_type"].mask(unknown, pd.Series(drawn, index=frame.index[unknown], dtype=object))
    rows = inputs(recipe, frame)
    for names, share in _BLANKED:
        columns = [name for name in names if name in recipe.features]
        rows.loc[random.random(len(rows)) < share, columns] = np.nan
    return rows


def _by_goal_rate(values: "pd.Series[Any]", is_goal: "pd.Series[int]") -> list[str]:
    groups = is_goal.groupby(values)
    rates = groups.mean()[groups.size() >= _RARE]
    return [str(category) for category in rates.sort_values(kind="stable").index]


def _logistic(frame: pd.DataFrame, recipe: Recipe, seed: int) -> Pipeline:
    model = Pipeline(
        [
            ("fill", SimpleImputer(strategy="median")),
            ("scale", StandardScaler()),
            ("logistic", LogisticRegression(random_state=seed)),
        ]
    )
    return model.fit(inputs(recipe, frame), frame["is_goal"])


RECIPES: Final = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "xg-default",
            "Boosted trees on place, shot type, manpower and the event before",
            (*LOCATION, *SHOT_TYPE, *MANPOWER, *PREVIOUS),
            _boosted_trees,
        ),
        Recipe("xg-distance", "Logistic regression on distance", ("distance",), _logistic),
        Recipe("xg-distance-angle", "Logistic regression on distance and angle", ("distance", "angle"), _logistic),
    )
}
