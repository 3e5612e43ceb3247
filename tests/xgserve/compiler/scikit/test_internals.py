"""Private names of scikit-learn stand in one file, so that an upgrade touches one file."""

import ast
import re
from pathlib import Path

import pytest

from tests.helpers import ROOT

FOLDER = ROOT / "xgserve"
INTERNALS = FOLDER / "compiler/scikit/internals.py"
DATA = FOLDER / "compiler/scikit/allow_list.py"  # names as they stand in files, which nothing looks up
PRIVATE = re.compile(r"_[A-Za-z]\w*")
OURS = {"self", "cls", "Copy", "logging"}  # the private names of these are our own, or the standard library's


def private_names(path: Path) -> set[str]:
    """Return the private names that a file uses of other libraries: modules, attributes, and their names as text."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.ImportFrom(module=str(module), names=names) if module.startswith("sklearn"):
                found |= {part for part in module.split(".") if PRIVATE.fullmatch(part)}
                found |= {alias.name for alias in names if PRIVATE.fullmatch(alias.name)}
            case ast.Attribute(value=value, attr=name) if PRIVATE.fullmatch(name):
                if not (isinstance(value, ast.Name) and value.id in OURS):
                    found.add(name)
            case ast.MatchClass(kwd_attrs=names):
                found |= set(filter(PRIVATE.fullmatch, names))
            case ast.Call(func=ast.Name(id="getattr" | "hasattr" | "setattr"), args=[_, ast.Constant(value=name), *_]):
                found |= set(filter(PRIVATE.fullmatch, [str(name)]))
    return found


def test_internals_when_searched_for_private_names_hold_many() -> None:
    """So the reading below is one that finds something."""
    assert {"_predictors", "_kmeans", "_BaseKMeans", "_sklearn_output_config", "_fit_X"} <= private_names(INTERNALS)


@pytest.mark.parametrize("path", sorted(FOLDER.rglob("*.py")), ids=lambda path: str(path.relative_to(FOLDER)))
def test_other_files_use_no_private_name_of_scikit_learn(path: Path) -> None:
    if path not in (INTERNALS, DATA):
        found = private_names(path)
        assert not found & private_names(INTERNALS)
        if path.parent.name == "scikit":
            assert not found
