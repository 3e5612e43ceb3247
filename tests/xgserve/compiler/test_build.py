"""From an artifact and its card to a model: which are refused, and why, and what the card decides."""

import zipfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn
import skops.io
from msgspec import to_builtins
from msgspec.structs import replace
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from tests.xgserve.compiler.helpers import NAME
from tests.xgserve.helpers import bundle, goals, load_model, numeric_model, shots
from xgserve.errors import ModelError
from xgserve.model.compiled import read_description, write_compiled
from xgserve.model.model import Model
from xgserve.model.schema import Column
from xgserve.names import COMPILED
from xgserve.registry.bundle import FOLDER

NUMBERS = shots()[["distance", "angle"]]
GOALS = goals(NUMBERS)


def load(tmp_path: Path, estimator: Any, **card: Any) -> Model:
    return load_model(bundle(tmp_path, estimator, **card), NAME)


@pytest.mark.parametrize(
    ("estimator", "message"),
    [
        (lambda: LinearRegression().fit(NUMBERS, GOALS), "not a classifier with predict_proba"),
        (lambda: {"a": 1}, "holds a dict"),
        (lambda: LogisticRegression(), "not fitted"),
        (lambda: LogisticRegression().fit(NUMBERS, np.where(GOALS, "goal", "no")), "classes must be 0"),
        (lambda: LogisticRegression().fit(NUMBERS, np.arange(len(NUMBERS)) % 3), "classes must be 0"),
        (lambda: LogisticRegression().fit(NUMBERS.to_numpy(), GOALS), "names of its columns"),
        (lambda: make_pipeline(FunctionTransformer(print), LogisticRegression()), r"refused: .*builtins\.print"),
    ],
)
def test_artifact_without_a_usable_classifier_is_refused(tmp_path: Path, estimator: Any, message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(tmp_path, estimator())


def test_model_that_gives_no_probability_is_refused(tmp_path: Path) -> None:
    estimator = numeric_model()
    estimator[-1].intercept_ = np.array([np.nan])
    with pytest.raises(ModelError, match=r"golden row.*no probability"):
        load(tmp_path, estimator)


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04 cut off"])
def test_damaged_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(ModelError, match="damaged"):
        load_model(tmp_path / "model.skops", NAME)


def test_pickle_is_loaded_only_where_the_operator_allows_it(tmp_path: Path) -> None:
    joblib.dump(numeric_model(), tmp_path / "model.joblib")
    with pytest.raises(ModelError, match="XG_TRUST_PICKLE_WORKSPACES"):
        load_model(tmp_path / "model.joblib", NAME)
    assert load_model(tmp_path / "model.joblib", NAME, allow_pickle=True).check() > 0


def test_artifact_of_another_scikit_learn_is_loaded_with_a_warning(tmp_path: Path) -> None:
    artifact = bundle(tmp_path, numeric_model())
    aged = _with_text_replaced(artifact, f'\\"{sklearn.__version__}\\"', '\\"1.2.2\\"')
    described = to_builtins(load_model(aged, NAME).describe())
    assert described["library"] == {"name": "scikit-learn", "artifact": "1.2.2", "here": sklearn.__version__}
    assert described["warnings"] == [f"made with scikit-learn 1.2.2, loaded with {sklearn.__version__}"]


def test_artifact_of_another_scikit_learn_that_fails_names_the_versions(tmp_path: Path) -> None:
    artifact = bundle(tmp_path, HistGradientBoostingClassifier(max_iter=2).fit(NUMBERS, GOALS))
    aged = _with_text_replaced(artifact, f'\\"{sklearn.__version__}\\"', '\\"1.2.2\\"')
    broken = _with_text_replaced(aged, '"_BinMapper"', '"_NoSuchThing"')
    with pytest.raises(ModelError, match=r"1\.2\.2|refused"):
        load_model(broken, NAME)


def _with_text_replaced(artifact: Path, old: str, new: str) -> Path:
    copy = artifact.with_name("copy-" + artifact.name)
    with zipfile.ZipFile(artifact) as source, zipfile.ZipFile(copy, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "schema.json":
                assert old in content.decode()
                content = content.decode().replace(old, new).encode()
            target.writestr(name, content)
    return copy


# -- the card ---------------------------------------------------------------------------------------------------------


def test_card_names_the_columns_of_a_model_that_was_fitted_on_an_array(tmp_path: Path) -> None:
    estimator = LogisticRegression().fit(NUMBERS.to_numpy(), GOALS)
    model = load(
        tmp_path, estimator, features=[{"name": "distance", "kind": "number"}, {"name": "a", "kind": "number"}]
    )
    columns = {"a": NUMBERS["angle"].tolist(), "distance": NUMBERS["distance"].tolist()}
    predicted = model.predict(columns, range(len(NUMBERS)))
    np.testing.assert_allclose(predicted, estimator.predict_proba(NUMBERS.to_numpy())[:, 1])


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"features": [{"name": "distance", "kind": "number"}]}, "disagree about the columns"),
        ({"features": [{"name": "distance", "kind": "text"}]}, "features"),
        ({"features": 3}, "features"),
        ({"golden_row": {"distance": 1}}, "golden_row"),
        ({"golden_row": {"distance": "x", "angle": 1}}, "golden row"),
        ({"golden_row": {"distance": 10, "angle": 1}, "golden_probability": 0.999}, "its card promises"),
        ({"golden_probability": "high"}, "golden_probability"),
    ],
)
def test_card_that_does_not_fit_the_model_is_refused(tmp_path: Path, card: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        load(tmp_path, numeric_model(), **card)


@pytest.mark.parametrize("content", ["[]", "{", "\xff", pytest.param("[" * 100_000, id="nested")])
def test_card_that_is_not_a_json_object_is_refused(tmp_path: Path, content: str) -> None:
    artifact = bundle(tmp_path, numeric_model())
    (artifact.parent / "card.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(ModelError, match=r"card\.json"):
        load_model(artifact, NAME)


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ('{"metrics": [1]}', '"metrics" must be an object'),
        ('{"metrics": {"a": ' + "[" * 900 + "]" * 900 + "}}", "20 levels deep"),
        ('{"metrics": {"a": "' + "x" * 100_000 + '"}}', '"metrics" is longer than 100,000 bytes'),
        ('{"metrics": {"a": "\\ud800"}}', "surrogates"),
        ('{"population": {"a": 1}}', '"population" must be text'),
        ('{"golden_probability": 1' + "0" * 400 + "}", "from 0 to 1"),
        ('{"golden_probability": NaN}', "from 0 to 1"),
    ],
)
def test_hostile_entry_of_a_card_is_refused_by_name(tmp_path: Path, card: str, message: str) -> None:
    artifact = bundle(tmp_path, numeric_model())
    (artifact.parent / "card.json").write_text(card)
    with pytest.raises(ModelError, match=rf"card\.json.*{message}"):
        load_model(artifact, NAME)


