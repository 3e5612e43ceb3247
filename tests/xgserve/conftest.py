"""Fixtures for tests of the service."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from xgserve.sandbox.child import run_child


@pytest.fixture(scope="session")
def compiled_before() -> dict[str, dict[str, bytes]]:
    """Hold what children have compiled so far, by all that they were given."""
    return {}


@pytest.fixture
def compiled_once(compiled_before: dict[str, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile each artifact in one child per session: scikit-learn alone takes it two seconds to import.

    For tests of where models come from and when they serve. What a child refuses, it refuses each time.
    """

    def compile_once(module: str, request: Mapping[str, Any], **bounds: Any) -> dict[str, Any]:
        artifact, output = Path(request["artifact"]), Path(request["output"])
        given: dict[str, Any] = {name: value for name, value in request.items() if name not in ("artifact", "output")}
        given["files"] = {
            path.name: path.read_bytes().hex() for path in sorted(artifact.parent.iterdir()) if path.is_file()
        }
        key = json.dumps([artifact.name, given], sort_keys=True)
        if key not in compiled_before:
            result = run_child(module, request, **bounds)
            compiled_before[key] = {path.name: path.read_bytes() for path in output.iterdir()}
            return result
        for name, content in compiled_before[key].items():
            (output / name).write_bytes(content)
        return {}

    monkeypatch.setattr("xgserve.registry.compilation.run_child", compile_once)
