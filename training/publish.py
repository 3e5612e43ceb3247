"""Publish a trained model: to the service's own cache, or to Comet's registry."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from training.errors import PublishError
from xgserve.names import ModelName, version_order
from xgserve.registry.cache import ModelCache

LOCAL: Final = "local"  # the workspace of models that were trained here


def keep(data_dir: Path, folder: Path, name: str, version: str) -> Path:
    """Copy the model in `folder` into the cache of the service that uses this data folder.

    The service compiles it in a child process before it first loads it, like every model from outside.

    Returns:
        The folder that holds it now.

    Raises:
        OSError: the data folder cannot be written.
    """
    cache = ModelCache(data_dir / "models")
    with cache.temporary() as room:  # a model appears by a rename, and `folder` may be on another file system
        copied = shutil.copytree(folder, room / folder.name)
        kept = cache.publish(copied, ModelName(LOCAL, name, version), "model.skops")
    return kept.artifact.parent


def newest_kept(data_dir: Path, name: str) -> Path | None:
    """Return the folder of the newest model of that name that `keep` put there."""
    models = [cached for cached in ModelCache(data_dir / "models").models() if cached.name.workspace == LOCAL]
    named = [cached for cached in models if cached.name.name == name]
    newest = max(named, key=lambda cached: version_order(cached.name.version), default=None)
    return newest.artifact.parent if newest else None


def register(target: str, folder: Path, environ: Mapping[str, str]) -> str:
    """Log the model in `folder` to Comet and register it.

    Args:
        target: `WORKSPACE/NAME`.
        folder: holds `model.skops` and `card.json`.
        environ: must have `COMET_API_KEY`.

    Returns:
        A sentence for the user.

    Raises:
        PublishError: no key, no SDK, or Comet refused.
    """
    workspace, _, name = target.partition("/")
    if not environ.get("COMET_API_KEY"):
        raise PublishError("--register needs the API key of your Comet account in COMET_API_KEY")
    try:
        import comet_ml  # slow to import, and only needed here
    except ImportError as error:
        raise PublishError("--register needs the package comet_ml (pip install -e '.[train]')") from error
    try:
        experiment: Any = comet_ml.Experiment(workspace=workspace, project_name=name)
        experiment.log_model(name, str(folder))
        experiment.register_model(name, workspace=workspace)
        experiment.end()
    except Exception as error:
        raise PublishError(f"Comet did not take the model: {error}; the files are in {folder}") from error
    return f"registered {workspace}/{name} with Comet"
