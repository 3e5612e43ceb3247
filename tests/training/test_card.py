"""A trained model as files: what the service reads from them, and that the same model gives the same bytes."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from livegame.features.features import FEATURES
from tests.training.frames import training_rows
from tests.xgserve.helpers import load_model
from training.artifact import load, save
from training.card import make_card
from training.errors import ArtifactUnusable
from training.recipe import RECIPES, fit, out_of_fold, predict
from xgserve.names import ModelName

RECIPE = RECIPES["xg-distance-angle"]


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    return training_rows()


@pytest.fixture(scope="module")
def trained(frame: pd.DataFrame) -> tuple[Any, dict[str, Any]]:
    estimator = fit(RECIPE, frame, seed=0)
    return estimator, make_card(RECIPE, estimator, frame, "unblocked", out_of_fold(RECIPE, frame, 0), 0)


def test_saved_model_loads_in_the_service_as_its_card_says(trained: tuple[Any, dict[str, Any]], tmp_path: Path) -> None:
    save(tmp_path, *trained)
    model = load_model(tmp_path / "model.skops", ModelName("mine", "xg-distance-angle", "1.0.0"))
    assert [feature.name for feature in model.columns] == list(RECIPE.features)
    assert all(feature.nullable for feature in model.columns)
    assert model.golden_probability == pytest.approx(trained[1]["golden_probability"], abs=1e-12)
    assert model.population == "unblocked"
    assert model.trained_on == [20182019, 20192020]


def test_saving_twice_gives_the_same_bytes(trained: tuple[Any, dict[str, Any]], tmp_path: Path) -> None:
    save(tmp_path / "one", *trained)
    save(tmp_path / "other", *trained)
    for name in ("model.skops", "card.json", "card.html"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "other" / name).read_bytes()


def test_saved_model_predicts_the_same(
    trained: tuple[Any, dict[str, Any]], frame: pd.DataFrame, tmp_path: Path
) -> None:
    save(tmp_path, *trained)
    estimator, card = load(tmp_path)
    assert card == trained[1]
    as_trained = predict(trained[0], RECIPE, frame)
    np.testing.assert_allclose(predict(estimator, RECIPE, frame), as_trained, rtol=0, atol=1e-12)


def test_card_has_the_units_and_formulas_of_the_features(trained: tuple[Any, dict[str, Any]]) -> None:
    described = {entry["name"]: (entry["unit"], entry["formula"]) for entry in trained[1]["features"]}
    assert described == {f.name: (f.unit, f.formula) for f in FEATURES if f.name in RECIPE.features}


def test_card_metrics_are_out_of_fold(trained: tuple[Any, dict[str, Any]], frame: pd.DataFrame) -> None:
    metrics = trained[1]["metrics"]
    assert metrics["shots"] == len(frame)
    assert metrics["goals"] == frame["is_goal"].sum()
    assert "out of fold by season" in metrics["how"]
    assert sum(decile["shots"] for decile in metrics["deciles"]) == len(frame)


def test_card_page_is_complete_and_self_contained(trained: tuple[Any, dict[str, Any]], tmp_path: Path) -> None:
    save(tmp_path, *trained)
    page = (tmp_path / "card.html").read_text(encoding="utf-8")
    assert page.count("<circle") == 10
    for words in ("2018-19", "goals, shots on goal and missed shots", "hypot(89 - x, y)", "Known weaknesses"):
        assert words in page
    assert "http" not in page.replace("http://www.w3.org", ""), "the page loads nothing from elsewhere"


@pytest.mark.parametrize("damage", ["nothing there", "no card", "not a zip file"])
def test_folder_without_a_model_is_refused(trained: tuple[Any, dict[str, Any]], tmp_path: Path, damage: str) -> None:
    if damage != "nothing there":
        save(tmp_path, *trained)
    if damage == "no card":
        (tmp_path / "card.json").unlink()
    if damage == "not a zip file":
        (tmp_path / "model.skops").write_bytes(b"no model")
    with pytest.raises(ArtifactUnusable, match="holds no model"):
        load(tmp_path)


def test_artifact_with_a_class_beyond_the_allow_list_is_refused(
    trained: tuple[Any, dict[str, Any]], tmp_path: Path
) -> None:
    save(tmp_path, *trained)
    path = tmp_path / "model.skops"
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(contents["schema.json"])
    schema["__class__"], schema["__module__"] = "Popen", "subprocess"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (contents | {"schema.json": json.dumps(schema).encode()}).items():
            archive.writestr(name, content)
    with pytest.raises(ArtifactUnusable, match="Popen"):
        load(tmp_path)
