"""Hostile .skops models of types that skops itself trusts: made with skops where it will, else by editing its schema.

Each is a working classifier except for one fault.
"""

import io
import json
import operator
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import skops.io
from scipy.sparse import csr_array
from sklearn.cluster import KMeans
from sklearn.compose import make_column_transformer
from sklearn.decomposition import NMF, LatentDirichletAllocation, MiniBatchNMF, SparseCoder
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier, StackingClassifier
from sklearn.feature_extraction import FeatureHasher
from sklearn.feature_extraction.text import CountVectorizer, HashingVectorizer, TfidfVectorizer
from sklearn.feature_selection import SelectFromModel
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import AdditiveChi2Sampler, Nystroem, PolynomialCountSketch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    PolynomialFeatures,
    SplineTransformer,
    StandardScaler,
    TargetEncoder,
)
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier
from sklearn.tree._tree import Tree
from sklearn.utils.validation import check_array

from tests.xgserve.helpers import goals, shots

SHOTS = shots(60)
NUMBERS = SHOTS[["distance", "angle"]]
GOALS = goals(SHOTS)

Node = dict[str, Any]


def dumped(estimator: Any) -> bytes:
    content: bytes = skops.io.dumps(estimator)
    return content


def before(step: Any) -> Pipeline:
    """The step and a classifier after it, fitted."""
    return make_pipeline(step, LogisticRegression()).fit(NUMBERS, GOALS)


def altered(step: Any, **attributes: Any) -> bytes:
    """A pipeline whose fitted first step was given other attributes afterwards."""
    fitted = before(step)
    vars(fitted[0]).update(attributes)
    return dumped(fitted)


# -- files ------------------------------------------------------------------------------------------------------------

READERS: dict[str, Callable[[], Any]] = {
    "CountVectorizer": lambda: CountVectorizer(analyzer="char"),
    "TfidfVectorizer": lambda: TfidfVectorizer(analyzer="char"),
    "HashingVectorizer": lambda: HashingVectorizer(analyzer="char", n_features=64),
}


def reads_files(kind: str, how: str = "filename") -> bytes:
    """A model that weighs the letters of the file that a row's `shot_type` names."""
    frame = SHOTS[["shot_type", "distance"]]
    reader = make_column_transformer((READERS[kind](), "shot_type"), ("passthrough", ["distance"]))
    fitted = make_pipeline(reader, LogisticRegression()).fit(frame, GOALS)
    fitted[0].transformers_[0][1].set_params(input=how)
    fitted[0].transformers[0][1].set_params(input=how)
    return dumped(fitted)


# -- schemas ----------------------------------------------------------------------------------------------------------


def edited(content: bytes, edit: Callable[[Node], None], **files: bytes) -> bytes:
    """The file with its schema changed by `edit`, and with further files."""
    result = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(result, "w") as new:
        schema = json.loads(old.read("schema.json"))
        edit(schema)
        for name in old.namelist():
            if name not in ("schema.json", *files):
                new.writestr(name, old.read(name))
        for name, extra in files.items():
            new.writestr(name, extra)
        new.writestr("schema.json", json.dumps(schema))
    return result.getvalue()


def nodes(node: Any, of: str) -> Iterator[Node]:
    """All nodes of objects of a type, by its last name."""
    if isinstance(node, dict):
        if node.get("__class__") == of and "__loader__" in node:
            yield node
        for child in node.values():
            yield from nodes(child, of)
    elif isinstance(node, list):
        for child in node:
            yield from nodes(child, of)


def attribute(of: str, name: str, value: Node) -> bytes:
    """A plain model in which an object has an attribute made from `value`."""

    def edit(schema: Node) -> None:
        for node in nodes(schema, of):
            attributes = node["content"]
            if name not in attributes["content"]:
                attributes["key_types"]["content"].append(named("builtins", "str", "TypeNode"))
            attributes["content"][name] = value

    return edited(dumped(before(StandardScaler())), edit)


def named(module: str, name: str, loader: str, **more: Any) -> Node:
    return {"__class__": name, "__module__": module, "__loader__": loader, **more}


def plain(value: Any) -> Node:
    return named("builtins", "str", "JsonNode", content=json.dumps(value))


def sequence(*items: Node, of: str = "list") -> Node:
    return named("builtins", of, {"list": "ListNode", "tuple": "TupleNode"}[of], content=list(items))


