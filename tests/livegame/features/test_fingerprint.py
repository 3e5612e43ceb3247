"""The fingerprint of the code covers every file that an answer of the feed passes on its way into the history."""

import subprocess
import sys

from livegame.features.fingerprint import source_files
from tests.helpers import ROOT

SAYS_NOTHING_OF_A_SHOT = {"__init__.py", "errors.py"}


def test_every_module_that_parsing_or_features_import_is_fingerprinted() -> None:
    code = (
        "import sys, livegame.parsing.parse, livegame.features.rows;"
        " print(*(m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] == 'livegame'), sep='\\n')"
    )
    loaded = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    needed = {line.rpartition("livegame/")[2] for line in loaded.split()} - SAYS_NOTHING_OF_A_SHOT
    covered = {str(path.relative_to(ROOT / "livegame")) for path in source_files()}
    assert {"plays.py", "parsing/gamecenter.py", "features/features.py"} <= needed <= covered
