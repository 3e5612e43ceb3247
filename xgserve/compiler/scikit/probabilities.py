"""Translate classifiers of numbers: what makes P(class 1) of a matrix, as nodes of a graph."""

from collections.abc import Sequence
from functools import singledispatch
from typing import Any

import numpy as np
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

from xgserve.compiler.boosters.opening import ensemble_of, is_boosted
from xgserve.compiler.graph import Graph, NotCompilable, Step
from xgserve.compiler.scikit import internals
from xgserve.compiler.scikit.steps import chain, nothing, step_of
from xgserve.compiler.tree_ensemble import Sides, Tree, single_precision, sum_of_trees


@singledispatch
def probability(classifier: Any) -> Step:
    """Return what makes P(class 1), shape (rows, 1), of a matrix of numbers.

    Raises:
        NotCompilable: the classifier has no translation.
    """
    if not is_boosted(classifier):
        raise NotCompilable(f"{type(classifier).__name__} has no translation")
    ensemble = ensemble_of(classifier)
    return chain([ensemble.levels, ensemble.probability])


@probability.register
def _(pipeline: Pipeline) -> Step:
    return chain([*(step_of(part) for _, part in pipeline.steps[:-1]), probability(pipeline[-1])])


@probability.register(LogisticRegression)
@probability.register(LinearDiscriminantAnalysis)
@probability.register(HistGradientBoostingClassifier)
@probability.register(GradientBoostingClassifier)
def _(classifier: Any) -> Step:
    return chain([decision(classifier), sigmoid])


@singledispatch
def decision(classifier: Any) -> Step:
    """Return what makes the log odds of class 1, shape (rows, 1), of a matrix of numbers.

    For a classifier without `decision_function`, return what makes P(class 1), as calibration does.

    Raises:
        NotCompilable: the classifier has no translation.
    """
    if is_boosted(classifier) and hasattr(classifier, "decision_function"):
        ensemble = ensemble_of(classifier)
        return chain([ensemble.levels, ensemble.margin])
    if hasattr(classifier, "decision_function"):
        raise NotCompilable(f"the decisions of {type(classifier).__name__} have no translation")
    return probability(classifier)


@decision.register
def _(pipeline: Pipeline) -> Step:
    return chain([*(step_of(part) for _, part in pipeline.steps[:-1]), decision(pipeline[-1])])


@decision.register(LogisticRegression)
@decision.register(LinearDiscriminantAnalysis)
def _(linear: Any) -> Step:
    return affine(linear.coef_.T, linear.intercept_)


def affine(weights: Any, intercept: Any) -> Step:
    """Return the step that multiplies rows by weights, shape (columns, outputs), and adds an intercept."""
    return lambda graph, rows: graph.add(
        "Add", graph.add("MatMul", rows, graph.constant(weights)), graph.constant(intercept)
    )


def sigmoid(graph: Graph, tensor: str) -> str:
    """Return 1 / (1 + exp(-x)) of each number."""
    return graph.add("Sigmoid", tensor)


_ACTIVATIONS: dict[str, Step] = {
    "identity": nothing,
    "logistic": sigmoid,
    "relu": lambda graph, tensor: graph.add("Relu", tensor),
    "tanh": lambda graph, tensor: graph.add("Tanh", tensor),
}


@probability.register
def _(network: MLPClassifier) -> Step:
    layers = [affine(weights, bias) for weights, bias in zip(network.coefs_, network.intercepts_, strict=True)]
    between = _ACTIVATIONS[network.activation]
    steps = [step for layer in layers[:-1] for step in (layer, between)]
    return chain([*steps, layers[-1], _ACTIVATIONS[network.out_activation_]])


@decision.register
def _(boosting: HistGradientBoostingClassifier) -> Step:
    trees = [Tree.of_histogram(predictor, _sets_of(predictor)) for (predictor,) in internals.rounds_of(boosting)]
    columns, start = boosting.n_features_in_, internals.baseline_of(boosting)
    return lambda graph, rows: sum_of_trees(graph, rows, trees, columns, start)


def _sets_of(predictor: Any) -> dict[int, Sides]:
    """Return the sets of category codes that go left at the splits of a tree of histogram boosting."""
    nodes = predictor.nodes
    sets = {}
    for node in np.flatnonzero((nodes["is_categorical"] != 0) & (nodes["is_leaf"] == 0)).tolist():
        words = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
        codes = np.unpackbits(words.astype("<u4").view(np.uint8), bitorder="little").astype(bool)
        null = bool(nodes["missing_go_to_left"][node])  # an unknown category is treated as a null
        sets[node] = (*codes.tolist(), null, null)
    return sets


@decision.register
def _(boosting: GradientBoostingClassifier) -> Step:
    start, rate = internals.start_of(boosting), boosting.learning_rate
    total = _sum_of_carts([member.tree_ for member in boosting.estimators_[:, 0]], boosting.n_features_in_)

    def step(graph: Graph, rows: str) -> str:
        score = graph.add("Mul", total(graph, rows), graph.constant(rate))
        return graph.add("Add", score, graph.constant(start))

    return step


@probability.register(RandomForestClassifier)
@probability.register(ExtraTreesClassifier)
def _(forest: Any) -> Step:
    total = _sum_of_carts([member.tree_ for member in forest.estimators_], forest.n_features_in_)
    count = float(len(forest.estimators_))
    return lambda graph, rows: graph.add("Div", total(graph, rows), graph.constant(count))


@probability.register(DecisionTreeClassifier)
@probability.register(ExtraTreeClassifier)
def _(tree: Any) -> Step:
    return _sum_of_carts([tree.tree_], tree.n_features_in_)


def _sum_of_carts(trees: Sequence[Any], columns: int) -> Step:
    """Sum trees that compare single-precision numbers with their thresholds."""
    read = [Tree.of_cart(tree) for tree in trees]

    def step(graph: Graph, rows: str) -> str:
        return single_precision(graph, rows, lambda rounded: sum_of_trees(graph, rounded, read, columns))

    return step
