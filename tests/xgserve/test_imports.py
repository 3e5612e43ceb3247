"""What a fresh interpreter has loaded after importing a part of the service: the light parts stay light."""

import json
import subprocess
import sys
from typing import Any

import pytest

from tests.helpers import ROOT

HEAVY = {"joblib", "onnx", "onnxruntime", "pandas", "scipy", "skops", "sklearn"}


def after_importing(modules: str) -> dict[str, Any]:
    """Return the top-level names and our own modules that are loaded, and the threads that BLAS and OpenMP may use."""
    code = f"""
import json, os, sys
import {modules}
print(json.dumps({{
    "libraries": sorted({{name.partition(".")[0] for name in sys.modules}}),
    "ours": sorted(name for name in sys.modules if name.startswith("xgserve")),
    "threads": os.environ.get("OMP_NUM_THREADS"),
}}))
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded: dict[str, Any] = json.loads(ran.stdout)
    return loaded


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ("xgserve.model.model, xgserve.model.frames, xgserve.model.schema, xgserve.model.validation", HEAVY),
        ("xgserve.registry.comet, xgserve.sandbox.child", HEAVY | {"numpy"}),
    ],
    ids=["model", "the child that asks Comet"],
)
def test_light_parts_when_imported_load_nothing_heavy(modules: str, heavy: set[str]) -> None:
    loaded = after_importing(modules)
    assert not heavy & set(loaded["libraries"])
    assert not [name for name in loaded["ours"] if name.startswith("xgserve.compiler")]


@pytest.mark.parametrize("modules", ["xgserve.__main__", "xgserve.registry.trial"])
def test_entry_points_when_imported_set_up_the_libraries_first(modules: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """scikit-learn is loaded without pandas, and one thread per prediction is asked for before NumPy is."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    loaded = after_importing(modules)
    assert "sklearn" in loaded["libraries"] and "pandas" not in loaded["libraries"]
    assert loaded["threads"] == "1"
    assert loaded_before_numpy(modules)


def loaded_before_numpy(modules: str) -> bool:
    """Return whether the number of threads was set when NumPy was imported."""
    code = f"""
import os, sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy":
            print(os.environ.get("OMP_NUM_THREADS"))
sys.meta_path.insert(0, Watch())
import {modules}
"""
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return ran.stdout == "1\n"
