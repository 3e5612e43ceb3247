"""The columns of a booster: from its file where that names them, else from the card beside it."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from xgserve.compiler.boosters.trees import NUMBER, Codes
from xgserve.compiler.opened import disagreement
from xgserve.contract import Scalar
from xgserve.errors import ModelError
from xgserve.model.schema import Column
from xgserve.text import clipped

MAX_COLUMNS: Final = 10_000
MAX_NAME: Final = 1_000  # characters of a column's or a category's name
MAX_CATEGORIES: Final = 100_000  # of a column
MAX_SHOWN: Final = 2_000  # characters of a card to write

Names = Sequence[str]
Described = Mapping[str, Column]  # the columns in the card, by name


def names_of(stored: Names, is_category: Sequence[bool], described: Described | None) -> Names:
    """Return the names of the columns in the order of the fit; `stored` is what the file says, perhaps nothing.

    Raises:
        ModelError: the names are not known, or file and card disagree.
    """
    if any(len(name) > MAX_NAME for name in stored):
        raise ModelError(f"the name of a column has more than {MAX_NAME:,} characters")
    if described is None:
        return stored or [str(place) for place in range(len(is_category))]
    listed = list(described)
    if not stored:
        if len(listed) != len(is_category):
            have = f"card.json describes {len(listed)}" if listed else "card.json does not describe them either"
            raise ModelError(
                f"the model takes {len(is_category)} columns and does not name them, and {have}: fit it on a "
                f"DataFrame, or write card.json with {_card(is_category)} in the order of the fit"
            )
        return listed
    if len(set(stored)) != len(stored):
        raise ModelError("the model has two columns of the same name")
    if not listed or set(listed) == set(stored):
        return stored
    if [re.sub(r"\s", "_", name) for name in listed] == list(stored):  # as LightGBM stores names with spaces
        return listed
    raise disagreement(listed, stored)


def category_of(
    name: str, is_category: bool, stored: Sequence[Scalar] | None, listed: Iterable[int], described: Described
) -> tuple[Column, Codes]:
    """Return a column, and the numbers that the trees have in place of its categories; none for a number.

    The categories are `stored` in the file or stand in the card; in both cases the trees number them from 0. Else the
    fit was on whole numbers, and the categories are those `listed` in the trees.

    Raises:
        ModelError: the card says that a number is a category.
    """
    in_card = described.get(name)
    if not is_category:
        if in_card is not None and in_card.kind == "category":
            raise ModelError(
                f"the model takes numbers in {clipped(name)}, and card.json says that it is a category: fit on a "
                "pandas column of dtype category, or save a scikit-learn Pipeline with the encoder"
            )
        return Column(name, "number"), NUMBER
    categories = stored if stored is not None else in_card.categories if in_card is not None else None
    if categories is None:
        numbers = sorted(listed)
        _check_sizes(name, numbers)
        return Column(name, "category", tuple(numbers)), Codes(numbers, unknown_is_null=False)
    _check_sizes(name, categories)
    if len(set(categories)) != len(categories):
        raise ModelError(f"{clipped(name)} has a category twice")
    _check_codes(name, categories, listed)
    return Column(name, "category", tuple(categories)), Codes(range(len(categories)), unknown_is_null=True)


def check_count(columns: int) -> None:
    """Check the number of columns before anything is allocated for each.

    Raises:
        ModelError: there are none, or more than `MAX_COLUMNS`.
    """
    if not 0 < columns <= MAX_COLUMNS:
        raise ModelError(f"it takes {columns:,} columns, and may take 1 to {MAX_COLUMNS:,}")


def _check_sizes(name: str, categories: Sequence[Scalar]) -> None:
    if len(categories) > MAX_CATEGORIES:
        raise ModelError(f"{clipped(name)} has {len(categories):,} categories, and may have {MAX_CATEGORIES:,}")
    if any(len(category) > MAX_NAME for category in categories if isinstance(category, str)):
        raise ModelError(f"a category of {clipped(name)} has more than {MAX_NAME:,} characters")


def _check_codes(name: str, categories: Sequence[Scalar], listed: Iterable[int]) -> None:
    highest = max(listed, default=-1)
    if highest >= len(categories):
        raise ModelError(
            f"{clipped(name)} has {len(categories)} categories, and the trees ask for number {highest}: list all "
            "categories of the fit in card.json, in the order of their codes"
        )


def _card(is_category: Sequence[bool]) -> str:
    """Return the part of the card to write, with the names and categories left open."""
    numbers = {"name": "...", "kind": "number"}
    texts = {"name": "...", "kind": "category", "categories": ["..."]}
    features = [texts if category else numbers for category in is_category]
    return clipped(json.dumps({"features": features}), MAX_SHOWN)
