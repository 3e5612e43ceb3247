"""What every format makes of an artifact: its columns, its library's own answers, and its translation to a graph."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from xgserve.compiler.graph import Step
from xgserve.compiler.versions import Versions
from xgserve.errors import ModelError
from xgserve.model.model import Scorer
from xgserve.model.schema import Column
from xgserve.model.validation import ColumnCodec
from xgserve.text import clipped

Columns = tuple[Column, ...]

# The codecs of the columns, and what makes P(class 1), shape (rows, 1), of the encoded matrix.
Translation = tuple[list[ColumnCodec], Step]

DOUBLE_PRECISION: Final = 1e-12
SINGLE_PRECISION: Final = 1e-6

POSITIVES: Final = (1, True, "1")


@dataclass(frozen=True)
class Opened:
    """An artifact that passed the checks of its format, but was not probed yet.

    `reference` returns the library's own answers for columns, `translate` their translation, or raises
    `NotCompilable`. Both may differ by `tolerance`. `has_worker` says whether a worker process can serve what has no
    translation.
    """

    columns: Columns
    versions: Versions
    tolerance: float
    reference: Callable[[Columns], Scorer]
    translate: Callable[[Columns], Translation]
    has_worker: bool = False


def place_of_goals(classes: Sequence[Any], card: Mapping[str, Any]) -> int:
    """Return which of a classifier's two classes is the goal: the card's `positive_class`, else 1, True or "1".

    Raises:
        ModelError: there are not two classes, or none of them is known to be the goal.
    """
    named = card.get("positive_class")
    if len(classes) == 2:
        if named is not None:
            places = [place for place, label in enumerate(classes) if label == named or str(label) == str(named)]
        else:
            places = [place for place, label in enumerate(classes) if label in POSITIVES]
            places = places if set(map(str, classes)) in ({"0", "1"}, {"False", "True"}) else []
        if len(places) == 1:
            return places[0]
    say = 'or name the class of goals in card.json: {"positive_class": ...}'
    wrong = f", and positive_class {clipped(named)} is not one of them" if named is not None else ""
    raise ModelError(
        f"the classes must be 0 (no goal) and 1 (goal), not {clipped(list(classes))}{wrong}; fit on these, {say}"
    )


def disagreement(in_card: Iterable[str], in_model: Iterable[str]) -> ModelError:
    """Return the refusal of a card that names other columns than the model."""
    differing = sorted(set(in_card) ^ set(in_model))
    return ModelError(f"card.json and the model disagree about the columns {clipped(differing)}")


def card_columns(card: Mapping[str, Any]) -> dict[str, Column]:
    """Return the columns that the card describes, by name.

    Raises:
        ModelError: it describes them in another way than it should.
    """
    columns = {}
    try:
        for entry in card.get("features") or ():
            categories = entry.get("categories")
            if entry["kind"] not in ("number", "category") or not isinstance(entry["name"], str):
                raise ValueError(entry)
            columns[entry["name"]] = Column(
                entry["name"], entry["kind"], tuple(categories) if categories is not None else None
            )
    except (TypeError, KeyError, AttributeError, ValueError) as error:
        raise ModelError(
            'card.json: "features" must be a list of {"name": text, "kind": "number" or "category", "categories": '
            f"list or absent}}, not {clipped(error)}"
        ) from error
    return columns
