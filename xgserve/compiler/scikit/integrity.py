"""Check the indices and sizes in trees, encoders and neighbours before compiled code follows them.

scikit-learn trusts them, and skops checks the types in a file, not its numbers. An index out of range can crash the
process or read memory that is not the model's, on the first row that happens to reach it, perhaps much later.
So each is checked once, when the model is compiled.
"""

import gc
from collections.abc import Iterator
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import is_classifier
from sklearn.compose import ColumnTransformer
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    SplineTransformer,
    TargetEncoder,
)
from sklearn.tree import BaseDecisionTree

from xgserve.compiler.scikit import internals
from xgserve.errors import ModelError

LEAF = -1  # in place of a child
BITSET_WORDS = 8  # histogram boosting takes at most 256 categories per column
MAX_MADE_COLUMNS = 10_000  # that one step makes of a row
MAX_DEPTH = 1000  # of a tree; the rows tried when it is compiled may not reach the deepest leaf

Indices = npt.NDArray[np.integer]


def check_indices(estimator: object) -> None:
    """Check all trees and encoders inside the estimator, so that no row can lead out of their arrays.

    Raises:
        ModelError: an index is out of range, a tree takes other columns than it will be given, or an object of
            scikit-learn has a replaced method, perhaps the one that checks the columns.
    """
    for part in parts_of(estimator):
        if type(part).__module__.startswith("sklearn."):
            _check_methods(part)
        match part:
            case internals.CartTree():
                _check_tree(part)
            case BaseDecisionTree(tree_=tree):
                _require(tree.n_features == part.n_features_in_, "a tree takes other columns than it is given")
                if is_classifier(part):  # until 1.3, scikit-learn stored counts, which later versions take for shares
                    _require(np.allclose(tree.value.sum(axis=2), 1), "the leaves of a tree do not hold shares of rows")
            case internals.BaseGradientBoosting(estimators_=members):
                _check_members(members, part.n_features_in_)
            case internals.BaseHistGradientBoosting() if internals.has_rounds(part):
                _check_histogram_boosting(
                    part, [predictor for trees in internals.rounds_of(part) for predictor in trees]
                )
            case OneHotEncoder(categories_=_):
                _check_encoder(part)
            case TargetEncoder(encodings_=encodings, categories_=categories):
                # a column without numbers would stay uninitialized memory
                fits = len(encodings) == len(categories) and part.target_type_ in ("binary", "continuous")
                _require(fits, "an encoder has no numbers for a column")
            case internals.BaseKMeans(cluster_centers_=centers):
                fits = centers.ndim == 2 and len(centers) > 0 and centers.shape[1] == part.n_features_in_
                _require(fits, "a centre has other columns than it is given")
            case PolynomialFeatures(n_output_features_=_):
                _check_polynomials(part)
            case SplineTransformer(bsplines_=splines):
                _check_splines(part, splines)
            case KNeighborsClassifier() if internals.has_neighbours(part):
                _check_neighbours(part)
            case internals.BaseSVC(support_vectors_=_):
                _require(internals.support_vectors_fit(part), "its support vectors do not go together")


def parts_of(root: object) -> Iterator[object]:
    """Yield the object and all that it refers to, directly or not, once each; stop at classes, modules, functions."""
    seen: dict[int, object] = {}  # keeps each part alive, so that its id stays unique
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if id(part) in seen or isinstance(part, type | ModuleType | FunctionType):
            continue
        seen[id(part)] = part
        yield part
        if isinstance(part, np.ndarray) and part.dtype.hasobject:  # gc does not see its items
            waiting += part.ravel().tolist()
        else:
            waiting += gc.get_referents(part)


def _check_methods(part: object) -> None:
    for name in getattr(part, "__dict__", ()):
        if callable(getattr(type(part), name, None)):
            raise ModelError(f"the model holds a {type(part).__name__} with something else in place of its {name}")


def _check_tree(tree: Any) -> None:
    _require(min(tree.value.shape) > 0, "a tree has no nodes or no values")
    inner = np.flatnonzero(tree.children_left != LEAF)
    _check_children(inner, tree.children_left, tree.children_right)
    _check_range(tree.feature[inner], tree.n_features, "a column")


def _check_members(members: Any, columns: int) -> None:
    """Check the trees of gradient boosting: compiled code passes all of them rows that only the first one checked."""
    _require(members.ndim == 2 and members.shape[1] == 1, "a tree is not the only one of its round")
    for member in members.flat:
        fits = isinstance(member, BaseDecisionTree) and member.n_features_in_ == columns
        _require(fits, "a tree takes other columns than it is given")


