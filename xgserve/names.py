"""What models, workspaces and versions are called, and which version is newer."""

import re
from dataclasses import dataclass

# May become the name of a folder: no separators, no leading dot.
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")


@dataclass(frozen=True)
class ModelName:
    """Where a model comes from in words: `workspace/name:version`."""

    workspace: str
    name: str
    version: str

    def __str__(self) -> str:
        return f"{self.workspace}/{self.name}:{self.version}"


def version_order(version: str) -> tuple[list[int], bool, list[tuple[bool, int, str]]]:
    """Return a sort key under which a newer version is larger, as in semantic versioning: 1.9 < 1.10-rc1 < 1.10."""
    core, _, pre_release = version.partition("+")[0].partition("-")
    numbers = [int(number) for number in re.findall(r"[0-9]+", core)]
    parts = [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in pre_release.split(".")]
    return numbers, not pre_release, parts
