"""What a fresh interpreter has loaded after importing a part of the service: the light parts stay light."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.helpers import ROOT
from tests.xgserve.helpers import process

HEAVY = {"joblib", "lightgbm", "onnx", "pandas", "scipy", "skops", "sklearn", "treelite", "xgboost"}


def after_importing(modules: str) -> dict[str, Any]:
    """Return the top-level names and our own modules that are loaded."""
    code = f"""
import json, sys
import {modules}
print(json.dumps({{
    "libraries": sorted({{name.partition(".")[0] for name in sys.modules}}),
    "ours": sorted(name for name in sys.modules if name.startswith("xgserve")),
}}))
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded: dict[str, Any] = json.loads(ran.stdout)
    return loaded


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("xgserve.__main__, xgserve.model.compiled", HEAVY),
        ("xgserve.registry.comet, xgserve.sandbox.child", HEAVY | {"numpy", "onnxruntime"}),
    ],
    ids=["the service", "the child that asks Comet"],
)
def test_light_parts_when_imported_load_nothing_heavy(modules: str, heavy: set[str]) -> None:
    loaded = after_importing(modules)
    assert not heavy & set(loaded["libraries"])
    assert not [name for name in loaded["ours"] if name.startswith("xgserve.compiler")]


def test_running_service_has_none_of_the_libraries_that_made_its_models(tmp_path: Path) -> None:
    """Ask a real service for a prediction and a swap, then look at the libraries that its process has mapped."""
    with process(tmp_path) as service:
        row = requests.get(f"{service.url}/model", timeout=30).json()["golden_row"]["values"]
        assert requests.post(f"{service.url}/predict", json=[row], timeout=30).ok
        swap = {"workspace": "bundled", "model": "xg-distance"}
        assert requests.post(f"{service.url}/download_registry_model", json=swap, timeout=30).ok
        mapped = Path(f"/proc/{service.popen.pid}/maps").read_text()
    packages = set(re.findall(r"site-packages/(\w+)/", mapped))
    assert "onnxruntime" in packages
    assert not HEAVY & packages
