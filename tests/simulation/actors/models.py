"""Models that were trained here: made from bundled ones, so that nothing need be trained or compiled in a run.

A version has the columns and the graph of a bundled model, and an artifact of its own.
"""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from msgspec import structs

from tests.simulation.actors.stage import Stage
from xgserve.errors import ArtifactRefused
from xgserve.model.compiled import (
    DESCRIPTION_FILE,
    GRAPH_FILE,
    environment,
    read_description,
    write_compiled,
)
from xgserve.names import COMPILED
from xgserve.registry.bundle import FOLDER

_OF: Final = ("xg-distance-angle", "xg-distance")  # of which bundled models
COMPILES_S: Final = 1.5


@dataclass(frozen=True, slots=True)
class Trained:
    """The files of a trained model, and what the compiler makes of its artifact."""

    files: dict[str, bytes]
    compiled: dict[str, bytes]

    @property
    def digest(self) -> str:
        """SHA-256 of the artifact."""
        return hashlib.sha256(self.files["model.skops"]).hexdigest()

    def write(self, folder: Path) -> None:
        """Write what the training writes."""
        folder.mkdir()
        for name, content in self.files.items():
            (folder / name).write_bytes(content)


@cache
def trained(number: int) -> Trained:
    """Return the model of a training; different numbers give different artifacts."""
    source = FOLDER / _OF[number % len(_OF)] / "1.0.0"
    files = {name: (source / name).read_bytes() for name in ("model.skops", "card.json", "card.html")}
    files["model.skops"] += b" " * (1 + number)
    description = read_description(source / COMPILED)
    assert description is not None
    digest = hashlib.sha256(files["model.skops"]).hexdigest()
    described = structs.replace(description, digest=digest, environment=environment(allow_pickle=False))
    with TemporaryDirectory() as folder:
        write_compiled(Path(folder), described, (source / COMPILED / GRAPH_FILE).read_bytes())
        compiled = {name: (Path(folder) / name).read_bytes() for name in (GRAPH_FILE, DESCRIPTION_FILE)}
    return Trained(files, compiled)


TRAINED: Final = 6  # how many different ones


def compiler(stage: Stage) -> Any:
    """Return what `compile_artifact` is in a simulation: the compiler's work is looked up, and takes virtual time."""

    def compile_artifact(artifact: Path, _workspace: str, *, scratch: Path, **_named: object) -> list[Path]:
        stage.scheduler.step(f"compiles {artifact.parent.name}", COMPILES_S)
        digest = hashlib.sha256(artifact.read_bytes()).hexdigest()
        found = next((model for model in map(trained, range(TRAINED)) if model.digest == digest), None)
        if found is None:
            raise ArtifactRefused(f"{artifact.name} is none of the simulation's models")
        output = scratch / COMPILED
        output.mkdir()
        for name, content in found.compiled.items():
            (output / name).write_bytes(content)
        return [output / name for name in found.compiled]

    return compile_artifact
