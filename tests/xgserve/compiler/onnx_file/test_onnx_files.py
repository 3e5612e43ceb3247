"""An .onnx file is written again from our list of operators, and gives what onnxruntime gives for the file itself."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pandas as pd
import pytest
from onnx import TensorProto, helper
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from tests.xgserve.compiler.onnx_file.onnx_files import (
    GOALS,
    LEARNING,
    MODES,
    SHOTS,
    asked,
    built,
    card_of,
    classifier,
    converted,
    ensemble,
    near_and_far,
    node,
    of_one_tensor,
    random_trees,
    written,
)
from tests.xgserve.helpers import load_model
from xgserve.errors import InvalidFrame, ModelError
from xgserve.model.compiled import GRAPH_FILE
from xgserve.model.model import Model
from xgserve.names import COMPILED
from xgserve.registry import compilation

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

TOLERANCE = 1e-6
NUMBERS = ["distance", "angle"]
ALL = [*NUMBERS, "shot_type", "period"]
NAMED = card_of(*NUMBERS)


def predicted(model: Model, frame: pd.DataFrame) -> Any:
    values = {name: [None if pd.isna(v) else v for v in column.tolist()] for name, column in frame.items()}
    return model.predict(values, range(len(frame)))  # type: ignore[arg-type]


def refused(folder: Path, model: onnx.ModelProto | bytes, card: dict[str, Any] | None = None) -> str:
    with pytest.raises(ModelError) as error:
        load_model(written(folder, model, card))
    return str(error.value)


def one_hot(**options: Any) -> OneHotEncoder:
    return OneHotEncoder(handle_unknown="ignore", **options)


def pipeline(classifier: Any) -> Any:
    filled = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(make_column_transformer((filled, NUMBERS), (one_hot(), ["shot_type", "period"])), classifier)


OF_ALL = {
    "logistic": pipeline(LogisticRegression()),
    "forest": pipeline(RandomForestClassifier(30, max_depth=8, random_state=0)),
    "boosting": pipeline(GradientBoostingClassifier(n_estimators=30, random_state=0)),
    "tree": pipeline(DecisionTreeClassifier(max_depth=6, random_state=0)),
    "network": pipeline(MLPClassifier((8,), max_iter=300, random_state=0)),
    "ordinal codes": make_pipeline(
        make_column_transformer(
            (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["shot_type"]),
            (SimpleImputer(), NUMBERS),
        ),
        ExtraTreesClassifier(20, max_depth=6, random_state=0),
    ),
}


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("kind", OF_ALL)
def test_pipeline_with_an_input_per_column_gives_the_probabilities_of_the_original(
    kind: str, zipmap: bool, tmp_path: Path
) -> None:
    columns = ALL if kind != "ordinal codes" else [*NUMBERS, "shot_type"]
    estimator = OF_ALL[kind].fit(SHOTS[columns], GOALS)
    file = converted(estimator, columns, zipmap=zipmap)
    model = load_model(written(tmp_path, file))
    frame = near_and_far(columns, nulls=True)
    found = predicted(model, frame)
    assert abs(found - asked(file, frame)).max() <= TOLERANCE
    known = frame["shot_type"].isin(SHOTS["shot_type"].unique())
    expected = estimator.predict_proba(frame[known])[:, 1]
    assert abs(found[known.to_numpy()] - expected).max() <= 1e-5
    operators = {node.op_type for node in onnx.load(tmp_path / COMPILED / GRAPH_FILE).graph.node}
    assert not operators & {"ZipMap", "OneHotEncoder", "LinearClassifier", "TreeEnsembleClassifier", "ArgMax"}


OF_NUMBERS = {
    "logistic": LogisticRegression(),
    "scaled to a range": make_pipeline(MinMaxScaler(), LogisticRegression()),
    "bins": make_pipeline(KBinsDiscretizer(4, encode="ordinal"), LogisticRegression()),
    "forest": RandomForestClassifier(50, random_state=0),
    "tree": DecisionTreeClassifier(random_state=0),
    "boosting": GradientBoostingClassifier(n_estimators=40, random_state=0),
    "calibrated by sigmoid": CalibratedClassifierCV(GradientBoostingClassifier(n_estimators=5), cv=3),
    "calibrated by steps": CalibratedClassifierCV(LogisticRegression(), method="isotonic", cv=2),
    "network": MLPClassifier((6, 4), max_iter=200, random_state=0),
    "network with tanh": MLPClassifier((5,), activation="tanh", max_iter=200, random_state=0),
}


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("kind", OF_NUMBERS)
def test_classifier_of_one_tensor_gives_the_probabilities_of_the_original(
    kind: str, zipmap: bool, tmp_path: Path
) -> None:
    estimator = OF_NUMBERS[kind].fit(SHOTS[NUMBERS].to_numpy(), GOALS)
    file = of_one_tensor(estimator, 2, zipmap=zipmap)
    model = load_model(written(tmp_path, file, NAMED))
    frame = near_and_far(NUMBERS, nulls=model.columns[0].nullable)
    found = predicted(model, frame)
    assert abs(found - asked(file, frame)).max() <= TOLERANCE
    if kind != "calibrated by steps" and not model.columns[0].nullable:  # which skl2onnx converts to nearest steps
        assert abs(found - estimator.predict_proba(frame.to_numpy())[:, 1]).max() <= 1e-5


def test_sums_of_many_trees_differ_by_their_rounding(tmp_path: Path) -> None:
    """A thousand numbers added up in single precision are off by more than 1e-6."""
    attributes = random_trees(["BRANCH_LEQ"], trees=1_000, low=0.9)
    attributes["class_weights"] = [round(weight, 4) - 7e-6 for weight in attributes["class_weights"]]
    file = classifier(attributes, post_transform="NONE")
    frame = on_the_thresholds()
    original = asked(file, frame)
    card = {**NAMED, "golden_row": dict(frame.iloc[0]), "golden_probability": original[0] - 1.5e-5}
    model = load_model(written(tmp_path, file, card))
    differs = abs(predicted(model, frame) - original).max()
    assert TOLERANCE < differs < 3e-5
    assert model.check() == pytest.approx(predicted(model, frame)[0], abs=1e-12)


def test_large_forest_is_compiled_within_the_memory_of_the_child(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compilation, "MEMORY_FLOOR_BYTES", 0)
    attributes = {name: values * 150 for name, values in random_trees(["BRANCH_LEQ"], trees=100).items()}
    attributes["nodes_treeids"] = [place // 15 for place in range(len(attributes["nodes_treeids"]))]
    attributes["class_treeids"] = [place // 8 for place in range(len(attributes["class_treeids"]))]
    artifact = written(tmp_path / "model", classifier(attributes), NAMED)
    (tmp_path / "scratch").mkdir()
    assert compilation.compile_artifact(artifact, "a", allow_pickle=False, scratch=tmp_path / "scratch", seconds=120)


def test_weights_among_the_inputs_are_weights(tmp_path: Path) -> None:
    """As files of old versions have them."""
    nodes = [node("MatMul", "X", "W", output="s"), node("Sigmoid", "s", output="P")]
    inputs = {"X": (TensorProto.FLOAT, [None, 2]), "W": (TensorProto.FLOAT, [2, 1])}
    file = built(nodes, {"W": np.array([[0.1], [0.2]], np.float32)}, inputs=inputs, opset=8)
    file.ir_version = 3
    model = load_model(written(tmp_path, file, NAMED))
    assert model.golden_probability == pytest.approx(1 / (1 + np.exp(-0.3)), abs=TOLERANCE)


@pytest.mark.parametrize("kind", ["logistic", "network", "forest"])
def test_double_precision_stays_double(kind: str, tmp_path: Path) -> None:
    estimator = make_pipeline(make_column_transformer((StandardScaler(), NUMBERS)), OF_ALL[kind][-1])
    file = converted(estimator.fit(SHOTS[NUMBERS], GOALS), NUMBERS, double=True, zipmap=False)
    model = load_model(written(tmp_path, file))
    frame = near_and_far(NUMBERS)
    found = predicted(model, frame)
    assert abs(found - asked(file, frame)).max() <= TOLERANCE
    if kind in ("logistic", "network"):
        assert abs(found - estimator.predict_proba(frame)[:, 1]).max() <= 1e-12


def test_refusal_of_double_precision_that_onnxruntime_cannot_run_says_how_to_convert(tmp_path: Path) -> None:
    file = converted(OF_ALL["logistic"].fit(SHOTS, GOALS), ALL, double=True)
    why = refused(tmp_path, file)
    assert "Imputer is given float64" in why and "with a first row of float32" in why


# -- what columns take ------------------------------------------------------------------------------------------------


def columns_of(model: Model) -> dict[str, tuple[Any, ...]]:
    return {c.name: (c.kind, c.categories, c.nullable, c.takes_unknown) for c in model.columns}


def test_columns_are_read_from_the_file(tmp_path: Path) -> None:
    model = load_model(written(tmp_path, converted(OF_ALL["logistic"].fit(SHOTS, GOALS), ALL)))
    assert columns_of(model) == {
        "distance": ("number", None, True, False),
        "angle": ("number", None, True, False),
        "shot_type": ("category", ("slap", "tip", "wrist"), True, True),
        "period": ("category", (1, 2, 3, 4), False, True),
    }
    assert model.library.name == "onnxruntime"


def test_encoder_that_refuses_unknown_categories_does_so_as_a_column(tmp_path: Path) -> None:
    encode = make_column_transformer((OneHotEncoder(), ["shot_type"]), ("passthrough", NUMBERS))
    estimator = make_pipeline(encode, LogisticRegression()).fit(SHOTS, GOALS)
    model = load_model(written(tmp_path, converted(estimator, [*NUMBERS, "shot_type"])))
    assert columns_of(model)["shot_type"] == ("category", ("slap", "tip", "wrist"), False, False)
    with pytest.raises(InvalidFrame, match="not a category that the model knows"):
        model.predict({"distance": [1.0], "angle": [1.0], "shot_type": ["between the legs"]}, [0])


@pytest.mark.parametrize("null", [None, np.nan])
def test_null_is_the_category_that_null_was_in_training(null: float | None, tmp_path: Path) -> None:
    frame = SHOTS[["distance", "shot_type"]].astype({"shot_type": object})
    frame.loc[frame.index % 5 == 0, "shot_type"] = null
    outcome = np.where(frame["shot_type"].isna(), 1, GOALS)  # so that null says much
    encode = make_column_transformer((one_hot(), ["shot_type"]), ("passthrough", ["distance"]))
    estimator = make_pipeline(encode, LogisticRegression()).fit(frame, outcome)
    model = load_model(written(tmp_path, converted(estimator, ["distance", "shot_type"])))
    assert columns_of(model)["shot_type"] == ("category", ("slap", "tip", "wrist"), True, True)
    found = predicted(model, frame)
    assert abs(found - estimator.predict_proba(frame)[:, 1]).max() <= TOLERANCE
    unknown = model.predict({"distance": [20.0], "shot_type": ["between the legs"]}, [0])
    assert abs(unknown - model.predict({"distance": [20.0], "shot_type": [None]}, [0])) > 0.1


def test_whole_numbers_take_no_null_and_lose_their_fraction(tmp_path: Path) -> None:
    estimator = make_pipeline(StandardScaler(), LogisticRegression()).fit(SHOTS[["period"]], GOALS)
    file = converted(estimator, ["period"])
    model = load_model(written(tmp_path, file))
    assert columns_of(model)["period"] == ("number", None, False, False)
    found = model.predict({"period": [2, 2.9, -0.5]}, range(3))
    assert abs(found - asked(file, pd.DataFrame({"period": [2, 2, 0]}))).max() <= TOLERANCE


def test_card_may_say_that_encoded_whole_numbers_are_numbers(tmp_path: Path) -> None:
    estimator = make_pipeline(one_hot(), LogisticRegression()).fit(SHOTS[["period"]], GOALS)
    file = converted(estimator, ["period"])
    model = load_model(written(tmp_path, file, card_of("period")))
    assert columns_of(model)["period"] == ("number", None, False, False)
    frame = pd.DataFrame({"period": range(-2, 9)})
    assert abs(predicted(model, frame) - asked(file, frame)).max() <= TOLERANCE


@pytest.mark.parametrize("keys", [["slap", "tip", "tip"], ["tip", "tip", "slap"]])
def test_first_of_two_codes_of_a_category_counts(keys: list[str], tmp_path: Path) -> None:
    codes = {"keys_strings": keys, "values_floats": [0.1, -0.2, 0.3], "default_float": 0.7}
    nodes = [node("LabelEncoder", "shot_type", output="c", domain=LEARNING, **codes), node("Sigmoid", "c", output="P")]
    file = built(nodes, inputs={"shot_type": (TensorProto.STRING, [None, 1])})
    frame = pd.DataFrame({"shot_type": ["slap", "tip", "wrist", None]})
    model = load_model(written(tmp_path, file))
    assert model.columns[0].categories == tuple(dict.fromkeys(keys))
    assert abs(predicted(model, frame) - asked(file, frame)).max() <= TOLERANCE


# -- names ------------------------------------------------------------------------------------------------------------


def test_refusal_says_which_names_the_card_must_have(tmp_path: Path) -> None:
    file = of_one_tensor(OF_NUMBERS["logistic"].fit(SHOTS[NUMBERS].to_numpy(), GOALS), 2)
    words = refused(tmp_path / "none", file)
    assert "its 2 columns have no names of their own" in words
    assert '{"features": [{"name": ..., "kind": "number"}, {"name": ..., "kind": "number"}]}' in words
    assert "the card names 3" in refused(tmp_path / "three", file, card_of("a", "b", "c"))


def test_card_with_other_names_than_the_file_is_refused(tmp_path: Path) -> None:
    file = converted(OF_ALL["logistic"].fit(SHOTS, GOALS), ALL)
    assert "disagree about the columns ['angle', 'corner']" in refused(tmp_path, file, card_of("distance", "corner"))[
        :400
    ].replace(", 'period', 'shot_type'", "")


def test_columns_of_several_tables_have_the_names_of_the_card(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Concat", ["A", "B"], ["X"], axis=1),
        helper.make_node("MatMul", ["X", "W"], ["S"]),
        helper.make_node("Sigmoid", ["S"], ["P"]),
    ]
    inputs = {"A": (TensorProto.FLOAT, [None, 2]), "B": (TensorProto.FLOAT, [None, 1])}
    file = built(nodes, {"W": np.array([[1.0], [2.0], [-3.0]], np.float32)}, inputs=inputs)
    model = load_model(written(tmp_path, file, card_of("u", "v", "w")))
    found = model.predict({"u": [0.5], "v": [0.25], "w": [0.125]}, [0])
    assert found[0] == pytest.approx(1 / (1 + np.exp(-(0.5 + 0.5 - 0.375))), abs=TOLERANCE)


@pytest.mark.parametrize("shape", [[1, 2], [10, 2]])
def test_fixed_number_of_rows_is_refused(shape: list[int], tmp_path: Path) -> None:
    file = built([helper.make_node("Sigmoid", ["X"], ["P"])], inputs={"X": (TensorProto.FLOAT, shape)})
    assert f"takes exactly {shape[0]} rows: export it for any number of rows" in refused(tmp_path, file, NAMED)


# -- which output is P(goal) ------------------------------------------------------------------------------------------


def labelled(classes: list[Any], **options: Any) -> onnx.ModelProto:
    outcome = np.array(classes, dtype=object if isinstance(classes[0], str) else None)[GOALS]
    return of_one_tensor(
        LogisticRegression().fit(SHOTS[NUMBERS].to_numpy(), outcome.astype(type(classes[0]))), 2, **options
    )


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("classes", [[0, 1], [False, True], ["0", "1"]])
def test_labels_that_mean_no_goal_and_goal_need_no_card(classes: list[Any], zipmap: bool, tmp_path: Path) -> None:
    file = labelled(classes, zipmap=zipmap)
    near, far = load_model(written(tmp_path, file, NAMED)).predict({"distance": [1, 99], "angle": [0, 0]}, range(2))
    assert near > far


@pytest.mark.parametrize("zipmap", [True, False])
@pytest.mark.parametrize("classes", [["miss", "score"], ["saved", "goal"]])
def test_other_labels_need_the_positive_class(classes: list[str], zipmap: bool, tmp_path: Path) -> None:
    file = labelled(classes, zipmap=zipmap)
    assert "positive_class" in refused(tmp_path / "no", file, NAMED)
    model = load_model(written(tmp_path / "yes", file, {**NAMED, "positive_class": classes[1]}))
    near, far = model.predict({"distance": [1, 99], "angle": [0, 0]}, range(2))
    assert near > far


def test_three_classes_are_refused(tmp_path: Path) -> None:
    file = of_one_tensor(LogisticRegression().fit(SHOTS[NUMBERS].to_numpy(), SHOTS["period"].to_numpy() % 3), 2)
    assert "LinearClassifier has other coefficients" in refused(tmp_path, file, NAMED)


@pytest.mark.parametrize("shape", [[None, 1], [None]])
def test_network_with_one_output(shape: list[Any], tmp_path: Path) -> None:
    """As torch exports one: Gemm, Relu, Gemm, Sigmoid."""
    random = np.random.default_rng(0)
    weights = {
        "W": random.normal(0, 0.02, (4, 2)).astype(np.float32),
        "b": random.normal(size=4).astype(np.float32),
        "V": random.normal(size=(1, 4)).astype(np.float32),
        "c": np.zeros(1, np.float32),
        "last": np.array([1]),
    }
    nodes = [
        helper.make_node("Gemm", ["X", "W", "b"], ["h"], transB=1),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "V", "c"], ["s"], transB=1),
        helper.make_node("Sigmoid", ["s"], ["P" if len(shape) == 2 else "p"]),
    ]
    if len(shape) == 1:
        nodes.append(helper.make_node("Squeeze", ["p", "last"], ["P"]))
    file = built(nodes, weights, outputs={"P": (TensorProto.FLOAT, shape)})
    model = load_model(written(tmp_path, file, NAMED))
    frame = near_and_far(NUMBERS)
    assert abs(predicted(model, frame) - asked(file, frame)).max() <= TOLERANCE


def test_score_that_is_no_probability_is_refused(tmp_path: Path) -> None:
    file = built([helper.make_node("MatMul", ["X", "W"], ["P"])], {"W": np.array([[3.0], [1.0]], np.float32)})
    assert "its output P is no probability but goes from 4 to 4: export it with a Sigmoid" in refused(
        tmp_path, file, NAMED
    )


# -- trees ------------------------------------------------------------------------------------------------------------


def on_the_thresholds() -> pd.DataFrame:
    """Every pair of thresholds, the numbers of single precision beside them, and null."""
    exact = np.arange(-3, 4, dtype=np.float32)
    beside = [np.nextafter(exact, np.float32(side)) for side in (-9, 9)]
    numbers = np.concatenate([exact, *beside, [np.float32(np.nan)]]).astype(np.float64)
    return pd.DataFrame([(a, b) for a in numbers for b in numbers], columns=NUMBERS)


@pytest.mark.parametrize("modes", [*([mode] for mode in MODES), MODES], ids=[*MODES, "all"])
def test_every_way_to_split_is_written_as_at_most(modes: list[str], tmp_path: Path) -> None:
    file = classifier(random_trees(modes))
    model = load_model(written(tmp_path, file, NAMED))
    frame = on_the_thresholds()
    assert abs(predicted(model, frame) - asked(file, frame)).max() <= TOLERANCE
    (node,) = [n for n in onnx.load(tmp_path / COMPILED / GRAPH_FILE).graph.node if n.op_type.startswith("Tree")]
    (written_modes,) = [a for a in node.attribute if a.name == "nodes_modes"]
    assert not onnx.numpy_helper.to_array(written_modes.t).any()


@pytest.mark.filterwarnings("ignore:overflow encountered in cast")
@pytest.mark.parametrize("mode", ["BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT"])
def test_threshold_without_end_parts_null_from_numbers(mode: str, tmp_path: Path) -> None:
    attributes = random_trees([mode])
    attributes["nodes_values"][0] = float("inf")
    file = classifier(attributes)
    frame = pd.concat([on_the_thresholds(), pd.DataFrame({"distance": [1e300, -1e300], "angle": [0.0, 0.0]})])
    found = predicted(load_model(written(tmp_path, file, NAMED)), frame)
    assert abs(found - asked(file, frame)).max() <= TOLERANCE


CLASSES = {
    "one score, base value": ({"base_values": [-0.3]}, {}),
    "one score that is a probability": ({"post_transform": "NONE"}, {"low": 0.0}),
    "one positive score, logistic": ({}, {"low": 0.0}),
    "one positive score, softmax": ({"post_transform": "SOFTMAX"}, {"low": 0.0}),
}


@pytest.mark.parametrize("kind", CLASSES)
def test_binary_trees_as_onnxruntime_evaluates_them(kind: str, tmp_path: Path) -> None:
    more, how = CLASSES[kind]
    file = classifier(random_trees(MODES, **how), **more)  # type: ignore[arg-type]
    frame = on_the_thresholds()
    found = predicted(load_model(written(tmp_path, file, NAMED)), frame)
    assert abs(found - asked(file, frame)).max() <= TOLERANCE


@pytest.mark.parametrize("way", ["LOGISTIC", "SOFTMAX", "NONE"])
@pytest.mark.parametrize("ids", [[1], [0, 1]])
def test_trees_with_a_number_for_each_class(ids: list[int], way: str, tmp_path: Path) -> None:
    attributes = random_trees(MODES, low=0.0)
    once = {name: attributes[f"class_{name}"] for name in ("treeids", "nodeids", "weights")}
    both = {f"class_{name}": values * len(ids) for name, values in once.items()}
    both["class_ids"] = [of for of in ids for _ in once["nodeids"]]
    both["class_weights"] = [
        w if of else 1 / 12 - w for w, of in zip(both["class_weights"], both["class_ids"], strict=True)
    ]
    file = classifier({**attributes, **both}, post_transform=way)
    frame = on_the_thresholds()
    found = predicted(load_model(written(tmp_path, file, NAMED)), frame)
    assert abs(found - asked(file, frame)).max() <= TOLERANCE


def test_splits_by_category_as_lightgbm_has_them(tmp_path: Path) -> None:
    """A chain of nodes, each for one category, that all lead to the same node."""
    attributes: dict[str, Any] = {
        "nodes_treeids": [0] * 6,
        "nodes_nodeids": list(range(6)),
        "nodes_featureids": [0, 0, 0, 1, 0, 0],
        "nodes_values": [1.0, 3.0, 4.0, 0.5, 0.0, 0.0],
        "nodes_modes": ["BRANCH_EQ", "BRANCH_EQ", "BRANCH_EQ", "BRANCH_LEQ", "LEAF", "LEAF"],
        "nodes_truenodeids": [3, 3, 3, 4, 0, 0],
        "nodes_falsenodeids": [1, 2, 5, 6, 0, 0],
        "class_treeids": [0] * 3,
        "class_nodeids": [4, 5, 6],
        "class_ids": [0] * 3,
        "class_weights": [1.0, -1.0, 0.25],
    }
    for name, value in (("treeids", 0), ("nodeids", 6), ("featureids", 0), ("values", 0.0), ("modes", "LEAF")):
        attributes[f"nodes_{name}"].append(value)
    for name in ("truenodeids", "falsenodeids"):
        attributes[f"nodes_{name}"].append(0)
    file = classifier(attributes)
    frame = pd.DataFrame([(a, b) for a in (0.0, 1, 2, 3, 4, 5, np.nan) for b in (0.0, 1.0, np.nan)], columns=NUMBERS)
    found = predicted(load_model(written(tmp_path, file, NAMED)), frame)
    assert abs(found - asked(file, frame)).max() <= TOLERANCE
    assert len(set(found)) == 3


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE"])
def test_trees_of_a_regressor(aggregate: str, tmp_path: Path) -> None:
    attributes = random_trees(MODES)
    targets: dict[str, Any] = {
        f"target_{name[6:]}": values for name, values in attributes.items() if name.startswith("class_")
    }
    nodes: dict[str, Any] = {name: values for name, values in attributes.items() if name.startswith("nodes_")}
    more: dict[str, Any] = {"n_targets": 1, "aggregate_function": aggregate, "base_values": [0.25]}
    tree = helper.make_node("TreeEnsembleRegressor", ["X"], ["s"], domain=LEARNING, **nodes, **targets, **more)
    file = built([tree, helper.make_node("Sigmoid", ["s"], ["P"])])
    frame = on_the_thresholds()
    found = predicted(load_model(written(tmp_path, file, NAMED)), frame)
    assert abs(found - asked(file, frame)).max() <= TOLERANCE


def test_trees_of_version_five(tmp_path: Path) -> None:
    file = ensemble()
    frame = pd.DataFrame([(a, b) for a in (0, 1, 2, np.nan) for b in (-3, -2, 0.1, 0.3, np.nan)], columns=NUMBERS)
    found = predicted(load_model(written(tmp_path, file, NAMED)), frame)
    assert abs(found - asked(file, frame)).max() <= TOLERANCE
    assert len(set(found)) == 4


# -- operators --------------------------------------------------------------------------------------------------------

FIVE = np.array([[0.1, -0.2, 0.3, 0.4, -0.5], [0.5, 0.1, -0.3, 0.2, 0.05]], np.float32)


def of_five(*nodes: onnx.NodeProto, opset: int = 18, **weights: Any) -> onnx.ModelProto:
    """Return five scaled numbers per row, `A`, through these nodes to `B`, and its sigmoid summed up."""
    before = [helper.make_node("Mul", ["X", "tiny"], ["x"]), helper.make_node("MatMul", ["x", "five"], ["A"])]
    axes: dict[str, Any] = {"axes": [1]} if opset < 13 else {}
    after = [
        helper.make_node("ReduceSum", ["B", "one"] if opset >= 13 else ["B"], ["all"], **axes),
        helper.make_node("Sigmoid", ["all"], ["P"]),
    ]
    constants = {"tiny": np.float32(0.01), "five": FIVE, "one": np.array([1]), **weights}
    return built([*before, *nodes, *after], constants, opset=opset)


def learnt(operator: str, **attributes: Any) -> onnx.NodeProto:
    return node(operator, "A", domain=LEARNING, **attributes)


F = np.float32
FIVES = np.array([1, 2, 3, 4, 5], F)
OPERATORS: dict[str, onnx.ModelProto] = {
    **{name: of_five(node(name, "A")) for name in ("Abs", "Neg", "Sign", "Exp", "Tanh", "Relu", "Softplus", "Erf")},
    **{name: of_five(node(name, "A")) for name in ("Floor", "Ceil", "Round", "Sin", "Cos", "Softsign", "Identity")},
    **{name: of_five(node(name, "A", alpha=0.3)) for name in ("LeakyRelu", "Elu", "HardSigmoid", "ThresholdedRelu")},
    **{name: of_five(node(name, "A", "w"), w=FIVES) for name in ("Add", "Sub", "Mul", "Div", "Min", "Max", "Sum")},
    "Pow": of_five(node("Abs", "A", output="a"), node("Pow", "a", "w"), w=F(1.5)),
    "Clip by inputs": of_five(node("Clip", "A", "", "w"), w=F(0.1)),
    "Clip by attributes": of_five(node("Clip", "A", min=-0.1, max=0.2), opset=10),
    "Where": of_five(node("Less", "A", "w", output="c"), node("Where", "c", "A", "w"), w=F(0.05)),
    "logic": of_five(
        node("Greater", "A", "w", output="g"),
        node("IsNaN", "A", output="n"),
        node("Or", "g", "n", output="o"),
        node("Not", "o", output="b"),
        node("Cast", "b", to=TensorProto.FLOAT),
        w=F(0.05),
    ),
    "Gemm": of_five(node("Gemm", "A", "W", "w", alpha=0.5, beta=2.0), W=np.outer(FIVES, FIVES) / F(25), w=F(-1)),
    "reshaped": of_five(
        node("Unsqueeze", "A", "two", output="u"),
        node("Transpose", "u", perm=[0, 2, 1], output="t"),
        node("Reshape", "t", "shape", output="r"),
        node("Flatten", "r"),
        two=np.array([2]),
        shape=np.array([-1, 5, 1]),
    ),
    "sliced": of_five(node("Slice", "A", "start", "end", "one", "step"), start=[4], end=[0], step=[-2]),
    "split": of_five(
        helper.make_node("Split", ["A", "parts"], ["first", "second"], axis=1),
        node("Concat", "second", "first", axis=-1, output="c"),
        node("Mul", "c", "w"),
        parts=np.array([2, 3]),
        w=FIVES,
    ),
    "Gather": of_five(node("Gather", "A", "places", axis=1), places=np.array([3, 0, -1])),
    "sums of rows": of_five(
        node("ReduceMean", "A", "one", output="m"), node("ReduceL2", "A", "one", output="l"), node("Sub", "m", "l")
    ),
    "Softmax": of_five(node("Softmax", "A", output="s"), node("Mul", "s", "w"), w=FIVES),
    "largest": of_five(
        node("ArgMax", "A", axis=1, output="i"),
        node("Cast", "i", to=TensorProto.FLOAT, output="f"),
        node("Mul", "f", "w"),
        w=F(0.1),
    ),
    "BatchNormalization": of_five(node("BatchNormalization", "A", "w", "w", "w", "w"), w=FIVES),
    "LayerNormalization": of_five(node("LayerNormalization", "A", "w", "w"), w=FIVES),
    "Constant": of_five(
        helper.make_node("Constant", [], ["k"], value=onnx.numpy_helper.from_array(FIVES)), node("Mul", "A", "k")
    ),
    "Dropout": of_five(node("Dropout", "A")),
    "Scaler": of_five(learnt("Scaler", offset=[0.1] * 5, scale=[1.0, 2.0, 3.0, 4.0, 5.0])),
    "Imputer": of_five(learnt("Imputer", imputed_value_floats=[9.0], replaced_value_float=0.0)),
    "Binarizer": of_five(learnt("Binarizer", threshold=0.1)),
    "Normalizer": of_five(learnt("Normalizer", norm="L2")),
    "LinearRegressor": of_five(learnt("LinearRegressor", coefficients=list(FIVES), intercepts=[0.1], targets=1)),
    "FeatureVectorizer": of_five(learnt("FeatureVectorizer", inputdimensions=[5])),
    "LabelEncoder": of_five(
        node("Round", "A", output="r"),
        node("LabelEncoder", "r", domain=LEARNING, keys_floats=[0.0, 1.0], values_floats=[0.3, 0.7], default_float=0.5),
    ),
}


@pytest.mark.parametrize("kind", OPERATORS)
def test_operator_gives_what_the_original_gives(kind: str, tmp_path: Path) -> None:
    file = OPERATORS[kind]
    model = load_model(written(tmp_path, file, NAMED))
    frame = near_and_far(NUMBERS, 1_000)
    expected = asked(file, frame)
    assert abs(predicted(model, frame) - expected).max() <= TOLERANCE
    assert len(set(expected)) > 1
    with_nulls = near_and_far(NUMBERS, 1_000, nulls=True)
    if model.columns[0].nullable:
        assert abs(predicted(model, with_nulls) - asked(file, with_nulls)).max() <= TOLERANCE


def test_parts_that_only_the_label_needs_are_not_run(tmp_path: Path) -> None:
    """An operator that is not on the list, behind the label alone, is in neither graph."""
    file = converted(OF_ALL["logistic"].fit(SHOTS, GOALS), ALL)
    file.graph.node.append(helper.make_node("Shape", ["output_label"], ["sizes"]))
    file.graph.output.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [1]))
    model = load_model(written(tmp_path, file))
    assert 0 < model.golden_probability < 1


def test_onnxruntime_never_runs_the_file_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given the checked nodes alone: no label, no ZipMap, no words of the author."""
    given: list[onnx.ModelProto] = []
    session = onnxruntime.InferenceSession

    def spy(content: bytes, *arguments: Any, **more: Any) -> Any:
        given.append(onnx.load_from_string(content))
        return session(content, *arguments, **more)

    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    file = converted(OF_ALL["logistic"].fit(SHOTS, GOALS), ALL)
    file.graph.doc_string = file.doc_string = "words of the author"
    helper.set_model_props(file, {"path": "/etc/passwd"})
    load_model(written(tmp_path, file))
    assert given
    for model in given:
        assert "ZipMap" not in {node.op_type for node in model.graph.node}
        assert len(model.graph.output) == 1
        assert b"words of the author" not in model.SerializeToString()
        assert b"/etc/passwd" not in model.SerializeToString()
