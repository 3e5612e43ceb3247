"""Tree ensembles of every version of `ai.onnx.ml`, read into our own trees and written again.

The operators leave much open; what counts is how onnxruntime evaluates them, since it is what their models are tried
with (onnxruntime/core/providers/cpu/ml/tree_ensemble_common.h and tree_ensemble_aggregator.h).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
import numpy.typing as npt

from xgserve.compiler.onnx_file.learning import transformed
from xgserve.compiler.onnx_file.operation import LABEL, Operation, Value
from xgserve.compiler.onnx_file.operators import BOOL, FLOAT, NUMBERS, Handler
from xgserve.compiler.onnx_file.tensors import Refused, Tensor
from xgserve.compiler.tree_ensemble import Tree
from xgserve.text import clipped

MAX_TREE_NODES: Final = 5_000_000
MAX_MEMBERS: Final = 1_000
MAX_ASKED: Final = 1_000_000
MAX_DEPTH: Final = 1_000  # onnxruntime loads trees by recursion

# How far single precision brings probabilities out of their range.
ROUNDED: Final = 1e-5

DOUBLE: Final = np.dtype(np.float64)
Numbers = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# The codes of TreeEnsemble, in its order; it has leaves apart.
LEQ, LT, GTE, GT, EQ, NEQ, MEMBER = range(7)
LEAF: Final = -1
MODES: Final = {
    b"BRANCH_LEQ": LEQ,
    b"BRANCH_LT": LT,
    b"BRANCH_GTE": GTE,
    b"BRANCH_GT": GT,
    b"BRANCH_EQ": EQ,
    b"BRANCH_NEQ": NEQ,
    b"LEAF": LEAF,
}
TRANSFORMS: Final = ("NONE", "SOFTMAX", "LOGISTIC", "SOFTMAX_ZERO", "PROBIT")
AGGREGATES: Final = ("AVERAGE", "SUM", "MIN", "MAX")


@dataclass(frozen=True)
class Nodes:
    """The nodes of all trees of an ensemble, and the numbers that their leaves give to each target."""

    mode: npt.NDArray[np.int8]
    true: Places  # child if the comparison holds, for nodes that are no leaf
    false: Places
    column: Places
    threshold: Numbers
    null_is_true: Flags
    roots: Places
    leaf: Places  # for each number that a leaf gives
    target: Places
    weight: Numbers

    @property
    def is_leaf(self) -> Flags:
        """Which nodes are leaves."""
        return np.equal(self.mode, LEAF)


@dataclass(frozen=True)
class Members:
    """A set of numbers that a node asks for: whether a column's number is one of them."""

    column: int
    numbers: tuple[float, ...]
    has_null: bool


@dataclass(frozen=True)
class Forest:
    """The trees of each target, and which targets every row gets a number for.

    A node that asks for a set compares a column of 0 and 1 with 0.5; these columns follow those of the table.
    """

    trees: dict[int, list[Tree]]
    sets: list[Members]
    always: frozenset[int]
    all_positive: bool
    count: int


def _classifier(operation: Operation) -> list[Value]:
    table = _table(operation)
    labels = [operation.raw_texts("classlabels_strings"), operation.wholes("classlabels_int64s")]
    if [len(found) for found in labels if found is not None and len(found)] != [2]:
        raise Refused("has other classes than two")
    nodes = _classic(operation, "class")
    given = _numbers_of(operation, "base_values")
    base: list[float] = [] if given is None else given.tolist()
    way = operation.text("post_transform", "NONE")
    if way not in TRANSFORMS[:3]:
        raise Refused(f"has the post_transform {clipped(way, 50)}, and not {', '.join(TRANSFORMS[:3])}")
    forest = _forest(nodes, table.width, 2)
    targets = sorted(forest.trees)
    one = _sums(operation, table, forest)

    def column(make: Callable[[], Tensor]) -> Callable[[], Tensor]:
        return lambda: operation.cast(make(), FLOAT)

    if targets == [0] and len(base) < 2:
        # onnxruntime makes the score of the other class itself
        score = _once(lambda: one(0, sum(base)))
        pair = [_once(lambda: operation.emit("Neg", score())), score]
        if way == "LOGISTIC":
            pair = [partial(_transformed_of, operation, make, way) for make in pair]
        elif forest.all_positive:
            pair[0] = _once(lambda: operation.emit("Sub", operation.fixed(1.0, DOUBLE), score()))
        return [LABEL, operation.of_columns([column(make) for make in pair], FLOAT)]
    if len(base) > 1 or 1 not in forest.always:
        raise Refused("gives classes or base values in a way that onnxruntime evaluates differently from row to row")
    first = _once(lambda: one(0, sum(base)) if 0 in forest.trees else _constant(operation, table, sum(base)))
    second = _once(lambda: one(1, 0.0))
    if way == "SOFTMAX":
        both = operation.of_columns([first, second], DOUBLE)
        return [LABEL, operation.cast(transformed(operation, both, way), FLOAT)]
    return [
        LABEL,
        operation.of_columns(
            [column(partial(_transformed_of, operation, make, way)) for make in (first, second)], FLOAT
        ),
    ]