def dictionary(**items: Node) -> Node:
    keys = sequence(*(named("builtins", "str", "TypeNode") for _ in items))
    return named("builtins", "dict", "DictNode", content=items, key_types=keys)


def function(module: str, name: str) -> Node:
    return named(module, name, "FunctionNode")


def called(node: Node) -> bytes:
    """A model that calls what a node makes on each row."""
    content = dumped(before(FunctionTransformer()))

    def edit(schema: Node) -> None:
        for transformer in nodes(schema, "FunctionTransformer"):
            transformer["content"]["content"]["func"] = node

    return edited(content, edit)


def one_id_for_two() -> bytes:
    """A function where one is allowed, and elsewhere a number that claims to be the same object."""
    steps = (FunctionTransformer(np.log1p), StandardScaler(), LogisticRegression())

    def edit(schema: Node) -> None:
        for transformer in nodes(schema, "FunctionTransformer"):
            transformer["content"]["content"]["func"]["__id__"] = 7
        for scaler in nodes(schema, "StandardScaler"):
            scaler["content"]["content"]["note_"] = plain(5) | {"__id__": 7}
            scaler["content"]["key_types"]["content"].append(named("builtins", "str", "TypeNode"))

    return edited(dumped(make_pipeline(*steps).fit(NUMBERS, GOALS)), edit)


def old_function() -> bytes:
    """A function as the first version of the format writes it, under the name of another."""
    node = function("numpy", "log1p") | {"content": {"module_path": "os", "function": "system"}}
    return edited(called(node), lambda schema: schema.update(protocol=0))


def array(header: dict[str, Any], data: bytes = b"", name: str = "ndarray") -> bytes:
    """A model with an array of a made-up header among its attributes."""
    content = io.BytesIO()
    np.lib.format.write_array_header_1_0(content, header)
    node = named("numpy", name, "NdArrayNode", type="numpy", file="made-up.npy")
    return edited(
        attribute("StandardScaler", "note_", node), lambda _: None, **{"made-up.npy": content.getvalue() + data}
    )


# -- by the kind of what they do ---------------------------------------------------------------------------------------


def _stack() -> bytes:
    fitted = StackingClassifier([("a", LogisticRegression())], cv=2).fit(NUMBERS, GOALS)
    fitted.stack_method_ = ["get_params"]
    return dumped(fitted)


def _target_encoder() -> bytes:
    fitted = make_pipeline(TargetEncoder(cv=2), LogisticRegression()).fit(NUMBERS.round(-1), GOALS)
    fitted[0].encodings_ = []
    return dumped(fitted)


def _neighbours(**attributes: Any) -> bytes:
    fitted = KNeighborsClassifier(algorithm="brute").fit(NUMBERS, GOALS)
    vars(fitted).update(attributes)
    return dumped(fitted)


def _support_vectors(**attributes: Any) -> bytes:
    fitted = SVC(probability=True).fit(NUMBERS, GOALS)
    vars(fitted).update(attributes)
    return dumped(fitted)


def _centres(*shape: int) -> bytes:
    """A stack on the clusters of the rows, with centres of this shape."""
    fitted = StackingClassifier([("a", LogisticRegression())], cv=2).fit(NUMBERS, GOALS)
    clusters = KMeans(2, n_init=1).fit(NUMBERS)
    clusters.cluster_centers_ = np.zeros(shape)
    fitted.estimators_, fitted.stack_method_ = [clusters], ["predict"]
    fitted.final_estimator_ = LogisticRegression().fit(np.arange(60).reshape(-1, 1), GOALS)
    return dumped(fitted)


def _door(*steps: Any) -> bytes:
    """Histogram boosting fitted on three columns, behind `steps` that give it different ones."""
    frame = SHOTS.astype({"shot_type": "category"})[["shot_type", "distance", "angle"]]
    fitted = HistGradientBoostingClassifier(max_iter=2, categorical_features="from_dtype").fit(frame, GOALS)
    fitted._preprocessor = make_column_transformer(*steps).fit(frame)
    for (predictor,) in fitted._predictors:
        nodes = predictor.nodes
        nodes["is_categorical"] = 0
        nodes["feature_idx"][nodes["is_leaf"] == 0] = 2
    return dumped(fitted)


