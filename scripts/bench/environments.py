"""The environments of the peers: made once, and again when their requirements change."""

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent


def environment(folder: Path, requirements: str) -> Path:
    """Return the `bin` folder of a virtual environment with exactly these requirements."""
    wanted = (HERE / requirements).read_text()
    made = folder / "made-of.txt"
    if not made.exists() or made.read_text() != wanted:
        print(f"installing {requirements} into {folder} (a minute or two, once)", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, "--requirement", str(HERE / requirements)], check=True)
        made.write_text(wanted)
    return folder / "bin"
