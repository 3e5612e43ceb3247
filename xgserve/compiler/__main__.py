"""`python -m xgserve.compiler FOLDER ...`: compile models of our own, such as the bundled ones, where they are."""

import sys
from pathlib import Path

from xgserve.compiler.build import compile_model
from xgserve.errors import InvalidFrame, ModelError
from xgserve.model.compiled import environment
from xgserve.names import COMPILED, is_model_file


def main(folders: list[str]) -> int:
    """Compile the artifact in each folder; return the exit code (0 all compiled, 1 not, 2 no folder given)."""
    if not folders:
        sys.stderr.write("usage: python -m xgserve.compiler FOLDER ...\n")
        return 2
    for folder in map(Path, folders):
        artifacts = [path for path in sorted(folder.iterdir()) if path.is_file() and is_model_file(path)]
        if len(artifacts) != 1:
            sys.stderr.write(f"{folder}: expected one model file, found {len(artifacts)}\n")
            return 1
        try:
            (folder / COMPILED).mkdir(exist_ok=True)
            written = compile_model(
                artifacts[0], folder / COMPILED, environment(allow_pickle=False), workspace="local", allow_pickle=False
            )
        except (ModelError, InvalidFrame) as error:
            sys.stderr.write(f"{folder}: {error}\n")
            return 1
        how = written.not_compiled or f"largest difference {written.agreement:.1e} on {written.rows_compared} rows"
        sys.stdout.write(f"{folder}: {how}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