def test_model_that_takes_too_much_to_describe_is_refused(tmp_path: Path) -> None:
    description = read_description(FOLDER / "xg-default/1.0.0" / COMPILED)
    assert description is not None
    long = Column("type", "category", tuple(f"{number} {'x' * 1000}" for number in range(17_000)))
    with pytest.raises(ModelError, match="too many categories"):
        write_compiled(tmp_path, replace(description, columns=(long,)), None)
    with pytest.raises(ModelError, match="surrogates"):
        write_compiled(tmp_path, replace(description, columns=(Column("\ud800", "number"),)), None)
    assert not list(tmp_path.iterdir())


def test_golden_row_of_the_card_is_the_one_that_is_checked(tmp_path: Path) -> None:
    row = {"distance": 10.0, "angle": 20.0}
    probability = float(numeric_model().predict_proba(pd.DataFrame([row]))[0, 1])
    model = load(tmp_path, numeric_model(), golden_row=row, golden_probability=probability, metrics={"auc": 0.7})
    assert model.check() == pytest.approx(probability)
    assert to_builtins(model.describe().golden_row) == {"values": row, "probability": pytest.approx(probability)}
    assert model.describe().metrics == {"auc": 0.7}


def test_trusted_types_are_never_taken_from_the_file(tmp_path: Path) -> None:
    artifact = bundle(tmp_path, make_pipeline(FunctionTransformer(print), StandardScaler(), LogisticRegression()))
    untrusted = skops.io.get_untrusted_types(file=artifact)
    with pytest.raises(ModelError) as refused:
        load_model(artifact, NAME)
    assert untrusted
    assert all(name in str(refused.value) for name in untrusted)


@pytest.mark.parametrize(
    ("told", "understood"),
    [([20202021, 20222023], [20202021, 20222023]), ([], []), (None, None), ("2020-21", None), ([2020.5], None),
     ([True], None), ({"20202021": 1}, None)],
)  # fmt: skip
def test_seasons_of_the_card_are_passed_on_if_they_are_whole_numbers(
    tmp_path: Path, told: Any, understood: Any
) -> None:
    assert load(tmp_path, numeric_model(), seasons=told).describe().trained_on == understood
