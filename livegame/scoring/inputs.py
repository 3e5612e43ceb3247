"""Maps our features to a model's columns, which other people's models name differently."""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.history import GameUpdate
from livegame.errors import FeatureMapError, UnknownFeatures
from livegame.features.features import FEATURE_NAMES
from livegame.plays import NO_MORE_INPUTS
from xgserve.client import ModelDescription


def read_feature_map(path: Path | None) -> dict[str, str]:
    """Read a JSON object that maps a model's column names to our features; {} without a path.

    Raises:
        FeatureMapError: the file cannot be read, or names a feature that we do not have.
    """
    if path is None:
        return {}
    try:
        mapping = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise FeatureMapError(f"cannot read the feature map {path}: {error}") from error
    if not isinstance(mapping, dict):
        raise FeatureMapError(f'the feature map {path} must be a JSON object such as {{"shot_distance": "distance"}}')
    unknown = sorted(str(ours) for ours in mapping.values() if not isinstance(ours, str) or ours not in FEATURE_NAMES)
    if unknown:
        raise FeatureMapError(f"the feature map {path} names features that we do not have: {', '.join(unknown)}")
    return mapping


@dataclass(frozen=True, slots=True)
class ModelInputs:
    """What the active model expects, in terms of our features."""

    model_id: str
    population: str  # unblocked or on-goal
    columns: Mapping[str, str]  # the model's column -> our feature
    required: frozenset[str]  # the model's columns that must not be null
    trained_on: tuple[int, ...] | None = None  # the seasons of its training data, if the service knows them

    @classmethod
    def from_model(cls, model: ModelDescription, feature_map: Mapping[str, str]) -> "ModelInputs":
        """Return what a model expects, as the service describes it.

        Raises:
            UnknownFeatures: the model expects a column that is neither our feature nor in the map.
        """
        columns = {column.name: feature_map.get(column.name, column.name) for column in model.features}
        unknown = tuple(name for name, ours in columns.items() if ours not in FEATURE_NAMES)
        if unknown:
            raise UnknownFeatures(model.id, unknown)
        required = frozenset(column.name for column in model.features if not column.nullable)
        trained_on = None if model.trained_on is None else tuple(model.trained_on)
        return cls(model.id, model.population or "unblocked", columns, required, trained_on)

    def unscored(self, update: GameUpdate, scored: Container[int]) -> dict[int, dict[str, Any]]:
        """Return the inputs, by event id, of the shots that the model can score now and has not scored."""
        return {
            shot.event_id: inputs
            for shot in update.shots
            if shot.event_id not in scored
            and (shot.missing is None or update.game.state in NO_MORE_INPUTS)
            and (self.population != "on-goal" or shot.outcome != "missed-shot")
            and (inputs := self.inputs_of(shot.features)) is not None
        }

    def inputs_of(self, features: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the features that the model gets for one shot; None if it requires one that is missing."""
        if any(features.get(self.columns[name]) is None for name in self.required):
            return None
        return dict(zip(self.columns.values(), map(features.get, self.columns.values()), strict=True))

    def as_row(self, inputs: Mapping[str, Any]) -> list[Any]:
        """Return the result of `inputs_of` in the order of the model's columns."""
        return list(map(inputs.__getitem__, self.columns.values()))
