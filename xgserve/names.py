"""What models, workspaces and versions may be called, and which version is newer."""

import re

# May become the name of a folder: no separators, no leading dot.
SAFE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")


def version_order(version: str) -> tuple[list[int], bool, list[tuple[bool, int, str]]]:
    """Return a sort key under which a newer version is larger, as in semantic versioning: 1.9 < 1.10-rc1 < 1.10."""
    core, _, pre_release = version.partition("+")[0].partition("-")
    numbers = [int(number) for number in re.findall(r"[0-9]+", core)]
    parts = [(not part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in pre_release.split(".")]
    return numbers, not pre_release, parts
