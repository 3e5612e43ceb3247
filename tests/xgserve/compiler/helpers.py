"""What the tests of the compiler share: loading a model so that its estimator can be inspected."""

from pathlib import Path

import pytest

from xgserve.compiler import build
from xgserve.compiler.fast_path import NoFastPath
from xgserve.compiler.sklearn_path import SklearnPath
from xgserve.model.model import Model
from xgserve.names import ModelName

NAME = ModelName("someone", "xg", "1.0.0")


def load_without_fast_path(artifact: Path) -> tuple[Model, SklearnPath]:
    """Load a model as if it had no fast path; return its scorer as well."""

    def no_fast_path(*_: object) -> None:
        raise NoFastPath("this test wants scikit-learn itself")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(build, "build_fast_path", no_fast_path)
        model = build.load_model(artifact, NAME)
    assert isinstance(model.scorer, SklearnPath)
    return model, model.scorer
