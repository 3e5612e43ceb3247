"""The files that each Dockerfile copies are all that its commands need."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.helpers import ROOT

# an editable installation would find in it what the image lacks
WITHOUT_THIS_FOLDER = "import sys; sys.meta_path[:] = [f for f in sys.meta_path if 'Editable' not in repr(f)]"


def copied(dockerfile: str, folder: Path) -> None:
    """Copy what the COPY lines of the Dockerfile copy."""
    for line in (ROOT / dockerfile).read_text().splitlines():
        if line.startswith("COPY "):
            *sources, target = line.split()[1:]
            for source in sources:
                if source.endswith("/"):
                    shutil.copytree(ROOT / source, folder / target, dirs_exist_ok=True)
                else:
                    destination = folder / target if target.endswith("/") else folder
                    destination.mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / source, destination)


@pytest.mark.parametrize(
    ("dockerfile", "modules"),
    [
        ("Dockerfile.serving", "xgserve.__main__, xgserve.registry.comet, xgserve.compiler.child"),
        (
            "Dockerfile.streamlit",
            "scripts.ping_game, scripts.replay, scripts.rescore, scripts.dashboard, scripts.backup,"
            " scripts.export, scripts.explore, scripts.picture,"
            " livegame.reports.game, ui.pages.game, ui.pages.history, ui.pages.service",
        ),
    ],
)
def test_commands_of_an_image_find_their_modules_among_its_files(dockerfile: str, modules: str, tmp_path: Path) -> None:
    copied(dockerfile, tmp_path)
    ran = subprocess.run(
        [sys.executable, "-c", f"{WITHOUT_THIS_FOLDER}; import {modules}"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (ran.returncode, ran.stdout) == (0, ""), ran.stderr