def _groups(members: int, many: int = 3000) -> bytes:
    """An encoder that says a group of its categories is one column, and does not map them to it."""
    frame = pd.DataFrame({"shot_type": [f"type {number:05}" for number in range(many)]})
    fitted = make_pipeline(
        OneHotEncoder(handle_unknown="ignore", sparse_output=False), LogisticRegression(solver="liblinear")
    ).fit(frame, np.arange(many) % 2)
    encoder, classifier = fitted
    encoder._infrequent_enabled, encoder._default_to_infrequent_mappings = True, [None]
    encoder._infrequent_indices = [np.arange(members) + many]
    width = many - members + 1
    encoder._n_features_outs, classifier.n_features_in_, classifier.coef_ = [width], width, np.ones((1, width))
    return dumped(fitted)


def _other_goals() -> bytes:
    """An encoder for goals of fifty kinds, with the numbers of one."""
    fitted = make_pipeline(TargetEncoder(cv=2), SimpleImputer(), LogisticRegression()).fit(NUMBERS.round(-1), GOALS)
    encoder, imputer, classifier = fitted
    encoder.target_type_, encoder.classes_, encoder.target_mean_ = "multiclass", np.arange(50), np.zeros(50)
    imputer.n_features_in_, imputer.statistics_ = 100, np.zeros(100)
    classifier.n_features_in_, classifier.coef_ = 100, np.ones((1, 100))
    return dumped(fitted)


def _deep_tree(depth: int = 1001) -> bytes:
    """A tree that ends immediately for rows near the goal, and walks all its nodes for others."""
    fitted = DecisionTreeClassifier(max_depth=2).fit(NUMBERS, GOALS)
    nodes = np.zeros(2 * depth + 1, fitted.tree_.__getstate__()["nodes"].dtype)
    nodes["left_child"] = nodes["right_child"] = -1
    inner = np.arange(0, 2 * depth, 2)
    nodes["left_child"][inner], nodes["right_child"][inner], nodes["threshold"][inner] = inner + 1, inner + 2, 10.0
    fitted.tree_ = Tree(2, np.array([2]), 1)
    values = np.full((len(nodes), 1, 2), 0.5)
    fitted.tree_.__setstate__({"max_depth": depth, "node_count": len(nodes), "nodes": nodes, "values": values})
    return dumped(fitted)


def _as_texts() -> bytes:
    return dumped(before_with(partial(check_array, dtype="U")))


def squares(times: int) -> bytes:
    """A model that squares a column of whole numbers beside one of texts, many times."""
    frame = SHOTS[["shot_type"]].assign(shots=1)
    steps = make_pipeline(*(FunctionTransformer(np.square) for _ in range(times)))
    columns = make_column_transformer((OneHotEncoder(), ["shot_type"]), (steps, ["shots"]))
    return dumped(make_pipeline(columns, LogisticRegression()).fit(frame, GOALS))


def _splines() -> bytes:
    fitted = before(SplineTransformer())
    for spline in fitted[0].bsplines_:
        spline._c = spline._c[:1]
    return dumped(fitted)


def _tree(place: int, value: Any) -> bytes:
    """A tree that claims more outputs, or classes, than there is memory for."""

    def edit(schema: Node) -> None:
        for tree in nodes(schema, "Tree"):
            tree["__reduce__"]["args"]["content"][place] = plain(value)

    return edited(dumped(DecisionTreeClassifier(max_depth=2).fit(NUMBERS, GOALS)), edit)


def _polynomials(**attributes: Any) -> bytes:
    return altered(PolynomialFeatures(2), **attributes)


def _sparse() -> bytes:
    return altered(StandardScaler(), mean_=csr_array(np.eye(2)))


def _wide_text() -> bytes:
    frame = SHOTS[["shot_type"]]
    fitted = make_pipeline(OneHotEncoder(handle_unknown="ignore"), LogisticRegression()).fit(frame, GOALS)
    fitted[0].categories_ = [fitted[0].categories_[0].astype("<U100000")]
    return dumped(fitted)


