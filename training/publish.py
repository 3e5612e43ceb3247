"""A trained model into Comet's registry."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any


class PublishError(Exception):
    """The model could not be registered; the message says what is missing."""


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
        raise PublishError("--register needs the package comet_ml (requirements/serving.in)") from error
    try:
        experiment: Any = comet_ml.Experiment(workspace=workspace, project_name=name)
        experiment.log_model(name, str(folder))
        experiment.register_model(name, workspace=workspace)
        experiment.end()
    except Exception as error:
        raise PublishError(f"Comet did not take the model: {error}; the files are in {folder}") from error
    return f"registered {workspace}/{name} with Comet"
