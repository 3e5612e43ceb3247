"""The models that come with the product, in the folder `xgserve/bundled`."""

from pathlib import Path
from typing import Final

from xgserve.errors import ModelError, UnknownModel
from xgserve.model.compiled import Description, load_compiled
from xgserve.model.model import Model, Scorer
from xgserve.model.validation import FrameReader
from xgserve.names import COMPILED, ModelName, version_order
from xgserve.registry.cache import digest_of

BUNDLED: Final = "bundled"  # their workspace
FOLDER = Path(__file__).parents[1] / BUNDLED


def bundled_models(default: str) -> list[ModelName]:
    """Return the bundled models, the default first, each with its newest version first."""
    models = {path.parents[1].name for path in FOLDER.glob("*/*/model.skops")}
    default_first = sorted(models, key=lambda model: (model != default, model))
    return [ModelName(BUNDLED, model, version) for model in default_first for version in _versions(model)]


def newest_bundled(model: str) -> ModelName:
    """Return the newest version of a bundled model.

    Raises:
        UnknownModel: no such model is bundled.
    """
    return ModelName(BUNDLED, model, _versions(model)[0])


def load_bundled(model: str, version: str | None) -> Model:
    """Load a bundled model; without `version`, the newest.

    Raises:
        UnknownModel: no such model, or no such version of it, is bundled.
        ModelError: it cannot be used.
    """
    versions = _versions(model)
    if version is None:
        version = versions[0]
    if version not in versions:
        raise UnknownModel(f"{model} is bundled with the versions {', '.join(versions)}, not {version!r}")
    folder = FOLDER / model / version
    name = ModelName(BUNDLED, model, version)
    return load_compiled(folder / COMPILED, name, digest_of(folder / "model.skops"), _no_worker)


def _no_worker(description: Description, _reader: FrameReader) -> Scorer:
    raise ModelError(f"a bundled model must be compiled, and this one is not: {description.not_compiled}")


def _versions(model: str) -> list[str]:
    """Return the versions of a bundled model, newest first."""
    versions = [path.parent.name for path in (FOLDER / model).glob("*/model.skops")]
    if not versions:
        known = ", ".join(sorted({path.name for path in FOLDER.glob("*")})) or "none"
        raise UnknownModel(f"no model {model!r} is bundled; bundled models: {known}")
    return sorted(versions, key=version_order, reverse=True)