# What each does, and a word of the refusal.
HOSTILE: dict[str, tuple[Callable[[], bytes], str]] = {
    # loops and memory by an attribute, in types that skops trusts
    "topics without end": (lambda: altered(LatentDirichletAllocation(2, max_iter=1)), "LatentDirichletAllocation"),
    "factors": (lambda: altered(NMF(2, max_iter=500)), "NMF"),
    "factors in batches": (lambda: altered(MiniBatchNMF(2)), "MiniBatchNMF"),
    "sparse codes": (lambda: altered(SparseCoder(np.eye(2))), "SparseCoder"),
    "sampling steps": (lambda: altered(AdditiveChi2Sampler(), sample_steps=10**9), "AdditiveChi2Sampler"),
    "sketches": (lambda: altered(PolynomialCountSketch(), n_components=10**9), "PolynomialCountSketch"),
    "hashes": (lambda: altered(StandardScaler(), note_=FeatureHasher(2**31 - 1)), "FeatureHasher"),
    "columns of polynomials": (lambda: _polynomials(_n_out_full=10**9), "polynomials make other columns"),
    "polynomials of any degree": (lambda: _polynomials(degree=10**9), "the degree of its PolynomialFeatures"),
    "columns of splines": (lambda: altered(SplineTransformer(), n_features_out_=10**9), "splines make other columns"),
    "classes": (lambda: dumped_with(RandomForestClassifier(2), n_classes_=10**9), "the n_classes_ of its"),
    "wide texts": (_wide_text, "short texts"),
    "an array of more than the file": (
        lambda: array({"descr": "<f8", "fortran_order": False, "shape": (10**9,)}),
        "larger than it is",
    ),
    "an array of nothing, often": (
        lambda: array({"descr": "<U0", "fortran_order": False, "shape": (10**15,)}),
        "larger than it is",
    ),
    "bytes by a number": (
        lambda: array(
            {"descr": "<i8", "fortran_order": False, "shape": ()}, (300 << 20).to_bytes(8, "little"), "bytes_"
        ),
        "numpy.bytes_",
    ),
    # what an uninitialised column tells of the service's memory
    "polynomials that are not filled": (lambda: _polynomials(_n_out_full=7, n_output_features_=7), "polynomials make"),
    "an encoder that fills nothing": (_target_encoder, "no numbers for a column"),
    "an encoder of other goals": (_other_goals, "no numbers for a column"),
    # memory and time by the rows
    "texts as long as the longest": (_as_texts, "functools.partial"),
    "texts without a length": (
        lambda: array({"descr": "<U0", "fortran_order": False, "shape": (0,)}),
        "texts without a length",
    ),
    "a tree as deep as it is large": (_deep_tree, "deeper than 1,000 nodes"),
    # what is called
    "a function that opens files": (lambda: called(function("numpy", "fromfile")), "numpy.fromfile"),
    "a function that loads files": (lambda: called(function("numpy", "load")), "numpy.load"),
    "a function of the system": (lambda: called(function("posix", "system")), "posix.system"),
    "a function of two": (lambda: called(function("numpy", "power")), "numpy.power"),
    "a part of a function": (lambda: dumped(before_with(partial(np.add, 1))), "functools.partial"),
    "a method by name": (lambda: dumped(before_with(operator.methodcaller("tofile", "x"))), "operator.methodcaller"),
    "an attribute by name": (lambda: dumped(before_with(operator.attrgetter("T"))), "operator.attrgetter"),
    "a method": (
        lambda: called(
            named(
                "sklearn.linear_model._logistic",
                "LogisticRegression",
                "MethodNode",
                content={"obj": plain(None), "func": "fit"},
            )
        ),
        "LogisticRegression",
    ),
    "a type": (lambda: called(named("builtins", "map", "TypeNode")), "builtins.map"),
    "options of a function": (
        lambda: altered(FunctionTransformer(np.log1p), kw_args={"out": 1}),
        "the kw_args of its FunctionTransformer",
    ),
    "a distance": (lambda: _neighbours(effective_metric_=np.add), "the effective_metric_ of its"),
    "an unknown distance": (lambda: _neighbours(metric="precomputed"), "the metric of its KNeighborsClassifier"),
    "weights that are called": (lambda: _neighbours(weights=np.log1p), "the weights of its KNeighborsClassifier"),
    "options of a distance": (
        lambda: _neighbours(effective_metric_params_={"working_memory": 10**9}),
        "its distance is not one",
    ),
    "a kernel": (lambda: _support_vectors(kernel=np.add), "the kernel of its SVC"),
    "a kernel that looks up rows": (lambda: _support_vectors(kernel="precomputed"), "the kernel of its SVC"),
    "a kernel of an approximation": (
        lambda: altered(Nystroem(n_components=5), kernel=np.add),
        "the kernel of its Nystroem",
    ),
    "weights by any path": (
        lambda: altered(SelectFromModel(LogisticRegression()), importance_getter="__class__.__mro__"),
        "the importance_getter of its SelectFromModel",
    ),
    "methods by name": (_stack, "the stack_method_ of its StackingClassifier"),
    "a call for what is missing": (
        lambda: attribute(
            "StandardScaler",
            "note_",
            named(
                "collections",
                "defaultdict",
                "DefaultDictNode",
                content={"main": dictionary(), "default_factory": function("numpy", "log1p")},
            ),
        ),
        "collections.defaultdict",
    ),
    "a constructor": (
        lambda: attribute(
            "StandardScaler",
            "note_",
            named("builtins", "bytearray", "ConstructorFromReduceNode", content=sequence(plain(300 << 20), of="tuple")),
        ),
        "builtins.bytearray",
    ),
    "a method of its own": (
        lambda: attribute("LogisticRegression", "predict_proba", function("numpy", "log1p")),
        "something else in place of its predict_proba",
    ),
    "a check of its own": (
        lambda: attribute("StandardScaler", "_parameter_constraints", dictionary()),
        "something else in place of its _parameter_constraints",
    ),
    "a type of its own": (
        lambda: attribute("StandardScaler", "__class__", named("builtins", "str", "TypeNode")),
        "something else in place of its __class__",
    ),
    "a function of the oldest format": (old_function, "numpy.log1p"),
    "an unknown format": (lambda: edited(dumped(before(StandardScaler())), lambda s: s.update(protocol=3)), "format"),
    "a reference": (
        lambda: attribute("StandardScaler", "note_", named("builtins", "str", "CachedNode", __id__=1)),
        "builtins.str",
    ),
    # what compiled code takes on trust
    "sparse matrices": (_sparse, "scipy.sparse"),
    "support vectors that are not there": (
        lambda: _support_vectors(_n_support=np.array([10**6, 1], np.int32)),
        "support",
    ),
    "classes that are not there": (lambda: _neighbours(_y=np.full(60, 10**6)), "a class that does not exist"),
    "no neighbours at all": (
        lambda: _neighbours(_fit_X=np.zeros((0, 2)), _y=np.zeros(0, int)),
        "fewer neighbours than it looks for",
    ),
    "neighbours of other columns": (lambda: _neighbours(_fit_X=np.zeros((60, 1))), "other columns than it is given"),
    "splines without coefficients": (_splines, "inconsistent"),
    "centres of other columns": (lambda: _centres(2000, 1), "a centre has other columns"),
    "no centres": (lambda: _centres(0, 2), "a centre has other columns"),
    "columns that are dropped before the trees": (
        lambda: _door(("drop", ["shot_type", "distance"]), ("passthrough", ["angle"])),
        "other columns than it is given",
    ),
    "columns that are counted twice before the trees": (
        lambda: _door((FunctionTransformer(), ["angle"]), (FunctionTransformer(), ["distance"])),
        "other columns than it is given",
    ),
    "a group of categories without a map": (lambda: _groups(3000), "that it does not map"),
    "a category beyond all others": (lambda: _groups(1), "that it does not map"),
    "outputs of a tree": (lambda: _tree(2, 10**9), "other outputs than one"),
    "classes of a tree": (lambda: _tree(1, 2), "damaged"),
}


def before_with(function: Any) -> Pipeline:
    fitted = before(FunctionTransformer())
    fitted[0].func = function
    return fitted


def dumped_with(estimator: Any, **attributes: Any) -> bytes:
    fitted = estimator.fit(NUMBERS, GOALS)
    vars(fitted).update(attributes)
    return dumped(fitted)


def many_threads() -> bytes:
    """A stack of forests, each set to work in a million threads."""
    forest = RandomForestClassifier(2, max_depth=2)
    fitted = StackingClassifier([("a", forest)], cv=2, final_estimator=HistGradientBoostingClassifier(max_iter=2))
    fitted.fit(NUMBERS, GOALS)
    for part in fitted.estimators_:
        part.n_jobs = 10**6
        part.n_estimators = 10**6
    return dumped(fitted)


def write(folder: Path, content: bytes, **card: Any) -> Path:
    """Write a model, and its card if there is anything to put in."""
    if card:
        (folder / "card.json").write_text(json.dumps(card))
    artifact = folder / "model.skops"
    artifact.write_bytes(content)
    return artifact


def frame_of(paths: list[str]) -> pd.DataFrame:
    """Rows that name these paths."""
    return pd.DataFrame({"shot_type": paths, "distance": [10.0] * len(paths)})