def _check_histogram_boosting(boosting: Any, predictors: list[Any]) -> None:
    columns = boosting.n_features_in_
    categorical = internals.is_category(boosting)
    preprocessor = internals.preprocessor_of(boosting)
    given = columns if preprocessor is None else _columns_after(preprocessor)
    _require(given == columns == categorical.size, "a tree takes other columns than it is given")
    for predictor in predictors:
        nodes, bitsets = predictor.nodes, predictor.raw_left_cat_bitsets
        _require(nodes.size > 0, "a tree has no nodes")
        inner = np.flatnonzero(nodes["is_leaf"] == 0)
        _check_children(inner, nodes["left"], nodes["right"])
        _check_range(nodes["feature_idx"][inner], columns, "a column")
        splits = nodes[inner][nodes["is_categorical"][inner] != 0]
        if splits.size:
            _require(categorical[splits["feature_idx"]].all(), "a tree looks for categories in a column of numbers")
            _require(bitsets.shape[1] == BITSET_WORDS, "a tree has a set of categories of another size")
            _check_range(splits["bitset_idx"], len(bitsets), "a set of categories")


def _columns_after(preprocessor: Any) -> int:
    """Return how many columns the preprocessor of histogram boosting passes to its trees, which do not check them.

    Raises:
        ModelError: it makes something other than codes of categories, and numbers.
    """
    _require(
        type(preprocessor) is ColumnTransformer,
        "its trees are given columns by something else than they were fitted with",
    )
    count = 0
    for name, part, chosen in preprocessor.transformers_:
        if isinstance(part, str) and part == "drop":
            continue
        fits = (
            type(part) in (OrdinalEncoder, FunctionTransformer)
            and isinstance(chosen, np.ndarray)
            and (chosen.dtype, chosen.shape) == (np.dtype(bool), (preprocessor.n_features_in_,))
            and np.array_equal(np.flatnonzero(chosen), internals.input_indices(preprocessor)[name])
        )
        _require(fits, "a tree takes other columns than it is given")
        count += int(chosen.sum())
    return count


def _check_encoder(encoder: Any) -> None:
    widths, stored = internals.encoded_widths(encoder)
    _require(stored == widths, "an encoder makes other columns than it has categories")
    for categories, width, drop, groups, members in zip(
        encoder.categories_, widths, internals.dropped_codes(encoder), *internals.infrequent_codes(encoder), strict=True
    ):
        # a group counts as one column; without a group, no codes are replaced
        _require((groups is None) == (members is None), "an encoder has a group of categories that it does not map")
        codes = width if drop is None else width + 1
        for given in (drop, groups):
            if given is not None:
                _check_range(np.asarray(given), codes, "a category")
        if categories.dtype.kind in "biuf":  # searched by bisection
            in_order = np.array_equal(np.sort(categories), categories, equal_nan=True)
            _require(in_order, "an encoder has categories that are not in order")


def _check_polynomials(part: Any) -> None:
    """Check the number of made columns, for which memory is allocated and not cleared."""
    fitted = (0, part.degree) if isinstance(part.degree, int) else tuple(part.degree)
    counted, stored = internals.polynomial_widths(part)
    fits = internals.degrees_of(part) == fitted and counted == stored and max(counted) <= MAX_MADE_COLUMNS
    _require(fits, "polynomials make other columns than they say, or too many")


def _check_splines(part: Any, splines: Any) -> None:
    columns = part.n_features_in_
    made = splines[0].c.shape[1] - (0 if part.include_bias else 1)
    fits = len(splines) == columns and part.n_features_out_ == columns * made
    _require(fits and columns * made <= MAX_MADE_COLUMNS, "splines make other columns than they say, or too many")


def _check_neighbours(part: Any) -> None:
    stored, labels = internals.neighbours_of(part)
    _require(
        stored.ndim == 2 and stored.shape[1] == part.n_features_in_, "a neighbour has other columns than it is given"
    )
    _require(part.n_neighbors <= len(stored), "it has fewer neighbours than it looks for")
    _require(labels.shape == (len(stored),) and labels.dtype.kind == "i", "a neighbour has no class")
    _check_range(labels, len(part.classes_), "a class")
    _require(part.effective_metric_params_.keys() <= {"p", "w"}, "its distance is not one")


def _check_children(inner: Indices, left: Indices, right: Indices) -> None:
    """Check that the children of all inner nodes exist and come after them, so that every walk ends."""
    for children in (left[inner], right[inner]):
        _check_range(children, len(left), "a node")
        _require((children > inner).all(), "a tree leads back to a node before")
    if len(inner) >= MAX_DEPTH:
        _check_depth(inner, left, right)


def _check_depth(inner: Indices, left: Indices, right: Indices) -> None:
    is_inner = np.zeros(len(left), bool)
    is_inner[inner] = True
    level = np.zeros(1, np.intp)
    for _ in range(MAX_DEPTH):
        level = level[is_inner[level]]
        if not level.size:
            return
        level = np.unique(np.concatenate([left[level], right[level]]))
    raise ModelError(f"the model is damaged: a tree is deeper than {MAX_DEPTH:,} nodes")


def _check_range(indices: Indices, end: int, what: str) -> None:
    _require(((indices >= 0) & (indices < end)).all(), f"it points to {what} that does not exist")


def _require(condition: bool | np.bool_, why: str) -> None:
    if not condition:
        raise ModelError(f"the model is damaged: {why}")