def _transformed_of(operation: Operation, make: Callable[[], Tensor], way: str) -> Tensor:
    return transformed(operation, make(), way)


def _once(make: Callable[[], Tensor]) -> Callable[[], Tensor]:
    made: list[Tensor] = []

    def get() -> Tensor:
        if not made:
            made.append(make())
        return made[0]

    return get


def _constant(operation: Operation, table: Tensor, number: float) -> Tensor:
    """Return the same number for each row."""
    column = operation.cast(operation.column(table, 0), DOUBLE)
    zero = operation.fixed(0.0, DOUBLE)
    never = operation.emit("Less", operation.emit("Abs", column), zero, dtype=BOOL)
    return operation.emit("Where", never, zero, operation.fixed(number, DOUBLE), shape=(None, 1), dtype=DOUBLE)


def _regressor(operation: Operation) -> list[Value]:
    table = _table(operation)
    operation.must_be("n_targets", 1, operation.whole("n_targets", 1))
    operation.must_be("post_transform", "NONE", operation.text("post_transform", "NONE"))
    averages = _averages(operation.text("aggregate_function", "SUM"))
    nodes = _classic(operation, "target")
    base = _numbers_of(operation, "base_values")
    return [operation.cast(_one_sum(operation, table, nodes, base, averages=averages), FLOAT)]


def _ensemble(operation: Operation) -> list[Value]:
    table = _table(operation)
    operation.must_be("n_targets", 1, operation.whole("n_targets", 1))
    way = operation.whole("post_transform", 0)
    operation.must_be("post_transform", "NONE", TRANSFORMS[way] if 0 <= way < len(TRANSFORMS) else way)
    aggregate = operation.whole("aggregate_function", 1)
    averages = _averages(AGGREGATES[aggregate] if 0 <= aggregate < len(AGGREGATES) else str(aggregate))
    summed = _one_sum(operation, table, _modern(operation), None, averages=averages)
    return [operation.cast(summed, operation.input(dtypes=NUMBERS).dtype)]


def _averages(aggregate: str) -> bool:
    if aggregate not in ("SUM", "AVERAGE"):
        raise Refused(f"has the aggregate_function {clipped(aggregate, 50)}, and not SUM or AVERAGE")
    return aggregate == "AVERAGE"


def _one_sum(operation: Operation, table: Tensor, nodes: Nodes, base: Numbers | None, *, averages: bool) -> Tensor:
    forest = _forest(nodes, table.width, 1)
    start = 0.0 if base is None else base.sum()
    if base is not None and len(base) > 1:
        raise Refused("has several base values")
    if not averages:
        return _sums(operation, table, forest)(0, start)
    count = operation.fixed(float(forest.count), DOUBLE)
    mean = operation.emit("Div", _sums(operation, table, forest)(0, 0.0), count)
    return operation.emit("Add", mean, operation.fixed(start, DOUBLE)) if start else mean


