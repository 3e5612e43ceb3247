"""The schema of history.db, in the numbered .sql files beside this one."""

from pathlib import Path
from typing import Final

# Versions 2 to 5 were never released.
MIGRATIONS: Final = {version: Path(__file__).with_name(f"{version}.sql").read_text("utf-8") for version in (1, 6, 7, 8)}
