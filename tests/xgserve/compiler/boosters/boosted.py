"""Made-up shots and fitted boosters, and the comparison of a loaded model with its library's own answers."""

import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import lightgbm
import numpy as np
import pandas as pd
import xgboost

from tests.xgserve.helpers import goals, load_model, shots
from xgserve.model.model import Model

NUMBERS = ["distance", "angle", "rebound"]
CATEGORIES = ["shot_type", "zone"]
TYPES = ["backhand", "slap", "snap", "tip-in", "wrist"]
ZONES = ["D", "N", "O"]


def category(texts: Any, known: Sequence[str]) -> Any:
    """Return texts as a pandas category, unknown ones missing."""
    return pd.Categorical(texts.where(texts.isin(known), None), list(known))


def native(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with pandas categories."""
    return frame.assign(shot_type=category(frame["shot_type"], TYPES), zone=category(frame["zone"], ZONES))


def made_up(rows: int, seed: int, scale: float = 1.0) -> pd.DataFrame:
    """Return shots with text categories and a tenth of all values missing."""
    random = np.random.default_rng(seed)
    frame = shots(rows, seed)[NUMBERS].astype(float)
    frame["distance"] *= random.choice([1.0, scale, -scale], rows)
    frame["angle"] = np.where(random.random(rows) < 0.3, np.round(frame["angle"] * 2) / 2, frame["angle"] - 40)
    frame["shot_type"] = random.choice(TYPES, rows)
    frame["zone"] = random.choice(ZONES, rows)
    return frame.mask(random.random(frame.shape) < 0.1)


def fitted_on() -> tuple[pd.DataFrame, Any]:
    """Return the shots of a fit, and their goals, which depend on every column."""
    frame = made_up(1200, 1)
    shift = frame["shot_type"].isin(["tip-in"]) * 20.0 + frame["zone"].isin(["N"]) * -20.0
    return frame, goals(frame.assign(distance=frame["distance"].fillna(60) - shift))


FRAME, GOALS = fitted_on()
NATIVE = native(FRAME)

# Near and far, with missing values, and categories that no model was trained on.
ASKED = made_up(1500, 2, scale=50)
ASKED.loc[ASKED.index % 11 == 0, "shot_type"] = "between the legs"


def xgb(**options: Any) -> xgboost.XGBClassifier:
    return xgboost.XGBClassifier(**{"n_estimators": 40, "max_depth": 5, "n_jobs": 1} | options)


def lgbm(**options: Any) -> lightgbm.LGBMClassifier:
    return lightgbm.LGBMClassifier(**{"n_estimators": 40, "num_leaves": 12, "verbose": -1, "n_jobs": 1} | options)


def fitted(estimator: Any, frame: Any = NATIVE, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(frame, GOALS, **options)


def stopped_early(estimator: Any, frame: pd.DataFrame = NATIVE) -> Any:
    """Return the estimator fitted with early stopping, with rounds after its best one."""
    kept, held = slice(0, 900), slice(900, None)
    options: dict[str, Any] = {"eval_set": [(frame[held], GOALS[held])]}
    if isinstance(estimator, lightgbm.LGBMClassifier):
        options["callbacks"] = [lightgbm.early_stopping(10, verbose=False)]
    else:
        options["verbose"] = False
    return estimator.fit(frame[kept], GOALS[kept], **options)


def saved(estimator: Any, folder: Path, name: str, card: Mapping[str, Any] | None = None) -> Path:
    """Save an estimator in the way that the suffix of the name says."""
    path = folder / name
    if path.suffix == ".joblib":
        joblib.dump(estimator, path)
    elif isinstance(estimator, lightgbm.LGBMClassifier):
        estimator.booster_.save_model(path)
    else:
        estimator.save_model(path)
    if card:
        (folder / "card.json").write_text(json.dumps(card))
    return path


def values(frame: pd.DataFrame) -> dict[str, list[Any]]:
    """Return the columns as callers send them, missing values as None."""
    return {
        str(name): [None if missing else value for value, missing in zip(column.tolist(), column.isna(), strict=True)]
        for name, column in frame.items()
    }


def answers(estimator: Any, frame: Any) -> Any:
    """Return the library's own probabilities of goals."""
    return np.asarray(estimator.predict_proba(frame), float)[:, 1]


def difference(model: Model, frame: pd.DataFrame, expected: Any) -> float:
    """Return the largest difference of a loaded model from the library's answers."""
    return float(np.abs(model.predict(values(frame), range(len(frame))) - expected).max())


def loaded(estimator: Any, folder: Path, name: str, card: Mapping[str, Any] | None = None) -> Model:
    """Save an estimator and load the file; only pickles are trusted."""
    path = saved(estimator, folder, name, card)
    return load_model(path, allow_pickle=path.suffix == ".joblib")
