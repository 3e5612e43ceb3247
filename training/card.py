"""The model card: what a fitted model is, what it learned from, and how good it is."""

from typing import Any, Final

import pandas as pd
import sklearn

from livegame.features.features import FEATURES
from training.evaluation import Probabilities, deciles, scores, scores_by, standard_groups
from training.recipe import Recipe, predict

_TITLES: Final = {
    "unblocked": "goals, shots on goal and missed shots, regulation and overtime, without shootouts",
    "on-goal": "goals and shots on goal with a goalie in the net, regulation and overtime, without shootouts",
}
WEAKNESSES: Final = (
    "It knows no exact times: rushes and rebounds are seen only through the kind and place of the event before. The "
    "league clocks goals differently from other attempts, so times would tell the outcome.",
    "It knows nothing of who shoots, who is in goal, screens, passes, the puck's speed or where the players stand.",
    "Coordinates and shot types are the league's scorers' and are sometimes corrected after the game. Rinks differ.",
    "Shots at an empty net are few and a kind of their own; read them apart.",
    "Penalty shots are rare (some 45 a season): their xG is little more than their average.",
    "What is recorded, and where, changes over the years. The level is the equal mean of the training seasons: each of "
    "them lies some percent above or below it, and so may the seasons to come.",
)


def make_card(
    recipe: Recipe, estimator: Any, frame: pd.DataFrame, population: str, unseen: Probabilities, seed: int
) -> dict[str, Any]:
    """Describe a fitted model, ready for JSON.

    Args:
        recipe: the recipe that it was fitted with.
        estimator: the fitted model.
        frame: the training frame it was fitted on.
        population: `unblocked` or `on-goal`.
        unseen: P(goal) of each row of the frame from models that had not seen its season (or its game).
        seed: the seed that it was fitted with.
    """
    golden = _golden_row(recipe, frame)
    groups = scores_by(frame, unseen, standard_groups(frame))
    by_season = frame["season"].nunique() > 1
    return {
        "name": recipe.name,
        "title": recipe.title,
        "population": population,
        "population_in_words": _TITLES[population],
        "seasons": [int(season) for season in sorted(frame["season"].unique())],
        "games": int(frame["game_id"].nunique()),
        "saw": _saw(frame),
        "features": _features(recipe, estimator),
        "golden_row": golden,
        "golden_probability": float(predict(estimator, recipe, pd.DataFrame([golden]))[0]),
        "metrics": {
            "how": f"out of fold by {'season' if by_season else 'game'}: no shot was rated by a model that had seen "
            f"its {'season' if by_season else 'game'}",
            **scores(frame["is_goal"], unseen),
            "groups": groups.to_dict(orient="index"),
            "deciles": deciles(frame["is_goal"], unseen).round(5).reset_index().to_dict(orient="records"),
        },
        "weaknesses": list(WEAKNESSES),
        "seed": seed,
        "sklearn_version": sklearn.__version__,
    }


def _saw(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what it was fitted on: one entry per season and source, with the last day where that is known."""
    dates = frame["game_date"] if "game_date" in frame else pd.Series([None] * len(frame), frame.index, dtype=object)
    saw = []
    for season in sorted(frame["season"].unique()):
        for source, is_stored in (("recordings", False), ("history", True)):
            rows = frame[(frame["season"] == season) & (dates.notna() == is_stored)]
            if len(rows):
                saw.append(
                    {
                        "season": int(season),
                        "source": source,
                        "games": int(rows["game_id"].nunique()),
                        "shots": len(rows),
                        "goals": int(rows["is_goal"].sum()),
                        "until": max(dates[rows.index]) if is_stored else None,
                    }
                )
    return saw


def _features(recipe: Recipe, estimator: Any) -> list[dict[str, Any]]:
    encoder = estimator[0].named_transformers_["categories"] if recipe.categories else None
    categories = (
        dict(zip(recipe.categories, (list(map(str, c)) for c in encoder.categories_), strict=True)) if encoder else {}
    )
    described = []
    for feature in (feature for feature in FEATURES if feature.name in recipe.features):
        entry: dict[str, Any] = {"name": feature.name, "kind": feature.kind}
        entry |= {"unit": feature.unit, "formula": feature.formula, "source": feature.source}
        if feature.name in categories:
            entry["categories"] = categories[feature.name]
        described.append(entry)
    return described


def _golden_row(recipe: Recipe, frame: pd.DataFrame) -> dict[str, float | str]:
    """Return the frame's first wrist shot at 5v5 from 20 to 30 ft that has every input."""
    usual = frame[
        (frame["shot_type"] == "wrist") & (frame["strength_state"] == "5v5") & frame["distance"].between(20, 30)
    ]
    row = usual.dropna(subset=list(recipe.features)).iloc[0]
    return {
        name: str(row[name]) if name in recipe.categories else round(float(row[name]), 2) for name in recipe.features
    }
