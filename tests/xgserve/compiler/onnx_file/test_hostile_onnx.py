"""ONNX files that must be refused: each is a working model except for one fault, and its refusal names that."""

import json
import urllib.error
import urllib.request
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from sklearn.linear_model import LogisticRegression

from tests.conftest import running_service
from tests.xgserve.compiler.onnx_file.onnx_files import (
    GOALS,
    LEARNING,
    MODES,
    SHOTS,
    built,
    card_of,
    classifier,
    ensemble,
    node,
    of_one_tensor,
    random_trees,
    written,
)
from tests.xgserve.compiler.opened_files import files_opened
from tests.xgserve.helpers import load_model
from tests.xgserve.registry import hostile
from tests.xgserve.registry.comet_standin import KEY, StandIn
from xgserve.errors import ArtifactRefused, ModelError
from xgserve.registry import compilation

CARD = card_of("distance", "angle")
FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
HUGE = 1 << 40

Make = Callable[[], onnx.ModelProto | bytes]


def good() -> onnx.ModelProto:
    return of_one_tensor(LogisticRegression().fit(SHOTS[["distance", "angle"]].to_numpy(), GOALS), 2)


def changed(change: Callable[[onnx.ModelProto], Any], make: Callable[[], onnx.ModelProto] = good) -> Make:
    def make_changed() -> onnx.ModelProto:
        model = make()
        change(model)
        return model

    return make_changed


def of(*nodes: onnx.NodeProto, **weights: Any) -> Make:
    """Nodes from `X`, (rows, 2), to `A`, which is brought to (rows, 1) and through a sigmoid."""
    after = [node("ReduceSum", "A", "one", output="s"), node("Sigmoid", "s", output="P")]
    return lambda: built([*nodes, *after], {"one": np.array([1]), **weights})


def a(operator: str, *inputs: str, domain: str = "", **attributes: Any) -> onnx.NodeProto:
    return node(operator, *(inputs or ("X",)), output="A", domain=domain, **attributes)


def weight(**fields: Any) -> Make:
    """A network whose weight has these fields."""

    def make() -> onnx.ModelProto:
        model = built([a("MatMul", "X", "W"), node("Sigmoid", "A", output="P")], {})
        model.graph.initializer.append(onnx.TensorProto(name="W", **{"dims": [2, 1], "data_type": FLOAT, **fields}))
        return model

    return make


def external(model: onnx.ModelProto, path: str = "../../secret") -> None:
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=path)