def _sums(operation: Operation, table: Tensor, forest: Forest) -> Callable[[int, float], Tensor]:
    """Return what writes the sum of the trees of a target, shape (rows, 1)."""
    rows = _once(lambda: _with_sets(operation, operation.cast(table, DOUBLE), forest.sets))

    def write(target: int, start: float) -> Tensor:
        summed = operation.emit_trees(rows(), forest.trees[target], start)
        lowest, highest = (start + sum(map(of, forest.trees[target])) for of in (_least, _greatest))
        if not -ROUNDED < lowest <= highest < 1 + ROUNDED:
            return summed
        # a mean of probabilities, which rounding may bring out of their range
        return operation.emit(
            "Clip", summed, *(operation.fixed(bound, DOUBLE) for bound in (0.0, 1.0)), shape=(None, 1)
        )

    return write


def _least(tree: Tree) -> float:
    return float(tree.value[tree.is_leaf].min())


def _greatest(tree: Tree) -> float:
    return float(tree.value[tree.is_leaf].max())


def _with_sets(operation: Operation, table: Tensor, sets: Sequence[Members]) -> Tensor:
    """Return the table with one more column for each set: 1 for the rows whose number is in it, else 0."""
    by_column: dict[int, list[Members]] = {}
    for members in sets:
        by_column.setdefault(members.column, []).append(members)
    blocks = [table]
    for column, asked in sorted(by_column.items()):
        numbers = sorted({number for members in asked for number in members.numbers})
        if len(numbers) * len(asked) > MAX_ASKED:
            raise Refused(f"splits {len(asked):,} times by {len(numbers):,} single numbers of one column")
        of_null = [[float(members.has_null) for members in asked]]
        of_number = [[float(number in members.numbers) for members in asked] for number in numbers]
        single = operation.column(table, column)
        equal = operation.emit("Equal", single, operation.fixed([numbers], DOUBLE), dtype=BOOL)
        null = operation.emit("IsNaN", single, dtype=BOOL)
        known = operation.emit("Concat", null, equal, shape=(None, len(numbers) + 1), axis=1)
        weights = operation.fixed([*of_null, *of_number], FLOAT)
        inside = operation.emit("MatMul", operation.cast(known, FLOAT), weights, shape=(None, len(asked)))
        blocks.append(operation.cast(inside, DOUBLE))
    if len(blocks) == 1:
        return table
    return operation.emit("Concat", *blocks, shape=(None, table.width + len(sets)), axis=1)


def _table(operation: Operation) -> Tensor:
    """Return the table that the trees read; of other than double precision, they compare in single precision."""
    table = operation.matrix(dtypes=NUMBERS)
    return table if table.dtype == DOUBLE else operation.cast(table, FLOAT)


def _numbers_of(operation: Operation, name: str, *, are_thresholds: bool = False) -> Numbers | None:
    """Return numbers from a list or from a tensor; None if both are missing. Thresholds are checked later."""
    found = operation.numbers(name)
    tensor = operation.tensor(f"{name}_as_tensor")
    numbers = tensor if tensor is not None and tensor.size else found
    if numbers is None:
        return None
    if not are_thresholds and not np.isfinite(numbers).all():
        raise Refused(f"has the attribute {name} with a number that is not finite")
    return numbers.reshape(-1).astype(np.float64)


