"""Artifacts that a registry may hold, good ones and hostile ones, made when a test asks for them."""

import ctypes
import io
import json
import os
import pickle
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import skops.io
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.ensemble import HistGradientBoostingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, PolynomialFeatures, StandardScaler

FEATURES = ["distance", "angle"]
ROWS = pd.DataFrame({"distance": [5.0, 60.0, 30.0, 12.0], "angle": [0.0, 45.0, 10.0, 80.0]})


def good_estimator(intercept: float = 0.0) -> Pipeline:
    """A fitted pipeline; another `intercept` gives other probabilities."""
    fitted = Pipeline([("scale", StandardScaler()), ("classify", LogisticRegression())]).fit(ROWS, [1, 0, 0, 1])
    fitted[-1].intercept_ = np.array([intercept])
    return fitted


def skops_bytes(estimator: Any) -> bytes:
    content: bytes = skops.io.dumps(estimator)
    return content


def good(intercept: float = 0.0) -> dict[str, bytes]:
    return {"model.skops": _good_bytes(intercept)}


@cache
def _good_bytes(intercept: float) -> bytes:
    """Return the same bytes each time; a zip file holds the time when it was written."""
    return skops_bytes(good_estimator(intercept))


def nan() -> dict[str, bytes]:
    return good(float("nan"))


def three_columns() -> dict[str, bytes]:
    estimator = good_estimator()
    estimator[-1].coef_ = np.zeros((3, 2))
    estimator[-1].intercept_ = np.zeros(3)
    return {"model.skops": skops_bytes(estimator)}


def negative() -> dict[str, bytes]:
    """A soft vote in which one member counts against: P = 2 * 0.05 - 0.95."""
    low, high = good_estimator(-3), good_estimator(3)
    vote = VotingClassifier([("low", low), ("high", high)], voting="soft", weights=[2, -1]).fit(ROWS, [1, 0, 0, 1])
    vote.estimators_ = [low, high]
    return {"model.skops": skops_bytes(vote)}


def never_ends() -> dict[str, bytes]:
    """A first step that improves its answer for ever; only a pickle may hold one."""
    steps = [("topics", LatentDirichletAllocation(2, max_iter=1)), ("classify", LogisticRegression())]
    endless = Pipeline(steps).fit(ROWS, [1, 0, 0, 1])
    endless[0].set_params(max_doc_update_iter=10**12, mean_change_tol=-1.0)
    return {"model.joblib": joblib_bytes(endless)}


def untrusted_types() -> dict[str, bytes]:
    return {
        "model.skops": skops_bytes(
            Pipeline([("run", FunctionTransformer(os.system)), ("classify", LogisticRegression())])
        )
    }


class _Crash:
    """Pickled, it reads from nowhere when loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (ctypes.string_at, (0,))


def crashes() -> dict[str, bytes]:
    return {"model.pkl": pickle.dumps(_Crash())}


class _Touch:
    """Pickled, it creates a file when loaded, unless the process that loads it may not."""

    def __init__(self, marker: Path) -> None:
        self.marker = str(marker)

    def __reduce__(self) -> tuple[Any, ...]:
        return (exec, (f"try: open({self.marker!r}, 'w').close()\nexcept PermissionError: pass",))


def pickle_that_runs_code(marker: Path) -> bytes:
    return pickle.dumps(_Touch(marker))


def pickle_like_an_estimator(marker: Path) -> bytes:
    """A pickle that runs code when loaded and is a working classifier afterwards."""
    estimator = good_estimator()
    estimator.note_ = _Touch(marker)
    return joblib_bytes(estimator)


def joblib_bytes(estimator: Any) -> bytes:
    buffer = io.BytesIO()
    joblib.dump(estimator, buffer)
    return buffer.getvalue()


def comet_layout(content: bytes, model_path: str = "model-data/comet-sklearn-model.joblib") -> dict[str, bytes]:
    """The files that `comet_ml.integration.sklearn.log_model` writes."""
    description = {
        "format": "scikit-learn",
        "comet_sdk_version": "3.58.8",
        "model_metadata": {
            "scikit-learn": {
                "sklearn_version": "1.9.1",
                "persistence_module": "joblib",
                "persistence_module_version": "1.6.0",
                "model_path": model_path,
            }
        },
    }
    return {
        "CometModel": json.dumps(description).encode(),
        "model-data/comet-sklearn-model.joblib": content,
    }


def zipped(files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def zip_bomb(megabytes: int) -> bytes:
    """An archive of zeros a thousand times smaller than what it unpacks to."""
    buffer = io.BytesIO()
    chunk = bytes(1 << 20)
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("model.skops", "w") as member:
        for _ in range(megabytes):
            member.write(chunk)
    return buffer.getvalue()


def lying_zip_bomb(megabytes: int) -> bytes:
    """The same, with headers that claim 100 bytes."""
    honest = zip_bomb(megabytes)
    return honest.replace((megabytes << 20).to_bytes(4, "little"), (100).to_bytes(4, "little"))


def zip_with_link(target: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        link = zipfile.ZipInfo("model.skops")
        link.create_system = 3
        link.external_attr = 0o120777 << 16
        archive.writestr(link, target)
    return buffer.getvalue()


def noise_zip(megabytes: int) -> bytes:
    """An archive that is as large as what it holds."""
    return zipped({"model.skops": os.urandom(megabytes << 20)}, zipfile.ZIP_STORED)


def hoard(megabytes: int) -> dict[str, bytes]:
    """A classifier with an array of zeros that is a thousand times smaller when packed."""
    estimator = good_estimator()
    estimator.hoard_ = np.zeros(megabytes << 17)
    content = io.BytesIO(skops_bytes(estimator))
    with zipfile.ZipFile(content) as archive:
        return {"model.skops": zipped({name: archive.read(name) for name in archive.namelist()})}


def wide_rows() -> dict[str, bytes]:
    """Allowed types, and a first step that makes 3,003 columns of ten: 240 MB of 10,000 rows."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 10)), columns=[f"column {n}" for n in range(10)])
    steps = [("widen", PolynomialFeatures(5)), ("classify", LogisticRegression(max_iter=1))]
    return {"model.skops": skops_bytes(Pipeline(steps).fit(frame, np.arange(20) % 2))}


def far_tree() -> dict[str, bytes]:
    """Trusted types, and a tree that points far outside of its memory."""
    rows = np.random.default_rng(0).uniform(0, 60, (200, 2))
    frame = pd.DataFrame(rows, columns=FEATURES)
    boosting = HistGradientBoostingClassifier(max_iter=1).fit(frame, rows[:, 0] > 30)
    boosting.classes_ = np.array([0, 1])
    nodes = boosting._predictors[0][0].nodes
    nodes["left"], nodes["right"] = 2**31 - 1, 2**31 - 1
    return {"model.skops": skops_bytes(boosting)}
