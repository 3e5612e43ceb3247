"""Models of another scikit-learn, or of libraries that are missing: the error says why, and what to do."""

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import pytest
import sklearn
import skops.io
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from tests.xgserve.compiler.helpers import NAME, load_without_graph
from tests.xgserve.compiler.scikit import hostile_skops
from tests.xgserve.compiler.scikit.hostile_skops import Node, nodes, plain
from tests.xgserve.helpers import goals, load_model, shots
from xgserve.errors import InvalidFrame, ModelError

SHOTS = shots(60)[["distance", "angle"]]
GOALS = goals(SHOTS)

SAYS = f"made with scikit-learn 1.3.2, loaded with {sklearn.__version__}"
ADVICE = f"fit and save it again with scikit-learn {sklearn.__version__}"


def without(name: str) -> Any:
    """An imputer that lacks what a later version gave it, before a classifier."""
    fitted = make_pipeline(SimpleImputer(), LogisticRegression()).fit(SHOTS, GOALS)
    vars(fitted[0]).pop(name)
    return fitted


def with_counts() -> Any:
    """A forest as scikit-learn 1.3 stored it: its leaves hold counts of rows, and not shares."""
    fitted = RandomForestClassifier(2, max_depth=2).fit(SHOTS, GOALS)
    for member in fitted.estimators_:
        member.tree_.value[:] *= member.tree_.weighted_n_node_samples[:, None, None]
    return fitted


def old_version(schema: Node) -> None:
    """Make a schema say that it is of an old scikit-learn."""
    for kind in ("Pipeline", "SimpleImputer", "LogisticRegression", "RandomForestClassifier", "DecisionTreeClassifier"):
        for node in nodes(schema, kind):
            node["content"]["content"]["_sklearn_version"] = plain("1.3.2")


def with_old_loss(schema: Node) -> None:
    old_version(schema)
    for node in nodes(schema, "LogisticRegression"):
        loss = hostile_skops.named("sklearn.ensemble._gb_losses", "BinomialDeviance", "ObjectNode", content=plain(None))
        node["content"]["content"]["solver"] = loss


OLD: dict[str, tuple[Callable[[], Any], Callable[[Node], None], str]] = {
    "a type that is gone": (lambda: without("statistics_"), with_old_loss, "BinomialDeviance"),
    "an attribute that is missing in scoring": (
        lambda: without("_fill_dtype"),
        old_version,
        "no attribute '_fill_dtype'",
    ),
    "counts for shares": (with_counts, old_version, "do not hold shares"),
}


@pytest.mark.parametrize("kind", OLD)
def test_old_skops_file_that_fails_names_both_versions(kind: str, tmp_path: Path) -> None:
    make, edit, words = OLD[kind]
    artifact = hostile_skops.write(tmp_path, hostile_skops.edited(skops.io.dumps(make()), edit))
    with pytest.raises(ModelError) as error:
        load_model(artifact, NAME)
    assert words in str(error.value)
    assert str(error.value).count(SAYS) == 1 and ADVICE in str(error.value)


@pytest.mark.parametrize("compress", [0, ("zlib", 3), ("gzip", 3), ("bz2", 3), ("xz", 3), ("lzma", 3)])
def test_old_pickle_that_fails_names_both_versions_however_it_is_compressed(compress: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump({"_sklearn_version": "1.3.2", "note": "1.3.2", "loss": _Vanishing()}, path, compress=compress)
    with pytest.raises(ModelError) as error:
        load_model(path, NAME, allow_pickle=True)
    assert "sklearn.vanished" in str(error.value)
    assert SAYS in str(error.value) and ADVICE in str(error.value)


class _Vanishing:
    """Pickled, it imports a module that this scikit-learn does not have."""

    def __reduce__(self) -> tuple[Any, ...]:
        return (__import__, ("sklearn.vanished",))


def test_version_that_only_the_card_names_is_in_the_error(tmp_path: Path) -> None:
    path = tmp_path / "model.joblib"
    joblib.dump(_Vanishing(), path)
    (tmp_path / "card.json").write_text(json.dumps({"sklearn_version": "1.3.2"}))
    with pytest.raises(ModelError, match=re.escape(SAYS)):
        load_model(path, NAME, allow_pickle=True)
    (tmp_path / "card.json").unlink()
    with pytest.raises(ModelError, match="probably made with another version of scikit-learn"):
        load_model(path, NAME, allow_pickle=True)


def test_row_that_needs_what_an_old_model_lacks_names_both_versions(tmp_path: Path) -> None:
    """The golden row passes; the attribute is needed only by a row with a null."""
    fitted = make_pipeline(SimpleImputer(), LogisticRegression()).fit(SHOTS, GOALS)
    artifact = hostile_skops.write(tmp_path, hostile_skops.edited(skops.io.dumps(fitted), old_version))
    model, path = load_without_graph(artifact)
    del path.estimator[0].statistics_
    with pytest.raises(InvalidFrame) as error:
        model.predict({"distance": [None], "angle": [1.0]}, [0])
    assert SAYS in str(error.value) and ADVICE in str(error.value)


def test_old_model_that_breaks_its_cards_promise_names_both_versions(tmp_path: Path) -> None:
    fitted = LogisticRegression().fit(SHOTS, GOALS)
    content = hostile_skops.edited(skops.io.dumps(fitted), old_version)
    golden = {"golden_row": {"distance": 10.0, "angle": 1.0}, "golden_probability": 0.999}
    with pytest.raises(ModelError) as error:
        load_model(hostile_skops.write(tmp_path, content, **golden), NAME)
    assert SAYS in str(error.value)
    golden["golden_row"] = {"distance": "far", "angle": 1.0}
    with pytest.raises(ModelError) as error:
        load_model(hostile_skops.write(tmp_path, content, **golden), NAME)
    assert "golden row" in str(error.value) and SAYS not in str(error.value), "the card is wrong, and not the version"


def test_error_of_a_model_of_this_version_names_no_version(tmp_path: Path) -> None:
    artifact = hostile_skops.write(tmp_path, skops.io.dumps(without("_fill_dtype")))
    with pytest.raises(ModelError, match="_fill_dtype") as error:
        load_model(artifact, NAME)
    assert "made with" not in str(error.value)


class _Foreign:
    """Pickled, it imports a library."""

    def __init__(self, library: str) -> None:
        self.library = library

    def __reduce__(self) -> tuple[Any, ...]:
        return (__import__, (self.library,))


@pytest.mark.parametrize(
    ("library", "words"),
    [
        ("lightgbm.sklearn", "It needs lightgbm, which is not installed here: pip install '.[boosters]'"),
        ("xgboost.core", "It needs xgboost, which is not installed here: pip install '.[boosters]'"),
        (
            "imblearn.over_sampling",
            "It needs imbalanced-learn, which is not installed here: pip install imbalanced-learn",
        ),
        ("unheard_of", "It needs unheard_of, which is not installed here: pip install unheard_of"),
    ],
)
def test_missing_library_is_named_with_the_way_to_install_it(
    library: str, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = library.partition(".")[0]
    monkeypatch.setitem(sys.modules, package, None)  # wherever it is installed
    joblib.dump(_Foreign(library), tmp_path / "model.joblib")
    with pytest.raises(ModelError) as error:
        load_model(tmp_path / "model.joblib", NAME, allow_pickle=True)
    assert words in str(error.value)