def _classic(operation: Operation, what: str) -> Nodes:
    """Read the nodes of a TreeEnsembleClassifier or TreeEnsembleRegressor."""
    operation.ignore("nodes_hitrates", "nodes_hitrates_as_tensor")
    tree, node = _wholes(operation, "nodes_treeids"), _wholes(operation, "nodes_nodeids")
    count = len(tree)
    threshold = _numbers_of(operation, "nodes_values", are_thresholds=True)
    mode = _modes(operation)
    true, false = _wholes(operation, "nodes_truenodeids"), _wholes(operation, "nodes_falsenodeids")
    column = _wholes(operation, "nodes_featureids")
    tracks = operation.wholes("nodes_missing_value_tracks_true")
    tracks = np.zeros(count, np.int64) if tracks is None or not len(tracks) else tracks
    if threshold is None or {len(a) for a in (node, threshold, mode, true, false, column, tracks)} != {count}:
        raise Refused("has lists of nodes of different lengths")
    if not 0 < count <= MAX_TREE_NODES:
        raise Refused(f"has {count:,} nodes; 1 to {MAX_TREE_NODES:,} are read")
    starts = np.flatnonzero(np.diff(tree, prepend=tree[0] - 1))
    if len(np.unique(tree[starts])) != len(starts):
        raise Refused("has a tree in several pieces")
    find = _finder(tree, node)
    inner = mode != LEAF
    for children in (true, false):
        children[inner] = find(tree[inner], children[inner], "a child")
    names = ("treeids", "nodeids", "ids")
    of_tree, of_node, target = (_wholes(operation, f"{what}_{name}") for name in names)
    weight = _numbers_of(operation, f"{what}_weights")
    if weight is None or {len(of_tree), len(of_node), len(target)} != {len(weight)}:
        raise Refused("has lists of leaves of different lengths")
    leaf = find(of_tree, of_node, "a leaf")
    return Nodes(mode, true, false, column, threshold, tracks == 1, starts, leaf, target, weight)


def _modes(operation: Operation) -> npt.NDArray[np.int8]:
    texts = operation.raw_texts("nodes_modes") or []
    if unknown := set(texts) - MODES.keys():
        raise Refused(f"splits by {clipped(min(unknown), 50)}")
    return np.array([MODES[text] for text in texts], np.int8)


def _wholes(operation: Operation, name: str) -> Places:
    found = operation.wholes(name)
    if found is None:
        raise Refused(f"lacks the attribute {name}")
    return found


def _finder(tree: Places, node: Places) -> Callable[[Places, Places, str], Places]:
    """Return what finds nodes by the ids of tree and node.

    Raises:
        Refused: ids are taken twice or out of range.
    """
    limit = 1 << 31
    for ids in (tree, node):
        if ids.min() < 0 or ids.max() >= limit:
            raise Refused("has ids of trees or nodes out of range")
    keys = tree * limit + node
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    if (np.diff(ordered) == 0).any():
        raise Refused("has two nodes of the same id")

    def find(trees: Places, nodes: Places, what: str) -> Places:
        if len(nodes) and (min(trees.min(), nodes.min()) < 0 or max(trees.max(), nodes.max()) >= limit):
            raise Refused(f"has {what} out of range")
        wanted = trees * limit + nodes
        places = np.minimum(np.searchsorted(ordered, wanted), len(ordered) - 1)
        if (ordered[places] != wanted).any():
            raise Refused(f"has {what} that is no node of the tree")
        return order[places]

    return find


def _modern(operation: Operation) -> Nodes:
    """Read the nodes of a TreeEnsemble: inner nodes first, then leaves."""
    operation.ignore("nodes_hitrates")
    if operation.has_attribute("membership_values"):
        raise Refused("splits by sets of numbers (BRANCH_MEMBER)")
    splits, weights = operation.tensor("nodes_splits"), operation.tensor("leaf_weights")
    modes = operation.bytes_tensor("nodes_modes")
    if splits is None or modes is None or weights is None or splits.dtype.kind != "f" or weights.dtype.kind != "f":
        raise Refused("lacks nodes_splits, nodes_modes or leaf_weights")
    inner, leaves = splits.size, weights.size
    children = []
    for side in ("true", "false"):
        ids, is_leaf = _wholes(operation, f"nodes_{side}nodeids"), _wholes(operation, f"nodes_{side}leafs")
        if len(ids) != inner or len(is_leaf) != inner:
            raise Refused("has lists of nodes of different lengths")
        limit = np.where(is_leaf != 0, leaves, inner)
        if ((ids < 0) | (ids >= limit)).any():
            raise Refused("has a child that is no node of the tree")
        children.append(np.concatenate([np.where(is_leaf != 0, ids + inner, ids), np.zeros(leaves, np.int64)]))
    column, roots = _wholes(operation, "nodes_featureids"), _wholes(operation, "tree_roots")
    tracks = operation.wholes("nodes_missing_value_tracks_true")
    tracks = np.zeros(inner, np.int64) if tracks is None or not len(tracks) else tracks
    targets = _wholes(operation, "leaf_targetids")
    if (
        {len(column), len(tracks), modes.size} != {inner}
        or len(targets) != leaves
        or not 0 < inner + leaves <= MAX_TREE_NODES
    ):
        raise Refused("has lists of nodes or leaves of different lengths, or too many")
    codes = modes.reshape(-1)
    if (codes >= MEMBER).any() or not len(roots) or ((roots < 0) | (roots >= inner)).any():
        raise Refused("has modes or roots out of range")
    if not np.isfinite(weights).all():
        raise Refused("has a leaf with a number that is not finite")
    pad = np.zeros(leaves, np.int64)
    return Nodes(
        mode=np.concatenate([codes.astype(np.int8), np.full(leaves, LEAF, np.int8)]),
        true=children[0],
        false=children[1],
        column=np.concatenate([column, pad]),
        threshold=np.concatenate([splits.reshape(-1).astype(np.float64), pad]),
        null_is_true=np.concatenate([tracks == 1, pad == 1]),
        roots=roots,
        leaf=np.arange(inner, inner + leaves),
        target=targets,
        weight=weights.reshape(-1).astype(np.float64),
    )


