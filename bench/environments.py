"""The environments that servers run in: made once, and again when their requirements change."""

import subprocess
import sys
import venv
from pathlib import Path


def environment(folder: Path, requirements: Path, constraints: Path | None = None) -> Path:
    """Return the `bin` folder of a virtual environment with exactly these requirements."""
    files = {"--requirement": requirements} | ({"--constraint": constraints} if constraints else {})
    wanted = "".join(file.read_text() for file in files.values())
    made = folder / "made-of.txt"
    if not made.exists() or made.read_text() != wanted:
        print(f"installing {requirements.name} into {folder} (a minute or two, once)", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, *(str(word) for option in files.items() for word in option)], check=True)
        made.write_text(wanted)
    return folder / "bin"
