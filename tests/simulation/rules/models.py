"""The rule `recorded model`: what an operator was told is loaded stays loaded, whatever dies; the bundled models."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from math import inf

from livegame.scoring.inputs import ModelInputs
from tests.simulation.evidence import Acknowledged, Act
from tests.simulation.rules.run import Run, Violation
from xgserve.client import ModelDescription
from xgserve.model.model import Model
from xgserve.registry.bundle import bundled_models, load_bundled

CHANGES = ("swap", "load", "promote", "promote and keep", "drop", "roll back")


@cache
def bundled() -> dict[str, Model]:
    """Return the bundled models by id."""
    loaded = [load_bundled(name.name, name.version) for name in bundled_models("xg-default")]
    return {model.id: model for model in loaded}


@cache
def inputs_of(model: Model) -> ModelInputs:
    """Return what a bundled model expects."""
    return ModelInputs.from_model(model.describe(), {})


def inputs_from(description: ModelDescription) -> ModelInputs:
    """Return what a model expects."""
    return ModelInputs.from_model(description, {})


def recorded_model(run: Run) -> list[Violation]:
    """Compare the record, and what is loaded at the end, with the changes that were acknowledged."""
    changes = _certain(run)
    if not changes or not run.loaded:
        return []
    found = []
    active = _last_active(changes)
    if active is not None:
        row = next(iter(run.rows("SELECT * FROM activations ORDER BY id DESC LIMIT 1", file="serving.db")), None)
        recorded = None if row is None else f"{row['workspace']}/{row['model']}:{row['version']}"
        is_active = _name(run.loaded[0]) == _name(active)
        if recorded != _name(active) or not is_active:
            said = f"{active} was acknowledged as active; recorded is {recorded}, active is {run.loaded[0]}"
            found.append(Violation("recorded model", said))
        elif run.loaded[0] != active:  # the service warns of it when it starts
            run.admit("another file was published under the name of the active model")
    rows = run.rows("SELECT * FROM challengers", file="serving.db")
    recorded_ones = {f"{row['workspace']}/{row['model']}:{row['version']}" for row in rows}
    loaded = {_name(model_id) for model_id in run.loaded[1:]}
    for name, is_challenger in _challengers(changes).items():
        if is_challenger and name not in recorded_ones:  # it may still be loading
            found.append(Violation("recorded model", f"{name} was acknowledged as a challenger, and is not recorded"))
        elif not is_challenger and name in recorded_ones | loaded:
            found.append(Violation("recorded model", f"{name} is a challenger, against what was acknowledged"))
    return found


def _name(model_id: str) -> str:
    return model_id.partition("@")[0]


def _last_active(changes: Sequence[Acknowledged]) -> str | None:
    return next((change.active for change in reversed(changes) if change.active is not None), None)


def _challengers(changes: Sequence[Acknowledged]) -> dict[str, bool]:
    """Return which models must be challengers at the end, and which must not, by name."""
    known: dict[str, bool] = {}
    active: str | None = None
    for change in changes:
        if change.what == "load" and change.about is not None:
            known[change.about] = True
        if change.challengers is not None:
            known = dict.fromkeys(known, False) | dict.fromkeys(map(_name, change.challengers), True)
        if change.active is not None:
            former, active = active, change.active
            known[_name(active)] = False
            if change.what == "promote and keep" and former is not None and _name(former) != _name(active):
                known[_name(former)] = True
    return known


def _certain(run: Run) -> list[Acknowledged]:
    """Return the changes after the last that was asked for and not acknowledged; none if any overlapped."""
    changes = sorted(run.evidence.acknowledged, key=lambda change: change.at_s)
    if any(later.begin_s < earlier.at_s for earlier, later in pairwise(changes)):
        return []
    acts = [act for act in run.evidence.acts if act.actor == "operator" and act.what in CHANGES]
    over_s = max((_over_s(run, act) for act in acts if act.error is not None or act.end_s is None), default=-inf)
    return [change for change in changes if change.begin_s > over_s]


def _over_s(run: Run, act: Act) -> float:
    """Return until when a change that was not acknowledged may have come about: until the service died."""
    if 400 <= getattr(act.error, "status", 0) < 500:  # it was refused
        return -inf
    asked_until = act.begin_s if act.end_s is None else act.end_s
    deaths = (death.at_s for death in run.evidence.deaths if death.process.startswith("service#"))
    return min((at_s for at_s in deaths if at_s > asked_until), default=inf)