def _forest(nodes: Nodes, columns: int, targets: int) -> Forest:
    """Check the nodes and return the trees of each target.

    Raises:
        Refused: a node is out of range, or the trees are no trees.
    """
    inner = ~nodes.is_leaf
    if inner.any() and not 0 <= nodes.column[inner].min() <= nodes.column[inner].max() < columns:
        raise Refused(f"splits by a column that is not among its {columns}")
    if len(nodes.target) and not 0 <= nodes.target.min() <= nodes.target.max() < targets:
        raise Refused(f"gives numbers to more than {targets} classes or targets")
    written = _written(nodes, columns)
    at_leaf = nodes.is_leaf[nodes.leaf]
    leaf, target, weight = nodes.leaf[at_leaf], nodes.target[at_leaf], nodes.weight[at_leaf]
    found = sorted(set(target.tolist()))
    if not found or len(np.unique(leaf * targets + target)) != len(leaf):
        raise Refused("has no leaf with a number, or one with several for the same class")
    values, given = {}, {}
    for of in found:
        values[of], given[of] = np.zeros(len(inner)), np.zeros(len(inner), bool)
        values[of][leaf[target == of]] = weight[target == of]
        given[of][leaf[target == of]] = True
    reached = np.flatnonzero(written.owner >= 0)
    reached = reached[np.argsort(written.owner[reached], kind="stable")]
    edges = np.searchsorted(written.owner[reached], np.arange(len(nodes.roots) + 1))
    trees: dict[int, list[Tree]] = {of: [] for of in found}
    always = set()
    for root, start, end in zip(nodes.roots.tolist(), edges[:-1], edges[1:], strict=True):
        members = reached[start:end]
        members = np.concatenate([[root], members[members != root]])
        tree = _tree(written, members, inner[members])
        leaves = members[~inner[members]]
        for of in found:
            trees[of].append(replace(tree, value=values[of][members]))
            if given[of][leaves].all():
                always.add(of)
    return Forest(trees, list(written.sets), frozenset(always), bool((nodes.weight >= 0).all()), len(nodes.roots))


@dataclass
class Written:
    """All nodes as comparisons by "at most", and the tree that each belongs to; -1 for those that no tree reaches."""

    left: Places
    right: Places
    column: Places
    threshold: Numbers
    null_goes_left: Flags
    owner: Places
    sets: dict[Members, int]  # and their columns