def twice(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(model.graph.initializer[0])


def without_output(model: onnx.ModelProto) -> None:
    model.graph.output[0].name = "gone"


def network() -> onnx.ModelProto:
    return built([a("MatMul", "X", "W"), node("Sigmoid", "A", output="P")], {"W": np.array([[0.1], [0.2]], np.float32)})


def branch() -> onnx.GraphProto:
    made = helper.make_empty_tensor_value_info("A")
    return helper.make_graph([node("Identity", "X", output="A")], "branch", [], [made])


def loop() -> onnx.ModelProto:
    """A loop without end."""
    body = helper.make_graph(
        [node("Identity", "go", output="on"), node("Identity", "x", output="y")],
        "body",
        [
            helper.make_tensor_value_info("turn", INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", FLOAT, [None, 2]),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", FLOAT, [None, 2]),
        ],
    )
    made = of(a("Loop", "", "yes", "X", body=body), yes=np.array(True))()
    assert isinstance(made, onnx.ModelProto)
    return made


def trees(**changes: Any) -> Make:
    """Trees of which these attributes are changed: by place in a list, or as a whole."""

    def make() -> onnx.ModelProto:
        attributes: dict[str, Any] = random_trees(MODES)
        for name, change in changes.items():
            if isinstance(change, dict):
                for place, value in change.items():
                    attributes[name][place] = value
            else:
                attributes[name] = change
        return classifier(attributes)

    return make


def single_numbers(count: int) -> Make:
    """Trees that each ask for another number."""

    def make() -> onnx.ModelProto:
        places = range(3 * count)
        return classifier(
            {
                "nodes_treeids": [place // 3 for place in places],
                "nodes_nodeids": [place % 3 for place in places],
                "nodes_featureids": [0] * len(places),
                "nodes_values": [float(place) for place in places],
                "nodes_modes": ["BRANCH_EQ", "LEAF", "LEAF"] * count,
                "nodes_truenodeids": [1, 0, 0] * count,
                "nodes_falsenodeids": [2, 0, 0] * count,
                "class_treeids": [place // 2 for place in range(2 * count)],
                "class_nodeids": [1, 2] * count,
                "class_ids": [0] * (2 * count),
                "class_weights": [0.5, -0.5] * count,
            }
        )

    return make


def deep(levels: int) -> Make:
    """One tree whose every node has a leaf on one side."""

    def make() -> onnx.ModelProto:
        count = 2 * levels + 1
        inner = [place % 2 == 0 and place < count - 1 for place in range(count)]
        return classifier(
            {
                "nodes_treeids": [0] * count,
                "nodes_nodeids": list(range(count)),
                "nodes_featureids": [0] * count,
                "nodes_values": [float(place) for place in range(count)],
                "nodes_modes": ["BRANCH_LEQ" if is_inner else "LEAF" for is_inner in inner],
                "nodes_truenodeids": [place + 1 if is_inner else 0 for place, is_inner in enumerate(inner)],
                "nodes_falsenodeids": [place + 2 if is_inner else 0 for place, is_inner in enumerate(inner)],
                "class_treeids": [0] * (levels + 1),
                "class_nodeids": [place for place, is_inner in enumerate(inner) if not is_inner],
                "class_ids": [0] * (levels + 1),
                "class_weights": [0.5 / (place + 1) for place in range(levels + 1)],
            }
        )

    return make


def inputs(*dimensions: Any, kind: int = FLOAT, **others: Any) -> Make:
    named = {"X": (kind, list(dimensions)), **others}
    return lambda: built([a("Identity"), node("Sigmoid", "A", output="P")], inputs=named)


def doubled(times: int) -> Make:
    names = ["X", *(f"x{turn}" for turn in range(times))]
    nodes = [node("Concat", one, one, output=two, axis=1) for one, two in pairwise(names)]
    return of(*nodes, a("Identity", names[-1]))


def held(count: int) -> Make:
    """Many tensors that are all needed to the end."""
    nodes = [node("Add", "wide", f"w{turn}", output=f"x{turn}") for turn in range(count)]
    weights = {f"w{turn}": np.float32(turn) for turn in range(count)}
    summed = node("Sum", *(f"x{turn}" for turn in range(count)), output="A")
    wide = node("MatMul", "X", "W", output="wide")
    return of(wide, *nodes, summed, W=np.ones((2, 1000), np.float32), **weights)


def one_hot(known: list[str], kind: int = TensorProto.STRING, width: int = 1) -> Make:
    encode = node("OneHotEncoder", "X", output="o", domain=LEARNING, cats_strings=known)
    nodes = [encode, node("ReduceSum", "o", "axes", output="s"), node("Sigmoid", "s", output="P")]
    named = {"X": (kind, [None, width])}
    return lambda: built(nodes, {"axes": np.array([1, 2])}, inputs=named)


def only_at_most() -> list[str]:
    return [mode if mode == "LEAF" else "BRANCH_LEQ" for mode in random_trees(MODES)["nodes_modes"]]


def trees_as_they_are() -> onnx.ModelProto:
    return classifier(random_trees(MODES))


def without_nodes(model: onnx.ModelProto) -> None:
    attributes = model.graph.node[0].attribute
    for attribute in list(attributes):
        if attribute.name.startswith("nodes_"):
            attributes.remove(attribute)


def of_two_classes() -> dict[str, Any]:
    return {**random_trees(MODES), "classlabels_int64s": [0, 1]}


HOSTILE: dict[str, tuple[Make, str]] = {
    # the file
    "nothing": (lambda: b"", "no ONNX file"),
    "text": (lambda: b"this is not a model", "no ONNX file"),
    "cut off": (lambda: good().SerializeToString()[:-200], "damaged or no ONNX file"),
    "name that is not UTF-8": (lambda: good().SerializeToString().replace(b"Cast", b"\xff\xfe\xfd\xfc"), "not UTF-8"),
    "version of the format": (changed(lambda m: setattr(m, "ir_version", 99)), "version 99 of the ONNX format"),
    "opset of the future": (changed(lambda m: setattr(m.opset_import[0], "version", 99)), "opset 99"),
    "opset of the past": (
        lambda: built([a("Abs"), node("Sigmoid", "A", output="P")], opset=6),
        "opset 6 of ai.onnx; 7",
    ),
    "no opset": (changed(lambda m: m.ClearField("opset_import")), "which opset"),
    "functions": (changed(lambda m: m.functions.add(name="f", domain="x")), "functions of its own (f)"),
    "training": (changed(lambda m: m.training_info.add()), "training information"),
    "sparse weights": (changed(lambda m: m.graph.sparse_initializer.add()), "sparse weights"),
    "nodes without end": (
        of(*(node("Abs", "X", output=f"n{turn}") for turn in range(5_001)), a("Abs")),
        "at most 5,000",
    ),
    # nodes
    "loop": (loop, "Loop holds a graph of its own"),
    "branch": (of(a("If", "X", then_branch=branch(), else_branch=branch())), "If holds a graph of its own"),
    "graph in an operator of the list": (of(a("Abs", body=branch())), "Abs holds a graph of its own"),
    "operator of another domain": (of(a("Attention", domain="com.microsoft")), "Attention is of com.microsoft"),
    "operator that is not on the list": (of(a("NonZero")), "NonZero is not on the list"),
    "operator that does not exist": (of(a("Eval")), "Eval is not on the list"),
    "circle": (of(node("Add", "X", "A", output="b"), a("Abs", "b")), "form a circle"),
    "node that reads itself": (of(a("Abs", "A")), "form a circle"),
    "two tensors of one name": (of(a("Abs"), a("Neg")), "two tensors of the name A"),
    "node in place of an input": (of(node("Abs", "X", output="X"), a("Abs")), "two tensors of the name X"),
    "two weights of one name": (changed(twice, network), "the name W"),
    "output that nothing makes": (changed(without_output), "no node makes its output gone"),
    "node without its second input": (of(a("MatMul", "X")), "has no input 1"),
    "node without inputs": (of(helper.make_node("Concat", [], ["A"], axis=1)), "combines different types"),
    "unknown attribute": (of(a("Abs", alpha=1.0)), "the attribute alpha, which is not read"),
    "attribute of another type": (of(a("LeakyRelu", alpha="1")), "the attribute alpha of another type"),
    "attribute twice": (
        changed(lambda m: m.graph.node[0].attribute.append(m.graph.node[0].attribute[0])),
        "an attribute that cannot be read",
    ),
    "reference to an attribute": (
        changed(lambda m: setattr(m.graph.node[0].attribute[0], "ref_attr_name", "x")),
        "an attribute that cannot be read",
    ),
    "label in the probabilities": (
        lambda: built(
            [
                helper.make_node("TreeEnsembleClassifier", ["X"], ["l", "q"], domain=LEARNING, **of_two_classes()),
                node("Cast", "l", output="f", to=FLOAT),
                node("Reshape", "f", "shape", output="P"),
            ],
            {"shape": np.array([-1, 1])},
        ),
        "computes with the label",
    ),
    "several probabilities": (
        lambda: built(
            [node("Sigmoid", "X", output="P"), node("Abs", "P", output="Q")],
            outputs={"P": (FLOAT, [None, 2]), "Q": (FLOAT, [None, 2])},
        ),
        "cannot tell which of its outputs",
    ),
    # weights
    "weight in another file": (changed(external, network), "W is in another file, which is not read"),
    "constant in another file": (
        of(a("Constant", "X", value=onnx.TensorProto(dims=[1], data_type=FLOAT, data_location=TensorProto.EXTERNAL))),
        "in another file",
    ),
    "weight of a trillion numbers": (weight(dims=[HUGE, 2], raw_data=b"\0" * 8), "16,000,000 numbers fit"),
    "weight of 2**128 numbers": (weight(dims=[1 << 32] * 4, raw_data=b""), "16,000,000 numbers fit"),
    "weight of less than no numbers": (weight(dims=[-2, -1], raw_data=b"\0" * 8), "16,000,000 numbers fit"),
    "weight of many dimensions": (weight(dims=[1] * 60, raw_data=b"\0" * 4), "16,000,000 numbers fit"),
    "weight that is shorter than it says": (weight(raw_data=b"\0" * 4), "says it has 2 numbers and has 1"),
    "weight that is longer than it says": (weight(float_data=[0.0] * 3), "says it has 2 numbers and has 3"),
    "weight of half a number": (weight(raw_data=b"\0" * 6), "says it has 2 numbers and has 1.5"),
    "weight of texts": (weight(data_type=TensorProto.STRING, string_data=[b"a", b"b"]), "W of STRING"),
    "weight of an unknown type": (weight(data_type=77, raw_data=b"\0" * 8), "W of 77"),
    "NaN among the weights": (weight(float_data=[float("nan"), 0.0]), "not a finite number"),
    "infinity among the weights": (weight(float_data=[float("inf"), 0.0]), "not a finite number"),
    # what takes memory or mixes rows
    "columns without end": (inputs(None, 1_000_000), "1,000,000 columns; 1 to 1,000 are taken"),
    "no columns": (inputs(None, 0), "0 columns"),
    "three dimensions": (inputs(None, 2, 2), "3 dimensions"),
    "half precision": (inputs(None, 2, kind=TensorProto.FLOAT16), "of another type than float"),
    "doubled over and over": (doubled(12), "Concat brings the memory that a row takes over 16,384 bytes"),
    "wide network": (of(a("MatMul", "X", "W"), W=np.zeros((2, 5_000), np.float32)), "5,000 numbers per row"),
    "many tensors at a time": (held(6), "over 16,384 bytes"),
    "tile": (of(a("Tile", "X", "times"), times=np.array([1, HUGE])), "Tile is not on the list"),
    "expand": (of(a("Expand", "X", "to"), to=np.array([1, HUGE])), "Expand is not on the list"),
    "constant of a shape": (of(a("ConstantOfShape", "to"), to=np.array([HUGE])), "ConstantOfShape is not on the list"),
    "range": (of(a("Range", "0", "1", "0"), **{"0": np.array(0), "1": np.array(HUGE)}), "Range is not on the list"),
    "pad": (of(a("Pad", "X", "by"), by=np.array([0, HUGE, 0, HUGE])), "Pad is not on the list"),
    "rows summed up": (of(a("ReduceSum", "X", "rows"), rows=np.array([0])), "mixes rows"),
    "rows turned into columns": (of(a("Transpose")), "mixes rows"),
    "rows compared": (of(a("Softmax", axis=0)), "mixes rows"),
    "rows combined with rows": (
        of(node("ReduceSum", "X", "one", output="total", keepdims=0), a("Add", "X", "total")),
        "shapes that do not fit",
    ),
    "rows joined": (of(a("Concat", "X", "X", axis=0)), "joins rows"),
    "rows taken": (of(a("Gather", "X", "first", axis=0), first=np.array([0])), "takes rows"),
    "rows reshaped": (of(a("Reshape", "X", "to"), to=np.array([2, -1])), "mixes rows"),
    "rows of a fixed number": (of(a("Add", "X", "w"), w=np.ones((10, 2), np.float32)), "shapes that do not fit"),
    "place outside of a table": (of(a("Gather", "X", "far", axis=1), far=np.array([HUGE])), "not within 2"),
    "place computed": (
        of(node("Cast", "X", output="i", to=INT64), a("Gather", "X", "i", axis=1)),
        "takes its input 1 from other operators",
    ),
    "divided by a whole zero": (
        of(node("Cast", "X", output="i", to=INT64), node("Div", "i", "i", output="d"), a("Cast", "d", to=FLOAT)),
        "Div is given int64",
    ),
    "list of places without end": (
        of(a("Gather", "X", "all", axis=1), all=np.zeros(50_000, np.int64)),
        "or places of several",
    ),
    # texts
    "text without end": (one_hot(["a", "b" * 1_000_000]), "a text of more than 1,000 bytes"),
    "categories without end": (one_hot([str(turn) for turn in range(1_001)]), "more than 1,000"),
    "texts without end": (one_hot([str(turn) for turn in range(50_000)]), "50,000 texts; at most 20,000"),
    "category twice": (one_hot(["a", "a"]), "some twice"),
    "texts as numbers": (
        lambda: built([node("Sigmoid", "X", output="P")], inputs={"X": (TensorProto.STRING, [None, 1])}),
        "given texts, which only encoders are",
    ),
    "numbers among texts": (one_hot(["a"], FLOAT, 2), "knows texts only"),
    "name without end": (
        lambda: built(
            [node("Add", "x" * 1_000, "Y", output="A"), node("Sigmoid", "A", output="P")],
            inputs={"x" * 1_000: (FLOAT, [None, 1]), "Y": (FLOAT, [None, 1])},
        ),
        "longer than 200",
    ),
    # trees
    "child out of range": (trees(nodes_truenodeids={0: 99}), "a child that is no node of the tree"),
    "child far out of range": (trees(nodes_truenodeids={0: 1 << 62}), "a child out of range"),
    "child before the first": (trees(nodes_falsenodeids={0: -1}), "a child out of range"),
    "child of another tree": (trees(nodes_falsenodeids={0: 15}), "a child that is no node of the tree"),
    "node that is its own child": (trees(nodes_truenodeids={3: 3}), "two parents, or that form a circle"),
    "circle of nodes": (trees(nodes_truenodeids={3: 0}), "two parents, or that form a circle"),
    "node with two parents": (trees(nodes_modes=only_at_most(), nodes_truenodeids={3: 9}), "two parents"),
    "ids taken twice": (trees(nodes_nodeids={5: 4}), "two nodes of the same id"),
    "ids out of range": (trees(nodes_nodeids={5: 1 << 40}), "ids of trees or nodes out of range"),
    "tree in pieces": (trees(nodes_treeids={3: 5}), "a tree in several pieces"),
    "column out of range": (trees(nodes_featureids={0: 2}), "a column that is not among its 2"),
    "column before the first": (trees(nodes_featureids={0: -1}), "a column that is not among its 2"),
    "NaN as threshold": (trees(nodes_values={0: float("nan")}), "a threshold that no number can be compared with"),
    "less than all numbers": (
        trees(nodes_values={0: float("-inf")}, nodes_modes={0: "BRANCH_LT"}),
        "a threshold that no number can be compared with",
    ),
    "infinity in a leaf": (trees(class_weights={0: float("inf")}), "class_weights with a number that is not finite"),
    "leaf out of range": (trees(class_nodeids={0: 77}), "a leaf that is no node"),
    "class out of range": (trees(class_ids={0: 1 << 40}), "more than 2 classes"),
    "numbers for one leaf twice": (trees(class_nodeids={1: 7}), "several for the same class"),
    "lists of different lengths": (trees(nodes_values=[0.0]), "lists of nodes of different lengths"),
    "leaves of different lengths": (trees(class_ids=[0]), "lists of leaves of different lengths"),
    "no nodes": (changed(without_nodes, trees_as_they_are), "lacks the attribute nodes_treeids"),
    "unknown way to split": (trees(nodes_modes={0: "BRANCH_EVAL"}), "splits by b'BRANCH_EVAL'"),
    "unknown post_transform": (
        lambda: classifier(random_trees(MODES), post_transform="PROBIT"),
        "post_transform PROBIT",
    ),
    "deeper than onnxruntime loads": (deep(1_001), "deeper than 1,000"),
    "leaf out of range, version 5": (lambda: ensemble(nodes_truenodeids=[1, 9, 3]), "a child that is no node"),
    "node out of range, version 5": (lambda: ensemble(nodes_falsenodeids=[-3, 1, 4]), "a child that is no node"),
    "root out of range, version 5": (lambda: ensemble(tree_roots=[0, 9]), "roots out of range"),
    "circle, version 5": (lambda: ensemble(nodes_truenodeids=[0, 0, 3]), "two parents, or that form a circle"),
    "tree twice, version 5": (lambda: ensemble(tree_roots=[0, 0]), "the same tree twice"),
    "mode out of range, version 5": (lambda: ensemble(modes=[0, 1, 200]), "modes or roots out of range"),
    "sets, version 5": (lambda: ensemble(membership_values=numpy_helper.from_array(np.ones(3))), "BRANCH_MEMBER"),
    "NaN as threshold, version 5": (lambda: ensemble(nodes_splits=[np.nan, 0, 0]), "no number can be compared with"),
    "single numbers without end": (single_numbers(1_001), "1,001 times by 1,001 single numbers of one column"),
    "columns of single numbers": (single_numbers(900), "its last operator brings the memory that a row takes over"),
    "smallest of all trees": (lambda: ensemble(aggregate_function=2), "aggregate_function MIN"),
}


def refused(folder: Path, file: onnx.ModelProto | bytes) -> str:
    with pytest.raises(ModelError) as error:
        load_model(written(folder, file, CARD if isinstance(file, bytes) or _has_one_tensor(file) else None))
    return str(error.value)


def _has_one_tensor(file: onnx.ModelProto) -> bool:
    return len(file.graph.input) == 1 and file.graph.input[0].type.tensor_type.elem_type != TensorProto.STRING


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_file_is_refused_by_name(kind: str, tmp_path: Path) -> None:
    make, words = HOSTILE[kind]
    why = refused(tmp_path, make())
    assert words in why
    assert len(why) < 1_000


def test_model_of_these_tests_loads_without_its_fault(tmp_path: Path) -> None:
    for place, make in enumerate((good, network, trees(), deep(1_000), ensemble, doubled(8), held(2), of(a("Abs")))):
        model = load_model(written(tmp_path / str(place), make(), CARD))
        assert 0 <= model.golden_probability <= 1


def test_file_that_a_weight_names_is_never_opened(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(np.array([[0.1], [0.2]], np.float32).tobytes())
    file = network()
    external(file, "../secret")
    with files_opened() as opened:
        why = refused(tmp_path / "model", file)
    assert "in another file" in why
    assert any("model.onnx" in path for path in opened), "the audit works"
    assert not any("secret" in path for path in opened)


@pytest.mark.parametrize("kind", ["good", "trees"])
def test_file_cut_off_anywhere_is_refused(kind: str, tmp_path: Path) -> None:
    whole = (good() if kind == "good" else classifier(random_trees(MODES, trees=2))).SerializeToString()
    for place, length in enumerate(range(0, len(whole) - 1, max(1, len(whole) // 60))):
        assert "refused" in refused(tmp_path / str(place), whole[:length])


def test_bits_turned_at_random_give_a_refusal_or_a_model_that_agrees(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    whole = classifier(random_trees(MODES, trees=2)).SerializeToString()
    loaded = 0
    for turn in range(150):
        file = bytearray(whole)
        for place in random.integers(len(file), size=random.integers(1, 4)):
            file[place] ^= 1 << int(random.integers(8))
        try:
            model = load_model(written(tmp_path / str(turn), bytes(file), CARD))
        except ModelError:
            continue
        loaded += 1
        assert model.agreement is not None and model.agreement <= 1e-6
    assert 0 < loaded < 150


def compiled(artifact: Path, scratch: Path) -> list[Path]:
    scratch.mkdir()
    return compilation.compile_artifact(artifact, "acme", allow_pickle=False, scratch=scratch, seconds=60)


def test_file_that_unpacks_beyond_its_memory_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two bytes of an empty text take dozens in memory."""
    monkeypatch.setattr(compilation, "MEMORY_FLOOR_BYTES", 16 << 20)
    monkeypatch.setattr(compilation, "MEMORY_PER_ONNX_BYTE", 1)
    file = trees(nodes_modes=[""] * 3_000_000)()
    with pytest.raises(ArtifactRefused, match="MB of memory"):
        compiled(written(tmp_path / "model", file, CARD), tmp_path / "scratch")


@pytest.mark.timeout(300)
def test_service_answers_a_hostile_file_with_its_fault_and_serves_on(tmp_path: Path) -> None:
    kinds = ["cut off", "loop", "weight in another file"]
    standin = StandIn()
    card = json.dumps(CARD).encode()
    for place, kind in enumerate(kinds):
        made = HOSTILE[kind][0]()
        content = made if isinstance(made, bytes) else made.SerializeToString()
        standin.add("acme", f"m{place}", "1.0.0", hostile.zipped({"model.onnx": content, "card.json": card}))
    standin.add("acme", "good", "1.0.0", hostile.zipped({"model.onnx": good().SerializeToString(), "card.json": card}))
    settings = {"COMET_API_KEY": KEY, "COMET_URL_OVERRIDE": standin.url}
    with standin.running(), running_service(tmp_path / "data", settings=settings) as service:
        before = service.client.model().id
        for place, kind in enumerate(kinds):
            wanted = {"workspace": "acme", "model": f"m{place}", "version": "1.0.0"}
            request = urllib.request.Request(
                f"{service.url}/download_registry_model",
                json.dumps(wanted).encode(),
                {"Content-Type": "application/json"},
            )
            with pytest.raises(urllib.error.HTTPError) as error:
                urllib.request.urlopen(request, timeout=60)
            answer = json.loads(error.value.read())["error"]
            assert (error.value.code, answer["code"]) == (422, "artifact_refused")
            assert HOSTILE[kind][1] in answer["message"]
            assert service.client.model().id == before
        service.client.download_registry_model("acme", "good", "1.0.0")
        assert service.client.model().id.startswith("acme/good:1.0.0@")
