"""What the tests of the compiler share: loading a model so that its estimator can be inspected."""

from pathlib import Path

import pytest

from tests.xgserve.helpers import NAME, load_model
from xgserve.compiler.graph import NotCompilable
from xgserve.compiler.scikit import classifier
from xgserve.compiler.scikit.reference import SklearnPath
from xgserve.model.model import Model

__all__ = ["NAME", "load_without_graph"]


def load_without_graph(artifact: Path) -> tuple[Model, SklearnPath]:
    """Load a model as if it could not be compiled; return its scorer as well."""

    def not_compilable(*_: object) -> None:
        raise NotCompilable("this test wants scikit-learn itself")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(classifier, "translate", not_compilable)
        model = load_model(artifact)
    assert isinstance(model.scorer, SklearnPath)
    return model, model.scorer