def _written(nodes: Nodes, columns: int) -> Written:
    """Return the nodes as comparisons by "at most".

    Raises:
        Refused: a node has two parents, or a path is too long.
    """
    inner, mode = ~nodes.is_leaf, nodes.mode
    # LightGBM splits null from all numbers by a threshold that single precision makes infinite
    never = np.isnan(nodes.threshold) | (np.isin(mode, (LT, GTE)) & (nodes.threshold == -np.inf))
    if (inner & never).any():
        raise Refused("has a threshold that no number can be compared with")
    # x < t is x <= the next number below t; x > t and x >= t are these the other way round
    below = np.nextafter(nodes.threshold, -np.inf)
    turned = np.isin(mode, (GTE, GT))
    written = Written(
        left=np.where(turned, nodes.false, nodes.true),
        right=np.where(turned, nodes.true, nodes.false),
        column=np.where(inner, nodes.column, 0),
        threshold=np.where(np.isin(mode, (LT, GTE)), below, nodes.threshold),
        null_goes_left=nodes.null_is_true ^ turned,
        owner=np.full(len(mode), -1),
        sets={},
    )
    asks_for_equal = np.isin(mode, (EQ, NEQ))
    written.owner[nodes.roots] = np.arange(len(nodes.roots))
    if len(np.unique(nodes.roots)) != len(nodes.roots):
        raise Refused("has the same tree twice")
    level = nodes.roots
    for _ in range(MAX_DEPTH + 1):
        level = level[inner[level]]
        if not len(level):
            _group_sets(written, columns)
            return written
        for node in level[asks_for_equal[level]].tolist():
            _write_set(nodes, node, written, columns)
        children = np.concatenate([written.left[level], written.right[level]])
        if (written.owner[children] >= 0).any() or len(np.unique(children)) != len(children):
            raise Refused("has nodes with two parents, or that form a circle")
        written.owner[children] = np.tile(written.owner[level], 2)
        level = children
    raise Refused(f"has a tree deeper than {MAX_DEPTH:,}")


def _write_set(nodes: Nodes, node: int, written: Written, columns: int) -> None:
    """Write a node that asks for one number, with those below it that ask for others and lead to the same node.

    That is how LightGBM's splits by category are converted. Null is unequal to everything, unless a node says more.
    """

    def parted(node: int) -> tuple[int, int]:
        children = int(nodes.true[node]), int(nodes.false[node])
        return children if nodes.mode[node] == EQ else children[::-1]

    same, other = parted(node)
    numbers, has_null = {float(nodes.threshold[node])}, nodes.mode[node] == EQ and bool(nodes.null_is_true[node])
    while len(numbers) < MAX_MEMBERS and nodes.mode[other] == EQ and nodes.column[other] == nodes.column[node]:
        same_below, other_below = parted(other)
        if same_below != same:
            break
        numbers.add(float(nodes.threshold[other]))
        has_null = has_null or bool(nodes.null_is_true[other])
        other = other_below
    members = Members(int(nodes.column[node]), tuple(sorted(numbers)), has_null)
    written.column[node] = written.sets.setdefault(members, columns + len(written.sets))
    written.threshold[node], written.null_goes_left[node] = 0.5, False
    written.left[node], written.right[node] = other, same


def _group_sets(written: Written, columns: int) -> None:
    """Order the sets by their column, as `_with_sets` makes them."""
    grouped = sorted(written.sets, key=lambda members: members.column)
    places = np.empty(len(grouped), np.int64)
    for place, members in enumerate(grouped):
        places[written.sets[members] - columns] = columns + place
    asks = written.column >= columns
    written.column[asks] = places[written.column[asks] - columns]
    written.sets = dict(zip(grouped, range(columns, columns + len(grouped)), strict=True))


def _tree(written: Written, members: Places, inner: Flags) -> Tree:
    """Return a tree of these nodes, the root first, without its numbers."""
    order = np.argsort(members)
    ordered = members[order]
    left, right = np.full(len(members), -1, np.intp), np.full(len(members), -1, np.intp)
    for places, children in ((left, written.left), (right, written.right)):
        places[inner] = order[np.searchsorted(ordered, children[members][inner])]
    return Tree(
        is_leaf=~inner,
        left=left,
        right=right,
        column=written.column[members].astype(np.intp),
        threshold=written.threshold[members],
        null_goes_left=written.null_goes_left[members],
        value=np.zeros(len(members)),
    )


HANDLERS: Final[dict[str, Handler]] = {
    "TreeEnsemble": _ensemble,
    "TreeEnsembleClassifier": _classifier,
    "TreeEnsembleRegressor": _regressor,
}
