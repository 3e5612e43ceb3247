"""Virtual environments for servers: made once, and again when their requirements change."""

import subprocess
import sys
import venv
from pathlib import Path


def environment(folder: Path, *requirements: Path, constraints: Path | None = None) -> Path:
    """Return the `bin` folder of a virtual environment with exactly these requirements."""
    options = [("--requirement", file) for file in requirements]
    if constraints:
        options.append(("--constraint", constraints))
    wanted = "".join(file.read_text() for _, file in options)
    made = folder / "made-of.txt"
    if not made.exists() or made.read_text() != wanted:
        print(f"installing {requirements[-1].name} into {folder} (a minute or two, once)", file=sys.stderr, flush=True)
        venv.create(folder, clear=True, with_pip=True)
        pip = [str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--quiet", "install"]
        subprocess.run([*pip, *(str(word) for option in options for word in option)], check=True)
        made.write_text(wanted)
    return folder / "bin"
